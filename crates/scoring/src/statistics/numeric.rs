//! The few numerical primitives everything else rests on, and every tolerance by name.
//!
//! The rule of the crate is kept here: a finite number in, a finite number out. A product that
//! would overflow is clamped to the largest finite number instead of becoming infinite.

/// Probabilities are kept within `[P_MIN, 1 − P_MIN]` wherever a logit is taken (SCORING §6).
pub const P_MIN: f64 = 1e-6;
/// logit([`P_MIN`]).
pub const LOGIT_MIN: f64 = -13.815509557963774;
/// logit(`1.0 − P_MIN`) as f64 rounds it; not exactly −[`LOGIT_MIN`].
pub const LOGIT_MAX: f64 = 13.815509557935018;

/// Absolute: `base_logit + Σ contributions = logit(p_worse_fused)`.
pub const IDENTITY_TOLERANCE: f64 = 1e-12;
/// Absolute: fused log-odds and contributions against the references.
pub const FUSION_TOLERANCE: f64 = 1e-12;
/// Absolute: the variance budget and its interval against the references.
pub const UNCERTAINTY_TOLERANCE: f64 = 1e-10;
/// Absolute: baselines, z and the robust statistics against the references.
pub const BASELINE_TOLERANCE: f64 = 1e-9;
/// Absolute: the smoothed level against the references.
pub const SMOOTHING_TOLERANCE: f64 = 1e-8;
/// Relative: Student t and normal distribution functions for |t| ≤ 50, ν from 1 to 1e4.
pub const DISTRIBUTION_TOLERANCE: f64 = 1e-9;
/// Relative: the same for ν up to 1e6.
pub const DISTRIBUTION_TOLERANCE_LARGE_NU: f64 = 1e-8;

/// Microseconds in a day: times are whole microseconds since the epoch, as PostgreSQL keeps them.
pub const MICROSECONDS_PER_DAY: f64 = 86_400_000_000.0;

/// Clamps ±Inf to ±[`f64::MAX`], turns NaN into 0 and −0 into 0.
///
/// A negative zero does not survive a decimal column, so it must not be produced: a replay has to
/// give the very bits that were stored.
#[inline]
pub fn finite(x: f64) -> f64 {
    if x.is_nan() {
        0.0
    } else {
        x.clamp(-f64::MAX, f64::MAX) + 0.0
    }
}

/// `x` limited to `[low, high]`; NaN gives `low`. Unlike [`f64::clamp`] it never panics.
#[inline]
pub fn clip(x: f64, low: f64, high: f64) -> f64 {
    x.max(low).min(high)
}

/// A probability limited to `[P_MIN, 1 − P_MIN]`.
#[inline]
pub fn clip_probability(p: f64) -> f64 {
    clip(p, P_MIN, 1.0 - P_MIN)
}

/// Log-odds limited to those of [`clip_probability`].
#[inline]
pub fn clip_logit(logit: f64) -> f64 {
    clip(logit, LOGIT_MIN, LOGIT_MAX)
}

/// Log-odds of `p`, which is first limited to `[P_MIN, 1 − P_MIN]`.
#[inline]
pub fn logit(p: f64) -> f64 {
    let p = clip_probability(p);
    (p / (1.0 - p)).ln()
}

/// 1 / (1 + e^−x), in `[0, 1]` for every x, without overflow.
#[inline]
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// ln(1 + e^x), without overflow or loss: the log loss of a logit.
#[inline]
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Days from `from_us` to `to_us`; a step back in time counts as 0.
#[inline]
pub fn days_between(from_us: i64, to_us: i64) -> f64 {
    // i128: the difference of two extreme i64 does not fit an i64.
    let microseconds = i128::from(to_us) - i128::from(from_us);
    (microseconds.max(0) as f64) / MICROSECONDS_PER_DAY
}

/// Neumaier's compensated sum (Neumaier 1974, ZAMM 54:39-51): the sum of the written numbers
/// rounded about once, whatever their order of size.
pub fn compensated_sum(terms: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() {
            (sum - next) + term
        } else {
            (term - next) + sum
        };
        sum = next;
    }
    sum + lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logit_limits_are_the_logits_of_the_probability_limits() {
        assert_eq!(logit(0.0), LOGIT_MIN);
        assert_eq!(logit(1.0), LOGIT_MAX);
    }

    #[test]
    fn extremes_stay_finite() {
        assert_eq!(finite(f64::INFINITY), f64::MAX);
        assert_eq!(finite(f64::NAN), 0.0);
        assert!(finite(-0.0).is_sign_positive());
        assert_eq!(sigmoid(1e308), 1.0);
        assert_eq!(sigmoid(-1e308), 0.0);
        assert_eq!(softplus(1e308), 1e308);
        assert_eq!(clip(f64::NAN, 1.0, 2.0), 1.0);
        assert!(days_between(i64::MIN, i64::MAX).is_finite());
        assert_eq!(days_between(i64::MAX, i64::MIN), 0.0);
    }

    #[test]
    fn the_compensated_sum_keeps_what_a_plain_sum_loses() {
        assert_eq!(compensated_sum([1.0, 1e100, 1.0, -1e100]), 2.0);
    }
}
