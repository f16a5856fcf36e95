//! mm_seal(): the trigger that encrypts what a statement writes.
//!
//! Whoever writes, a value is validated first and then sealed; one that comes sealed is opened and
//! validated. Left as they are: values that the statement does not change; sealed values that a
//! restore brings (its user_keys may come later) or that one of our own functions moves.

use std::convert::Infallible;
use std::ffi::{c_int, CString};

use mindmeasure_vault::{Envelope, Malformed};
use pgrx::heap_tuple::PgHeapTuple;
use pgrx::prelude::*;
use pgrx::{AllocatedByPostgres, FromDatum, IntoDatum, PgTupleDesc, Uuid};

use super::columns::{table, Column, Rule, Table};
use super::existing::encrypting;
use super::values::{envelope, jsonb, Row};
use super::{keys, ring};
use crate::error::{or_raise, Error, Result};
use crate::jsonb::{jsonb_of, RawJsonb};
use crate::sql::Schema;
use crate::validate::{validate, NO_ENVELOPE};

/// `EXECUTE FUNCTION mm_seal(table)`, BEFORE INSERT OR UPDATE … FOR EACH ROW. The table is named
/// because a partition has another name than what its values are sealed for.
#[pg_trigger(sql = false)]
fn mm_seal<'a>(
    trigger: &'a PgTrigger<'a>,
) -> std::result::Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, Infallible> {
    let tuple = or_raise(sealed(trigger));
    // SAFETY: a tuple of the relation's row type, which lives as long as the trigger's call.
    Ok(Some(unsafe {
        let description = (*trigger.trigger_data().tg_relation).rd_att;
        PgHeapTuple::from_heap_tuple(PgTupleDesc::from_pg_unchecked(description), tuple)
    }))
}

/// The row to be written: the very same tuple where nothing is to be sealed.
fn sealed(trigger: &PgTrigger<'_>) -> Result<pg_sys::HeapTuple> {
    let data = trigger.trigger_data();
    let (new, old) = match (trigger.level(), trigger.when(), trigger.op()) {
        (PgTriggerLevel::Row, Ok(PgTriggerWhen::Before), Ok(PgTriggerOperation::Insert)) => {
            (data.tg_trigtuple, None)
        }
        (PgTriggerLevel::Row, Ok(PgTriggerWhen::Before), Ok(PgTriggerOperation::Update)) => {
            (data.tg_newtuple, Some(data.tg_trigtuple))
        }
        _ => {
            return Err(Error::Invalid(
                "mm_seal",
                "a trigger BEFORE INSERT OR UPDATE, FOR EACH ROW".into(),
            ))
        }
    };
    // SAFETY: Postgres calls a trigger with a relation and its description.
    let (description, schema) = unsafe {
        (
            (*data.tg_relation).rd_att,
            Schema::of_function((*data.tg_trigger).tgfoid),
        )
    };
    let name = trigger
        .extra_args()
        .ok()
        .and_then(|arguments| arguments.into_iter().next())
        .unwrap_or_default();
    let writing = Writing {
        new: Tuple {
            tuple: new,
            description,
        },
        old: old.map(|old| Tuple {
            tuple: old,
            description,
        }),
        table: table(&name)?,
        schema: &schema,
        as_they_are: restoring() || acting_as_owner(),
    };
    writing.sealed()
}

/// One row that a statement writes.
struct Writing<'a> {
    new: Tuple,
    old: Option<Tuple>,
    table: &'static Table,
    schema: &'a Schema,
    /// Sealed values are not opened.
    as_they_are: bool,
}

