//! One session from features to score, in the order of the mathematics.

use crate::baseline::Baseline;
use crate::drivers::{
    explain, Drivers, Dropped, Line, ModalityDriver, ModalityDrivers, Term, UncertaintyDrivers,
};
use crate::evidence::{probability, reliability, Calibration};
use crate::features::Leaf;
use crate::fusion::{fuse, Fused};
use crate::kept::Kept;
use crate::modality::Modality;
use crate::model::{BaselineSpec, Model};
use crate::numeric::{finite, logit, sigmoid};
use crate::person::{Metric, Person, Session};
use crate::quality::{assess, median, Qc};
use crate::smoothing::{score_variance, step};
use crate::uncertainty::{budget, coverage, Uncertainty};

/// The result of a session, and what it changes in the person.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Raw evidence, by [`Modality::index`]; `None` where the modality is absent.
    pub raw: [Option<f64>; 4],
    /// p_worse_m.
    pub p_worse: [Option<f64>; 4],
    /// 1e−6..1 − 1e−6.
    pub p_worse_fused: f64,
    /// 0..100, higher is better.
    pub score: i32,
    pub score_smoothed: f64,
    pub smoothed_variance: f64,
    /// Width of the 90 % interval of p_worse_fused, 0..1.
    pub uncertainty: f64,
    pub qc_overall: Qc,
    pub drivers: Drivers,
    /// Aligned with [`Model::features`].
    pub feature_z: Vec<Option<f64>>,
    /// Modalities whose baselines have learnt this session, now or earlier.
    pub learnt: [bool; 4],
    /// Whether combined_wellness, mood_stability and stress_levels have, now or earlier.
    pub combined_learnt: bool,
    /// Changed feature baselines with their index in [`Model::features`].
    pub baselines: Vec<(usize, Baseline)>,
    /// Changed metrics.
    pub metrics: Vec<(Metric, Baseline)>,
    /// The combined_wellness baseline this session was compared with.
    pub combined_before: Baseline,
    pub combined_score: f64,
    /// In sd of the person's own earlier scores (Crawford & Howell 1998).
    pub baseline_deviation: Option<f64>,
    pub is_baseline_session: bool,
    /// Composite of the self-report, 1..10.
    pub self_report: Option<f64>,
}

/// A session counts towards the first picture of a person while fewer than this many came before.
const BASELINE_SESSIONS: u64 = 5;
/// A deviation needs this many earlier scores.
const DEVIATION_MIN_N: f64 = 3.0;

/// Scores a session. Total: finite input gives finite output.
///
/// With `kept`, the modalities scored earlier keep their evidence bit for bit, those that arrived
/// since are scored, and everything after the evidence is computed anew.
pub fn score(model: &Model, person: &Person, session: &Session, kept: Option<&Kept>) -> Scored {
    let own_rate = person.outcomes.worse_rate(&model.fusion);
    let own_logit = logit(own_rate);

    let known = Known {
        model,
        person,
        session,
        kept,
    };
    let read = read_features(&known);
    let evidence = Modality::ALL.map(|modality| weigh(&known, &read, modality, own_logit));

    let logits = each(&evidence, |driver| driver.logit);
    let reliabilities = present(&evidence, |driver| driver.reliability);
    let fused = fuse(&logits, &reliabilities, &model.fusion.rho, own_logit);
    let p_worse_fused = sigmoid(fused.logit);

    let expected = Modality::ALL.map(|modality| {
        model
            .modality(modality)
            .map_or(0.0, |spec| spec.expected(session.assessment_type))
    });
    let uncertainty = budget(
        &logits,
        &reliabilities,
        &present(&evidence, |driver| driver.variance),
        &fused,
        coverage(&logits, &reliabilities, &expected),
        model.fusion.miss_var,
    );

    let (qc_overall, reasons) = verdict(model, &evidence, &uncertainty, &read.terms);

    let y = 100.0 * (1.0 - p_worse_fused);
    let smoothed = step(
        person.smoothed,
        100.0 * (1.0 - own_rate),
        y,
        score_variance(uncertainty.width(), &model.smoothing),
        session.at_us,
        &model.smoothing,
    );

    let p_worse = each(&evidence, |driver| probability(driver.logit));
    let learning = learn(
        &known,
        &read.terms,
        &p_worse,
        y,
        qc_overall != Qc::Insufficient,
    );
    let raw = each(&evidence, |driver| driver.raw);
    let target_logit = logit(p_worse_fused);
    let (items, base_logit) = explain(
        model,
        &read.terms,
        &lines(model, &evidence),
        &fused,
        own_logit,
        target_logit,
    );
    let drivers = Drivers {
        items,
        base_logit,
        modalities: modality_drivers(evidence, &fused),
        uncertainty: uncertainty_drivers(&uncertainty),
        quality: reasons,
        dropped: read.dropped,
    };

    Scored {
        raw,
        p_worse,
        p_worse_fused,
        // y is within 0..100, so the conversion neither saturates nor loses anything.
        score: y.round() as i32,
        score_smoothed: smoothed.level,
        smoothed_variance: smoothed.variance,
        uncertainty: uncertainty.width(),
        qc_overall,
        drivers,
        feature_z: read.feature_z,
        learnt: learning.learnt,
        combined_learnt: learning.combined_learnt,
        baselines: learning.baselines,
        metrics: learning.metrics,
        combined_before: learning.combined_before,
        combined_score: y.round(),
        baseline_deviation: deviation(y, &learning.combined_before),
        is_baseline_session: person.sessions_before < BASELINE_SESSIONS,
        self_report: session.mood.and_then(|mood| mood.composite()),
    }
}

