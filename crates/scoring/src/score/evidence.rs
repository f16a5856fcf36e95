//! Evidence of one modality: z-values to a calibrated probability of *worse*, and how far it is to
//! be relied on (SCORING §4 and §5).

use crate::model::CalibrationPrior;
use crate::numeric::{clip, clip_logit, clip_probability, finite, sigmoid};

/// Platt's line ℓ = a·raw + b for one person and modality, with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    pub a: f64,
    pub b: f64,
    /// var a, cov(a, b), var b.
    pub covariance: [f64; 3],
    /// Log-odds of the person's own rate when b was fitted; `None` where b does not follow it.
    pub own_logit: Option<f64>,
}

impl Calibration {
    /// Without a fit of their own: the prior, whose b is the person's own base log-odds unless the
    /// specification fixes it. A modality is then neutral against the person's own rate.
    pub fn from_prior(prior: &CalibrationPrior, own_logit: f64) -> Calibration {
        Calibration {
            a: prior.a,
            b: prior.b.unwrap_or(own_logit),
            covariance: [prior.sd_a * prior.sd_a, 0.0, prior.sd_b * prior.sd_b],
            own_logit: prior.b.is_none().then_some(own_logit),
        }
    }

    /// The line at another own rate. What a fit tells of b is how far the evidence lies from the
    /// own rate: a b that stayed while that moves on would be pooled against it, and where κ·Σr > 1
    /// a rate of *worse* that rises would make the fused probability fall.
    pub fn at_own_logit(&self, own_logit: f64) -> Calibration {
        let Some(then) = self.own_logit else {
            return *self;
        };
        Calibration {
            b: finite(self.b + (own_logit - then)),
            own_logit: Some(own_logit),
            ..*self
        }
    }

    /// ℓ, within the limits of a clipped probability.
    pub fn logit(&self, raw: f64) -> f64 {
        clip_logit(self.unclipped_logit(raw))
    }

    /// ℓ as the line gives it.
    pub fn unclipped_logit(&self, raw: f64) -> f64 {
        finite(finite(self.a * raw) + self.b)
    }

    /// Variance of ℓ: (raw, 1)·Cov·(raw, 1)ᵀ, never negative.
    pub fn logit_variance(&self, raw: f64) -> f64 {
        let [var_a, cov_ab, var_b] = self.covariance;
        // Horner's form keeps raw² from overflowing against a zero variance.
        finite(raw * finite(var_a * raw + 2.0 * cov_ab) + var_b).max(0.0)
    }
}

/// σ(ℓ) within `[P_MIN, 1 − P_MIN]`, so that rounding at the limit cannot leave the interval.
pub fn probability(logit: f64) -> f64 {
    clip_probability(sigmoid(logit))
}

/// r: the modality's reliability, times the quality of its data, times the share of its weight
/// that is present. 0..1; 0 when no feature carries weight.
pub fn reliability(
    modality_reliability: f64,
    quality: Option<f64>,
    present_weight: f64,
    total_weight: f64,
) -> f64 {
    if total_weight <= 0.0 {
        return 0.0;
    }
    let share = present_weight / total_weight;
    clip(
        modality_reliability * quality.unwrap_or(1.0) * share,
        0.0,
        1.0,
    )
}
