//! How a person's own rate of *worse* is best foretold: from what rate and strength it starts,
//! whether old outcomes are worth less, and whether the recent ones count once more.
//!
//! Without ageing the beta-binomial likelihood is the product of the very probabilities the own
//! rate gives session after session (Dawid 1984, prequential), so its maximum is the answer. With
//! it the same product is maximised over a grid, and what ages is kept only where it earns its place
//! (Schwarz 1978).

use super::cohort::{Cohort, Part};
use super::{worse_rate, ONE_SIDED};
use crate::model::FusionSpec;
use crate::numeric::{clip_probability, logit, softplus};

/// Days; the short ones are for people who are asked several times a day.
const HALF_LIVES: [f64; 6] = [0.25, 1.0, 4.0, 16.0, 64.0, 256.0];
/// Tried for both strengths, in sessions.
const STRENGTHS: [f64; 6] = [0.5, 2.0, 8.0, 32.0, 128.0, 512.0];
/// About the best place on this grid the places between are tried.
const BETWEEN: [f64; 3] = [0.5, 1.0, 2.0];
/// The grid is searched along one axis after the other, at most so many times.
const ROUNDS: usize = 3;
/// What more sessions would change in a place on the grid is not worth their time: of larger
/// cohorts every second, third, ... person is taken.
const ENOUGH_SESSIONS: usize = 20_000;

/// The specification with the own rate that foretells these outcomes best. `evidence` is what the
/// session itself adds to the log-odds, by place among the scored sessions, where that is known: what
/// it tells already the rate need not tell again, and only these sessions count. What the outcomes cannot tell stays as it is.
pub(crate) fn fit(
    cohort: &Cohort,
    parts: &[Part],
    fusion: &FusionSpec,
    evidence: Option<&[Option<f64>]>,
) -> FusionSpec {
    let counts: Vec<(u64, u64)> = parts
        .iter()
        .map(|part| {
            let rows = cohort.part(part);
            let worse = rows.iter().filter(|row| row.worse).count();
            (rows.len() as u64, worse as u64)
        })
        .collect();
    let mut start = FusionSpec {
        outcome_half_life_days: None,
        recent_half_life_days: None,
        ..*fusion
    };
    match worse_rate::fit(&counts) {
        Ok(rate) => {
            start.prior_rate = clip_probability(rate.prior_rate);
            start.prior_strength = rate.prior_strength;
        }
        // One person tells no rate of people, but how their own is best followed.
        Err(worse_rate::WorseRateError::TooFew) => {}
        Err(_) => return *fusion,
    }
    let total: usize = parts.iter().map(|part| part.sessions.len()).sum();
    let sample: Vec<Part> = parts
        .iter()
        .step_by(total.div_ceil(ENOUGH_SESSIONS).max(1))
        .cloned()
        .collect();
    let sessions: usize = sample.iter().map(|part| part.sessions.len()).sum();
    let each = 0.5 * (sessions as f64).max(1.0).ln();
    let losses = |tried: &FusionSpec| log_losses(cohort, &sample, tried, evidence);
    let cost = |tried: &FusionSpec| -> f64 {
        let lasting = f64::from(u8::from(tried.outcome_half_life_days.is_some()));
        let recent = f64::from(u8::from(tried.recent_half_life_days.is_some()));
        losses(tried).iter().sum::<f64>() + each * (lasting + 2.0 * recent)
    };
    // A spell can be taken for a rate that moves and the other way round: both are tried first.
    let one = descend(start, &[lasting, recent], &cost);
    let other = descend(start, &[recent, lasting], &cost);
    let both = if other.0 < one.0 { other.1 } else { one.1 };
    let both = descend(both, &[between_lasting, between_recent], &cost).1;
    let moving = descend(start, &[lasting, between_lasting], &cost).1;
    // What ages fits the spells of a few people too well for a count of parameters to notice. About
    // evidence half as sure will do: what both gain together is put to the test on people left out.
    let sure = if evidence.is_none() { ONE_SIDED } else { 1.0 };
    let mut best = start;
    for (tried, errors) in [(moving, sure), (both, ONE_SIDED)] {
        if cost(&tried) < cost(&best) && hold(&losses(&best), &losses(&tried), errors) {
            best = tried;
        }
    }
    best
}

