//! Does the score move with sleep, stress or company? Pearson and Spearman with Fisher-z
//! intervals, an effective sample size for series, and Benjamini–Hochberg over many factors.

use crate::distribution::{normal_cdf, normal_quantile, student_t_two_sided};

/// Below this many pairs Fisher's z has no standard error (√(1/(n − 3))) and nothing is reported.
pub const MIN_PAIRS: usize = 4;
/// r is limited to ± this before Fisher's z, so that a perfect correlation stays finite.
const PERFECT: f64 = 1.0 - 1e-15;
const CONFIDENCE: f64 = 0.95;

/// A correlation coefficient with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficient {
    /// −1 to 1.
    pub r: f64,
    /// Two-sided p of r = 0 by Student's t on n − 2.
    pub p: f64,
    /// None under [`MIN_PAIRS`].
    pub interval: Option<(f64, f64)>,
}

/// How two series of one person go together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    pub n: usize,
    /// Interval by Fisher's z (Fisher 1921), as if the pairs were independent.
    pub pearson: Coefficient,
    /// On midranks; interval by Bonett & Wright 2000.
    pub spearman: Coefficient,
    /// atanh r, r limited just inside ±1.
    pub fisher_z: f64,
    /// n(1 − r₁ₓr₁ᵧ)/(1 + r₁ₓr₁ᵧ) with lag-1 autocorrelations, their product floored at 0
    /// (Bartlett 1935; Bayley & Hammersley 1946): how many independent pairs the series are worth.
    pub effective_n: f64,
    /// Fisher's interval of Pearson's r at the effective n; None where that is 3 or less.
    pub effective_interval: Option<(f64, f64)>,
    /// Two-sided p of Pearson's r at the effective n, by Fisher's z; 1 where that is 3 or less.
    /// This is the p to put into [`benjamini_hochberg`].
    pub effective_p: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorrelationError {
    #[error("the series differ in length")]
    Lengths,
    #[error("a correlation needs three pairs")]
    TooFew,
    #[error("a series is constant")]
    Constant,
    #[error("a value is not finite")]
    NotFinite,
    #[error("a p value is not between 0 and 1")]
    NotAProbability,
}

/// What Pearson's r says at the effective n: all that is listed of a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Association {
    /// Pearson's.
    pub r: f64,
    /// As in [`Correlation`].
    pub effective_n: f64,
    /// As in [`Correlation`].
    pub effective_p: f64,
    fisher_z: f64,
}

impl Association {
    /// None where the series are worth 3 pairs or less.
    fn error(&self) -> Option<f64> {
        (self.effective_n > 3.0).then(|| (self.effective_n - 3.0).sqrt().recip())
    }
}

/// Pearson's r of two series of pairs in time order, and its p, without the ranks.
pub fn associate(x: &[f64], y: &[f64]) -> Result<Association, CorrelationError> {
    if x.len() != y.len() {
        return Err(CorrelationError::Lengths);
    }
    if x.iter().chain(y).any(|v| !v.is_finite()) {
        return Err(CorrelationError::NotFinite);
    }
    if x.len() < 3 {
        return Err(CorrelationError::TooFew);
    }
    let (dx, dy) = (standardised(x)?, standardised(y)?);
    let r = product(&dx, &dy);
    let n = x.len() as f64;
    let autocorrelation = (lag_one(&dx) * lag_one(&dy)).max(0.0);
    let mut found = Association {
        r,
        effective_n: n * (1.0 - autocorrelation) / (1.0 + autocorrelation),
        effective_p: 1.0,
        fisher_z: fisher(r),
    };
    if let Some(error) = found.error() {
        found.effective_p = (2.0 * normal_cdf(-(found.fisher_z / error).abs())).min(1.0);
    }
    Ok(found)
}

/// Correlates two series of pairs in time order (the order matters for the effective n only).
pub fn correlate(x: &[f64], y: &[f64]) -> Result<Correlation, CorrelationError> {
    let found = associate(x, y)?;
    let r = found.r;
    let rank_r = product(&standardised(&midranks(x))?, &standardised(&midranks(y))?);
    let n = x.len() as f64;
    let error = (x.len() >= MIN_PAIRS).then(|| (n - 3.0).sqrt().recip());
    let rank_error = error.map(|e| e * (1.0 + 0.5 * rank_r * rank_r).sqrt());
    Ok(Correlation {
        n: x.len(),
        pearson: Coefficient {
            r,
            p: t_test(r, n),
            interval: error.map(|e| interval(r, e)),
        },
        spearman: Coefficient {
            r: rank_r,
            p: t_test(rank_r, n),
            interval: rank_error.map(|e| interval(rank_r, e)),
        },
        fisher_z: found.fisher_z,
        effective_n: found.effective_n,
        effective_interval: found.error().map(|e| interval(r, e)),
        effective_p: found.effective_p,
    })
}

/// Adjusted p values in the order given: the false discovery rate at which each is the last to be
/// called (Benjamini & Hochberg 1995).
pub fn benjamini_hochberg(p: &[f64]) -> Result<Vec<f64>, CorrelationError> {
    if p.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return Err(CorrelationError::NotAProbability);
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[j].total_cmp(&p[i]));
    let mut adjusted = vec![1.0; p.len()];
    let mut smallest = 1.0f64;
    for (above, &i) in order.iter().enumerate() {
        smallest = smallest.min(p[i] * (p.len() as f64 / (p.len() - above) as f64));
        adjusted[i] = smallest;
    }
    Ok(adjusted)
}

/// Deviations from the mean at unit length. Scaled by the largest value first, so that squares
/// neither overflow nor vanish; a spread that is only rounding of the mean is constant.
fn standardised(values: &[f64]) -> Result<Vec<f64>, CorrelationError> {
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if values.iter().all(|v| *v == values[0]) || largest < f64::MIN_POSITIVE {
        return Err(CorrelationError::Constant);
    }
    let scaled: Vec<f64> = values.iter().map(|v| v / largest).collect();
    let mean = scaled.iter().sum::<f64>() / scaled.len() as f64;
    let length = scaled
        .iter()
        .map(|v| (v - mean).powi(2))
        .sum::<f64>()
        .sqrt();
    if length <= f64::EPSILON * scaled.len() as f64 {
        return Err(CorrelationError::Constant);
    }
    Ok(scaled.iter().map(|v| (v - mean) / length).collect())
}

fn product(x: &[f64], y: &[f64]) -> f64 {
    let r: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
    r.clamp(-1.0, 1.0)
}

/// Σ dₜdₜ₊₁ of deviations of unit length.
fn lag_one(deviations: &[f64]) -> f64 {
    deviations.windows(2).map(|pair| pair[0] * pair[1]).sum()
}

fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for group in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let middle = below as f64 + 0.5 * (group.len() + 1) as f64;
        for &i in group {
            ranks[i] = middle;
        }
        below += group.len();
    }
    ranks
}

fn t_test(r: f64, n: f64) -> f64 {
    let unexplained = (1.0 - r) * (1.0 + r);
    if unexplained <= 0.0 {
        return 0.0;
    }
    student_t_two_sided(r * ((n - 2.0) / unexplained).sqrt(), n - 2.0)
}

fn fisher(r: f64) -> f64 {
    r.clamp(-PERFECT, PERFECT).atanh()
}

fn interval(r: f64, error: f64) -> (f64, f64) {
    let z = fisher(r);
    let half = normal_quantile(0.5 + 0.5 * CONFIDENCE) * error;
    ((z - half).tanh(), (z + half).tanh())
}
