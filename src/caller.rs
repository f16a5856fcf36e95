//! Who calls, and the one lock a person.

use std::cell::Cell;

use pgrx::prelude::*;
use pgrx::{direct_function_call, IntoDatum, Uuid};
use sha2::{Digest, Sha256};

use crate::direct::{Table, View};
use crate::error::{or_raise, Error, Result};
use crate::sql::Schema;

/// Whether the caller acts for the platform: a member of mindmeasure_system, or a superuser.
///
/// Scoring runs as its owner (SECURITY DEFINER); the outer user is who called it, after any SET
/// ROLE, and cannot be changed from within a definer function.
pub fn is_system() -> bool {
    // SAFETY: plain look-ups; a missing role gives InvalidOid, of which nobody is a member.
    unsafe {
        let system = pg_sys::get_role_oid(c"mindmeasure_system".as_ptr(), true);
        system != pg_sys::InvalidOid && pg_sys::has_privs_of_role(pg_sys::GetOuterUserId(), system)
    }
}

/// Whether the caller acts for the platform: for functions written in SQL.
#[pg_extern(stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn mm_caller_is_system() -> bool {
    is_system()
}

/// Key of the advisory lock that serialises the scoring of one person.
#[pg_extern(immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_person_lock_key(user_id: Uuid) -> i64 {
    lock_key(user_id)
}

/// # Errors
/// [`Error::NotAllowed`] for anybody but the system role.
pub fn require_system() -> Result<()> {
    if is_system() {
        Ok(())
    } else {
        Err(Error::NotAllowed)
    }
}

/// Whether the caller is the platform, or the person themself.
pub fn may_act_for(user_id: Uuid, schema: &Schema) -> Result<bool> {
    if is_system() {
        return Ok(true);
    }
    let person: Option<Uuid> = Spi::connect(|client| -> Result<_> {
        Ok(schema
            .query("SELECT auth.uid()")
            .read(client, &[])?
            .first()
            .get_one()?)
    })?;
    Ok(person == Some(user_id))
}

/// Runs as mindmeasure_owner: what is made so is out of reach of the default privileges that
/// anybody may have set for the installing superuser, and tables without grants can be read.
/// Who calls ([`is_system`]) stays who they are.
pub fn as_owner<T>(run: impl FnOnce() -> T) -> T {
    let mut user = pg_sys::InvalidOid;
    let mut context = 0;
    // SAFETY: saved and set back below; on an error Postgres itself restores it at (sub)abort.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        let owner = pg_sys::get_role_oid(c"mindmeasure_owner".as_ptr(), false);
        pg_sys::SetUserIdAndSecContext(
            owner,
            context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
        );
    }
    let result = run();
    // SAFETY: as above.
    unsafe { pg_sys::SetUserIdAndSecContext(user, context) };
    result
}

/// Waits until nobody else scores this person, until the end of the transaction.
///
/// One lock a person: two sessions cannot race on one baseline, and a batch that takes people in
/// a fixed order cannot deadlock. mm_fuse_pending() tries the same key from SQL.
pub fn lock_person(user_id: Uuid) {
    advisory_lock(lock_key(user_id));
}

fn lock_key(user_id: Uuid) -> i64 {
    hash(user_id, PERSON_LOCK)
}

fn hash(user_id: Uuid, seed: i64) -> i64 {
    // SAFETY: a built-in function called with arguments of its declared types.
    let key: Option<i64> = unsafe {
        direct_function_call(
            pg_sys::uuid_hash_extended,
            &[user_id.into_datum(), seed.into_datum()],
        )
    };
    key.unwrap_or(seed)
}

fn advisory_lock(key: i64) {
    // SAFETY: a built-in function called with an argument of its declared type.
    unsafe {
        direct_function_call::<()>(pg_sys::pg_advisory_xact_lock_int8, &[key.into_datum()]);
    }
}

fn advisory_lock_shared(key: i64) {
    // SAFETY: a built-in function called with an argument of its declared type.
    unsafe {
        direct_function_call::<()>(
            pg_sys::pg_advisory_xact_lock_shared_int8,
            &[key.into_datum()],
        );
    }
}

/// How many rows of people a transaction lets in under a lock of their own each. One that writes
/// more is an import or a restore: it shares one lock for all the rest, so that the server's table
/// of locks does not fill up.
const ADMITTED_ONE_BY_ONE: u32 = 64;

