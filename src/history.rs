//! Which rows are new, for row_history: sql/lifecycle/history.sql. What changed or deleted rows were
//! before is written there, by mm_record_history().

use std::collections::BTreeMap;

use pgrx::prelude::*;
use pgrx::{FromDatum, IntoDatum, Uuid};

use crate::audit::owner;
use crate::direct::{Known, Table, BOUNDS};
use crate::error::Result;
use crate::settings::of_a_call;
use crate::transition::Rows;
use crate::trigger::{trigger_function, Call};

trigger_function!(
    mm_record_new_rows,
    pg_finfo_mm_record_new_rows,
    record_new_rows
);

/// AFTER INSERT … REFERENCING NEW TABLE … FOR EACH STATEMENT: one row a person, however many are new.
unsafe fn record_new_rows(call: &Call<'_>) -> Result<usize> {
    let rows = call.data.tg_newtable;
    // SAFETY: a transition table that the trigger was declared with, or NULL.
    if rows.is_null() || unsafe { pg_sys::tuplestore_tuple_count(rows) } == 0 || is_left_out(call) {
        return Ok(0);
    }
    let place = |name| call.column(name).map(|number| number as usize - 1);
    let key = call.argument(0).and_then(place);
    let (Some(person), Some(key)) = (place(c"user_id"), key) else {
        return Ok(0);
    };
    let derived = place(c"derived");
    let mut new: BTreeMap<[u8; 16], Vec<Uuid>> = BTreeMap::new();
    // SAFETY: both columns are uuids, derived is a boolean.
    unsafe {
        let rows = Rows::new(rows, call.shape());
        while rows.next() {
            // Derived outcomes come and go with the scores; a replay makes them anew.
            let is_derived = derived
                .and_then(|at| rows.value(at))
                .and_then(|value| bool::from_datum(value, false));
            if let (false, Some(person), Some(key)) = (
                is_derived.unwrap_or(false),
                rows.uuid(person),
                rows.uuid(key),
            ) {
                new.entry(person).or_default().push(Uuid::from_bytes(key));
            }
        }
    }
    let table = call.table_name();
    for (person, keys) in new {
        let Some((first, others)) = keys.split_first() else {
            continue;
        };
        // SAFETY: plain looks at the clock and the transaction.
        let (now, transaction, began) = unsafe {
            (
                pg_sys::GetCurrentTimestamp(),
                pg_sys::GetTopFullTransactionId().value,
                pg_sys::GetCurrentTransactionStartTimestamp(),
            )
        };
        Table::open(
            call.schema,
            c"row_history",
            pg_sys::RowExclusiveLock as pg_sys::LOCKMODE,
        )?
        .insert(
            now,
            &[
                (c"recorded_at", Some(now.into())),
                (c"user_id", Uuid::from_bytes(person).into_datum()),
                (c"table_name", table.as_str().into_datum()),
                (c"row_key", first.into_datum()),
                (c"other_keys", others.to_vec().into_datum()),
                (c"action", "insert".into_datum()),
                (c"transaction_id", Some(transaction.into())),
                (c"transaction_at", Some(began.into())),
            ],
            Known {
                checks: &[c"row_history_action", c"row_history_row_before", BOUNDS],
                triggers: &[],
            },
        )?;
    }
    Ok(0)
}

/// A restore brings its own history (every pg_dump script turns row_security off). The owner moves rows to
/// the archive, and erases or imports a person with their history; what scoring learns is derived, what a
/// restore puts back is not.
fn is_left_out(call: &Call<'_>) -> bool {
    // SAFETY: plain looks.
    if unsafe { !pg_sys::row_security } {
        return true;
    }
    if unsafe { pg_sys::GetUserId() != owner() } {
        return false;
    }
    let on = |name| of_a_call(name).as_deref() == Some("on");
    if call.argument(1).is_some() {
        !on(c"mindmeasure.restoring")
    } else {
        on(c"mindmeasure.moving_to_archive") || on(c"mindmeasure.without_history")
    }
}
