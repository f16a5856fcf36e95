//! Rows that were written before encryption was on.

use std::cell::Cell;

use mindmeasure_vault::Envelope;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::Uuid;

use super::columns::{self, Table};
use super::ring;
use super::values::envelope;
use crate::caller::{as_owner, require_system};
use crate::error::{or_raise, Error, Result};
use crate::jsonb::Document;
use crate::sql::Schema;

thread_local! {
    static ENCRYPTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the present statement only encrypts: it changes no value, and none of its traces count.
pub fn encrypting() -> bool {
    ENCRYPTING.get()
}

/// For the triggers that must not take notice of a row that is only encrypted.
#[pg_extern(stable, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_encrypting() -> bool {
    encrypting()
}

/// Whether open values that are written are sealed.
#[pg_extern(stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn mm_encryption_on() -> bool {
    ring::is_on()
}

struct Encrypting;

impl Encrypting {
    fn start() -> Encrypting {
        ENCRYPTING.set(true);
        Encrypting
    }
}

impl Drop for Encrypting {
    fn drop(&mut self) {
        ENCRYPTING.set(false);
    }
}

/// Whether a document is a well-formed envelope.
#[pg_extern(name = "mm_is_envelope", immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_is_envelope_json(value: Document) -> bool {
    value
        .0
        .is_ok_and(|value| envelope(&value).is_ok_and(|found| found.is_some()))
}

/// Whether a text is a well-formed envelope.
#[pg_extern(name = "mm_is_envelope", immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_is_envelope_text(value: &str) -> bool {
    Envelope::from_text(value).is_ok_and(|found| found.is_some())
}

/// Encrypts the open values of the next rows of one table.
#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn mm_encrypt_batch(
    table_name: &str,
    after: Option<Uuid>,
    max_rows: i32,
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<'static, (name!(last_id, Option<Uuid>), name!(encrypted, i64))> {
    let schema = Schema::of(fcinfo);
    TableIterator::once(or_raise(encrypt_batch(
        table_name, after, max_rows, &schema,
    )))
}

fn encrypt_batch(
    name: &str,
    after: Option<Uuid>,
    max_rows: i32,
    schema: &Schema,
) -> Result<(Option<Uuid>, i64)> {
    require_system()?;
    let table = columns::table(name)?;
    if max_rows < 1 {
        return Err(Error::Invalid("max_rows", "1 or more".into()));
    }
    // Said once and early, not by the first row.
    ring::current()?;
    let text = schema.qualify(&batch(table));
    let after = after.unwrap_or_else(|| Uuid::from_bytes([0; 16]));
    as_owner(|| {
        let _only_encrypting = Encrypting::start();
        Spi::connect_mut(|client| {
            // A history of rows would keep the open values.
            without_history(client, "on")?;
            let row = client
                .update(
                    text.as_str(),
                    None,
                    &[after.into(), i64::from(max_rows).into()],
                )?
                .first();
            let result = (row.get(1)?, row.get(2)?.unwrap_or(0));
            without_history(client, "")?;
            Ok(result)
        })
    })
}

/// For the rest of the transaction; triggers that keep history heed it where the owner writes.
fn without_history(client: &mut SpiClient<'_>, value: &str) -> Result<()> {
    client.update(
        "SELECT set_config('mindmeasure.without_history', $1, true)",
        None,
        &[value.into()],
    )?;
    Ok(())
}

/// Writing a row's own id over itself changes nothing and fires mm_seal().
fn batch(table: &Table) -> String {
    format!(
        "WITH next AS (SELECT x.id FROM @extschema@.{name} AS x WHERE x.id > $1 ORDER BY x.id LIMIT $2),
         encrypted AS (
             UPDATE @extschema@.{name} AS x SET id = x.id FROM next
             WHERE x.id = next.id AND ({open}) RETURNING x.id)
         SELECT (SELECT n.id FROM next AS n ORDER BY n.id DESC LIMIT 1), (SELECT count(*) FROM encrypted)",
        name = table.name,
        open = has_open_values(table),
    )
}

fn has_open_values(table: &Table) -> String {
    table
        .columns
        .iter()
        .map(|column| format!("NOT @extschema@.mm_is_envelope(x.{})", column.name))
        .collect::<Vec<_>>()
        .join(" OR ")
}

/// Rows with open values, a line a table: 0 everywhere once mm_encrypt_existing() is through.
#[pg_extern(stable, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_unencrypted_rows(
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<'static, (name!(table_name, &'static str), name!(rows, i64))> {
    TableIterator::new(or_raise(unencrypted_rows(&Schema::of(fcinfo))))
}

fn unencrypted_rows(schema: &Schema) -> Result<Vec<(&'static str, i64)>> {
    require_system()?;
    as_owner(|| {
        Spi::connect(|client| {
            columns::TABLES
                .iter()
                .map(|table| {
                    let text = schema.qualify(&format!(
                        "SELECT count(*) FROM @extschema@.{} AS x WHERE {}",
                        table.name,
                        has_open_values(table)
                    ));
                    let rows = client.select(text.as_str(), None, &[])?.first().get_one()?;
                    Ok((table.name, rows.unwrap_or(0)))
                })
                .collect()
        })
    })
}
