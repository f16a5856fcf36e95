//! Data keys: one a person, made when first needed, kept wrapped in user_keys.
//!
//! An unwrapped key is remembered for one view of the data at most: a statement under READ
//! COMMITTED, and never longer than the transaction. So a key that was erased opens nothing in the
//! next statement of any connection, and one made in an aborted transaction was never known.

use std::cell::RefCell;

use mindmeasure_vault::{unwrap, wrap, Key, KeyId, NotAuthentic, NONCE_BYTES};
use pgrx::prelude::*;
use pgrx::Uuid;

use super::ring;
use crate::caller::{as_owner, may_act_for};
use crate::direct::{self, Table};
use crate::error::{Error, Result};
use crate::sql::Schema;

/// A person's key, and its name in envelopes.
#[derive(Clone)]
pub struct DataKey {
    pub kid: KeyId,
    pub key: Key,
}

/// People whose keys are remembered at once.
const REMEMBERED: usize = 64;

/// What the caller's present view of the data is known by.
type View = (u64, u32);

struct Entry {
    schema: pg_sys::Oid,
    user_id: Uuid,
    key: Option<DataKey>,
    /// The role that was found to act for the person.
    allowed: Option<pg_sys::Oid>,
    /// Tables of which it was noted that the role reads them.
    disclosed: Vec<&'static str>,
}

#[derive(Default)]
struct Remembered {
    view: Option<View>,
    entries: Vec<Entry>,
    /// Whether a schema's user_keys has any row.
    in_use: Option<(pg_sys::Oid, bool)>,
}

thread_local! {
    static REMEMBERED_KEYS: RefCell<Remembered> = RefCell::default();
}

impl Remembered {
    fn forget(&mut self) {
        self.entries.clear();
        self.in_use = None;
    }

    fn forget_old_views(&mut self) {
        let view = present_view();
        if view.is_none() || self.view != view {
            self.forget();
            self.view = view;
        }
    }

