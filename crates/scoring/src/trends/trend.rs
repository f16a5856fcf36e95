//! Is a score rising or falling over a window? Theil–Sen slope with Sen's interval, Mann–Kendall.
//!
//! Mann 1945; Kendall 1975; Theil 1950; Sen 1968 (JASA 63:1379–1389). Both are rank methods: one
//! wild session moves neither the slope nor the verdict. Neither corrects for autocorrelation, so
//! p is optimistic for a series in which one bad day follows another.

use crate::distribution::{normal_cdf, normal_quantile};
use crate::numeric::finite;

/// Most points of one window. The slopes between all pairs are held in memory: 16 MB at this size.
pub const MAX_POINTS: usize = 2000;
/// Up to this many points without ties the p of Mann–Kendall is exact.
pub const EXACT_POINTS: usize = 10;
/// Fewer points have no direction: with four, even a perfect order has p = 1/12, so that nothing
/// but "stable" could ever be said.
pub const MIN_POINTS: usize = 5;
/// A direction is named at p < this, two-sided.
pub const ALPHA: f64 = 0.05;

/// Where a series goes; higher values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Improving,
    Stable,
    Declining,
    InsufficientData,
}

impl Direction {
    /// The words of the trend document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Improving => "improving",
            Self::Stable => "stable",
            Self::Declining => "declining",
            Self::InsufficientData => "insufficient data",
        }
    }
}

/// One window's trend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    pub n: usize,
    /// Mann–Kendall's S: pairs that rise minus pairs that fall.
    pub s: i64,
    /// Variance of S without a trend, corrected for ties in value and in time.
    pub variance_s: f64,
    /// Standardised S with continuity correction.
    pub z: f64,
    /// Two-sided p of `z`.
    pub p_normal: f64,
    /// Exact two-sided p for at most [`EXACT_POINTS`] points without ties.
    pub p_exact: Option<f64>,
    /// Kendall's τ_b; None where all values or all times are equal.
    pub tau_b: Option<f64>,
    /// Median of the slopes between all pairs, units of the value per day.
    pub slope: f64,
    /// Median value − slope · median time: the value at day 0.
    pub intercept: f64,
    /// Sen's 95 % interval of the slope.
    pub slope_low: f64,
    pub slope_high: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrendError {
    #[error("a trend needs two points at different times")]
    TooFew,
    #[error("at most 2000 points in one window")]
    TooMany,
    #[error("a time or value is not finite")]
    NotFinite,
}

impl Trend {
    /// The exact p where there is one, else the normal approximation's.
    pub fn p(&self) -> f64 {
        self.p_exact.unwrap_or(self.p_normal)
    }

    /// Rising or falling at p < [`ALPHA`]. The sign is that of S, which p is about; the slope is 0
    /// where most pairs are tied.
    pub fn direction(&self) -> Direction {
        if self.n < MIN_POINTS {
            Direction::InsufficientData
        } else if self.p() >= ALPHA {
            Direction::Stable
        } else if self.s > 0 {
            Direction::Improving
        } else {
            Direction::Declining
        }
    }
}

/// The trend of (day, value) points, in any order.
pub fn trend(points: &[(f64, f64)]) -> Result<Trend, TrendError> {
    if points.iter().any(|(t, y)| !t.is_finite() || !y.is_finite()) {
        return Err(TrendError::NotFinite);
    }
    if points.len() > MAX_POINTS {
        return Err(TrendError::TooMany);
    }
    let n = points.len();
    let ascending = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let (mut slopes, s) = if ascending {
        ascending_pairs(points)
    } else {
        pairs(points)
    };
    if slopes.is_empty() {
        return Err(TrendError::TooFew);
    }
    let times = if ascending {
        Vec::new()
    } else {
        tie_sizes(points.iter().map(|p| p.0))
    };
    let values = tie_sizes(points.iter().map(|p| p.1));
    let variance_s = variance(n, &times, &values);
    let z = match s {
        0 => 0.0,
        _ if variance_s <= 0.0 => 0.0,
        s => (s - s.signum()) as f64 / variance_s.sqrt(),
    };
    let (lower, upper) = sen_ranks(slopes.len(), n, &times, &values);
    let (odd, middle) = (slopes.len() % 2 == 1, slopes.len() / 2);
    let below = if odd { middle } else { middle - 1 };
    let [slope_low, below, middle, slope_high] =
        order_statistics(&mut slopes, [lower, below, middle, upper]);
    let slope = if odd {
        middle
    } else {
        0.5 * below + 0.5 * middle
    };
    let untied = times.is_empty() && values.is_empty();
    Ok(Trend {
        n,
        s,
        variance_s,
        z,
        p_normal: (2.0 * normal_cdf(-z.abs())).min(1.0),
        p_exact: (untied && n <= EXACT_POINTS).then(|| exact_p(n, s)),
        tau_b: tau_b(n, s, &times, &values),
        slope,
        intercept: finite(
            median(&mut column(points, |p| p.1))
                - finite(slope * median(&mut column(points, |p| p.0))),
        ),
        slope_low,
        slope_high,
    })
}