/// What goes into a score.
#[derive(Clone, Copy)]
struct Known<'a> {
    model: &'a Model,
    person: &'a Person,
    session: &'a Session,
    kept: Option<&'a Kept>,
}

impl Known<'_> {
    /// The modality as it was scored earlier.
    fn kept_modality(&self, modality: Modality) -> Option<&ModalityDriver> {
        self.kept
            .and_then(|kept| kept.modalities[modality.index()].as_ref())
    }

    fn was_learnt(&self, modality: Modality) -> bool {
        self.kept.is_some_and(|kept| kept.learnt[modality.index()])
    }

    /// A modality is scored once its analysis has arrived, so that features read from the session
    /// itself do not freeze it before; one that reads the session only does not wait.
    fn can_be_scored(&self, modality: Modality) -> bool {
        self.session.arrived[modality.index()] || self.model.reads_session_only(modality)
    }

    fn baseline(&self, feature: usize) -> Baseline {
        self.person
            .baselines
            .get(feature)
            .copied()
            .unwrap_or_default()
    }

    fn leaf(&self, feature: usize) -> Leaf {
        self.session
            .extracted
            .leaves
            .get(feature)
            .copied()
            .unwrap_or(Leaf::Missing)
    }
}

/// All z-values of a session (SCORING §2 and §3).
struct Reading {
    /// Present features in the order of the specification.
    terms: Vec<Term>,
    feature_z: Vec<Option<f64>>,
    dropped: Vec<Dropped>,
    /// Σ weight·z of present features.
    evidence: [f64; 4],
    /// Σ|weight| of present features, and of all.
    present_weight: [f64; 4],
    total_weight: [f64; 4],
    present: [bool; 4],
}

