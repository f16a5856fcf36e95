//! mm_encrypt(), mm_decrypt(), mm_data_key(): for people and applications.

use mindmeasure_vault::{Envelope, Malformed};
use pgrx::prelude::*;
use pgrx::Uuid;

use super::columns::{column, table, Table};
use super::values::{envelope, jsonb, Row};
use super::{disclosure, keys};
use crate::caller::require_system;
use crate::error::{or_raise, Error, Result};
use crate::jsonb::{jsonb_of, RawJsonb};
use crate::sql::Schema;

/// The envelope of a document for a place in the database.
#[pg_extern(name = "mm_encrypt", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn mm_encrypt_json(
    table_name: &str,
    column_name: &str,
    row_id: Uuid,
    user_id: Uuid,
    value: RawJsonb,
    fcinfo: pg_sys::FunctionCallInfo,
) -> RawJsonb {
    let schema = Schema::of(fcinfo);
    or_raise(
        place(&schema, table_name, column_name, true, user_id).and_then(|(table, column)| {
            let row = row(table, row_id, user_id);
            let envelope = row.seal(&schema, column, value.text().as_bytes())?;
            jsonb(&envelope)
        }),
    )
}

/// The envelope of a text for a place in the database.
#[pg_extern(name = "mm_encrypt", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn mm_encrypt_text(
    table_name: &str,
    column_name: &str,
    row_id: Uuid,
    user_id: Uuid,
    value: &str,
    fcinfo: pg_sys::FunctionCallInfo,
) -> String {
    let schema = Schema::of(fcinfo);
    or_raise(
        place(&schema, table_name, column_name, false, user_id).and_then(|(table, column)| {
            let row = row(table, row_id, user_id);
            Ok(row.seal(&schema, column, value.as_bytes())?.to_text())
        }),
    )
}

/// The document that an envelope holds; an open document as it is.
#[pg_extern(name = "mm_decrypt", stable, strict, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_decrypt_json(
    table_name: &str,
    column_name: &str,
    row_id: Uuid,
    user_id: Uuid,
    value: RawJsonb,
    fcinfo: pg_sys::FunctionCallInfo,
) -> RawJsonb {
    let schema = Schema::of(fcinfo);
    or_raise(
        place(&schema, table_name, column_name, true, user_id).and_then(|(table, column)| {
            let not_authentic = || Error::NotAuthentic(column.to_owned());
            disclosure::noted(&schema, "decrypt", table.name, user_id)?;
            let found = match value.document().0 {
                Ok(document) => envelope(&document).map_err(|Malformed| not_authentic())?,
                // Written before the limit was lowered: no envelope.
                Err(_) => None,
            };
            let Some(envelope) = found else {
                return Ok(value);
            };
            let text = row(table, row_id, user_id).open(&schema, column, &envelope)?;
            jsonb_of(&text).map(RawJsonb).ok_or_else(not_authentic)
        }),
    )
}

/// The text that an envelope holds; an open text as it is.
#[pg_extern(name = "mm_decrypt", stable, strict, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_decrypt_text(
    table_name: &str,
    column_name: &str,
    row_id: Uuid,
    user_id: Uuid,
    value: &str,
    fcinfo: pg_sys::FunctionCallInfo,
) -> String {
    let schema = Schema::of(fcinfo);
    or_raise(
        place(&schema, table_name, column_name, false, user_id).and_then(|(table, column)| {
            disclosure::noted(&schema, "decrypt", table.name, user_id)?;
            let found = Envelope::from_text(value)
                .map_err(|Malformed| Error::NotAuthentic(column.to_owned()))?;
            match found {
                Some(envelope) => row(table, row_id, user_id).open(&schema, column, &envelope),
                None => Ok(value.to_owned()),
            }
        }),
    )
}

/// A person's data key, for an application that makes envelopes itself.
#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn mm_data_key(
    user_id: Option<Uuid>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<'static, (name!(kid, String), name!(key, Vec<u8>))> {
    TableIterator::once(or_raise(data_key(user_id, &Schema::of(fcinfo))))
}

fn data_key(user_id: Option<Uuid>, schema: &Schema) -> Result<(String, Vec<u8>)> {
    let user_id = user_id.ok_or(Error::Missing("user_id"))?;
    require_system()?;
    let key = keys::for_sealing(schema, user_id)?;
    disclosure::noted(schema, "data key", "user_keys", user_id)?;
    Ok((key.kid.as_str().to_owned(), key.key.bytes().to_vec()))
}

/// Where a value belongs, and that the caller may touch it.
fn place(
    schema: &Schema,
    table_name: &str,
    column_name: &str,
    json: bool,
    user_id: Uuid,
) -> Result<(&'static Table, &'static str)> {
    let table = table(table_name)?;
    let column = column(table, column_name, json)?;
    keys::require_access(schema, user_id)?;
    Ok((table, column))
}

fn row(table: &'static Table, id: Uuid, user_id: Uuid) -> Row<'static> {
    Row {
        table: table.sealed_as,
        id,
        user_id,
    }
}
