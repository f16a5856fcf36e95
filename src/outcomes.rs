//! session_outcomes: what was really the case.

use pgrx::prelude::*;
use pgrx::Uuid;

use crate::caller::{is_system, lock_person, may_act_for};
use crate::error::{or_raise, Error, Result};
use crate::load::Columns;
use crate::sql::Schema;

/// Records whether the person was worse than usual at a session; a later word replaces an earlier.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn mm_record_outcome(
    session_id: Option<Uuid>,
    worse: Option<bool>,
    source: default!(Option<&str>, "'clinician'"),
    fcinfo: pg_sys::FunctionCallInfo,
) {
    or_raise(record(session_id, worse, source, &Schema::of(fcinfo)));
}

/// The source of an outcome that the person gave.
const SELF_REPORT: &str = "self_report";

fn record(
    session_id: Option<Uuid>,
    worse: Option<bool>,
    source: Option<&str>,
    schema: &Schema,
) -> Result<()> {
    let session_id = session_id.ok_or(Error::Missing("session_id"))?;
    let worse = worse.ok_or(Error::Missing("worse"))?;
    let source = source.ok_or(Error::Missing("source"))?;
    if source.is_empty() || source.chars().count() > 100 {
        return Err(Error::Invalid("source", "1 to 100 characters".into()));
    }
    let user_id: Uuid = Spi::connect(|client| {
        let query = schema.query("SELECT user_id FROM @extschema@.session_keys WHERE id = $1");
        let row = query
            .read(client, &[session_id.into()])?
            .next()
            .ok_or(Error::UnknownSession)?;
        Columns::new(&row).required("user_id")
    })?;
    if !may_act_for(user_id, schema)? {
        return Err(Error::UnknownSession);
    }
    // A person speaks for themself only, and not over a clinician.
    let system = is_system();
    let source = if system { source } else { SELF_REPORT };
    // A score that is being computed at this moment sees it wholly or not at all.
    lock_person(user_id);
    Spi::connect_mut(|client| {
        schema
            .query(
                "INSERT INTO @extschema@.session_outcomes (session_id, user_id, worse, source) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (session_id) DO UPDATE SET worse = excluded.worse, source = excluded.source, recorded_at = now(), derived = false
                 WHERE $5 OR session_outcomes.source = excluded.source
                 RETURNING session_id",
            )
            .run(client, &[session_id.into(), user_id.into(), worse.into(), source.into(), system.into()])?
            .next()
            .map(|_| ())
            .ok_or(Error::OutcomeOfOthers)
    })
}
