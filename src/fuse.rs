//! mm_fuse_session(): the main job. In one transaction and exactly once.

use mindmeasure_scoring::{outcome, score, Baseline, Kept, Modality, Scored, Stored};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::Uuid;
use serde_json::Value;

use crate::caller::{lock_person, may_act_for, require_current_view};
use crate::error::{or_raise, Error, Result};
use crate::jsonb::RawJsonb;
use crate::load::{four, metric_baseline, Columns, Loaded};
use crate::models::{self, Prepared};
use crate::sql::Schema;
use crate::store::{self, Earlier, Identity, Lessons, Score};

const IDENTIFY: &str = include_str!("../sql/scoring/identify.sql");
const PLACE: &str = include_str!("../sql/scoring/place.sql");
const STORED: &str = include_str!("../sql/scoring/stored.sql");

/// One row of fusion_outputs, with the columns of the seed.
struct Row {
    session_id: Uuid,
    user_id: Uuid,
    p_worse_fused: f64,
    p_worse: [Option<f64>; 4],
    score: i32,
    score_smoothed: f64,
    uncertainty: f64,
    qc_overall: String,
    /// Outlives the connection that gave it.
    drivers: RawJsonb,
    model_version: String,
    created_at: TimestampWithTimeZone,
}

/// Scores a session and returns its row of fusion_outputs.
#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn mm_fuse_session(
    session_id: Option<Uuid>,
    refresh: default!(Option<bool>, "false"),
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<
    'static,
    (
        name!(session_id, Uuid),
        name!(user_id, Uuid),
        name!(p_worse_fused, f64),
        name!(p_worse_audio, Option<f64>),
        name!(p_worse_visual, Option<f64>),
        name!(p_worse_text, Option<f64>),
        name!(p_worse_passive, Option<f64>),
        name!(score, i32),
        name!(score_smoothed, f64),
        name!(uncertainty, f64),
        name!(qc_overall, String),
        name!(drivers, RawJsonb),
        name!(model_version, String),
        name!(created_at, TimestampWithTimeZone),
    ),
> {
    let row = or_raise(fuse(session_id, refresh, &Schema::of(fcinfo)));
    TableIterator::once((
        row.session_id,
        row.user_id,
        row.p_worse_fused,
        row.p_worse[Modality::Audio.index()],
        row.p_worse[Modality::Visual.index()],
        row.p_worse[Modality::Text.index()],
        row.p_worse[Modality::Passive.index()],
        row.score,
        row.score_smoothed,
        row.uncertainty,
        row.qc_overall,
        row.drivers,
        row.model_version,
        row.created_at,
    ))
}

fn fuse(session_id: Option<Uuid>, refresh: Option<bool>, schema: &Schema) -> Result<Row> {
    let session_id = session_id.ok_or(Error::Missing("session_id"))?;
    let refresh = refresh.ok_or(Error::Missing("refresh"))?;
    let found = Spi::connect(|client| identify(client, schema, session_id))?;
    if !may_act_for(found.identity.user_id, schema)? {
        return Err(Error::UnknownSession);
    }
    if found.scored && !refresh {
        return Spi::connect(|client| {
            require_present(client, schema, &found.identity)?;
            Ok(stored_row(client, schema, session_id)?.row)
        });
    }
    lock_person(found.identity.user_id);
    require_current_view(found.identity.user_id, schema)?;
    Spi::connect_mut(|client| fuse_locked(client, schema, found, refresh))
}

/// Whose a session is, and the model that scores it.
struct Found {
    identity: Identity,
    scored: bool,
    model: Option<(String, TimestampWithTimeZone)>,
}

/// # Errors
/// [`Error::Archived`], or [`Error::UnknownSession`] where the session is gone altogether.
fn require_present(client: &SpiClient<'_>, schema: &Schema, identity: &Identity) -> Result<()> {
    let arguments = [
        identity.session_id.into(),
        identity.user_id.into(),
        identity.created_at.into(),
    ];
    let row = schema
        .query(PLACE)
        .read(client, &arguments)?
        .next()
        .ok_or(Error::UnknownSession)?;
    let mut columns = Columns::new(&row);
    match (columns.required("present")?, columns.required("archived")?) {
        (true, _) => Ok(()),
        (false, true) => Err(Error::Archived),
        (false, false) => Err(Error::UnknownSession),
    }
}

fn identify(client: &SpiClient<'_>, schema: &Schema, session_id: Uuid) -> Result<Found> {
    let row = schema
        .query(IDENTIFY)
        .read(client, &[session_id.into()])?
        .next()
        .ok_or(Error::UnknownSession)?;
    let mut columns = Columns::new(&row);
    let identity = Identity {
        session_id,
        user_id: columns.required("user_id")?,
        created_at: columns.required("created_at")?,
    };
    let scored = columns.next::<String>()?.is_some();
    let model = columns
        .next::<String>()?
        .zip(columns.next::<TimestampWithTimeZone>()?);
    Ok(Found {
        identity,
        scored,
        model,
    })
}

