//! Replaying a person's sessions in time order from nothing: rescoring, and rebuilding baselines.

use mindmeasure_scoring::history::recent;
use mindmeasure_scoring::personal::Lesson;
use mindmeasure_scoring::{
    outcome, score, Metric, Model, OwnRate, OwnWeights, Past, Person, Session, Smoothed, Watch,
};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::Uuid;

use crate::caller::{lock_person, require_current_view, require_system};
use crate::error::{or_raise, Error, Result};
use crate::load::Columns;
use crate::models::{self, Prepared};
use crate::sql::Schema;
use crate::store::{self, Earlier, Identity, Learnt, Lessons, Score};

/// Scores all of a person's scored sessions anew with the active model; returns how many.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn mm_rescore_user(user_id: Option<Uuid>, fcinfo: pg_sys::FunctionCallInfo) -> i64 {
    or_raise(replay(user_id, &Schema::of(fcinfo), Write::Scores))
}

/// Rebuilds a person's baselines from their scored sessions; returns how many they were.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn mm_update_baselines(user_id: Option<Uuid>, fcinfo: pg_sys::FunctionCallInfo) -> i64 {
    or_raise(replay(user_id, &Schema::of(fcinfo), Write::Baselines))
}

/// What a replay writes.
#[derive(Clone, Copy, PartialEq)]
enum Write {
    Scores,
    Baselines,
}

fn replay(user_id: Option<Uuid>, schema: &Schema, write: Write) -> Result<i64> {
    let user_id = user_id.ok_or(Error::Missing("user_id"))?;
    require_system()?;
    lock_person(user_id);
    require_current_view(user_id, schema)?;
    let (version, created_at) = models::active(schema)?;
    let prepared = models::prepared(schema, &version, created_at)?;
    let mut replay = Spi::connect_mut(|client| Replay::new(client, schema, prepared, user_id))?;
    let (mut batches, total) = (0, sessions(schema, user_id)?);
    let mut after = (
        TimestampWithTimeZone::try_from(EARLIEST).map_err(|_| Error::Stored("time".into()))?,
        Uuid::from_bytes([0; 16]),
    );
    loop {
        // One connection a batch: its memory is given back before the next.
        let last = Spi::connect_mut(|client| {
            replay.batch(client, schema, prepared, user_id, after, write)
        })?;
        pgrx::check_for_interrupts!();
        match last {
            Some(last) => after = last,
            None => break,
        }
        batches += 1;
        // A person of one batch is done before anybody could look.
        if total > BATCH {
            progress(schema, write, (batches * BATCH).min(total), total)?;
        }
    }
    Spi::connect_mut(|client| {
        let learnt = replay.learnt(&prepared.model, user_id)?;
        store::baselines(client, schema, &learnt)?;
        store::forget_others(client, schema, user_id, &learnt)?;
        if write == Write::Scores {
            // What was derived from a score that is gone.
            schema
                .query("DELETE FROM @extschema@.session_outcomes AS o WHERE o.user_id = $1 AND o.derived AND NOT EXISTS (SELECT FROM @extschema@.fusion_outputs AS f WHERE f.session_id = o.session_id)")
                .run(client, &[user_id.into()])?;
        }
        Ok::<(), Error>(())
    })?;
    Ok(replay.scored)
}

/// Sessions a batch, as sql/scoring/past_sessions.sql has it.
const BATCH: i64 = 100;

/// How many sessions there are at most.
fn sessions(schema: &Schema, user_id: Uuid) -> Result<i64> {
    let query = schema.query("SELECT count(*) FROM @extschema@.session_keys WHERE user_id = $1");
    let count: Option<i64> = Spi::connect_mut(|client| {
        query
            .run(client, &[user_id.into()])?
            .first()
            .get_one()
            .map_err(Error::from)
    })?;
    Ok(count.unwrap_or(0))
}

fn progress(schema: &Schema, write: Write, done: i64, total: i64) -> Result<()> {
    let task = match write {
        Write::Scores => "rescore",
        Write::Baselines => "update baselines",
    };
    let query = schema.query("SELECT @extschema@.mm_progress($1, $2, $3)");
    Spi::connect_mut(|client| {
        let arguments = [task.into(), done.into(), total.into()];
        query.run(client, &arguments).map(|_| ())
    })
}

/// 1970-01-01, in microseconds from Postgres' epoch: no session is earlier (session_keys).
const EARLIEST: i64 = -946_684_800_000_000 - 1;

struct Replay {
    person: Person,
    /// (time, session, worse), ascending: what was recorded, and of the sessions replayed so far
    /// what their self-reports say.
    outcomes: Vec<(i64, [u8; 16], bool)>,
    /// What later sessions see of the replayed ones, ascending.
    past: Vec<Replayed>,
    /// The same, as trends look back on it.
    history: Vec<Past>,
    scored: i64,
}

/// What a replayed session leaves to the next.
struct Replayed {
    session_id: [u8; 16],
    smoothed: Smoothed,
    watch: Watch,
    personal: Vec<f32>,
    feature_z: Vec<Option<f64>>,
    p_worse_fused: f64,
}

