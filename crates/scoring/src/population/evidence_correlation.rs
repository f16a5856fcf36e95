//! ρ of fusion: how strongly the evidence of two modalities repeats itself within a class.
//!
//! Naive Bayes takes modalities as independent *given* the outcome, so the correlation that counts
//! is within the classes; the one over all sessions is higher by what both rightly know.

/// A pair of modalities with fewer sessions in common is left out.
pub const MIN_SESSIONS: usize = 10;
/// Largest ρ returned: at 1 all modalities would be one.
pub const MAX_RHO: f64 = 0.99;
const MODALITIES: usize = 4;

/// One labelled session: each modality's calibrated log-odds, None where it was absent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    pub logits: [Option<f64>; MODALITIES],
    pub worse: bool,
}

/// Mean within-class correlation over the pairs of modalities, weighted by their sessions and
/// limited to [0, [`MAX_RHO`]]. None without a pair that has [`MIN_SESSIONS`] and spread; values
/// that are not finite count as absent.
pub fn rho(sessions: &[Evidence]) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for first in 0..MODALITIES {
        for second in first + 1..MODALITIES {
            if let Some((r, n)) = within_class(sessions, first, second) {
                sum += n * r;
                weight += n;
            }
        }
    }
    (weight > 0.0).then(|| (sum / weight).clamp(0.0, MAX_RHO))
}

/// Correlation of deviations from the class means, and the number of sessions in it.
fn within_class(sessions: &[Evidence], first: usize, second: usize) -> Option<(f64, f64)> {
    let (mut xx, mut xy, mut yy, mut n) = (0.0, 0.0, 0.0, 0);
    for class in [false, true] {
        let pairs: Vec<(f64, f64)> = sessions
            .iter()
            .filter(|s| s.worse == class)
            .filter_map(|s| s.logits[first].zip(s.logits[second]))
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect();
        let size = pairs.len() as f64;
        let mean_x = pairs.iter().map(|p| p.0 / size).sum::<f64>();
        let mean_y = pairs.iter().map(|p| p.1 / size).sum::<f64>();
        for (x, y) in &pairs {
            xx += (x - mean_x).powi(2);
            xy += (x - mean_x) * (y - mean_y);
            yy += (y - mean_y).powi(2);
        }
        n += pairs.len();
    }
    let r = xy / (xx.sqrt() * yy.sqrt());
    (n >= MIN_SESSIONS && r.is_finite()).then_some((r.clamp(-1.0, 1.0), n as f64))
}
