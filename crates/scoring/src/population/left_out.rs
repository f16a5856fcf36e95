//! Who is learnt from and who is left out to be foretold.
//!
//! Groups of people in turn (Stone 1974). A single person's sessions cannot stand for people who
//! were left out, but their future can: then each stretch of time is foretold from what came before
//! it, never from what came after (Dawid 1984).

use super::cohort::{Cohort, Part};

/// One group to be foretold, and all that may be learnt from for it.
pub(crate) struct Split {
    pub learnt_from: Vec<Part>,
    pub left_out: Vec<Part>,
}

/// Splits into `folds` groups of people; of one person into `folds` stretches of time after a first
/// one, which is only learnt from. None where there is nothing to leave out.
pub(crate) fn splits(cohort: &Cohort, parts: &[Part], folds: usize) -> Vec<Split> {
    match parts {
        [one] => stretches(cohort, one, folds),
        _ => groups(parts, folds.min(parts.len())),
    }
}

fn groups(parts: &[Part], folds: usize) -> Vec<Split> {
    let group = |fold: usize, inside: bool| -> Vec<Part> {
        let numbered = parts.iter().enumerate();
        numbered
            .filter(|(i, _)| (i % folds == fold) == inside)
            .map(|(_, part)| part.clone())
            .collect()
    };
    (0..folds)
        .map(|fold| Split {
            learnt_from: group(fold, false),
            left_out: group(fold, true),
        })
        .filter(|split| !split.learnt_from.is_empty())
        .collect()
}

fn stretches(cohort: &Cohort, part: &Part, folds: usize) -> Vec<Split> {
    let rows = cohort.part(part);
    // Sessions of one moment stay together: none of them is the others' past.
    let border = |stretch: usize| -> usize {
        let place = stretch * rows.len() / (folds + 1);
        match rows.get(place) {
            Some(at) => rows.partition_point(|row| row.at_us < at.at_us),
            None => rows.len(),
        }
    };
    let stretch = |from: usize, to: usize| Part {
        person: part.person,
        sessions: part.sessions.start + from..part.sessions.start + to,
    };
    (1..=folds)
        .map(|i| (border(i), border(i + 1)))
        .filter(|(from, to)| 0 < *from && from < to)
        .map(|(from, to)| Split {
            learnt_from: vec![stretch(0, from)],
            left_out: vec![stretch(from, to)],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::population::cohort::Labelled;
    use serde_json::json;

    /// People with so many sessions, two at each moment.
    fn cohort(sessions: &[usize]) -> Cohort {
        let by = Model::from_json(&json!({"model_version": "m", "features": [{"name": "f",
            "modality": "text", "document": "linguistic_patterns", "path": "$.f", "weight": 1,
            "population_mean": 0, "population_sd": 1}]}))
        .unwrap();
        let mut cohort = Cohort::new(1);
        for n in sessions {
            cohort.next_person();
            for i in 0..*n {
                let labelled = Labelled {
                    at_us: i as i64 / 2,
                    worse: false,
                    z: &[Some(0.0)],
                    reliability: [Some(1.0), None, None, None],
                };
                cohort.push(&labelled, &by).unwrap();
            }
        }
        cohort
    }

    #[test]
    fn nobody_is_foretold_from_themselves_and_everybody_once() {
        let cohort = cohort(&[4; 7]);
        let splits = splits(&cohort, &cohort.whole(&[0, 1, 2, 3, 4, 5, 6]), 3);
        let mut foretold = Vec::new();
        for split in &splits {
            for part in &split.left_out {
                assert_eq!(part.sessions, 0..4);
                assert!(split.learnt_from.iter().all(|p| p.person != part.person));
                foretold.push(part.person);
            }
        }
        foretold.sort_unstable();
        assert_eq!(foretold, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn one_person_is_foretold_from_strictly_earlier_sessions() {
        let cohort = cohort(&[4, 50]);
        let whole = cohort.whole(&[1]);
        let splits = splits(&cohort, &whole, 4);
        assert_eq!(splits.len(), 4);
        let mut next = splits[0].left_out[0].sessions.start;
        for split in &splits {
            let (learnt, left_out) = (&split.learnt_from[0], &split.left_out[0]);
            assert_eq!((learnt.sessions.start, learnt.sessions.end), (0, next));
            assert_eq!(left_out.sessions.start, next);
            let last = cohort.part(learnt).last().unwrap().at_us;
            assert!(cohort.part(left_out).iter().all(|row| row.at_us > last));
            next = left_out.sessions.end;
        }
        assert_eq!(next, 50);
    }

    #[test]
    fn sessions_of_one_moment_leave_nothing_to_foretell() {
        let cohort = cohort(&[2]);
        assert!(splits(&cohort, &cohort.whole(&[0]), 4).is_empty());
        assert!(splits(&cohort, &cohort.whole(&[]), 4).is_empty());
    }
}
