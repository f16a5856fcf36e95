//! Calibration of one modality's evidence: p = σ(a·raw + b), fitted by Gaussian MAP.
//!
//! Newton with backtracking on the numerically stable log-likelihood of Lin, Lin & Weng 2007
//! (Machine Learning 68:267–276); the covariance is Laplace's, the inverse Hessian at the maximum
//! (MacKay 1992). With a proper prior there is always exactly one maximum, so separable or
//! one-class labels, which have no maximum likelihood, are no special case.

use crate::numeric::{sigmoid, softplus};

/// Evidence is clamped to ± this before a fit. A spec allows at most 500 weights of 100 on z of 4,
/// that is 2·10⁵; beyond it a stored value is damage, and must not make a person's fit impossible.
pub const SCORE_LIMIT: f64 = 1e6;
/// Largest |a| or |b| a prior may be centred on.
pub const PRIOR_LIMIT: f64 = 1e6;
/// Lin, Lin & Weng's ridge on the Hessian of a plain fit: keeps a saturated step finite.
const SADDLE_RIDGE: f64 = 1e-12;
/// Newton stops once the squared Newton decrement (twice the expected gain) is below this.
const DECREMENT_TOLERANCE: f64 = 1e-20;
/// A stall above this decrement is no rounding stall: the fit is refused.
const STALL_TOLERANCE: f64 = 1e-8;
const MAX_ITERATIONS: u32 = 200;
const MAX_HALVINGS: u32 = 60;
/// Armijo's share of the expected decrease a step must reach (Nocedal & Wright 2006, eq. 3.4).
const ARMIJO: f64 = 1e-4;

/// Independent normal prior on slope and intercept. Precision is 1/sd², on the log-odds scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    pub a: f64,
    pub b: f64,
    pub precision_a: f64,
    pub precision_b: f64,
}

impl Prior {
    /// From the spec's `calibration_prior`, whose widths are standard deviations (> 0).
    pub fn from_sd(a: f64, b: f64, sd_a: f64, sd_b: f64) -> Self {
        Self {
            a,
            b,
            precision_a: (sd_a * sd_a).recip(),
            precision_b: (sd_b * sd_b).recip(),
        }
    }

    fn is_valid(&self) -> bool {
        [self.a, self.b].iter().all(|v| v.abs() <= PRIOR_LIMIT)
            && [self.precision_a, self.precision_b]
                .iter()
                .all(|v| v.is_finite() && *v >= 0.0)
    }
}

/// What to fit besides the points themselves. The default is a plain fit on raw labels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    pub prior: Option<Prior>,
    /// Platt's targets (N₊+1)/(N₊+2) and 1/(N₋+2) instead of 1 and 0; counts are unweighted.
    pub smooth_targets: bool,
    /// One weight ≥ 0 a point; none means 1 each.
    pub weights: Option<&'a [f64]>,
}

/// A fitted calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    pub a: f64,
    pub b: f64,
    /// Laplace covariance: var a, cov(a, b), var b.
    pub covariance: [f64; 3],
    /// Negative log posterior at the maximum, up to a constant: Σ loss + ½·precision·(deviation)².
    pub objective: f64,
    /// Mean log loss (nats) on the raw labels at the prior's (a, b), or at (1, 0) without one.
    /// None without points.
    pub log_loss_before: Option<f64>,
    /// The same at the fit.
    pub log_loss_after: Option<f64>,
    pub n: usize,
    pub iterations: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    #[error("scores, labels and weights differ in length")]
    Lengths,
    #[error("a score or weight is not finite, or a weight is negative")]
    NotFinite,
    #[error("the prior is not finite, has a negative precision or is centred beyond ±1e6")]
    Prior,
    #[error("no points and no prior")]
    NoData,
    #[error("the likelihood has no unique maximum: one class, separable or constant scores")]
    NoMaximum,
    #[error("Newton did not converge")]
    NotConverged,
}

struct Point {
    x: f64,
    target: f64,
    label: f64,
    weight: f64,
}

