//! Evidence of people who were left out: how much of what is learnt holds for others.

use super::cohort::{Cohort, Part};
use super::left_out::splits;
use super::refit::{modalities_seen, weigh, weights, RefitError};
use super::{ridge, spread};
use crate::fusion::{fuse, Outcomes};
use crate::model::{FusionSpec, ModalitySpec, Model};
use crate::numeric::{logit, softplus};
use crate::platt;

/// Groups of people that are left out in turn to measure what holds for others.
const INNER_FOLDS: usize = 5;
/// Ridge on the slope, towards no evidence.
const SLOPE_PENALTY: f64 = 1.0;
const SLOPE_LIMIT: f64 = 2.0;
/// Standard errors that a gain found by chance exceeds once in a hundred: what is said beyond a
/// person's own rate has to be there.
const ONE_IN_A_HUNDRED: f64 = 2.326_347_9;

/// Every session's evidence under weights that were learnt without its person.
pub(super) struct LeftOut {
    sessions: Vec<OutOfFold>,
    pub(super) log_loss: f64,
}

pub(super) struct OutOfFold {
    person: usize,
    /// Which group was left out when it was weighed.
    split: usize,
    pub(super) scored: usize,
    pub(super) at_us: i64,
    raw: [Option<f64>; 4],
    /// κ·r, by modality.
    pub(super) share: [f64; 4],
    pub(super) own_logit: f64,
    pub(super) worse: bool,
}

impl LeftOut {
    /// `None` where there is nobody to leave out.
    pub(super) fn new(
        cohort: &Cohort,
        parts: &[Part],
        model: &Model,
        lambda: f64,
    ) -> Result<Option<LeftOut>, RefitError> {
        let mut sessions = Vec::new();
        let mut log_loss = 0.0;
        for (number, split) in splits(cohort, parts, INNER_FOLDS).into_iter().enumerate() {
            let others = &split.learnt_from;
            let learnt = match weights(cohort, others, model, lambda) {
                Ok(learnt) => learnt,
                // The others teach nothing about this group.
                Err(RefitError::OneClass | RefitError::NoSessions) => continue,
                Err(error) => return Err(error),
            };
            let seen = modalities_seen(cohort, others, model);
            let learnt = learnt.into_model(model, model, &seen);
            for part in &split.left_out {
                cohort.each(part, &model.fusion, |row, own_rate| {
                    let Some(scored) = row.scored else { return };
                    let (raw, r) = weigh(cohort, scored, &learnt);
                    let own_logit = logit(own_rate);
                    let kappa = fuse(&raw, &r, &learnt.fusion.rho, 0.0).kappa;
                    let session = OutOfFold {
                        person: part.person,
                        split: number,
                        scored,
                        at_us: row.at_us,
                        raw,
                        share: r.map(|r| kappa * r),
                        own_logit,
                        worse: row.worse,
                    };
                    let f = own_logit + session.evidence();
                    log_loss += session.loss(f);
                    sessions.push(session);
                });
            }
        }
        Ok((!sessions.is_empty()).then_some(LeftOut { sessions, log_loss }))
    }

    /// What the evidence so weighed adds to the log-odds, by place among the scored sessions.
    pub(super) fn told(&self, cohort: &Cohort, slope: f64) -> Vec<Option<f64>> {
        let mut told = vec![None; cohort.sessions()];
        for session in &self.sessions {
            told[session.scored] = Some(slope * session.evidence());
        }
        told
    }

    /// How much of the evidence holds for people who were left out: 0 none, 1 all. The weights have
    /// divided it among the modalities already; to divide it anew here was measured to follow noise.
    pub(super) fn slope(&self) -> f64 {
        let rows: Vec<f64> = self.sessions.iter().map(OutOfFold::evidence).collect();
        let offset: Vec<f64> = self.sessions.iter().map(|s| s.own_logit).collect();
        let worse: Vec<bool> = self.sessions.iter().map(|s| s.worse).collect();
        let design = ridge::Design {
            rows: &rows,
            columns: 1,
            worse: &worse,
            offset: Some(&offset),
        };
        match ridge::fit_about_offset(&design, SLOPE_PENALTY) {
            Ok(fit) => fit.weights[0].clamp(0.0, SLOPE_LIMIT),
            Err(_) => 0.0,
        }
    }

