//! The whole pipeline: what holds for every session of every person.

mod database;
mod personal;
mod refresh;
mod world;

use database::Database;
use mindmeasure_scoring::fusion::fuse;
use mindmeasure_scoring::model::{uniform_correlation, BaselineSpec};
use mindmeasure_scoring::numeric::*;
use mindmeasure_scoring::*;
use proptest::prelude::*;
use serde_json::{json, Value};
use world::*;

/// How many random cases: few enough for every build, or as many as PROPTEST_CASES says.
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(usual)
}

/// base_logit + Σ contributions, summed as a reader of the JSON would.
fn explained_logit(drivers: &Value) -> f64 {
    let items = drivers["items"].as_array().unwrap();
    items
        .iter()
        .fold(drivers["base_logit"].as_f64().unwrap(), |sum, item| {
            sum + item["contribution"].as_f64().unwrap()
        })
}

fn assert_identity(scored: &Scored) {
    let p = scored.p_worse_fused;
    let expected = (p / (1.0 - p)).ln();
    let actual = explained_logit(&stored(&scored.drivers));
    let error = (actual - expected).abs();
    assert!(
        error <= IDENTITY_TOLERANCE,
        "{actual} is not {expected}: {:?}",
        scored.drivers
    );
}

fn assert_finite(value: &Value, path: &str) {
    match value {
        Value::Number(number) => assert!(number.as_f64().is_some_and(f64::is_finite), "{path}"),
        Value::Array(values) => values.iter().for_each(|value| assert_finite(value, path)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            // serde_json writes NaN and infinities as null.
            assert!(
                !value.is_null() || key == "baseline_mean" || key == "modality",
                "{path}.{key}"
            );
            assert_finite(value, &format!("{path}.{key}"));
        }),
        _ => {}
    }
}

