//! mm_migrate(): brings the tables of the database to what this library expects.
//!
//! The extension owns functions and never tables: an extension's tables lose rows, columns,
//! indexes and policies in pg_dump. So the tables are made by numbered files, applied once each.

use pgrx::prelude::*;

use crate::caller::as_owner;
use crate::error::{or_raise, Error, Result};
use crate::models;
use crate::sql::Schema;

struct Migration {
    version: i32,
    /// The first version of the extension whose functions go with these tables.
    since: [u32; 3],
    file: &'static str,
    text: &'static str,
}

macro_rules! migrations {
    ($($version:literal since $since:expr => $file:literal),* $(,)?) => {
        static MIGRATIONS: &[Migration] = &[$(Migration {
            version: $version,
            since: $since,
            file: $file,
            text: include_str!(concat!("../sql/migrations/", $file)),
        }),*];
    };
}

migrations! {
    1 since [1, 0, 0] => "V001__initial_schema.sql",
    2 since [1, 0, 0] => "V002__add_user_baselines.sql",
    3 since [1, 0, 0] => "V003__enhance_analysis_tables.sql",
    4 since [1, 0, 0] => "V004__add_models_and_outcomes.sql",
    5 since [1, 0, 0] => "V005__add_session_archive.sql",
    6 since [1, 0, 0] => "V006__add_retention.sql",
    7 since [1, 0, 0] => "V007__calibration_own_logit.sql",
    8 since [1, 0, 0] => "V008__add_row_history.sql",
    9 since [1, 0, 0] => "V009__add_erasure.sql",
    10 since [1, 0, 0] => "V010__tune_scoring_tables.sql",
    11 since [1, 1, 0] => "V011__add_field_encryption.sql",
    12 since [1, 1, 0] => "V012__add_audit_log.sql",
    13 since [1, 1, 0] => "V013__add_break_glass.sql",
    14 since [1, 1, 0] => "V014__speed_up_writes.sql",
    15 since [1, 1, 0] => "V015__add_personal_weights.sql",
    16 since [1, 1, 0] => "V016__watch_departures.sql",
    17 since [1, 1, 0] => "V017__speed_up_reads.sql",
}

impl Migration {
    /// `V002__add_user_baselines.sql` → `add user baselines`
    fn description(&self) -> String {
        let words = self
            .file
            .split_once("__")
            .map_or(self.file, |(_, words)| words);
        words.trim_end_matches(".sql").replace('_', " ")
    }
}

/// Applies the migrations that have not been applied, in order; returns those of this call.
#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn mm_migrate(
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<'static, (name!(version, i32), name!(description, String))> {
    TableIterator::new(or_raise(migrate(fcinfo)))
}

/// The migrations that this version's tables consist of: what mm_migrate() has applied when it is done.
#[pg_extern(stable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_expected_migrations(
) -> TableIterator<'static, (name!(version, i32), name!(description, String))> {
    TableIterator::new(MIGRATIONS.iter().map(|m| (m.version, m.description())))
}

fn migrate(fcinfo: pg_sys::FunctionCallInfo) -> Result<Vec<(i32, String)>> {
    // SAFETY: a plain flag.
    let creating_extension = unsafe { pg_sys::creating_extension };
    let schema = Schema::of(fcinfo);
    if creating_extension && restoring(&schema)? {
        // CREATE EXTENSION lets nothing below WARNING through, but INFO always goes to the client.
        info!(
            "row_security is off, as in every pg_dump script: the tables are left to the dump. \
             If this is no restore, run SELECT * FROM mm_migrate();"
        );
        return Ok(Vec::new());
    }
    lock()?;
    let mut applied = Vec::new();
    Spi::run(&schema.qualify(AUTH))?;
    as_owner(|| Spi::run(&schema.qualify(LEDGER)))?;
    Spi::run(&schema.qualify(REATTACH))?;
    let (version, number) = installed_version()?;
    // The library may be newer than the functions in the catalog, until ALTER EXTENSION UPDATE:
    // tables that need newer functions wait for it.
    for migration in MIGRATIONS.iter().filter(|m| m.since <= number) {
        if apply(migration, &schema, &version)? {
            applied.push((migration.version, migration.description()));
        }
    }
    if creating_extension {
        Spi::run(RELEASE)?;
    }
    Spi::run(&schema.qualify(SIGN_UP))?;
    Spi::run(&schema.qualify(STATISTICS))?;
    as_owner(|| Spi::run(&schema.qualify(PREFILLED)))?;
    models::install_builtin(&schema)?;
    Ok(applied)
}

const AUTH: &str = include_str!("../sql/migrate/auth.sql");
const LEDGER: &str = include_str!("../sql/migrate/ledger.sql");
const REATTACH: &str = include_str!("../sql/migrate/reattach.sql");
const RELEASE: &str = include_str!("../sql/migrate/release.sql");
const SIGN_UP: &str = include_str!("../sql/migrate/sign_up.sql");
const STATISTICS: &str = include_str!("../sql/migrate/statistics.sql");
const PREFILLED: &str = include_str!("../sql/migrate/prefilled.sql");

/// CREATE EXTENSION in a pg_dump script, before the tables. An update never is a restore: where
/// there are tables, they are brought along.
fn restoring(schema: &Schema) -> Result<bool> {
    Ok(Spi::get_one::<bool>(&schema.qualify(
        "SELECT current_setting('row_security') = 'off' AND to_regclass('@extschema@.mm_schema_migrations') IS NULL",
    ))?
    .unwrap_or(false))
}

/// One mm_migrate() at a time in this database.
fn lock() -> Result<()> {
    Ok(Spi::run(
        "SELECT pg_advisory_xact_lock(hashtextextended('mindmeasure.mm_migrate', 0))",
    )?)
}

/// The version of the extension in the catalog: as written, and as a number that compares.
fn installed_version() -> Result<(String, [u32; 3])> {
    let version: String =
        Spi::get_one("SELECT extversion FROM pg_extension WHERE extname = 'mindmeasure'")?
            .ok_or_else(|| Error::Stored("extension version".into()))?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let number = std::array::from_fn(|_| parts.next().flatten().unwrap_or(0));
    Ok((version, number))
}

fn apply(migration: &Migration, schema: &Schema, extension_version: &str) -> Result<bool> {
    let checksum = checksum(migration.text)?;
    let recorded: Option<String> = Spi::connect(|client| {
        client
            .select(
                schema
                    .qualify(
                        "SELECT checksum FROM @extschema@.mm_schema_migrations WHERE version = $1",
                    )
                    .as_str(),
                Some(1),
                &[migration.version.into()],
            )?
            .next()
            .map_or(Ok(None), |row| row.get(1))
    })?;
    match recorded {
        Some(recorded) if recorded == checksum => return Ok(false),
        Some(_) => return Err(Error::ChangedMigration(migration.file)),
        None => {}
    }
    as_owner(|| Spi::run(&schema.qualify(migration.text)))?;
    Spi::run_with_args(
        &schema.qualify("INSERT INTO @extschema@.mm_schema_migrations (version, description, checksum, extension_version) VALUES ($1, $2, $3, $4)"),
        &[migration.version.into(), migration.description().into(), checksum.into(), extension_version.into()],
    )?;
    Ok(true)
}

fn checksum(text: &str) -> Result<String> {
    Spi::get_one_with_args(
        "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')",
        &[text.into()],
    )?
    .ok_or_else(|| Error::Stored("checksum".into()))
}
