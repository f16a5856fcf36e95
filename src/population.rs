//! mm_fit_model() and mm_model_report(): what all people together teach, and how well it holds.

use mindmeasure_scoring::population::cohort::{Cohort, Labelled};
use mindmeasure_scoring::population::judge::{judge, JudgeError, Verdict};
use mindmeasure_scoring::population::refit::{self, Refit};
use mindmeasure_scoring::{Modality, Model};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::Uuid;
use serde_json::{json, Map, Value};

use crate::caller::require_system;
use crate::error::{or_raise, Error, Result};
use crate::load::{four, Columns};
use crate::models::{self, Prepared};
use crate::sql::Schema;

/// Learns a model from all labelled sessions and registers it, inactive. Returns its version.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn mm_fit_model(
    new_version: Option<&str>,
    lambda: default!(Option<f64>, "NULL"),
    fcinfo: pg_sys::FunctionCallInfo,
) -> String {
    or_raise(fit(new_version, lambda, &Schema::of(fcinfo)))
}

fn fit(new_version: Option<&str>, lambda: Option<f64>, schema: &Schema) -> Result<String> {
    let new_version = new_version.ok_or(Error::Missing("new_version"))?;
    if lambda.is_some_and(|lambda| !(1e-6..=1e9).contains(&lambda)) {
        return Err(Error::Invalid(
            "lambda",
            "a number from 1e-6 to 1e9, or NULL to have it chosen".into(),
        ));
    }
    require_system()?;
    if models::known(schema, new_version)?.is_some() {
        return Err(Error::DuplicateModel(new_version.to_owned()));
    }
    let (version, created_at) = models::active(schema)?;
    let base = models::prepared(schema, &version, created_at)?;
    let cohort = read(base, schema)?;
    let everybody: Vec<usize> = (0..cohort.people()).collect();
    let refit = refit::fit(&cohort, &everybody, &base.model, lambda)
        .map_err(|error| Error::CannotLearn(error.to_string()))?;
    let spec = models::spec(schema, &version)?;
    let spec = specification(spec, new_version, &version, lambda, &refit);
    models::register(&spec, schema)
}

/// How well a model foretells outcomes, beside the person's own rate alone.
#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn mm_model_report(
    version: default!(Option<&str>, "NULL"),
    folds: default!(Option<i32>, "2"),
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<
    'static,
    (
        name!(predictor, String),
        name!(n, i64),
        name!(base_rate, f64),
        name!(brier, f64),
        name!(log_loss, f64),
        name!(auc, Option<f64>),
        name!(within_user_auc, Option<f64>),
        name!(ece, f64),
        name!(calibration_slope, Option<f64>),
    ),
> {
    let rows = or_raise(report(version, folds, &Schema::of(fcinfo)));
    TableIterator::new(rows.into_iter().map(|(predictor, verdict)| {
        let report = verdict.report;
        (
            predictor.to_owned(),
            report.n as i64,
            report.base_rate,
            report.brier,
            report.log_loss,
            report.auc,
            verdict.within_user.mean,
            report.ece,
            report.calibration_slope,
        )
    }))
}

