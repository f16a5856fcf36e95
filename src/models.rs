//! mm_models: registering, activating, and reading a model once a backend.

use std::cell::RefCell;

use mindmeasure_scoring::Model;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use serde_json::Value;

use crate::caller::require_system;
use crate::error::{or_raise, Error, Result};
use crate::jsonb::{Document, DocumentError, JsonbText, MAX_DEPTH};
use crate::load::{Columns, LoadPlan};
use crate::sql::Schema;

/// A model as a backend keeps it: read, checked, and with the query that loads what it needs.
pub struct Prepared {
    pub model: Model,
    pub plan: LoadPlan,
    key: Key,
}

/// Another DROP and CREATE EXTENSION in this very backend may put another model behind a name.
#[derive(Clone, PartialEq)]
struct Key {
    namespace: pg_sys::Oid,
    own_weights: bool,
    version: String,
    created_at: i64,
}

thread_local! {
    /// Never freed: a handful of models in the life of a backend, and plans that outlive them.
    static PREPARED: RefCell<Vec<&'static Prepared>> = const { RefCell::new(Vec::new()) };
}

/// The model of a version, read at most once a backend.
pub fn prepared(
    schema: &Schema,
    version: &str,
    created_at: TimestampWithTimeZone,
) -> Result<&'static Prepared> {
    let key = Key {
        namespace: schema.oid,
        own_weights: schema.keeps_own_weights(),
        version: version.to_owned(),
        created_at: created_at.into_inner(),
    };
    let found =
        PREPARED.with_borrow(|all| all.iter().find(|prepared| prepared.key == key).copied());
    if let Some(prepared) = found {
        return Ok(prepared);
    }
    let model = Model::from_json(&spec(schema, version)?).map_err(Error::Specification)?;
    let plan = LoadPlan::new(&model, schema);
    let prepared: &'static Prepared = Box::leak(Box::new(Prepared { model, plan, key }));
    PREPARED.with_borrow_mut(|all| all.push(prepared));
    Ok(prepared)
}

/// A registered specification as it was given.
pub fn spec(schema: &Schema, version: &str) -> Result<Value> {
    let spec = Spi::connect(|client| -> Result<Option<Document>> {
        let query =
            schema.qualify("SELECT spec FROM @extschema@.mm_models WHERE model_version = $1");
        Ok(client
            .select(query.as_str(), Some(1), &[version.into()])?
            .next()
            .map_or(Ok(None), |row| row.get(1))?)
    })?;
    readable(spec.ok_or_else(|| Error::UnknownModel(version.to_owned()))?)
}

/// When a version was registered; `None` where it was not.
pub fn known(schema: &Schema, version: &str) -> Result<Option<TimestampWithTimeZone>> {
    Spi::connect(|client| {
        let query =
            schema.qualify("SELECT created_at FROM @extschema@.mm_models WHERE model_version = $1");
        Ok(client
            .select(query.as_str(), Some(1), &[version.into()])?
            .next()
            .map_or(Ok(None), |row| row.get(1))?)
    })
}

/// All registered models.
pub fn all(schema: &Schema) -> Result<Vec<&'static Prepared>> {
    let versions = Spi::connect(|client| -> Result<Vec<(String, TimestampWithTimeZone)>> {
        let query = schema.qualify(
            "SELECT model_version, created_at FROM @extschema@.mm_models ORDER BY model_version",
        );
        client
            .select(query.as_str(), None, &[])?
            .map(|row| {
                let mut columns = Columns::new(&row);
                Ok((
                    columns.required("model_version")?,
                    columns.required("created_at")?,
                ))
            })
            .collect()
    })?;
    versions
        .into_iter()
        .map(|(version, created_at)| prepared(schema, &version, created_at))
        .collect()
}