/// The rest, with the person's lock held and a fresh view of what others committed.
fn fuse_locked(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    found: Found,
    refresh: bool,
) -> Result<Row> {
    let session_id = found.identity.session_id;
    let (version, model_created_at) = found.model.clone().ok_or(Error::NoActiveModel)?;
    let prepared = models::prepared(schema, &version, model_created_at)?;
    let identity = found.identity;
    let loaded = prepared.plan.one(
        client,
        &prepared.model,
        session_id,
        identity.user_id,
        identity.created_at,
    )?;
    // Archived or deleted while we waited for the lock.
    let Some(loaded) = loaded else {
        require_present(client, schema, &identity)?;
        return Err(Error::UnknownSession);
    };
    if loaded.before.scored && !found.scored {
        // Somebody else scored it while we waited: their model counts.
        let found = identify(client, schema, session_id)?;
        return fuse_locked(client, schema, found, refresh);
    }
    let (session, before) = (&loaded.session, &loaded.before);
    if !before.scored {
        if !session.arrived.contains(&true) {
            return Err(Error::NoAnalysis);
        }
        let scored = score(&prepared.model, &before.person, session, None);
        // SAFETY: a plain look at the transaction.
        let now = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
        let now = TimestampWithTimeZone::try_from(now).map_err(|_| Error::Stored("now".into()))?;
        return write(client, schema, prepared, identity, &loaded, scored, now);
    }
    let stored = stored_row(client, schema, session_id)?;
    let nothing_new = Modality::ALL.into_iter().all(|modality| {
        !session.arrived[modality.index()]
            || stored.arrived.iter().any(|name| name == modality.as_str())
    });
    if !refresh || nothing_new {
        return Ok(stored.row);
    }
    let kept = stored.kept(prepared)?;
    let scored = score(&prepared.model, &before.person, session, Some(&kept));
    let at = stored.row.created_at;
    write(client, schema, prepared, identity, &loaded, scored, at)
}

fn write(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    prepared: &Prepared,
    identity: Identity,
    Loaded { session, before }: &Loaded,
    scored: Scored,
    created_at: TimestampWithTimeZone,
) -> Result<Row> {
    let model = &prepared.model;
    let outcome = scored
        .self_report
        .and_then(|composite| outcome::worse(&before.reports, composite, &model.outcome));
    let mut lessons = Lessons::default();
    lessons.add(
        identity.user_id,
        model,
        &before.person,
        &scored.baselines,
        &scored.metrics,
    )?;
    let score = Score::new(identity, session, &scored, outcome)?;
    let earlier = Earlier {
        scored: before.scored,
        derived: before.derived,
    };
    let drivers = score.drivers;
    store::write(client, schema, model, &[score], &lessons, earlier)?;
    Ok(Row {
        session_id: identity.session_id,
        user_id: identity.user_id,
        p_worse_fused: scored.p_worse_fused,
        p_worse: scored.p_worse,
        score: scored.score,
        score_smoothed: scored.score_smoothed,
        uncertainty: scored.uncertainty,
        qc_overall: scored.qc_overall.as_str().to_owned(),
        drivers: drivers.outlive(client),
        model_version: model.model_version.clone(),
        created_at,
    })
}

/// A stored score, with what a refresh needs of it.
struct StoredScore {
    row: Row,
    raw: [Option<f64>; 4],
    feature_z: Vec<Option<f64>>,
    personal: Vec<f32>,
    arrived: Vec<String>,
    learnt: Vec<String>,
    combined_before: Baseline,
    newest: bool,
}

fn stored_row(client: &SpiClient<'_>, schema: &Schema, session_id: Uuid) -> Result<StoredScore> {
    let row = schema
        .query(STORED)
        .read(client, &[session_id.into()])?
        .next()
        .ok_or(Error::UnknownSession)?;
    let mut columns = Columns::new(&row);
    let user_id = columns.required("user_id")?;
    let p_worse_fused = columns.required("p_worse_fused")?;
    let (audio, visual, text, passive) = (
        columns.next()?,
        columns.next()?,
        columns.next()?,
        columns.next()?,
    );
    let (score, score_smoothed) = (
        columns.required("score")?,
        columns.required("score_smoothed")?,
    );
    let (uncertainty, qc_overall) = (
        columns.required("uncertainty")?,
        columns.required::<String>("qc_overall")?,
    );
    let drivers = columns
        .next::<RawJsonb>()?
        .or_else(|| RawJsonb::of("null".into()))
        .ok_or_else(|| Error::Stored("drivers".into()))?
        .outlive(client);
    let (model_version, created_at) = (
        columns.required("model_version")?,
        columns.required("created_at")?,
    );
    let raw = four(columns.required::<Vec<Option<f64>>>("raw")?)?;
    let (feature_z, personal) = (columns.list()?, columns.list()?);
    let (arrived, learnt) = (columns.list()?, columns.list()?);
    let combined_before = metric_baseline(
        columns.required("baseline_n")?,
        columns.required("baseline_mean")?,
        columns.required("baseline_m2")?,
    );
    let newest = columns.required("newest")?;
    Ok(StoredScore {
        row: Row {
            session_id,
            user_id,
            p_worse_fused,
            p_worse: [text, audio, visual, passive],
            score,
            score_smoothed,
            uncertainty,
            qc_overall,
            drivers,
            model_version,
            created_at,
        },
        raw,
        feature_z,
        personal,
        arrived,
        learnt,
        combined_before,
        newest,
    })
}

impl StoredScore {
    fn kept(&self, prepared: &Prepared) -> Result<Kept> {
        let drivers: Value = serde_json::from_str(&self.row.drivers.text())
            .map_err(|error| Error::Stored(error.to_string()))?;
        Kept::from_stored(
            &prepared.model,
            Stored {
                drivers: &drivers,
                feature_z: &self.feature_z,
                personal: &self.personal,
                raw: self.raw,
                learnt: Modality::ALL
                    .map(|modality| self.learnt.iter().any(|name| name == modality.as_str())),
                combined_before: self.combined_before,
                // All metrics learn at once, when the quality suffices.
                combined_learnt: self.row.qc_overall != "insufficient",
                newest: self.newest,
            },
        )
        .map_err(Error::Stored)
    }
}
