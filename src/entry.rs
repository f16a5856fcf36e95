//! What comes in: whose it is, and whether it may.
//!
//! In Rust and without plans, because it runs with every session and every analysis: docs/performance.md.

use pgrx::prelude::*;
use pgrx::{IntoDatum, Uuid};

use crate::caller::admit;
use crate::direct::{Known, Table, View};
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

/// 1970 to 2199, in microseconds since 2000: session_keys_created_at.
const SESSION_TIMES: std::ops::RangeInclusive<i64> = -946_684_800_000_000..=6_311_433_599_000_000;

/// Person and time of a registered session.
pub type Key = (Option<Uuid>, Option<TimestampWithTimeZone>);

/// Whose a session is, and when.
pub fn registered(keys: &Table, id: Uuid, view: View) -> Result<Option<Key>> {
    keys.find(c"id", id, view, |row| {
        (row.get(c"user_id"), row.get(c"created_at"))
    })
}

/// Whether the row is written for the platform: by the system role, or a function of the extension.
fn is_written_by_system() -> bool {
    // SAFETY: plain look-ups; a missing role gives InvalidOid, of which nobody is a member.
    unsafe {
        let system = pg_sys::get_role_oid(c"mindmeasure_system".as_ptr(), true);
        system != pg_sys::InvalidOid && pg_sys::has_privs_of_role(pg_sys::GetUserId(), system)
    }
}

/// A new session is of a known kind; a user neither completes it nor chooses its times. What an UPDATE may is
/// mm_guard_session().
fn guard_new_session(call: &Call<'_>) -> Result<()> {
    // The seed's CHECK constraints hold as well; they cannot carry a hint.
    let status = call.new_value::<&str>(c"status");
    if status.is_some_and(|is| !["pending", "processing", "completed", "failed"].contains(&is)) {
        return Err(call.refuse_as(
            "check_status_valid",
            "status",
            "is not one of pending, processing, completed, failed",
            "Leave status out of the INSERT: a session starts as pending.",
        ));
    }
    let kind = call.new_value::<&str>(c"assessment_type");
    if kind.is_some_and(|is| !["full", "quick", "voice-only"].contains(&is)) {
        return Err(call.refuse_as(
            "check_assessment_type_valid",
            "assessment_type",
            "is not one of full, quick, voice-only",
            "Use full, quick or voice-only; left out it is full.",
        ));
    }
    if is_written_by_system() {
        return Ok(());
    }
    if status == Some("completed") || call.new_value::<&str>(c"failure_reason").is_some() {
        return Err(call.refuse(
            b"42501",
            "status, failure_reason",
            "are set by the system when it has scored the session",
            "Insert the session as pending; mm_fuse_session() completes it.",
        ));
    }
    // SAFETY: plain look at the transaction.
    let now = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    let is_forged = |name| {
        call.new_value::<TimestampWithTimeZone>(name)
            .is_some_and(|at| pg_sys::TimestampTz::from(at) != now)
    };
    if is_forged(c"created_at") || is_forged(c"updated_at") {
        return Err(call.refuse(
            b"42501",
            "created_at, updated_at",
            "are set by the database",
            "Leave both columns out of the INSERT. Past sessions are imported by the system role.",
        ));
    }
    Ok(())
}

unsafe fn register_session_key(call: &Call<'_>) -> Result<pg_sys::HeapTuple> {
    guard_new_session(call)?;
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
            // What the trigger on session_keys would ask, and its CHECK of the time.
            require_admitted(call, person)?;
            let time = at.map_or(0, pg_sys::TimestampTz::from);
            if !SESSION_TIMES.contains(&time) {
                return Err(Error::Requirement {
                    field: "created_at".into(),
                    requirement: "a time from 1970 to 2199".into(),
                });
            }
            let known = Known {
                checks: &[c"session_keys_created_at"],
                // The audit tells of the session itself.
                triggers: &[c"mm_refuse_erased", c"mm_audit_statement"],
            };
            let row = [
                (c"id", id.into_datum()),
                (c"user_id", person.into_datum()),
                (c"created_at", at.into_datum()),
            ];
            // Somebody else may register the id at this moment.
            PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
                keys.insert(time, &row, known)
            }))
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
