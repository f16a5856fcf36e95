//! What holds of learning and trends for every input, and that each estimator finds a truth it
//! was shown.

mod random;

use mindmeasure_scoring::numeric::{logit, sigmoid};
use mindmeasure_scoring::population::{evidence_correlation, ridge, spread, worse_rate};
use mindmeasure_scoring::{change, correlation, platt, report, trend};
use proptest::prelude::*;
use random::Random;

fn labelled(
    most: usize,
    values: impl Strategy<Value = f64>,
) -> impl Strategy<Value = Vec<(f64, bool)>> {
    prop::collection::vec((values, any::<bool>()), 0..most)
}

/// Any finite number, extremes included.
fn finite() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

fn prior() -> platt::Prior {
    platt::Prior::from_sd(1.0, logit(0.25), 0.3, 0.5)
}

fn with_prior() -> platt::Options<'static> {
    platt::Options {
        prior: Some(prior()),
        ..Default::default()
    }
}

fn split<T: Copy, U: Copy>(pairs: &[(T, U)]) -> (Vec<T>, Vec<U>) {
    pairs.iter().copied().unzip()
}

fn all_finite(values: &[f64]) -> bool {
    values.iter().all(|v| v.is_finite())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    // Calibration

    #[test]
    fn a_calibration_with_a_prior_always_exists(points in labelled(30, finite()), smooth_targets: bool) {
        let (x, y) = split(&points);
        let options = platt::Options { smooth_targets, ..with_prior() };
        let fit = platt::fit(&x, &y, &options).unwrap();
        prop_assert!(all_finite(&[fit.a, fit.b, fit.objective]) && all_finite(&fit.covariance));
        prop_assert!(fit.covariance[0] > 0.0 && fit.covariance[2] > 0.0);
        prop_assert!(fit.covariance[0] * fit.covariance[2] >= fit.covariance[1].powi(2));
    }

    #[test]
    fn the_gradient_of_the_posterior_is_zero_at_the_map(points in labelled(60, -8.0..8.0)) {
        let (x, y) = split(&points);
        let fit = platt::fit(&x, &y, &with_prior()).unwrap();
        let prior = prior();
        let residual = |(x, y): (&f64, &bool)| sigmoid(fit.a * x + fit.b) - f64::from(u8::from(*y));
        let by_b: f64 = x.iter().zip(&y).map(residual).sum();
        let by_a: f64 = x.iter().zip(&y).map(|p| p.0 * residual(p)).sum();
        prop_assert!((by_a + prior.precision_a * (fit.a - prior.a)).abs() < 1e-8);
        prop_assert!((by_b + prior.precision_b * (fit.b - prior.b)).abs() < 1e-8);
    }

    #[test]
    fn a_plain_fit_exists_or_says_that_it_does_not(points in labelled(12, finite())) {
        let (x, y) = split(&points);
        if let Ok(fit) = platt::fit(&x, &y, &Default::default()) {
            prop_assert!(all_finite(&[fit.a, fit.b]) && all_finite(&fit.covariance));
            let gain = fit.log_loss_before.zip(fit.log_loss_after).map(|(before, after)| before - after);
            prop_assert!(gain.is_some_and(|gain| gain > -1e-12));
        }
    }

    // Reports

    #[test]
    fn reports_are_finite_and_in_range(points in labelled(40, 0.0..=1.0)) {
        let (p, y) = split(&points);
        if let Ok(r) = report::report(&p, &y) {
            let optional = [
                r.auc, r.average_precision, r.brier_skill,
                r.calibration_slope, r.calibration_intercept, r.calibration_in_the_large,
            ];
            prop_assert!(optional.iter().flatten().all(|v| v.is_finite()) && r.log_loss.is_finite());
            let units = [Some(r.base_rate), Some(r.brier), Some(r.ece), r.auc, r.average_precision];
            prop_assert!(units.iter().flatten().all(|v| (0.0..=1.0 + 1e-12).contains(v)));
            prop_assert_eq!(r.bins.iter().map(|b| b.n).sum::<usize>(), r.n);
        }
    }

    #[test]
    fn auc_keeps_under_a_rising_map_and_turns_with_the_order(
        points in prop::collection::vec((0u8..20, any::<bool>()), 2..60),
    ) {
        let y: Vec<bool> = points.iter().map(|p| p.1).collect();
        let auc = |f: &dyn Fn(f64) -> f64| {
            let p: Vec<f64> = points.iter().map(|p| f(f64::from(p.0) / 20.0)).collect();
            report::auc(&p, &y).unwrap()
        };
        let plain = auc(&|p| p);
        prop_assert_eq!(plain, auc(&|p| p * p * 0.5 + 0.25));
        if let (Some(plain), Some(turned)) = (plain, auc(&|p| 1.0 - p)) {
            prop_assert!((plain + turned - 1.0).abs() < 1e-12);
        }
        let everyone = report::within_user_auc(&vec![0.5; y.len()], &y, &vec![7; y.len()]).unwrap();
        prop_assert_eq!(everyone.mean, plain.map(|_| 0.5));
    }

    // Trend

    #[test]
    fn a_trend_is_finite_and_its_interval_holds_its_slope(
        points in prop::collection::vec((finite(), finite()), 0..12),
    ) {
        if let Ok(t) = trend::trend(&points) {
            prop_assert!(all_finite(&[t.variance_s, t.z, t.slope, t.intercept, t.slope_low, t.slope_high]));
            prop_assert!(t.slope_low <= t.slope && t.slope <= t.slope_high);
            prop_assert!((0.0..=1.0).contains(&t.p()) && (0.0..=1.0).contains(&t.p_normal));
        }
    }

    #[test]
    fn theil_sen_is_equivariant_and_blind_to_the_order(
        values in prop::collection::vec(-50.0..50.0f64, 3..25), scale in 0.1..10.0f64, tilt in -5.0..5.0f64,
    ) {
        let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(i, y)| (i as f64, *y)).collect();
        let plain = trend::trend(&points).unwrap();
        let tilted: Vec<_> = points.iter().rev().map(|(t, y)| (*t, scale * y + tilt * t + 3.0)).collect();
        let moved = trend::trend(&tilted).unwrap();
        prop_assert!((moved.slope - (scale * plain.slope + tilt)).abs() < 1e-9);
        let turned: Vec<_> = points.iter().map(|(t, y)| (*t, -y)).collect();
        let turned = trend::trend(&turned).unwrap();
        prop_assert_eq!(turned.s, -plain.s);
        prop_assert!((turned.p() - plain.p()).abs() < 1e-12);
    }

    #[test]
    fn a_trend_is_the_same_to_the_bit_however_its_pairs_are_gone_through(
        // Up to some 8,000 slopes; few different values, or as many as there are points.
        values in prop::collection::vec(-50.0..50.0f64, 3..130), levels in prop::option::of(1.0..6.0f64), gap in 0.1..30.0f64,
    ) {
        let level = |y: f64| levels.map_or(y, |levels| (y / 100.0 * levels).round());
        let points: Vec<(f64, f64)> =
            values.iter().enumerate().map(|(i, y)| (gap * i as f64, level(*y))).collect();
        let in_order = trend::trend(&points).unwrap();
        let backwards: Vec<_> = points.iter().rev().copied().collect();
        prop_assert_eq!(in_order, trend::trend(&backwards).unwrap());

        let mut slopes: Vec<f64> = Vec::new();
        for (i, (from, low)) in points.iter().enumerate() {
            slopes.extend(points[i + 1..].iter().map(|(to, high)| {
                (0.5 * high - 0.5 * low) / (0.5 * to - 0.5 * from) + 0.0
            }));
        }
        slopes.sort_by(f64::total_cmp);
        let middle = slopes.len() / 2;
        let median = if slopes.len() % 2 == 1 {
            slopes[middle]
        } else {
            0.5 * slopes[middle - 1] + 0.5 * slopes[middle]
        };
        prop_assert_eq!(in_order.slope.to_bits(), median.to_bits());
        prop_assert!(slopes.contains(&in_order.slope_low) && slopes.contains(&in_order.slope_high));
    }

    // Change

    #[test]
    fn changes_are_finite(values in prop::collection::vec(finite(), 0..15), new in finite(), sd in finite()) {
        for z in change::own_baseline_z(&values).into_iter().flatten() {
            prop_assert!(z.abs() <= change::CUSUM_Z_LIMIT);
        }
        prop_assert!(change::decline(&values).level.is_finite());
        prop_assert!(change::cusum(&values, 0.5).iter().all(|c| all_finite(&[c.high, c.low])));
        if let Ok(c) = change::single_case(new, values.len() as f64, 0.0, sd) {
            prop_assert!(all_finite(&[c.t, c.p_two_sided, c.p_lower, c.effect]));
        }
        if let Ok(c) = change::reliable_change(new, -new, sd, 0.8) {
            prop_assert!(all_finite(&[c.index, c.p, c.se_difference, c.smallest_reliable]));
        }
        if let Ok(c) = change::window_change(&values, &[new, sd, 0.0]) {
            prop_assert!(all_finite(&[c.difference, c.t, c.df, c.p, c.low, c.high, c.effect]));
        }
    }

    // Correlation

    #[test]
    fn correlations_are_finite_and_hold_under_scaling(
        pairs in prop::collection::vec((finite(), -9.0..9.0f64), 0..20), scale in 0.1..10.0f64,
    ) {
        let (x, y) = split(&pairs);
        let alone = correlation::associate(&x, &y);
        prop_assert_eq!(
            alone.map(|a| (a.r, a.effective_n, a.effective_p)),
            correlation::correlate(&x, &y).map(|c| (c.pearson.r, c.effective_n, c.effective_p))
        );
        if let Ok(c) = correlation::correlate(&x, &y) {
            prop_assert!(all_finite(&[c.fisher_z, c.effective_n, c.effective_p, c.pearson.p, c.spearman.p]));
            prop_assert!(c.pearson.r.abs() <= 1.0 && c.spearman.r.abs() <= 1.0);
            prop_assert!(c.effective_n <= c.n as f64);
            let scaled: Vec<f64> = y.iter().map(|y| -scale * y).collect();
            let turned = correlation::correlate(&x, &scaled).unwrap();
            prop_assert!((turned.pearson.r + c.pearson.r).abs() < 1e-9);
            prop_assert!((turned.spearman.r + c.spearman.r).abs() < 1e-9);
        }
    }

    #[test]
    fn benjamini_hochberg_keeps_the_order_and_never_lowers_a_p(p in prop::collection::vec(0.0..=1.0f64, 0..30)) {
        let adjusted = correlation::benjamini_hochberg(&p).unwrap();
        for (i, p_i) in p.iter().enumerate() {
            prop_assert!(adjusted[i] >= *p_i && adjusted[i] <= 1.0);
            for (j, p_j) in p.iter().enumerate() {
                prop_assert!(p_i > p_j || adjusted[i] <= adjusted[j]);
            }
        }
    }

    // Population

    #[test]
    fn ridge_weights_exist_whenever_both_classes_do(
        rows in prop::collection::vec((-1e3..1e3f64, -4.0..4.0f64, any::<bool>()), 2..30), lambda in 0.01..100.0f64,
    ) {
        let z: Vec<f64> = rows.iter().flat_map(|r| [r.0, r.1]).collect();
        let worse: Vec<bool> = rows.iter().map(|r| r.2).collect();
        let design = ridge::Design { rows: &z, columns: 2, worse: &worse, offset: None };
        match ridge::fit(&design, lambda) {
            Ok(fit) => prop_assert!(all_finite(&fit.weights) && fit.intercept.is_finite()),
            Err(error) => prop_assert_eq!(error, ridge::RidgeError::OneClass),
        }
    }
}

