//! Whom the present transaction speaks for.
//!
//! A client that can run SQL can set a claims GUC. What mm_set_identity() has verified is kept in
//! the backend's own memory instead, where no statement reaches it, and ends with the transaction:
//! a pooler that gives the connection to the next client gives nobody's identity with it.

mod keys;
mod token;

use std::cell::RefCell;
use std::ffi::{c_void, CStr};

use pgrx::prelude::*;
use pgrx::{direct_function_call, direct_function_call_as_datum, IntoDatum, Uuid};

use crate::error::{or_raise, Error, Result};
use crate::settings;

thread_local! {
    /// The verified person, and the subtransaction that said so: like SET LOCAL, it is taken back
    /// with its savepoint.
    static VERIFIED: RefCell<Vec<(pg_sys::SubTransactionId, Uuid)>> = const { RefCell::new(Vec::new()) };

    /// The claims last read and whom they name. Only their text decides that, so it is true of the
    /// same text at any time; another text is read anew.
    static READ: RefCell<(Vec<u8>, Option<Uuid>)> = const { RefCell::new((Vec::new(), None)) };
}

/// Longer claims are read every time: what is kept outlives the transaction that has set them.
const CLAIMS_KEPT: usize = 4096;

/// Verifies a JSON Web Token and lets the transaction speak for its `sub`, until it ends.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_set_identity(jwt: Option<&str>) -> Uuid {
    or_raise(set_identity(jwt))
}

fn set_identity(jwt: Option<&str>) -> Result<Uuid> {
    let person = token::verify(jwt.ok_or(Error::Missing("jwt"))?)?;
    // SAFETY: plain look at the transaction state.
    let here = unsafe { pg_sys::GetCurrentSubTransactionId() };
    VERIFIED.with_borrow_mut(|stack| stack.push((here, person)));
    Ok(person)
}

/// The person whom mm_set_identity() has verified in this transaction.
pub fn verified() -> Option<Uuid> {
    VERIFIED.with_borrow(|stack| stack.last().map(|(_, person)| *person))
}

/// Whom this transaction speaks for: the verified person; else, unless
/// mindmeasure.require_verified_identity is on, the one its claims name; else nobody.
///
/// auth.uid() is this function where the extension has made it (sql/migrate/auth.sql), under the
/// symbol mm_current_person_wrapper, which must therefore stay. Its answer lies in the memory of
/// one backend: no parallel worker knows it.
#[pg_extern(stable, parallel_restricted)]
pub fn mm_current_person() -> Option<Uuid> {
    verified().or_else(|| {
        if settings::require_verified_identity() {
            None
        } else {
            claimed()
        }
    })
}

/// Whether mm_set_identity() has verified the person of this transaction.
#[pg_extern(stable, parallel_restricted)]
fn mm_identity_is_verified() -> bool {
    verified().is_some()
}

/// request.jwt.claim.sub, else sub of request.jwt.claims, as PostgREST sets them: the same errors
/// for a claim that is no JSON or no UUID as the casts of SQL would give.
fn claimed() -> Option<Uuid> {
    // SAFETY: built-in functions called with arguments of their declared types; the settings'
    // strings stay while nothing is set.
    unsafe {
        if let Some(sub) = setting(c"request.jwt.claim.sub") {
            return direct_function_call(pg_sys::uuid_in, &[Some(sub.as_ptr().into())]);
        }
        let claims = setting(c"request.jwt.claims")?;
        if let Some(person) = READ
            .with_borrow(|(read, person)| (read.as_slice() == claims.to_bytes()).then_some(*person))
        {
            return person;
        }
        let person = named_by(claims);
        if claims.count_bytes() <= CLAIMS_KEPT {
            READ.set((claims.to_bytes().to_vec(), person));
        }
        person
    }
}

/// sub of claims.
///
/// # Safety
/// As for setting(), whose result the claims are.
unsafe fn named_by(claims: &CStr) -> Option<Uuid> {
    // SAFETY: built-in functions called with arguments of their declared types.
    unsafe {
        let document =
            direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(claims.as_ptr().into())]);
        let sub: Option<String> = direct_function_call(
            pg_sys::jsonb_object_field_text,
            &[document, "sub".into_datum()],
        );
        let sub = std::ffi::CString::new(sub.filter(|sub| !sub.is_empty())?).ok()?;
        direct_function_call(pg_sys::uuid_in, &[Some(sub.as_ptr().into())])
    }
}

