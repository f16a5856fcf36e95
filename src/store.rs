//! Writing: what the mathematics gave → rows, in one statement.

use mindmeasure_scoring::person::FACTORS;
use mindmeasure_scoring::{Baseline, Metric, Modality, Model, Scored, Session};
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::spi::SpiClient;
use pgrx::Uuid;

use crate::error::{Error, Result};
use crate::jsonb::JsonbText;
use crate::sql::{Query, Schema};

const STORE: &str = include_str!("../sql/scoring/store.sql");
const BASELINES: &str = include_str!("../sql/scoring/baselines.sql");

/// Whose session it is and when it took place.
#[derive(Clone, Copy)]
pub struct Identity {
    pub session_id: Uuid,
    pub user_id: Uuid,
    pub created_at: TimestampWithTimeZone,
}

/// What a person's baselines are after learning; the ones that changed.
#[derive(Default)]
pub struct Learnt {
    pub features: Vec<(usize, Baseline)>,
    pub metrics: Vec<(Metric, Baseline)>,
    /// Whether the session's self-report says that the person was worse than usual.
    pub outcome: Option<bool>,
}

/// Writes a score, compares it, completes the session and keeps what was learnt.
/// Returns created_at, and the drivers as they were written.
pub fn score(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    model: &Model,
    identity: Identity,
    session: &Session,
    scored: &Scored,
    learnt: &Learnt,
) -> Result<(TimestampWithTimeZone, String)> {
    let mut arguments = learnt.arguments(model, identity.user_id)?;
    let document = |text: serde_json::Result<String>| {
        text.map(JsonbText)
            .map_err(|error| Error::Stored(error.to_string()))
    };
    let drivers =
        serde_json::to_string(&scored.drivers).map_err(|error| Error::Stored(error.to_string()))?;
    let [energy, stress, comfort, social, sleep] = session
        .mood
        .map_or([None; FACTORS.len()], |mood| mood.factors());
    let by = |values: &[Option<f64>; 4], modality: Modality| values[modality.index()].into();
    arguments.extend([
        identity.session_id.into(),
        identity.created_at.into(),
        scored.p_worse_fused.into(),
        by(&scored.p_worse, Modality::Text),
        by(&scored.p_worse, Modality::Audio),
        by(&scored.p_worse, Modality::Visual),
        by(&scored.p_worse, Modality::Passive),
        scored.score.into(),
        scored.score_smoothed.into(),
        scored.smoothed_variance.into(),
        scored.uncertainty.into(),
        scored.qc_overall.as_str().into(),
        JsonbText(drivers.clone()).into(),
        model.model_version.as_str().into(),
        by(&scored.raw, Modality::Text),
        by(&scored.raw, Modality::Audio),
        by(&scored.raw, Modality::Visual),
        by(&scored.raw, Modality::Passive),
        scored.feature_z.clone().into(),
        names(&session.arrived).into(),
        names(&scored.learnt).into(),
        scored.self_report.into(),
        energy.into(),
        stress.into(),
        comfort.into(),
        social.into(),
        sleep.into(),
        vec![
            scored.watch.n,
            scored.watch.mean,
            scored.watch.m2,
            scored.watch.sum,
        ]
        .into(),
        scored.combined_score.into(),
        scored.baseline_deviation.into(),
        scored.is_baseline_session.into(),
        scored.combined_before.n.into(),
        scored.combined_before.mean.into(),
        scored.combined_before.m2.into(),
        document(serde_json::to_string(&scored.baseline_comparison))?.into(),
        document(serde_json::to_string(&scored.trend_analysis))?.into(),
        learnt.outcome.into(),
    ]);
    let created_at = store_query(schema)
        .run(client, &arguments)?
        .first()
        .get_one()?
        .ok_or_else(|| Error::Stored("created_at".into()))?;
    Ok((created_at, drivers))
}

