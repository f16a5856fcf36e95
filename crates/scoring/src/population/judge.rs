//! How well a model foretells outcomes, beside the person's own rate, on people it was not learnt
//! from and with nothing of a session's own future.

use super::cohort::{Cohort, Part};
use super::left_out::splits;
use super::personal_weights::Followed;
use super::refit::{self, predict, RefitError};
use crate::model::{FusionSpec, Model};
use crate::report::{report, within_user_auc, Report, WithinUserAuc};

/// One predictor's figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub report: Report,
    pub within_user: WithinUserAuc,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// p_worse_fused.
    pub model: Verdict,
    /// The own rate alone: what can be said without reading the session.
    pub own_rate: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    #[error("no labelled sessions that were scored")]
    NoSessions,
    #[error("fewer people with labelled sessions than folds")]
    TooFewPeople,
    #[error(transparent)]
    Refit(#[from] RefitError),
}

/// Judges a model. One that was learnt is learnt anew, in the same way, once for each of `folds`
/// groups of people, from all the others, and judged on that group; with a single person once for
/// each of `folds` stretches of their time after a first one, from all that came before it. One that was written by hand
/// has seen nobody and is judged as it is, with its own prior rate.
pub fn judge(cohort: &Cohort, model: &Model, folds: usize) -> Result<Judgement, JudgeError> {
    let everybody = cohort.whole(&(0..cohort.people()).collect::<Vec<_>>());
    let mut predictions = Predictions::default();
    let Some(trained) = &model.trained else {
        for part in &everybody {
            predictions.add(cohort, part, model, &model.fusion);
        }
        return predictions.judgement();
    };
    if cohort.people() != 1 && cohort.people() < folds {
        return Err(JudgeError::TooFewPeople);
    }
    for split in splits(cohort, &everybody, folds) {
        let learnt = refit::fit_parts(cohort, &split.learnt_from, model, trained.lambda)?;
        for part in &split.left_out {
            predictions.add(cohort, part, &learnt.model, &learnt.own_rate);
        }
    }
    predictions.judgement()
}

#[derive(Default)]
struct Predictions {
    fused: Vec<f64>,
    own_rate: Vec<f64>,
    worse: Vec<bool>,
    person: Vec<usize>,
}

impl Predictions {
    fn add(&mut self, cohort: &Cohort, part: &Part, model: &Model, alone: &FusionSpec) {
        let mut own = Followed::new(cohort, model);
        cohort.each(part, &model.fusion, |row, own_rate| {
            let Some(scored) = row.scored else { return };
            own.before(row.at_us);
            let (p_worse, shares) = predict(cohort, scored, model, own_rate, own.weights());
            own.told(row, scored, p_worse, shares);
            self.fused.push(p_worse);
            self.worse.push(row.worse);
            self.person.push(part.person);
        });
        cohort.each(part, alone, |row, own_rate| {
            if row.scored.is_some() {
                self.own_rate.push(own_rate);
            }
        });
    }

    fn judgement(&self) -> Result<Judgement, JudgeError> {
        let verdict = |p: &[f64]| -> Result<Verdict, JudgeError> {
            // Lengths agree and every p is a probability: what is left is that there is none.
            Ok(Verdict {
                report: report(p, &self.worse).map_err(|_| JudgeError::NoSessions)?,
                within_user: within_user_auc(p, &self.worse, &self.person)
                    .map_err(|_| JudgeError::NoSessions)?,
            })
        };
        Ok(Judgement {
            model: verdict(&self.fused)?,
            own_rate: verdict(&self.own_rate)?,
        })
    }
}