/// Version and creation time of the active model.
pub fn active(schema: &Schema) -> Result<(String, TimestampWithTimeZone)> {
    Spi::connect(|client| {
        let query = schema
            .qualify("SELECT model_version, created_at FROM @extschema@.mm_models WHERE is_active");
        let row = client
            .select(query.as_str(), Some(1), &[])?
            .next()
            .ok_or(Error::NoActiveModel)?;
        let mut columns = Columns::new(&row);
        Ok((
            columns.required("model_version")?,
            columns.required("created_at")?,
        ))
    })
}

/// Adds a model, inactive. Returns its version.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn mm_register_model(spec: Option<Document>, fcinfo: pg_sys::FunctionCallInfo) -> String {
    let schema = Schema::of(fcinfo);
    or_raise(
        spec.ok_or(Error::Missing("spec"))
            .and_then(readable)
            .and_then(|spec| {
                require_system()?;
                register(&spec, &schema)
            }),
    )
}

/// Makes a registered model the one that scores new sessions.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn mm_activate_model(version: Option<&str>, fcinfo: pg_sys::FunctionCallInfo) {
    let schema = Schema::of(fcinfo);
    or_raise(
        require_system()
            .and_then(|()| activate(version.ok_or(Error::Missing("version"))?, &schema)),
    );
}

/// v1.0, where it is not there yet; active, where nothing is.
pub fn install_builtin(schema: &Schema) -> Result<()> {
    let spec: Value = serde_json::from_str(Model::builtin_json())
        .map_err(|error| Error::Stored(error.to_string()))?;
    let version = spec["model_version"].as_str().unwrap_or_default();
    // Asked first: an INSERT that meets the row would replace it where row_security is off.
    if known(schema, version)?.is_none() {
        register(&spec, schema)?;
    }
    match active(schema) {
        Err(Error::NoActiveModel) => activate(version, schema),
        other => other.map(|_| ()),
    }
}

fn readable(spec: Document) -> Result<Value> {
    spec.0.map_err(|reason| {
        Error::Invalid(
            "spec",
            match reason {
                DocumentError::TooLarge => "no larger than mindmeasure.max_document_bytes".into(),
                DocumentError::TooDeep => format!("nested at most {MAX_DEPTH} levels deep"),
            },
        )
    })
}

pub fn register(spec: &Value, schema: &Schema) -> Result<String> {
    let version = Model::from_json(spec)
        .map_err(Error::Specification)?
        .model_version;
    let query = schema.qualify("INSERT INTO @extschema@.mm_models (model_version, spec) VALUES ($1, $2) ON CONFLICT (model_version) DO NOTHING RETURNING model_version");
    let added: Option<String> = Spi::connect_mut(|client| -> Result<Option<String>> {
        Ok(client
            .update(
                query.as_str(),
                None,
                &[version.as_str().into(), JsonbText(spec.to_string()).into()],
            )?
            .next()
            .map_or(Ok(None), |row| row.get(1))?)
    })?;
    added.ok_or(Error::DuplicateModel(version))
}

fn activate(version: &str, schema: &Schema) -> Result<()> {
    Spi::connect_mut(|client| {
        // Two that activate at once wait for one another here, so that one stays active.
        client.update(
            schema
                .qualify("LOCK TABLE @extschema@.mm_models IN SHARE ROW EXCLUSIVE MODE")
                .as_str(),
            None,
            &[],
        )?;
        let known =
            schema.qualify("SELECT true FROM @extschema@.mm_models WHERE model_version = $1");
        if client
            .select(known.as_str(), Some(1), &[version.into()])?
            .is_empty()
        {
            return Err(Error::UnknownModel(version.to_owned()));
        }
        let off = schema.qualify("UPDATE @extschema@.mm_models SET is_active = false WHERE is_active AND model_version <> $1");
        client.update(off.as_str(), None, &[version.into()])?;
        let on = schema.qualify("UPDATE @extschema@.mm_models SET is_active = true WHERE model_version = $1 AND NOT is_active");
        client.update(on.as_str(), None, &[version.into()])?;
        Ok(())
    })
}
