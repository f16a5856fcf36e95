//! mm_fit_calibration(): how one person's evidence translates into a probability.

use mindmeasure_scoring::fusion::OwnRate;
use mindmeasure_scoring::model::CalibrationPrior;
use mindmeasure_scoring::numeric::logit;
use mindmeasure_scoring::{platt, Modality};
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::Uuid;

use crate::caller::{lock_person, require_current_view, require_system};
use crate::error::{or_raise, Error, Result};
use crate::load::{self, Columns};
use crate::models::{self, Prepared};
use crate::sql::Schema;

struct Row {
    modality: Modality,
    fit: platt::Fit,
}

/// Fits and stores a person's calibration of one modality, or of all that the active model has.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn mm_fit_calibration(
    user_id: Option<Uuid>,
    modality: default!(Option<&str>, "NULL"),
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<
    'static,
    (
        name!(modality, String),
        name!(a, f64),
        name!(b, f64),
        name!(n_points, i32),
        name!(log_loss_before, Option<f64>),
        name!(log_loss_after, Option<f64>),
    ),
> {
    let rows = or_raise(fit(user_id, modality, &Schema::of(fcinfo)));
    TableIterator::new(rows.into_iter().map(|Row { modality, fit }| {
        (
            modality.as_str().to_owned(),
            fit.a,
            fit.b,
            i32::try_from(fit.n).unwrap_or(i32::MAX),
            fit.log_loss_before,
            fit.log_loss_after,
        )
    }))
}

fn fit(user_id: Option<Uuid>, modality: Option<&str>, schema: &Schema) -> Result<Vec<Row>> {
    let user_id = user_id.ok_or(Error::Missing("user_id"))?;
    let only = match modality {
        None => None,
        Some(name) => Some(Modality::parse(name).ok_or_else(|| {
            Error::Invalid("modality", "text, audio, visual, passive or NULL".into())
        })?),
    };
    require_system()?;
    lock_person(user_id);
    require_current_view(user_id, schema)?;
    let (version, created_at) = models::active(schema)?;
    let prepared = models::prepared(schema, &version, created_at)?;
    let asked = Modality::ALL
        .into_iter()
        .filter(|modality| only.is_none_or(|only| only == *modality));
    let asked: Vec<Modality> = asked
        .filter(|modality| prepared.model.modality(*modality).is_some())
        .collect();
    if asked.is_empty() {
        return Err(Error::Invalid(
            "modality",
            "one that the active model has features of".into(),
        ));
    }
    Spi::connect_mut(|client| {
        let own_logit = own_logit(client, schema, prepared, user_id)?;
        let points = points(client, schema, &version, user_id)?;
        asked
            .into_iter()
            .map(|modality| {
                let prior = prepared
                    .model
                    .modality(modality)
                    .map(|spec| spec.calibration_prior)
                    .unwrap_or_default();
                let fit = fit_one(modality, &prior, own_logit, &points)?;
                // A b that the model fixes does not follow the own rate.
                let follows = prior.b.is_none().then_some(own_logit);
                store(client, schema, user_id, modality, &fit, follows)?;
                Ok(Row { modality, fit })
            })
            .collect()
    })
}

/// Where the prior's b lies when the model leaves it open: the person's own rate over all their
/// outcomes. The fit is used for later scores only, so no session's future gets into its score.
fn own_logit(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    prepared: &Prepared,
    user_id: Uuid,
) -> Result<f64> {
    let fusion = &prepared.model.fusion;
    let mut rate = OwnRate::default();
    let mut last = i64::MIN;
    for (at_us, worse) in load::outcomes(client, schema, user_id, None)? {
        rate.observe(at_us, worse, fusion);
        last = at_us;
    }
    Ok(logit(rate.before(last, fusion).worse_rate(fusion)))
}

/// (worse, evidence by modality) of the labelled sessions that the active model scored.
type Point = (bool, [Option<f64>; 4]);

fn points(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    version: &str,
    user_id: Uuid,
) -> Result<Vec<Point>> {
    schema
        .query(include_str!("../sql/scoring/labelled_person.sql"))
        .run(client, &[user_id.into(), version.into()])?
        .map(|row| {
            let mut columns = Columns::new(&row);
            let worse = columns.required("worse")?;
            let raw = [
                columns.next()?,
                columns.next()?,
                columns.next()?,
                columns.next()?,
            ];
            Ok((worse, raw))
        })
        .collect()
}

fn fit_one(
    modality: Modality,
    prior: &CalibrationPrior,
    own_logit: f64,
    points: &[Point],
) -> Result<platt::Fit> {
    let (scores, worse): (Vec<f64>, Vec<bool>) = points
        .iter()
        .filter_map(|(worse, raw)| Some((raw[modality.index()]?, *worse)))
        .unzip();
    let options = platt::Options {
        prior: Some(platt::Prior::from_sd(
            prior.a,
            prior.b.unwrap_or(own_logit),
            prior.sd_a,
            prior.sd_b,
        )),
        ..platt::Options::default()
    };
    platt::fit(&scores, &worse, &options).map_err(|error| Error::CannotLearn(error.to_string()))
}

/// Without points there is no row: the prior then goes on following the person's own rate.
fn store(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    user_id: Uuid,
    modality: Modality,
    fit: &platt::Fit,
    own_logit: Option<f64>,
) -> Result<()> {
    if fit.n == 0 {
        schema
            .query("DELETE FROM @extschema@.user_calibration WHERE user_id = $1 AND modality = $2")
            .run(client, &[user_id.into(), modality.as_str().into()])?;
        return Ok(());
    }
    schema
        .query(include_str!("../sql/scoring/store_calibration.sql"))
        .run(
            client,
            &[
                user_id.into(),
                modality.as_str().into(),
                fit.a.into(),
                fit.b.into(),
                fit.covariance.to_vec().into(),
                i32::try_from(fit.n).unwrap_or(i32::MAX).into(),
                own_logit.into(),
            ],
        )?;
    Ok(())
}
