//! Labelled sessions of many people, as learning and judging read them: z, not documents.

use crate::fusion::OwnRate;
use crate::model::{FusionSpec, Model};
use crate::numeric::clip;
use std::ops::Range;

/// What was said of a session and what was scored of it.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// created_at, µs since the epoch.
    pub at_us: i64,
    pub worse: bool,
    /// z by feature; empty where the session was not scored: it then counts for the own rate only.
    pub z: &'a [Option<f64>],
    /// r of each modality as stored.
    pub reliability: [Option<f64>; 4],
}

/// Consecutive labelled sessions of one person: all of them, or a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub person: usize,
    /// Places among the person's labelled sessions.
    pub sessions: Range<usize>,
}

/// One labelled session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub at_us: i64,
    pub worse: bool,
    /// Position among the scored rows.
    pub scored: Option<usize>,
}

/// Everybody's labelled sessions, person by person, each in time order.
#[derive(Debug, Clone, Default)]
pub struct Cohort {
    features: usize,
    pub(crate) rows: Vec<Row>,
    people: Vec<Range<usize>>,
    /// Scored rows × features; 0 where missing.
    z: Vec<f64>,
    seen: Vec<bool>,
    /// Quality of each modality's data: the stored r without the model's part in it.
    quality: Vec<[f64; 4]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CohortError {
    #[error("a session has another number of z-values than the model has features")]
    Features,
    #[error("a z-value or reliability is not finite")]
    NotFinite,
    #[error("a person's sessions are not in time order")]
    Order,
}

impl Cohort {
    /// For models of so many features.
    pub fn new(features: usize) -> Cohort {
        Cohort {
            features,
            ..Cohort::default()
        }
    }

    /// The sessions added from here on are the next person's.
    pub fn next_person(&mut self) {
        self.people.push(self.rows.len()..self.rows.len());
    }

    /// Adds a session of the newest person; `by` is the model that scored it.
    pub fn push(&mut self, session: &Labelled<'_>, by: &Model) -> Result<(), CohortError> {
        if self.people.is_empty() {
            self.next_person();
        }
        let Some(person) = self.people.last_mut() else {
            return Err(CohortError::Order);
        };
        let before = self.rows[person.clone()].last();
        if before.is_some_and(|row| row.at_us > session.at_us) {
            return Err(CohortError::Order);
        }
        let scored = if session.z.is_empty() {
            None
        } else {
            if session.z.len() != self.features || by.features.len() != self.features {
                return Err(CohortError::Features);
            }
            let numbers = session.z.iter().chain(&session.reliability).flatten();
            if numbers.into_iter().any(|x| !x.is_finite()) {
                return Err(CohortError::NotFinite);
            }
            self.z.extend(session.z.iter().map(|z| z.unwrap_or(0.0)));
            self.seen.extend(session.z.iter().map(Option::is_some));
            self.quality.push(quality(session, by));
            Some(self.quality.len() - 1)
        };
        self.rows.push(Row {
            at_us: session.at_us,
            worse: session.worse,
            scored,
        });
        person.end = self.rows.len();
        Ok(())
    }

    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Sessions that are labelled and scored.
    pub fn sessions(&self) -> usize {
        self.quality.len()
    }

    pub(crate) fn features(&self) -> usize {
        self.features
    }

    pub(crate) fn person(&self, person: usize) -> &[Row] {
        &self.rows[self.people[person].clone()]
    }

    pub(crate) fn z(&self, scored: usize) -> &[f64] {
        &self.z[scored * self.features..(scored + 1) * self.features]
    }

    pub(crate) fn seen(&self, scored: usize) -> &[bool] {
        &self.seen[scored * self.features..(scored + 1) * self.features]
    }

    pub(crate) fn quality(&self, scored: usize) -> &[f64; 4] {
        &self.quality[scored]
    }

    /// These people with all of their sessions.
    pub(crate) fn whole(&self, people: &[usize]) -> Vec<Part> {
        people
            .iter()
            .map(|&person| Part {
                person,
                sessions: 0..self.people[person].len(),
            })
            .collect()
    }

    pub(crate) fn part(&self, part: &Part) -> &[Row] {
        &self.person(part.person)[part.sessions.clone()]
    }

    /// Calls with every session of a part and the person's own rate before it: from outcomes of
    /// strictly earlier sessions, no others.
    pub(crate) fn each(&self, part: &Part, fusion: &FusionSpec, mut with: impl FnMut(&Row, f64)) {
        let rows = self.person(part.person);
        let mut known = OwnRate::default();
        let mut counted = 0;
        for row in &rows[part.sessions.clone()] {
            while rows[counted].at_us < row.at_us {
                known.observe(rows[counted].at_us, rows[counted].worse, fusion);
                counted += 1;
            }
            with(row, known.before(row.at_us, fusion).worse_rate(fusion));
        }
    }
}

/// The stored r is reliability · quality · share: what is left without the model's part.
fn quality(session: &Labelled<'_>, by: &Model) -> [f64; 4] {
    let (mut present, mut total) = ([0.0; 4], [0.0; 4]);
    for (feature, z) in by.features.iter().zip(session.z) {
        let m = feature.modality.index();
        total[m] += feature.weight.abs();
        if z.is_some() {
            present[m] += feature.weight.abs();
        }
    }
    std::array::from_fn(|m| {
        let reliability = by.modalities[m].as_ref().map_or(1.0, |s| s.reliability);
        let without_quality = reliability * present[m] / total[m];
        match session.reliability[m] {
            Some(stored) if without_quality.is_finite() && without_quality > 0.0 => {
                clip(stored / without_quality, 0.0, 1.0)
            }
            _ => 1.0,
        }
    })
}
