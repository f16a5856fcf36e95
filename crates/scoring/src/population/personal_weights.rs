//! How far people's own weights lie from everybody's.
//!
//! The sd is the one under which left-out people are foretold best when their own weights are
//! followed from outcome to outcome (Dawid 1984: the product of the probabilities so given is the
//! likelihood of the sd), and 0 where that gains no more than chance would. Of one person alone the
//! stretches say too little of chance: a gain beyond the nat is believed, as in [`LeftOut::held`].

use super::cohort::{Cohort, Row};
use super::out_of_fold::LeftOut;
use super::own_rate::hold;
use super::ONE_SIDED;
use crate::evidence::probability;
use crate::model::{Model, PersonalSpec};
use crate::numeric::{clip_logit, finite};
use crate::personal::{OwnWeights, Shares};

/// Log-odds per z.
const SDS: [f64; 6] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.45];
/// Akaike 1974: what one more parameter gains by chance (nats).
const CHANCE: f64 = 1.0;

/// A person's own weights along their sessions: learnt from outcomes of strictly earlier ones.
pub(super) struct Followed<'a> {
    cohort: &'a Cohort,
    model: &'a Model,
    own: OwnWeights,
    waiting: Vec<Waiting>,
}

struct Waiting {
    at_us: i64,
    scored: usize,
    shares: Shares,
    p_worse: f64,
    worse: bool,
}

impl<'a> Followed<'a> {
    pub fn new(cohort: &'a Cohort, model: &'a Model) -> Followed<'a> {
        Followed {
            cohort,
            model,
            own: OwnWeights::default(),
            waiting: Vec::new(),
        }
    }

    /// Learns what is known before this time.
    pub fn before(&mut self, at_us: i64) {
        if self.waiting.last().is_some_and(|last| last.at_us < at_us) {
            for told in self.waiting.drain(..) {
                let seen = self.cohort.seen(told.scored);
                let z: Vec<Option<f64>> = self
                    .cohort
                    .z(told.scored)
                    .iter()
                    .zip(seen)
                    .map(|(z, seen)| seen.then_some(*z))
                    .collect();
                self.own
                    .learn(self.model, &z, &told.shares, told.p_worse, told.worse);
            }
        }
    }

    pub fn weights(&self) -> &OwnWeights {
        &self.own
    }

    /// Takes in a session's outcome, for sessions later than it.
    pub fn told(&mut self, row: &Row, scored: usize, p_worse: f64, shares: Shares) {
        if self.model.personal.weight_sd > 0.0 {
            self.waiting.push(Waiting {
                at_us: row.at_us,
                scored,
                shares,
                p_worse,
                worse: row.worse,
            });
        }
    }
}

/// The sd of own weights about the model's, whose evidence counts by this slope.
pub(super) fn fit(cohort: &Cohort, left_out: &LeftOut, model: &Model, slope: f64) -> PersonalSpec {
    let losses = |weight_sd: f64| {
        let mut tried = model.clone();
        tried.personal = PersonalSpec { weight_sd };
        losses(cohort, left_out, &tried, slope)
    };
    let without = losses(0.0);
    let best = SDS
        .into_iter()
        .map(|sd| (sd, losses(sd)))
        .min_by(|(_, x), (_, y)| x.iter().sum::<f64>().total_cmp(&y.iter().sum()));
    match best {
        Some((weight_sd, with))
            if with.iter().sum::<f64>() + CHANCE < without.iter().sum()
                && (left_out.is_alone() || hold(&without, &with, ONE_SIDED)) =>
        {
            PersonalSpec { weight_sd }
        }
        _ => PersonalSpec::default(),
    }
}

/// Of each person, or each stretch of one person's time (nats).
fn losses(cohort: &Cohort, left_out: &LeftOut, model: &Model, slope: f64) -> Vec<f64> {
    let of = |sessions: &[super::out_of_fold::OutOfFold]| {
        let mut followed = Followed::new(cohort, model);
        let mut loss = 0.0;
        for session in sessions {
            followed.before(session.at_us);
            let own = followed.weights();
            let mut f = session.own_logit + slope * session.evidence();
            if own.count() {
                let z = cohort.z(session.scored).iter().zip(&model.features);
                f += z
                    .enumerate()
                    .map(|(i, (z, feature))| {
                        session.share[feature.modality.index()] * own.shift(i) * z
                    })
                    .sum::<f64>();
            }
            let f = clip_logit(finite(f));
            loss += session.loss(f);
            let row = Row {
                at_us: session.at_us,
                worse: session.worse,
                scored: Some(session.scored),
            };
            let shares = session.share.map(|share| share as f32);
            followed.told(&row, session.scored, probability(f), shares);
        }
        loss
    };
    left_out.stretches().map(of).collect()
}