impl Writing<'_> {
    fn sealed(&self) -> Result<pg_sys::HeapTuple> {
        let mut changes: Vec<(c_int, pg_sys::Datum)> = Vec::new();
        for column in self.table.columns {
            // A column that somebody has dropped needs no sealing.
            let Some(number) = self.new.number(column.name) else {
                continue;
            };
            let Some(value) = self.new.get(number) else {
                continue;
            };
            let unchanged = self
                .old
                .as_ref()
                .and_then(|old| old.get(number))
                // SAFETY: both are values of the same varlena column.
                .is_some_and(|old| unsafe { same_bytes(old, value) });
            if unchanged && !encrypting() {
                continue;
            }
            let sealed = match column.rule {
                Rule::Schema(schema) => self.document(column, schema, RawJsonb(value))?,
                Rule::Characters(most) => self.text(column, most, value)?,
            };
            if let Some(sealed) = sealed {
                changes.push((number, sealed));
            }
        }
        Ok(self.new.with(&mut changes))
    }

    /// The sealed form of a document; `None` where it stays what it is.
    fn document(
        &self,
        column: &Column,
        schema: &str,
        value: RawJsonb,
    ) -> Result<Option<pg_sys::Datum>> {
        if !value.has_marks() && !self.seals()? {
            return Ok(None);
        }
        let document = value.document();
        let found = match &document.0 {
            Ok(document) => envelope(document).map_err(|Malformed| no_envelope(column))?,
            Err(_) => None,
        };
        let Some(envelope) = found else {
            if !self.seals()? {
                return Ok(None);
            }
            validate(schema, column.name, document)?;
            let sealed = self
                .row()?
                .seal(self.schema, column.name, value.text().as_bytes())?;
            return Ok(Some(jsonb(&sealed)?.0));
        };
        if let Some(text) = self.opened(column, &envelope)? {
            let inner = jsonb_of(&text)
                .map(|datum| RawJsonb(datum).document())
                .ok_or_else(|| not_readable(column))?;
            if inner.0.as_ref().is_ok_and(is_marked) {
                return Err(no_envelope(column));
            }
            validate(schema, column.name, inner)?;
        }
        Ok(None)
    }

    fn text(
        &self,
        column: &Column,
        most: usize,
        value: pg_sys::Datum,
    ) -> Result<Option<pg_sys::Datum>> {
        // SAFETY: the column is TEXT.
        let text = unsafe { String::from_datum(value, false) }.unwrap_or_default();
        let found = Envelope::from_text(&text).map_err(|Malformed| no_envelope(column))?;
        let Some(envelope) = found else {
            if !self.seals()? {
                return Ok(None);
            }
            check_length(column, &text, most)?;
            let sealed = self
                .row()?
                .seal(self.schema, column.name, text.as_bytes())?;
            return Ok(sealed.to_text().into_datum());
        };
        if let Some(text) = self.opened(column, &envelope)? {
            if Envelope::from_text(&text) != Ok(None) {
                return Err(no_envelope(column));
            }
            check_length(column, &text, most)?;
        }
        Ok(None)
    }

    /// Whether open values are sealed. A restore stores what the dump holds: sealing would make
    /// keys that stand in the way of those that the dump brings.
    fn seals(&self) -> Result<bool> {
        if restoring() {
            Ok(false)
        } else if ring::is_on() {
            Ok(true)
        } else if keys::in_use(self.schema)? {
            Err(Error::EncryptionOff)
        } else {
            Ok(false)
        }
    }

    /// What a value that comes sealed holds; `None` where it is taken as it is.
    fn opened(&self, column: &Column, envelope: &Envelope) -> Result<Option<String>> {
        if self.as_they_are {
            return Ok(None);
        }
        if !ring::is_on() {
            return Err(Error::EncryptionOff);
        }
        self.row()?
            .open(self.schema, column.name, envelope)
            .map(Some)
    }

    fn row(&self) -> Result<Row<'static>> {
        let uuid = |name: &'static str| -> Result<Uuid> {
            let value = self.new.number(name).and_then(|n| self.new.get(n));
            // SAFETY: the column is UUID.
            value
                .and_then(|value| unsafe { Uuid::from_datum(value, false) })
                .ok_or(Error::Missing(name))
        };
        Ok(Row {
            table: self.table.sealed_as,
            id: uuid("id")?,
            user_id: uuid("user_id")?,
        })
    }
}

fn is_marked(document: &serde_json::Value) -> bool {
    envelope(document) != Ok(None)
}

fn check_length(column: &Column, text: &str, most: usize) -> Result<()> {
    if text.chars().count() <= most {
        return Ok(());
    }
    Err(Error::Requirement {
        field: column.name.into(),
        requirement: format!("at most {most} characters"),
    })
}

fn no_envelope(column: &Column) -> Error {
    refused(format!("{}: {NO_ENVELOPE}", column.name))
}

fn not_readable(column: &Column) -> Error {
    refused(format!(
        "{}: what is sealed is no JSON document",
        column.name
    ))
}

fn refused(message: String) -> Error {
    Error::Document {
        message,
        hint: "docs/encryption.md describes the form of an encrypted value. Nothing was stored."
            .into(),
    }
}

/// Every pg_dump script turns row_security off. A user who does so is refused by Postgres.
fn restoring() -> bool {
    // SAFETY: a plain flag.
    unsafe { !pg_sys::row_security }
}

/// One of our own functions writes: archiving and partitioning move rows as they are.
fn acting_as_owner() -> bool {
    // SAFETY: plain look-ups.
    unsafe {
        let owner = pg_sys::get_role_oid(c"mindmeasure_owner".as_ptr(), true);
        owner != pg_sys::InvalidOid && pg_sys::GetUserId() == owner
    }
}

/// # Safety
/// Both must be varlena datums.
unsafe fn same_bytes(one: pg_sys::Datum, other: pg_sys::Datum) -> bool {
    // SAFETY: as promised; a value stored out of line is the same where its pointer is.
    unsafe {
        let bytes = |datum: pg_sys::Datum| {
            let start: *const pg_sys::varlena = datum.cast_mut_ptr();
            std::slice::from_raw_parts(start.cast::<u8>(), pgrx::varsize_any(start))
        };
        bytes(one) == bytes(other)
    }
}

struct Tuple {
    tuple: pg_sys::HeapTuple,
    description: pg_sys::TupleDesc,
}

impl Tuple {
    fn number(&self, column: &str) -> Option<c_int> {
        let name = CString::new(column).ok()?;
        // SAFETY: the description is the relation's.
        let number = unsafe { pg_sys::SPI_fnumber(self.description, name.as_ptr()) };
        (number > 0).then_some(number)
    }

    fn get(&self, number: c_int) -> Option<pg_sys::Datum> {
        let mut is_null = false;
        // SAFETY: the number is one of the description's.
        let value =
            unsafe { pg_sys::heap_getattr(self.tuple, number, self.description, &mut is_null) };
        (!is_null).then_some(value)
    }

    fn with(&self, changes: &mut [(c_int, pg_sys::Datum)]) -> pg_sys::HeapTuple {
        if changes.is_empty() {
            return self.tuple;
        }
        let mut numbers: Vec<c_int> = changes.iter().map(|change| change.0).collect();
        let mut values: Vec<pg_sys::Datum> = changes.iter().map(|change| change.1).collect();
        let mut nulls = vec![false; changes.len()];
        // SAFETY: three arrays of the same length.
        unsafe {
            pg_sys::heap_modify_tuple_by_cols(
                self.tuple,
                self.description,
                changes.len() as c_int,
                numbers.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            )
        }
    }
}
