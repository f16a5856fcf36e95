//! A person's own weights: what tells of *worse* differs from person to person.
//!
//! The weight of a feature for one person is the model's (a·weight) plus a shift of their own, which
//! is learnt from each outcome: a random slope (Laird & Ware 1982) with prior N(0, `weight_sd`²),
//! followed by the extended Kalman filter of a logistic regression (Fahrmeir 1992) with a diagonal
//! covariance. Against the full one that was measured to lose nothing; it is as small as what is
//! learnt, and costs a handful of operations a feature.
//!
//! A session is scored with the shifts as they are before it. What its outcome will be learnt with
//! is stored beside the score, so the next session, a batch and a replay learn the same bits.

use crate::model::Model;
use crate::numeric::finite;
use crate::session::Scored;

/// Shifts of the weights with what is not known of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnWeights {
    /// By feature; empty before the first outcome.
    shifts: Vec<f64>,
    variances: Vec<f64>,
}

/// What the shifts of a feature are multiplied with in the fused log-odds: κ·r by modality, 0 where
/// its evidence goes through a fitted calibration or is absent.
pub type Shares = [f64; 4];

/// Least curvature of one outcome: a surprise at certainty must not count without limit.
const LEAST_CURVATURE: f64 = 1e-3;

impl OwnWeights {
    /// Added to the weight of a feature.
    pub fn shift(&self, feature: usize) -> f64 {
        self.shifts.get(feature).copied().unwrap_or(0.0)
    }

    /// Nothing has been learnt yet.
    pub fn is_empty(&self) -> bool {
        self.shifts.is_empty()
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
        if sd <= 0.0 || shares.iter().all(|share| *share == 0.0) {
            return;
        }
        if self.is_empty() {
            self.shifts = vec![0.0; model.features.len()];
            self.variances = vec![sd * sd; model.features.len()];
        }
        let moved = |i: usize| -> f64 {
            match (model.features.get(i), z.get(i)) {
                // A weight of 0 says that the feature is not to be read.
                (Some(feature), Some(Some(z))) if feature.weight != 0.0 => {
                    finite(shares[feature.modality.index()] * z)
                }
                _ => 0.0,
            }
        };
        let curvature = (p_worse * (1.0 - p_worse)).max(LEAST_CURVATURE);
        let unknown: f64 = (0..self.variances.len())
            .map(|i| self.variances[i] * moved(i) * moved(i))
            .sum();
        let surprise = (f64::from(u8::from(worse)) - p_worse) / curvature;
        let total = unknown + curvature.recip();
        for i in 0..self.shifts.len() {
            let pull = self.variances[i] * moved(i);
            self.shifts[i] = finite(self.shifts[i] + pull / total * surprise);
            self.variances[i] = finite(self.variances[i] - pull * pull / total).max(0.0);
        }
    }

    /// As it is stored with a score: the shares, then shifts and variances if there are any.
    pub(crate) fn to_stored(&self, shares: &Shares) -> Vec<f64> {
        let parts = [&shares[..], &self.shifts, &self.variances];
        parts.concat()
    }

    /// Reads what was stored with a score. Another model's, or what cannot be read, is nothing: one
    /// then starts from the model's weights, as a person does.
    pub fn from_stored(model: &Model, stored: &[f64]) -> (OwnWeights, Shares) {
        let nothing = (OwnWeights::default(), [0.0; 4]);
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
        if rest.len() != 2 * features || rest[features..].iter().any(|v| *v < 0.0) {
            return nothing;
        }
        let own = OwnWeights {
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
    pub personal: &'a [f64],
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
