//! People, before a session: their baselines, calibrations, outcomes and scores → what the mathematics takes.
//!
//! Read without a plan: a statement that gathers all this sets up some thirty nodes, and passes each row
//! through several of them.

use std::ffi::CStr;

use mindmeasure_scoring::fusion::OwnRates;
use mindmeasure_scoring::history::departure;
use mindmeasure_scoring::personal::Lesson;
use mindmeasure_scoring::{
    Baseline, Calibration, Metric, Metrics, Modality, Model, Mood, OwnRate, Past, Person, Smoothed,
    Watch,
};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::spi::SpiClient;
use pgrx::{pg_sys, Uuid};

use super::{outcomes, LoadPlan};
use crate::direct::{Table, View};
use crate::error::{Error, Result};
use crate::sql::Schema;

/// The last ninety days, at most so many sessions: crates/scoring/src/trends/history.rs.
const HISTORY_US: i64 = 2160 * 3_600_000_000;
const HISTORY_SESSIONS: usize = 400;

/// A person before a session.
pub struct Before {
    pub person: Person,
    /// The outcomes of `person`, to be carried on from.
    pub own_rate: OwnRate,
    /// The self-reports of all earlier sessions, in order.
    pub reports: Vec<f64>,
    /// Whether the session has been scored meanwhile; of many, whether there is a score or an
    /// outcome that is not earlier than the first session.
    pub scored: bool,
    /// Whether an outcome was derived from the session itself before. Of many none was where `scored`
    /// is not set.
    pub derived: bool,
}

/// What is asked of a person's later rows.
#[derive(Clone, Copy)]
pub enum Asked {
    /// Whether this session has been scored.
    Of(Uuid),
    /// Whether there is any.
    OfMany,
}

/// The tables that people are read from, open.
pub struct People<'a> {
    schema: &'a Schema,
    features: Table,
    metrics: Table,
    calibrations: Table,
    outcomes: Table,
    fused: Table,
}

/// An earlier score, as it lies in its index.
struct Scored {
    at: TimestampWithTimeZone,
    session_id: Uuid,
    p_worse: f64,
    is_usable: bool,
    self_report: Option<f64>,
    mood: Mood,
}

/// A person's outcomes about a time.
#[derive(Default)]
struct Outcomes {
    /// The earlier ones older than the history: how many, and of how many the person was worse.
    counted: f64,
    counted_worse: f64,
    /// The others as (µs, worse): what the own rate was before each session of the history.
    recent: Vec<(i64, bool)>,
    /// Whether there are later ones.
    later: bool,
}

