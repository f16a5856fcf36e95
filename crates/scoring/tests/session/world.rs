//! A small model, and people and sessions drawn at random for it.

use mindmeasure_scoring::*;
use proptest::prelude::*;
use serde_json::{json, Value};

pub const DAY_US: i64 = 86_400_000_000;
pub const FEATURES_EACH: usize = 4;

/// Four features a modality, the listed top four of sixteen.
pub fn model(changes: &[(&str, Value)]) -> Model {
    let columns = [
        "sentiment_analysis",
        "vocal_characteristics",
        "facial_expressions",
        "sleep_metrics",
    ];
    let mut features = Vec::new();
    for (m, (modality, column)) in Modality::ALL.into_iter().zip(columns).enumerate() {
        for j in 0..FEATURES_EACH {
            features.push(json!({
                "name": format!("{}.{j}", modality.as_str()), "modality": modality.as_str(),
                "document": column, "path": format!("$.f{j}"),
                "weight": (j as f64 - 1.4) * (0.3 + 0.1 * m as f64),
                "population_mean": 50, "population_sd": 10
            }));
        }
    }
    let mut specification = json!({
        "model_version": "test", "features": features, "drivers": {"top": 4},
        "personal": {"weight_sd": 0.15},
        "modalities": {
            "text": {"intercept": 0.2, "reliability": 0.9},
            "audio": {"intercept": -0.1, "calibration_prior": {"b": -0.4}},
            "passive": {"expected_weight": 0.5}
        }
    });
    for (key, value) in changes {
        specification[*key] = value.clone();
    }
    Model::from_json(&specification).unwrap()
}

// Strategies are boxed: unboxed, their nesting outgrows the stack of a test thread.

/// Ordinary values mostly, and now and then the largest and smallest there are.
pub fn any_value() -> BoxedStrategy<f64> {
    prop_oneof![
        8 => 20.0..80.0_f64,
        1 => -1e6..1e6_f64,
        1 => prop_oneof![
            Just(f64::MAX), Just(-f64::MAX), Just(1e308), Just(-1e308), Just(1e160), Just(-1e160),
            Just(f64::MIN_POSITIVE), Just(5e-324), Just(0.0), Just(-0.0),
        ],
    ]
    .boxed()
}

fn leaf(values: impl Strategy<Value = f64> + 'static) -> BoxedStrategy<Leaf> {
    prop_oneof![
        6 => values.prop_map(Leaf::Value),
        2 => Just(Leaf::Missing),
        1 => Just(Leaf::Dropped("wrong type")),
    ]
    .boxed()
}

fn mood() -> BoxedStrategy<Option<Mood>> {
    let figure = || proptest::option::weighted(0.9, 1.0..=10.0_f64);
    proptest::option::of((figure(), figure(), figure(), figure(), figure()).prop_map(
        |(energy, stress, comfort, social, sleep)| Mood {
            energy,
            stress,
            comfort,
            social,
            sleep,
        },
    ))
    .boxed()
}

pub fn session_of(values: impl Strategy<Value = f64> + 'static) -> BoxedStrategy<Session> {
    let leaves = proptest::collection::vec(leaf(values), 4 * FEATURES_EACH);
    let quality = [(); 4].map(|()| proptest::option::weighted(0.3, 0.0..=1.0_f64));
    let wellness = [(); 4].map(|()| proptest::option::weighted(0.5, 0.0..=100.0_f64));
    let kinds = prop_oneof![
        Just(AssessmentType::Full),
        Just(AssessmentType::Quick),
        Just(AssessmentType::VoiceOnly)
    ];
    (
        0..400 * DAY_US,
        kinds,
        any::<[bool; 4]>(),
        leaves,
        quality,
        wellness,
        mood(),
    )
        .prop_map(
            |(at_us, assessment_type, arrived, mut leaves, quality, wellness, mood)| {
                for (i, leaf) in leaves.iter_mut().enumerate() {
                    if !arrived[i / FEATURES_EACH] {
                        *leaf = Leaf::Missing;
                    }
                }
                let extracted = Extracted { leaves, quality };
                Session {
                    at_us,
                    assessment_type,
                    arrived,
                    extracted,
                    wellness,
                    mood,
                }
            },
        )
        .boxed()
}

/// Sessions as they happen: ordinary values, in time order.
pub fn history(length: usize) -> impl Strategy<Value = Vec<Session>> {
    proptest::collection::vec(session_of(20.0..80.0_f64), length).prop_map(|mut sessions| {
        sessions.sort_by_key(|session| session.at_us);
        sessions
    })
}

