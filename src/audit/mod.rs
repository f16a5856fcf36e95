//! The trigger of the audit: after a statement, one line a person whose rows it wrote.
//!
//! In Rust, because it runs with every statement: it reads the transition tables as they lie in
//! memory, compares columns as Postgres compares datums, and leaves at once where no row was met. The
//! same in PL/pgSQL took 110 µs a call, with rows or without, where this takes 45 and 3.

pub mod reads;

use std::collections::BTreeMap;
use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{FromDatum, PgRelation, Uuid};

use crate::error::{or_raise, Error, Result};
use crate::identity::{self, Asker};
use crate::settings;
use crate::sql::Schema;

const LINE: &str = include_str!("../../sql/audit/line.sql");

/// So many ids of rows are written down; beyond, their number says how many there were.
const MAX_IDS: usize = 100;

/// What is written down of a statement for one person.
#[derive(Default)]
struct Line {
    rows: i64,
    ids: Vec<String>,
    /// By position among the columns: whether any row changed there.
    changed: Vec<bool>,
}

type Lines = BTreeMap<Option<[u8; 16]>, Line>;

/// A column of the table, as far as the audit has to know it.
struct Column {
    name: String,
    type_oid: pg_sys::Oid,
    by_value: bool,
    length: i32,
    dropped: bool,
}

/// mm_audit_statement(), declared in sql/audit/statements.sql.
///
/// # Safety
/// Called by Postgres as an AFTER … FOR EACH STATEMENT trigger.
#[no_mangle]
#[pg_guard]
pub unsafe extern "C-unwind" fn mm_audit_statement(
    fcinfo: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: called_as_trigger says that context is trigger data.
    unsafe {
        if !pgrx::trigger_support::called_as_trigger(fcinfo) {
            or_raise::<()>(Err(Error::Invalid(
                "mm_audit_statement()",
                "called as a trigger".into(),
            )));
        }
        let data = &*(*fcinfo).context.cast::<pg_sys::TriggerData>();
        or_raise(write_down(data, &Schema::of(fcinfo)));
    }
    pg_sys::Datum::from(0)
}

#[no_mangle]
pub extern "C" fn pg_finfo_mm_audit_statement() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}

/// # Safety
/// `data` is that of a running statement-level AFTER trigger.
unsafe fn write_down(data: &pg_sys::TriggerData, schema: &Schema) -> Result<()> {
    // SAFETY: data is that of a running trigger.
    if restoring() || unsafe { is_told_elsewhere(data) } {
        return Ok(());
    }
    let action = match data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
        pg_sys::TRIGGER_EVENT_INSERT => "INSERT",
        pg_sys::TRIGGER_EVENT_UPDATE => "UPDATE",
        pg_sys::TRIGGER_EVENT_DELETE => "DELETE",
        _ => "TRUNCATE",
    };
    // SAFETY: the relation is open and locked while its trigger runs.
    let relation = unsafe { PgRelation::from_pg(data.tg_relation) };
    let mut lines = Lines::new();
    let mut names = Vec::new();
    if action == "TRUNCATE" {
        lines.insert(None, Line::default());
    } else {
        let (rows, other) = match action {
            "DELETE" => (data.tg_oldtable, std::ptr::null_mut()),
            "UPDATE" => (data.tg_newtable, data.tg_oldtable),
            _ => (data.tg_newtable, std::ptr::null_mut()),
        };
        // SAFETY: a transition table that the trigger was declared with, or NULL.
        if rows.is_null() || unsafe { pg_sys::tuplestore_tuple_count(rows) } == 0 {
            return Ok(());
        }
        let columns = columns(&relation);
        // SAFETY: as above; both tables hold rows of this relation.
        unsafe {
            gather(
                rows,
                other,
                (*data.tg_relation).rd_att,
                &columns,
                &mut lines,
            )
        };
        names = columns.into_iter().map(|column| column.name).collect();
    }
    for (person, line) in lines {
        insert(schema, action, relation.name(), person, line, &names)?;
    }
    Ok(())
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