/// Lets in a row of a person: takes the person's presence, shared, until the end of the
/// transaction, and says whether the person may have rows, that is, has not been erased.
///
/// Whoever closes a person (erasing, restoring, importing) holds the presence alone, and so waits
/// for those who write now and is waited for by those who come later. It comes before the person's
/// scoring lock here and there: inserting an analysis and scoring it in one transaction cannot
/// deadlock with an erasure.
#[pg_extern(volatile, strict, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn mm_admit_person(user_id: Uuid, fcinfo: pg_sys::FunctionCallInfo) -> bool {
    or_raise(admit(user_id, Schema::oid_of(fcinfo)))
}

/// The same, for triggers in Rust.
pub fn admit(user_id: Uuid, schema: pg_sys::Oid) -> Result<bool> {
    advisory_lock_shared(if admitted_in_bulk() {
        BULK_PRESENCE
    } else {
        hash(user_id, PRESENCE)
    });
    Ok(!is_erased(user_id, schema)?)
}

/// Keeps everybody else from writing rows of a person, and from scoring them, until the end of
/// the transaction.
#[pg_extern(volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn mm_close_person(user_id: Uuid) {
    // SAFETY: plain look at the transaction's isolation level.
    if unsafe { pg_sys::XactIsoLevel } >= pg_sys::XACT_REPEATABLE_READ as i32 {
        // The transaction would not see what was written while it waited.
        Error::OldSnapshot.raise();
    }
    advisory_lock(hash(user_id, PRESENCE));
    advisory_lock(BULK_PRESENCE);
    lock_person(user_id);
}

/// What erasure_log keeps in place of a person's id.
///
/// An id is 122 random bits: nobody finds it by trying. Whoever has it, and only they, can tell
/// that it was erased; so can a restored backup, or another database.
#[pg_extern(immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_tombstone(user_id: Uuid) -> Vec<u8> {
    Sha256::new()
        .chain_update(b"mindmeasure erased person ")
        .chain_update(user_id.as_bytes())
        .finalize()
        .to_vec()
}

/// Whether a person has been erased, or is about to be: as of now, whatever the transaction's
/// snapshot.
fn is_erased(user_id: Uuid, schema: pg_sys::Oid) -> Result<bool> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let tombstone = mm_tombstone(user_id);
    let found = Table::open(schema, c"erasure_log", lock)?.find(
        c"person",
        tombstone.as_slice(),
        View::Present,
        |_| (),
    )?;
    Ok(found.is_some())
}

/// Counts the rows that this transaction has let in.
fn admitted_in_bulk() -> bool {
    thread_local! {
        static ADMITTED: Cell<(i64, u32)> = const { Cell::new((0, 0)) };
    }
    // SAFETY: plain look. Two transactions that began in the same microsecond count as one, which
    // does no harm.
    let transaction = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    let (of, count) = ADMITTED.get();
    let count = if of == transaction {
        count.saturating_add(1)
    } else {
        1
    };
    ADMITTED.set((transaction, count));
    count > ADMITTED_ONE_BY_ONE
}

/// Refuses a transaction that could not see what others have scored since it began.
///
/// Under READ COMMITTED every statement sees what was committed before it. Under REPEATABLE READ
/// and SERIALIZABLE the view is older than the person's lock; a score would then be smoothed and
/// compared without a session scored meanwhile, and no conflict of rows would tell.
///
/// # Errors
/// [`Error::StaleView`] (40001), which such transactions must be ready to retry.
pub fn require_current_view(user_id: Uuid, schema: &Schema) -> Result<()> {
    // SAFETY: plain look at the transaction's isolation level.
    if unsafe { pg_sys::XactIsoLevel } < pg_sys::XACT_REPEATABLE_READ as i32 {
        return Ok(());
    }
    let query = schema.query(include_str!("../sql/scoring/scored_state.sql"));
    let seen = Spi::connect(|client| -> Result<Option<i64>> {
        Ok(query.read(client, &[user_id.into()])?.first().get_one()?)
    })?;
    let current = Spi::connect(|client| query.read_latest(client, user_id, |row| row.get(1)))?;
    if seen == current.flatten() {
        Ok(())
    } else {
        Err(Error::StaleView)
    }
}

/// Keeps our advisory locks apart from an application's own: "mindmeas" in ASCII.
const PERSON_LOCK: i64 = 0x6d69_6e64_6d65_6173;
/// "presence", of one person and of all who are let in without a lock of their own.
const PRESENCE: i64 = 0x7072_6573_656e_6365;
const BULK_PRESENCE: i64 = 0x7072_6573_656e_6400;
