//! When a session was, by its id: what leads a query to the partition it lies in.

use pgrx::prelude::*;
use pgrx::Uuid;

use crate::caller::is_system;
use crate::direct::{Table, View};
use crate::entry::registered;
use crate::error::{or_raise, Result};
use crate::identity::mm_current_person;
use crate::sql::Schema;

/// A session's created_at; NULL where there is none of the caller's.
///
/// Stable, so that `created_at = mm_session_time(id)` is known when a plan starts: all partitions but one are
/// left out before they are made ready, which a join with session_keys comes too late for. Without a plan,
/// because a query asks it more than once; without a search_path of its own, because it looks no name up.
#[pg_extern(stable, strict, parallel_restricted)]
fn mm_session_time(
    session_id: Uuid,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Option<TimestampWithTimeZone> {
    or_raise(session_time(Schema::oid_of(fcinfo), session_id))
}

fn session_time(schema: pg_sys::Oid, id: Uuid) -> Result<Option<TimestampWithTimeZone>> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let keys = Table::open(schema, c"session_keys", lock)?;
    let Some((person, at)) = registered(&keys, id, View::Transaction)? else {
        return Ok(None);
    };
    let may_know = is_system() || person.is_some() && person == mm_current_person();
    Ok(if may_know { at } else { None })
}