/// Whether losses are lower by more than so many standard errors over people (Breiman et al. 1984,
/// §3.4.3), since one person's outcomes are not independent. Of one person nothing is known about
/// that.
pub(super) fn hold(before: &[f64], after: &[f64], errors: f64) -> bool {
    if before.len() < 2 {
        return true;
    }
    let gains = || {
        before
            .iter()
            .zip(after)
            .map(|(before, after)| before - after)
    };
    let n = before.len() as f64;
    let mean = gains().sum::<f64>() / n;
    let squares: f64 = gains().map(|gain| (gain - mean).powi(2)).sum();
    mean * n > errors * (squares * n / (n - 1.0)).sqrt()
}

type Axis = fn(&FusionSpec) -> Vec<FusionSpec>;

/// The best place on the grid that is reached along these axes in turn, with its cost.
fn descend(
    from: FusionSpec,
    axes: &[Axis],
    cost: &impl Fn(&FusionSpec) -> f64,
) -> (f64, FusionSpec) {
    let mut best = (cost(&from), from);
    for _ in 0..ROUNDS {
        let before = best.0;
        for axis in axes {
            for tried in axis(&best.1) {
                let cost = cost(&tried);
                if cost < best.0 {
                    best = (cost, tried);
                }
            }
        }
        if best.0 >= before {
            break;
        }
    }
    best
}

fn half_lives() -> impl Iterator<Item = Option<f64>> {
    std::iter::once(None).chain(HALF_LIVES.into_iter().map(Some))
}

fn lasting(from: &FusionSpec) -> Vec<FusionSpec> {
    let each = |half_life| {
        STRENGTHS.map(move |prior_strength| FusionSpec {
            prior_strength,
            outcome_half_life_days: half_life,
            ..*from
        })
    };
    half_lives().flat_map(each).collect()
}

fn recent(from: &FusionSpec) -> Vec<FusionSpec> {
    let each = |half_life| {
        STRENGTHS.map(move |recent_strength| FusionSpec {
            recent_strength,
            recent_half_life_days: half_life,
            ..*from
        })
    };
    half_lives().flat_map(each).collect()
}

fn between_lasting(from: &FusionSpec) -> Vec<FusionSpec> {
    let each = |longer: f64| {
        BETWEEN.map(move |stronger| FusionSpec {
            prior_strength: stronger * from.prior_strength,
            outcome_half_life_days: from.outcome_half_life_days.map(|days| longer * days),
            ..*from
        })
    };
    BETWEEN.into_iter().flat_map(each).collect()
}

fn between_recent(from: &FusionSpec) -> Vec<FusionSpec> {
    let each = |longer: f64| {
        BETWEEN.map(move |stronger| FusionSpec {
            recent_strength: stronger * from.recent_strength,
            recent_half_life_days: from.recent_half_life_days.map(|days| longer * days),
            ..*from
        })
    };
    BETWEEN.into_iter().flat_map(each).collect()
}

/// Σ −ln of the probability given to what happened (nats), by part.
fn log_losses(
    cohort: &Cohort,
    parts: &[Part],
    fusion: &FusionSpec,
    evidence: Option<&[Option<f64>]>,
) -> Vec<f64> {
    let of = |part: &Part| {
        let mut sum = 0.0;
        cohort.each(part, fusion, |row, own_rate| {
            let told = match evidence {
                None => Some(0.0),
                Some(told) => row.scored.and_then(|scored| told[scored]),
            };
            let Some(told) = told else { return };
            let f = logit(clip_probability(own_rate)) + told;
            sum += softplus(if row.worse { -f } else { f });
        });
        sum
    };
    parts.iter().map(of).collect()
}
