//! Reading: rows of the database → what the mathematics takes.

use std::collections::HashMap;

use mindmeasure_scoring::fusion::OwnRates;
use mindmeasure_scoring::history::departure;
use mindmeasure_scoring::personal::Lesson;
use mindmeasure_scoring::{
    AssessmentType, Baseline, Calibration, Metric, Metrics, Modality, Model, Mood, OwnRate,
    OwnWeights, Owner, Past, Person, Session, Smoothed, Watch,
};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::spi::{SpiClient, SpiHeapTupleData};
use pgrx::{FromDatum, IntoDatum, Uuid};
use serde_json::{Number, Value};

use crate::error::{Error, Result};
use crate::jsonb::Document;
use crate::privacy::values::Opener;
use crate::sql::{Query, Schema};
use crate::store::Identity;

const DOCUMENTS: &str = include_str!("../sql/scoring/documents.sql");
const PERSON: &str = include_str!("../sql/scoring/person.sql");
const CALIBRATIONS: &str = include_str!("../sql/scoring/calibrations.sql");
const PERSON_BATCH: &str = include_str!("../sql/scoring/person_batch.sql");
const ONE_SESSION: &str = include_str!("../sql/scoring/one_session.sql");
const SESSION_BATCH: &str = include_str!("../sql/scoring/session_batch.sql");
const PAST_SESSIONS: &str = include_str!("../sql/scoring/past_sessions.sql");

const SCORED_MEANWHILE: &str =
    "EXISTS (SELECT FROM @extschema@.fusion_outputs AS x WHERE x.session_id = $1)";
const DERIVED_BEFORE: &str =
    "EXISTS (SELECT FROM @extschema@.session_outcomes AS x WHERE x.session_id = $1 AND x.derived)";
const SCORED_LATER: &str = "(EXISTS (SELECT FROM @extschema@.fusion_outputs AS x WHERE x.user_id = w.person AND x.session_created_at >= w.before)
     OR EXISTS (SELECT FROM @extschema@.session_outcomes AS x WHERE x.user_id = w.person AND x.session_created_at >= w.before))";

/// The queries that load what one model needs.
pub struct LoadPlan {
    one: Query,
    past: Query,
    sessions: Query,
    people: Query,
    feature_index: HashMap<String, usize>,
    schema: Schema,
}

/// A session and the person before it.
pub struct Loaded {
    pub session: Session,
    pub before: Before,
}

/// A person before a session.
pub struct Before {
    pub person: Person,
    /// The outcomes of `person`, to be carried on from.
    pub own_rate: OwnRate,
    /// The self-reports of all earlier sessions, in order; none where they were not asked for.
    pub reports: Vec<f64>,
    /// Whether the session has been scored meanwhile; of many, whether there is a score or an
    /// outcome that is not earlier than the first session.
    pub scored: bool,
    /// Whether an outcome was derived from the session itself before. Of many none was where `scored`
    /// is not set.
    pub derived: bool,
}

impl LoadPlan {
    pub fn new(model: &Model, schema: &Schema) -> LoadPlan {
        let columns: String = model
            .documents
            .iter()
            .filter(|document| !document.column.numeric)
            .map(|document| {
                format!(
                    ", {}.{}",
                    table_alias(document.column.owner),
                    document.column.name
                )
            })
            .collect();
        let documents = |source: &str| {
            DOCUMENTS
                .replace("@documents@", &columns)
                .replace("@source@", source)
        };
        let person = |person: &str, before: &str, scored: &str, derived: &str, reports: &str| {
            PERSON
                .replace("@calibrations@", CALIBRATIONS)
                .replace("@person@", person)
                .replace("@before@", before)
                .replace("@scored@", scored)
                .replace("@derived@", derived)
                .replace("@reports@", reports)
        };
        LoadPlan {
            one: Query::new(schema.qualify(&format!(
                "SELECT d.*, k.* FROM ({}) AS d CROSS JOIN LATERAL ({}) AS k",
                documents(ONE_SESSION),
                person(
                    "$2",
                    "$3",
                    SCORED_MEANWHILE,
                    DERIVED_BEFORE,
                    "d.mood IS NOT NULL"
                )
            ))),
            past: Query::new(schema.qualify(&format!(
                "{} ORDER BY s.created_at, s.id",
                documents(PAST_SESSIONS)
            ))),
            sessions: Query::new(schema.qualify(&documents(SESSION_BATCH))),
            people: Query::new(schema.qualify(&PERSON_BATCH.replace(
                "@person_query@",
                &person("w.person", "w.before", SCORED_LATER, "false", "true"),
            ))),
            feature_index: model
                .features
                .iter()
                .enumerate()
                .map(|(i, feature)| (feature.name.clone(), i))
                .collect(),
            schema: schema.clone(),
        }
    }

