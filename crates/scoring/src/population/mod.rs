//! What is learnt from all people together: weights, the distribution of worse-rates, how strongly
//! modalities repeat each other, and how far personal calibrations spread.

pub mod cohort;
pub mod evidence_correlation;
pub mod judge;
mod left_out;
mod out_of_fold;
pub mod own_rate;
mod personal_weights;
pub mod refit;
pub mod ridge;
pub mod spread;
pub mod worse_rate;

/// Standard errors that a gain found by chance exceeds in one case of twenty.
const ONE_SIDED: f64 = 1.644_853_6;
