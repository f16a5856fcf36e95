//! The mathematics of mindmeasure, with no database in it.
//!
//! Pure functions of f64: NaN and ±Inf never enter or leave, sums always run in the order of the
//! specification, and the same input gives the same bits.
#![forbid(unsafe_code)]

pub mod baseline;
pub mod calendar;
pub mod change;
pub mod comparison;
pub mod correlation;
pub mod distribution;
pub mod document;
pub mod drivers;
pub mod evidence;
pub mod explanation;
pub mod features;
pub mod fusion;
pub mod history;
pub mod kept;
mod learning;
pub mod modality;
pub mod model;
pub mod numeric;
pub mod outcome;
pub mod patterns;
pub mod person;
pub mod personal;
pub mod platt;
pub mod population;
pub mod posterior;
pub mod quality;
pub mod questionnaire;
mod reading;
pub mod report;
pub mod session;
pub mod smoothing;
mod spec;
pub mod trend;
pub mod trend_analysis;
pub mod uncertainty;
pub mod words;

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