    /// The session with all that is known of the person before it; `None` where it is gone.
    pub fn one(
        &self,
        client: &mut SpiClient<'_>,
        model: &Model,
        session_id: Uuid,
        user_id: Uuid,
        created_at: TimestampWithTimeZone,
    ) -> Result<Option<Loaded>> {
        let arguments = [session_id.into(), user_id.into(), created_at.into()];
        let Some(row) = self.one.run(client, &arguments)?.next() else {
            return Ok(None);
        };
        let mut columns = Columns::new(&row);
        let opener = Opener::new(&self.schema, user_id);
        let id = columns.required("id")?;
        let session = read_session(id, &mut columns, model, &opener)?;
        let aged = self.aged_outcomes(client, model, user_id, created_at)?;
        let before = self.read_person(&mut columns, model, created_at, aged)?;
        Ok(Some(Loaded { session, before }))
    }

    /// Sessions by their ids; one that is gone is left out.
    pub fn sessions(
        &self,
        client: &mut SpiClient<'_>,
        model: &Model,
        wanted: &[Identity],
    ) -> Result<HashMap<[u8; 16], Session>> {
        let ids: Vec<Uuid> = wanted.iter().map(|one| one.session_id).collect();
        let times: Vec<TimestampWithTimeZone> = wanted.iter().map(|one| one.created_at).collect();
        let people: HashMap<[u8; 16], Uuid> = wanted
            .iter()
            .map(|one| (*one.session_id.as_bytes(), one.user_id))
            .collect();
        // One a person: their key is looked up once.
        let mut openers: HashMap<Uuid, Opener<'_>> = HashMap::new();
        let mut sessions = HashMap::with_capacity(wanted.len());
        for row in self.sessions.run(client, &[ids.into(), times.into()])? {
            let mut columns = Columns::new(&row);
            let id: Uuid = columns.required("id")?;
            let user_id = *people.get(id.as_bytes()).ok_or(Error::UnknownSession)?;
            let opener = openers
                .entry(user_id)
                .or_insert_with(|| Opener::new(&self.schema, user_id));
            let session = read_session(id, &mut columns, model, opener)?;
            sessions.insert(*id.as_bytes(), session);
        }
        Ok(sessions)
    }

    /// People, each before a time of theirs, in the order given.
    pub fn people(
        &self,
        client: &mut SpiClient<'_>,
        model: &Model,
        people: Vec<Uuid>,
        times: Vec<TimestampWithTimeZone>,
    ) -> Result<Vec<Before>> {
        let arguments = [people.clone().into(), times.clone().into()];
        let rows = self.people.run(client, &arguments)?;
        rows.zip(people.into_iter().zip(times))
            .map(|(row, (user_id, before))| {
                let mut columns = Columns::new(&row);
                columns.required::<i64>("place")?;
                let aged = self.aged_outcomes(client, model, user_id, before)?;
                self.read_person(&mut columns, model, before, aged)
            })
            .collect()
    }

    /// All outcomes before a time, where old ones are worth less.
    fn aged_outcomes(
        &self,
        client: &mut SpiClient<'_>,
        model: &Model,
        user_id: Uuid,
        before: TimestampWithTimeZone,
    ) -> Result<Option<Vec<(i64, bool)>>> {
        if !model.fusion.outcomes_age() {
            return Ok(None);
        }
        outcomes(client, &self.schema, user_id, Some(before)).map(Some)
    }