/// Fits (a, b) to evidence (log-odds, any origin) and outcomes (true = worse).
///
/// No points give the prior exactly: its mean and its variances. Without a prior that is proper in
/// both parameters, a likelihood that has no unique maximum is [`FitError::NoMaximum`].
pub fn fit(scores: &[f64], worse: &[bool], options: &Options) -> Result<Fit, FitError> {
    let prior = options.prior;
    if prior.is_some_and(|p| !p.is_valid()) {
        return Err(FitError::Prior);
    }
    let points = points(scores, worse, options)?;
    let flat = Prior {
        a: 1.0,
        b: 0.0,
        precision_a: 0.0,
        precision_b: 0.0,
    };
    let penalty = prior.unwrap_or(flat);
    let proper = penalty.precision_a > 0.0 && penalty.precision_b > 0.0;
    if points.is_empty() {
        let covariance = [
            penalty.precision_a.recip(),
            0.0,
            penalty.precision_b.recip(),
        ];
        if !proper || !covariance.iter().all(|v| v.is_finite()) {
            return Err(FitError::NoData);
        }
        return Ok(Fit {
            a: penalty.a,
            b: penalty.b,
            covariance,
            objective: 0.0,
            log_loss_before: None,
            log_loss_after: None,
            n: 0,
            iterations: 0,
        });
    }
    if !proper && !has_maximum(&points, options.smooth_targets) {
        return Err(FitError::NoMaximum);
    }

    let (mut a, mut b) = match prior {
        Some(p) => (p.a, p.b),
        None => (0.0, start_intercept(worse)),
    };
    let mut objective = objective_at(&points, &penalty, a, b);
    let mut iterations = 0;
    loop {
        let (gradient, hessian) = derivatives(&points, &penalty, a, b);
        let inverse = hessian
            .inverse(0.0)
            .or_else(|| hessian.inverse(SADDLE_RIDGE))
            .ok_or(FitError::NotConverged)?;
        let step_a = -(inverse[0] * gradient[0] + inverse[1] * gradient[1]);
        let step_b = -(inverse[1] * gradient[0] + inverse[2] * gradient[1]);
        let decrement = -(gradient[0] * step_a + gradient[1] * step_b);
        if !decrement.is_finite() {
            return Err(FitError::NotConverged);
        }
        // Rounding of the objective: below it a decrease cannot be told from noise.
        let slack = 4.0 * f64::EPSILON * objective.abs();
        let mut length = 1.0;
        let mut accepted = None;
        for _ in 0..MAX_HALVINGS {
            let (next_a, next_b) = (a + length * step_a, b + length * step_b);
            let next = objective_at(&points, &penalty, next_a, next_b);
            if next.is_finite() && next <= objective - ARMIJO * length * decrement + slack {
                accepted = Some((next_a, next_b, next));
                break;
            }
            length *= 0.5;
        }
        match accepted {
            Some(next) => (a, b, objective) = next,
            None if decrement < STALL_TOLERANCE => break,
            None => return Err(FitError::NotConverged),
        }
        iterations += 1;
        if decrement < DECREMENT_TOLERANCE {
            break;
        }
        if iterations == MAX_ITERATIONS {
            if decrement < STALL_TOLERANCE {
                break;
            }
            return Err(FitError::NotConverged);
        }
    }

    let covariance = derivatives(&points, &penalty, a, b)
        .1
        .inverse(0.0)
        .ok_or(FitError::NoMaximum)?;
    Ok(Fit {
        a,
        b,
        covariance,
        objective,
        log_loss_before: Some(log_loss(&points, penalty.a, penalty.b)),
        log_loss_after: Some(log_loss(&points, a, b)),
        n: scores.len(),
        iterations,
    })
}

fn points(scores: &[f64], worse: &[bool], options: &Options) -> Result<Vec<Point>, FitError> {
    let weight_of = |i: usize| options.weights.map_or(Some(1.0), |w| w.get(i).copied());
    if scores.len() != worse.len() || options.weights.is_some_and(|w| w.len() != scores.len()) {
        return Err(FitError::Lengths);
    }
    let positives = worse.iter().filter(|w| **w).count() as f64;
    let negatives = worse.len() as f64 - positives;
    let (low, high) = if options.smooth_targets {
        (
            (negatives + 2.0).recip(),
            (positives + 1.0) / (positives + 2.0),
        )
    } else {
        (0.0, 1.0)
    };
    let mut points = Vec::with_capacity(scores.len());
    for (i, (&x, &is_worse)) in scores.iter().zip(worse).enumerate() {
        let weight = weight_of(i).ok_or(FitError::Lengths)?;
        if !x.is_finite() || !weight.is_finite() || weight < 0.0 {
            return Err(FitError::NotFinite);
        }
        if weight > 0.0 {
            points.push(Point {
                x: x.clamp(-SCORE_LIMIT, SCORE_LIMIT),
                target: if is_worse { high } else { low },
                label: f64::from(u8::from(is_worse)),
                weight,
            });
        }
    }
    Ok(points)
}

