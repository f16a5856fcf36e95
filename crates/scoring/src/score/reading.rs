//! A session read: z-values, and the evidence of each modality, new or kept (SCORING §2 to §5).

use crate::baseline::Baseline;
use crate::drivers::{Dropped, ModalityDriver, Term};
use crate::evidence::{reliability, Calibration};
use crate::features::Leaf;
use crate::kept::Kept;
use crate::modality::Modality;
use crate::model::Model;
use crate::numeric::{clip_logit, finite};
use crate::person::{Person, Session};
use crate::personal::OwnWeights;

/// What goes into a score.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub model: &'a Model,
    pub person: &'a Person,
    pub session: &'a Session,
    pub kept: Option<&'a Kept>,
}

impl Known<'_> {
    /// The person's own weights at this session: a refresh keeps those it was first scored with.
    pub fn own_weights(&self) -> &OwnWeights {
        match self.kept {
            Some(kept) => &kept.own_weights,
            None => &self.person.own_weights,
        }
    }

    /// Whether a modality is weighed by them: a calibration that was fitted takes their place.
    pub fn is_personal(&self, modality: Modality) -> bool {
        let m = modality.index();
        self.model.personal.weight_sd > 0.0
            && match self.kept {
                Some(kept) if kept.modalities[m].is_some() => kept.shares[m] != 0.0,
                _ => self.person.calibrations[m].is_none(),
            }
    }

    /// The modality as it was scored earlier.
    pub fn kept_modality(&self, modality: Modality) -> Option<&ModalityDriver> {
        self.kept
            .and_then(|kept| kept.modalities[modality.index()].as_ref())
    }

    /// Whether a term is a feature of this modality.
    fn is_of(&self, term: &Term, modality: Modality) -> bool {
        let feature = self.model.features.get(term.feature);
        feature.is_some_and(|feature| feature.modality == modality)
    }

    pub fn was_learnt(&self, modality: Modality) -> bool {
        self.kept.is_some_and(|kept| kept.learnt[modality.index()])
    }

    /// A modality is scored once its analysis has arrived, so that features read from the session
    /// itself do not freeze it before; one that reads the session only does not wait.
    pub fn can_be_scored(&self, modality: Modality) -> bool {
        self.session.arrived[modality.index()] || self.model.reads_session_only(modality)
    }

    pub fn baseline(&self, feature: usize) -> Baseline {
        self.person
            .baselines
            .get(feature)
            .copied()
            .unwrap_or_default()
    }

    pub fn leaf(&self, feature: usize) -> Leaf {
        self.session
            .extracted
            .leaves
            .get(feature)
            .copied()
            .unwrap_or(Leaf::Missing)
    }
}

/// All z-values of a session (SCORING §2 and §3).
pub(crate) struct Reading {
    /// Present features in the order of the specification.
    pub terms: Vec<Term>,
    pub feature_z: Vec<Option<f64>>,
    pub dropped: Vec<Dropped>,
    /// Σ weight·z of present features.
    pub evidence: [f64; 4],
    /// Σ|weight| of present features, and of all.
    pub present_weight: [f64; 4],
    pub total_weight: [f64; 4],
    pub present: [bool; 4],
}

pub(crate) fn read_features(known: &Known<'_>) -> Reading {
    let features = &known.model.features;
    let scored_now = Modality::ALL
        .map(|modality| known.kept_modality(modality).is_none() && known.can_be_scored(modality));
    let mut read = Reading {
        terms: Vec::with_capacity(features.len()),
        feature_z: vec![None; features.len()],
        dropped: Vec::new(),
        evidence: [0.0; 4],
        present_weight: [0.0; 4],
        total_weight: [0.0; 4],
        present: [false; 4],
    };
    for (i, feature) in features.iter().enumerate() {
        let m = feature.modality.index();
        read.total_weight[m] += feature.weight.abs();
        let term = if scored_now[m] {
            match known.leaf(i) {
                Leaf::Missing => None,
                Leaf::Value(x) => Some(new_term(known, i, x)),
                Leaf::Dropped(reason) => {
                    read.dropped.push(Dropped {
                        feature: feature.name.clone(),
                        modality: feature.modality,
                        reason: reason.to_owned(),
                    });
                    None
                }
            }
        } else {
            kept_term(known, i, &mut read.dropped)
        };
        if let Some(term) = term {
            read.evidence[m] += feature.weight * term.z;
            read.present_weight[m] += feature.weight.abs();
            read.present[m] = true;
            read.feature_z[i] = Some(term.z);
            read.terms.push(term);
        }
    }
    read
}

fn new_term(known: &Known<'_>, feature: usize, x: f64) -> Term {
    let x = finite(x);
    let spec = &known.model.baseline;
    let at_us = known.session.at_us;
    let baseline = known.baseline(feature).decayed(at_us, spec);
    let z = known.model.features.get(feature).map_or(0.0, |feature| {
        baseline.z(
            x,
            at_us,
            feature.population_mean,
            feature.population_sd,
            spec,
        )
    });
    Term {
        feature,
        z,
        value: Some(x),
        baseline_mean: (baseline.n > 0.0).then(|| finite(baseline.mean)),
        baseline_n: finite(baseline.n),
    }
}

fn kept_term(known: &Known<'_>, feature: usize, dropped: &mut Vec<Dropped>) -> Option<Term> {
    let kept = known.kept?;
    dropped.extend(
        kept.dropped
            .iter()
            .filter(|(i, _)| *i == feature)
            .map(|(_, d)| d.clone()),
    );
    let stored = kept.features.get(feature).copied().flatten()?;
    Some(Term {
        feature,
        z: stored.z,
        value: stored.value,
        baseline_mean: stored.baseline_mean,
        baseline_n: stored.baseline_n,
    })
}

/// Evidence of one modality (SCORING §4 and §5); `None` when no feature is present. Its share of
/// the fused log-odds is filled in later.
pub(crate) fn weigh(
    known: &Known<'_>,
    read: &Reading,
    modality: Modality,
    own_logit: f64,
) -> Option<ModalityDriver> {
    if let Some(kept) = known.kept_modality(modality) {
        return Some(kept.clone());
    }
    let m = modality.index();
    let spec = known.model.modality(modality).filter(|_| read.present[m])?;
    let raw = finite(spec.intercept + read.evidence[m]);
    let calibration = match known.person.calibrations[m] {
        Some(fitted) => fitted.at_own_logit(own_logit),
        None => Calibration::from_prior(&spec.calibration_prior, own_logit),
    };
    let own = known.own_weights();
    let personal = if known.is_personal(modality) && own.count() {
        let terms = read.terms.iter().filter(|term| known.is_of(term, modality));
        finite(terms.map(|term| own.shift(term.feature) * term.z).sum())
    } else {
        0.0
    };
    let baseline_n = read
        .terms
        .iter()
        .filter(|term| known.is_of(term, modality))
        .map(|term| term.baseline_n);
    Some(ModalityDriver {
        raw,
        logit: clip_logit(finite(calibration.unclipped_logit(raw) + personal)),
        reliability: finite(reliability(
            spec.reliability,
            known.session.extracted.quality[m],
            read.present_weight[m],
            read.total_weight[m],
        )),
        contribution: 0.0,
        a: finite(calibration.a),
        b: finite(calibration.b),
        personal,
        variance: finite(calibration.logit_variance(raw)),
        baseline_n: baseline_n.collect(),
    })
}

/// By [`Modality::index`]; `None` where a modality is absent.
pub(crate) type Evidence = [Option<ModalityDriver>; 4];
