//! What a model specification may say, and how each mistake is named.

use mindmeasure_scoring::model::{uniform_correlation, Reduce, Transform};
use mindmeasure_scoring::{Column, Leaf, Modality, Model};
use serde_json::{json, Value};

fn feature(name: &str) -> Value {
    json!({
        "name": name, "modality": "audio", "document": "vocal_characteristics",
        "path": "$.pitch_mean", "weight": 0.5, "population_mean": 180, "population_sd": 40
    })
}

fn specification() -> Value {
    json!({ "model_version": "t1", "features": [feature("audio.pitch_mean"), feature("second")] })
}

/// The specification with the value at a JSON pointer replaced or added.
fn with(pointer: &str, value: Value) -> Value {
    let mut specification = specification();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    for part in parent.split('/').skip(1).scan(String::new(), |path, part| {
        *path = format!("{path}/{part}");
        Some(path.clone())
    }) {
        if specification.pointer(&part).is_none() {
            let (above, name) = part.rsplit_once('/').unwrap();
            specification.pointer_mut(above).unwrap()[name] = json!({});
        }
    }
    let parent = specification.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(elements) => elements[key.parse::<usize>().unwrap()] = value,
        _ => parent[key] = value,
    }
    specification
}

#[test]
fn keys_left_out_take_their_defaults() {
    let model = Model::from_json(&specification()).unwrap();
    assert_eq!(model.fusion.rho, uniform_correlation(0.1));
    assert_eq!(
        (model.fusion.prior_rate, model.fusion.prior_strength),
        (0.25, 4.0)
    );
    assert_eq!(model.fusion.miss_var, 1.0);
    let baseline = model.baseline;
    assert_eq!(
        (baseline.kappa0, baseline.nu0, baseline.half_life_days),
        (2.0, 4.0, None)
    );
    assert_eq!(
        (baseline.clip_sd, baseline.clip_min_n, baseline.z_limit),
        (3.0, 5.0, 4.0)
    );
    let smoothing = model.smoothing;
    assert_eq!(
        (smoothing.q_per_day, smoothing.r_min, smoothing.p0),
        (1.0, 36.0, 400.0)
    );
    assert_eq!(
        (model.outcome.threshold_sd, model.outcome.min_reports),
        (0.5, 5)
    );
    assert_eq!(model.drivers.top, 10);
    assert!(model.modality(Modality::Text).is_none());
    let audio = model.modality(Modality::Audio).unwrap();
    assert_eq!(
        (audio.intercept, audio.reliability, audio.expected_weight),
        (0.0, 1.0, [1.0; 3])
    );
    let prior = audio.calibration_prior;
    assert_eq!(
        (prior.a, prior.b, prior.sd_a, prior.sd_b),
        (1.0, None, 0.3, 0.5)
    );
    assert_eq!(model.features[0].reduce, Reduce::First);
    assert_eq!(model.features[0].transform, Transform::Identity);
    assert_eq!(model.documents.len(), 1, "one document for both features");
}

#[test]
fn the_built_in_specification_is_valid() {
    let specification: Value = serde_json::from_str(Model::builtin_json()).unwrap();
    let model = Model::from_json(&specification).unwrap();
    assert_eq!(model.model_version, "v1.0");
    assert!(model.modalities.iter().all(Option::is_some));
}

