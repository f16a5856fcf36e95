//! The reference cases of fusion, uncertainty, drivers, baselines and smoothing.
//!
//! Left out because they are not computed: Shapley values on the probability scale and the
//! single-number EWMA alternatives, moderated probabilities and the entropy split, the median and
//! MAD given for comparison, the filter's log-likelihood and the fixed-interval (RTS) smoother.

use mindmeasure_scoring::baseline::Baseline;
use mindmeasure_scoring::drivers::{attribute, Line};
use mindmeasure_scoring::evidence::Calibration;
use mindmeasure_scoring::fusion::{fuse, Fused};
use mindmeasure_scoring::model::{uniform_correlation, BaselineSpec, SmoothingSpec};
use mindmeasure_scoring::numeric::*;
use mindmeasure_scoring::smoothing::{step, update, Smoothed};
use mindmeasure_scoring::uncertainty::{budget, coverage};
use serde_json::Value;

fn cases(text: &str, tolerance: f64) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        file["tolerance_abs"].as_f64(),
        Some(tolerance),
        "the named tolerance is the file's"
    );
    file["cases"].as_array().unwrap().clone()
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn close(actual: f64, expected: &Value, tolerance: f64, what: &str) {
    let expected = number(expected);
    assert!(
        (actual - expected).abs() <= tolerance,
        "{what}: {actual} is not {expected}"
    );
}

fn close_or_null(actual: Option<f64>, expected: &Value, tolerance: f64, what: &str) {
    match actual {
        Some(actual) => close(actual, expected, tolerance, what),
        None => assert!(expected.is_null(), "{what}: nothing instead of {expected}"),
    }
}

fn four(value: &Value) -> [Option<f64>; 4] {
    std::array::from_fn(|i| value.get(i).and_then(Value::as_f64))
}

fn rho(value: &Value) -> [[f64; 4]; 4] {
    match value.as_f64() {
        Some(rho) => uniform_correlation(rho),
        None => std::array::from_fn(|i| std::array::from_fn(|j| number(&value[i][j]))),
    }
}

fn fuse_case(case: &Value) -> ([Option<f64>; 4], [f64; 4], Fused) {
    let logits = four(&case["p"]).map(|p| p.map(logit));
    let reliability = four(&case["reliability"]).map(|r| r.unwrap_or(0.0));
    let fused = fuse(
        &logits,
        &reliability,
        &rho(&case["rho"]),
        logit(number(&case["prior"])),
    );
    (logits, reliability, fused)
}

#[test]
fn fusion() {
    for case in cases(include_str!("golden/fusion.json"), FUSION_TOLERANCE) {
        let name = case["name"].as_str().unwrap();
        let (_, _, fused) = fuse_case(&case);
        let expect = &case["expect"];
        close(fused.logit, &expect["logit"], FUSION_TOLERANCE, name);
        close(sigmoid(fused.logit), &expect["p"], FUSION_TOLERANCE, name);
        close(fused.k_eff, &expect["k_eff"], FUSION_TOLERANCE, name);
        if !expect["kappa"].is_null() {
            close(fused.kappa, &expect["kappa"], FUSION_TOLERANCE, name);
        }
        for (i, contribution) in fused.contributions.into_iter().enumerate() {
            close(
                contribution,
                &expect["contributions"][i],
                FUSION_TOLERANCE,
                name,
            );
        }
    }
}

#[test]
fn uncertainty() {
    for case in cases(
        include_str!("golden/uncertainty.json"),
        UNCERTAINTY_TOLERANCE,
    ) {
        let name = case["name"].as_str().unwrap();
        let (logits, reliability, fused) = fuse_case(&case);
        let variances = four(&case["calibration_var"]).map(|v| v.unwrap());
        let covered = coverage(&logits, &reliability, &[1.0; 4]);
        let miss_var = number(&case["miss_var"]);
        let result = budget(&logits, &reliability, &variances, &fused, covered, miss_var);
        let (expect, var) = (&case["expect"], &case["expect"]["var"]);
        close(
            result.coverage,
            &expect["coverage"],
            UNCERTAINTY_TOLERANCE,
            name,
        );
        close(
            result.calibration,
            &var["calibration"],
            UNCERTAINTY_TOLERANCE,
            name,
        );
        close(
            result.disagreement,
            &var["disagreement"],
            UNCERTAINTY_TOLERANCE,
            name,
        );
        close(result.missing, &var["missing"], UNCERTAINTY_TOLERANCE, name);
        close(result.total, &var["total"], UNCERTAINTY_TOLERANCE, name);
        close(result.low, &expect["p_lo90"], UNCERTAINTY_TOLERANCE, name);
        close(result.high, &expect["p_hi90"], UNCERTAINTY_TOLERANCE, name);
        close(
            result.width(),
            &expect["uncertainty"],
            UNCERTAINTY_TOLERANCE,
            name,
        );
    }
}