impl Replay {
    fn new(
        client: &mut SpiClient<'_>,
        schema: &Schema,
        prepared: &Prepared,
        user_id: Uuid,
    ) -> Result<Replay> {
        let mut person = Person::unknown(&prepared.model);
        person.calibrations = crate::load::calibrations_of(schema, user_id)?;
        let outcomes = schema
            .query("SELECT session_created_at, session_id, worse FROM @extschema@.session_outcomes WHERE user_id = $1 AND NOT derived ORDER BY session_created_at, session_id")
            .run(client, &[user_id.into()])?
            .map(|row| {
                let mut columns = Columns::new(&row);
                let at: TimestampWithTimeZone = columns.required("session_created_at")?;
                let session_id: Uuid = columns.required("session_id")?;
                Ok((
                    at.into_inner(),
                    *session_id.as_bytes(),
                    columns.required("worse")?,
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Replay {
            person,
            outcomes,
            past: Vec::new(),
            history: Vec::new(),
            scored: 0,
        })
    }

    /// The next batch of sessions; where to go on, or `None` at the end.
    fn batch(
        &mut self,
        client: &mut SpiClient<'_>,
        schema: &Schema,
        prepared: &Prepared,
        user_id: Uuid,
        after: (TimestampWithTimeZone, Uuid),
        write: Write,
    ) -> Result<Option<(TimestampWithTimeZone, Uuid)>> {
        let sessions = prepared
            .plan
            .past(client, &prepared.model, user_id, after)?;
        let mut last = None;
        let mut results = Vec::with_capacity(sessions.len());
        for (session_id, session) in &sessions {
            let created_at = TimestampWithTimeZone::try_from(session.at_us)
                .map_err(|_| Error::Stored("created_at".into()))?;
            last = Some((created_at, *session_id));
            if !session.arrived.contains(&true) {
                continue;
            }
            let earlier = self.look_back(&prepared.model, session);
            let scored = score(&prepared.model, &self.person, session, None);
            let outcome = scored.self_report.and_then(|composite| {
                let reports: Vec<f64> = self.history[..earlier]
                    .iter()
                    .filter_map(|past| past.report)
                    .collect();
                outcome::worse(&reports, composite, &prepared.model.outcome)
            });
            if let Some(worse) = outcome {
                self.told(session.at_us, *session_id.as_bytes(), worse);
            }
            self.person.advance(&prepared.model, session, &scored);
            self.past.push(Replayed {
                session_id: *session_id.as_bytes(),
                smoothed: Smoothed {
                    level: scored.score_smoothed,
                    variance: scored.smoothed_variance,
                    at_us: session.at_us,
                },
                watch: scored.watch,
                personal: scored.personal.clone(),
                feature_z: scored.feature_z.clone(),
                p_worse_fused: scored.p_worse_fused,
            });
            let past = Past::new(session.at_us, scored.departure, session.mood);
            self.history.push(past);
            self.scored += 1;
            let identity = Identity {
                session_id: *session_id,
                user_id,
                created_at,
            };
            results.push((identity, session, scored, outcome));
        }
        if write == Write::Scores {
            let rows = results
                .iter()
                .map(|(identity, session, scored, outcome)| {
                    Score::new(*identity, session, scored, *outcome)
                })
                .collect::<Result<Vec<_>>>()?;
            // Baselines come at the end, once.
            let lessons = Lessons::default();
            let earlier = Earlier {
                scored: true,
                derived: true,
            };
            store::write(client, schema, &prepared.model, &rows, &lessons, earlier)?;
        }
        Ok(last)
    }

    /// Takes in what a self-report says of its session, unless somebody said it.
    fn told(&mut self, at_us: i64, session_id: [u8; 16], worse: bool) {
        let key = (at_us, session_id);
        let place = self
            .outcomes
            .partition_point(|(at, id, _)| (*at, *id) < key);
        let said = self.outcomes.get(place);
        if said.is_none_or(|(at, id, _)| (*at, *id) != key) {
            self.outcomes.insert(place, (at_us, session_id, worse));
        }
    }

    /// Leaves of the past what fusing sees of it: strictly earlier sessions only. Returns how many.
    fn look_back(&mut self, model: &Model, session: &Session) -> usize {
        let count = self
            .history
            .partition_point(|past| past.at_us < session.at_us);
        let last = self.past[..count].last();
        self.person.smoothed = last.map(|replayed| replayed.smoothed);
        self.person.watch = last.map_or(Watch::default(), |replayed| replayed.watch);
        self.person.own_weights = last.map_or_else(OwnWeights::default, |replayed| {
            let told = Lesson {
                personal: &replayed.personal,
                feature_z: &replayed.feature_z,
                p_worse_fused: replayed.p_worse_fused,
                worse: self.outcome(replayed),
            };
            told.next(model)
        });
        self.person.sessions_before = count as u64;
        let earlier = &self.history[..count];
        self.person.history = recent(earlier, session.at_us).to_vec();
        let usable = |past: &&Past| past.departure.is_some();
        let (first, last) = (
            earlier.iter().find(usable),
            earlier.iter().rev().find(usable),
        );
        self.person.compared = first.zip(last).map(|(a, b)| (a.at_us, b.at_us));
        let mut known = OwnRate::default();
        let outcomes = self.outcomes.iter();
        for (at_us, _, worse) in outcomes.take_while(|(at_us, ..)| *at_us < session.at_us) {
            known.observe(*at_us, *worse, &model.fusion);
        }
        self.person.outcomes = known.before(session.at_us, &model.fusion);
        count
    }

    /// What is known of a replayed session.
    fn outcome(&self, replayed: &Replayed) -> Option<bool> {
        let key = (replayed.smoothed.at_us, replayed.session_id);
        let place = self
            .outcomes
            .binary_search_by_key(&key, |(at, id, _)| (*at, *id));
        place.ok().map(|place| self.outcomes[place].2)
    }

    fn learnt(&self, model: &Model, user_id: Uuid) -> Result<Learnt> {
        let mut learnt = Learnt::default();
        for (index, baseline) in self.person.baselines.iter().enumerate() {
            if baseline.n > 0.0 {
                learnt.add_feature(user_id, model, index, *baseline)?;
            }
        }
        for metric in Metric::ALL {
            let baseline = self.person.metrics[metric];
            if baseline.n > 0.0 {
                learnt.add_metric(user_id, metric, baseline);
            }
        }
        Ok(learnt)
    }
}
