//! Reads a model specification: shape by serde, then every limit, each failure with its path.

mod fusion;
mod limits;

use crate::document::{Column, Document};
use crate::modality::{AssessmentType, Modality};
use crate::model::*;
use fusion::{read_fusion, RawFusion};
use limits::*;
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;
use std::collections::{BTreeMap, HashSet};

const MAX_FEATURES: usize = 500;
/// Log-odds: beyond it a single z would decide everything.
const MAX_LOG_ODDS: f64 = 100.0;
/// A population sd outside these limits under- or overflows when squared.
const SD_LIMITS: (f64, f64) = (1e-150, 1e150);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    model_version: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    features: Option<Vec<RawFeature>>,
    #[serde(default)]
    modalities: RawModalities,
    #[serde(default)]
    fusion: RawFusion,
    #[serde(default)]
    baseline: BaselineSpec,
    #[serde(default)]
    smoothing: SmoothingSpec,
    #[serde(default)]
    quality: QualitySpec,
    #[serde(default)]
    outcome: OutcomeSpec,
    personal: Option<PersonalSpec>,
    #[serde(default)]
    drivers: DriversSpec,
    trained: Option<Trained>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFeature {
    name: Option<String>,
    modality: Option<Modality>,
    document: Option<String>,
    path: Option<String>,
    #[serde(default)]
    reduce: Reduce,
    weight: Option<f64>,
    population_mean: Option<f64>,
    population_sd: Option<f64>,
    #[serde(default)]
    transform: Transform,
    source: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModalities {
    text: Option<RawModality>,
    audio: Option<RawModality>,
    visual: Option<RawModality>,
    passive: Option<RawModality>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModality {
    intercept: Option<f64>,
    reliability: Option<f64>,
    /// A number, or an object by assessment type.
    expected_weight: Option<Value>,
    quality_path: Option<String>,
    #[serde(default)]
    calibration_prior: CalibrationPrior,
}

pub(crate) fn read(specification: &Value) -> Result<Model, SpecError> {
    let raw: RawModel = serde_path_to_error::deserialize(specification).map_err(shape_error)?;

    let model_version = required(raw.model_version, "model_version")?;
    check_name(&model_version, "model_version")?;
    let mut documents = Vec::new();
    let features = read_features(required(raw.features, "features")?, &mut documents)?;
    let modalities = read_modalities(raw.modalities, &features, &mut documents)?;
    let fusion = read_fusion(raw.fusion)?;
    check_baseline(&raw.baseline)?;
    check_smoothing(&raw.smoothing)?;
    check_quality(&raw.quality)?;
    check_outcome(&raw.outcome)?;
    let personal = raw.personal.unwrap_or_default();
    within(personal.weight_sd, 0.0, MAX_LOG_ODDS, "personal.weight_sd")?;
    if raw.drivers.top > MAX_FEATURES {
        return fail(
            "drivers.top",
            "is too large",
            format!("at most {MAX_FEATURES}"),
        );
    }

    if let Some(trained) = &raw.trained {
        check_trained(trained)?;
    }

    Ok(Model {
        model_version,
        features,
        modalities,
        fusion,
        baseline: raw.baseline,
        smoothing: raw.smoothing,
        quality: raw.quality,
        outcome: raw.outcome,
        personal,
        drivers: raw.drivers,
        trained: raw.trained,
        documents,
    })
}

fn read_features(
    raw: Vec<RawFeature>,
    documents: &mut Vec<Document>,
) -> Result<Vec<Feature>, SpecError> {
    if raw.is_empty() {
        return fail("features", "is empty", "a model needs at least one feature");
    }
    if raw.len() > MAX_FEATURES {
        return fail(
            "features",
            "holds too many",
            format!("at most {MAX_FEATURES} features"),
        );
    }
    let mut names = HashSet::with_capacity(raw.len());
    let mut features = Vec::with_capacity(raw.len());
    for (i, feature) in raw.into_iter().enumerate() {
        let feature = read_feature(feature, &format!("features[{i}]"), documents)?;
        if !names.insert(feature.name.clone()) {
            return fail(
                format!("features[{i}].name"),
                format!("{:?} is used twice", feature.name),
                "feature names are unique within a model",
            );
        }
        features.push(feature);
    }
    Ok(features)
}

fn read_feature(
    raw: RawFeature,
    at: &str,
    documents: &mut Vec<Document>,
) -> Result<Feature, SpecError> {
    let at = |key: &str| format!("{at}.{key}");
    let name = required(raw.name, at("name"))?;
    check_name(&name, &at("name"))?;
    if name == crate::drivers::OTHER || name == crate::drivers::LIMIT {
        return fail(
            at("name"),
            format!("{name:?} is reserved"),
            "drivers use it for their sums",
        );
    }
    let modality = required(raw.modality, at("modality"))?;
    let document = required(raw.document, at("document"))?;
    let column = Column::find(&document)
        .filter(|column| column.allowed_for(modality))
        .ok_or_else(|| SpecError {
            path: at("document"),
            message: format!("{document:?} is no document of {}", modality.as_str()),
            hint: format!("one of {}", Column::names_for(modality)),
        })?;
    let path_text = required(raw.path, at("path"))?;
    let path = json_path(&path_text, at("path"))?;
    if column.numeric && path_text != "$" {
        return fail(
            at("path"),
            format!("{path_text:?} looks into a number"),
            format!("the only path into {document} is $"),
        );
    }
    let weight = required(raw.weight, at("weight"))?;
    within(weight, -MAX_LOG_ODDS, MAX_LOG_ODDS, at("weight"))?;
    let population_mean = required(raw.population_mean, at("population_mean"))?;
    within(
        population_mean,
        -SD_LIMITS.1,
        SD_LIMITS.1,
        at("population_mean"),
    )?;
    let population_sd = required(raw.population_sd, at("population_sd"))?;
    within(population_sd, SD_LIMITS.0, SD_LIMITS.1, at("population_sd"))?;

    Ok(Feature {
        name,
        modality,
        document: document_index(documents, modality, column),
        path,
        reduce: raw.reduce,
        weight,
        population_mean,
        population_sd,
        transform: raw.transform,
        source: raw.source,
    })
}

fn read_modalities(
    raw: RawModalities,
    features: &[Feature],
    documents: &mut Vec<Document>,
) -> Result<[Option<ModalitySpec>; 4], SpecError> {
    let mut modalities = [None, None, None, None];
    let named = [raw.text, raw.audio, raw.visual, raw.passive];
    for (modality, named) in Modality::ALL.into_iter().zip(named) {
        let used = features.iter().any(|feature| feature.modality == modality);
        modalities[modality.index()] = match named {
            Some(raw) => Some(read_modality(raw, modality, documents)?),
            None => used.then(ModalitySpec::default),
        };
    }
    Ok(modalities)
}

fn read_modality(
    raw: RawModality,
    modality: Modality,
    documents: &mut Vec<Document>,
) -> Result<ModalitySpec, SpecError> {
    let at = |key: &str| format!("modalities.{}.{key}", modality.as_str());
    let defaults = ModalitySpec::default();
    let intercept = raw.intercept.unwrap_or(defaults.intercept);
    within(intercept, -MAX_LOG_ODDS, MAX_LOG_ODDS, at("intercept"))?;
    let reliability = raw.reliability.unwrap_or(defaults.reliability);
    within(reliability, 0.0, 1.0, at("reliability"))?;
    let expected_weight = match raw.expected_weight {
        None | Some(Value::Null) => defaults.expected_weight,
        Some(value) => read_expected_weight(&value, at("expected_weight"))?,
    };
    let prior = raw.calibration_prior;
    within(
        prior.a,
        -MAX_LOG_ODDS,
        MAX_LOG_ODDS,
        at("calibration_prior.a"),
    )?;
    if let Some(b) = prior.b {
        within(b, -MAX_LOG_ODDS, MAX_LOG_ODDS, at("calibration_prior.b"))?;
    }
    // The fit divides by these variances, so neither may vanish.
    within(prior.sd_a, 1e-6, MAX_LOG_ODDS, at("calibration_prior.sd_a"))?;
    within(prior.sd_b, 1e-6, MAX_LOG_ODDS, at("calibration_prior.sd_b"))?;
    let quality = match raw.quality_path {
        None => None,
        Some(path) => Some(QualityPath {
            path: json_path(&path, at("quality_path"))?,
            documents: Column::quality_columns(modality)
                .map(|column| document_index(documents, modality, column))
                .collect(),
        }),
    };
    Ok(ModalitySpec {
        intercept,
        reliability,
        expected_weight,
        quality,
        calibration_prior: prior,
    })
}

fn read_expected_weight(value: &Value, at: String) -> Result<[f64; 3], SpecError> {
    const HINT: &str = "a number, or an object with full, quick and voice-only; not negative";
    if let Some(weight) = value.as_f64() {
        within(weight, 0.0, 1e6, at)?;
        return Ok([weight; 3]);
    }
    let by_type: BTreeMap<String, Value> = match value {
        Value::Object(map) => map.clone().into_iter().collect(),
        _ => return fail(at, "is neither a number nor an object", HINT),
    };
    let mut weights = ModalitySpec::default().expected_weight;
    for (key, value) in &by_type {
        let at = format!("{at}.{key}");
        let Some(assessment_type) = AssessmentType::parse(key) else {
            return fail(at, "is an unknown key", HINT);
        };
        let Some(weight) = value.as_f64() else {
            return fail(at, "is not a number", HINT);
        };
        within(weight, 0.0, 1e6, at)?;
        weights[assessment_type.index()] = weight;
    }
    Ok(weights)
}

/// The document's index, added to the list when it is new.
fn document_index(
    documents: &mut Vec<Document>,
    modality: Modality,
    column: &'static Column,
) -> usize {
    let known = documents
        .iter()
        .position(|document| document.column == column);
    known.unwrap_or_else(|| {
        documents.push(Document { modality, column });
        documents.len() - 1
    })
}

fn json_path(text: &str, at: String) -> Result<JsonPath, SpecError> {
    JsonPath::parse(text).map_err(|error| SpecError {
        path: at,
        message: format!("{text:?} is no JSONPath: {error}"),
        hint: "RFC 9535, for example $.pause_patterns.frequency or $.emotions[*].confidence".into(),
    })
}

fn shape_error(error: serde_path_to_error::Error<serde_json::Error>) -> SpecError {
    let path = match error.path().to_string() {
        path if path == "." => "$".to_owned(),
        path => path,
    };
    let message = error.into_inner().to_string();
    let hint = match message.split_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => "see the documentation of the model specification".to_owned(),
    };
    SpecError {
        path,
        message,
        hint,
    }
}