fn assert_sound(scored: &Scored, z_limit: f64) {
    let probability = |p: f64| (0.0..=1.0).contains(&p);
    assert!((0..=100).contains(&scored.score));
    assert!(probability(scored.p_worse_fused) && probability(scored.uncertainty));
    assert!(scored.p_worse.iter().flatten().all(|p| probability(*p)));
    assert!(scored.raw.iter().flatten().all(|x| x.is_finite()));
    assert!(scored.score_smoothed.is_finite() && scored.smoothed_variance.is_finite());
    assert!((0.0..=100.0).contains(&scored.combined_score));
    assert!(scored.baseline_deviation.is_none_or(f64::is_finite));
    assert!(scored
        .feature_z
        .iter()
        .flatten()
        .all(|z| z.abs() <= z_limit));
    let changed = scored.baselines.iter().map(|(_, baseline)| baseline);
    for baseline in changed.chain(scored.metrics.iter().map(|(_, baseline)| baseline)) {
        let Baseline {
            n,
            mean,
            m2,
            sum_w2,
            ..
        } = baseline;
        assert!(
            [n, mean, m2, sum_w2].iter().all(|x| x.is_finite()) && *m2 >= 0.0,
            "{baseline:?}"
        );
    }
    assert_finite(&stored(&scored.drivers), "drivers");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(120)))]

    #[test]
    fn finite_in_finite_out_and_the_drivers_add_up(
        person in any_person(), session in session_of(any_value()), rho in 0.0..=1.0_f64,
        half_life in proptest::option::of(0.01..1e4_f64),
    ) {
        let model = model(&[
            ("fusion", json!({"rho": rho})), ("baseline", json!({"half_life_days": half_life})),
        ]);
        let scored = score(&model, &person, &session, None);
        assert_sound(&scored, model.baseline.z_limit);
        assert_identity(&scored);
    }

    #[test]
    fn the_drivers_add_up_even_when_evidence_is_taken_to_be_opposed(
        person in any_person(), session in session_of(any_value()), rho in 0.0..=1.0_f64,
    ) {
        let mut opposed = uniform_correlation(0.0);
        (opposed[0][1], opposed[1][0]) = (-rho, -rho);
        let model = model(&[("fusion", json!({ "rho": opposed }))]);
        let scored = score(&model, &person, &session, None);
        assert_sound(&scored, model.baseline.z_limit);
        assert_identity(&scored);
    }

    #[test]
    fn the_drivers_of_ordinary_sessions_need_no_limit(history in history(8)) {
        let model = model(&[]);
        let mut person = Person::unknown(&model);
        for session in &history {
            let scored = score(&model, &person, session, None);
            assert_identity(&scored);
            let limited = scored.drivers.items.iter().any(|item| matches!(item, Item::Limit { .. }));
            prop_assert!(!limited);
            person.advance(&model, session, &scored);
        }
    }

    #[test]
    fn z_never_falls_as_x_rises(
        values in proptest::collection::vec(any_value(), 0..8), x in any_value(), y in any_value(),
        half_life in proptest::option::of(0.5..100.0_f64),
    ) {
        let spec = BaselineSpec { half_life_days: half_life, ..BaselineSpec::default() };
        let baseline = values.iter().enumerate().fold(Baseline::default(), |baseline, (i, x)| {
            baseline.learn(*x, i as i64 * DAY_US, &spec).0
        });
        let z = |x: f64| baseline.z(x, 9 * DAY_US, 50.0, 10.0, &spec);
        prop_assert!(z(x.min(y)) <= z(x.max(y)) + BASELINE_TOLERANCE);
    }

    #[test]
    fn a_replay_gives_what_storing_and_reading_back_gives(history in history(10)) {
        let model = model(&[("baseline", json!({"half_life_days": 60}))]);
        let mut replayed = Person::unknown(&model);
        let mut database = Database::new(&model);
        for session in &history {
            let from_replay = score(&model, &replayed, session, None);
            let from_database = score(&model, &database.person(), session, None);
            prop_assert_eq!(&from_replay, &from_database);
            replayed.advance(&model, session, &from_replay);
            database.store(session, &from_database);
        }
    }

    #[test]
    fn merging_two_states_is_learning_all_values(
        left in proptest::collection::vec(-1e3..1e3_f64, 0..20),
        right in proptest::collection::vec(-1e3..1e3_f64, 0..20),
    ) {
        let spec = BaselineSpec { clip_min_n: 1e6, ..BaselineSpec::default() };
        let learn = |values: &[f64]| {
            values.iter().fold(Baseline::default(), |baseline, x| baseline.learn(*x, 0, &spec).0)
        };
        let merged = learn(&left).merge(&learn(&right));
        let all = learn(&[left, right].concat());
        prop_assert_eq!(merged.n, all.n);
        prop_assert!((merged.mean - all.mean).abs() <= BASELINE_TOLERANCE);
        prop_assert!((merged.m2 - all.m2).abs() <= BASELINE_TOLERANCE * all.m2.max(1.0));
    }

    #[test]
    fn uncorrelated_evidence_adds_up_and_identical_evidence_is_averaged(
        p in [(); 4].map(|()| 0.1..0.9_f64), own in 0.1..0.9_f64,
    ) {
        let logits = p.map(|p| Some(logit(p)));
        let shift = |l: &Option<f64>| l.unwrap() - logit(own);
        let sum: f64 = logits.iter().map(shift).sum();
        let pooled = |rho| fuse(&logits, &[1.0; 4], &uniform_correlation(rho), logit(own)).logit;
        prop_assert!((pooled(0.0) - (logit(own) + sum)).abs() <= FUSION_TOLERANCE);
        prop_assert!((pooled(1.0) - (logit(own) + sum / 4.0)).abs() <= FUSION_TOLERANCE);
    }

    #[test]
    fn modalities_at_the_own_rate_leave_it(
        r in [(); 4].map(|()| 0.0..=1.0_f64), own in 0.001..0.999_f64, rho in 0.0..=1.0_f64,
    ) {
        let logits = [Some(logit(own)); 4];
        prop_assert_eq!(fuse(&logits, &r, &uniform_correlation(rho), logit(own)).logit, logit(own));
    }
}

fn full_session(at_us: i64, value: f64) -> Session {
    Session {
        at_us,
        assessment_type: AssessmentType::Full,
        arrived: [true; 4],
        extracted: Extracted {
            leaves: vec![Leaf::Value(value); 4 * FEATURES_EACH],
            quality: [None; 4],
        },
        wellness: [None; 4],
        mood: None,
    }
}

