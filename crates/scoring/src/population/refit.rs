//! A model learnt from many people's labelled sessions.
//!
//! The weights are fitted through the fusion itself: the columns of the ridge regression are
//! κ·r·z, and its offset is the log-odds of the person's own rate at that time. What is minimised
//! is then the log loss of p_worse_fused as it will be computed, with the correlation of the
//! modalities discounted once.
//!
//! A fit flatters the people it was made from. How much of the evidence holds for
//! others is therefore measured on people who were left out (Stone 1974; the slope is van
//! Houwelingen & le Cessie's 1990 shrinkage): that is calibration_prior.a, which limits what a penalty
//! chosen too small can cost.

use super::cohort::{Cohort, Part};
use super::evidence_correlation::{self, Evidence};
use super::out_of_fold::LeftOut;
use super::{own_rate, personal_weights, ridge, spread};
use crate::evidence::{probability, reliability, Calibration};
use crate::fusion::fuse;
use crate::modality::Modality;
use crate::model::{uniform_correlation, CalibrationPrior, FusionSpec, Model, PersonalSpec};
use crate::numeric::{clip_logit, finite, logit};
use crate::personal::{OwnWeights, Shares};

/// Penalties tried when none is given, and then those between the best and its neighbours.
const LAMBDAS: [f64; 6] = [0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0];
const BETWEEN: [f64; 2] = [0.3, 3.0];
/// r depends on the weights and ρ on the evidence: how often both are brought up to date.
const ROUNDS: usize = 3;
/// Limit of a weight in a specification.
const WEIGHT_LIMIT: f64 = 100.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefitError {
    #[error("no labelled sessions that were scored")]
    NoSessions,
    #[error("the outcomes are of one class only")]
    OneClass,
    #[error("the penalty must be a finite number above 0")]
    Penalty,
    #[error("the fit of the weights failed")]
    Fit,
}

impl From<ridge::RidgeError> for RefitError {
    fn from(error: ridge::RidgeError) -> Self {
        match error {
            ridge::RidgeError::OneClass => RefitError::OneClass,
            ridge::RidgeError::Penalty => RefitError::Penalty,
            _ => RefitError::Fit,
        }
    }
}

/// A model with learnt figures.
#[derive(Debug, Clone)]
pub struct Refit {
    /// The model it started from, with the learnt figures put in.
    pub model: Model,
    /// The own rate that foretells best when it stands alone.
    pub own_rate: FusionSpec,
    /// The penalty that was used.
    pub penalty: f64,
    /// Labelled and scored sessions it was learnt from.
    pub sessions: usize,
    pub people: usize,
}

/// Learns from these people (places in the cohort). Without a penalty it is chosen by leaving
/// groups of them out.
pub fn fit(
    cohort: &Cohort,
    people: &[usize],
    base: &Model,
    lambda: Option<f64>,
) -> Result<Refit, RefitError> {
    fit_parts(cohort, &cohort.whole(people), base, lambda)
}

/// The same from parts of people's time.
pub(crate) fn fit_parts(
    cohort: &Cohort,
    parts: &[Part],
    base: &Model,
    lambda: Option<f64>,
) -> Result<Refit, RefitError> {
    if lambda.is_some_and(|l| !l.is_finite() || l <= 0.0) {
        return Err(RefitError::Penalty);
    }
    let mut model = base.clone();
    let own_rate = own_rate::fit(cohort, parts, &base.fusion, None);
    model.fusion = own_rate;
    // What an earlier fit found, perhaps from other people, does not count. Evidence is departure
    // from the own rate: b follows it.
    model.fusion.rho = FusionSpec::default().rho;
    for spec in model.modalities.iter_mut().flatten() {
        spec.calibration_prior = CalibrationPrior::default();
    }
    let (penalty, mut left_out) = match lambda {
        Some(penalty) => (penalty, LeftOut::new(cohort, parts, &model, penalty)?),
        None => choose(cohort, parts, &model)?,
    };
    let mut slope = 1.0;
    if let Some(first) = left_out.take() {
        // What the evidence tells, the rate need not tell again: both are fitted about each other.
        let about = own_rate::fit(
            cohort,
            parts,
            &model.fusion,
            Some(&first.told(cohort, first.slope())),
        );
        let alone = model.fusion;
        model.fusion = about;
        let second = LeftOut::new(cohort, parts, &model, penalty)?;
        if let Some(second) = second {
            slope = second.slope();
            let held = second.held(slope, &first);
            slope *= held;
            if held == 0.0 {
                model.fusion = alone;
            }
            left_out = Some(second);
        }
    }
    let learnt = weights(cohort, parts, &model, penalty)?;
    let seen = modalities_seen(cohort, parts, &model);
    let mut model = learnt.into_model(&model, base, &seen);
    for modality in Modality::ALL {
        let m = modality.index();
        let Some(spec) = model.modalities[m].as_mut().filter(|_| seen[m]) else {
            continue;
        };
        if let Some(left_out) = &left_out {
            spec.calibration_prior.a = slope;
            let fits = left_out.personal_fits(cohort, m, spec, &model.fusion);
            if let Ok(found) = spread::fit(&fits) {
                spec.calibration_prior.sd_a = found.sd_a;
                spec.calibration_prior.sd_b = found.sd_b;
            }
        }
    }
    // Personal weights come on top of all of this, where they hold for people who were left out.
    model.personal = match &left_out {
        Some(left_out) => personal_weights::fit(cohort, left_out, &model, slope),
        None => PersonalSpec::default(),
    };
    let scored = |part: &Part| {
        let rows = cohort.part(part).iter();
        rows.filter(|row| row.scored.is_some()).count()
    };
    Ok(Refit {
        model,
        own_rate,
        penalty,
        sessions: parts.iter().map(scored).sum(),
        people: parts.len(),
    })
}

