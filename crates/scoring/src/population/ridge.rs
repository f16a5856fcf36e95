//! Feature weights: ridge logistic regression, log-odds of worse on z.
//!
//! Newton (iteratively reweighted least squares) with backtracking on the penalised likelihood of
//! le Cessie & van Houwelingen 1992, eq. 2. The Hessian is accumulated row by row, so memory is
//! that of the design and one (p + 1)² matrix.

use crate::numeric::{logit, sigmoid, softplus};

/// Most columns of a design.
pub const MAX_COLUMNS: usize = 500;
/// Largest |z| and |offset| of a design: anything beyond is damage, not data.
pub const VALUE_LIMIT: f64 = 1e6;
const DECREMENT_TOLERANCE: f64 = 1e-16;
/// A stall above this decrement is no rounding stall: the fit is refused.
const STALL_TOLERANCE: f64 = 1e-6;
const MAX_ITERATIONS: u32 = 100;
const MAX_HALVINGS: u32 = 50;
const ARMIJO: f64 = 1e-4;

/// Labelled sessions, one row each.
#[derive(Debug, Clone, Copy)]
pub struct Design<'a> {
    /// Row-major n × columns; a missing z is 0, which says nothing about that feature.
    pub rows: &'a [f64],
    pub columns: usize,
    pub worse: &'a [bool],
    /// Known log-odds per row, not fitted: the person's own rate, for example.
    pub offset: Option<&'a [f64]>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RidgeFit {
    /// Not penalised.
    pub intercept: f64,
    pub weights: Vec<f64>,
    /// Mean log loss (nats) without any weight, on the rows fitted: of the offsets alone, or of
    /// the base rate where there are none.
    pub log_loss_before: f64,
    /// Mean log loss of the fit on the same rows.
    pub log_loss_after: f64,
    pub iterations: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RidgeError {
    #[error("rows, outcomes and offsets do not fit together")]
    Lengths,
    #[error("at most 500 columns")]
    TooManyColumns,
    #[error("a value is not finite or beyond ±1e6")]
    OutOfRange,
    #[error("the penalty must be a finite number above 0")]
    Penalty,
    #[error("the outcomes are of one class only")]
    OneClass,
    #[error("Newton did not converge")]
    NotConverged,
}

/// Minimises Σ log loss + ½λ‖weights‖². With λ > 0 and both classes there is one minimum, separable
/// data or not.
pub fn fit(design: &Design, lambda: f64) -> Result<RidgeFit, RidgeError> {
    fit_with(design, lambda, true)
}

/// The same with the intercept held at 0: what the offset leaves is the weights' alone.
pub fn fit_about_offset(design: &Design, lambda: f64) -> Result<RidgeFit, RidgeError> {
    fit_with(design, lambda, false)
}

fn fit_with(design: &Design, lambda: f64, intercept: bool) -> Result<RidgeFit, RidgeError> {
    check(design, lambda)?;
    let n = design.worse.len() as f64;
    let positives = design.worse.iter().filter(|w| **w).count() as f64;
    let size = design.columns + 1;
    // parameters[0] is the intercept.
    let mut parameters = vec![0.0; size];
    if intercept && design.offset.is_none() {
        parameters[0] = logit(positives / n);
    }
    let mut objective = objective(design, lambda, &parameters);
    let log_loss_before = objective / n;
    let mut iterations = 0;
    loop {
        let (mut gradient, mut hessian) = derivatives(design, lambda, &parameters);
        if !intercept {
            hold_intercept(&mut gradient, &mut hessian);
        }
        let step = solve(hessian, &gradient).ok_or(RidgeError::NotConverged)?;
        let decrement: f64 = gradient.iter().zip(&step).map(|(g, s)| g * s).sum();
        if !decrement.is_finite() || iterations == MAX_ITERATIONS {
            return Err(RidgeError::NotConverged);
        }
        let slack = 4.0 * f64::EPSILON * n.sqrt() * objective.abs();
        let mut length = 1.0;
        let mut accepted = None;
        for _ in 0..MAX_HALVINGS {
            let next: Vec<f64> = parameters
                .iter()
                .zip(&step)
                .map(|(p, s)| p - length * s)
                .collect();
            let value = self::objective(design, lambda, &next);
            if value.is_finite() && value <= objective - ARMIJO * length * decrement + slack {
                accepted = Some((next, value));
                break;
            }
            length *= 0.5;
        }
        match accepted {
            Some(next) => (parameters, objective) = next,
            None if decrement < STALL_TOLERANCE => break,
            None => return Err(RidgeError::NotConverged),
        }
        if decrement < DECREMENT_TOLERANCE * n {
            break;
        }
        iterations += 1;
    }
    let penalty = 0.5 * lambda * parameters[1..].iter().map(|w| w * w).sum::<f64>();
    let log_loss_after = (objective - penalty) / n;
    Ok(RidgeFit {
        intercept: parameters[0],
        weights: parameters.split_off(1),
        log_loss_before,
        log_loss_after,
        iterations,
    })
}

