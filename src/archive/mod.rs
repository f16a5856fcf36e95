//! Sessions on their way to the archive, without a plan: sql/lifecycle/archive.sql.
//!
//! A statement that moves a row locks it and its key, looks it up again, keeps it twice for triggers that
//! leave it out, and asks for its key once more. Here a row is deleted where it is met and added in
//! groups; its key stays because nobody deletes keys meanwhile.

mod scan;
mod sorted;

use std::collections::HashMap;

use pgrx::prelude::*;
use pgrx::{direct_function_call, IntoDatum};

use crate::audit::owner;
use crate::direct::{clear, insert_index_entries, open_target, Entries, Known, Table, BOUNDS};
use crate::error::{or_raise, Error, Result};
use crate::sql::Schema;
use crate::trigger::{trigger_function, Call};
use scan::Scan;
use sorted::Sorted;

const WRITING: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
const LOOKING: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

/// So many rows are added at once.
const GROUP: usize = 1000;

/// What the move makes sure of: it is recorded as a move, by a line of its own, and what is sealed stays
/// sealed; a row lies within its partition's bounds.
const KNOWN: Known<'static> = Known {
    checks: &[BOUNDS],
    triggers: &[
        c"mm_audit_statement",
        c"mm_record_history",
        c"mm_record_new_rows",
        c"mm_seal",
    ],
};

/// Moves the sessions before a time that lie in a range of a table's blocks; NULL where it takes a statement:
/// somebody deletes keys at this moment, or an application's own trigger or foreign key watches the rows. What
/// others hold is left where it is.
#[pg_extern(volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn mm_move_to_archive(
    leaf: pg_sys::Oid,
    first_block: i64,
    end_block: i64,
    cutoff: TimestampWithTimeZone,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Option<i64> {
    // SAFETY: a plain look.
    let is_owner = unsafe { pg_sys::GetUserId() } == owner();
    or_raise(if is_owner {
        move_rows(
            Schema::oid_of(fcinfo),
            leaf,
            first_block..end_block,
            cutoff.into(),
        )
    } else {
        Err(Error::NotAllowed)
    })
}

trigger_function!(
    mm_hold_session_keys,
    pg_finfo_mm_hold_session_keys,
    hold_session_keys
);

/// BEFORE DELETE ON session_keys FOR EACH STATEMENT: no row is locked yet, and who moves sessions waits for
/// nobody, so that this wait ends.
unsafe fn hold_session_keys(_: &Call<'_>) -> Result<usize> {
    // SAFETY: a built-in function called with an argument of its declared type.
    unsafe {
        direct_function_call::<()>(
            pg_sys::pg_advisory_xact_lock_shared_int8,
            &[KEYS.into_datum()],
        );
    }
    Ok(0)
}

/// "archkeys": held alone while sessions move, shared by whoever deletes keys (mm_hold_session_keys).
const KEYS: i64 = 0x6172_6368_6b65_7973;

/// Nobody deletes a key from here to the end of the transaction; `false` where somebody has begun to.
fn keys_stay() -> bool {
    // SAFETY: a built-in function called with an argument of its declared type.
    unsafe { direct_function_call(pg_sys::pg_try_advisory_xact_lock_int8, &[KEYS.into_datum()]) }
        .unwrap_or(false)
}