#[test]
fn no_points_give_the_prior_exactly() {
    let fit = platt::fit(&[], &[], &with_prior()).unwrap();
    assert_eq!((fit.a, fit.b), (1.0, logit(0.25)));
    assert_eq!(
        fit.covariance,
        [
            prior().precision_a.recip(),
            0.0,
            prior().precision_b.recip()
        ]
    );
    assert_eq!((fit.n, fit.log_loss_before), (0, None));
}

#[test]
fn labels_without_a_maximum_likelihood_need_the_prior() {
    for (x, y) in [
        ([-1500.0, -2.0, 3.0, 1500.0], [false, false, true, true]),
        ([1500.0, 1.0, 2.0, -1500.0], [true; 4]),
        ([0.5; 4], [true, false, true, false]),
    ] {
        assert_eq!(
            platt::fit(&x, &y, &Default::default()),
            Err(platt::FitError::NoMaximum)
        );
        assert!(platt::fit(&x, &y, &with_prior()).is_ok());
    }
}

#[test]
fn a_perfect_order_of_four_has_no_direction_and_of_five_has_one() {
    let rising = |n: u32| {
        (0..n)
            .map(|i| (f64::from(i), f64::from(i)))
            .collect::<Vec<_>>()
    };
    assert_eq!(trend::direction(&[]).as_str(), "insufficient data");
    assert_eq!(trend::direction(&rising(4)).as_str(), "insufficient data");
    assert_eq!(trend::direction(&rising(5)).as_str(), "improving");
    let falling: Vec<_> = rising(5).iter().map(|(t, y)| (*t, -y)).collect();
    assert_eq!(trend::direction(&falling).as_str(), "declining");
    let flat: Vec<_> = rising(5).iter().map(|(t, _)| (*t, 50.0)).collect();
    assert_eq!(trend::direction(&flat).as_str(), "stable");
}