#[test]
fn drivers() {
    for case in cases(include_str!("golden/drivers.json"), IDENTITY_TOLERANCE) {
        let name = case["name"].as_str().unwrap();
        let own_logit = logit(number(&case["prior"]));
        let (mut lines, mut weighted) = ([None; 4], Vec::new());
        for (m, modality) in case["modalities"].as_array().unwrap().iter().enumerate() {
            let (a, b) = (number(&modality["a"]), number(&modality["b"]));
            let line = Calibration {
                a,
                b,
                covariance: [0.0; 3],
                own_logit: None,
            };
            let logit = line.logit(number(&modality["raw"]));
            close(sigmoid(logit), &modality["p"], IDENTITY_TOLERANCE, name);
            let reliability = number(&modality["reliability"]);
            let intercept = number(&modality["intercept"]);
            lines[m] = Some(Line {
                intercept,
                a,
                b,
                logit,
                reliability,
            });
            let z = modality["z"].as_array().unwrap();
            for (j, (beta, z)) in numbers(&modality["beta"]).into_iter().zip(z).enumerate() {
                weighted.push((m, j, beta * z.as_f64().unwrap_or(0.0)));
            }
        }
        let logits = lines.map(|line| line.map(|line| line.logit));
        let reliability = lines.map(|line| line.map_or(0.0, |line| line.reliability));
        let fused = fuse(&logits, &reliability, &rho(&case["rho"]), own_logit);
        let evidence = weighted.iter().map(|(m, _, value)| (*m, *value));
        let attribution = attribute(&lines, evidence, &fused, own_logit);

        let expect = &case["expect"];
        close(
            fused.logit,
            &expect["fused"]["logit"],
            IDENTITY_TOLERANCE,
            name,
        );
        close(
            fused.kappa,
            &expect["fused"]["kappa"],
            IDENTITY_TOLERANCE,
            name,
        );
        close(
            attribution.base_logit,
            &expect["base_logit"],
            IDENTITY_TOLERANCE,
            name,
        );
        assert_eq!(
            (attribution.limits, attribution.fused_limit),
            ([0.0; 4], 0.0),
            "{name}"
        );
        let items = expect["items"].as_array().unwrap();
        assert_eq!(items.len(), weighted.len(), "{name}");
        let mut sum = attribution.base_logit;
        for ((m, j, value), item) in weighted.into_iter().zip(items) {
            assert_eq!(
                (item["modality"].as_u64(), item["feature"].as_u64()),
                (Some(m as u64), Some(j as u64))
            );
            let contribution = attribution.slopes[m] * value;
            close(
                contribution,
                &item["contribution"],
                IDENTITY_TOLERANCE,
                name,
            );
            sum += contribution;
        }
        assert!((sum - fused.logit).abs() <= IDENTITY_TOLERANCE, "{name}");
    }
}

fn learn_all(values: &[f64], spec: &BaselineSpec) -> Baseline {
    values.iter().fold(Baseline::default(), |baseline, x| {
        baseline.learn(*x, 0, spec).0
    })
}

fn unclipped() -> BaselineSpec {
    BaselineSpec {
        clip_min_n: f64::MAX,
        ..BaselineSpec::default()
    }
}

#[test]
fn nig_baseline() {
    for case in cases(include_str!("golden/nig_baseline.json"), BASELINE_TOLERANCE) {
        let name = case["name"].as_str().unwrap();
        let (prior, expect) = (&case["prior"], &case["expect"]);
        let spec = BaselineSpec {
            kappa0: number(&prior["kappa0"]),
            nu0: number(&prior["nu0"]),
            ..unclipped()
        };
        let (mu0, s0, x) = (
            number(&prior["mu0"]),
            number(&prior["s0"]),
            number(&case["new"]),
        );
        let baseline = learn_all(&numbers(&case["x"]), &spec);
        let predictive = baseline.predictive(0, mu0, s0, &spec);
        close(predictive.mean, &expect["mu_n"], BASELINE_TOLERANCE, name);
        close(
            predictive.kappa,
            &expect["kappa_n"],
            BASELINE_TOLERANCE,
            name,
        );
        close(predictive.nu, &expect["nu_n"], BASELINE_TOLERANCE, name);
        close(predictive.sd, &expect["pred_sd"], BASELINE_TOLERANCE, name);
        close(predictive.t(x), &expect["t"], BASELINE_TOLERANCE, name);
        close(
            baseline.z(x, 0, mu0, s0, &spec),
            &expect["z_equiv"],
            BASELINE_TOLERANCE,
            name,
        );
    }
}

