//! The trigger of the audit: after a statement, one line a person whose rows it wrote.
//!
//! In Rust, because it runs with every statement: it reads the transition tables as they lie in
//! memory, compares columns as Postgres compares datums, and leaves at once where no row was met. The
//! same in PL/pgSQL took 110 µs a call, with rows or without, where this takes 45 and 3.

pub mod reads;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{direct_function_call, direct_function_call_as_datum, IntoDatum, Uuid};

use crate::direct::{Known, Table, View, BOUNDS};
use crate::error::{Error, Result};
use crate::identity::{self, Asker};
use crate::settings;
use crate::sql::Schema;
use crate::transition::{Column, Rows};
use crate::trigger::{trigger_function, Call};

/// So many ids of rows are written down; beyond, their number says how many there were.
const MAX_IDS: usize = 100;

/// What is written down of a statement for one person.
#[derive(Default)]
struct Line {
    rows: i64,
    ids: Vec<String>,
    /// For every compared column, whether any row changed there.
    changed: Vec<bool>,
}

type Lines = BTreeMap<Option<[u8; 16]>, Line>;

// Declared in sql/audit/statements.sql.
trigger_function!(
    mm_audit_statement,
    pg_finfo_mm_audit_statement,
    audit_statement
);

/// # Safety
/// The call is that of a running statement-level AFTER trigger.
unsafe fn audit_statement(call: &Call<'_>) -> Result<usize> {
    let data = call.data;
    // SAFETY: data is that of a running trigger.
    if restoring() || unsafe { is_told_elsewhere(data) } {
        return Ok(0);
    }
    let action = match data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
        pg_sys::TRIGGER_EVENT_INSERT => "INSERT",
        pg_sys::TRIGGER_EVENT_UPDATE => "UPDATE",
        pg_sys::TRIGGER_EVENT_DELETE => "DELETE",
        _ => "TRUNCATE",
    };
    let mut lines = Lines::new();
    let mut compared = Vec::new();
    if action == "TRUNCATE" {
        lines.insert(None, Line::default());
    } else {
        let (rows, other) = match action {
            "DELETE" => (data.tg_oldtable, None),
            "UPDATE" => (data.tg_newtable, Some(data.tg_oldtable)),
            _ => (data.tg_newtable, None),
        };
        // SAFETY: a transition table that the trigger was declared with, or NULL.
        if rows.is_null() || unsafe { pg_sys::tuplestore_tuple_count(rows) } == 0 {
            return Ok(0);
        }
        if other.is_some() {
            compared = columns(call);
        }
        // SAFETY: as above; both tables hold rows of this relation.
        unsafe { gather(call, rows, other, &compared, &mut lines) };
    }
    let table = call.table_name();
    for (person, line) in lines {
        let changed = compared
            .iter()
            .zip(&line.changed)
            .filter(|(_, changed)| **changed)
            .map(|(column, _)| call.column_name(column.at))
            .collect();
        let told = Told {
            action,
            table: &table,
            rows: line.rows,
            ids: line.ids,
            changed,
        };
        tell(call.schema, person.map(Uuid::from_bytes), told)?;
    }
    Ok(0)
}

/// A line of rows of a person that the owner has added to a table without a statement, as its trigger would
/// write it.
pub fn tell_added(schema: pg_sys::Oid, table: &Table, person: Uuid, ids: &[Uuid]) -> Result<()> {
    let is_told = !ids.is_empty()
        && !restoring()
        && table.calls(pg_sys::TRIGGER_TYPE_INSERT, c"mm_audit_statement");
    if !is_told {
        return Ok(());
    }
    let told = Told {
        action: "INSERT",
        table: &table.name(),
        rows: ids.len() as i64,
        ids: ids.iter().take(MAX_IDS).map(Uuid::to_string).collect(),
        changed: Vec::new(),
    };
    tell(schema, Some(person), told)
}

/// Whether a superuser restores a dump: every pg_dump script turns row_security off, and brings the
/// audit of these rows along. Anybody else who turns it off is audited as ever.
fn restoring() -> bool {
    // SAFETY: a plain flag and a look-up.
    unsafe { !pg_sys::row_security && pg_sys::superuser_arg(pg_sys::GetOuterUserId()) }
}

