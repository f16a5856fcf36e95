//! Writing: what the mathematics gave → rows. First scores without a plan (first.rs), all others in one
//! statement, for one session or for many.

mod first;

use mindmeasure_scoring::person::FACTORS;
use mindmeasure_scoring::{Baseline, Metric, Modality, Model, Person, Scored, Session};
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::spi::SpiClient;
use pgrx::Uuid;

use crate::error::{Error, Result};
use crate::jsonb::RawJsonb;
use crate::jsonb_tree::to_jsonb;
use crate::load::Columns;
use crate::sql::{Query, Schema};

const STORE: &str = include_str!("../../sql/scoring/store.sql");
const SCORES: &str = include_str!("../../sql/scoring/scores.sql");
const COMPLETED: &str = include_str!("../../sql/scoring/completed.sql");
const TOLD: &str = include_str!("../../sql/scoring/told.sql");
const UNTOLD: &str = include_str!("../../sql/scoring/untold.sql");
const BASELINES: &str = include_str!("../../sql/scoring/baselines.sql");

/// Whose session it is and when it took place.
#[derive(Clone, Copy)]
pub struct Identity {
    pub session_id: Uuid,
    pub user_id: Uuid,
    pub created_at: TimestampWithTimeZone,
}

/// A score to be written.
pub struct Score<'a> {
    pub identity: Identity,
    pub session: &'a Session,
    pub scored: &'a Scored,
    /// Whether the session's self-report says that the person was worse than usual.
    pub outcome: Option<bool>,
    pub drivers: RawJsonb,
}

impl<'a> Score<'a> {
    pub fn new(
        identity: Identity,
        session: &'a Session,
        scored: &'a Scored,
        outcome: Option<bool>,
    ) -> Result<Score<'a>> {
        Ok(Score {
            identity,
            session,
            scored,
            outcome,
            drivers: to_jsonb(&scored.drivers)?,
        })
    }
}

/// What there may be of the sessions before.
#[derive(Clone, Copy)]
pub struct Earlier {
    pub scored: bool,
    /// Whether an outcome was derived from one of them.
    pub derived: bool,
}

/// Baselines of people after learning: the rows to be written, as columns.
#[derive(Default)]
pub struct Learnt {
    feature_people: Vec<Uuid>,
    feature_names: Vec<String>,
    modalities: Vec<&'static str>,
    features: Vec<Baseline>,
    metric_people: Vec<Uuid>,
    metric_names: Vec<&'static str>,
    metrics: Vec<Baseline>,
}

/// Baselines that are in the database, which are updated in place, and all others.
#[derive(Default)]
pub struct Lessons {
    pub known: Learnt,
    pub new: Learnt,
}

impl Lessons {
    /// Takes in what a person learnt; `before` is the person as loaded.
    pub fn add(
        &mut self,
        user_id: Uuid,
        model: &Model,
        before: &Person,
        features: &[(usize, Baseline)],
        metrics: &[(Metric, Baseline)],
    ) -> Result<()> {
        for (index, baseline) in features {
            let stored = before
                .baselines
                .get(*index)
                .is_some_and(|stored| stored.n > 0.0);
            let rows = if stored {
                &mut self.known
            } else {
                &mut self.new
            };
            rows.add_feature(user_id, model, *index, *baseline)?;
        }
        for (metric, baseline) in metrics {
            let rows = if before.metrics[*metric].n > 0.0 {
                &mut self.known
            } else {
                &mut self.new
            };
            rows.add_metric(user_id, *metric, *baseline);
        }
        Ok(())
    }
}

