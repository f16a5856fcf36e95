//! What is learnt from all people together: weights, the distribution of worse-rates, how strongly
//! modalities repeat each other, and how far personal calibrations spread.

pub mod evidence_correlation;
pub mod ridge;
pub mod spread;
pub mod worse_rate;