/// The slopes between all pairs of different times, as sort keys, and Mann–Kendall's S.
fn pairs(points: &[(f64, f64)]) -> (Vec<i64>, i64) {
    let n = points.len();
    let mut slopes = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    let mut s = 0i64;
    for (i, first) in points.iter().enumerate() {
        for second in &points[i + 1..] {
            let (from, to) = if first.0 <= second.0 {
                (first, second)
            } else {
                (second, first)
            };
            if from.0 < to.0 {
                // Halved differences, because the difference of two extremes overflows.
                let slope = (0.5 * to.1 - 0.5 * from.1) / (0.5 * to.0 - 0.5 * from.0);
                slopes.push(key(finite(slope)));
                s += i64::from(to.1 > from.1) - i64::from(to.1 < from.1);
            }
        }
    }
    (slopes, s)
}

/// The same of points in time order without a tie, with nothing to decide: a processor takes several
/// pairs at once.
fn ascending_pairs(points: &[(f64, f64)]) -> (Vec<i64>, i64) {
    let n = points.len();
    let times = column(points, |p| 0.5 * p.0);
    let halves = column(points, |p| 0.5 * p.1);
    let values = column(points, |p| p.1);
    let mut slopes = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    let mut s = 0i64;
    for i in 0..n {
        let (time, half, value) = (times[i], halves[i], values[i]);
        let later = times[i + 1..].iter().zip(&halves[i + 1..]);
        slopes.extend(later.map(|(t, y)| key(finite((y - half) / (t - time)))));
        s += values[i + 1..]
            .iter()
            .map(|y| i64::from(*y > value) - i64::from(*y < value))
            .sum::<i64>();
    }
    (slopes, s)
}