    /// The next hundred sessions of a person after (time, id), archived ones too, in order.
    pub fn past(
        &self,
        client: &mut SpiClient<'_>,
        model: &Model,
        user_id: Uuid,
        after: (TimestampWithTimeZone, Uuid),
    ) -> Result<Vec<(Uuid, Session)>> {
        let opener = Opener::new(&self.schema, user_id);
        self.past
            .run(client, &[user_id.into(), after.0.into(), after.1.into()])?
            .map(|row| {
                let mut columns = Columns::new(&row);
                let id = columns.required("id")?;
                Ok((id, read_session(id, &mut columns, model, &opener)?))
            })
            .collect()
    }

    /// The columns of person.sql, in its order; `aged` takes the place of its outcomes.
    fn read_person(
        &self,
        columns: &mut Columns<'_, '_>,
        model: &Model,
        before: TimestampWithTimeZone,
        aged: Option<Vec<(i64, bool)>>,
    ) -> Result<Before> {
        let mut person = Person::unknown(model);
        let names: Vec<String> = columns.list()?;
        let (n, mean, m2, sum_w2): (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>) = (
            columns.list()?,
            columns.list()?,
            columns.list()?,
            columns.list()?,
        );
        let observed: Vec<Option<TimestampWithTimeZone>> = columns.list()?;
        for (i, name) in names.iter().enumerate() {
            if let Some(&feature) = self.feature_index.get(name) {
                person.baselines[feature] = Baseline {
                    n: at(&n, i)?,
                    mean: at(&mean, i)?,
                    m2: at(&m2, i)?,
                    sum_w2: at(&sum_w2, i)?,
                    last_us: at(&observed, i)?.map(TimestampWithTimeZone::into_inner),
                };
            }
        }
        person.calibrations = read_calibrations(columns)?;
        let (counted, recent) = read_outcomes(columns)?;
        let (earlier, later) = match aged {
            Some(outcomes) => (OwnRate::default(), outcomes),
            None => (counted, recent),
        };
        let mut own_rates = OwnRates::new(earlier, later, &model.fusion);
        let (level, variance, at_time) = (
            columns.next()?,
            columns.next()?,
            columns.next::<TimestampWithTimeZone>()?,
        );
        person.smoothed = match (level, variance, at_time) {
            (Some(level), Some(variance), Some(time)) => Some(Smoothed {
                level,
                variance,
                at_us: time.into_inner(),
            }),
            _ => None,
        };
        person.watch = watch(&columns.list::<f64>()?);
        person.metrics = read_metrics(columns)?;
        person.sessions_before = columns.required::<i64>("sessions_before")?.unsigned_abs();
        person.history = read_history(columns, &mut own_rates)?;
        let before = before.into_inner();
        let own_rate = own_rates.before(before);
        person.outcomes = own_rate.before(before, &model.fusion);
        person.compared = columns
            .next::<TimestampWithTimeZone>()?
            .zip(columns.next::<TimestampWithTimeZone>()?)
            .map(|(first, last)| (first.into_inner(), last.into_inner()));
        let mut reports: Vec<f64> = columns.list()?;
        reports.reverse();
        let (scored, derived) = (columns.required("scored")?, columns.required("derived")?);
        person.own_weights = read_own_weights(columns, model)?;
        Ok(Before {
            person,
            own_rate,
            reports,
            scored,
            derived,
        })
    }
}

/// Those the newest earlier session was scored with, and what its outcome taught.
fn read_own_weights(columns: &mut Columns<'_, '_>, model: &Model) -> Result<OwnWeights> {
    let by: Option<String> = columns.next()?;
    if model.personal.weight_sd <= 0.0 || by.as_ref() != Some(&model.model_version) {
        // Another model's weights are other weights: the person starts from this one's.
        columns.skip(4);
        return Ok(OwnWeights::default());
    }
    let personal: Vec<f32> = columns.list()?;
    let worse: Option<bool> = columns.next()?;
    if worse.is_none() {
        columns.skip(2);
    }
    let (feature_z, p_worse_fused) = match worse {
        Some(_) => (columns.list()?, columns.required("p_worse_fused")?),
        None => (Vec::new(), 0.5),
    };
    let last = Lesson {
        personal: &personal,
        feature_z: &feature_z,
        p_worse_fused,
        worse,
    };
    Ok(last.next(model))
}

fn table_alias(owner: Owner) -> &'static str {
    match owner {
        Owner::Session => "s",
        Owner::Analysis(Modality::Text) => "t",
        Owner::Analysis(Modality::Audio) => "a",
        Owner::Analysis(Modality::Visual) => "v",
        Owner::Analysis(Modality::Passive) => "p",
    }
}

