//! One session from features to score, in the order of the mathematics.

use crate::baseline::Baseline;
use crate::change::Watch;
use crate::comparison::{compare, BaselineComparison};
use crate::drivers::{
    explain, Drivers, Line, ModalityDriver, ModalityDrivers, Term, UncertaintyDrivers,
};
use crate::evidence::probability;
use crate::fusion::{fuse, Fused};
use crate::history::{departure, recent, Past};
use crate::kept::Kept;
use crate::learning::learn;
use crate::modality::Modality;
use crate::model::Model;
use crate::numeric::{finite, logit};
use crate::person::{Metric, Person, Session, BASELINE_SESSIONS};
use crate::quality::{assess, median, Qc};
use crate::reading::{read_features, weigh, Evidence, Known};
use crate::smoothing::{score_variance, step};
use crate::trend_analysis::{analyse, Seen, TrendAnalysis};
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
    /// l_u: log-odds of the person's own rate.
    pub own_logit: f64,
    /// As the person's history keeps it: see [`crate::history::Past::departure`].
    pub departure: Option<f64>,
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
    /// What this session's outcome is learnt with, for the person's own weights; empty where the
    /// model leaves everybody its own.
    pub personal: Vec<f32>,
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
    /// The watch for a decline after this session.
    pub watch: Watch,
    pub baseline_comparison: BaselineComparison,
    pub trend_analysis: TrendAnalysis,
}

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
    let p_worse_fused = probability(fused.logit);

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
    let usable = qc_overall != Qc::Insufficient;

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
    let learning = learn(&known, &read.terms, &p_worse, y, usable);
    let raw = each(&evidence, |driver| driver.raw);
    let target_logit = logit(p_worse_fused);
    let (lines, weights) = lines(&known, &evidence);
    let (items, base_logit) = explain(
        model,
        &weights,
        &read.terms,
        &lines,
        &fused,
        own_logit,
        target_logit,
    );
    let personal = personal(&known, &logits, &reliabilities, &fused);
    let drivers = Drivers {
        items,
        base_logit,
        modalities: modality_drivers(evidence, &fused),
        uncertainty: uncertainty_drivers(&uncertainty),
        quality: reasons,
        dropped: read.dropped,
    };

    let departure = usable.then(|| departure(p_worse_fused, own_logit));
    let now = Past::new(session.at_us, departure, session.mood);
    let seen = Seen {
        earlier: recent(&person.history, session.at_us),
        now: &now,
        before: learning.combined_before.n as usize,
        own_logit,
    };
    let watch = seen.watch(person.watch);
    let trend_analysis = analyse(&seen, &watch);
    let baseline_deviation = deviation(y, &learning.combined_before);
    let baseline_comparison = compare(
        baseline_deviation,
        &learning.combined_before,
        person.compared,
        session.at_us,
        &trend_analysis.windows.medium_term,
    );

    Scored {
        raw,
        p_worse,
        p_worse_fused,
        own_logit,
        departure,
        // y is within 0..100, so the conversion neither saturates nor loses anything.
        score: y.round() as i32,
        score_smoothed: smoothed.level,
        smoothed_variance: smoothed.variance,
        uncertainty: uncertainty.width(),
        qc_overall,
        drivers,
        feature_z: read.feature_z,
        personal,
        learnt: learning.learnt,
        combined_learnt: learning.combined_learnt,
        baselines: learning.baselines,
        metrics: learning.metrics,
        combined_before: learning.combined_before,
        combined_score: y.round(),
        baseline_deviation,
        is_baseline_session: person.sessions_before < BASELINE_SESSIONS as u64,
        self_report: now.report,
        watch,
        baseline_comparison,
        trend_analysis,
    }
}

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

/// The lines the evidence went through, and the weights of the features in them. Where somebody has
/// weights of their own, a is part of these.
fn lines(known: &Known<'_>, evidence: &Evidence) -> ([Option<Line>; 4], Vec<f64>) {
    let model = known.model;
    let own = known.own_weights();
    let mut weights: Vec<f64> = model.features.iter().map(|f| f.weight).collect();
    let lines = Modality::ALL.map(|modality| {
        let driver = evidence[modality.index()].as_ref()?;
        let spec = model.modality(modality);
        let mut line = Line {
            intercept: spec.map_or(0.0, |spec| spec.intercept),
            a: driver.a,
            b: driver.b,
            logit: driver.logit,
            reliability: driver.reliability,
        };
        if driver.personal != 0.0 {
            line.intercept = finite(driver.a * line.intercept);
            line.a = 1.0;
            for (i, feature) in model.features_of(modality) {
                weights[i] = finite(driver.a * feature.weight + own.shift(i));
            }
        }
        Some(line)
    });
    (lines, weights)
}

/// What is stored to learn from this session's outcome.
fn personal(
    known: &Known<'_>,
    logits: &[Option<f64>; 4],
    reliabilities: &[f64; 4],
    fused: &Fused,
) -> Vec<f32> {
    if known.model.personal.weight_sd <= 0.0 {
        return Vec::new();
    }
    let shares = Modality::ALL.map(|modality| {
        let m = modality.index();
        if logits[m].is_some() && known.is_personal(modality) {
            finite(fused.kappa * reliabilities[m]) as f32
        } else {
            0.0
        }
    });
    known.own_weights().to_stored(&shares)
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
