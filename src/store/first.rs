//! Scores of sessions that had none, and what was learnt from them, written without a plan.
//!
//! A statement with six parts is started and ended, reads and plans every CHECK and every trigger's condition
//! anew, and asks each row for its session's key: several times what the rows themselves cost. Here the
//! rows are added, and the person's baselines changed where they lie. Where anybody else has a say in
//! these tables, a trigger or a CHECK of an application's, nothing is written, and it takes the statement.

use std::collections::HashMap;
use std::ffi::CStr;

use mindmeasure_scoring::{Modality, Model};
use pgrx::pg_sys::{TRIGGER_TYPE_INSERT, TRIGGER_TYPE_UPDATE};
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::{direct_function_call_as_datum, IntoDatum, Uuid};

use super::{complete, names, observed_at, personal, reported, watch, Learnt, Lessons, Score};
use crate::audit::tell_added;
use crate::direct::{Known, Table, View, Writer};
use crate::error::Result;
use crate::jsonb_tree::to_jsonb;
use crate::settings::of_a_call;
use crate::sql::Schema;

const WRITING: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
const KEEPING: pg_sys::LOCKMODE = pg_sys::RowShareLock as pg_sys::LOCKMODE;

/// What scoring makes sure of: whose the session is and when it was, that its numbers are in their ranges,
/// that derived outcomes and baselines are no part of the history, and a line of the audit.
const KNOWN: Known<'static> = Known {
    checks: &[
        c"session_outcomes_source",
        c"user_feature_baselines_feature_name",
        c"user_baselines_metric_type",
    ],
    triggers: &[
        c"mm_fill_owner",
        c"mm_fill_session_time",
        c"mm_guard_values",
        c"mm_refuse_change",
        c"update_updated_at_column",
        c"mm_record_new_rows",
        c"mm_record_history",
        c"mm_audit_statement",
    ],
};

/// The tables that scoring writes to, open.
struct Tables {
    keys: Table,
    fused: Table,
    compared: Table,
    outcomes: Table,
    features: Table,
    metrics: Table,
}

impl Tables {
    fn open(schema: &Schema) -> Result<Tables> {
        let open = |name| Table::open(schema.oid, name, WRITING);
        Ok(Tables {
            keys: Table::open(schema.oid, c"session_keys", KEEPING)?,
            fused: open(c"fusion_outputs")?,
            compared: open(c"mind_measure_scores")?,
            outcomes: open(c"session_outcomes")?,
            features: open(c"user_feature_baselines")?,
            metrics: open(c"user_baselines")?,
        })
    }

    /// Whether nobody else has a say in them.
    fn are_ours(&self) -> bool {
        let added = [&self.fused, &self.compared, &self.outcomes];
        let changed = [&self.features, &self.metrics];
        added.iter().all(|table| {
            table.is_heap() && table.has_only(TRIGGER_TYPE_INSERT, KNOWN, Some(&self.keys))
        }) && changed
            .iter()
            .all(|table| table.is_heap() && table.has_only(TRIGGER_TYPE_UPDATE, KNOWN, None))
    }

    /// Whether nothing is there of a session, and its key stays.
    fn are_free(&self, score: &Score<'_>) -> Result<bool> {
        let id = score.identity.session_id;
        let view = View::Present;
        // A score that is there is met as a row that somebody else adds at this moment: by the index.
        for table in [&self.compared, &self.outcomes] {
            if table.find(c"session_id", id, view, |_| ())?.is_some() {
                return Ok(false);
            }
        }
        let stays = self.keys.find(c"id", id, view, |row| {
            row.get::<Uuid>(c"user_id") == Some(score.identity.user_id)
                // SAFETY: a copy of a row of the table.
                && unsafe { self.keys.keep(row.copy()) }
        })?;
        Ok(stays == Some(true))
    }
}

/// Whether the transaction sees what others have committed, triggers are asked as ever, and nobody restores.
fn is_plain() -> bool {
    // SAFETY: plain looks.
    let (isolation, role) = unsafe { (pg_sys::XactIsoLevel, pg_sys::SessionReplicationRole) };
    isolation < pg_sys::XACT_REPEATABLE_READ as i32
        && role == pg_sys::SESSION_REPLICATION_ROLE_ORIGIN as i32
        && of_a_call(c"mindmeasure.restoring").as_deref() != Some("on")
}