#[test]
fn mann_kendall_without_a_trend_alarms_at_its_level() {
    let mut random = Random::new(1975);
    // Both tests are discrete and stay below 5 %: Kendall's table gives 0.031 for n = 8.
    for (n, level) in [(8, 0.031), (28, 0.043)] {
        let rounds = 1500;
        let alarms = (0..rounds)
            .filter(|_| {
                let points: Vec<_> = (0..n).map(|i| (f64::from(i), random.normal())).collect();
                trend::trend(&points).unwrap().p() < trend::ALPHA
            })
            .count() as f64;
        // three binomial standard errors
        assert!(
            (alarms / f64::from(rounds) - level).abs() < 0.016,
            "n = {n}: {alarms}"
        );
    }
}

/// Given people who do not change, when 200 sessions come in, then at most 5 % alarm.
#[test]
fn the_decline_alarm_keeps_its_false_alarms_below_five_percent() {
    let mut random = Random::new(1954);
    let people = 1000;
    let alarms = (0..people)
        .filter(|_| {
            let scores: Vec<f64> = (0..200).map(|_| 60.0 + 12.0 * random.normal()).collect();
            change::decline(&scores).first_alarm.is_some()
        })
        .count();
    let rate = alarms as f64 / f64::from(people);
    assert!(rate <= 0.05, "{rate}");
    // Nor is it silent because it is deaf.
    assert!(rate > 0.0, "{rate}");
}

