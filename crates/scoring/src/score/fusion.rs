//! Fusion: log-odds of the modalities pooled relative to the person's own rate, weighed by
//! reliability and discounted for their correlation (SCORING §6).
//!
//! Genest & Zidek 1986 (log opinion pool), Bordley 1982 (relative to the prior), Winkler 1981 and
//! Clemen & Winkler 1985 (dependent experts).

use crate::model::FusionSpec;
use crate::numeric::{clip, clip_logit, days_between, finite, logit};
use crate::posterior::Posterior;
use std::iter::Peekable;

/// Outcomes known of a person before a session: all of them, and what is left of them where the
/// recent ones count once more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcomes {
    pub n: f64,
    pub worse: f64,
    /// Weights by age (recent_half_life_days); 0 in a model without it.
    pub recent_n: f64,
    pub recent_worse: f64,
}

impl Outcomes {
    /// π_u: the person's own rate of *worse*, shrunk to the population's; the recent rate shrunk to
    /// that in turn where the model tells them apart. 0..1.
    pub fn worse_rate(&self, spec: &FusionSpec) -> f64 {
        self.posterior(spec).mean()
    }

    /// The same with what is not known of it.
    pub fn posterior(&self, spec: &FusionSpec) -> Posterior {
        let lasting = counted(self.n, self.worse, spec.prior_rate, spec.prior_strength);
        match spec.recent_half_life_days {
            None => lasting,
            Some(_) => counted(
                self.recent_n,
                self.recent_worse,
                lasting.mean(),
                spec.recent_strength,
            ),
        }
    }
}

/// A prior without any strength before the first outcome still has its rate.
const LEAST_STRENGTH: f64 = 1e-9;

fn counted(n: f64, worse: f64, rate: f64, strength: f64) -> Posterior {
    let n = finite(n).max(0.0);
    let worse = clip(finite(worse), 0.0, n);
    Posterior::new(n, worse, rate, strength.max(LEAST_STRENGTH))
}

/// Running outcomes of a person: plain counts, or with a half-life each worth 2^(−age/half-life).
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnRate {
    outcomes: Outcomes,
    at_us: Option<i64>,
}

impl OwnRate {
    /// Of outcomes whose age does not matter.
    pub fn counted(n: f64, worse: f64) -> OwnRate {
        OwnRate {
            outcomes: Outcomes {
                n,
                worse,
                ..Outcomes::default()
            },
            at_us: None,
        }
    }

    /// Takes in an outcome, not older than those before it.
    pub fn observe(&mut self, at_us: i64, worse: bool, fusion: &FusionSpec) {
        self.outcomes = self.before(at_us, fusion);
        let one = f64::from(u8::from(worse));
        self.outcomes.n += 1.0;
        self.outcomes.worse += one;
        if fusion.recent_half_life_days.is_some() {
            self.outcomes.recent_n += 1.0;
            self.outcomes.recent_worse += one;
        }
        self.at_us = Some(at_us);
    }

    /// What they are worth at a later time.
    pub fn before(&self, at_us: i64, fusion: &FusionSpec) -> Outcomes {
        let left = |half_life: Option<f64>| match (half_life, self.at_us) {
            (Some(half_life), Some(then)) => {
                finite(f64::exp2(-days_between(then, at_us) / half_life))
            }
            _ => 1.0,
        };
        let lasting = left(fusion.outcome_half_life_days);
        let recent = left(fusion.recent_half_life_days);
        Outcomes {
            n: self.outcomes.n * lasting,
            worse: self.outcomes.worse * lasting,
            recent_n: self.outcomes.recent_n * recent,
            recent_worse: self.outcomes.recent_worse * recent,
        }
    }
}

/// The own rate as it went from time to time.
pub struct OwnRates<'a> {
    rate: OwnRate,
    later: Peekable<std::vec::IntoIter<(i64, bool)>>,
    fusion: &'a FusionSpec,
}

impl<'a> OwnRates<'a> {
    /// `later` are the outcomes after those of `rate`, as (µs, worse).
    pub fn new(rate: OwnRate, mut later: Vec<(i64, bool)>, fusion: &'a FusionSpec) -> Self {
        later.sort_unstable_by_key(|(at_us, _)| *at_us);
        OwnRates {
            rate,
            later: later.into_iter().peekable(),
            fusion,
        }
    }

    /// With the outcomes of earlier sessions; times must not go back.
    pub fn before(&mut self, at_us: i64) -> OwnRate {
        while let Some((then_us, worse)) = self.later.next_if(|(then_us, _)| *then_us < at_us) {
            self.rate.observe(then_us, worse, self.fusion);
        }
        self.rate
    }

    /// l_u at that time.
    pub fn logit_before(&mut self, at_us: i64) -> f64 {
        let outcomes = self.before(at_us).before(at_us, self.fusion);
        logit(outcomes.worse_rate(self.fusion))
    }
}

/// What the pool made of the modalities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused {
    /// L, clipped.
    pub logit: f64,
    /// L before clipping.
    pub unclipped_logit: f64,
    /// Discount for correlation, rᵀr / rᵀRr; 0 without evidence.
    pub kappa: f64,
    /// Effective number of independent modalities, (Σr)² / rᵀRr; 0 without evidence.
    pub k_eff: f64,
    /// κ·r·(ℓ − l_u) by modality.
    pub contributions: [f64; 4],
}

/// Perfectly opposed evidence makes rᵀRr vanish; κ is limited to 1/this.
const LEAST_SPREAD: f64 = 1e-6;

/// L = l_u + κ Σ r(ℓ − l_u).
///
/// `logits` are clipped log-odds, `None` where the modality is absent; `reliability` 0..1 (that of
/// an absent modality is not read); `own_logit` is l_u.
pub fn fuse(
    logits: &[Option<f64>; 4],
    reliability: &[f64; 4],
    rho: &[[f64; 4]; 4],
    own_logit: f64,
) -> Fused {
    let r = present_reliability(logits, reliability);
    let (mut squares, mut spread) = (0.0, 0.0);
    for i in 0..4 {
        squares += r[i] * r[i];
        for j in 0..4 {
            spread += r[i] * rho[i][j] * r[j];
        }
    }
    let total: f64 = r.iter().sum();
    let spread = f64::max(spread, LEAST_SPREAD * squares);
    let (kappa, k_eff) = if spread > 0.0 {
        (squares / spread, total * total / spread)
    } else {
        (0.0, 0.0)
    };

    let mut contributions = [0.0; 4];
    for i in 0..4 {
        if let Some(logit) = logits[i] {
            contributions[i] = kappa * r[i] * (logit - own_logit);
        }
    }
    let unclipped_logit = own_logit + contributions.iter().sum::<f64>();
    Fused {
        logit: clip_logit(unclipped_logit),
        unclipped_logit,
        kappa,
        k_eff,
        contributions,
    }
}

/// r with 0 for absent modalities.
pub fn present_reliability(logits: &[Option<f64>; 4], reliability: &[f64; 4]) -> [f64; 4] {
    let mut r = [0.0; 4];
    for i in 0..4 {
        if logits[i].is_some() {
            r[i] = reliability[i];
        }
    }
    r
}