/// Whether the owner writes what another line tells of: what scoring derives, where the trigger says
/// so by its argument, and the move to the archive.
///
/// # Safety
/// `data` is that of a running trigger.
unsafe fn is_told_elsewhere(data: &pg_sys::TriggerData) -> bool {
    // SAFETY: plain look-ups.
    unsafe {
        pg_sys::GetUserId() == owner()
            && ((*data.tg_trigger).tgnargs > 0
                || settings::of_a_call(c"mindmeasure.moving_to_archive").as_deref() == Some("on"))
    }
}

/// mindmeasure_owner; InvalidOid where the role is gone.
pub fn owner() -> pg_sys::Oid {
    // SAFETY: a look-up.
    unsafe { pg_sys::get_role_oid(c"mindmeasure_owner".as_ptr(), true) }
}

/// The columns that an UPDATE may have changed.
fn columns(call: &Call<'_>) -> Vec<Column> {
    // SAFETY: the relation is open while its trigger runs.
    let relation = unsafe { pgrx::PgRelation::from_pg(call.data.tg_relation) };
    let shape = relation.tuple_desc();
    shape
        .iter()
        .enumerate()
        .filter(|(_, attribute)| !attribute.is_dropped())
        .map(|(at, attribute)| Column {
            at,
            by_value: attribute.attbyval,
            length: i32::from(attribute.attlen),
        })
        .collect()
}

/// Reads the transition tables. With an UPDATE the old and the new version of a row stand at the
/// same place of the two.
///
/// # Safety
/// `rows` and `before` are tuplestores of rows of the call's relation, described by `compared`.
unsafe fn gather(
    call: &Call<'_>,
    rows: *mut pg_sys::Tuplestorestate,
    before: Option<*mut pg_sys::Tuplestorestate>,
    compared: &[Column],
    lines: &mut Lines,
) {
    let place = |name| {
        call.column(name).map(|number| {
            // SAFETY: the description is the relation's.
            let type_oid = unsafe { pg_sys::SPI_gettypeid(call.shape(), number) };
            (number as usize - 1, type_oid)
        })
    };
    let person = place(c"user_id").filter(|(_, type_oid)| *type_oid == pg_sys::UUIDOID);
    let key = place(c"id")
        .or_else(|| place(c"session_id"))
        .or_else(|| place(c"model_version"));
    // SAFETY: the rows have the relation's shape, and the columns are of these types.
    unsafe {
        let new = Rows::new(rows, call.shape());
        let old = before.map(|before| Rows::new(before, call.shape()));
        while new.next() {
            let line = lines
                .entry(person.and_then(|(at, _)| new.uuid(at)))
                .or_insert_with(|| Line {
                    changed: vec![false; compared.len()],
                    ..Line::default()
                });
            line.rows += 1;
            if line.ids.len() < MAX_IDS {
                line.ids
                    .extend(key.and_then(|(at, type_oid)| new.text(at, type_oid)));
            }
            if let Some(old) = old.as_ref().filter(|old| old.next()) {
                for (changed, column) in line.changed.iter_mut().zip(compared) {
                    *changed |= !new.same(old, *column);
                }
            }
        }
    }
}

/// Writes as mindmeasure_owner: who speaks may not. search_path is pinned by the function.
struct AsOwner {
    user: pg_sys::Oid,
    context: i32,
}

impl AsOwner {
    fn begin() -> AsOwner {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: set back by drop(); after an error Postgres itself does so at (sub)abort.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            pg_sys::SetUserIdAndSecContext(
                owner(),
                context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
        }
        AsOwner { user, context }
    }
}

impl Drop for AsOwner {
    fn drop(&mut self) {
        // SAFETY: what begin() found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) }
    }
}

/// What a line says was done.
struct Told<'a> {
    action: &'a str,
    table: &'a str,
    rows: i64,
    ids: Vec<String>,
    /// Columns.
    changed: Vec<String>,
}