/// # Safety
/// Needs a transaction.
unsafe fn owner() -> pg_sys::Oid {
    // SAFETY: a look-up; InvalidOid where the role is gone.
    unsafe { pg_sys::get_role_oid(c"mindmeasure_owner".as_ptr(), true) }
}

fn columns(relation: &PgRelation) -> Vec<Column> {
    relation
        .tuple_desc()
        .iter()
        .map(|attribute| Column {
            name: attribute.name().to_owned(),
            type_oid: attribute.type_oid().value(),
            by_value: attribute.attbyval,
            length: i32::from(attribute.attlen),
            dropped: attribute.is_dropped(),
        })
        .collect()
}

/// Reads the transition tables. With an UPDATE the old and the new version of a row stand at the
/// same place of the two.
///
/// # Safety
/// `rows` and, unless NULL, `before` are tuplestores of rows of `shape`, described by `columns`.
unsafe fn gather(
    rows: *mut pg_sys::Tuplestorestate,
    before: *mut pg_sys::Tuplestorestate,
    shape: pg_sys::TupleDesc,
    columns: &[Column],
    lines: &mut Lines,
) {
    let place = |name: &str| {
        columns
            .iter()
            .position(|column| !column.dropped && column.name == name)
    };
    let person = place("user_id").filter(|&at| columns[at].type_oid == pg_sys::UUIDOID);
    let key = place("id")
        .or_else(|| place("session_id"))
        .or_else(|| place("model_version"));
    // SAFETY: the slots have the rows' own shape and are dropped after the last use of what is in them.
    unsafe {
        let new = Slot::new(rows, shape);
        let old = (!before.is_null()).then(|| Slot::new(before, shape));
        while new.next(columns.len()) {
            let line = lines
                .entry(person.and_then(|at| new.uuid(at)))
                .or_insert_with(|| Line {
                    changed: vec![false; columns.len()],
                    ..Line::default()
                });
            line.rows += 1;
            if line.ids.len() < MAX_IDS {
                line.ids
                    .extend(key.and_then(|at| new.text(at, &columns[at])));
            }
            if let Some(old) = old.as_ref().filter(|old| old.next(columns.len())) {
                for (at, column) in columns.iter().enumerate() {
                    line.changed[at] |= !column.dropped && !new.same(old, at, column);
                }
            }
        }
    }
}

/// A place for one row of a tuplestore at a time.
struct Slot {
    store: *mut pg_sys::Tuplestorestate,
    slot: *mut pg_sys::TupleTableSlot,
}

impl Slot {
    /// # Safety
    /// As for [`gather`]. Nobody else reads through pointer 0: queries on a transition table each
    /// have one of their own.
    unsafe fn new(store: *mut pg_sys::Tuplestorestate, shape: pg_sys::TupleDesc) -> Slot {
        // SAFETY: as promised by the caller.
        unsafe {
            pg_sys::tuplestore_select_read_pointer(store, 0);
            pg_sys::tuplestore_rescan(store);
            let slot =
                pg_sys::MakeSingleTupleTableSlot(shape, &raw const pg_sys::TTSOpsMinimalTuple);
            Slot { store, slot }
        }
    }

    /// Goes to the next row and takes it apart.
    unsafe fn next(&self, columns: usize) -> bool {
        // SAFETY: as for new().
        unsafe {
            let there = pg_sys::tuplestore_gettupleslot(self.store, true, false, self.slot);
            if there {
                pg_sys::slot_getsomeattrs_int(self.slot, columns as i32);
            }
            there
        }
    }

    unsafe fn value(&self, at: usize) -> Option<pg_sys::Datum> {
        // SAFETY: next() has filled as many values as there are columns.
        unsafe { (!*(*self.slot).tts_isnull.add(at)).then(|| *(*self.slot).tts_values.add(at)) }
    }