#[test]
fn a_baseline_of_no_values_takes_the_first_value_whatever_its_mean_says() {
    let nothing = Baseline {
        mean: -1e6,
        ..Baseline::default()
    };
    let (first, _) = nothing.learn(64.90135078651777, 0, &BaselineSpec::default());
    assert_eq!(
        (first.n, first.mean, first.m2),
        (1.0, 64.90135078651777, 0.0)
    );
}

#[test]
fn rows_without_a_usable_feature_give_the_own_rate_and_learn_nothing() {
    let model = model(&[]);
    let mut person = Person::unknown(&model);
    person.outcomes = Outcomes {
        n: 6.0,
        worse: 4.0,
        ..Outcomes::default()
    };
    let mut session = full_session(0, 50.0);
    session.extracted.leaves = vec![Leaf::Dropped("wrong type"); 4 * FEATURES_EACH];
    let scored = score(&model, &person, &session, None);
    assert!(
        (scored.p_worse_fused - 0.5).abs() < 1e-15,
        "(4·0.25 + 4)/(4 + 6)"
    );
    assert_eq!((scored.score, scored.qc_overall), (50, Qc::Insufficient));
    assert_eq!(scored.drivers.uncertainty.coverage, 0.0);
    assert_eq!(scored.drivers.dropped.len(), 4 * FEATURES_EACH);
    assert!(scored.baselines.is_empty() && scored.metrics.is_empty());
    assert_eq!((scored.learnt, scored.combined_learnt), ([false; 4], false));
}

#[test]
fn a_fitted_calibration_follows_the_own_rate() {
    // Given two independent modalities, so that κ·Σr > 1, and a calibration of each
    let mut model = model(&[]);
    model.fusion.rho = uniform_correlation(0.0);
    let session = full_session(DAY_US, 0.3);
    let at_rate = |worse: f64, fitted_at: Option<f64>| {
        let mut person = Person::unknown(&model);
        person.outcomes = Outcomes {
            n: 100.0,
            worse,
            ..Outcomes::default()
        };
        person.calibrations = [Some(Calibration {
            a: 0.8,
            b: -0.7,
            covariance: [0.02, -0.01, 0.05],
            own_logit: fitted_at,
        }); 4];
        let own = logit(person.outcomes.worse_rate(&model.fusion));
        let scored = score(&model, &person, &session, None);
        assert_identity(&scored);
        (own, logit(scored.p_worse_fused), scored)
    };
    // When the own rate rises after the fit
    let fitted_at = at_rate(20.0, None).0;
    let (before, after) = (
        at_rate(20.0, Some(fitted_at)),
        at_rate(70.0, Some(fitted_at)),
    );
    // Then what the evidence adds to it is the same as before
    let added = |(own, fused, _): &(f64, f64, Scored)| fused - own;
    assert!((added(&after) - added(&before)).abs() < 1e-9);
    // And a refresh finds the b that was used
    let driver = after.2.drivers.modalities.text.unwrap();
    assert!((driver.b - (-0.7 + after.0 - before.0)).abs() < 1e-12);
    // And at the rate of the fit it is b itself, bit for bit
    assert_eq!(before.2.p_worse, at_rate(20.0, None).2.p_worse);
    // And a b that does not follow is pooled against the rate: what this guards against
    assert!(at_rate(70.0, None).1 < at_rate(20.0, None).1);
}

#[test]
fn a_first_full_session_is_low_for_want_of_baselines_and_learns() {
    let model = model(&[]);
    let scored = score(
        &model,
        &Person::unknown(&model),
        &full_session(0, 52.0),
        None,
    );
    assert_eq!(scored.qc_overall, Qc::Low);
    let reasons = scored.drivers.quality;
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("median baseline")),
        "{reasons:?}"
    );
    assert_eq!(scored.learnt, [true; 4]);
    assert_eq!(scored.baselines.len(), 4 * FEATURES_EACH);
    assert!(scored.is_baseline_session && scored.baseline_deviation.is_none());
    let metrics: Vec<_> = scored.metrics.iter().map(|(metric, _)| *metric).collect();
    let expected = [
        Metric::CombinedWellness,
        Metric::TextWellness,
        Metric::AudioWellness,
        Metric::VisualWellness,
    ];
    assert_eq!(metrics, expected);
}