const SESSIONS: &str = "assessment_sessions";

fn analysis_table(modality: Modality) -> &'static str {
    match modality {
        Modality::Text => "text_analysis",
        Modality::Audio => "audio_analysis",
        Modality::Visual => "visual_analysis",
        Modality::Passive => "passive_analysis",
    }
}

/// The columns of documents.sql, in its order, after the session's id.
fn read_session(
    id: Uuid,
    columns: &mut Columns<'_, '_>,
    model: &Model,
    opener: &Opener<'_>,
) -> Result<Session> {
    let at: TimestampWithTimeZone = columns.required("created_at")?;
    let assessment_type = columns
        .next::<String>()?
        .as_deref()
        .and_then(AssessmentType::parse)
        .unwrap_or(AssessmentType::Full);
    let mood = columns.document()?;
    let mood_column = columns.required::<String>("mood_column")?;
    let mood = match mood {
        Some(mood) => opener.document(SESSIONS, &mood_column, id, mood)?,
        None => None,
    };
    let mood = mood.as_ref().and_then(Mood::from_json);
    let rows: [Option<Uuid>; 4] = four(columns.required::<Vec<Option<Uuid>>>("rows")?)?;
    let arrived = rows.map(|row| row.is_some());
    let wellness: [Option<f64>; 4] = four(columns.required::<Vec<Option<f64>>>("wellness")?)?;
    let mut documents = Vec::with_capacity(model.documents.len());
    for document in &model.documents {
        documents.push(if document.column.numeric {
            wellness[document.modality.index()]
                .and_then(Number::from_f64)
                .map(Value::Number)
        } else {
            let (table, row) = match document.column.owner {
                Owner::Session => (SESSIONS, Some(id)),
                Owner::Analysis(modality) => (analysis_table(modality), rows[modality.index()]),
            };
            match columns.document()?.zip(row) {
                Some((value, row)) => opener.document(table, document.column.name, row, value)?,
                None => None,
            }
        });
    }
    Ok(Session {
        at_us: at.into_inner(),
        assessment_type,
        arrived,
        extracted: model.extract(&documents),
        wellness,
        mood,
    })
}

/// A person's outcomes in time order as (µs, worse); with a time those of earlier sessions only.
pub fn outcomes(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    user_id: Uuid,
    before: Option<TimestampWithTimeZone>,
) -> Result<Vec<(i64, bool)>> {
    schema
        .query(include_str!("../sql/scoring/outcomes.sql"))
        .run(client, &[user_id.into(), before.into()])?
        .map(|row| {
            let mut columns = Columns::new(&row);
            let at: TimestampWithTimeZone = columns.required("session_created_at")?;
            Ok((at.into_inner(), columns.required("worse")?))
        })
        .collect()
}

/// A person's calibrations on their own, for a replay.
pub fn calibrations(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    user_id: Uuid,
) -> Result<[Option<Calibration>; 4]> {
    let query = schema.query_with(CALIBRATIONS, || CALIBRATIONS.replace("@person@", "$1"));
    match query.run(client, &[user_id.into()])?.next() {
        Some(row) => read_calibrations(&mut Columns::new(&row)),
        None => Ok([None; 4]),
    }
}

fn read_calibrations(columns: &mut Columns<'_, '_>) -> Result<[Option<Calibration>; 4]> {
    let modalities: Vec<String> = columns.list()?;
    let (a, b): (Vec<f64>, Vec<f64>) = (columns.list()?, columns.list()?);
    let (var_a, cov, var_b): (Vec<f64>, Vec<f64>, Vec<f64>) =
        (columns.list()?, columns.list()?, columns.list()?);
    let own_logit: Vec<Option<f64>> = columns.list()?;
    let mut calibrations = [None; 4];
    for (i, name) in modalities.iter().enumerate() {
        if let Some(modality) = Modality::parse(name) {
            calibrations[modality.index()] = Some(Calibration {
                a: at(&a, i)?,
                b: at(&b, i)?,
                covariance: [at(&var_a, i)?, at(&cov, i)?, at(&var_b, i)?],
                own_logit: at(&own_logit, i)?,
            });
        }
    }
    Ok(calibrations)
}

