//! Uncertainty: a variance budget on the log-odds scale and its 90 % interval (SCORING §7).

use crate::fusion::{present_reliability, Fused};
use crate::numeric::{finite, sigmoid};

/// Φ⁻¹(0.95): half the width of a 90 % interval in sd.
pub const Z_90: f64 = 1.6448536269514722;

/// Where the variance of L comes from, and what it does to p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uncertainty {
    /// From calibrations that are not known exactly.
    pub calibration: f64,
    /// From modalities that contradict each other.
    pub disagreement: f64,
    /// From modalities that are missing or unreliable.
    pub missing: f64,
    pub total: f64,
    /// 5 % limit of p.
    pub low: f64,
    /// 95 % limit of p.
    pub high: f64,
    /// Share of the expected evidence that is there, 0..1.
    pub coverage: f64,
}

impl Uncertainty {
    /// Width of the 90 % interval of p, 0..1.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// Σ over present modalities of min(1, r)·expected / Σ expected. With nothing expected, anything
/// present covers everything.
pub fn coverage(logits: &[Option<f64>; 4], reliability: &[f64; 4], expected: &[f64; 4]) -> f64 {
    let r = present_reliability(logits, reliability);
    let total: f64 = expected.iter().sum();
    if total > 0.0 {
        (0..4).map(|i| r[i].min(1.0) * expected[i]).sum::<f64>() / total
    } else if logits.iter().any(Option::is_some) {
        1.0
    } else {
        0.0
    }
}

/// The budget. `variances` are those of the modalities' log-odds (v_m).
pub fn budget(
    logits: &[Option<f64>; 4],
    reliability: &[f64; 4],
    variances: &[f64; 4],
    fused: &Fused,
    coverage: f64,
    miss_var: f64,
) -> Uncertainty {
    let r = present_reliability(logits, reliability);
    let mut calibration = 0.0;
    for i in 0..4 {
        // κ·r first: v may be as large as an f64 gets.
        let share = fused.kappa * r[i];
        calibration = finite(calibration + share * share * variances[i]);
    }
    let disagreement = disagreement(logits, &r, fused.k_eff);
    let missing = miss_var * (1.0 - coverage);
    let total = finite(calibration + disagreement + missing);
    let reach = Z_90 * total.sqrt();
    Uncertainty {
        calibration,
        disagreement,
        missing,
        total,
        low: sigmoid(fused.logit - reach),
        high: sigmoid(fused.logit + reach),
        coverage,
    }
}

/// Weighted variance of the log-odds about their mean, per effective modality (DerSimonian & Laird
/// 1986). Needs two modalities.
fn disagreement(logits: &[Option<f64>; 4], r: &[f64; 4], k_eff: f64) -> f64 {
    let weight: f64 = r.iter().sum();
    if logits.iter().flatten().count() < 2 || weight <= 0.0 || k_eff <= 0.0 {
        return 0.0;
    }
    let weighted = |of: &dyn Fn(f64) -> f64| -> f64 {
        logits
            .iter()
            .zip(r)
            .filter_map(|(l, r)| l.map(|l| r * of(l)))
            .sum::<f64>()
            / weight
    };
    let mean = weighted(&|logit| logit);
    finite(weighted(&|logit| (logit - mean) * (logit - mean)) / k_eff)
}