    /// The entry of a person, made where there is none.
    fn entry(&mut self, schema: &Schema, user_id: Uuid) -> &mut Entry {
        self.forget_old_views();
        let known = self
            .entries
            .iter()
            .position(|entry| entry.schema == schema.oid && entry.user_id == user_id);
        let at = known.unwrap_or_else(|| {
            if self.entries.len() == REMEMBERED {
                self.entries.clear();
            }
            self.entries.push(Entry {
                schema: schema.oid,
                user_id,
                key: None,
                allowed: None,
                disclosed: Vec::new(),
            });
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }
}

/// Two equal views see the same rows: no transaction has ended between them, and this one has not
/// written.
fn present_view() -> Option<View> {
    // SAFETY: a snapshot that is active is valid.
    unsafe {
        pg_sys::ActiveSnapshotSet().then(|| {
            let snapshot = &*pg_sys::GetActiveSnapshot();
            (snapshot.snapXactCompletionCount, snapshot.curcid)
        })
    }
}

fn remember<T>(schema: &Schema, user_id: Uuid, change: impl FnOnce(&mut Entry) -> T) -> T {
    REMEMBERED_KEYS.with_borrow_mut(|keys| change(keys.entry(schema, user_id)))
}

/// Overwrites every remembered key when a transaction or a savepoint ends.
pub fn forget_at_transaction_end() {
    unsafe extern "C-unwind" fn at_end(_: pg_sys::XactEvent::Type, _: *mut std::ffi::c_void) {
        forget();
    }
    unsafe extern "C-unwind" fn at_savepoint_end(
        _: pg_sys::SubXactEvent::Type,
        _: pg_sys::SubTransactionId,
        _: pg_sys::SubTransactionId,
        _: *mut std::ffi::c_void,
    ) {
        forget();
    }
    // SAFETY: registered once, for the life of the connection; the functions raise nothing.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_savepoint_end), std::ptr::null_mut());
    }
}

fn forget() {
    REMEMBERED_KEYS.with(|keys| {
        // An error may have jumped out of a change; what is borrowed is left to the next end.
        if let Ok(mut keys) = keys.try_borrow_mut() {
            keys.forget();
        }
    });
}

/// Whether anybody has a data key: then this database is encrypted, whatever the settings of this
/// connection say. A client can ask for an empty mindmeasure.key_file before the library that
/// forbids it is loaded, and a new server can come up without the setting.
pub fn in_use(schema: &Schema) -> Result<bool> {
    let known = REMEMBERED_KEYS.with_borrow_mut(|keys| {
        keys.forget_old_views();
        keys.in_use.filter(|(oid, _)| *oid == schema.oid)
    });
    if let Some((_, known)) = known {
        return Ok(known);
    }
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let found = !Table::open(schema.oid, c"user_keys", lock)?.is_empty(direct::View::Transaction);
    REMEMBERED_KEYS.with_borrow_mut(|keys| keys.in_use = Some((schema.oid, found)));
    Ok(found)
}

/// The key that opens what says that it was sealed with `kid`.
///
/// # Errors
/// [`Error::NoDataKey`] where the person has another key or none: erased, or never theirs.
pub fn for_opening(schema: &Schema, user_id: Uuid, kid: KeyId) -> Result<DataKey> {
    match known(schema, user_id)? {
        Some(known) if known.kid == kid => Ok(known),
        _ => Err(Error::NoDataKey),
    }
}

/// The key that a new value is sealed with.
pub fn for_sealing(schema: &Schema, user_id: Uuid) -> Result<DataKey> {
    if let Some(known) = known(schema, user_id)? {
        return Ok(known);
    }
    make(schema, user_id)?;
    // Ours, or that of somebody who was first.
    known(schema, user_id)?.ok_or(Error::NoDataKey)
}

fn known(schema: &Schema, user_id: Uuid) -> Result<Option<DataKey>> {
    if let Some(key) = remember(schema, user_id, |entry| entry.key.clone()) {
        return Ok(Some(key));
    }
    let key = match read(schema, user_id)? {
        Some(stored) => Some(stored.unwrap(user_id)?),
        None => None,
    };
    remember(schema, user_id, |entry| entry.key.clone_from(&key));
    Ok(key)
}

/// A row of user_keys.
struct Stored {
    kid: String,
    wrapped_by: String,
    wrapped: Vec<u8>,
}

impl Stored {
    fn unwrap(self, user_id: Uuid) -> Result<DataKey> {
        let ring = ring::current()?;
        let with = ring
            .find(&self.wrapped_by)
            .ok_or_else(|| Error::KeyLost(self.wrapped_by.clone()))?;
        let kid = KeyId::parse(&self.kid).ok_or(Error::WrongKey)?;
        let key = unwrap(
            with,
            &self.wrapped_by,
            *user_id.as_bytes(),
            kid,
            &self.wrapped,
        )
        .map_err(|NotAuthentic| Error::WrongKey)?;
        Ok(DataKey { kid, key })
    }
}

/// As of now, whatever the transaction's view: a key that is gone is gone for everybody.
fn read(schema: &Schema, user_id: Uuid) -> Result<Option<Stored>> {
    let query = schema.query(
        "SELECT k.kid, k.wrapped_by, k.wrapped FROM @extschema@.user_keys AS k WHERE k.user_id = $1",
    );
    let found = as_owner(|| {
        Spi::connect(|client| {
            query.read_latest(client, user_id, |row| {
                Some(Stored {
                    kid: row.get(1)?,
                    wrapped_by: row.get(2)?,
                    wrapped: row.get(3)?,
                })
            })
        })
    })?;
    match found {
        Some(None) => Err(Error::WrongKey),
        Some(stored) => Ok(stored),
        None => Ok(None),
    }
}

/// Somebody else's first value of the same person may come first: then theirs counts.
fn make(schema: &Schema, user_id: Uuid) -> Result<()> {
    let key = Key::take(&mut random()?);
    let kid = KeyId::from_random(random()?);
    let (id, wrapped) = wrapped(user_id, kid, &key)?;
    let query = schema.query(
        "INSERT INTO @extschema@.user_keys (user_id, kid, wrapped_by, wrapped) VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO NOTHING",
    );
    as_owner(|| {
        Spi::connect_mut(|client| {
            query.run(
                client,
                &[
                    user_id.into(),
                    kid.as_str().into(),
                    id.into(),
                    wrapped.into(),
                ],
            )?;
            Ok(())
        })
    })
}

/// A data key under the active key-encryption key, and the name of that.
pub fn wrapped(user_id: Uuid, kid: KeyId, key: &Key) -> Result<(String, Vec<u8>)> {
    let ring = ring::current()?;
    let (id, with) = ring.active();
    let nonce = random::<NONCE_BYTES>()?;
    Ok((
        id.to_owned(),
        wrap(with, id, *user_id.as_bytes(), kid, nonce, key),
    ))
}

/// A stored key, opened: for rewrapping.
pub fn opened(user_id: Uuid, kid: String, wrapped_by: String, wrapped: Vec<u8>) -> Result<DataKey> {
    Stored {
        kid,
        wrapped_by,
        wrapped,
    }
    .unwrap(user_id)
}

/// From the source that PostgreSQL itself draws secrets from.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: writes N bytes.
    if unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), N) } {
        Ok(bytes)
    } else {
        Err(Error::KeyFile("the server has no random numbers".into()))
    }
}

/// # Errors
/// [`Error::NotTheirs`] for anybody but the system role, the person, and an auditor who has broken
/// the glass.
pub fn require_access(schema: &Schema, user_id: Uuid) -> Result<()> {
    // SAFETY: a plain look.
    let role = unsafe { pg_sys::GetOuterUserId() };
    if remember(schema, user_id, |entry| entry.allowed == Some(role)) {
        return Ok(());
    }
    if !may_act_for(user_id, schema)? && !has_broken_the_glass(schema, user_id)? {
        return Err(Error::NotTheirs);
    }
    remember(schema, user_id, |entry| entry.allowed = Some(role));
    Ok(())
}

/// Whether the caller is an auditor who may read this person's rows for a while.
fn has_broken_the_glass(schema: &Schema, user_id: Uuid) -> Result<bool> {
    let query = schema.query("SELECT $1 = ANY (@extschema@.mm_broken_glass())");
    let found: Option<bool> = as_owner(|| {
        Spi::connect(|client| -> Result<_> {
            Ok(query.read(client, &[user_id.into()])?.first().get_one()?)
        })
    })?;
    Ok(found.unwrap_or(false))
}

/// Whether a table of a person is read for the first time in this view of the data.
pub fn first_disclosure(schema: &Schema, user_id: Uuid, table: &'static str) -> bool {
    remember(schema, user_id, |entry| {
        let first = !entry.disclosed.contains(&table);
        if first {
            entry.disclosed.push(table);
        }
        first
    })
}