/// The outcomes older than the history, counted, and the others as (µs, worse).
fn read_outcomes(columns: &mut Columns<'_, '_>) -> Result<(OwnRate, Vec<(i64, bool)>)> {
    let (n, worse): (i64, i64) = (columns.required("outcomes")?, columns.required("worse")?);
    let times: Vec<TimestampWithTimeZone> = columns.list()?;
    let recent: Vec<bool> = columns.list()?;
    let times = times.into_iter().map(TimestampWithTimeZone::into_inner);
    Ok((
        OwnRate::counted(n as f64, worse as f64),
        times.zip(recent).collect(),
    ))
}

/// Newest first in the database, oldest first in the mathematics.
fn read_history(columns: &mut Columns<'_, '_>, own_rates: &mut OwnRates<'_>) -> Result<Vec<Past>> {
    let times: Vec<TimestampWithTimeZone> = columns.list()?;
    let p_worse: Vec<f64> = columns.list()?;
    let usable: Vec<bool> = columns.list()?;
    let mut figures: [Vec<Option<f64>>; 5] = Default::default();
    for figure in &mut figures {
        *figure = columns.list()?;
    }
    let [energy, stress, comfort, social, sleep] = figures;
    (0..times.len())
        .rev()
        .map(|i| {
            let at_us = at(&times, i)?.into_inner();
            let own_logit = own_rates.logit_before(at_us);
            let p_worse: f64 = at(&p_worse, i)?;
            let departure = at(&usable, i)?.then(|| departure(p_worse, own_logit));
            let mood = Mood {
                energy: at(&energy, i)?,
                stress: at(&stress, i)?,
                comfort: at(&comfort, i)?,
                social: at(&social, i)?,
                sleep: at(&sleep, i)?,
            };
            Ok(Past::new(at_us, departure, Some(mood)))
        })
        .collect()
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

fn read_metrics(columns: &mut Columns<'_, '_>) -> Result<Metrics> {
    let types: Vec<String> = columns.list()?;
    let n: Vec<i32> = columns.list()?;
    let (mean, m2): (Vec<f64>, Vec<f64>) = (columns.list()?, columns.list()?);
    let mut metrics = Metrics::default();
    for (i, name) in types.iter().enumerate() {
        if let Some(metric) = Metric::parse(name) {
            metrics[metric] = metric_baseline(f64::from(at(&n, i)?), at(&mean, i)?, at(&m2, i)?);
        }
    }
    Ok(metrics)
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

fn at<T: Copy>(values: &[T], index: usize) -> Result<T> {
    values
        .get(index)
        .copied()
        .ok_or_else(|| Error::Stored("arrays of different lengths".into()))
}

/// One value a modality.
pub fn four<T>(values: Vec<T>) -> Result<[T; 4]> {
    values
        .try_into()
        .map_err(|_| Error::Stored("not one value a modality".into()))
}

/// Reads the columns of a row one after another.
pub struct Columns<'row, 'conn> {
    row: &'row SpiHeapTupleData<'conn>,
    at: usize,
}

impl<'row, 'conn> Columns<'row, 'conn> {
    pub fn new(row: &'row SpiHeapTupleData<'conn>) -> Self {
        Columns { row, at: 0 }
    }

    pub fn next<T: FromDatum + IntoDatum>(&mut self) -> Result<Option<T>> {
        self.at += 1;
        Ok(self.row.get(self.at)?)
    }

    /// Leaves columns unread.
    pub fn skip(&mut self, columns: usize) {
        self.at += columns;
    }

    pub fn required<T: FromDatum + IntoDatum>(&mut self, name: &str) -> Result<T> {
        self.next()?.ok_or_else(|| Error::Stored(name.into()))
    }

    /// An array without NULLs; none at all is an empty one.
    pub fn list<T>(&mut self) -> Result<Vec<T>>
    where
        Vec<T>: FromDatum + IntoDatum,
    {
        Ok(self.next()?.unwrap_or_default())
    }

    /// A JSONB column. What could not be read (written before the limit was lowered) is missing.
    pub fn document(&mut self) -> Result<Option<Value>> {
        Ok(self
            .next::<Document>()?
            .and_then(|document| document.0.ok()))
    }
}