    /// How much of this slope to believe: 0 where it foretells no better than the own rate
    /// `alone` by more than chance would, near 1 where it gains far more.
    ///
    /// Chance is a nat a modality (Akaike 1974) and [`ONE_IN_A_HUNDRED`] standard errors of the gain over
    /// people, since one person's sessions are not independent; what is left is shrunk by a
    /// positive-part rule (James & Stein 1961; Efron & Morris 1973), so that it grows from 0 and does
    /// not jump. The power of four leaves a gain well beyond chance nearly whole.
    ///
    /// One person's evidence comes from weights of only the beginning of their time and says too
    /// little of what all of it will teach: a gain beyond the nats is believed as it is.
    pub(super) fn held(&self, slope: f64, alone: &LeftOut) -> f64 {
        let gains: Vec<f64> = self
            .people()
            .zip(alone.people())
            .map(|(with, without)| {
                let pairs = with.iter().zip(without);
                pairs
                    .map(|(with, without)| {
                        with.loss(without.own_logit)
                            - with.loss(with.own_logit + slope * with.evidence())
                    })
                    .sum()
            })
            .collect();
        let n = gains.len() as f64;
        let there = |m: &usize| self.sessions.iter().any(|s| s.raw[*m].is_some());
        let total = gains.iter().sum::<f64>();
        let beyond = total - (0..4).filter(there).count() as f64;
        let error = if gains.len() == 1 {
            0.0
        } else {
            let mean = total / n;
            let squares: f64 = gains.iter().map(|gain| (gain - mean).powi(2)).sum();
            ONE_IN_A_HUNDRED * (squares * n / (n - 1.0)).sqrt()
        };
        if beyond > 0.0 && error < beyond {
            1.0 - (error / beyond).powi(4)
        } else {
            0.0
        }
    }

    /// Whether all of it is one person's.
    pub(super) fn is_alone(&self) -> bool {
        self.people().count() == 1
    }

    /// Stretches of a person's time that were weighed alike: all of it, unless they are alone.
    pub(super) fn stretches(&self) -> impl Iterator<Item = &[OutOfFold]> {
        self.sessions
            .chunk_by(|x, y| x.person == y.person && x.split == y.split)
    }

    /// The sessions of each person.
    fn people(&self) -> impl Iterator<Item = &[OutOfFold]> {
        self.sessions.chunk_by(|x, y| x.person == y.person)
    }

    /// The calibrations these people would have of this modality, for the spread of them.
    pub(super) fn personal_fits(
        &self,
        cohort: &Cohort,
        modality: usize,
        spec: &ModalitySpec,
        fusion: &FusionSpec,
    ) -> Vec<spread::PersonFit> {
        let prior = spec.calibration_prior;
        let mut fits = Vec::new();
        for sessions in self.people() {
            let Some(first) = sessions.first() else {
                continue;
            };
            let (scores, worse): (Vec<f64>, Vec<bool>) = sessions
                .iter()
                .filter_map(|s| Some((s.raw[modality]?, s.worse)))
                .unzip();
            let rows = cohort.person(first.person);
            let outcomes = Outcomes {
                n: rows.len() as f64,
                worse: rows.iter().filter(|row| row.worse).count() as f64,
                ..Outcomes::default()
            };
            let centre = logit(outcomes.worse_rate(fusion));
            let prior = platt::Prior::from_sd(prior.a, centre, prior.sd_a, prior.sd_b);
            let options = platt::Options {
                prior: Some(prior),
                ..platt::Options::default()
            };
            if let Ok(fit) = platt::fit(&scores, &worse, &options) {
                fits.push(spread::PersonFit {
                    a: fit.a,
                    b: fit.b,
                    covariance: fit.covariance,
                    prior,
                });
            }
        }
        fits
    }
}

impl OutOfFold {
    /// Of these log-odds (nats).
    pub(super) fn loss(&self, f: f64) -> f64 {
        softplus(if self.worse { -f } else { f })
    }

    /// What all modalities add to the log-odds.
    pub(super) fn evidence(&self) -> f64 {
        let parts = self.raw.iter().zip(&self.share);
        parts
            .map(|(raw, share)| raw.map_or(0.0, |raw| share * raw))
            .sum()
    }
}