#[test]
fn welford() {
    for case in cases(include_str!("golden/welford.json"), BASELINE_TOLERANCE) {
        let name = case["name"].as_str().unwrap();
        let values = numbers(&case["x"]);
        let state = |value: &Value| Baseline {
            n: number(&value["n"]),
            mean: value["mean"].as_f64().unwrap_or(0.0),
            m2: number(&value["m2"]),
            sum_w2: number(&value["n"]),
            last_us: None,
        };
        let merged = state(&case["merge"]["left"]).merge(&state(&case["merge"]["right"]));
        for baseline in [learn_all(&values, &unclipped()), merged] {
            let expect = &case["expect"];
            close(baseline.n, &expect["n"], BASELINE_TOLERANCE, name);
            close(baseline.m2, &expect["m2"], BASELINE_TOLERANCE, name);
            close_or_null(
                baseline.sd(),
                &expect["sd_sample"],
                BASELINE_TOLERANCE,
                name,
            );
            if baseline.n > 0.0 {
                close(baseline.mean, &expect["mean"], BASELINE_TOLERANCE, name);
            }
        }
    }
}

#[test]
fn robust_baseline() {
    for case in cases(
        include_str!("golden/robust_baseline.json"),
        BASELINE_TOLERANCE,
    ) {
        let name = case["name"].as_str().unwrap();
        let spec = BaselineSpec {
            clip_sd: number(&case["clip_z"]),
            clip_min_n: number(&case["min_n"]),
            ..BaselineSpec::default()
        };
        let mut baseline = Baseline::default();
        for expect in case["winsorised_stream"].as_array().unwrap() {
            let (after, clipped) = baseline.learn(number(&expect["x"]), 0, &spec);
            baseline = after;
            assert_eq!(Some(clipped), expect["clipped"].as_bool(), "{name}");
            close(baseline.n, &expect["n"], BASELINE_TOLERANCE, name);
            close(baseline.mean, &expect["mean"], BASELINE_TOLERANCE, name);
            close_or_null(baseline.sd(), &expect["sd"], BASELINE_TOLERANCE, name);
        }
    }
}

fn microseconds(days: &Value) -> i64 {
    (number(days) * MICROSECONDS_PER_DAY).round() as i64
}

#[test]
fn ew_baseline() {
    for case in cases(include_str!("golden/ew_baseline.json"), BASELINE_TOLERANCE) {
        let name = case["name"].as_str().unwrap();
        let spec = BaselineSpec {
            half_life_days: case["half_life_days"].as_f64(),
            ..unclipped()
        };
        let mut baseline = Baseline::default();
        for expect in case["expect"].as_array().unwrap() {
            baseline = baseline
                .learn(number(&expect["x"]), microseconds(&expect["t"]), &spec)
                .0;
            close(baseline.n, &expect["sum_w"], BASELINE_TOLERANCE, name);
            close(baseline.sum_w2, &expect["sum_w2"], BASELINE_TOLERANCE, name);
            close(
                baseline.effective_n(),
                &expect["n_eff"],
                BASELINE_TOLERANCE,
                name,
            );
            close(baseline.mean, &expect["mean"], BASELINE_TOLERANCE, name);
            close_or_null(
                baseline.variance(),
                &expect["var_unbiased"],
                BASELINE_TOLERANCE,
                name,
            );
            close_or_null(baseline.sd(), &expect["sd"], BASELINE_TOLERANCE, name);
        }
    }
}

#[test]
fn smoothing() {
    for case in cases(include_str!("golden/smoothing.json"), SMOOTHING_TOLERANCE) {
        let name = case["name"].as_str().unwrap();
        let spec = SmoothingSpec {
            q_per_day: number(&case["q_per_day"]),
            p0: number(&case["P0"]),
            ..SmoothingSpec::default()
        };
        let mut state: Option<Smoothed> = None;
        for (i, expect) in case["expect"].as_array().unwrap().iter().enumerate() {
            let at_us = microseconds(&expect["t"]);
            // A day without a score is a step in time only.
            if let Some(y) = expect["y"].as_f64() {
                let r = number(&case["obs_var"][i]);
                state = Some(step(state, number(&case["a0"]), y, r, at_us, &spec));
                let state = state.unwrap();
                close(state.level, &expect["level"], SMOOTHING_TOLERANCE, name);
                close(state.variance, &expect["var"], SMOOTHING_TOLERANCE, name);
            }
        }
    }
}

#[test]
fn smoothing_reaches_the_steady_state_gain() {
    let file: Value = serde_json::from_str(include_str!("golden/smoothing.json")).unwrap();
    for case in file["steady_state"].as_array().unwrap() {
        let q = number(&case["signal_to_noise_q_over_r"]);
        let mut variance = 1.0;
        for _ in 0..2000 {
            variance = update(0.0, variance + q, 0.0, 1.0, 0).variance;
        }
        let gain = (variance + q) / (variance + q + 1.0);
        close(
            gain,
            &case["steady_state_gain_alpha"],
            SMOOTHING_TOLERANCE,
            "steady state",
        );
    }
}
