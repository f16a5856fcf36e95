//! Smoothing: a local-level Kalman filter on the score scale (SCORING §9).
//!
//! Muth 1960, JASA 55:299-306; Durbin & Koopman 2012 ch. 2; time gaps after Wright 1986.

use crate::model::SmoothingSpec;
use crate::numeric::{days_between, finite};

/// The smoothed score after a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothed {
    /// 0..100.
    pub level: f64,
    /// Squared score points.
    pub variance: f64,
    /// Time of the session, µs since the epoch.
    pub at_us: i64,
}

/// Width of a 90 % interval in sd.
const INTERVAL_WIDTH_SD: f64 = 3.2897;

/// r_s: variance of one score from the width of its 90 % interval of p.
pub fn score_variance(uncertainty: f64, spec: &SmoothingSpec) -> f64 {
    let sd = 100.0 * uncertainty / INTERVAL_WIDTH_SD;
    f64::max(spec.r_min, sd * sd)
}

/// The level after a score `y` of variance `r`. Without an earlier session the level starts at
/// `first_level` with variance p0 and takes no time step.
pub fn step(
    before: Option<Smoothed>,
    first_level: f64,
    y: f64,
    r: f64,
    at_us: i64,
    spec: &SmoothingSpec,
) -> Smoothed {
    let (level, variance) = match before {
        Some(state) => {
            let gained = spec.q_per_day * days_between(state.at_us, at_us);
            (state.level, finite(state.variance + gained))
        }
        None => (first_level, spec.p0),
    };
    update(level, variance, y, r, at_us)
}

/// The measurement update: K = P/(P + r).
pub fn update(level: f64, variance: f64, y: f64, r: f64, at_us: i64) -> Smoothed {
    let total = finite(variance + r);
    let gain = if total > 0.0 { variance / total } else { 0.0 };
    Smoothed {
        level: finite(level + gain * (y - level)),
        variance: finite((1.0 - gain) * variance),
        at_us,
    }
}
