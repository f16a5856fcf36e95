//! The distribution of people's worse-rates: beta-binomial maximum likelihood.
//!
//! Skellam 1948 (JRSS B 10:257–261), in Griffiths' form without gamma functions (1973, Biometrics
//! 29:637–648): with rate m and strength s, so α = ms and β = (1 − m)s,
//! ℓ = Σⱼ Aⱼ ln(ms + j) + Bⱼ ln((1 − m)s + j) − Cⱼ ln(s + j), where Aⱼ, Bⱼ, Cⱼ count the people with
//! more than j worse sessions, more than j other sessions, more than j sessions.

/// The strength is looked for in this range. Its upper end means that people do not differ in rate
/// more than chance would have them.
pub const STRENGTH_RANGE: (f64, f64) = (0.1, 1000.0);
/// Most sessions of one person that are counted; the work grows with the largest n.
pub const MAX_SESSIONS: u64 = 100_000;
const GRID: usize = 41;
const RATE_TOLERANCE: f64 = 1e-12;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorseRate {
    /// Mean rate of worse over people, in (0, 1).
    pub prior_rate: f64,
    /// Weight of that rate in sessions: π_u = (strength·rate + worse)/(strength + n).
    pub prior_strength: f64,
    pub log_likelihood: f64,
    /// The strength is an end of [`STRENGTH_RANGE`]: the data do not bound it.
    pub at_limit: bool,
    /// People with at least one outcome.
    pub people: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorseRateError {
    #[error("more worse sessions than sessions")]
    Counts,
    #[error("more than 100000 sessions of one person")]
    TooMany,
    #[error("fewer than two people with two outcomes or more")]
    TooFew,
    #[error("the outcomes are of one class only")]
    OneClass,
}

/// How many people have more than j of something, by j.
struct Exceedances {
    worse: Vec<f64>,
    other: Vec<f64>,
    all: Vec<f64>,
}

/// From each person's (outcomes, of these worse).
pub fn fit(people: &[(u64, u64)]) -> Result<WorseRate, WorseRateError> {
    if people.iter().any(|(n, worse)| worse > n) {
        return Err(WorseRateError::Counts);
    }
    if people.iter().any(|(n, _)| *n > MAX_SESSIONS) {
        return Err(WorseRateError::TooMany);
    }
    // One outcome a person tells the rate, but nothing about how people differ.
    if people.iter().filter(|(n, _)| *n >= 2).count() < 2 {
        return Err(WorseRateError::TooFew);
    }
    let counts = Exceedances {
        worse: exceedances(people.iter().map(|p| p.1)),
        other: exceedances(people.iter().map(|p| p.0 - p.1)),
        all: exceedances(people.iter().map(|p| p.0)),
    };
    if counts.worse.is_empty() || counts.other.is_empty() {
        return Err(WorseRateError::OneClass);
    }

    // The profile over ln s need not be unimodal: a grid finds the hill, golden section its top.
    let (start, end) = (STRENGTH_RANGE.0.ln(), STRENGTH_RANGE.1.ln());
    let width = (end - start) / (GRID - 1) as f64;
    let profile = |log_strength: f64| {
        let strength = log_strength.exp();
        let rate = best_rate(&counts, strength);
        log_likelihood(&counts, rate, strength)
    };
    let mut best = (start, f64::NEG_INFINITY);
    for i in 0..GRID {
        let at = start + i as f64 * width;
        let value = profile(at);
        if value > best.1 {
            best = (at, value);
        }
    }
    let at = golden_section(
        profile,
        (best.0 - width).max(start),
        (best.0 + width).min(end),
    );
    let margin = 1e-3 * width;
    let prior_strength = at.exp();
    let prior_rate = best_rate(&counts, prior_strength);
    Ok(WorseRate {
        prior_rate,
        prior_strength,
        log_likelihood: log_likelihood(&counts, prior_rate, prior_strength),
        at_limit: at - start < margin || end - at < margin,
        people: people.iter().filter(|p| p.0 > 0).count(),
    })
}

fn exceedances(numbers: impl Iterator<Item = u64>) -> Vec<f64> {
    let mut exactly: Vec<f64> = Vec::new();
    for n in numbers {
        let n = n as usize;
        if exactly.len() <= n {
            exactly.resize(n + 1, 0.0);
        }
        exactly[n] += 1.0;
    }
    // more than j = Σ over k > j of exactly k
    let mut above = 0.0;
    let mut result: Vec<f64> = exactly
        .iter()
        .rev()
        .map(|count| {
            let here = above;
            above += count;
            here
        })
        .collect();
    result.reverse();
    result.pop();
    result
}

fn log_likelihood(counts: &Exceedances, rate: f64, strength: f64) -> f64 {
    let sum = |counts: &[f64], base: f64| -> f64 {
        let terms = counts.iter().enumerate();
        terms.map(|(j, c)| c * (base + j as f64).ln()).sum()
    };
    sum(&counts.worse, rate * strength) + sum(&counts.other, (1.0 - rate) * strength)
        - sum(&counts.all, strength)
}

/// The rate of highest likelihood at a strength. Its derivative falls in the rate, from +∞ at 0
/// to −∞ at 1, so bisection finds its only zero.
fn best_rate(counts: &Exceedances, strength: f64) -> f64 {
    let sum = |counts: &[f64], base: f64| -> f64 {
        let terms = counts.iter().enumerate();
        terms.map(|(j, c)| c / (base + j as f64)).sum()
    };
    let (mut low, mut high) = (0.0, 1.0);
    while high - low > RATE_TOLERANCE {
        let rate = 0.5 * (low + high);
        let rising = sum(&counts.worse, rate * strength);
        if rising > sum(&counts.other, (1.0 - rate) * strength) {
            low = rate;
        } else {
            high = rate;
        }
    }
    0.5 * (low + high)
}

/// Kiefer 1953: the maximum of a function with one hill between `low` and `high`.
fn golden_section(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    const SHARE: f64 = 0.618_033_988_749_894_9;
    let (mut left, mut right) = (high - SHARE * (high - low), low + SHARE * (high - low));
    let (mut at_left, mut at_right) = (f(left), f(right));
    // The likelihood is flat at its top: nearer than √ε cannot be told.
    while high - low > 1e-7 {
        if at_left < at_right {
            (low, left, at_left) = (left, right, at_right);
            right = low + SHARE * (high - low);
            at_right = f(right);
        } else {
            (high, right, at_right) = (right, left, at_left);
            left = high - SHARE * (high - low);
            at_left = f(left);
        }
    }
    0.5 * (low + high)
}