fn read_features(known: &Known<'_>) -> Reading {
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
fn weigh(
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
    let calibration = known.person.calibrations[m]
        .unwrap_or_else(|| Calibration::from_prior(&spec.calibration_prior, own_logit));
    let baseline_n = read
        .terms
        .iter()
        .filter(|term| {
            known
                .model
                .features
                .get(term.feature)
                .is_some_and(|f| f.modality == modality)
        })
        .map(|term| term.baseline_n);
    Some(ModalityDriver {
        raw,
        logit: finite(calibration.logit(raw)),
        reliability: finite(reliability(
            spec.reliability,
            known.session.extracted.quality[m],
            read.present_weight[m],
            read.total_weight[m],
        )),
        contribution: 0.0,
        a: finite(calibration.a),
        b: finite(calibration.b),
        variance: finite(calibration.logit_variance(raw)),
        baseline_n: baseline_n.collect(),
    })
}

type Evidence = [Option<ModalityDriver>; 4];

fn each(evidence: &Evidence, of: impl Fn(&ModalityDriver) -> f64) -> [Option<f64>; 4] {
    std::array::from_fn(|m| evidence[m].as_ref().map(&of))
}

/// The same with 0 where a modality is absent.
fn present(evidence: &Evidence, of: impl Fn(&ModalityDriver) -> f64) -> [f64; 4] {
    each(evidence, of).map(|value| value.unwrap_or(0.0))
}

fn verdict(
    model: &Model,
    evidence: &Evidence,
    uncertainty: &Uncertainty,
    terms: &[Term],
) -> (Qc, Vec<String>) {
    let best = evidence
        .iter()
        .flatten()
        .map(|driver| driver.reliability)
        .reduce(f64::max);
    let mut counts: Vec<f64> = terms.iter().map(|term| term.baseline_n).collect();
    assess(
        &model.quality,
        best,
        uncertainty.coverage,
        uncertainty.width(),
        median(&mut counts),
    )
}

/// What a session teaches (SCORING §10 and §11).
struct Learning {
    learnt: [bool; 4],
    combined_learnt: bool,
    baselines: Vec<(usize, Baseline)>,
    metrics: Vec<(Metric, Baseline)>,
    combined_before: Baseline,
}

fn learn(
    known: &Known<'_>,
    terms: &[Term],
    p_worse: &[Option<f64>; 4],
    y: f64,
    usable: bool,
) -> Learning {
    let Known {
        model,
        person,
        session,
        kept,
    } = *known;
    let already = Modality::ALL.map(|modality| known.was_learnt(modality));
    let combined_already = kept.is_some_and(|kept| kept.combined_learnt);
    let combined_before = kept.map_or(person.metrics[Metric::CombinedWellness], |kept| {
        kept.combined_before
    });
    let mut learning = Learning {
        learnt: already,
        combined_learnt: combined_already || usable,
        baselines: Vec::new(),
        metrics: Vec::new(),
        combined_before,
    };
    if !usable {
        return learning;
    }

    learning.baselines.reserve(terms.len());
    for term in terms {
        let Some(feature) = model.features.get(term.feature) else {
            continue;
        };
        if already[feature.modality.index()] {
            continue;
        }
        if let Leaf::Value(x) = known.leaf(term.feature) {
            let before = known.baseline(term.feature);
            let (after, _clipped) = before.learn(finite(x), session.at_us, &model.baseline);
            learning.baselines.push((term.feature, after));
        }
    }

    // A person's own figures are not forgotten: they are the long view.
    let spec = BaselineSpec {
        half_life_days: None,
        ..model.baseline
    };
    let mut learn_metric = |metric: Metric, before: Baseline, x: f64| {
        let (after, _clipped) = before.learn(finite(x), session.at_us, &spec);
        learning.metrics.push((metric, after));
    };
    match kept {
        Some(kept) if combined_already => {
            // What was learnt from the earlier score is taken back; possible only while nothing
            // has been learnt on top of it.
            if kept.newest {
                learn_metric(Metric::CombinedWellness, combined_before, y);
            }
        }
        _ => {
            let now = person.metrics[Metric::CombinedWellness];
            learn_metric(Metric::CombinedWellness, now, y);
        }
    }
    for modality in Modality::ALL {
        let m = modality.index();
        let Some(p_worse) = p_worse[m].filter(|_| !already[m]) else {
            continue;
        };
        learning.learnt[m] = true;
        if let Some(metric) = Metric::of(modality) {
            let wellness = session.wellness[m].unwrap_or(100.0 * (1.0 - p_worse));
            learn_metric(metric, person.metrics[metric], wellness);
        }
    }
    if let Some(mood) = session.mood.filter(|_| !combined_already) {
        let composite = mood.composite();
        if let Some(stability) = composite.and_then(|c| person.mood_stability(session.at_us, c)) {
            learn_metric(
                Metric::MoodStability,
                person.metrics[Metric::MoodStability],
                stability,
            );
        }
        if let Some(stress) = mood.stress {
            let before = person.metrics[Metric::StressLevels];
            learn_metric(Metric::StressLevels, before, 10.0 * stress);
        }
    }
    learning
}

/// (y − mean)/(sd·√((n+1)/n)); `None` while n < 3 or sd = 0.
fn deviation(y: f64, before: &Baseline) -> Option<f64> {
    if before.n < DEVIATION_MIN_N {
        return None;
    }
    let sd = before.sd().filter(|sd| *sd > 0.0)?;
    Some(finite(
        (y - before.mean) / (sd * ((before.n + 1.0) / before.n).sqrt()),
    ))
}

fn lines(model: &Model, evidence: &Evidence) -> [Option<Line>; 4] {
    std::array::from_fn(|m| {
        let driver = evidence[m].as_ref()?;
        Some(Line {
            intercept: model.modalities[m]
                .as_ref()
                .map_or(0.0, |spec| spec.intercept),
            a: driver.a,
            b: driver.b,
            logit: driver.logit,
            reliability: driver.reliability,
        })
    })
}

fn modality_drivers(evidence: Evidence, fused: &Fused) -> ModalityDrivers {
    let mut parts = evidence;
    for (part, contribution) in parts.iter_mut().zip(fused.contributions) {
        if let Some(part) = part {
            part.contribution = finite(contribution);
        }
    }
    let [text, audio, visual, passive] = parts;
    ModalityDrivers {
        text,
        audio,
        visual,
        passive,
    }
}

fn uncertainty_drivers(uncertainty: &Uncertainty) -> UncertaintyDrivers {
    let Uncertainty {
        calibration,
        disagreement,
        missing,
        total,
        low,
        high,
        coverage,
    } = *uncertainty;
    UncertaintyDrivers {
        calibration,
        disagreement,
        missing,
        total,
        low,
        high,
        coverage,
    }
}