/// Raw evidence and reliability of a stored session under a model.
pub(crate) fn weigh(cohort: &Cohort, scored: usize, model: &Model) -> ([Option<f64>; 4], [f64; 4]) {
    let (mut raw, mut present, mut total) = ([None; 4], [0.0; 4], [0.0; 4]);
    let (z, seen) = (cohort.z(scored), cohort.seen(scored));
    for (i, feature) in model.features.iter().enumerate() {
        let m = feature.modality.index();
        total[m] += feature.weight.abs();
        if seen[i] {
            present[m] += feature.weight.abs();
            *raw[m].get_or_insert(0.0) += feature.weight * z[i];
        }
    }
    let mut r = [0.0; 4];
    for m in 0..4 {
        let spec = model.modalities[m].as_ref();
        if let Some(raw) = raw[m].as_mut() {
            *raw = finite(*raw + spec.map_or(0.0, |s| s.intercept));
            let quality = Some(cohort.quality(scored)[m]);
            let of_modality = spec.map_or(0.0, |s| s.reliability);
            r[m] = reliability(of_modality, quality, present[m], total[m]);
        }
    }
    (raw, r)
}

/// p_worse_fused of a stored session under a model, without a personal calibration but with the
/// person's own weights, and what its outcome is learnt with.
pub(crate) fn predict(
    cohort: &Cohort,
    scored: usize,
    model: &Model,
    own_rate: f64,
    own: &OwnWeights,
) -> (f64, Shares) {
    let (raw, r) = weigh(cohort, scored, model);
    let own_logit = logit(own_rate);
    let mut personal = [0.0; 4];
    if own.count() {
        let z = cohort.z(scored).iter().zip(&model.features);
        for (i, (z, feature)) in z.enumerate() {
            personal[feature.modality.index()] += own.shift(i) * z;
        }
    }
    let logits = std::array::from_fn(|m| {
        let prior = &model.modalities[m].as_ref()?.calibration_prior;
        let line = Calibration::from_prior(prior, own_logit);
        raw[m].map(|raw| clip_logit(finite(line.unclipped_logit(raw) + personal[m])))
    });
    let fused = fuse(&logits, &r, &model.fusion.rho, own_logit);
    let shares =
        std::array::from_fn(|m| logits[m].map_or(0.0, |_| finite(fused.kappa * r[m]) as f32));
    (probability(fused.logit), shares)
}

pub(super) struct Weights {
    features: Vec<f64>,
    intercepts: [f64; 4],
    rho: Option<f64>,
}

impl Weights {
    /// A modality that nobody had says nothing: it keeps what it was given by hand.
    pub(super) fn into_model(self, model: &Model, base: &Model, seen: &[bool; 4]) -> Model {
        let mut model = model.clone();
        for (feature, weight) in model.features.iter_mut().zip(&self.features) {
            if seen[feature.modality.index()] {
                feature.weight = weight.clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT);
            }
        }
        for (m, seen) in seen.iter().enumerate() {
            match model.modalities[m].as_mut() {
                Some(spec) if *seen => spec.intercept = self.intercepts[m],
                _ => model.modalities[m] = base.modalities[m].clone(),
            }
        }
        if let Some(rho) = self.rho {
            model.fusion.rho = uniform_correlation(rho);
        }
        model
    }
}