    unsafe fn uuid(&self, at: usize) -> Option<[u8; 16]> {
        // SAFETY: the column is a uuid.
        unsafe { Uuid::from_datum(self.value(at)?, false).map(|uuid| *uuid.as_bytes()) }
    }

    unsafe fn text(&self, at: usize, column: &Column) -> Option<String> {
        // SAFETY: the type's own output function on a value of the type.
        unsafe {
            let mut output = pg_sys::InvalidOid;
            let mut varlena = false;
            let value = self.value(at)?;
            pg_sys::getTypeOutputInfo(column.type_oid, &mut output, &mut varlena);
            let text = CStr::from_ptr(pg_sys::OidOutputFunctionCall(output, value));
            Some(text.to_string_lossy().into_owned())
        }
    }

    unsafe fn same(&self, other: &Slot, at: usize, column: &Column) -> bool {
        // SAFETY: both values are of the column's type.
        unsafe {
            match (self.value(at), other.value(at)) {
                (None, None) => true,
                (Some(a), Some(b)) if column.by_value => a.value() == b.value(),
                (Some(a), Some(b)) => {
                    same_toast_pointer(a, b, column)
                        // It may fetch both values, and fail.
                        || pg_sys::ffi::pg_guard_ffi_boundary(|| datum_image_eq(a, b, false, column.length))
                }
                _ => false,
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: made in new(), dropped once.
        unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) }
    }
}

/// A large value that an UPDATE did not touch is the same pointer: it need not be fetched.
unsafe fn same_toast_pointer(a: pg_sys::Datum, b: pg_sys::Datum, column: &Column) -> bool {
    if column.length != -1 {
        return false;
    }
    // SAFETY: both are varlenas; an external one is as long as varsize_any says.
    unsafe {
        let (a, b) = (
            a.cast_mut_ptr::<pg_sys::varlena>(),
            b.cast_mut_ptr::<pg_sys::varlena>(),
        );
        if !pgrx::varatt_is_1b_e(a) || !pgrx::varatt_is_1b_e(b) {
            return false;
        }
        let bytes = |p: *mut pg_sys::varlena| {
            std::slice::from_raw_parts(p.cast::<u8>(), pgrx::varsize_any(p))
        };
        bytes(a) == bytes(b)
    }
}

unsafe extern "C-unwind" {
    fn datum_image_eq(a: pg_sys::Datum, b: pg_sys::Datum, by_value: bool, length: i32) -> bool;
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

fn insert(
    schema: &Schema,
    action: &str,
    table: &str,
    person: Option<[u8; 16]>,
    line: Line,
    names: &[String],
) -> Result<()> {
    let changed: Vec<&str> = names
        .iter()
        .zip(&line.changed)
        .filter_map(|(name, changed)| changed.then_some(name.as_str()))
        .collect();
    // Rows that go may be an erasure: no pseudonym is made for whom there is none.
    let make = matches!(action, "INSERT" | "UPDATE");
    let query = schema.query(LINE);
    let _owner = AsOwner::begin();
    // Not auth.uid(): a worker's claims may name somebody who is no UUID, and an error here would
    // refuse what it writes. Where there are none, an auth.uid() of the application's own may know.
    let (asker, ask) = match identity::asker() {
        Asker::Person(person) => (Some(person), false),
        Asker::Nobody => (None, false),
        Asker::Unsaid => (None, true),
    };
    Spi::connect_mut(|client| {
        query.run(
            client,
            &[
                action.into(),
                table.into(),
                person.map(Uuid::from_bytes).into(),
                make.into(),
                (!line.ids.is_empty()).then_some(line.ids).into(),
                (action != "TRUNCATE").then_some(line.rows).into(),
                (!changed.is_empty()).then_some(changed).into(),
                asker.into(),
                ask.into(),
            ],
        )?;
        Ok(())
    })
}
