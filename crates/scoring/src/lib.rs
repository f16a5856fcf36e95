//! The mathematics of mindmeasure, with no database in it.
//!
//! Pure functions of f64: NaN and ±Inf never enter or leave, sums always run in the order of the
//! specification, and the same input gives the same bits.
#![forbid(unsafe_code)]

mod explain;
pub mod population;
mod score;
mod specification;
mod statistics;
mod trends;

pub use explain::{explanation, questionnaire, report, words};
pub use score::{
    baseline, drivers, evidence, fusion, kept, outcome, person, personal, quality, session,
    smoothing, uncertainty,
};
use score::{learning, reading};
use specification::spec;
pub use specification::{document, features, modality, model};
pub use statistics::{distribution, numeric, platt, posterior};
pub use trends::{
    calendar, change, comparison, correlation, history, patterns, trend, trend_analysis,
};

pub use baseline::Baseline;
pub use change::Watch;
pub use comparison::BaselineComparison;
pub use document::{Column, Document, Owner};
pub use drivers::{Drivers, Item};
pub use evidence::Calibration;
pub use features::{Extracted, Leaf};
pub use fusion::{Outcomes, OwnRate};
pub use history::Past;
pub use kept::{Kept, Stored};
pub use modality::{AssessmentType, Modality};
pub use model::{Model, SpecError};
pub use person::{Metric, Metrics, Mood, Person, Session};
pub use personal::OwnWeights;
pub use posterior::Posterior;
pub use quality::Qc;
pub use session::{score, Scored};
pub use smoothing::Smoothed;
pub use trend_analysis::TrendAnalysis;