impl<'a> People<'a> {
    pub fn open(schema: &'a Schema) -> Result<People<'a>> {
        let open = |name: &CStr| {
            Table::open(
                schema.oid,
                name,
                pg_sys::AccessShareLock as pg_sys::LOCKMODE,
            )
        };
        Ok(People {
            schema,
            features: open(c"user_feature_baselines")?,
            metrics: open(c"user_baselines")?,
            calibrations: open(c"user_calibration")?,
            outcomes: open(c"session_outcomes")?,
            fused: open(c"fusion_outputs")?,
        })
    }

    /// A person before a time.
    pub fn before(
        &self,
        client: &mut SpiClient<'_>,
        plan: &LoadPlan,
        model: &Model,
        user_id: Uuid,
        before: TimestampWithTimeZone,
        asked: Asked,
    ) -> Result<Before> {
        let mut person = Person::unknown(model);
        self.baselines(plan, user_id, &mut person)?;
        person.calibrations = calibrations(&self.calibrations, user_id)?;
        person.metrics = self.metrics(user_id)?;
        let told = self.outcomes(user_id, before)?;
        let (earlier, later) = if model.fusion.outcomes_age() {
            // Old ones are worth less, each for itself.
            let all = outcomes(client, self.schema, user_id, Some(before))?;
            (OwnRate::default(), all)
        } else {
            let counted = OwnRate::counted(told.counted, told.counted_worse);
            (counted, told.recent)
        };
        let mut own_rates = OwnRates::new(earlier, later, &model.fusion);
        let (scores, scored) = self.scores(user_id, before, asked)?;
        if let Some(newest) = scores.last() {
            self.carry_on(newest, model, &mut person)?;
        }
        person.sessions_before = scores.len() as u64;
        person.history = history(&scores, before, &mut own_rates);
        let mut usable = scores.iter().filter(|score| score.is_usable);
        person.compared = usable.next().map(|first| {
            let last = usable.next_back().unwrap_or(first);
            (first.at.into_inner(), last.at.into_inner())
        });
        let before = before.into_inner();
        let own_rate = own_rates.before(before);
        person.outcomes = own_rate.before(before, &model.fusion);
        let derived = match asked {
            Asked::Of(session_id) => self.is_derived(session_id)?,
            Asked::OfMany => false,
        };
        Ok(Before {
            person,
            own_rate,
            reports: scores
                .iter()
                .filter_map(|score| score.self_report)
                .collect(),
            scored: scored || matches!(asked, Asked::OfMany) && told.later,
            derived,
        })
    }

    /// Those of the model; a person may have others too.
    fn baselines(&self, plan: &LoadPlan, user_id: Uuid, person: &mut Person) -> Result<()> {
        let columns = [
            c"feature_name",
            c"n",
            c"mean",
            c"m2",
            c"sum_w2",
            c"last_observed_at",
        ];
        self.of(&self.features, user_id, columns, |row| {
            // SAFETY: the columns are of these types.
            unsafe {
                let name = row.text(0, "feature_name")?;
                let n: f64 = row.required(1, "n")?;
                if let (Some(&feature), true) = (plan.feature_index.get(name), n > 0.0) {
                    let observed: Option<TimestampWithTimeZone> = row.get(5);
                    person.baselines[feature] = Baseline {
                        n,
                        mean: row.required(2, "mean")?,
                        m2: row.required(3, "m2")?,
                        sum_w2: row.required(4, "sum_w2")?,
                        last_us: observed.map(TimestampWithTimeZone::into_inner),
                    };
                }
            }
            Ok(())
        })
    }

    fn metrics(&self, user_id: Uuid) -> Result<Metrics> {
        let mut metrics = Metrics::default();
        let columns = [c"metric_type", c"sample_count", c"mean", c"m2"];
        self.of(&self.metrics, user_id, columns, |row| {
            // SAFETY: the columns are of these types.
            unsafe {
                if let Some(metric) = Metric::parse(row.text(0, "metric_type")?) {
                    let n: i32 = row.required(1, "sample_count")?;
                    let (mean, m2) = (row.required(2, "mean")?, row.required(3, "m2")?);
                    metrics[metric] = metric_baseline(f64::from(n), mean, m2);
                }
            }
            Ok(())
        })?;
        Ok(metrics)
    }

    fn outcomes(&self, user_id: Uuid, before: TimestampWithTimeZone) -> Result<Outcomes> {
        let mut outcomes = Outcomes::default();
        let before = before.into_inner();
        let columns = [c"session_created_at", c"worse"];
        self.of(&self.outcomes, user_id, columns, |row| {
            // SAFETY: the columns are of these types.
            let (at, worse) = unsafe {
                let at: TimestampWithTimeZone = row.required(0, "session_created_at")?;
                (at.into_inner(), row.required::<bool>(1, "worse")?)
            };
            if at >= before {
                outcomes.later = true;
            } else if at > before - HISTORY_US {
                outcomes.recent.push((at, worse));
            } else {
                outcomes.counted += 1.0;
                outcomes.counted_worse += f64::from(u8::from(worse));
            }
            Ok(())
        })?;
        Ok(outcomes)
    }

    /// The earlier scores, oldest first, and what is asked of the others.
    fn scores(
        &self,
        user_id: Uuid,
        before: TimestampWithTimeZone,
        asked: Asked,
    ) -> Result<(Vec<Scored>, bool)> {
        let (mut scores, mut answer) = (Vec::new(), false);
        let from = before.into_inner();
        let columns = [
            c"session_created_at",
            c"session_id",
            c"p_worse_fused",
            c"qc_overall",
            c"self_report",
            c"reported_energy",
            c"reported_stress",
            c"reported_comfort",
            c"reported_social",
            c"reported_sleep",
        ];
        self.of(&self.fused, user_id, columns, |row| {
            // SAFETY: the columns are of these types.
            unsafe {
                let at: TimestampWithTimeZone = row.required(0, "session_created_at")?;
                let session_id: Uuid = row.required(1, "session_id")?;
                let is_later = at.into_inner() >= from;
                answer |= match asked {
                    Asked::Of(asked) => asked == session_id,
                    Asked::OfMany => is_later,
                };
                if !is_later {
                    scores.push(Scored {
                        at,
                        session_id,
                        p_worse: row.required(2, "p_worse_fused")?,
                        is_usable: row.text(3, "qc_overall")? != "insufficient",
                        self_report: row.get(4),
                        mood: Mood {
                            energy: row.get(5),
                            stress: row.get(6),
                            comfort: row.get(7),
                            social: row.get(8),
                            sleep: row.get(9),
                        },
                    });
                }
            }
            Ok(())
        })?;
        scores.sort_unstable_by_key(|score| (score.at.into_inner(), *score.session_id.as_bytes()));
        Ok((scores, answer))
    }

    /// What goes on from the newest score.
    fn carry_on(&self, newest: &Scored, model: &Model, person: &mut Person) -> Result<()> {
        let key = newest.session_id;
        let found = self
            .fused
            .find(c"session_id", key, View::Transaction, |row| {
                if let (Some(level), Some(variance)) =
                    (row.get(c"score_smoothed"), row.get(c"smoothed_variance"))
                {
                    let at_us = newest.at.into_inner();
                    person.smoothed = Some(Smoothed {
                        level,
                        variance,
                        at_us,
                    });
                }
                let state: Vec<f64> = row.get(c"decline_watch").unwrap_or_default();
                person.watch = watch(&state);
                let by: Option<String> = row.get(c"model_version");
                let weights = (model.personal.weight_sd > 0.0
                    && by.as_ref() == Some(&model.model_version))
                .then(|| {
                    let personal: Vec<f32> = row.get(c"personal_weights").unwrap_or_default();
                    let z: Vec<Option<f64>> = row.get(c"feature_z").unwrap_or_default();
                    (personal, z)
                });
                weights
            })?;
        // Another model's weights are other weights: the person starts from this one's.
        let Some(Some((personal, feature_z))) = found else {
            return Ok(());
        };
        let worse = self
            .outcomes
            .find(c"session_id", key, View::Transaction, |row| {
                row.get::<bool>(c"worse")
            })?
            .flatten();
        let last = Lesson {
            personal: &personal,
            feature_z: &feature_z,
            p_worse_fused: newest.p_worse,
            worse,
        };
        person.own_weights = last.next(model);
        Ok(())
    }

    fn is_derived(&self, session_id: Uuid) -> Result<bool> {
        let derived = self
            .outcomes
            .find(c"session_id", session_id, View::Transaction, |row| {
                row.get(c"derived")
            })?;
        Ok(derived.flatten().unwrap_or(false))
    }

    fn of<const N: usize>(
        &self,
        table: &Table,
        user_id: Uuid,
        columns: [&CStr; N],
        take: impl FnMut(&crate::direct::Values<'_, N>) -> Result<()>,
    ) -> Result<()> {
        table.read(c"user_id", user_id, columns, View::Transaction, take)
    }
}

fn history(
    scores: &[Scored],
    before: TimestampWithTimeZone,
    own_rates: &mut OwnRates<'_>,
) -> Vec<Past> {
    let from = before.into_inner() - HISTORY_US;
    let first = scores.partition_point(|score| score.at.into_inner() <= from);
    let first = first.max(scores.len().saturating_sub(HISTORY_SESSIONS));
    scores[first..]
        .iter()
        .map(|score| {
            let at_us = score.at.into_inner();
            let own_logit = own_rates.logit_before(at_us);
            let departure = score.is_usable.then(|| departure(score.p_worse, own_logit));
            Past::new(at_us, departure, Some(score.mood))
        })
        .collect()
}

/// A person's fitted calibrations.
pub fn calibrations_of(schema: &Schema, user_id: Uuid) -> Result<[Option<Calibration>; 4]> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let table = Table::open(schema.oid, c"user_calibration", lock)?;
    calibrations(&table, user_id)
}

fn calibrations(table: &Table, user_id: Uuid) -> Result<[Option<Calibration>; 4]> {
    let mut calibrations = [None; 4];
    let columns = [c"modality", c"a", c"b", c"covariance", c"own_logit"];
    table.read(c"user_id", user_id, columns, View::Transaction, |row| {
        // SAFETY: the columns are of these types.
        unsafe {
            if let Some(modality) = Modality::parse(row.text(0, "modality")?) {
                let covariance: Vec<f64> = row.required(3, "covariance")?;
                calibrations[modality.index()] = Some(Calibration {
                    a: row.required(1, "a")?,
                    b: row.required(2, "b")?,
                    covariance: covariance
                        .get(..3)
                        .and_then(|three| three.try_into().ok())
                        .ok_or_else(|| Error::Stored("covariance".into()))?,
                    own_logit: row.get(4),
                });
            }
        }
        Ok(())
    })?;
    Ok(calibrations)
}

/// Rows that another system wrote have no watch, and before 1.1.0 it was one of scores; it begins
/// anew after them.
fn watch(state: &[f64]) -> Watch {
    match *state {
        [n, mean, m2, sum, _own_logit] if state.iter().all(|x| x.is_finite()) => {
            Watch { n, mean, m2, sum }
        }
        _ => Watch::default(),
    }
}

/// Metrics do not forget: the weights are all 1, and the time of the last value plays no part.
pub fn metric_baseline(n: f64, mean: f64, m2: f64) -> Baseline {
    Baseline {
        n,
        mean,
        m2,
        sum_w2: n,
        last_us: None,
    }
}