/// Writes scores in the order given, compares them, completes the sessions and keeps what was learnt.
pub fn write(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    model: &Model,
    scores: &[Score<'_>],
    lessons: &Lessons,
    earlier: Earlier,
) -> Result<()> {
    if scores.is_empty() {
        return Ok(());
    }
    let first = if earlier.scored {
        None
    } else {
        first::write(client, schema, model, scores, lessons)?
    };
    let changed = match first {
        Some(changed) => changed,
        None => by_statement(client, schema, model, scores, lessons, earlier.derived)?,
    };
    if changed != lessons.known.len() {
        // Somebody took a row away meanwhile.
        baselines(client, schema, &lessons.known)?;
    }
    baselines(client, schema, &lessons.new)
}

/// store.sql with the parts that these scores need, each kept under a name of its own.
///
/// `derived` says whether an outcome may have been derived from any of the sessions before.
fn store(schema: &Schema, scores: &[Score<'_>], derived: bool) -> &'static Query {
    let told = scores.iter().any(|score| score.outcome.is_some());
    let untold = derived && scores.iter().any(|score| score.outcome.is_none());
    let name = match (told, untold) {
        (false, false) => "scores",
        (true, false) => "told scores",
        (false, true) => "untold scores",
        (true, true) => "told and untold scores",
    };
    schema.query_with(name, || {
        let parts =
            [(told, TOLD), (untold, UNTOLD)].map(|(wanted, part)| if wanted { part } else { "" });
        let scored =
            "FROM scored AS x WHERE s.id = x.session_id AND s.created_at = x.session_created_at";
        STORE
            .replace("@scored@", SCORES)
            .replace("@completed@", &COMPLETED.replace("@which@", scored))
            .replace("@outcomes@", &parts.concat())
    })
}

/// Completes sessions.
fn complete(client: &mut SpiClient<'_>, schema: &Schema, scores: &[Score<'_>]) -> Result<()> {
    if let [score] = scores {
        // By its time, so that of a partitioned table one partition is made ready.
        let query = schema.query_with("completed", || {
            COMPLETED.replace("@which@", "WHERE s.id = $1 AND s.created_at = $2")
        });
        let Identity {
            session_id,
            created_at,
            ..
        } = score.identity;
        query.run(client, &[session_id.into(), created_at.into()])?;
        return Ok(());
    }
    let query = schema.query_with("all completed", || {
        let which = "FROM unnest($1::uuid[], $2::timestamptz[]) AS x (id, created_at) WHERE s.id = x.id AND s.created_at = x.created_at";
        COMPLETED.replace("@which@", which)
    });
    let (ids, times): (Vec<Uuid>, Vec<TimestampWithTimeZone>) = scores
        .iter()
        .map(|score| (score.identity.session_id, score.identity.created_at))
        .unzip();
    query.run(client, &[ids.into(), times.into()])?;
    Ok(())
}

/// By store.sql; how many of the known baselines it has changed.
fn by_statement(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    model: &Model,
    scores: &[Score<'_>],
    lessons: &Lessons,
    derived: bool,
) -> Result<i64> {
    fn column<T>(scores: &[Score<'_>], value: impl Fn(&Score<'_>) -> T) -> Vec<T> {
        scores.iter().map(value).collect()
    }
    let documents = |value: fn(&Scored) -> Result<RawJsonb>| -> Result<Vec<RawJsonb>> {
        scores.iter().map(|score| value(score.scored)).collect()
    };
    let p_worse = |m: Modality| column(scores, |score| score.scored.p_worse[m.index()]);
    let raw = |m: Modality| column(scores, |score| score.scored.raw[m.index()]);
    let figure = |i: usize| column(scores, |score| reported(score.session)[i]);
    let words = |flags: fn(&Score<'_>) -> [bool; 4]| {
        column(scores, |score| {
            format!("{{{}}}", names(&flags(score)).collect::<Vec<_>>().join(","))
        })
    };
    let mut arguments = lessons.known.arguments();
    arguments.extend([
        column(scores, |score| score.identity.session_id).into(),
        column(scores, |score| score.identity.user_id).into(),
        column(scores, |score| score.identity.created_at).into(),
        column(scores, |score| score.scored.p_worse_fused).into(),
        p_worse(Modality::Text).into(),
        p_worse(Modality::Audio).into(),
        p_worse(Modality::Visual).into(),
        p_worse(Modality::Passive).into(),
        column(scores, |score| score.scored.score).into(),
        column(scores, |score| score.scored.score_smoothed).into(),
        column(scores, |score| score.scored.smoothed_variance).into(),
        column(scores, |score| score.scored.uncertainty).into(),
        column(scores, |score| score.scored.qc_overall.as_str()).into(),
        column(scores, |score| score.drivers).into(),
        vec![model.model_version.as_str(); scores.len()].into(),
        raw(Modality::Text).into(),
        raw(Modality::Audio).into(),
        raw(Modality::Visual).into(),
        raw(Modality::Passive).into(),
        scores
            .iter()
            .flat_map(|score| score.scored.feature_z.iter().copied())
            .collect::<Vec<Option<f64>>>()
            .into(),
        words(|score| score.session.arrived).into(),
        words(|score| score.scored.learnt).into(),
        column(scores, |score| score.scored.self_report).into(),
        figure(0).into(),
        figure(1).into(),
        figure(2).into(),
        figure(3).into(),
        figure(4).into(),
        scores
            .iter()
            .flat_map(|score| watch(score.scored))
            .collect::<Vec<f64>>()
            .into(),
        column(scores, |score| score.scored.combined_score).into(),
        column(scores, |score| score.scored.baseline_deviation).into(),
        column(scores, |score| score.scored.is_baseline_session).into(),
        column(scores, |score| score.scored.combined_before.n).into(),
        column(scores, |score| score.scored.combined_before.mean).into(),
        column(scores, |score| score.scored.combined_before.m2).into(),
        documents(|scored| to_jsonb(&scored.baseline_comparison))?.into(),
        documents(|scored| to_jsonb(&scored.trend_analysis))?.into(),
        column(scores, |score| score.outcome).into(),
        column(scores, |score| personal(score.scored).map(array)).into(),
    ]);
    let query = store(schema, scores, derived);
    let row = query
        .run(client, &arguments)?
        .next()
        .ok_or_else(|| Error::Stored("learnt".into()))?;
    Columns::new(&row).required("learnt")
}

/// Writes baselines, whether they are there or not.
pub fn baselines(client: &mut SpiClient<'_>, schema: &Schema, learnt: &Learnt) -> Result<()> {
    if learnt.len() > 0 {
        schema.query(BASELINES).run(client, &learnt.arguments())?;
    }
    Ok(())
}

/// Takes away the baselines that a rebuild did not give; not what a person put there themself, which
/// scoring has not learnt anything of (n = 0).
pub fn forget_others(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    user_id: Uuid,
    learnt: &Learnt,
) -> Result<()> {
    schema
        .query("DELETE FROM @extschema@.user_feature_baselines WHERE user_id = $1 AND feature_name <> ALL ($2) AND n > 0")
        .run(client, &[user_id.into(), learnt.feature_names.clone().into()])?;
    schema
        .query(
            "DELETE FROM @extschema@.user_baselines WHERE user_id = $1 AND metric_type <> ALL ($2)",
        )
        .run(
            client,
            &[user_id.into(), learnt.metric_names.clone().into()],
        )?;
    Ok(())
}

impl Learnt {
    pub fn add_feature(
        &mut self,
        user_id: Uuid,
        model: &Model,
        index: usize,
        baseline: Baseline,
    ) -> Result<()> {
        let feature = model
            .features
            .get(index)
            .ok_or_else(|| Error::Stored("feature".into()))?;
        self.feature_people.push(user_id);
        self.feature_names.push(feature.name.clone());
        self.modalities.push(feature.modality.as_str());
        self.features.push(baseline);
        Ok(())
    }

    pub fn add_metric(&mut self, user_id: Uuid, metric: Metric, baseline: Baseline) {
        self.metric_people.push(user_id);
        self.metric_names.push(metric.as_str());
        self.metrics.push(baseline);
    }

    /// How many rows these are.
    fn len(&self) -> i64 {
        (self.features.len() + self.metrics.len()) as i64
    }

    /// $1 to $14 of baselines.sql.
    fn arguments(&self) -> Vec<DatumWithOid<'_>> {
        fn column<T>(baselines: &[Baseline], value: impl Fn(&Baseline) -> T) -> Vec<T> {
            baselines.iter().map(value).collect()
        }
        let names: Vec<&str> = self.feature_names.iter().map(String::as_str).collect();
        vec![
            self.feature_people.clone().into(),
            names.into(),
            self.modalities.clone().into(),
            column(&self.features, |baseline| baseline.mean).into(),
            column(&self.features, Baseline::sd).into(),
            column(&self.features, |baseline| baseline.n).into(),
            column(&self.features, |baseline| baseline.m2).into(),
            column(&self.features, |baseline| baseline.sum_w2).into(),
            column(&self.features, observed_at).into(),
            self.metric_people.clone().into(),
            self.metric_names.clone().into(),
            column(&self.metrics, |baseline| baseline.n as i32).into(),
            column(&self.metrics, |baseline| baseline.mean).into(),
            column(&self.metrics, |baseline| baseline.m2).into(),
        ]
    }
}

fn observed_at(baseline: &Baseline) -> Option<TimestampWithTimeZone> {
    baseline
        .last_us
        .and_then(|us| TimestampWithTimeZone::try_from(us).ok())
}

/// The figures of the self-report, in the order of [`FACTORS`].
fn reported(session: &Session) -> [Option<f64>; FACTORS.len()] {
    session
        .mood
        .map_or([None; FACTORS.len()], |mood| mood.factors())
}

fn watch(scored: &Scored) -> [f64; 5] {
    let watch = &scored.watch;
    [watch.n, watch.mean, watch.m2, watch.sum, scored.own_logit]
}

/// NULL where nobody has weights of their own.
fn personal(scored: &Scored) -> Option<Vec<f32>> {
    (!scored.personal.is_empty()).then(|| scored.personal.clone())
}

/// As text, from which the same bits are read.
fn array(numbers: Vec<f32>) -> String {
    let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}

/// Names of the modalities for which a flag is set.
fn names(flags: &[bool; 4]) -> impl Iterator<Item = &'static str> + '_ {
    Modality::ALL
        .into_iter()
        .filter(|modality| flags[modality.index()])
        .map(Modality::as_str)
}
