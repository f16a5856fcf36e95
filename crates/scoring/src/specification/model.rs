//! The model as data: a JSON specification, read once and checked with the offending path
//! (SCORING §1).

use crate::document::{Column, Document};
use crate::modality::{AssessmentType, Modality};
use crate::spec;
use serde::Deserialize;
use serde_json_path::JsonPath;

/// A checked model. Every number in it is finite and within the limits of [`Model::from_json`].
#[derive(Clone, Debug)]
pub struct Model {
    pub model_version: String,
    /// In the order of the specification, which is the order of every sum.
    pub features: Vec<Feature>,
    /// By [`Modality::index`]; `None` for a modality the specification does not mention.
    pub modalities: [Option<ModalitySpec>; 4],
    pub fusion: FusionSpec,
    pub baseline: BaselineSpec,
    pub smoothing: SmoothingSpec,
    pub quality: QualitySpec,
    pub outcome: OutcomeSpec,
    pub personal: PersonalSpec,
    pub drivers: DriversSpec,
    /// How the figures were learnt; `None` for a model that was written by hand.
    pub trained: Option<Trained>,
    /// Every document to be loaded for a session, each once.
    pub documents: Vec<Document>,
}

/// One number read from a session.
#[derive(Clone, Debug)]
pub struct Feature {
    pub name: String,
    pub modality: Modality,
    /// Index in [`Model::documents`].
    pub document: usize,
    /// RFC 9535.
    pub path: JsonPath,
    pub reduce: Reduce,
    /// Log-odds of *worse* per z.
    pub weight: f64,
    /// On the transformed scale.
    pub population_mean: f64,
    /// On the transformed scale; positive.
    pub population_sd: f64,
    pub transform: Transform,
    /// Where sign, weight and population figures come from.
    pub source: Option<String>,
}

/// What becomes of several nodes under one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduce {
    #[default]
    First,
    Mean,
    Sum,
    Count,
}

/// The scale a feature is used on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    #[default]
    Identity,
    Log1p,
    Logit,
}

/// How the evidence of one modality is weighed.
#[derive(Clone, Debug)]
pub struct ModalitySpec {
    /// Added to the raw evidence; log-odds before calibration.
    pub intercept: f64,
    /// 0..1.
    pub reliability: f64,
    /// Share in the coverage, by [`AssessmentType::index`]; not negative.
    pub expected_weight: [f64; 3],
    pub quality: Option<QualityPath>,
    pub calibration_prior: CalibrationPrior,
}

impl ModalitySpec {
    /// Share in the coverage of a session of this type.
    pub fn expected(&self, assessment_type: AssessmentType) -> f64 {
        self.expected_weight[assessment_type.index()]
    }
}

impl Default for ModalitySpec {
    fn default() -> Self {
        ModalitySpec {
            intercept: 0.0,
            reliability: 1.0,
            expected_weight: [1.0; 3],
            quality: None,
            calibration_prior: CalibrationPrior::default(),
        }
    }
}

/// Where the quality of a modality's data is read.
#[derive(Clone, Debug)]
pub struct QualityPath {
    pub path: JsonPath,
    /// Indices in [`Model::documents`], in the order they are tried.
    pub documents: Vec<usize>,
}

/// Calibration of a person without a fit of their own: Gaussian, a and b independent.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationPrior {
    pub a: f64,
    /// `None`: the log-odds of the person's own worse-rate.
    pub b: Option<f64>,
    pub sd_a: f64,
    pub sd_b: f64,
}

impl Default for CalibrationPrior {
    fn default() -> Self {
        CalibrationPrior {
            a: 1.0,
            b: None,
            sd_a: 0.3,
            sd_b: 0.5,
        }
    }
}

/// SCORING §6 and the part of §7 that belongs to missing modalities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusionSpec {
    /// Correlation of the modalities' evidence; symmetric, unit diagonal, positive semi-definite.
    pub rho: [[f64; 4]; 4],
    /// In (0, 1).
    pub prior_rate: f64,
    /// How many outcomes the prior rate counts as; not negative.
    pub prior_strength: f64,
    /// An outcome of that age counts half for the own rate; `None`: all count alike.
    pub outcome_half_life_days: Option<f64>,
    /// Recent outcomes make a rate of their own, in which one of that age counts half; `None`: they
    /// do not.
    pub recent_half_life_days: Option<f64>,
    /// How many recent outcomes the lasting rate counts as; not negative.
    pub recent_strength: f64,
    /// Variance on the log-odds scale when nothing at all is covered.
    pub miss_var: f64,
}

impl FusionSpec {
    /// Whether an outcome's worth depends on its age, so that counting them is not enough.
    pub fn outcomes_age(&self) -> bool {
        self.outcome_half_life_days.is_some() || self.recent_half_life_days.is_some()
    }
}

impl Default for FusionSpec {
    fn default() -> Self {
        FusionSpec {
            rho: uniform_correlation(0.1),
            prior_rate: 0.25,
            prior_strength: 4.0,
            outcome_half_life_days: None,
            recent_half_life_days: None,
            recent_strength: 4.0,
            miss_var: 1.0,
        }
    }
}

/// The same correlation between every two modalities.
pub fn uniform_correlation(rho: f64) -> [[f64; 4]; 4] {
    let mut matrix = [[rho; 4]; 4];
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    matrix
}