fn report(
    version: Option<&str>,
    folds: Option<i32>,
    schema: &Schema,
) -> Result<[(&'static str, Verdict); 2]> {
    let folds = folds.ok_or(Error::Missing("folds"))?;
    let folds = usize::try_from(folds)
        .ok()
        .filter(|folds| (2..=100).contains(folds))
        .ok_or_else(|| Error::Invalid("folds", "a whole number from 2 to 100".into()))?;
    let (version, created_at) = match version {
        None => models::active(schema)?,
        Some(version) => {
            let created_at = models::known(schema, version)?
                .ok_or_else(|| Error::UnknownModel(version.to_owned()))?;
            (version.to_owned(), created_at)
        }
    };
    let prepared = models::prepared(schema, &version, created_at)?;
    let cohort = read(prepared, schema)?;
    let judgement = judge(&cohort, &prepared.model, folds).map_err(|error| match error {
        JudgeError::TooFewPeople => Error::Invalid(
            "folds",
            "no more than there are people with labelled sessions".into(),
        ),
        error => Error::CannotLearn(error.to_string()),
    })?;
    Ok([("model", judgement.model), ("own rate", judgement.own_rate)])
}

/// Rows of one fetch: enough to make the round trip cheap, few enough to take little memory.
const CHUNK: i64 = 2000;

/// Everybody's labelled sessions, with z from every model that computes the same z as this one.
fn read(prepared: &Prepared, schema: &Schema) -> Result<Cohort> {
    let sisters: Vec<&'static Prepared> = models::all(schema)?
        .into_iter()
        .filter(|other| other.model.reads_same_z(&prepared.model))
        .collect();
    let versions: Vec<&str> = sisters
        .iter()
        .map(|sister| sister.model.model_version.as_str())
        .collect();
    let by = |version: &str| -> Result<&Model> {
        sisters
            .iter()
            .map(|sister| &sister.model)
            .find(|model| model.model_version == version)
            .ok_or_else(|| Error::UnknownModel(version.to_owned()))
    };
    let query = schema.qualify(include_str!("../sql/scoring/labelled.sql"));
    let cursor = Spi::connect(|client| -> Result<String> {
        let cursor = client.try_open_cursor(query.as_str(), &[versions.into()])?;
        Ok(cursor.detach_into_name())
    })?;
    let mut cohort = Cohort::new(prepared.model.features.len());
    let mut person: Option<Uuid> = None;
    loop {
        // One connection a chunk: its memory is given back before the next.
        let more = Spi::connect(|client| -> Result<bool> {
            let mut cursor = client.find_cursor(&cursor)?;
            let rows = cursor.fetch(CHUNK)?;
            let more = !rows.is_empty();
            for row in rows {
                let mut columns = Columns::new(&row);
                let user_id: Uuid = columns.required("user_id")?;
                let at: TimestampWithTimeZone = columns.required("session_created_at")?;
                let worse = columns.required("worse")?;
                let version: Option<String> = columns.next()?;
                let z: Vec<Option<f64>> = columns.list()?;
                let reliability = four(columns.required::<Vec<Option<f64>>>("reliability")?)?;
                if person != Some(user_id) {
                    person = Some(user_id);
                    cohort.next_person();
                }
                let model = match &version {
                    Some(version) => by(version)?,
                    None => &prepared.model,
                };
                let session = Labelled {
                    at_us: at.into_inner(),
                    worse,
                    z: &z,
                    reliability,
                };
                cohort
                    .push(&session, model)
                    .map_err(|error| Error::Stored(error.to_string()))?;
            }
            if more {
                cursor.detach_into_name();
            }
            Ok(more)
        })?;
        pgrx::check_for_interrupts!();
        if !more {
            return Ok(cohort);
        }
    }
}

/// The specification it was learnt from, with what was learnt.
fn specification(
    mut spec: Value,
    version: &str,
    from: &str,
    lambda: Option<f64>,
    refit: &Refit,
) -> Value {
    let model = &refit.model;
    spec["model_version"] = json!(version);
    spec["description"] = json!(format!(
        "Learnt by mm_fit_model() from {} labelled sessions of {} people, with the features of {from}.",
        refit.sessions, refit.people
    ));
    if let Some(features) = spec["features"].as_array_mut() {
        for (feature, learnt) in features.iter_mut().zip(&model.features) {
            feature["weight"] = json!(learnt.weight);
        }
    }
    for modality in Modality::ALL {
        let Some(learnt) = model.modality(modality) else {
            continue;
        };
        let prior = learnt.calibration_prior;
        let part = entry(entry(&mut spec, "modalities"), modality.as_str());
        part["intercept"] = json!(learnt.intercept);
        part["calibration_prior"] =
            json!({"a": prior.a, "b": prior.b, "sd_a": prior.sd_a, "sd_b": prior.sd_b});
    }
    let fusion = entry(&mut spec, "fusion");
    fusion["prior_rate"] = json!(model.fusion.prior_rate);
    fusion["prior_strength"] = json!(model.fusion.prior_strength);
    fusion["outcome_half_life_days"] = json!(model.fusion.outcome_half_life_days);
    fusion["recent_half_life_days"] = json!(model.fusion.recent_half_life_days);
    fusion["recent_strength"] = json!(model.fusion.recent_strength);
    fusion["rho"] = json!(model.fusion.rho);
    spec["personal"] = json!({"weight_sd": model.personal.weight_sd});
    spec["trained"] = json!({
        "from": from,
        "lambda": lambda,
        "penalty": refit.penalty,
        "sessions": refit.sessions,
        "people": refit.people,
    });
    spec
}

/// The object under a key, made where there is none.
fn entry<'a>(of: &'a mut Value, key: &str) -> &'a mut Value {
    if !of[key].is_object() {
        of[key] = Value::Object(Map::new());
    }
    &mut of[key]
}