/// Writes scores of sessions that had none; `None`, and nothing is written, where it takes a statement.
/// Returns how many of the known baselines were there to be changed.
pub fn write(
    client: &mut SpiClient<'_>,
    schema: &Schema,
    model: &Model,
    scores: &[Score<'_>],
    lessons: &Lessons,
) -> Result<Option<i64>> {
    if !is_plain() {
        return Ok(None);
    }
    let tables = Tables::open(schema)?;
    if !tables.are_ours() {
        return Ok(None);
    }
    for score in scores {
        if !tables.are_free(score)? {
            return Ok(None);
        }
    }
    // SAFETY: a plain look at the transaction.
    let now = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }.into_datum();
    let fused: Vec<_> = scores
        .iter()
        .map(|one| fused_row(one, model, now))
        .collect();
    let compared = scores
        .iter()
        .map(|score| compared_row(score, now))
        .collect::<Result<Vec<_>>>()?;
    let outcomes: Vec<_> = scores
        .iter()
        .filter_map(|one| outcome_row(one, now))
        .collect();
    if !(gives_all(&tables.fused, &fused)
        && gives_all(&tables.compared, &compared)
        && gives_all(&tables.outcomes, &outcomes))
    {
        return Ok(None);
    }
    add(&tables.fused, &fused);
    add(&tables.compared, &compared);
    add(&tables.outcomes, &outcomes);
    let learnt = features(&tables.features, &lessons.known, now)?
        + metrics(&tables.metrics, &lessons.known, now)?;
    // SAFETY: within a transaction.
    unsafe { pg_sys::CommandCounterIncrement() };
    complete(client, schema, scores)?;
    tell(schema, &tables, scores)?;
    Ok(Some(learnt))
}

