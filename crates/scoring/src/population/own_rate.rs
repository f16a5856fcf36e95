//! How a person's own rate of *worse* is best foretold: from what rate and strength it starts, and
//! whether old outcomes are worth less.
//!
//! Without a half-life the beta-binomial likelihood is the product of the very probabilities the
//! own rate gives session after session (Dawid 1984, prequential), so its maximum is the answer.
//! With one, the same product is maximised over a grid, and the half-life is kept only where it
//! earns its place (Schwarz 1978).

use super::cohort::Cohort;
use super::worse_rate;
use crate::model::FusionSpec;

/// Days; the short ones are for people who are asked several times a day.
const HALF_LIVES: [f64; 11] = [
    0.25, 0.5, 1.0, 2.0, 4.0, 7.0, 14.0, 30.0, 60.0, 120.0, 240.0,
];
/// The strengths tried with a half-life, sessions: 2^(−2) to 2^6 by √2.
const STRENGTHS: std::ops::RangeInclusive<i32> = -4..=12;

/// The specification with the rate, strength and half-life that foretell these people's outcomes
/// best. What the outcomes cannot tell stays as it is.
pub fn fit(cohort: &Cohort, people: &[usize], fusion: &FusionSpec) -> FusionSpec {
    let counts: Vec<(u64, u64)> = people
        .iter()
        .map(|person| {
            let rows = cohort.person(*person);
            let worse = rows.iter().filter(|row| row.worse).count();
            (rows.len() as u64, worse as u64)
        })
        .collect();
    let Ok(rate) = worse_rate::fit(&counts) else {
        return *fusion;
    };
    let plain = FusionSpec {
        prior_rate: rate.prior_rate.clamp(1e-6, 1.0 - 1e-6),
        prior_strength: rate.prior_strength,
        outcome_half_life_days: None,
        ..*fusion
    };
    let sessions: u64 = counts.iter().map(|(n, _)| n).sum();
    let mut best = (log_loss(cohort, people, &plain), plain);
    let needed = 0.5 * (sessions as f64).max(1.0).ln();
    let start = best.0 - needed;
    for half_life in HALF_LIVES {
        for strength in STRENGTHS {
            let tried = FusionSpec {
                prior_strength: f64::exp2(0.5 * f64::from(strength)),
                outcome_half_life_days: Some(half_life),
                ..plain
            };
            let loss = log_loss(cohort, people, &tried);
            if loss < start && loss < best.0 {
                best = (loss, tried);
            }
        }
    }
    best.1
}

/// Σ −ln of the probability that the own rate gave to what happened (nats).
fn log_loss(cohort: &Cohort, people: &[usize], fusion: &FusionSpec) -> f64 {
    let mut sum = 0.0;
    for person in people {
        cohort.each(*person, fusion, |row, own_rate| {
            let p = crate::numeric::clip_probability(own_rate);
            sum -= if row.worse { p.ln() } else { (-p).ln_1p() };
        });
    }
    sum
}
