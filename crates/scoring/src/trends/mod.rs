//! What becomes of a person's scores: comparison, trends, patterns, alarm (SCORING §11).

pub mod calendar;
pub mod change;
pub mod comparison;
pub mod correlation;
pub mod history;
pub mod patterns;
pub mod trend;
pub mod trend_analysis;