fn check(design: &Design, lambda: f64) -> Result<(), RidgeError> {
    if !lambda.is_finite() || lambda <= 0.0 {
        return Err(RidgeError::Penalty);
    }
    if design.columns > MAX_COLUMNS {
        return Err(RidgeError::TooManyColumns);
    }
    let n = design.worse.len();
    if design.rows.len() != n * design.columns || design.offset.is_some_and(|o| o.len() != n) {
        return Err(RidgeError::Lengths);
    }
    let offsets = design.offset.unwrap_or(&[]);
    if design
        .rows
        .iter()
        .chain(offsets)
        .any(|v| !v.is_finite() || v.abs() > VALUE_LIMIT)
    {
        return Err(RidgeError::OutOfRange);
    }
    let positives = design.worse.iter().filter(|w| **w).count();
    if positives == 0 || positives == n {
        return Err(RidgeError::OneClass);
    }
    Ok(())
}

fn row<'a>(design: &Design<'a>, i: usize) -> &'a [f64] {
    &design.rows[i * design.columns..(i + 1) * design.columns]
}

/// Log-odds of row i.
fn log_odds(design: &Design, i: usize, parameters: &[f64]) -> f64 {
    let offset = design.offset.map_or(0.0, |o| o[i]);
    let evidence: f64 = row(design, i)
        .iter()
        .zip(&parameters[1..])
        .map(|(z, w)| z * w)
        .sum();
    offset + parameters[0] + evidence
}

fn objective(design: &Design, lambda: f64, parameters: &[f64]) -> f64 {
    let loss: f64 = (0..design.worse.len())
        .map(|i| {
            let f = log_odds(design, i, parameters);
            softplus(if design.worse[i] { -f } else { f })
        })
        .sum();
    loss + 0.5 * lambda * parameters[1..].iter().map(|w| w * w).sum::<f64>()
}

/// Gradient and lower triangle of the Hessian.
fn derivatives(design: &Design, lambda: f64, parameters: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let size = parameters.len();
    let mut gradient = vec![0.0; size];
    let mut hessian: Vec<Vec<f64>> = (0..size).map(|i| vec![0.0; i + 1]).collect();
    for (i, &worse) in design.worse.iter().enumerate() {
        let f = log_odds(design, i, parameters);
        let residual = sigmoid(f) - f64::from(u8::from(worse));
        let curvature = sigmoid(f) * sigmoid(-f);
        gradient[0] += residual;
        hessian[0][0] += curvature;
        let z = row(design, i);
        for (j, &value) in z.iter().enumerate() {
            // Most sessions lack some modality: its zeros cost nothing here.
            if value != 0.0 {
                gradient[j + 1] += residual * value;
                let scaled = curvature * value;
                let line = &mut hessian[j + 1];
                line[0] += scaled;
                for (cell, other) in line[1..].iter_mut().zip(z) {
                    *cell += scaled * other;
                }
            }
        }
    }
    for j in 1..size {
        gradient[j] += lambda * parameters[j];
        hessian[j][j] += lambda;
    }
    (gradient, hessian)
}

/// A step that leaves parameter 0 where it is.
fn hold_intercept(gradient: &mut [f64], hessian: &mut [Vec<f64>]) {
    gradient[0] = 0.0;
    hessian[0][0] = 1.0;
    for line in &mut hessian[1..] {
        line[0] = 0.0;
    }
}

/// Solves H·x = g by Cholesky's factors, in place; None where H is not positive definite.
fn solve(mut lower: Vec<Vec<f64>>, gradient: &[f64]) -> Option<Vec<f64>> {
    let size = gradient.len();
    for i in 0..size {
        let (above, rest) = lower.split_at_mut(i);
        let line = &mut rest[0];
        for (j, other) in above.iter().enumerate() {
            let dot: f64 = line[..j].iter().zip(other).map(|(x, y)| x * y).sum();
            line[j] = (line[j] - dot) / other[j];
        }
        let pivot = line[i] - line[..i].iter().map(|x| x * x).sum::<f64>();
        if !pivot.is_finite() || pivot <= 0.0 {
            return None;
        }
        line[i] = pivot.sqrt();
    }
    let mut x = gradient.to_vec();
    for i in 0..size {
        let dot: f64 = lower[i][..i].iter().zip(&x).map(|(l, x)| l * x).sum();
        x[i] = (x[i] - dot) / lower[i][i];
    }
    for i in (0..size).rev() {
        x[i] /= lower[i][i];
        let value = x[i];
        for (entry, l) in x[..i].iter_mut().zip(&lower[i]) {
            *entry -= l * value;
        }
    }
    Some(x)
}