#[test]
fn every_mistake_is_named_with_its_path() {
    let mut not_psd = uniform_correlation(0.9);
    (not_psd[0][1], not_psd[1][0]) = (-0.9, -0.9);
    let mut asymmetric = uniform_correlation(0.1);
    asymmetric[2][0] = 0.3;
    let mut diagonal = uniform_correlation(0.1);
    diagonal[1][1] = 0.9;
    let long = "x".repeat(201);
    let table = [
        ("/features/1/path", json!("pitch_mean"), "features[1].path"),
        ("/features/1/path", json!("$.a[?"), "features[1].path"),
        ("/features/1/path", json!(3), "features[1].path"),
        ("/features/1/path", Value::Null, "features[1].path"),
        (
            "/features/1/name",
            json!("audio.pitch_mean"),
            "features[1].name",
        ),
        ("/features/1/name", json!(" "), "features[1].name"),
        ("/features/1/name", json!(long), "features[1].name"),
        ("/features/1/name", json!("other"), "features[1].name"),
        (
            "/features/0/modality",
            json!("smell"),
            "features[0].modality",
        ),
        (
            "/features/0/document",
            json!("facial_expressions"),
            "features[0].document",
        ),
        (
            "/features/0/document",
            json!("pg_authid"),
            "features[0].document",
        ),
        (
            "/features/0/document",
            json!("text_wellness_score"),
            "features[0].document",
        ),
        (
            "/features/0/document",
            json!("audio_wellness_score"),
            "features[0].path",
        ),
        ("/features/0/reduce", json!("max"), "features[0].reduce"),
        (
            "/features/0/transform",
            json!("log"),
            "features[0].transform",
        ),
        ("/features/0/weight", Value::Null, "features[0].weight"),
        ("/features/0/weight", json!("NaN"), "features[0].weight"),
        ("/features/0/weight", json!(100.5), "features[0].weight"),
        (
            "/features/0/population_sd",
            json!(-1),
            "features[0].population_sd",
        ),
        (
            "/features/0/population_sd",
            json!(0),
            "features[0].population_sd",
        ),
        (
            "/features/0/population_mean",
            json!(1e300),
            "features[0].population_mean",
        ),
        ("/features/0/colour", json!(1), "features[0].colour"),
        ("/features", json!([]), "features"),
        ("/features", json!({}), "features"),
        ("/features", Value::Null, "features"),
        ("/features", json!(vec![feature("x"); 501]), "features"),
        ("/model_version", json!(1), "model_version"),
        ("/model_version", json!(""), "model_version"),
        ("/model_version", Value::Null, "model_version"),
        ("/colour", json!(1), "colour"),
        ("/description", json!(1), "description"),
        (
            "/modalities/audio/reliability",
            json!(1.1),
            "modalities.audio.reliability",
        ),
        (
            "/modalities/audio/intercept",
            json!(1e9),
            "modalities.audio.intercept",
        ),
        (
            "/modalities/audio/quality_path",
            json!("q"),
            "modalities.audio.quality_path",
        ),
        (
            "/modalities/audio/expected_weight",
            json!("1"),
            "modalities.audio.expected_weight",
        ),
        (
            "/modalities/audio/expected_weight",
            json!(-1),
            "modalities.audio.expected_weight",
        ),
        (
            "/modalities/audio/expected_weight/brief",
            json!(1),
            "modalities.audio.expected_weight.brief",
        ),
        (
            "/modalities/audio/expected_weight/full",
            json!("1"),
            "modalities.audio.expected_weight.full",
        ),
        (
            "/modalities/audio/calibration_prior/sd_a",
            json!(0),
            "modalities.audio.calibration_prior.sd_a",
        ),
        (
            "/modalities/audio/calibration_prior/sd_b",
            json!(-1),
            "modalities.audio.calibration_prior.sd_b",
        ),
        (
            "/modalities/audio/calibration_prior/c",
            json!(1),
            "modalities.audio.calibration_prior.c",
        ),
        ("/modalities/smell", json!({}), "modalities.smell"),
        ("/fusion/rho", json!(1.5), "fusion.rho"),
        ("/fusion/rho", json!(-0.5), "fusion.rho"),
        ("/fusion/rho", json!("a"), "fusion.rho"),
        ("/fusion/rho", json!(not_psd), "fusion.rho"),
        ("/fusion/rho", json!(asymmetric), "fusion.rho[2][0]"),
        ("/fusion/rho", json!(diagonal), "fusion.rho[1][1]"),
        ("/fusion/rho", json!([[1], [2], [3], [4]]), "fusion.rho[0]"),
        (
            "/fusion/rho",
            json!([[1, 2, 0, 0], [], [], []]),
            "fusion.rho[0][1]",
        ),
        ("/fusion/prior_rate", json!(0), "fusion.prior_rate"),
        ("/fusion/prior_rate", json!(1), "fusion.prior_rate"),
        ("/fusion/prior_strength", json!(-1), "fusion.prior_strength"),
        ("/fusion/miss_var", json!(-1), "fusion.miss_var"),
        ("/baseline/kappa0", json!(0), "baseline.kappa0"),
        ("/baseline/nu0", json!(0), "baseline.nu0"),
        ("/baseline/z_limit", json!(40), "baseline.z_limit"),
        ("/baseline/clip_sd", json!(0), "baseline.clip_sd"),
        ("/baseline/clip_min_n", json!(1), "baseline.clip_min_n"),
        (
            "/baseline/half_life_days",
            json!(0),
            "baseline.half_life_days",
        ),
        ("/smoothing/r_min", json!(0), "smoothing.r_min"),
        ("/smoothing/q_per_day", json!(-1), "smoothing.q_per_day"),
        ("/smoothing/p0", json!(-1), "smoothing.p0"),
        ("/quality/min_coverage", json!(2), "quality.min_coverage"),
        ("/quality/colour", json!(2), "quality.colour"),
        ("/outcome/threshold_sd", json!(-1), "outcome.threshold_sd"),
        ("/outcome/min_reports", json!(1), "outcome.min_reports"),
        ("/outcome/min_reports", json!(-5), "outcome.min_reports"),
        ("/personal/weight_sd", json!(-0.1), "personal.weight_sd"),
        ("/personal/weight_sd", json!("x"), "personal.weight_sd"),
        ("/personal/colour", json!(1), "personal.colour"),
        ("/drivers/top", json!(1e9), "drivers.top"),
        ("/drivers/top", json!(-1), "drivers.top"),
    ];
    let mut wrong = Vec::new();
    for (pointer, value, path) in table {
        match Model::from_json(&with(pointer, value.clone())) {
            Ok(_) => wrong.push(format!("{pointer} = {value} is accepted")),
            Err(error) if error.path != path => {
                wrong.push(format!("{pointer} = {value}: {error} should name {path}"));
            }
            Err(error) => assert!(!error.hint.is_empty() && !error.message.is_empty()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_specification_that_is_no_object_is_an_error() {
    for value in [Value::Null, json!([]), json!("v1.0"), json!({})] {
        assert!(Model::from_json(&value).is_err(), "{value}");
    }
}

#[test]
fn rho_may_be_singular() {
    assert!(Model::from_json(&with("/fusion/rho", json!(1))).is_ok());
    assert!(Model::from_json(&with("/fusion/rho", json!(uniform_correlation(1.0)))).is_ok());
}

#[test]
fn weights_by_assessment_type_keep_the_default_where_left_out() {
    let weights = json!({"full": 2, "voice-only": 0});
    let model = Model::from_json(&with("/modalities/text/expected_weight", weights)).unwrap();
    assert_eq!(
        model.modality(Modality::Text).unwrap().expected_weight,
        [2.0, 1.0, 0.0]
    );
}

fn extract(feature_changes: Value, document: Value) -> Leaf {
    let mut feature = feature("x");
    for (key, value) in feature_changes.as_object().unwrap() {
        feature[key] = value.clone();
    }
    let specification = json!({"model_version": "t", "features": [feature]});
    Model::from_json(&specification)
        .unwrap()
        .extract(&[Some(document)])
        .leaves[0]
}

#[test]
fn a_leaf_is_a_number_missing_or_dropped() {
    let path = |path: &str| json!({ "path": path });
    let reduced = |path: &str, reduce: &str| json!({"path": path, "reduce": reduce});
    let transformed = |transform: &str| json!({"path": "$.a", "transform": transform});
    let wrong = Leaf::Dropped("wrong type");
    let outside = Leaf::Dropped("outside the transform's domain");
    let table = [
        (path("$.a"), json!({"a": 3}), Leaf::Value(3.0)),
        (path("$.a"), json!({"a": null}), Leaf::Missing),
        (path("$.a"), json!({"b": 3}), Leaf::Missing),
        (path("$.a"), json!({"a": "3"}), wrong),
        (path("$.a"), json!({"a": true}), wrong),
        (path("$.a"), json!({"a": "number out of range"}), wrong),
        (path("$.a"), Value::Null, Leaf::Missing),
        (
            reduced("$.a[*]", "first"),
            json!({"a": [null, 2, 3]}),
            Leaf::Value(2.0),
        ),
        (
            reduced("$.a[*]", "mean"),
            json!({"a": [1, null, 3]}),
            Leaf::Value(2.0),
        ),
        (
            reduced("$.a[*]", "sum"),
            json!({"a": [1, null, 3]}),
            Leaf::Value(4.0),
        ),
        (reduced("$.a[*]", "sum"), json!({"a": [1, "x"]}), wrong),
        (reduced("$.a[*]", "mean"), json!({"a": []}), Leaf::Missing),
        (
            reduced("$.a[*]", "count"),
            json!({"a": ["x", null, "y"]}),
            Leaf::Value(2.0),
        ),
        (reduced("$.a[*]", "count"), json!({"a": []}), Leaf::Missing),
        (reduced("$.a", "count"), json!({"a": []}), Leaf::Value(0.0)),
        (
            reduced("$.a", "count"),
            json!({"a": ["x", "y"]}),
            Leaf::Value(2.0),
        ),
        (reduced("$.a", "count"), json!({}), Leaf::Missing),
        (
            reduced("$.a[*]", "sum"),
            json!({"a": [1e308, 1e308]}),
            Leaf::Dropped("not finite"),
        ),
        (transformed("log1p"), json!({"a": 0}), Leaf::Value(0.0)),
        (transformed("log1p"), json!({"a": -1}), outside),
        (transformed("logit"), json!({"a": 0.5}), Leaf::Value(0.0)),
        (transformed("logit"), json!({"a": 1}), outside),
        (transformed("logit"), json!({"a": 0}), outside),
    ];
    for (changes, document, expected) in table {
        assert_eq!(
            extract(changes.clone(), document.clone()),
            expected,
            "{changes} {document}"
        );
    }
}

#[test]
fn quality_is_read_from_the_first_document_that_holds_a_number_in_range() {
    let mut specification = specification();
    specification["modalities"] = json!({"audio": {"quality_path": "$.quality"}});
    let model = Model::from_json(&specification).unwrap();
    let names: Vec<_> = model.documents.iter().map(|d| d.column.spec_name).collect();
    let expected = [
        "vocal_characteristics",
        "prosodic_features",
        "emotional_markers",
        "session.audio_data",
    ];
    assert_eq!(names, expected);

    let quality = |documents: [Value; 4]| model.extract(&documents.map(Some)).quality;
    let none = || json!({});
    let of = |quality: f64| json!({ "quality": quality });
    let audio = |value| [None, value, None, None];
    assert_eq!(
        quality([of(0.5), of(0.6), none(), none()]),
        audio(Some(0.5))
    );
    assert_eq!(
        quality([of(1.5), none(), none(), of(0.7)]),
        audio(Some(0.7))
    );
    assert_eq!(
        quality([none(), none(), none(), json!({"quality": "good"})]),
        audio(None)
    );
}

#[test]
fn a_column_is_found_by_its_exact_name_only() {
    assert_eq!(
        Column::find("session.mood_after").unwrap().name,
        "mood_after"
    );
    for name in [
        "mood_after",
        "sentiment_analysis; DROP TABLE x",
        "",
        "combined_text",
    ] {
        assert!(Column::find(name).is_none(), "{name}");
    }
}

#[test]
fn every_feature_of_the_installed_model_has_plain_words() {
    let specification: Value = serde_json::from_str(Model::builtin_json()).unwrap();
    for feature in &Model::from_json(&specification).unwrap().features {
        let words = mindmeasure_scoring::words::plain(&feature.name);
        assert!(words.is_some(), "{}", feature.name);
    }
}
