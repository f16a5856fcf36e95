//! Has this person changed? Reliable change, single case against the own baseline, a window
//! against the baseline, and CUSUM for a slow decline.

use crate::distribution::{
    normal_cdf, normal_quantile, student_t_cdf, student_t_to_normal, student_t_two_sided,
};
use crate::history::HISTORY_SESSIONS;
use crate::numeric::finite;

/// Two-sided level of intervals and of "reliable".
const ALPHA: f64 = 0.05;
/// CUSUM allowance: half of the shift to be found, in own standard deviations (Page 1954).
pub const CUSUM_K: f64 = 0.5;
/// CUSUM limit for scores that do not go together, one-sided with k = 0.5; see [`decline_limit`].
///
/// The textbook's h = 5 alarms for 18.6 % of people without change within 200 sessions, since what
/// is usual for them is itself estimated.
pub const CUSUM_H: f64 = 7.0;
/// Less than this share of the squares beside the line is rounding.
const LEAST_SHARE: f64 = 1e-20;
/// From so many scores on each half has a line of its own.
const TWO_LINES: usize = 40;
/// Autocorrelation beyond this cannot be told from a level that moves.
const AUTOCORRELATION_LIMIT: f64 = 0.9;
/// Earlier sessions a z needs before it counts for CUSUM: below it a t has so few degrees of
/// freedom that its z says little.
pub const CUSUM_BASELINE: usize = 5;
/// z beyond ± this is cut before CUSUM, so that no single session can raise an alarm on its own
/// (4 − k < h).
pub const CUSUM_Z_LIMIT: f64 = 4.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("a value is not finite")]
    NotFinite,
    #[error("the baseline has fewer than two values")]
    TooFew,
    #[error("the baseline has no spread")]
    NoSpread,
    #[error("the reliability is not in [0, 1)")]
    Reliability,
}

/// Reliable change index (Jacobson & Truax 1991).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliableChange {
    /// sd·√(1 − reliability), units of the scale.
    pub se_measurement: f64,
    /// √2 · se_measurement.
    pub se_difference: f64,
    /// (second − first)/se_difference.
    pub index: f64,
    pub p: f64,
    /// |index| above 1.96.
    pub reliable: bool,
    /// The smallest difference that is reliable, units of the scale.
    pub smallest_reliable: f64,
}

/// `sd` and `reliability` are the scale's own (test–retest or α), not the person's.
pub fn reliable_change(
    first: f64,
    second: f64,
    sd: f64,
    reliability: f64,
) -> Result<ReliableChange, ChangeError> {
    if !(first.is_finite() && second.is_finite() && sd.is_finite()) {
        return Err(ChangeError::NotFinite);
    }
    if !(0.0..1.0).contains(&reliability) {
        return Err(ChangeError::Reliability);
    }
    if sd <= 0.0 {
        return Err(ChangeError::NoSpread);
    }
    let se_measurement = sd * (1.0 - reliability).sqrt();
    let se_difference = finite(std::f64::consts::SQRT_2 * se_measurement);
    let index = finite(finite(second - first) / se_difference);
    let critical = normal_quantile(1.0 - 0.5 * ALPHA);
    Ok(ReliableChange {
        se_measurement,
        se_difference,
        index,
        p: (2.0 * normal_cdf(-index.abs())).min(1.0),
        reliable: index.abs() > critical,
        smallest_reliable: finite(critical * se_difference),
    })
}

/// One new value against the person's own earlier ones (Crawford & Howell 1998).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SingleCase {
    /// (new − mean)/(sd·√((n + 1)/n)).
    pub t: f64,
    pub df: f64,
    pub p_two_sided: f64,
    /// P of a value this low or lower.
    pub p_lower: f64,
    /// Effect size z_cc: the deviation in own sd (Crawford, Garthwaite & Porter 2010).
    pub effect: f64,
}

