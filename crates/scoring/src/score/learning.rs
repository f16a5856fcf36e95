//! What a session teaches: feature baselines once per modality, metrics once per session
//! (SCORING §10 and §11).

use crate::baseline::Baseline;
use crate::drivers::Term;
use crate::features::Leaf;
use crate::modality::Modality;
use crate::model::BaselineSpec;
use crate::numeric::finite;
use crate::person::Metric;
use crate::reading::Known;

/// The changes, to be stored.
pub(crate) struct Learning {
    pub learnt: [bool; 4],
    pub combined_learnt: bool,
    pub baselines: Vec<(usize, Baseline)>,
    pub metrics: Vec<(Metric, Baseline)>,
    pub combined_before: Baseline,
}

pub(crate) fn learn(
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