fn any_baseline() -> BoxedStrategy<Baseline> {
    let squares = prop_oneof![0.0..1e6_f64, Just(f64::MAX), Just(0.0)];
    (0_u32..200, any_value(), squares)
        .prop_map(|(n, mean, m2)| {
            let n = f64::from(n);
            Baseline {
                n,
                mean,
                m2,
                sum_w2: n,
                last_us: Some(0),
            }
        })
        .boxed()
}

fn any_calibration() -> BoxedStrategy<Calibration> {
    let variance = || prop_oneof![4 => 0.0..1.0_f64, 1 => Just(f64::MAX)];
    (
        any_value(),
        any_value(),
        variance(),
        any_value(),
        variance(),
        proptest::option::of(any_value()),
    )
        .prop_map(|(a, b, va, cov, vb, own_logit)| Calibration {
            a,
            b,
            covariance: [va, cov, vb],
            own_logit,
        })
        .boxed()
}

fn any_past() -> BoxedStrategy<Past> {
    let departure = proptest::option::weighted(0.8, -28.0..=28.0_f64);
    (0..400 * DAY_US, departure, mood())
        .prop_map(|(at_us, departure, mood)| Past::new(at_us, departure, mood))
        .boxed()
}

/// A person in any state a database could hold, however absurd.
/// Shifts within and far beyond what is learnt.
fn any_own_weights() -> BoxedStrategy<OwnWeights> {
    let shifts = prop_oneof![-0.5..0.5_f32, -1e3..1e3_f32, Just(0.0)];
    proptest::collection::vec((shifts, 0.0..1.0_f32), 4 * FEATURES_EACH)
        .prop_map(|own| {
            let (shifts, variances): (Vec<f32>, Vec<f32>) = own.into_iter().unzip();
            let stored = [vec![1.0; 4], vec![9.0; 2], shifts, variances].concat();
            OwnWeights::from_stored(&model(&[]), &stored).0
        })
        .boxed()
}

pub fn any_person() -> BoxedStrategy<Person> {
    let smoothed =
        (0.0..100.0_f64, 0.0..1e9_f64, any::<i64>()).prop_map(|(level, variance, at_us)| {
            Smoothed {
                level,
                variance,
                at_us,
            }
        });
    (
        proptest::collection::vec(any_baseline(), 4 * FEATURES_EACH),
        [(); 4].map(|()| proptest::option::of(any_calibration())),
        (any_value(), any_value()),
        proptest::option::of(smoothed),
        [(); 6].map(|()| any_baseline()),
        any::<u64>().prop_map(|n| n / 2),
        (
            proptest::collection::vec(any_past(), 0..12),
            proptest::option::of(any_own_weights()),
        ),
    )
        .prop_map(
            |(
                baselines,
                calibrations,
                (n, worse),
                smoothed,
                metrics,
                before,
                (mut history, own),
            )| {
                Person {
                    baselines,
                    calibrations,
                    outcomes: Outcomes {
                        n,
                        worse,
                        ..Outcomes::default()
                    },
                    smoothed,
                    metrics: Metrics(metrics),
                    sessions_before: before,
                    compared: history.first().map(|first| (first.at_us, first.at_us)),
                    history: {
                        history.sort_by_key(|past| past.at_us);
                        history
                    },
                    own_weights: own.unwrap_or_default(),
                    ..Person::default()
                }
            },
        )
        .boxed()
}

/// A calibrated person some sessions into their history.
pub fn experienced(model: &Model, history: &[Session]) -> Person {
    let mut person = Person::unknown(model);
    person.outcomes = Outcomes {
        n: 10.0,
        worse: 3.0,
        ..Outcomes::default()
    };
    person.calibrations[1] = Some(Calibration {
        a: 0.8,
        b: -0.7,
        covariance: [0.02, -0.01, 0.05],
        own_logit: Some(-1.0),
    });
    for session in history {
        let scored = score(model, &person, session, None);
        person.advance(model, session, &scored);
        // Outcomes enough for weights of their own to count after three sessions.
        for worse in [true, false, true] {
            person.own_weights = taught(model, &person.own_weights, &scored, worse);
        }
    }
    person
}

/// Own weights after one more outcome of such a session.
pub fn taught(model: &Model, own: &OwnWeights, scored: &Scored, worse: bool) -> OwnWeights {
    let shares = OwnWeights::from_stored(model, &scored.personal).1;
    let mut own = own.clone();
    own.learn(
        model,
        &scored.feature_z,
        &shares,
        scored.p_worse_fused,
        worse,
    );
    own
}

/// Drivers as they come back from the database.
pub fn stored(drivers: &Drivers) -> Value {
    serde_json::from_str(&serde_json::to_string(drivers).unwrap()).unwrap()
}