#[test]
fn the_decline_alarm_finds_a_fall_of_one_sd() {
    let mut random = Random::new(7);
    let found = (0..100)
        .filter(|_| {
            let scores: Vec<f64> = (0..160)
                .map(|i| 60.0 + 12.0 * (random.normal() - f64::from(u8::from(i >= 100))))
                .collect();
            change::decline(&scores)
                .first_alarm
                .is_some_and(|i| i >= 100)
        })
        .count();
    assert!(found > 85, "{found}");
}

#[test]
fn ridge_finds_the_weights_it_was_shown() {
    let truth = [0.8, -0.5, 0.0, 0.3];
    let mut random = Random::new(1992);
    let n = 6000;
    let (mut rows, mut worse, mut offset) = (vec![], vec![], vec![]);
    for _ in 0..n {
        let z: Vec<f64> = truth
            .iter()
            .map(|_| {
                if random.chance(0.2) {
                    0.0
                } else {
                    random.normal()
                }
            })
            .collect();
        let known = random.normal();
        let evidence: f64 = z.iter().zip(truth).map(|(z, w)| z * w).sum();
        worse.push(random.chance(sigmoid(known - 1.0 + evidence)));
        rows.extend(z);
        offset.push(known);
    }
    let design = ridge::Design {
        rows: &rows,
        columns: truth.len(),
        worse: &worse,
        offset: Some(&offset),
    };
    let fit = ridge::fit(&design, 1.0).unwrap();
    // four standard errors
    assert!((fit.intercept + 1.0).abs() < 0.14, "{fit:?}");
    for (got, true_weight) in fit.weights.iter().zip(truth) {
        assert!((got - true_weight).abs() < 0.16, "{fit:?}");
    }
    assert!(fit.log_loss_after < fit.log_loss_before);

    // given a stronger penalty, then smaller weights, and the gradient is zero at both
    let strong = ridge::fit(&design, 500.0).unwrap();
    let length = |weights: &[f64]| weights.iter().map(|w| w * w).sum::<f64>();
    assert!(length(&strong.weights) < length(&fit.weights));
    for (fit, lambda) in [(&fit, 1.0), (&strong, 500.0)] {
        let mut gradient: Vec<f64> = fit.weights.iter().map(|w| lambda * w).collect();
        for (i, is_worse) in worse.iter().enumerate() {
            let z = &rows[4 * i..4 * i + 4];
            let evidence: f64 = z.iter().zip(&fit.weights).map(|(z, w)| z * w).sum();
            let residual =
                sigmoid(offset[i] + fit.intercept + evidence) - f64::from(u8::from(*is_worse));
            gradient
                .iter_mut()
                .zip(z)
                .for_each(|(g, z)| *g += residual * z);
        }
        assert!(gradient.iter().all(|g| g.abs() < 1e-6), "{gradient:?}");
    }
}