/// N columns of a row.
type Columns<const N: usize> = [(&'static CStr, Option<pg_sys::Datum>); N];

/// Whether the rows, all of the same columns, give whatever the table must have or would fill in.
fn gives_all<const N: usize>(table: &Table, rows: &[Columns<N>]) -> bool {
    rows.first().is_none_or(|row| table.asks_only_for(row))
}

/// Adds rows to a table that [`Tables::are_ours`] has been asked of.
fn add<const N: usize>(table: &Table, rows: &[Columns<N>]) {
    if rows.is_empty() {
        return;
    }
    let writer = Writer::open(table);
    for row in rows {
        // SAFETY: the values are of the columns' types.
        unsafe { writer.add(row, true) };
    }
}

fn fused_row(score: &Score<'_>, model: &Model, now: Option<pg_sys::Datum>) -> Columns<31> {
    let Score {
        identity,
        session,
        scored,
        ..
    } = score;
    let [energy, stress, comfort, social, sleep] = reported(session);
    let of = |values: &[Option<f64>; 4], modality: Modality| values[modality.index()].into_datum();
    [
        (c"session_id", identity.session_id.into_datum()),
        (c"user_id", identity.user_id.into_datum()),
        (c"session_created_at", identity.created_at.into_datum()),
        (c"created_at", now),
        (c"p_worse_fused", scored.p_worse_fused.into_datum()),
        (c"p_worse_text", of(&scored.p_worse, Modality::Text)),
        (c"p_worse_audio", of(&scored.p_worse, Modality::Audio)),
        (c"p_worse_visual", of(&scored.p_worse, Modality::Visual)),
        (c"p_worse_passive", of(&scored.p_worse, Modality::Passive)),
        (c"score", scored.score.into_datum()),
        (c"score_smoothed", scored.score_smoothed.into_datum()),
        (c"smoothed_variance", scored.smoothed_variance.into_datum()),
        (c"uncertainty", scored.uncertainty.into_datum()),
        (c"qc_overall", scored.qc_overall.as_str().into_datum()),
        (c"drivers", score.drivers.into_datum()),
        (c"model_version", model.model_version.as_str().into_datum()),
        (c"raw_text", of(&scored.raw, Modality::Text)),
        (c"raw_audio", of(&scored.raw, Modality::Audio)),
        (c"raw_visual", of(&scored.raw, Modality::Visual)),
        (c"raw_passive", of(&scored.raw, Modality::Passive)),
        (c"feature_z", scored.feature_z.clone().into_datum()),
        (c"arrived_modalities", words(&session.arrived)),
        (c"learnt_modalities", words(&scored.learnt)),
        (c"self_report", scored.self_report.into_datum()),
        (c"reported_energy", energy.into_datum()),
        (c"reported_stress", stress.into_datum()),
        (c"reported_comfort", comfort.into_datum()),
        (c"reported_social", social.into_datum()),
        (c"reported_sleep", sleep.into_datum()),
        (c"decline_watch", watch(scored).to_vec().into_datum()),
        (c"personal_weights", personal(scored).into_datum()),
    ]
}

fn compared_row(score: &Score<'_>, now: Option<pg_sys::Datum>) -> Result<Columns<12>> {
    let scored = score.scored;
    // SAFETY: a built-in function without arguments.
    let id = unsafe { direct_function_call_as_datum(pg_sys::gen_random_uuid, &[]) };
    let before = &scored.combined_before;
    Ok([
        (c"id", id),
        (c"session_id", score.identity.session_id.into_datum()),
        (c"user_id", score.identity.user_id.into_datum()),
        (c"combined_score", scored.combined_score.into_datum()),
        (
            c"baseline_deviation",
            scored.baseline_deviation.into_datum(),
        ),
        (
            c"is_baseline_session",
            scored.is_baseline_session.into_datum(),
        ),
        (c"baseline_n", before.n.into_datum()),
        (c"baseline_mean", before.mean.into_datum()),
        (c"baseline_m2", before.m2.into_datum()),
        (
            c"baseline_comparison",
            to_jsonb(&scored.baseline_comparison)?.into_datum(),
        ),
        (
            c"trend_analysis",
            to_jsonb(&scored.trend_analysis)?.into_datum(),
        ),
        (c"calculated_at", now),
    ])
}

/// `None` where the self-report says nothing.
fn outcome_row(score: &Score<'_>, now: Option<pg_sys::Datum>) -> Option<Columns<7>> {
    Some([
        (c"session_id", score.identity.session_id.into_datum()),
        (c"user_id", score.identity.user_id.into_datum()),
        (c"worse", score.outcome?.into_datum()),
        (c"source", "self_report".into_datum()),
        (c"derived", true.into_datum()),
        (
            c"session_created_at",
            score.identity.created_at.into_datum(),
        ),
        (c"recorded_at", now),
    ])
}

fn words(flags: &[bool; 4]) -> Option<pg_sys::Datum> {
    names(flags).collect::<Vec<_>>().into_datum()
}

fn features(table: &Table, learnt: &Learnt, now: Option<pg_sys::Datum>) -> Result<i64> {
    let rows = learnt
        .features
        .iter()
        .zip(&learnt.modalities)
        .map(|(baseline, modality)| {
            [
                (c"modality", modality.into_datum()),
                (c"mean", baseline.mean.into_datum()),
                (c"sd", baseline.sd().into_datum()),
                (c"n", baseline.n.into_datum()),
                (c"m2", baseline.m2.into_datum()),
                (c"sum_w2", baseline.sum_w2.into_datum()),
                (c"last_observed_at", observed_at(baseline).into_datum()),
                (c"updated_at", now),
            ]
        });
    let names = learnt.feature_names.iter().map(String::as_str);
    let named = learnt.feature_people.iter().copied().zip(names).zip(rows);
    change(table, c"feature_name", named)
}

fn metrics(table: &Table, learnt: &Learnt, now: Option<pg_sys::Datum>) -> Result<i64> {
    let rows = learnt.metrics.iter().map(|baseline| {
        let n = baseline.n as i32;
        [
            (c"baseline_score", numeric(baseline.mean)),
            (c"confidence_level", confidence(n)),
            (c"sample_count", n.into_datum()),
            (c"mean", baseline.mean.into_datum()),
            (c"m2", baseline.m2.into_datum()),
            (c"last_updated", now),
        ]
    });
    let names = learnt.metric_names.iter().copied();
    let named = learnt.metric_people.iter().copied().zip(names).zip(rows);
    change(table, c"metric_type", named)
}

fn numeric(value: f64) -> Option<pg_sys::Datum> {
    // SAFETY: a built-in function called with an argument of its declared type.
    unsafe { direct_function_call_as_datum(pg_sys::float8_numeric, &[value.into_datum()]) }
}

/// n / (n + 5.0), as store.sql has it.
fn confidence(n: i32) -> Option<pg_sys::Datum> {
    // SAFETY: built-in functions called with arguments of their declared types.
    unsafe {
        let five = pgrx::AnyNumeric::try_from("5.0").ok()?.into_datum();
        let n = direct_function_call_as_datum(pg_sys::int4_numeric, &[n.into_datum()]);
        let whole = direct_function_call_as_datum(pg_sys::numeric_add, &[n, five]);
        direct_function_call_as_datum(pg_sys::numeric_div, &[n, whole])
    }
}

/// Changes rows of people by their names; how many were there.
fn change<'a, const N: usize>(
    table: &Table,
    name: &CStr,
    rows: impl Iterator<Item = ((Uuid, &'a str), Columns<N>)>,
) -> Result<i64> {
    let mut people: HashMap<Uuid, HashMap<&str, Columns<N>>> = HashMap::new();
    for ((person, of), row) in rows {
        people.entry(person).or_default().insert(of, row);
    }
    let writer = Writer::open(table);
    let mut changed = 0;
    for (person, rows) in people {
        // First all, then changes: who goes through an index meets no row twice.
        let mut there = Vec::with_capacity(rows.len());
        table.each(c"user_id", person, View::Present, |row| {
            let of: Option<String> = row.get(name);
            if let Some(changes) = of.and_then(|of| rows.get(of.as_str())) {
                there.push((row.copy(), changes));
            }
            true
        })?;
        for (row, changes) in there {
            // SAFETY: a copy of a row of the table; the values are of the columns' types.
            if unsafe { writer.change(row, changes.as_slice()) } {
                changed += 1;
            }
        }
    }
    Ok(changed)
}

fn tell(schema: &Schema, tables: &Tables, scores: &[Score<'_>]) -> Result<()> {
    for of_person in scores.chunk_by(|a, b| a.identity.user_id == b.identity.user_id) {
        let person = of_person[0].identity.user_id;
        let id = |score: &Score<'_>| score.identity.session_id;
        let fused: Vec<Uuid> = of_person.iter().map(id).collect();
        let told = of_person.iter().filter(|score| score.outcome.is_some());
        let told: Vec<Uuid> = told.map(id).collect();
        tell_added(schema.oid, &tables.fused, person, &fused)?;
        tell_added(schema.oid, &tables.outcomes, person, &told)?;
    }
    Ok(())
}
