//! Student t and normal distribution functions, total on finite arguments.
//!
//! The incomplete beta function and the error functions are statrs'. What is added here is exact
//! symmetry about 0, tails that never become ±Inf, and Hill's expansion for large ν. Accuracy:
//! [`crate::numeric::DISTRIBUTION_TOLERANCE`], tested against mpmath.

use statrs::function::{beta, erf};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Above this many degrees of freedom the continued fraction of the incomplete beta function
/// loses digits while Hill's expansion is exact to rounding.
const HILL_FROM_NU: f64 = 1e4;

/// P(Z ≤ z) for the standard normal.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erf::erfc(-z * FRAC_1_SQRT_2)
}

/// P(Z > z) for the standard normal.
pub fn normal_sf(z: f64) -> f64 {
    normal_cdf(-z)
}

/// Φ⁻¹(p). p is limited to `[f64::MIN_POSITIVE, 1 − ε/2]`, so the result is finite (within ±38).
pub fn normal_quantile(p: f64) -> f64 {
    // 1 − p is exact from ½ up, so both halves are read from the accurate lower tail.
    if p > 0.5 {
        -lower_quantile((1.0 - p).max(f64::EPSILON / 2.0))
    } else {
        lower_quantile(p)
    }
}

/// Below this |t| the probability between −t and t is computed, above it that of the tail.
const CENTRAL_BELOW_T: f64 = 0.75;

/// P(T ≤ t) with ν degrees of freedom. ν > 0; a ν that is not positive says nothing: ½.
pub fn student_t_cdf(t: f64, nu: f64) -> f64 {
    let tail = student_t_tail(t.abs(), nu);
    if t < 0.0 {
        tail
    } else {
        1.0 - tail
    }
}

/// P(T > t) with ν degrees of freedom, accurate in the upper tail.
pub fn student_t_sf(t: f64, nu: f64) -> f64 {
    student_t_cdf(-t, nu)
}

/// P(|T| > |t|) with ν degrees of freedom.
pub fn student_t_two_sided(t: f64, nu: f64) -> f64 {
    (2.0 * student_t_tail(t.abs(), nu)).min(1.0)
}

/// The z with Φ(z) = T_ν(t): how unusual t is, on the scale of the normal.
///
/// Odd in t to the last bit and finite for every finite t (|z| ≤ 38; callers clip at z_limit).
pub fn student_t_to_normal(t: f64, nu: f64) -> f64 {
    let magnitude = t.abs();
    let z = if nu > HILL_FROM_NU {
        hill_normal(magnitude, nu)
    } else {
        // Near the centre the tail is close to ½ and a small z would drown in its rounding: it is
        // read from the probability between −t and t instead.
        if magnitude < CENTRAL_BELOW_T {
            SQRT_2 * erf::erf_inv(student_t_central(magnitude, nu).min(1.0 - f64::EPSILON))
        } else {
            -lower_quantile(student_t_tail(magnitude, nu))
        }
    };
    if t < 0.0 {
        -z
    } else {
        z
    }
}

/// P(T > t) for t ≥ 0.
fn student_t_tail(t: f64, nu: f64) -> f64 {
    if nu.is_nan() || nu <= 0.0 || t.is_nan() {
        return 0.5;
    }
    if nu > HILL_FROM_NU {
        return normal_sf(hill_normal(t, nu));
    }
    // h below rounds to 1 for small t, and 1 − h is what matters there.
    if t < CENTRAL_BELOW_T {
        return 0.5 * (1.0 - student_t_central(t, nu));
    }
    // Abramowitz & Stegun 26.7.1, 26.5.27; t·t may overflow to Inf, then h = 0.
    let h = nu / (nu + t * t);
    0.5 * beta::checked_beta_reg(0.5 * nu, 0.5, h).unwrap_or(1.0)
}

/// P(|T| < t) for t ≥ 0, accurate for small t.
fn student_t_central(t: f64, nu: f64) -> f64 {
    if nu.is_nan() || nu <= 0.0 || t.is_nan() {
        return 0.0;
    }
    let square = t * t;
    beta::checked_beta_reg(0.5, 0.5 * nu, square / (nu + square)).unwrap_or(0.0)
}

/// The z of t ≥ 0 for large ν (Hill 1970, CACM 13:617-619, algorithm 395).
fn hill_normal(t: f64, nu: f64) -> f64 {
    let a = nu - 0.5;
    let b = 48.0 * a * a;
    // t²/ν may overflow although its logarithm is small.
    let ratio = t / nu.sqrt();
    let log = if ratio > 1e100 {
        2.0 * ratio.ln()
    } else {
        (ratio * ratio).ln_1p()
    };
    let w = (a * log).sqrt().min(MAX_NORMAL);
    let w2 = w * w;
    let second =
        (((4.0 * w2 + 33.0) * w2 + 240.0) * w2 + 855.0) / (10.0 * b * (b + 0.8 * w2 * w2 + 100.0));
    w * (1.0 + (w2 + 3.0) / b - second)
}

/// Beyond it a normal tail is smaller than the smallest positive f64.
const MAX_NORMAL: f64 = 38.0;

/// Φ⁻¹(p) for p ≤ ½.
fn lower_quantile(p: f64) -> f64 {
    -SQRT_2 * erf::erfc_inv(2.0 * p.max(f64::MIN_POSITIVE))
}