#[test]
fn the_beta_binomial_finds_the_rate_and_strength_it_was_shown() {
    let mut random = Random::new(1948);
    for (alpha, beta) in [(1, 3), (6, 14)] {
        let people: Vec<(u64, u64)> = (0..600)
            .map(|i| {
                let rate = random.beta(alpha, beta);
                let n = 10 + i % 30;
                (n, (0..n).filter(|_| random.chance(rate)).count() as u64)
            })
            .collect();
        let got = worse_rate::fit(&people).unwrap();
        let (rate, strength) = (alpha as f64 / (alpha + beta) as f64, (alpha + beta) as f64);
        assert!((got.prior_rate - rate).abs() < 0.04, "{got:?}");
        assert!((got.prior_strength / strength).ln().abs() < 0.35, "{got:?}");
        assert!(!got.at_limit);
    }
}

#[test]
fn people_who_differ_by_chance_only_have_the_largest_strength() {
    let people = [(10, 3); 20];
    let got = worse_rate::fit(&people).unwrap();
    assert!(got.at_limit && got.prior_strength > 900.0, "{got:?}");
    assert!((got.prior_rate - 0.3).abs() < 1e-3, "{got:?}");
    assert_eq!(
        worse_rate::fit(&[(3, 0), (5, 0)]),
        Err(worse_rate::WorseRateError::OneClass)
    );
    assert_eq!(
        worse_rate::fit(&[(1, 0), (1, 1)]),
        Err(worse_rate::WorseRateError::TooFew)
    );
}

/// Given evidence that shares the outcome and a correlated error, then only the error counts.
#[test]
fn rho_is_the_correlation_within_classes() {
    let mut random = Random::new(1921);
    let sessions: Vec<_> = (0..5000)
        .map(|_| {
            let worse = random.chance(0.3);
            let common = random.normal() * 0.4f64.sqrt();
            let class = if worse { 1.5 } else { -1.5 };
            let mut logit = || Some(class + common + random.normal() * 0.6f64.sqrt());
            evidence_correlation::Evidence {
                logits: [logit(), logit(), None, None],
                worse,
            }
        })
        .collect();
    let rho = evidence_correlation::rho(&sessions).unwrap();
    assert!((rho - 0.4).abs() < 0.05, "{rho}");
    assert_eq!(evidence_correlation::rho(&sessions[..9]), None);
}

#[test]
fn the_spread_of_calibrations_is_found_from_shrunken_fits() {
    let (sd_a, sd_b) = (0.5, 0.8);
    let mut random = Random::new(1982);
    let people: Vec<spread::PersonFit> = (0..250)
        .map(|_| {
            let (a, b) = (
                1.0 + sd_a * random.normal(),
                logit(0.25) + sd_b * random.normal(),
            );
            let x: Vec<f64> = (0..60).map(|_| 1.5 * random.normal()).collect();
            let y: Vec<bool> = x
                .iter()
                .map(|x| random.chance(sigmoid(a * x + b)))
                .collect();
            let fit = platt::fit(&x, &y, &with_prior()).unwrap();
            spread::PersonFit {
                a: fit.a,
                b: fit.b,
                covariance: fit.covariance,
                prior: prior(),
            }
        })
        .collect();
    let got = spread::fit(&people).unwrap();
    assert!((got.sd_a - sd_a).abs() < 0.15, "{got:?}");
    assert!((got.sd_b - sd_b).abs() < 0.15, "{got:?}");
    assert_eq!(spread::fit(&people[..4]), Err(spread::SpreadError::TooFew));
}

#[test]
fn people_without_points_have_no_say_in_the_spread() {
    let fit = platt::fit(&[], &[], &with_prior()).unwrap();
    let person = spread::PersonFit {
        a: fit.a,
        b: fit.b,
        covariance: fit.covariance,
        prior: prior(),
    };
    assert_eq!(spread::fit(&[person; 20]), Err(spread::SpreadError::TooFew));
}
