//! A person's own weights: what tells of *worse* differs from person to person.
//!
//! The weight of a feature for one person is the model's (a·weight) plus a shift of their own, which
//! is learnt from each outcome: a random slope (Laird & Ware 1982) with prior N(0, `weight_sd`²),
//! followed by the extended Kalman filter of a logistic regression (Fahrmeir 1992) with a diagonal
//! covariance. Against the full one that was measured to lose nothing; it is as small as what is
//! learnt, and costs a handful of operations a feature.
//!
//! One class of outcomes tells no slope, so the shifts are followed from the first outcome on but
//! count only after [`LEAST_OUTCOMES`] of each kind.
//!
//! A session is scored with the shifts as they are before it. What its outcome will be learnt with
//! is stored beside the score, so the next session, a batch and a replay learn the same bits.

use crate::model::Model;
use crate::numeric::{finite, logit, sigmoid};
use crate::session::Scored;

/// Shifts of the weights with what is not known of them. Kept as f32: finer is not known, and every
/// score carries them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnWeights {
    /// Outcomes learnt from: worse, and others.
    outcomes: [f32; 2],
    /// By feature; empty before the first outcome.
    shifts: Vec<f32>,
    variances: Vec<f32>,
}

/// What the shifts of a feature are multiplied with in the fused log-odds: κ·r by modality, 0 where
/// its evidence goes through a fitted calibration or is absent.
pub type Shares = [f32; 4];

/// The shares of no modality.
pub const NO_SHARES: Shares = [0.0; 4];

/// Outcomes of each kind before own weights count.
pub const LEAST_OUTCOMES: f32 = 3.0;

/// Least curvature of one outcome: a surprise at certainty must not count without limit.
const LEAST_CURVATURE: f64 = 1e-3;

impl OwnWeights {
    /// Added to the weight of a feature.
    pub fn shift(&self, feature: usize) -> f64 {
        if self.count() {
            self.followed(feature)
        } else {
            0.0
        }
    }

    /// Whether there are outcomes enough for them to count.
    pub fn count(&self) -> bool {
        self.outcomes.iter().all(|n| *n >= LEAST_OUTCOMES)
    }

    fn followed(&self, feature: usize) -> f64 {
        self.shifts.get(feature).copied().map_or(0.0, f64::from)
    }

    /// Learns from the outcome of a session: its z and shares, and the p_worse_fused it was given.
    pub fn learn(
        &mut self,
        model: &Model,
        z: &[Option<f64>],
        shares: &Shares,
        p_worse: f64,
        worse: bool,
    ) {
        let sd = model.personal.weight_sd;
        if sd <= 0.0 || *shares == NO_SHARES {
            return;
        }
        let features = model.features.len();
        if self.shifts.len() != features {
            self.shifts = vec![0.0; features];
            self.variances = vec![(sd * sd) as f32; features];
        }
        // What one unit of a shift would have moved the log-odds.
        let moved: Vec<f64> = model
            .features
            .iter()
            .enumerate()
            .map(|(i, feature)| match z.get(i) {
                // A weight of 0 says that the feature is not to be read.
                Some(Some(z)) if feature.weight != 0.0 => {
                    finite(f64::from(shares[feature.modality.index()]) * z)
                }
                _ => 0.0,
            })
            .collect();
        let p = if self.count() {
            p_worse
        } else {
            // They were not in it, but have been followed.
            let shifted = moved.iter().enumerate();
            let shift: f64 = shifted.map(|(i, x)| x * self.followed(i)).sum();
            sigmoid(finite(logit(p_worse) + shift))
        };
        let curvature = (p * (1.0 - p)).max(LEAST_CURVATURE);
        let variances = self.variances.iter().zip(&moved);
        let unknown: f64 = variances.map(|(v, x)| f64::from(*v) * x * x).sum();
        let surprise = (f64::from(u8::from(worse)) - p) / curvature;
        let total = unknown + curvature.recip();
        for (i, x) in moved.iter().enumerate() {
            let pull = f64::from(self.variances[i]) * x;
            self.shifts[i] = (finite(self.followed(i) + pull / total * surprise)) as f32;
            let left = f64::from(self.variances[i]) - pull * pull / total;
            self.variances[i] = left.max(0.0) as f32;
        }
        self.outcomes[usize::from(!worse)] += 1.0;
    }

    /// As it is stored with a score: the shares; once there was an outcome how many of each kind,
    /// and of each feature the shift, then its variance.
    pub(crate) fn to_stored(&self, shares: &Shares) -> Vec<f32> {
        if self.shifts.is_empty() {
            return shares.to_vec();
        }
        let parts = [&shares[..], &self.outcomes, &self.shifts, &self.variances];
        parts.concat()
    }

    /// Reads what was stored with a score. Another model's, or what cannot be read, is nothing: one
    /// then starts from the model's weights, as a person does.
    pub fn from_stored(model: &Model, stored: &[f32]) -> (OwnWeights, Shares) {
        let nothing = (OwnWeights::default(), NO_SHARES);
        let features = model.features.len();
        if model.personal.weight_sd <= 0.0 || stored.iter().any(|x| !x.is_finite()) {
            return nothing;
        }
        let Some((shares, rest)) = stored.split_first_chunk::<4>() else {
            return nothing;
        };
        if rest.is_empty() {
            return (OwnWeights::default(), *shares);
        }
        let Some((outcomes, rest)) = rest.split_first_chunk::<2>() else {
            return nothing;
        };
        if rest.len() != 2 * features || rest[features..].iter().any(|v| *v < 0.0) {
            return nothing;
        }
        let own = OwnWeights {
            outcomes: *outcomes,
            shifts: rest[..features].to_vec(),
            variances: rest[features..].to_vec(),
        };
        (own, *shares)
    }
}

/// A scored session, as the next one learns from it.
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a> {
    /// [`crate::Scored::personal`].
    pub personal: &'a [f32],
    /// z by feature; not looked at without an outcome.
    pub feature_z: &'a [Option<f64>],
    pub p_worse_fused: f64,
    /// What is known of it by now.
    pub worse: Option<bool>,
}

impl<'a> Lesson<'a> {
    /// Of a session that has just been scored.
    pub fn of(scored: &'a Scored, worse: Option<bool>) -> Lesson<'a> {
        Lesson {
            personal: &scored.personal,
            feature_z: &scored.feature_z,
            p_worse_fused: scored.p_worse_fused,
            worse,
        }
    }

    /// The weights the next session is scored with.
    pub fn next(&self, model: &Model) -> OwnWeights {
        let (mut own, shares) = OwnWeights::from_stored(model, self.personal);
        if let Some(worse) = self.worse {
            own.learn(model, self.feature_z, &shares, self.p_worse_fused, worse);
        }
        own
    }
}