/// `n`, `mean` and `sd` (n − 1) describe the earlier values; n may be an effective number.
pub fn single_case(new: f64, n: f64, mean: f64, sd: f64) -> Result<SingleCase, ChangeError> {
    if [new, n, mean, sd].iter().any(|v| !v.is_finite()) {
        return Err(ChangeError::NotFinite);
    }
    if n < 2.0 {
        return Err(ChangeError::TooFew);
    }
    if sd <= 0.0 {
        return Err(ChangeError::NoSpread);
    }
    let effect = finite(finite(new - mean) / sd);
    let t = effect / ((n + 1.0) / n).sqrt();
    let df = n - 1.0;
    Ok(SingleCase {
        t,
        df,
        p_two_sided: student_t_two_sided(t, df),
        p_lower: student_t_cdf(t, df),
        effect,
    })
}

/// How much a change against the baseline means, in the words of the comparison document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Significance {
    Low,
    Medium,
    High,
}

impl Significance {
    /// high: p ≤ 0.01; medium: p ≤ 0.1; low: above.
    pub fn of(p: f64) -> Self {
        if p <= 0.01 {
            Self::High
        } else if p <= 0.1 {
            Self::Medium
        } else {
            Self::Low
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A window's mean against the baseline's, variances not assumed equal (Welch 1947).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowChange {
    /// Mean of the window − mean of the baseline, units of the score.
    pub difference: f64,
    pub t: f64,
    /// Welch–Satterthwaite degrees of freedom.
    pub df: f64,
    pub p: f64,
    /// 95 % interval of the difference.
    pub low: f64,
    pub high: f64,
    /// Hedges' g: difference in pooled sd, corrected for small samples (Hedges 1981, eq. 6d).
    pub effect: f64,
}

/// Welch's test alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Welch {
    pub difference: f64,
    /// Standard error of the difference.
    pub error: f64,
    pub t: f64,
    /// Welch–Satterthwaite degrees of freedom.
    pub df: f64,
    pub p: f64,
}

/// The means of two samples of two or more values each, variances not assumed equal.
pub fn welch(one: &[f64], other: &[f64]) -> Result<Welch, ChangeError> {
    let (n1, mean1, variance1) = moments(one)?;
    let (n2, mean2, variance2) = moments(other)?;
    let (share1, share2) = (variance1 / n1, variance2 / n2);
    let error = (share1 + share2).sqrt();
    if error <= 0.0 {
        return Err(ChangeError::NoSpread);
    }
    let difference = mean1 - mean2;
    let t = difference / error;
    let ratio = share1 / (share1 + share2);
    // Satterthwaite's df in shares of the variance: their squares cannot overflow.
    let df = (ratio * ratio / (n1 - 1.0) + (1.0 - ratio).powi(2) / (n2 - 1.0)).recip();
    if [difference, t, df].iter().any(|v| !v.is_finite()) {
        return Err(ChangeError::NotFinite);
    }
    Ok(Welch {
        difference,
        error,
        t,
        df,
        p: student_t_two_sided(t, df),
    })
}

/// `recent` and `baseline` must not share sessions and need two values each.
pub fn window_change(recent: &[f64], baseline: &[f64]) -> Result<WindowChange, ChangeError> {
    let Welch {
        difference,
        error,
        t,
        df,
        p,
    } = welch(recent, baseline)?;
    let (n1, _, variance1) = moments(recent)?;
    let (n2, _, variance2) = moments(baseline)?;
    let pooled_df = n1 + n2 - 2.0;
    let pooled = (((n1 - 1.0) * variance1 + (n2 - 1.0) * variance2) / pooled_df).sqrt();
    let half = student_t_quantile(1.0 - 0.5 * ALPHA, df) * error;
    let result = WindowChange {
        difference,
        t,
        df,
        p,
        low: difference - half,
        high: difference + half,
        effect: difference / pooled * (1.0 - 3.0 / (4.0 * pooled_df - 1.0)),
    };
    if [result.t, result.df, result.low, result.high, result.effect]
        .iter()
        .any(|v| !v.is_finite())
    {
        return Err(ChangeError::NotFinite);
    }
    Ok(result)
}

/// n, mean and variance (n − 1).
fn moments(values: &[f64]) -> Result<(f64, f64, f64), ChangeError> {
    if values.len() < 2 {
        return Err(ChangeError::TooFew);
    }
    let n = values.len() as f64;
    let mean = values.iter().map(|v| v / n).sum::<f64>();
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if !mean.is_finite() || !variance.is_finite() {
        return Err(ChangeError::NotFinite);
    }
    Ok((n, mean, variance))
}

/// t with T_ν(t) = p for ½ < p < 1, by bisection of the distribution function; ν ≥ 1 here, where
/// the quantile of .975 is at most 12.7.
fn student_t_quantile(p: f64, df: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1e3);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if student_t_cdf(middle, df) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The two sums of a tabular CUSUM after one observation (Page 1954), in own sd.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cusum {
    /// Evidence of a rise.
    pub high: f64,
    /// Evidence of a fall.
    pub low: f64,
}

impl Cusum {
    /// The sums after one more z; `k` is the allowance.
    #[must_use]
    pub fn next(self, z: f64, k: f64) -> Self {
        Self {
            high: finite((self.high + z - k).max(0.0)),
            low: finite((self.low - z - k).max(0.0)),
        }
    }

    pub fn alarm_high(self, h: f64) -> bool {
        self.high > h
    }

    pub fn alarm_low(self, h: f64) -> bool {
        self.low > h
    }
}

/// The sums after each observation, from 0 and without a reset after an alarm.
pub fn cusum(z: &[f64], k: f64) -> Vec<Cusum> {
    z.iter()
        .scan(Cusum::default(), |state, z| {
            *state = state.next(*z, k);
            Some(*state)
        })
        .collect()
}

/// The watch for a decline, between two sessions: what is usual for the person by all sessions so
/// far, and the CUSUM of the fall.
///
/// It is carried from session to session: its sum starts at a person's first session, and a window
/// would take its own start for the usual.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Watch {
    /// Welford's n, mean and m2, not winsorised: to cut what is learnt, but not what is tested,
    /// makes heavy tails alarm nearly twice as often.
    pub n: f64,
    pub mean: f64,
    pub m2: f64,
    /// Evidence of a fall, in own sd.
    pub sum: f64,
}

impl Watch {
    /// A value's z against all values before it: Crawford–Howell's t carried to the normal scale,
    /// Φ⁻¹(T_{n−1}(t)), cut at ±[`CUSUM_Z_LIMIT`]. Without that step the heavy tails of the first
    /// t's would raise alarms. None for the first [`CUSUM_BASELINE`] values and without spread.
    fn z(&self, value: f64) -> Option<f64> {
        if self.n < CUSUM_BASELINE as f64 {
            return None;
        }
        let sd = (self.m2 / (self.n - 1.0)).sqrt();
        let case = single_case(value, self.n, self.mean, sd).ok()?;
        let z = student_t_to_normal(case.t, case.df);
        Some(z.clamp(-CUSUM_Z_LIMIT, CUSUM_Z_LIMIT))
    }