fn move_rows(
    schema: pg_sys::Oid,
    leaf: pg_sys::Oid,
    blocks: std::ops::Range<i64>,
    cutoff: pg_sys::TimestampTz,
) -> Result<Option<i64>> {
    let sessions = Table::open(schema, c"assessment_sessions", WRITING)?;
    let archive = Table::open(schema, c"assessment_sessions_archive", WRITING)?;
    let keys = Table::open(schema, c"session_keys", LOOKING)?;
    let source = Table::of(leaf, WRITING);
    // A partition that has come to the archive as it was keeps the rules of the table it came from, which hold
    // the rows of that table already.
    let mut checks = source.checks_passed();
    checks.push(BOUNDS);
    let known = Known {
        checks: &checks,
        ..KNOWN
    };
    let may = sessions.has_only(pg_sys::TRIGGER_TYPE_DELETE, KNOWN, None)
        && source.has_only(pg_sys::TRIGGER_TYPE_DELETE, KNOWN, None)
        && takes_rows(&archive, &source, &keys, known)
        && keys_stay();
    if !may {
        return Ok(None);
    }
    let time = source
        .column(c"created_at")
        .ok_or_else(|| Error::Stored("created_at".into()))?;
    // SAFETY: the tables stay open and locked; what Postgres raises is cleaned up by the transaction's abort.
    unsafe {
        let mut moving = Moving::begin(&archive, &source);
        let mut moved = 0;
        let scan = Scan::begin(&source, &blocks);
        while let Some(row) = scan.next() {
            let mut is_null = false;
            pg_sys::slot_getsomeattrs_int(row, time);
            is_null |= *(*row).tts_isnull.add(time as usize - 1);
            let at = (*(*row).tts_values.add(time as usize - 1)).value() as pg_sys::TimestampTz;
            if !is_null && at < cutoff && moving.take(at, row)? {
                moved += 1;
            }
        }
        scan.end();
        moving.end();
        Ok(Some(moved))
    }
}

/// Whether rows of a table can be added to the archive, and to each of its partitions, as they are.
fn takes_rows(archive: &Table, source: &Table, keys: &Table, known: Known<'_>) -> bool {
    if !archive.has_only(pg_sys::TRIGGER_TYPE_INSERT, known, Some(keys)) {
        return false;
    }
    if !archive.is_partitioned() {
        return archive.is_heap() && archive.has_columns_of(source);
    }
    let (children, is_complete) = archive.children();
    is_complete
        && children
            .iter()
            .all(|child| takes_rows(&Table::of(*child, WRITING), source, keys, known))
}

/// A partition of the archive that is being filled.
struct Target {
    table: Table,
    info: *mut pg_sys::ResultRelInfo,
    /// Where each of its columns is in a session.
    places: Vec<Option<usize>>,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    filled: usize,
    /// Entries of its indexes, to be made in their order; `None` where they are made row by row.
    entries: Option<Vec<Sorted>>,
}

/// A move that is under way.
struct Moving<'a> {
    archive: &'a Table,
    source: &'a Table,
    estate: *mut pg_sys::EState,
    command: pg_sys::CommandId,
    targets: HashMap<pg_sys::Oid, Target>,
}

impl<'a> Moving<'a> {
    /// # Safety
    /// Both tables stay open, and end() is called.
    unsafe fn begin(archive: &'a Table, source: &'a Table) -> Moving<'a> {
        // SAFETY: within a transaction that writes.
        unsafe {
            Moving {
                archive,
                source,
                estate: pg_sys::CreateExecutorState(),
                command: pg_sys::GetCurrentCommandId(true),
                targets: HashMap::new(),
            }
        }
    }

    /// Takes a row out of the table and keeps it for its partition; `false` where somebody else holds it, or
    /// has changed it.
    ///
    /// # Safety
    /// `row` is one that a scan of the source stands at.
    unsafe fn take(
        &mut self,
        at: pg_sys::TimestampTz,
        row: *mut pg_sys::TupleTableSlot,
    ) -> Result<bool> {
        // SAFETY: the scan holds the row's page, so that it stays readable when it is deleted.
        unsafe {
            let mut failure = pg_sys::TM_FailureData::default();
            let outcome = pg_sys::heap_delete(
                self.source.relation(),
                &mut (*row).tts_tid,
                self.command,
                std::ptr::null_mut(),
                false,
                &mut failure,
                false,
            );
            if outcome != pg_sys::TM_Result::TM_Ok {
                return Ok(false);
            }
            let estate = self.estate;
            let command = self.command;
            let target = self.target(at)?;
            target.keep(row, estate);
            if target.filled == GROUP {
                target.flush(estate, command);
                pgrx::check_for_interrupts!();
            }
            Ok(true)
        }
    }

    unsafe fn target(&mut self, at: pg_sys::TimestampTz) -> Result<&mut Target> {
        let mut oid = self.archive.oid();
        if self.archive.is_partitioned() {
            oid = self
                .archive
                .child(at)
                .ok_or_else(|| Error::Stored("partition".into()))?;
        }
        // A partition that has partitions itself is asked in its turn.
        while !self.targets.contains_key(&oid) {
            let table = Table::of(oid, WRITING);
            if table.is_partitioned() {
                oid = table
                    .child(at)
                    .ok_or_else(|| Error::Stored("partition".into()))?;
            } else {
                // SAFETY: the table stays open as long as the target.
                let target = unsafe { Target::open(table, self.source, self.estate) };
                self.targets.insert(oid, target);
            }
        }
        self.targets
            .get_mut(&oid)
            .ok_or_else(|| Error::Stored("partition".into()))
    }

    /// # Safety
    /// Nothing is taken any more.
    unsafe fn end(self) {
        // SAFETY: what begin() and open() made.
        unsafe {
            for mut target in self.targets.into_values() {
                target.flush(self.estate, self.command);
                target.close();
            }
            pg_sys::FreeExecutorState(self.estate);
            pg_sys::CommandCounterIncrement();
        }
    }
}