fn tell(schema: pg_sys::Oid, person: Option<Uuid>, told: Told<'_>) -> Result<()> {
    let action = told.action;
    // Rows that go may be an erasure: no pseudonym is made for whom there is none.
    let make = matches!(action, "INSERT" | "UPDATE");
    let _owner = AsOwner::begin();
    // Not auth.uid() alone: a worker's claims may name somebody who is no UUID, and an error here would
    // refuse what it writes. Where there are none, an auth.uid() of the application's own may know.
    let asker = match identity::asker() {
        Asker::Person(person) => Some(person),
        Asker::Nobody => None,
        Asker::Unsaid => identity::application_says()?,
    };
    let subject = pseudonym(schema, person, make)?;
    let actor = if asker == person {
        subject
    } else {
        pseudonym(schema, asker, make)?
    };
    // SAFETY: plain look.
    let session_role = name_of(unsafe { pg_sys::GetSessionUserId() });
    let role = settings::of_a_call(c"role")
        .filter(|role| role != "none")
        .unwrap_or_else(|| session_role.clone());
    let application = settings::of_a_call(c"application_name").unwrap_or_default();
    let log = Table::open(
        schema,
        c"audit_log",
        pg_sys::RowExclusiveLock as pg_sys::LOCKMODE,
    )?;
    let id = next_id(schema, &log)?;
    // SAFETY: looks at the clock, the transaction and the connection.
    let (now, transaction, client) = unsafe {
        (
            pg_sys::GetCurrentTimestamp(),
            pg_sys::GetTopFullTransactionId().value,
            direct_function_call_as_datum(pg_sys::inet_client_addr, &[]),
        )
    };
    let verified = identity::verified().is_some();
    let rows = (action != "TRUNCATE").then_some(told.rows);
    log.insert(
        now,
        &[
            (c"id", id.into_datum()),
            (c"at", Some(now.into())),
            (c"txid", Some(transaction.into())),
            (c"action", action.into_datum()),
            (c"table_name", told.table.into_datum()),
            (c"subject", subject.into_datum()),
            (c"actor", actor.into_datum()),
            (c"actor_verified", verified.into_datum()),
            (c"role_name", role.into_datum()),
            (c"session_role", session_role.into_datum()),
            (c"client_addr", client),
            (c"application", application.into_datum()),
            (c"row_ids", unless_empty(told.ids)),
            (c"row_count", rows.into_datum()),
            (c"columns", unless_empty(told.changed)),
        ],
        Known {
            checks: &[BOUNDS],
            triggers: &[],
        },
    )
}

fn unless_empty(list: Vec<String>) -> Option<pg_sys::Datum> {
    if list.is_empty() {
        None
    } else {
        list.into_datum()
    }
}

/// How audit_log names a person. A name is made where there is none, if it may be.
fn pseudonym(schema: pg_sys::Oid, person: Option<Uuid>, make: bool) -> Result<Option<Uuid>> {
    let Some(person) = person else {
        return Ok(None);
    };
    let known = Table::open(
        schema,
        c"audit_subjects",
        pg_sys::AccessShareLock as pg_sys::LOCKMODE,
    )?
    .find(c"user_id", person, View::Present, |row| row.get(c"subject"))?
    .flatten();
    if known.is_some() || !make {
        return Ok(known);
    }
    let query = Schema::at(schema).query("SELECT @extschema@.mm_audit_subject($1)");
    Spi::connect_mut(|client| Ok(query.run(client, &[person.into()])?.first().get_one()?))
}

/// The next value of audit_log.id.
fn next_id(schema: pg_sys::Oid, log: &Table) -> Result<Option<i64>> {
    thread_local! {
        /// The table, and the sequence of its identity column.
        static SEQUENCE: Cell<(pg_sys::Oid, pg_sys::Oid)> = const { Cell::new((pg_sys::InvalidOid, pg_sys::InvalidOid)) };
    }
    let (of, mut sequence) = SEQUENCE.get();
    // SAFETY: a look-up; 0 where there is none of that id any more.
    if of != log.oid()
        || unsafe { pg_sys::get_rel_relkind(sequence) } as u8 != pg_sys::RELKIND_SEQUENCE
    {
        let query = Schema::at(schema)
            .query("SELECT pg_get_serial_sequence($1::regclass::text, 'id')::regclass::oid");
        sequence = Spi::connect(|client| -> Result<Option<pg_sys::Oid>> {
            Ok(query.read(client, &[log.oid().into()])?.first().get_one()?)
        })?
        .ok_or_else(|| Error::Stored("audit_log.id".into()))?;
        SEQUENCE.set((log.oid(), sequence));
    }
    // SAFETY: a built-in function called with an argument of its declared type.
    Ok(unsafe { direct_function_call(pg_sys::nextval_oid, &[sequence.into_datum()]) })
}

fn name_of(role: pg_sys::Oid) -> String {
    // SAFETY: a look-up that gives a palloc'd string.
    unsafe {
        CStr::from_ptr(pg_sys::GetUserNameFromId(role, false))
            .to_string_lossy()
            .into_owned()
    }
}
