//! What comes in: whose it is, and whether it may.
//!
//! In Rust and without plans, because it runs with every session and every analysis: docs/performance.md.

use pgrx::prelude::*;
use pgrx::{IntoDatum, Uuid};

use crate::caller::admit;
use crate::direct::{Table, View};
use crate::error::{Error, Result};
use crate::trigger::{trigger_function, Call};

trigger_function!(
    mm_register_session_key,
    pg_finfo_mm_register_session_key,
    register_session_key
);
trigger_function!(mm_fill_owner, pg_finfo_mm_fill_owner, fill_owner);
trigger_function!(mm_refuse_erased, pg_finfo_mm_refuse_erased, refuse_erased);

const LOOKING: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
const WRITING: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;

/// Person and time of a registered session.
type Key = (Option<Uuid>, Option<TimestampWithTimeZone>);

fn registered(keys: &Table, id: Uuid, view: View) -> Result<Option<Key>> {
    let id = id.into_datum().ok_or(Error::Missing("id"))?;
    keys.find(c"id", (pg_sys::F_UUID_EQ, id), view, |row| {
        (row.get(c"user_id"), row.get(c"created_at"))
    })
}

unsafe fn register_session_key(call: &Call<'_>) -> Result<pg_sys::HeapTuple> {
    let used = || {
        call.refuse(
            b"23505",
            "id",
            "a session with this id exists or has existed",
            "Leave id out of the INSERT: the database makes a fresh one.",
        )
    };
    let id: Option<Uuid> = call.new_value(c"id");
    let at: Option<TimestampWithTimeZone> = call.new_value(c"created_at");
    let person: Uuid = call.new_value(c"user_id").ok_or_else(|| {
        call.refuse(
            b"23502",
            "user_id",
            "is missing",
            "Give user_id, or set the request's claims so that auth.uid() knows the person.",
        )
    })?;
    let keys = Table::open(call.schema, c"session_keys", WRITING)?;
    let known = id.map_or(Ok(None), |id| registered(&keys, id, View::Present))?;
    match known {
        // A data-only restore brings the keys first: the very same identity may come again.
        Some(key) if key == (Some(person), at) => {}
        Some(_) => return Err(used()),
        None => {
            // The trigger on session_keys asks the same; an error of ours gets lost on its way through here.
            require_admitted(call, person)?;
            let time = at.map_or(0, pg_sys::TimestampTz::from);
            let row = [
                (c"id", id.into_datum()),
                (c"user_id", person.into_datum()),
                (c"created_at", at.into_datum()),
            ];
            // Somebody else may register the id at this moment.
            PgTryBuilder::new(std::panic::AssertUnwindSafe(|| keys.insert(time, &row)))
                .catch_when(PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION, |_| Err(used()))
                .execute()?;
        }
    }
    Ok(call.data.tg_trigtuple)
}

unsafe fn fill_owner(call: &Call<'_>) -> Result<pg_sys::HeapTuple> {
    let keys = Table::open(call.schema, c"session_keys", LOOKING)?;
    let key = call
        .new_value(c"session_id")
        .map_or(Ok(None), |id| registered(&keys, id, View::Transaction))?;
    let Some((Some(owner), _)) = key else {
        return Err(call.refuse(
            b"23503",
            "session_id",
            "there is no such session",
            "Insert the session into assessment_sessions first.",
        ));
    };
    // Before any row of the person is locked: see mm_admit_person().
    if !admit(owner, call.schema)? {
        return Err(call.refuse(
            b"MM004",
            "session_id",
            "the session's person has been erased",
            "Drop what you have of this session.",
        ));
    }
    match call.new_value::<Uuid>(c"user_id") {
        Some(said) if said == owner => Ok(call.data.tg_trigtuple),
        Some(_) => Err(call.refuse(
            b"23503",
            "user_id",
            "is not the person of this session",
            "Leave user_id out: it is filled from the session.",
        )),
        None => call.with(
            c"user_id",
            owner.into_datum().ok_or(Error::Missing("user_id"))?,
        ),
    }
}

unsafe fn refuse_erased(call: &Call<'_>) -> Result<pg_sys::HeapTuple> {
    // A row of nobody is for the column's own NOT NULL.
    if let Some(person) = call.new_value(c"user_id") {
        require_admitted(call, person)?;
    }
    Ok(call.data.tg_trigtuple)
}

fn require_admitted(call: &Call<'_>, person: Uuid) -> Result<()> {
    if admit(person, call.schema)? {
        return Ok(());
    }
    Err(call.refuse(
        b"MM004",
        "user_id",
        "the person has been erased",
        "Somebody who comes back gets a new account, with a new id.",
    ))
}