    /// The watch after one more value. One without a z leaves the sum as it was, one that is not
    /// finite is not learnt either.
    #[must_use]
    pub fn next(self, value: f64) -> Watch {
        if !value.is_finite() {
            return self;
        }
        let fall = Cusum {
            high: 0.0,
            low: self.sum,
        };
        let sum = match self.z(value) {
            Some(z) => fall.next(z, CUSUM_K).low,
            None => self.sum,
        };
        let n = self.n + 1.0;
        let deviation = finite(value - self.mean);
        let mean = finite(self.mean + deviation / n);
        let m2 = finite(self.m2 + deviation * (value - mean));
        Watch { n, mean, m2, sum }
    }

    pub fn alarm(&self, limit: f64) -> bool {
        self.sum > limit
    }
}

/// The limit of the sum: h·(1 + r)/(1 − r), with r the lag-one autocorrelation of the scores looked
/// back on, each half about its straight line, within 0 and 0.9.
///
/// The run length of a CUSUM without change depends on k·h over the long-run variance of a step
/// (Siegmund 1985, §2.6), and with r that is (1 + r)/(1 − r) times as large (Bartlett 1935). The
/// lines are taken out so that a decline does not raise the limit of its own alarm, two of them so
/// that it may level off.
pub fn decline_limit(scores: &[f64]) -> f64 {
    let r = autocorrelation(scores).clamp(0.0, AUTOCORRELATION_LIMIT);
    CUSUM_H * (1.0 + r) / (1.0 - r)
}

/// About least-squares lines, one through each half of enough values, with the bias of so few values
/// put back, (2 + 4r)/n a line (Kendall 1954 for a mean; twice for a line, as simulated). 0 where
/// nothing is left beside the lines.
fn autocorrelation(scores: &[f64]) -> f64 {
    if scores.len() < 4 || scores.iter().any(|score| !score.is_finite()) {
        return 0.0;
    }
    let (one, other) = match scores.len() {
        n if n < TWO_LINES => (scores, &scores[n..]),
        n => scores.split_at(n / 2),
    };
    let halves = [about_line(one), about_line(other)];
    let squares = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
    let left = squares(&halves[0]) + squares(&halves[1]);
    // What is left of a perfect line is rounding.
    if left <= LEAST_SHARE * squares(scores) {
        return 0.0;
    }
    let neighbours = |values: &[f64]| values.windows(2).map(|d| d[0] * d[1]).sum::<f64>();
    let r = (neighbours(&halves[0]) + neighbours(&halves[1])) / left;
    let lines = halves.iter().filter(|half| !half.is_empty()).count() as f64;
    finite(r + (2.0 + 4.0 * r.max(0.0)) * lines / scores.len() as f64)
}

/// What is left of values beside their least-squares line over their places.
fn about_line(values: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().map(|value| value / n).sum::<f64>();
    let place = |i: usize| i as f64 - 0.5 * (n - 1.0);
    let along: f64 = values
        .iter()
        .enumerate()
        .map(|(i, value)| place(i) * (value - mean))
        .sum();
    let slope = along / (n * (n * n - 1.0) / 12.0);
    values
        .iter()
        .enumerate()
        .map(|(i, value)| value - mean - slope * place(i))
        .collect()
}

/// Each value's z against all values before it, as [`Watch`] sees it.
pub fn own_baseline_z(values: &[f64]) -> Vec<Option<f64>> {
    let mut watch = Watch::default();
    values
        .iter()
        .map(|&value| {
            let z = value.is_finite().then(|| watch.z(value)).flatten();
            watch = watch.next(value);
            z
        })
        .collect()
}

/// Whether a person's score has been falling, by the one-sided CUSUM.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decline {
    /// The sum now, in own sd.
    pub level: f64,
    /// The sum is above [`decline_limit`] now.
    pub alarm: bool,
    /// Index of the first value at which it was.
    pub first_alarm: Option<usize>,
}

/// One-sided CUSUM of a person's scores in time order, from their first session on.
pub fn decline(values: &[f64]) -> Decline {
    let mut watch = Watch::default();
    let mut alarm = false;
    let mut first_alarm = None;
    for (i, value) in values.iter().enumerate() {
        watch = watch.next(*value);
        // The limit is h or more: below it there is no need to know it.
        let looked_back = &values[(i + 1).saturating_sub(HISTORY_SESSIONS)..=i];
        alarm = watch.alarm(CUSUM_H) && watch.alarm(decline_limit(looked_back));
        if alarm {
            first_alarm = first_alarm.or(Some(i));
        }
    }
    Decline {
        level: watch.sum,
        alarm,
        first_alarm,
    }
}
