//! What one score costs without a database: the default model, three modalities, a person of
//! ninety days with a session every six days, and one with a session a day.
//!
//! `cargo bench -p mindmeasure-scoring`

use criterion::{criterion_group, criterion_main, Criterion};
use mindmeasure_scoring::{score, AssessmentType, Model, Mood, Person, Session};
use serde_json::{json, Value};
use std::hint::black_box;

const DAY_US: i64 = 86_400_000_000;

/// Documents as analyses write them, in the order of the model; `n` varies them.
fn documents(model: &Model, n: i64) -> Vec<Option<Value>> {
    let wave = |period: f64| 0.5 + 0.3 * (n as f64 / period).sin();
    let document = |name: &str| match name {
        "sentiment_analysis" => json!({"confidence": 0.8, "mood_indicators": ["fatigue", "worry"],
            "sentiment_scores": {"positive": wave(1.0), "negative": wave(2.0), "neutral": wave(3.0)}}),
        "cognitive_markers" => json!({"clarity_score": wave(1.5), "coherence_score": wave(2.5),
            "cognitive_load": wave(3.5), "focus_indicators": ["plans"]}),
        "vocal_characteristics" => {
            json!({"pitch_mean": 160.0 + 20.0 * wave(1.0), "pitch_variance": 900.0 * wave(2.0),
            "speaking_rate": 150.0 * wave(3.0), "volume_mean": 60.0, "breath_patterns": {"frequency": 15.0, "regularity": wave(4.0)}})
        }
        "prosodic_features" => {
            json!({"rhythm_stability": wave(1.0), "pause_patterns": {"frequency": 12.0, "duration_mean": wave(2.0)}})
        }
        "facial_expressions" => {
            json!({"overall_expressiveness": wave(1.0), "expression_changes": [{}, {}],
            "primary_emotions": [{"emotion": "happiness", "confidence": wave(2.0), "duration": 9.0},
                {"emotion": "sadness", "confidence": wave(3.0), "duration": 3.0}, {"emotion": "fear", "confidence": 0.2, "duration": 1.0}]})
        }
        "text_data" => json!({"processing_metadata": {"quality_score": 0.9}}),
        score if score.ends_with("_wellness_score") && !score.starts_with("passive") => {
            json!(100.0 * wave(5.0))
        }
        _ => Value::Null,
    };
    let documents = model.documents.iter();
    documents
        .map(|d| Some(document(d.column.name)).filter(|value| !value.is_null()))
        .collect()
}

fn session(model: &Model, n: i64, every_days: i64) -> Session {
    Session {
        at_us: n * every_days * DAY_US,
        assessment_type: AssessmentType::Full,
        arrived: [true, true, true, false],
        extracted: model.extract(&documents(model, n)),
        wellness: [Some(60.0), Some(70.0), Some(65.0), None],
        mood: Some(Mood {
            energy: Some(5.0 + (n as f64).sin()),
            stress: Some(4.0 + (n as f64 / 2.0).cos()),
            comfort: Some(6.0),
            social: Some(5.0 + (n as f64 / 3.0).sin()),
            sleep: Some(7.0 + (n as f64 / 5.0).sin()),
        }),
    }
}

/// Somebody who has lived through `sessions` of them.
fn person(model: &Model, sessions: i64, every_days: i64) -> Person {
    let mut person = Person::unknown(model);
    for n in 0..sessions {
        let session = session(model, n, every_days);
        let scored = score(model, &person, &session, None);
        person.advance(model, &session, &scored);
    }
    person
}

fn sessions(criterion: &mut Criterion) {
    let specification: Value = serde_json::from_str(Model::builtin_json()).expect("JSON");
    let model = Model::from_json(&specification).expect("the default model");
    for (name, count, every_days) in [("every six days", 100, 6), ("every day", 400, 1)] {
        let person = person(&model, count, every_days);
        let next = session(&model, count, every_days);
        criterion.bench_function(&format!("score, a session {name}"), |bencher| {
            bencher.iter(|| score(&model, black_box(&person), black_box(&next), None));
        });
    }
    let documents = documents(&model, 1);
    criterion.bench_function("extract three modalities", |bencher| {
        bencher.iter(|| model.extract(black_box(&documents)));
    });
}

criterion_group!(benches, sessions);
criterion_main!(benches);
