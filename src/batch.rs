//! Scoring many sessions at once: read in one go, scored person by person in memory, written in
//! one go. For mm_fuse_pending(), which holds the people's locks and the sessions' rows.
//!
//! What comes out is what mm_fuse_session() gives, bit for bit, called for one session after the
//! other; where that cannot be had from memory, sessions are handed back.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use mindmeasure_scoring::personal::Lesson;
use mindmeasure_scoring::{
    outcome, score, Baseline, Metric, Model, OwnRate, Person, Scored, Session,
};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::Uuid;

use crate::caller::{lock_person, require_current_view, require_system};
use crate::error::{or_raise, Error, Result};
use crate::load::Before;
use crate::models::{self, Prepared};
use crate::sql::Schema;
use crate::store::{self, Earlier, Identity, Lessons, Score};

/// Sessions read and written by one statement, whose people are in memory meanwhile; bounds the memory.
const SLICE: usize = 100;

/// Scores sessions that have no score yet; returns those it has left alone.
///
/// The three arrays belong together; a person's sessions stand side by side, oldest first.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn mm_fuse_batch(
    session_ids: Vec<Uuid>,
    user_ids: Vec<Uuid>,
    times: Vec<TimestampWithTimeZone>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Vec<Uuid> {
    let schema = Schema::of(fcinfo);
    or_raise(identities(session_ids, user_ids, times).and_then(|all| fuse_batch(&all, &schema)))
}

fn identities(
    session_ids: Vec<Uuid>,
    user_ids: Vec<Uuid>,
    times: Vec<TimestampWithTimeZone>,
) -> Result<Vec<Identity>> {
    if session_ids.len() != user_ids.len() || session_ids.len() != times.len() {
        return Err(Error::Invalid(
            "session_ids",
            "as long as the others".into(),
        ));
    }
    Ok(session_ids
        .into_iter()
        .zip(user_ids)
        .zip(times)
        .map(|((session_id, user_id), created_at)| Identity {
            session_id,
            user_id,
            created_at,
        })
        .collect())
}

fn fuse_batch(all: &[Identity], schema: &Schema) -> Result<Vec<Uuid>> {
    require_system()?;
    let (version, created_at) = models::active(schema)?;
    let prepared = models::prepared(schema, &version, created_at)?;
    let mut batch = Batch {
        prepared,
        schema,
        people: HashMap::new(),
        left: out_of_order(all),
        scored: HashSet::new(),
    };
    let mut slices = all.chunks(SLICE).peekable();
    while let Some(slice) = slices.next() {
        // One connection a slice: its memory is given back before the next.
        Spi::connect_mut(|client| batch.slice(client, slice))?;
        // Of the people only who goes on in the next.
        let next = slices.peek().map(|next| *next[0].user_id.as_bytes());
        batch.people.retain(|person, _| Some(*person) == next);
        pgrx::check_for_interrupts!();
    }
    Ok(all
        .iter()
        .map(|identity| identity.session_id)
        .filter(|id| !batch.scored.contains(id.as_bytes()))
        .collect())
}

/// People two of whose sessions are of one time: neither is before the other, which memory cannot
/// tell from one after the other.
fn out_of_order(all: &[Identity]) -> HashSet<[u8; 16]> {
    all.windows(2)
        .filter_map(|pair| match pair {
            [one, next] if one.user_id == next.user_id && one.created_at >= next.created_at => {
                Some(*one.user_id.as_bytes())
            }
            _ => None,
        })
        .collect()
}

struct Batch<'a> {
    prepared: &'static Prepared,
    schema: &'a Schema,
    people: HashMap<[u8; 16], Known>,
    /// People whose remaining sessions are handed back.
    left: HashSet<[u8; 16]>,
    /// Sessions that now have a score.
    scored: HashSet<[u8; 16]>,
}

/// A person as the sessions of this batch have left them.
struct Known {
    person: Person,
    /// As it is in the database.
    stored: Person,
    reports: Vec<f64>,
    own_rate: OwnRate,
}

/// One session's result, until it is written.
struct Scoring {
    identity: Identity,
    session: Session,
    scored: Scored,
    outcome: Option<bool>,
}