/// For whom the transaction speaks, as the audit writes it down.
pub enum Asker {
    Person(Uuid),
    /// The claims name nobody, or somebody who is no UUID.
    Nobody,
    /// There are no claims.
    Unsaid,
}

/// The same as mm_current_person(), for the audit and the server's log: raises nothing.
pub fn asker() -> Asker {
    if let Some(person) = verified() {
        return Asker::Person(person);
    }
    // SAFETY: as in claimed().
    let sub = unsafe {
        match (
            setting(c"request.jwt.claim.sub"),
            setting(c"request.jwt.claims"),
        ) {
            (None, None) => return Asker::Unsaid,
            (Some(sub), _) => sub.to_str().ok().map(str::to_owned),
            (None, Some(claims)) => serde_json::from_slice(claims.to_bytes()).ok().and_then(
                |claims: serde_json::Value| Some(claims.get("sub")?.as_str()?.to_owned()),
            ),
        }
    };
    sub.filter(|_| !settings::require_verified_identity())
        .and_then(|sub| uuid::Uuid::try_parse(&sub).ok())
        .map_or(Asker::Nobody, |person| {
            Asker::Person(Uuid::from_bytes(person.into_bytes()))
        })
}

/// What an auth.uid() of the application's own says where there are no claims. Ours would say nobody.
pub fn application_says() -> Result<Option<Uuid>> {
    // SAFETY: look-ups by name and by id; the name is a list of two strings.
    let is_ours = unsafe {
        let part = |list, name: &CStr| {
            pg_sys::lappend(list, pg_sys::makeString(name.as_ptr().cast_mut()).cast())
        };
        let name = part(part(std::ptr::null_mut(), c"auth"), c"uid");
        let function = pg_sys::LookupFuncName(name, 0, std::ptr::null(), true);
        if function == pg_sys::InvalidOid {
            return Ok(None);
        }
        let mut call = pg_sys::FmgrInfo::default();
        pg_sys::fmgr_info(function, &mut call);
        call.fn_addr.map(|address| address as usize)
            == Some(mm_current_person_wrapper as *const () as usize)
    };
    if is_ours {
        return Ok(None);
    }
    Spi::connect(|client| {
        Ok(client
            .select("SELECT auth.uid()", Some(1), &[])?
            .first()
            .get_one()?)
    })
}

/// A setting that is there and not empty.
///
/// # Safety
/// The string must not be used after anything may have changed the setting.
unsafe fn setting<'a>(name: &CStr) -> Option<&'a CStr> {
    // SAFETY: missing_ok; the result is NULL or a string owned by the setting.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null())
            .then(|| CStr::from_ptr(value))
            .filter(|value| !value.is_empty())
    }
}

/// Ends an identity with its transaction or savepoint.
pub fn watch_transactions() {
    // SAFETY: called once a backend, from _PG_init; both are plain functions.
    unsafe {
        pg_sys::RegisterXactCallback(Some(transaction_ends), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(savepoint_ends), std::ptr::null_mut());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn transaction_ends(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    // The PRE_ events come before triggers that are deferred to the end have all run.
    if matches!(
        event,
        pg_sys::XactEvent::XACT_EVENT_COMMIT
            | pg_sys::XactEvent::XACT_EVENT_ABORT
            | pg_sys::XactEvent::XACT_EVENT_PREPARE
    ) {
        VERIFIED.with_borrow_mut(Vec::clear);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn savepoint_ends(
    event: pg_sys::SubXactEvent::Type,
    this: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    _arg: *mut c_void,
) {
    VERIFIED.with_borrow_mut(|stack| match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => stack.retain(|(by, _)| *by != this),
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => {
            for (by, _) in stack.iter_mut().filter(|(by, _)| *by == this) {
                *by = parent;
            }
        }
        _ => {}
    });
}