pub(super) fn modalities_seen(cohort: &Cohort, parts: &[Part], model: &Model) -> [bool; 4] {
    let mut seen = [false; 4];
    for part in parts {
        for scored in cohort.part(part).iter().filter_map(|row| row.scored) {
            for (feature, there) in model.features.iter().zip(cohort.seen(scored)) {
                seen[feature.modality.index()] |= there;
            }
        }
    }
    seen
}

/// Ridge through the fusion, with r and ρ brought up to date.
pub(super) fn weights(
    cohort: &Cohort,
    parts: &[Part],
    model: &Model,
    lambda: f64,
) -> Result<Weights, RefitError> {
    let seen = modalities_seen(cohort, parts, model);
    // Before anything is known every feature weighs the same.
    let mut current = model.clone();
    for feature in &mut current.features {
        feature.weight = 1.0;
    }
    for spec in current.modalities.iter_mut().flatten() {
        spec.intercept = 0.0;
    }
    let columns = cohort.features() + 4;
    let mut learnt = None;
    for _ in 0..ROUNDS {
        let (mut rows, mut offset, mut worse) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            cohort.each(part, &model.fusion, |row, own_rate| {
                let Some(scored) = row.scored else { return };
                let (raw, r) = weigh(cohort, scored, &current);
                let kappa = fuse(&raw, &r, &current.fusion.rho, 0.0).kappa;
                let z = cohort.z(scored);
                rows.extend(current.features.iter().zip(z).map(|(feature, z)| {
                    let m = feature.modality.index();
                    kappa * r[m] * z
                }));
                rows.extend((0..4).map(|m| raw[m].map_or(0.0, |_| kappa * r[m])));
                offset.push(logit(own_rate));
                worse.push(row.worse);
            });
        }
        if worse.is_empty() {
            return Err(RefitError::NoSessions);
        }
        let design = ridge::Design {
            rows: &rows,
            columns,
            worse: &worse,
            offset: Some(&offset),
        };
        let fitted = ridge::fit_about_offset(&design, lambda)?;
        let intercepts = &fitted.weights[cohort.features()..];
        let mut round = Weights {
            features: fitted.weights[..cohort.features()].to_vec(),
            intercepts: std::array::from_fn(|m| intercepts[m]),
            rho: None,
        };
        let mut sessions = Vec::with_capacity(worse.len());
        let shape = Weights {
            features: round.features.clone(),
            intercepts: round.intercepts,
            rho: None,
        };
        current = shape.into_model(&current, model, &seen);
        for part in parts {
            for row in cohort.part(part) {
                if let Some(scored) = row.scored {
                    sessions.push(Evidence {
                        logits: weigh(cohort, scored, &current).0,
                        worse: row.worse,
                    });
                }
            }
        }
        round.rho = evidence_correlation::rho(&sessions);
        if let Some(rho) = round.rho {
            current.fusion.rho = uniform_correlation(rho);
        }
        learnt = Some(round);
    }
    learnt.ok_or(RefitError::NoSessions)
}

/// The penalty under which people who were left out are foretold best.
fn choose(
    cohort: &Cohort,
    parts: &[Part],
    model: &Model,
) -> Result<(f64, Option<LeftOut>), RefitError> {
    let mut best: Option<(f64, LeftOut)> = None;
    let mut attempt = |lambda: f64| -> Result<Option<f64>, RefitError> {
        let Some(left_out) = LeftOut::new(cohort, parts, model, lambda)? else {
            return Ok(None);
        };
        if best
            .as_ref()
            .is_none_or(|(_, least)| left_out.log_loss < least.log_loss)
        {
            best = Some((lambda, left_out));
        }
        Ok(best.as_ref().map(|(lambda, _)| *lambda))
    };
    let mut about = None;
    for lambda in LAMBDAS {
        match attempt(lambda)? {
            Some(lambda) => about = Some(lambda),
            // Nobody to leave out.
            None => return Ok((1.0, None)),
        }
    }
    if let Some(lambda) = about {
        for share in BETWEEN {
            attempt(share * lambda)?;
        }
    }
    best.map(|(lambda, left_out)| (lambda, Some(left_out)))
        .ok_or(RefitError::NoSessions)
}