impl Batch<'_> {
    fn slice(&mut self, client: &mut SpiClient<'_>, slice: &[Identity]) -> Result<()> {
        self.meet(client, slice)?;
        let wanted: Vec<Identity> = slice
            .iter()
            .filter(|identity| !self.left.contains(identity.user_id.as_bytes()))
            .copied()
            .collect();
        let model = &self.prepared.model;
        let mut sessions = self.prepared.plan.sessions(client, model, &wanted)?;
        let mut results = Vec::with_capacity(wanted.len());
        for identity in wanted {
            let person = identity.user_id.as_bytes();
            let session = sessions
                .remove(identity.session_id.as_bytes())
                .filter(|session| session.arrived.contains(&true));
            match (session, self.people.get_mut(person)) {
                (Some(session), Some(known)) if !self.left.contains(person) => {
                    results.push(known.score(model, identity, session));
                    self.scored.insert(*identity.session_id.as_bytes());
                }
                _ => {
                    self.left.insert(*person);
                }
            }
        }
        self.write(client, &results)
    }

    /// Loads the people of a slice who are not known yet.
    fn meet(&mut self, client: &mut SpiClient<'_>, slice: &[Identity]) -> Result<()> {
        let (mut people, mut times): (Vec<Uuid>, Vec<TimestampWithTimeZone>) = Default::default();
        for identity in slice {
            let person = identity.user_id.as_bytes();
            if people.last() != Some(&identity.user_id)
                && !self.people.contains_key(person)
                && !self.left.contains(person)
            {
                lock_person(identity.user_id);
                require_current_view(identity.user_id, self.schema)?;
                people.push(identity.user_id);
                times.push(identity.created_at);
            }
        }
        if people.is_empty() {
            return Ok(());
        }
        let model = &self.prepared.model;
        let loaded = self.prepared.plan.people(client, model, &people, times)?;
        for (user_id, before) in people.into_iter().zip(loaded) {
            if before.scored {
                // Something of the person is not earlier than the first session: a score would
                // have to be fitted in between.
                self.left.insert(*user_id.as_bytes());
                continue;
            }
            if let Entry::Vacant(place) = self.people.entry(*user_id.as_bytes()) {
                place.insert(Known::new(before));
            }
        }
        Ok(())
    }

    fn write(&mut self, client: &mut SpiClient<'_>, results: &[Scoring]) -> Result<()> {
        let model = &self.prepared.model;
        let mut lessons = Lessons::default();
        for run in results.chunk_by(|one, next| one.identity.user_id == next.identity.user_id) {
            let user_id = run[0].identity.user_id;
            let Some(known) = self.people.get_mut(user_id.as_bytes()) else {
                continue;
            };
            known.teach(user_id, model, run, &mut lessons)?;
            known.stored = known.person.clone();
        }
        let rows = results
            .iter()
            .map(|result| {
                let scored = &result.scored;
                Score::new(result.identity, &result.session, scored, result.outcome)
            })
            .collect::<Result<Vec<_>>>()?;
        // A person with a score or an outcome that is not earlier was handed back.
        let earlier = Earlier {
            scored: false,
            derived: false,
        };
        store::write(client, self.schema, model, &rows, &lessons, earlier)
    }
}

impl Known {
    fn new(before: Before) -> Known {
        Known {
            stored: before.person.clone(),
            person: before.person,
            reports: before.reports,
            own_rate: before.own_rate,
        }
    }

    fn score(&mut self, model: &Model, identity: Identity, session: Session) -> Scoring {
        self.person.outcomes = self.own_rate.before(session.at_us, &model.fusion);
        let scored = score(model, &self.person, &session, None);
        let outcome = scored
            .self_report
            .and_then(|composite| outcome::worse(&self.reports, composite, &model.outcome));
        self.person.advance(model, &session, &scored);
        self.reports.extend(scored.self_report);
        if let Some(worse) = outcome {
            let told = Lesson::of(&scored, Some(worse));
            self.person.own_weights = told.next(model);
            self.own_rate.observe(session.at_us, worse, &model.fusion);
        }
        Scoring {
            identity,
            session,
            scored,
            outcome,
        }
    }

    /// Adds what changed in a run of sessions, as it is after the last.
    fn teach(
        &self,
        user_id: Uuid,
        model: &Model,
        run: &[Scoring],
        lessons: &mut Lessons,
    ) -> Result<()> {
        let mut features: Vec<usize> = run
            .iter()
            .flat_map(|result| result.scored.baselines.iter().map(|(feature, _)| *feature))
            .collect();
        features.sort_unstable();
        features.dedup();
        let features: Vec<(usize, Baseline)> = features
            .into_iter()
            .filter_map(|feature| Some((feature, *self.person.baselines.get(feature)?)))
            .collect();
        let changed = |metric: &Metric| {
            run.iter()
                .any(|result| result.scored.metrics.iter().any(|(m, _)| m == metric))
        };
        let metrics: Vec<(Metric, Baseline)> = Metric::ALL
            .into_iter()
            .filter(changed)
            .map(|metric| (metric, self.person.metrics[metric]))
            .collect();
        lessons.add(user_id, model, &self.stored, &features, &metrics)
    }
}
