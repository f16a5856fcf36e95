//! Reading: rows of the database → what the mathematics takes. Sessions by statements; people: person.rs.

mod person;

use std::collections::HashMap;

use mindmeasure_scoring::{AssessmentType, Modality, Model, Mood, Owner, Session};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::spi::{SpiClient, SpiHeapTupleData};
use pgrx::{FromDatum, IntoDatum, Uuid};
use serde_json::{Number, Value};

use crate::error::{Error, Result};
use crate::jsonb::Document;
use crate::privacy::values::Opener;
use crate::sql::{Query, Schema};
use crate::store::Identity;
pub use person::{calibrations_of, metric_baseline, Before};
use person::{Asked, People};

const DOCUMENTS: &str = include_str!("../../sql/scoring/documents.sql");
const ONE_SESSION: &str = include_str!("../../sql/scoring/one_session.sql");
const SESSION_BATCH: &str = include_str!("../../sql/scoring/session_batch.sql");
const PAST_SESSIONS: &str = include_str!("../../sql/scoring/past_sessions.sql");

/// The queries that load what one model needs.
pub struct LoadPlan {
    one: Query,
    past: Query,
    sessions: Query,
    feature_index: HashMap<String, usize>,
    schema: Schema,
}

/// A session and the person before it.
pub struct Loaded {
    pub session: Session,
    pub before: Before,
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
        LoadPlan {
            one: Query::new(schema.qualify(&documents(ONE_SESSION))),
            past: Query::new(schema.qualify(&format!(
                "{} ORDER BY s.created_at, s.id",
                documents(PAST_SESSIONS)
            ))),
            sessions: Query::new(schema.qualify(&documents(SESSION_BATCH))),
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
        let arguments = [session_id.into(), created_at.into()];
        let Some(row) = self.one.run(client, &arguments)?.next() else {
            return Ok(None);
        };
        let mut columns = Columns::new(&row);
        let opener = Opener::new(&self.schema, user_id);
        let id = columns.required("id")?;
        let session = read_session(id, &mut columns, model, &opener)?;
        let people = People::open(&self.schema)?;
        let asked = Asked::Of(session_id);
        let before = people.before(client, self, model, user_id, created_at, asked)?;
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
        people: &[Uuid],
        times: Vec<TimestampWithTimeZone>,
    ) -> Result<Vec<Before>> {
        let tables = People::open(&self.schema)?;
        people
            .iter()
            .zip(times)
            .map(|(user_id, before)| {
                tables.before(client, self, model, *user_id, before, Asked::OfMany)
            })
            .collect()
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
        .query(include_str!("../../sql/scoring/outcomes.sql"))
        .run(client, &[user_id.into(), before.into()])?
        .map(|row| {
            let mut columns = Columns::new(&row);
            let at: TimestampWithTimeZone = columns.required("session_created_at")?;
            Ok((at.into_inner(), columns.required("worse")?))
        })
        .collect()
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