/// Writes baselines alone.
pub fn baselines(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    model: &Model,
    user_id: Uuid,
    learnt: &Learnt,
) -> Result<()> {
    baselines_query(schema).run(client, &learnt.arguments(model, user_id)?)?;
    Ok(())
}

/// Takes away the baselines that a rebuild did not give; not what a person put there themself, which
/// scoring has not learnt anything of (n = 0).
pub fn forget_others(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    model: &Model,
    user_id: Uuid,
    learnt: &Learnt,
) -> Result<()> {
    let features: Vec<&str> = learnt
        .features
        .iter()
        .filter_map(|(index, _)| model.features.get(*index))
        .map(|feature| feature.name.as_str())
        .collect();
    let metrics: Vec<&str> = learnt
        .metrics
        .iter()
        .map(|(metric, _)| metric.as_str())
        .collect();
    schema
        .query("DELETE FROM @extschema@.user_feature_baselines WHERE user_id = $1 AND feature_name <> ALL ($2) AND n > 0")
        .run(client, &[user_id.into(), features.into()])?;
    schema
        .query(
            "DELETE FROM @extschema@.user_baselines WHERE user_id = $1 AND metric_type <> ALL ($2)",
        )
        .run(client, &[user_id.into(), metrics.into()])?;
    Ok(())
}

fn store_query(schema: &Schema) -> &'static Query {
    schema.query_with(STORE, || STORE.replace("@baselines@", BASELINES))
}

fn baselines_query(schema: &Schema) -> &'static Query {
    schema.query_with(BASELINES, || format!("WITH {BASELINES} SELECT"))
}

impl Learnt {
    /// $1 to $13 of baselines.sql.
    fn arguments(&self, model: &Model, user_id: Uuid) -> Result<Vec<DatumWithOid<'static>>> {
        let mut names = Vec::with_capacity(self.features.len());
        let mut modalities = Vec::with_capacity(self.features.len());
        for (index, _) in &self.features {
            let feature = model
                .features
                .get(*index)
                .ok_or_else(|| Error::Stored("feature".into()))?;
            names.push(feature.name.as_str());
            modalities.push(feature.modality.as_str());
        }
        let column = |value: fn(&Baseline) -> f64| {
            self.features
                .iter()
                .map(|(_, baseline)| value(baseline))
                .collect::<Vec<f64>>()
        };
        let observed = self.features.iter().map(|(_, baseline)| {
            baseline
                .last_us
                .and_then(|us| TimestampWithTimeZone::try_from(us).ok())
        });
        let metric = |value: fn(&Baseline) -> f64| {
            self.metrics
                .iter()
                .map(|(_, baseline)| value(baseline))
                .collect::<Vec<f64>>()
        };
        Ok(vec![
            user_id.into(),
            names.into(),
            modalities.into(),
            column(|baseline| baseline.mean).into(),
            self.features
                .iter()
                .map(|(_, baseline)| baseline.sd())
                .collect::<Vec<Option<f64>>>()
                .into(),
            column(|baseline| baseline.n).into(),
            column(|baseline| baseline.m2).into(),
            column(|baseline| baseline.sum_w2).into(),
            observed
                .collect::<Vec<Option<TimestampWithTimeZone>>>()
                .into(),
            self.metrics
                .iter()
                .map(|(metric, _)| metric.as_str())
                .collect::<Vec<&str>>()
                .into(),
            self.metrics
                .iter()
                .map(|(_, baseline)| baseline.n as i32)
                .collect::<Vec<i32>>()
                .into(),
            metric(|baseline| baseline.mean).into(),
            metric(|baseline| baseline.m2).into(),
        ])
    }
}

/// Names of the modalities for which a flag is set.
fn names(flags: &[bool; 4]) -> Vec<&'static str> {
    Modality::ALL
        .into_iter()
        .filter(|modality| flags[modality.index()])
        .map(Modality::as_str)
        .collect()
}
