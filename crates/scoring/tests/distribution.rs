//! Student t and normal against 60-digit values (tests/golden/distribution.json).

use mindmeasure_scoring::distribution::*;
use mindmeasure_scoring::numeric::{DISTRIBUTION_TOLERANCE, DISTRIBUTION_TOLERANCE_LARGE_NU};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/distribution.json")).unwrap()
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap()
}

fn assert_relative(actual: f64, expected: f64, tolerance: f64, case: &Value) {
    let error = (actual - expected).abs();
    assert!(
        error <= tolerance * expected.abs(),
        "{actual:e} is not {expected:e} in {case}"
    );
}

#[test]
fn student_t_holds_its_relative_accuracy_in_both_tails_and_at_the_centre() {
    for case in golden()["student_t"].as_array().unwrap() {
        let (t, nu) = (number(case, "t"), number(case, "nu"));
        let tolerance = if nu > 1e4 {
            DISTRIBUTION_TOLERANCE_LARGE_NU
        } else {
            DISTRIBUTION_TOLERANCE
        };
        assert_relative(student_t_cdf(t, nu), number(case, "cdf"), tolerance, case);
        assert_relative(student_t_sf(t, nu), number(case, "sf"), tolerance, case);
        assert_relative(student_t_cdf(-t, nu), number(case, "sf"), tolerance, case);
        assert_relative(
            student_t_two_sided(t, nu),
            2.0 * number(case, "sf"),
            tolerance,
            case,
        );
        assert_relative(
            student_t_to_normal(t, nu),
            number(case, "z"),
            tolerance,
            case,
        );
    }
}

#[test]
fn the_normal_holds_its_relative_accuracy() {
    for case in golden()["normal"].as_array().unwrap() {
        let z = number(case, "z");
        assert_relative(
            normal_cdf(z),
            number(case, "cdf"),
            DISTRIBUTION_TOLERANCE,
            case,
        );
        assert_relative(
            normal_sf(z),
            number(case, "sf"),
            DISTRIBUTION_TOLERANCE,
            case,
        );
    }
}

#[test]
fn the_normal_quantile_holds_its_relative_accuracy() {
    for case in golden()["normal_quantile"].as_array().unwrap() {
        let z = normal_quantile(number(case, "p"));
        assert_relative(z, number(case, "z"), DISTRIBUTION_TOLERANCE, case);
    }
}

#[test]
fn z_is_odd_to_the_last_bit() {
    for nu in [1.0, 4.0, 17.5, 1e4, 1e5] {
        for t in [
            0.0,
            1e-300,
            1e-6,
            0.3,
            0.7,
            2.0,
            50.0,
            1e10,
            1e200,
            f64::MAX,
        ] {
            assert_eq!(student_t_to_normal(-t, nu), -student_t_to_normal(t, nu));
        }
    }
}

#[test]
fn the_far_tails_are_finite() {
    for nu in [1e-3, 1.0, 30.0, 1e4, 1e7, f64::MAX] {
        for t in [1e3, 1e100, 1e200, f64::MAX] {
            let z = student_t_to_normal(t, nu);
            assert!(
                z.is_finite() && z > 0.0 && z <= 38.6,
                "t {t:e} nu {nu:e} gives {z}"
            );
        }
    }
    assert!(normal_quantile(0.0).is_finite() && normal_quantile(1.0).is_finite());
}