impl Target {
    unsafe fn open(table: Table, source: &Table, estate: *mut pg_sys::EState) -> Target {
        // SAFETY: the executor state owns what is made here.
        unsafe {
            let info = open_target(&table, estate);
            Target {
                places: table.places_in(source),
                entries: Sorted::of(&table, info),
                table,
                info,
                slots: Vec::new(),
                filled: 0,
            }
        }
    }

    /// Keeps a copy of a row of the source.
    unsafe fn keep(&mut self, row: *mut pg_sys::TupleTableSlot, estate: *mut pg_sys::EState) {
        // SAFETY: a slot has as many values as its table has columns.
        unsafe {
            if self.filled == self.slots.len() {
                self.slots.push(pg_sys::MakeSingleTupleTableSlot(
                    self.table.shape(),
                    &raw const pg_sys::TTSOpsHeapTuple,
                ));
            }
            let slot = self.slots[self.filled];
            pg_sys::slot_getsomeattrs_int(row, (*(*row).tts_tupleDescriptor).natts);
            clear(slot);
            for (at, place) in self.places.iter().enumerate() {
                let is_null = place.is_none_or(|place| *(*row).tts_isnull.add(place));
                *(*slot).tts_isnull.add(at) = is_null;
                if let (Some(place), false) = (place, is_null) {
                    *(*slot).tts_values.add(at) = *(*row).tts_values.add(*place);
                }
            }
            pg_sys::ExecStoreVirtualTuple(slot);
            if !(*self.table.shape()).constr.is_null() {
                pg_sys::ExecConstraints(self.info, slot, estate);
            }
            if let Some(copy) = (*(*slot).tts_ops).materialize {
                copy(slot);
            }
            self.filled += 1;
        }
    }

    /// Adds what is kept.
    unsafe fn flush(&mut self, estate: *mut pg_sys::EState, command: pg_sys::CommandId) {
        // SAFETY: the slots hold rows of the table.
        unsafe {
            if self.filled == 0 {
                return;
            }
            let kept = &mut self.slots[..self.filled];
            pg_sys::heap_multi_insert(
                self.table.relation(),
                kept.as_mut_ptr(),
                kept.len() as i32,
                command,
                0,
                std::ptr::null_mut(),
            );
            for slot in kept {
                match &self.entries {
                    Some(entries) => entries.iter().for_each(|of| of.keep(*slot, estate)),
                    None => insert_index_entries(self.info, *slot, estate, Entries::All),
                }
                clear(*slot);
            }
            let context = (*estate).es_per_tuple_exprcontext;
            if !context.is_null() {
                pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            }
            self.filled = 0;
        }
    }

    unsafe fn close(self) {
        // SAFETY: what open() and keep() made.
        unsafe {
            for entries in self.entries.into_iter().flatten() {
                entries.make();
            }
            pg_sys::ExecCloseIndices(self.info);
            for slot in self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(slot);
            }
        }
    }
}