/// A number that sorts as [`f64::total_cmp`] does.
fn key(number: f64) -> i64 {
    let bits = number.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn of_key(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

/// The direction of (day, value) points; what has no trend has insufficient data.
pub fn direction(points: &[(f64, f64)]) -> Direction {
    trend(points).map_or(Direction::InsufficientData, |t| t.direction())
}

/// Sizes of the groups of equal numbers, groups of one left out.
fn tie_sizes(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
        .chunk_by(|x, y| x == y)
        .filter(|group| group.len() > 1)
        .map(|group| group.len() as f64)
        .collect()
}

/// Σ over tie groups of f(size).
fn over(ties: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    ties.iter().map(|t| f(*t)).sum()
}

fn triple(t: f64) -> f64 {
    t * (t - 1.0) * (2.0 * t + 5.0)
}

/// Kendall 1975, eq. 4.4: ties in both rankings.
fn variance(n: usize, times: &[f64], values: &[f64]) -> f64 {
    let n = n as f64;
    let mut variance = (triple(n) - over(times, triple) - over(values, triple)) / 18.0;
    let pairs = |t: f64| t * (t - 1.0);
    let triples = |t: f64| t * (t - 1.0) * (t - 2.0);
    if n > 2.0 {
        variance += over(times, triples) * over(values, triples) / (9.0 * triples(n));
    }
    variance + over(times, pairs) * over(values, pairs) / (2.0 * pairs(n))
}

fn tau_b(n: usize, s: i64, times: &[f64], values: &[f64]) -> Option<f64> {
    let pairs = |t: f64| 0.5 * t * (t - 1.0);
    let all = pairs(n as f64);
    let untied = (all - over(times, pairs)) * (all - over(values, pairs));
    (untied > 0.0).then(|| (s as f64 / untied.sqrt()).clamp(-1.0, 1.0))
}

/// P(|S| ≥ |s|) over all n! orders, from the number of permutations with each number of
/// inversions (Kendall 1975, §5.2).
fn exact_p(n: usize, s: i64) -> f64 {
    let mut orders = vec![1.0];
    for size in 2..=n {
        let mut next = vec![0.0; orders.len() + size - 1];
        for (inversions, count) in orders.iter().enumerate() {
            for added in 0..size {
                next[inversions + added] += count;
            }
        }
        orders = next;
    }
    let pairs = (n * (n - 1) / 2) as i64;
    let total: f64 = orders.iter().sum();
    let extreme: f64 = (0..=pairs)
        .zip(&orders)
        .filter(|(inversions, _)| (pairs - 2 * inversions).abs() >= s.abs())
        .map(|(_, count)| count)
        .sum();
    extreme / total
}

/// The ranks of the interval's ends: Sen 1968, eq. 2.6, rounded and bounded as is usual since Gilbert
/// 1987, §16.4.
fn sen_ranks(slopes: usize, n: usize, times: &[f64], values: &[f64]) -> (usize, usize) {
    let n = n as f64;
    let variance = (triple(n) - over(times, triple) - over(values, triple)) / 18.0;
    let half = normal_quantile(1.0 - 0.5 * ALPHA) * variance.max(0.0).sqrt();
    let count = slopes as f64;
    let last = slopes - 1;
    let upper = (0.5 * (count + half)).round_ties_even() as usize;
    let lower = (0.5 * (count - half)).round_ties_even() - 1.0;
    // `as` saturates: a negative rank is 0.
    ((lower as usize).min(last), upper.min(last))
}

/// From so many numbers on a sample of them pays.
const SAMPLED: usize = 512;
/// Numbers of a sample.
const SAMPLE: usize = 127;
/// Places of the sample that are added on either side: twice the standard error of a median's place.
const MARGIN: usize = 11;

/// The values that sorting would put at the ranks, which ascend.
///
/// The ranks of a trend lie in the middle of thousands of slopes. A sorted sample says between which
/// two numbers, and the rest is only counted; where the sample misleads, all are looked at. What
/// comes out is the same.
fn order_statistics<const N: usize>(keys: &mut [i64], ranks: [usize; N]) -> [f64; N] {
    let (Some(first), Some(last)) = (ranks.first(), ranks.last()) else {
        return [0.0; N];
    };
    if keys.len() >= SAMPLED {
        let mut sample: Vec<i64> = (0..SAMPLE).map(|i| keys[i * keys.len() / SAMPLE]).collect();
        sample.sort_unstable();
        let place = |rank: &usize| rank * SAMPLE / keys.len();
        let low = sample[place(first).saturating_sub(MARGIN)];
        let high = sample[(place(last) + MARGIN).min(SAMPLE - 1)];
        let (mut below, mut count) = (0, 0);
        let mut between = vec![0; keys.len()];
        for &key in &*keys {
            between[count] = key;
            below += usize::from(key < low);
            count += usize::from(low <= key && key <= high);
        }
        if below <= *first && *last < below + count {
            return select(&mut between[..count], ranks.map(|rank| rank - below));
        }
    }
    select(keys, ranks)
}

/// Selecting one rank leaves everything above it to the right: the next is looked for there only.
fn select<const N: usize>(mut keys: &mut [i64], ranks: [usize; N]) -> [f64; N] {
    let (mut before, mut found) = (0, [0.0; N]);
    for (place, rank) in ranks.into_iter().enumerate() {
        if place > 0 && rank < before {
            // The one before again.
            found[place] = found[place - 1];
            continue;
        }
        let (_, value, above) = keys.select_nth_unstable(rank - before);
        found[place] = of_key(*value);
        keys = above;
        before = rank + 1;
    }
    found
}

fn column(points: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> Vec<f64> {
    points.iter().map(of).collect()
}

fn median(numbers: &mut [f64]) -> f64 {
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return 0.0;
    }
    let (lower, at_middle, _) = numbers.select_nth_unstable_by(middle, f64::total_cmp);
    let (at_middle, below) = (*at_middle, lower.iter().copied().max_by(f64::total_cmp));
    match below {
        Some(below) if numbers.len().is_multiple_of(2) => 0.5 * below + 0.5 * at_middle,
        _ => at_middle,
    }
}
