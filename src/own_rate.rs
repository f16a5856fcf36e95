//! mm_own_rate(): how often a person is worse than their usual, and how well that is known.

use mindmeasure_scoring::{OwnRate, Posterior};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::Uuid;

use crate::caller::may_act_for;
use crate::error::{or_raise, Error, Result};
use crate::load::Columns;
use crate::models;
use crate::sql::Schema;

/// Ends of the 90 % interval.
const ENDS: (f64, f64) = (0.05, 0.95);

/// A person's own rate of worse sessions as scoring a session now would take it.
#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn mm_own_rate(
    user_id: Option<Uuid>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<
    'static,
    (
        name!(rate, f64),
        name!(low, f64),
        name!(high, f64),
        name!(outcomes, i64),
        name!(worse, i64),
    ),
> {
    let known = or_raise(known(user_id, &Schema::of(fcinfo)));
    TableIterator::once((
        known.rate.mean(),
        known.rate.quantile(ENDS.0),
        known.rate.quantile(ENDS.1),
        known.outcomes,
        known.worse,
    ))
}

struct Known {
    rate: Posterior,
    outcomes: i64,
    worse: i64,
}

fn known(user_id: Option<Uuid>, schema: &Schema) -> Result<Known> {
    let user_id = user_id.ok_or(Error::Missing("user_id"))?;
    if !may_act_for(user_id, schema)? {
        return Err(Error::NotAllowed);
    }
    let (version, created_at) = models::active(schema)?;
    let fusion = &models::prepared(schema, &version, created_at)?.model.fusion;
    Spi::connect(|client| {
        let now: TimestampWithTimeZone = schema
            .query("SELECT now()")
            .read(client, &[])?
            .first()
            .get_one()?
            .ok_or_else(|| Error::Stored("now".into()))?;
        let (mut own, mut outcomes, mut worse) = (OwnRate::default(), 0, 0);
        let rows = schema
            .query(include_str!("../sql/scoring/outcomes.sql"))
            .read(client, &[user_id.into(), now.into()])?;
        for row in rows {
            let mut columns = Columns::new(&row);
            let at: TimestampWithTimeZone = columns.required("session_created_at")?;
            let was_worse: bool = columns.required("worse")?;
            own.observe(at.into_inner(), was_worse, fusion);
            outcomes += 1;
            worse += i64::from(was_worse);
        }
        Ok(Known {
            rate: own.before(now.into_inner(), fusion).posterior(fusion),
            outcomes,
            worse,
        })
    })
}
