//! Every case of the learning and trend references, made with scipy, scikit-learn and statsmodels.
//!
//! Out of scope, because the product does not use them: OLS and the Hamed–Rao and Yue–Wang
//! variants of trend.json, and the Brook–Evans run length as a function (the run lengths of
//! change.json are held against simulation of the CUSUM itself). Nor the two composites of PHQ-2,
//! GAD-2 and a mood item that phq_gad.json quotes from another program: they contradict each other.

mod random;

use mindmeasure_scoring::model::FusionSpec;
use mindmeasure_scoring::questionnaire::{Questionnaire, QuestionnaireError};
use mindmeasure_scoring::{change, correlation, platt, report, trend, Outcomes};
use serde_json::Value;

fn reference(json: &str) -> (Vec<Value>, f64, Value) {
    let file: Value = serde_json::from_str(json).unwrap();
    let cases = file["cases"].as_array().unwrap().clone();
    let tolerance = file["tolerance_abs"].as_f64().unwrap();
    (cases, tolerance, file)
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn labels(value: &Value) -> Vec<bool> {
    numbers(value).iter().map(|v| *v == 1.0).collect()
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

#[track_caller]
fn close(what: &str, got: f64, expected: &Value, tolerance: f64) {
    let expected = number(expected);
    assert!(
        (got - expected).abs() <= tolerance,
        "{what}: {got} instead of {expected}"
    );
}

/// A key that is absent or null is not compared: the reference leaves out what it did not compute.
#[track_caller]
fn close_if_given(what: &str, got: Option<f64>, expected: &Value, tolerance: f64) {
    if !expected.is_null() {
        close(
            what,
            got.unwrap_or_else(|| panic!("{what}: missing")),
            expected,
            tolerance,
        );
    }
}

#[test]
fn platt_fits_and_their_covariances() {
    let (cases, tolerance, _) = reference(include_str!("golden/platt.json"));
    for case in &cases {
        let name = &case["name"];
        let weights = case["weights"]
            .as_array()
            .map(|_| numbers(&case["weights"]));
        let prior = case["prior"].as_array().map(|_| {
            let p = numbers(&case["prior"]);
            platt::Prior {
                a: p[0],
                b: p[1],
                precision_a: p[2],
                precision_b: p[3],
            }
        });
        let options = platt::Options {
            prior,
            smooth_targets: case["smooth_targets"].as_bool().unwrap(),
            weights: weights.as_deref(),
        };
        let fit = platt::fit(&numbers(&case["x"]), &labels(&case["y"]), &options).unwrap();
        let expect = &case["expect"];
        close(&format!("{name} a"), fit.a, &expect["a"], tolerance);
        close(&format!("{name} b"), fit.b, &expect["b"], tolerance);
        close(
            &format!("{name} objective"),
            fit.objective,
            &expect["objective"],
            tolerance,
        );
        for (i, cell) in [(0, [0, 0]), (1, [0, 1]), (1, [1, 0]), (2, [1, 1])] {
            let expected = &expect["cov"][cell[0]][cell[1]];
            close(
                &format!("{name} cov {cell:?}"),
                fit.covariance[i],
                expected,
                tolerance,
            );
        }
        for point in case["p_at"].as_array().unwrap() {
            let p = mindmeasure_scoring::numeric::sigmoid(fit.a * number(&point["x"]) + fit.b);
            close(&format!("{name} p"), p, &point["p"], tolerance);
        }
    }
}

#[test]
fn reports() {
    let (cases, tolerance, _) = reference(include_str!("golden/metrics.json"));
    for case in &cases {
        let name = &case["name"];
        let got = report::report(&numbers(&case["p"]), &labels(&case["y"])).unwrap();
        let expect = &case["expect"];
        for (key, value) in [
            ("n", Some(got.n as f64)),
            ("base_rate", Some(got.base_rate)),
            ("brier", Some(got.brier)),
            ("log_loss", Some(got.log_loss)),
            ("ece10", Some(got.ece)),
            ("auc", got.auc),
            ("average_precision", got.average_precision),
            ("brier_skill", got.brier_skill),
            ("calibration_slope", got.calibration_slope),
            ("calibration_intercept", got.calibration_intercept),
            ("calibration_in_the_large", got.calibration_in_the_large),
        ] {
            close_if_given(&format!("{name} {key}"), value, &expect[key], tolerance);
        }
        let bins = expect["bins"].as_array().unwrap();
        assert_eq!(got.bins.len(), bins.len(), "{name}");
        for (bin, expected) in got.bins.iter().zip(bins) {
            for (key, value) in [
                ("lo", bin.low),
                ("hi", bin.high),
                ("n", bin.n as f64),
                ("mean_p", bin.mean_p),
                ("rate", bin.rate),
            ] {
                close(
                    &format!("{name} bin {key}"),
                    value,
                    &expected[key],
                    tolerance,
                );
            }
        }
    }
}

#[test]
fn trends() {
    let (cases, tolerance, _) = reference(include_str!("golden/trend.json"));
    for case in &cases {
        let name = &case["name"];
        let points: Vec<(f64, f64)> = numbers(&case["t_days"])
            .into_iter()
            .zip(numbers(&case["y"]))
            .collect();
        let got = trend::trend(&points).unwrap();
        let expect = &case["expect"];
        for (key, value) in [
            ("n", Some(got.n as f64)),
            ("S", Some(got.s as f64)),
            ("var_S", Some(got.variance_s)),
            ("z", Some(got.z)),
            ("p", Some(got.p_normal)),
            ("p_exact", got.p_exact),
            ("tau_b", got.tau_b),
            ("slope", Some(got.slope)),
            ("intercept", Some(got.intercept)),
            ("slope_lo95", Some(got.slope_low)),
            ("slope_hi95", Some(got.slope_high)),
        ] {
            close_if_given(&format!("{name} {key}"), value, &expect[key], tolerance);
        }
        assert_eq!(got.p_exact.is_none(), expect["p_exact"].is_null(), "{name}");
        assert_eq!(got.tau_b.is_none(), expect["tau_b"].is_null(), "{name}");
    }
}

#[test]
fn changes() {
    let (cases, tolerance, _) = reference(include_str!("golden/change.json"));
    for case in &cases {
        let expect = &case["expect"];
        let compare = |values: &[(&str, f64)]| {
            for (key, value) in values {
                close(
                    &format!("{} {key}", case["kind"]),
                    *value,
                    &expect[*key],
                    tolerance,
                );
            }
        };
        match case["kind"].as_str().unwrap() {
            "rci" => {
                let [first, second, sd, reliability] =
                    ["x1", "x2", "sd", "reliability"].map(|key| number(&case[key]));
                let got = change::reliable_change(first, second, sd, reliability).unwrap();
                compare(&[
                    ("se_measurement", got.se_measurement),
                    ("s_diff", got.se_difference),
                    ("rci", got.index),
                    ("p", got.p),
                    ("min_reliable_change", got.smallest_reliable),
                ]);
                assert_eq!(Some(got.reliable), expect["reliable"].as_bool());
            }
            "crawford_howell" => {
                let baseline = numbers(&case["baseline"]);
                let n = baseline.len() as f64;
                let mean = baseline.iter().sum::<f64>() / n;
                let sd =
                    (baseline.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
                let got = change::single_case(number(&case["new"]), n, mean, sd).unwrap();
                compare(&[
                    ("mean", mean),
                    ("sd", sd),
                    ("t", got.t),
                    ("df", got.df),
                    ("p_two", got.p_two_sided),
                    ("p_lower", got.p_lower),
                    ("d_cc", got.effect),
                ]);
            }
            "welch_window_vs_baseline" => {
                let got =
                    change::window_change(&numbers(&case["recent"]), &numbers(&case["baseline"]))
                        .unwrap();
                compare(&[
                    ("t", got.t),
                    ("df", got.df),
                    ("p", got.p),
                    ("diff", got.difference),
                    ("ci_lo", got.low),
                    ("ci_hi", got.high),
                    ("hedges_g", got.effect),
                ]);
            }
            "cusum" => {
                let (k, h) = (number(&case["k"]), number(&case["h"]));
                let got = change::cusum(&numbers(&case["z"]), k);
                let expected = expect.as_array().unwrap();
                assert_eq!(got.len(), expected.len());
                for (step, expected) in got.iter().zip(expected) {
                    close("cusum hi", step.high, &expected["hi"], tolerance);
                    close("cusum lo", step.low, &expected["lo"], tolerance);
                    assert_eq!(Some(step.alarm_high(h)), expected["alarm_hi"].as_bool());
                    assert_eq!(Some(step.alarm_low(h)), expected["alarm_lo"].as_bool());
                }
            }
            kind => panic!("unknown kind {kind}"),
        }
    }
}

/// Given a shift, when sessions come in, then the alarm takes as long as Brook & Evans 1972 say,
/// within five standard errors of the simulation.
#[test]
fn cusum_run_lengths() {
    let (_, _, file) = reference(include_str!("golden/change.json"));
    let mut random = random::Random::new(1972);
    for case in file["cusum_arl"].as_array().unwrap() {
        let [k, h, shift, expected] =
            ["k", "h", "shift_sd", "arl_one_sided"].map(|key| number(&case[key]));
        let runs = if expected > 100.0 { 300 } else { 1000 };
        let lengths: Vec<f64> = (0..runs)
            .map(|_| {
                let mut state = change::Cusum::default();
                let mut length = 0.0;
                while !state.alarm_high(h) {
                    state = state.next(shift + random.normal(), k);
                    length += 1.0;
                }
                length
            })
            .collect();
        let mean = lengths.iter().sum::<f64>() / f64::from(runs);
        let variance = lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / f64::from(runs);
        let error = (variance / f64::from(runs)).sqrt();
        assert!(
            (mean - expected).abs() < 5.0 * error,
            "{case}: {mean} ± {error}"
        );
    }
}

#[test]
fn correlations() {
    let (cases, tolerance, file) = reference(include_str!("golden/correlation.json"));
    for case in &cases {
        let name = &case["name"];
        let expect = &case["expect"];
        let got = correlation::correlate(&numbers(&case["x"]), &numbers(&case["y"]));
        if expect["r"].is_null() {
            assert_eq!(got, Err(correlation::CorrelationError::Constant), "{name}");
            continue;
        }
        let got = got.unwrap();
        let low = |interval: Option<(f64, f64)>| interval.map(|i| i.0);
        let high = |interval: Option<(f64, f64)>| interval.map(|i| i.1);
        for (key, value) in [
            ("n", Some(got.n as f64)),
            ("r", Some(got.pearson.r)),
            ("p", Some(got.pearson.p)),
            ("lo95", low(got.pearson.interval)),
            ("hi95", high(got.pearson.interval)),
            ("fisher_z", Some(got.fisher_z)),
            ("rho", Some(got.spearman.r)),
            ("p_rho", Some(got.spearman.p)),
            ("rho_lo95", low(got.spearman.interval)),
            ("rho_hi95", high(got.spearman.interval)),
            ("n_eff", Some(got.effective_n)),
            ("lo95_neff", low(got.effective_interval)),
            ("hi95_neff", high(got.effective_interval)),
        ] {
            close_if_given(&format!("{name} {key}"), value, &expect[key], tolerance);
        }
        assert_eq!(
            got.pearson.interval.is_some(),
            got.n >= correlation::MIN_PAIRS
        );
    }
    let adjusted = correlation::benjamini_hochberg(&numbers(&file["bh"]["p"])).unwrap();
    for (got, expected) in adjusted.iter().zip(numbers(&file["bh"]["adjusted"])) {
        assert!((got - expected).abs() <= tolerance);
    }
}

#[test]
fn own_rates_and_what_is_not_known_of_them() {
    let (cases, tolerance, _) = reference(include_str!("golden/beta_posterior.json"));
    for case in cases {
        let [k, n, alpha, beta] = ["k", "n", "alpha0", "beta0"].map(|key| number(&case[key]));
        let prior = FusionSpec {
            prior_rate: alpha / (alpha + beta),
            prior_strength: alpha + beta,
            ..FusionSpec::default()
        };
        let outcomes = Outcomes {
            n,
            worse: k,
            ..Outcomes::default()
        };
        let got = outcomes.posterior(&prior);
        for (key, got) in [
            ("mean", outcomes.worse_rate(&prior)),
            ("sd", got.sd()),
            ("lo90", got.quantile(0.05)),
            ("hi90", got.quantile(0.95)),
            ("lo95", got.quantile(0.025)),
            ("hi95", got.quantile(0.975)),
            ("p_gt_half", got.above(0.5)),
        ] {
            close(key, got, &case[key], tolerance);
        }
    }
}

#[test]
fn questionnaires() {
    let (cases, _, file) = reference(include_str!("golden/phq_gad.json"));
    for case in cases {
        let name = case["instrument"].as_str().unwrap();
        let items: Vec<Option<u8>> = case["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.as_u64().map(|answer| answer as u8))
            .collect();
        let got = Questionnaire::parse(name).unwrap().score(&items).unwrap();
        let got = serde_json::to_value(got).unwrap();
        for (key, expected) in case["expect"].as_object().unwrap() {
            assert_eq!(&got[key], expected, "{name} {items:?} {key}");
        }
        if got["valid"] == true {
            let key = name.replace('-', "").to_lowercase();
            assert_eq!(
                got["reliable_change"],
                file["reliable_change"][key.as_str()]
            );
        }
    }
}

#[test]
fn questionnaires_refuse_what_is_no_answer() {
    let phq = Questionnaire::parse("PHQ-9").unwrap();
    assert_eq!(Questionnaire::parse("PHQ-8"), None);
    assert_eq!(phq.score(&[Some(0); 8]), Err(QuestionnaireError::Items(9)));
    assert_eq!(phq.score(&[Some(4); 9]), Err(QuestionnaireError::Answer));
    let unanswered = phq.score(&[None; 9]).unwrap();
    assert_eq!((unanswered.valid, unanswered.missing), (false, 9));
    // 1 of 8 answered by 1, one missing: 9/8 is 1; 4 of them: 36/8 = 4.5 rounds up.
    let with = |ones: usize| {
        let mut items = [Some(0); 9];
        items[3..3 + ones].fill(Some(1));
        items[8] = None;
        phq.score(&items).unwrap().total
    };
    assert_eq!((with(1), with(4)), (Some(1), Some(5)));
}