#[test]
fn the_first_smoothing_step_starts_at_the_own_rate_without_a_time_step() {
    let model = model(&[]);
    let scored = score(
        &model,
        &Person::unknown(&model),
        &full_session(400 * DAY_US, 60.0),
        None,
    );
    let r = smoothing::score_variance(scored.uncertainty, &model.smoothing);
    let y = 100.0 * (1.0 - scored.p_worse_fused);
    let expected = 75.0 + 400.0 / (400.0 + r) * (y - 75.0);
    assert!((scored.score_smoothed - expected).abs() < SMOOTHING_TOLERANCE);
}

#[test]
fn the_deviation_is_against_earlier_scores_only() {
    let model = model(&[]);
    let mut person = Person::unknown(&model);
    let earlier = Baseline {
        n: 4.0,
        mean: 70.0,
        m2: 12.0,
        sum_w2: 4.0,
        last_us: None,
    };
    person.metrics[Metric::CombinedWellness] = earlier;
    let scored = score(&model, &person, &full_session(0, 60.0), None);
    let y = 100.0 * (1.0 - scored.p_worse_fused);
    let expected = (y - 70.0) / (2.0 * (5.0_f64 / 4.0).sqrt());
    assert!((scored.baseline_deviation.unwrap() - expected).abs() < 1e-12);
    assert_eq!(scored.combined_before, earlier);
}

#[test]
fn a_self_report_moves_stress_and_after_three_the_stability() {
    let mood = |energy: f64| {
        Mood::from_json(&json!({
            "energy_level": energy, "stress_level": 4, "physical_comfort": 7,
            "social_connection": 6, "emotional_state": {"primary": "calm"}
        }))
    };
    let model = model(&[]);
    let mut person = Person::unknown(&model);
    let energies = [5.0, 9.0, 5.0];
    for (day, energy) in energies.into_iter().enumerate() {
        let mut session = full_session(day as i64 * DAY_US, 50.0);
        session.mood = mood(energy);
        let scored = score(&model, &person, &session, None);
        assert_eq!(scored.self_report, Some((energy + 7.0 + 7.0 + 6.0) / 4.0));
        person.advance(&model, &session, &scored);
    }
    assert_eq!(person.metrics[Metric::StressLevels].mean, 40.0);
    let stability = person.metrics[Metric::MoodStability];
    assert_eq!(stability.n, 1.0, "three reports are needed");
    assert!(
        (stability.mean - (100.0 - 100.0 / 9.0)).abs() < 1e-12,
        "an RMSSD of 1"
    );
}

#[test]
fn a_self_report_out_of_range_or_incomplete_has_no_composite() {
    assert_eq!(
        Mood::from_json(&json!({"energy_level": 11, "notes": "x"})),
        None
    );
    assert_eq!(Mood::from_json(&json!("calm")), None);
    let stress_only = Mood::from_json(&json!({"stress_level": 3})).unwrap();
    assert_eq!(
        (stress_only.stress, stress_only.composite()),
        (Some(3.0), None)
    );
}

#[test]
fn a_modality_waits_for_its_analysis_unless_it_reads_the_session_only() {
    let feature = |name: &str, modality: &str, document: &str| {
        json!({"name": name, "modality": modality, "document": document, "path": "$.x",
               "weight": 1, "population_mean": 5, "population_sd": 1})
    };
    let specification = json!({"model_version": "t", "features": [
        feature("a", "text", "session.mood_before"), feature("b", "text", "sentiment_analysis"),
        feature("c", "passive", "session.mood_before"),
    ]});
    let model = Model::from_json(&specification).unwrap();
    let mut session = full_session(0, 5.0);
    session.arrived = [false; 4];
    session.extracted = model.extract(&[Some(json!({"x": 6})), None]);
    let scored = score(&model, &Person::unknown(&model), &session, None);
    assert!(scored.raw[0].is_none() && scored.raw[3].is_some());
}
