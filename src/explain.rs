//! mm_explain_session(): a score in plain words.
//!
//! Runs with the caller's rights: the policies of the tables decide whose session it may be.

use mindmeasure_scoring::explanation::{explanation, Moved, Told, Usual};
use mindmeasure_scoring::Qc;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::Uuid;
use serde::Deserialize;

use crate::error::{or_raise, Error, Result};
use crate::load::Columns;
use crate::sql::Schema;

/// Three to six sentences about one score.
#[pg_extern(stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn mm_explain_session(session_id: Option<Uuid>, fcinfo: pg_sys::FunctionCallInfo) -> String {
    or_raise(explain(session_id, &Schema::of(fcinfo)))
}

fn explain(session_id: Option<Uuid>, schema: &Schema) -> Result<String> {
    let session_id = session_id.ok_or(Error::Missing("session_id"))?;
    Spi::connect(|client| match stored(client, schema, session_id)? {
        Some(stored) => Ok(explanation(&stored.told())),
        None if is_known(client, schema, session_id)? => Err(Error::NotScored),
        None => Err(Error::UnknownSession),
    })
}

fn is_known(client: &SpiClient<'_>, schema: &Schema, session_id: Uuid) -> Result<bool> {
    let query = schema.query("SELECT FROM @extschema@.assessment_sessions AS s WHERE s.id = $1");
    Ok(!query.read(client, &[session_id.into()])?.is_empty())
}

/// A stored score, as far as it is told to people.
pub struct Explained {
    score: i32,
    range: Option<(f64, f64)>,
    pub qc: Qc,
    usual: Option<Usual>,
    pub drivers: Drivers,
    pub trend: Option<Trends>,
}

/// fusion_outputs.drivers; rows of other systems may hold anything there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Drivers {
    pub items: Vec<Item>,
    quality: Vec<String>,
}

#[derive(Deserialize)]
pub struct Item {
    pub feature: String,
    pub modality: Option<String>,
    pub z: Option<f64>,
    pub contribution: f64,
}

/// The direction of a window with too few sessions.
pub const TOO_FEW: &str = "insufficient data";

/// mind_measure_scores.trend_analysis.
#[derive(Deserialize)]
pub struct Trends {
    pub short_term: String,
    pub medium_term: String,
    pub long_term: String,
    #[serde(default)]
    pub patterns: Vec<String>,
    #[serde(default)]
    pub correlations: Vec<Factor>,
    pub windows: Option<Windows>,
    alarm: Option<Alarm>,
}

#[derive(Deserialize)]
pub struct Factor {
    pub factor: String,
    pub correlation: f64,
    pub confidence: f64,
    pub n: Option<u64>,
}

#[derive(Deserialize)]
pub struct Windows {
    pub short_term: Window,
    pub medium_term: Window,
    pub long_term: Window,
}

#[derive(Deserialize)]
pub struct Window {
    pub n: u64,
    pub slope: Option<f64>,
    pub p: Option<f64>,
}

#[derive(Deserialize)]
struct Alarm {
    raised: bool,
}

/// The score of a session that the caller may see.
pub fn stored(
    client: &SpiClient<'_>,
    schema: &Schema,
    session_id: Uuid,
) -> Result<Option<Explained>> {
    let query = schema.query(include_str!("../sql/reading/session.sql"));
    let Some(row) = query.read(client, &[session_id.into()])?.next() else {
        return Ok(None);
    };
    let mut columns = Columns::new(&row);
    let score = columns.required("score")?;
    let range = columns.next::<f64>()?.zip(columns.next::<f64>()?);
    let qc = columns.required::<String>("qc_overall")?;
    // What does not read is left out: a person's score can be told without it.
    let drivers = columns
        .next::<String>()?
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let (mean, n) = (columns.next::<f64>()?, columns.next::<f64>()?);
    let (deviation, p) = (columns.next::<f64>()?, columns.next::<f64>()?);
    let days = columns.next::<i64>()?.unwrap_or(0);
    let usual = match (mean, n, deviation, p) {
        (Some(mean), Some(n), Some(deviation), Some(p)) => Some(Usual {
            mean,
            n,
            deviation,
            p,
            days,
        }),
        _ => None,
    };
    let trend = columns
        .next::<String>()?
        .and_then(|text| serde_json::from_str(&text).ok());
    Ok(Some(Explained {
        score,
        range,
        qc: Qc::parse(&qc).unwrap_or(Qc::Insufficient),
        usual,
        drivers,
        trend,
    }))
}

impl Explained {
    pub fn told(&self) -> Told {
        let trend = self.trend.as_ref();
        let direction =
            |word: fn(&Trends) -> &String| trend.map(word).filter(|word| *word != TOO_FEW).cloned();
        Told {
            score: self.score,
            range: self.range,
            qc: self.qc,
            reasons: self.drivers.quality.clone(),
            items: self
                .drivers
                .items
                .iter()
                .filter_map(|item| {
                    Some(Moved {
                        feature: item.feature.clone(),
                        z: item.z?,
                        contribution: item.contribution,
                    })
                })
                .collect(),
            usual: self.usual,
            trend: direction(|trend| &trend.medium_term),
            long_trend: direction(|trend| &trend.long_term),
            alarm: trend
                .and_then(|trend| trend.alarm.as_ref())
                .is_some_and(|alarm| alarm.raised),
        }
    }
}