/// SCORING §3.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineSpec {
    /// How many observations the population mean counts as.
    pub kappa0: f64,
    /// How many observations the population sd counts as.
    pub nu0: f64,
    /// A value is learnt within this many sd of the mean.
    pub clip_sd: f64,
    /// Clipping starts at this n.
    pub clip_min_n: f64,
    pub z_limit: f64,
    /// `None`: nothing is forgotten.
    pub half_life_days: Option<f64>,
}

impl Default for BaselineSpec {
    fn default() -> Self {
        BaselineSpec {
            kappa0: 2.0,
            nu0: 4.0,
            clip_sd: 3.0,
            clip_min_n: 5.0,
            z_limit: 4.0,
            half_life_days: None,
        }
    }
}

/// SCORING §9, in squared score points.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmoothingSpec {
    /// Variance the level gains a day.
    pub q_per_day: f64,
    /// Least variance of one score.
    pub r_min: f64,
    /// Variance of the level before the first session.
    pub p0: f64,
}

impl Default for SmoothingSpec {
    fn default() -> Self {
        SmoothingSpec {
            q_per_day: 1.0,
            r_min: 36.0,
            p0: 400.0,
        }
    }
}

/// The gates of SCORING §8.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualitySpec {
    /// `insufficient` when no modality reaches this reliability.
    pub min_reliability: f64,
    /// `insufficient` below this coverage.
    pub min_coverage: f64,
    /// `low` below this coverage.
    pub low_coverage: f64,
    /// `low` above this width of the 90 % interval.
    pub max_uncertainty: f64,
    /// `low` when the median n of the baselines used is below.
    pub min_baseline_n: f64,
}

impl Default for QualitySpec {
    fn default() -> Self {
        QualitySpec {
            min_reliability: 0.2,
            min_coverage: 0.25,
            low_coverage: 0.5,
            max_uncertainty: 0.5,
            min_baseline_n: 5.0,
        }
    }
}

/// When a self-report counts as *worse* (SCORING §10).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutcomeSpec {
    /// Worse is below the own past mean by more than this many sd.
    pub threshold_sd: f64,
    /// From this report on.
    pub min_reports: u32,
}

impl Default for OutcomeSpec {
    fn default() -> Self {
        OutcomeSpec {
            threshold_sd: 0.5,
            min_reports: 5,
        }
    }
}

/// How far a person's own weights may lie from the model's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersonalSpec {
    /// Prior sd of a person's weight about the model's, log-odds per z; 0: everybody has the model's.
    pub weight_sd: f64,
}

/// SCORING §12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriversSpec {
    /// How many features are listed one by one.
    pub top: usize,
}

impl Default for DriversSpec {
    fn default() -> Self {
        DriversSpec { top: 10 }
    }
}

/// What mm_fit_model() learnt a model from: enough to do the same again without some of the people,
/// and for people to read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trained {
    /// The version whose features these are.
    pub from: Option<String>,
    /// The penalty that was asked for; `None`: chosen by cross-validation.
    pub lambda: Option<f64>,
    /// The penalty that was used.
    pub penalty: Option<f64>,
    pub sessions: u64,
    pub people: u64,
}

/// What is wrong with a specification, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SpecError {
    /// `features[3].path`; `$` for the specification as a whole.
    pub path: String,
    pub message: String,
    pub hint: String,
}

impl Model {
    /// The specification installed as v1.0.
    pub fn builtin_json() -> &'static str {
        include_str!("../../models/v1.0.json")
    }

    /// Reads and checks a specification.
    ///
    /// # Errors
    /// The first thing wrong, with its path: an unknown key, a wrong type, a number outside its
    /// limits, a path that is not RFC 9535, a document not open to the modality, a name used twice.
    pub fn from_json(specification: &serde_json::Value) -> Result<Model, SpecError> {
        spec::read(specification)
    }

    /// Whether the other model computes the same z of the same session: it differs in weights and
    /// what comes after them only.
    pub fn reads_same_z(&self, other: &Model) -> bool {
        let same = |(mine, theirs): (&Feature, &Feature)| {
            let column = |model: &Model, feature: &Feature| {
                model
                    .documents
                    .get(feature.document)
                    .map(|d| d.column.spec_name)
            };
            mine.name == theirs.name
                && mine.modality == theirs.modality
                && column(self, mine) == column(other, theirs)
                && mine.path == theirs.path
                && mine.reduce == theirs.reduce
                && mine.transform == theirs.transform
                && mine.population_mean == theirs.population_mean
                && mine.population_sd == theirs.population_sd
        };
        self.features.len() == other.features.len()
            && self.baseline == other.baseline
            && self.features.iter().zip(&other.features).all(same)
    }

    /// The specification of a modality; one that is not mentioned has the defaults.
    pub fn modality(&self, modality: Modality) -> Option<&ModalitySpec> {
        self.modalities[modality.index()].as_ref()
    }

    /// The features of a modality with their index, in order.
    pub fn features_of(&self, modality: Modality) -> impl Iterator<Item = (usize, &Feature)> {
        self.features
            .iter()
            .enumerate()
            .filter(move |(_, feature)| feature.modality == modality)
    }

    /// Whether a modality can be scored before its analysis exists: all of its features are read
    /// from the session itself.
    pub fn reads_session_only(&self, modality: Modality) -> bool {
        self.features_of(modality).all(|(_, feature)| {
            self.documents
                .get(feature.document)
                .is_some_and(|document| document.column.owner == crate::document::Owner::Session)
        })
    }

    /// Index of a document by its specification name.
    pub fn document_index(&self, column: &Column) -> Option<usize> {
        self.documents
            .iter()
            .position(|document| document.column == column)
    }
}