/// Platt's start, a = 0 and the smoothed log-odds of the classes.
fn start_intercept(worse: &[bool]) -> f64 {
    let positives = worse.iter().filter(|w| **w).count() as f64;
    let negatives = worse.len() as f64 - positives;
    ((positives + 1.0) / (negatives + 1.0)).ln()
}

/// Albert & Anderson 1984: in one dimension the likelihood has its one maximum exactly when the
/// classes overlap by more than a point. Smoothed targets only need two different scores.
fn has_maximum(points: &[Point], smooth_targets: bool) -> bool {
    let range = |label: Option<f64>| {
        points
            .iter()
            .filter(|p| label.is_none_or(|l| p.label == l))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| {
                (low.min(p.x), high.max(p.x))
            })
    };
    if smooth_targets {
        let (low, high) = range(None);
        return low < high;
    }
    let (low0, high0) = range(Some(0.0));
    let (low1, high1) = range(Some(1.0));
    high0 > low1 && high1 > low0
}

/// −t·ln p − (1 − t)·ln(1 − p) from the logit f, without the cancellation that Lin, Lin & Weng
/// 2007, §3, describe.
fn loss(f: f64, target: f64) -> f64 {
    target * softplus(-f) + (1.0 - target) * softplus(f)
}

fn objective_at(points: &[Point], prior: &Prior, a: f64, b: f64) -> f64 {
    let likelihood: f64 = points
        .iter()
        .map(|p| p.weight * loss(a * p.x + b, p.target))
        .sum();
    likelihood
        + 0.5 * prior.precision_a * (a - prior.a).powi(2)
        + 0.5 * prior.precision_b * (b - prior.b).powi(2)
}

fn log_loss(points: &[Point], a: f64, b: f64) -> f64 {
    let total: f64 = points.iter().map(|p| p.weight).sum();
    points
        .iter()
        .map(|p| p.weight / total * loss(a * p.x + b, p.label))
        .sum()
}

/// The Hessian in centred form. For nearly constant scores the determinant of the plain form
/// cancels to nothing; Σw(x − x̄)² does not.
struct Hessian {
    total: f64,
    mean: f64,
    spread: f64,
    precision_a: f64,
    precision_b: f64,
}

impl Hessian {
    fn inverse(&self, ridge: f64) -> Option<[f64; 3]> {
        let (pa, pb) = (self.precision_a + ridge, self.precision_b + ridge);
        let square = self.spread + self.total * self.mean * self.mean;
        let determinant = self.spread * self.total + pa * self.total + pb * square + pa * pb;
        let inverse = [
            (self.total + pb) / determinant,
            -self.total * self.mean / determinant,
            (square + pa) / determinant,
        ];
        (determinant > 0.0 && inverse.iter().all(|v| v.is_finite())).then_some(inverse)
    }
}

fn derivatives(points: &[Point], prior: &Prior, a: f64, b: f64) -> ([f64; 2], Hessian) {
    let mut gradient = [
        prior.precision_a * (a - prior.a),
        prior.precision_b * (b - prior.b),
    ];
    let (mut total, mut weighted) = (0.0, 0.0);
    for p in points {
        let f = a * p.x + b;
        let probability = sigmoid(f);
        let residual = p.weight * (probability - p.target);
        gradient[0] += residual * p.x;
        gradient[1] += residual;
        let curvature = p.weight * curvature(f);
        total += curvature;
        weighted += curvature * p.x;
    }
    let mean = if total > 0.0 { weighted / total } else { 0.0 };
    let spread = points
        .iter()
        .map(|p| p.weight * curvature(a * p.x + b) * (p.x - mean).powi(2))
        .sum();
    let hessian = Hessian {
        total,
        mean,
        spread,
        precision_a: prior.precision_a,
        precision_b: prior.precision_b,
    };
    (gradient, hessian)
}

/// p(1 − p) at the logit f, without the cancellation of 1 − p near 1.
fn curvature(f: f64) -> f64 {
    sigmoid(f) * sigmoid(-f)
}
