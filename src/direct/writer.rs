//! Rows written to a table without a plan.

use std::cell::OnceCell;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::Table;

/// Columns by name; one that a table does not have is left out.
pub type Row<'a> = [(&'a CStr, Option<pg_sys::Datum>)];

/// A table that is ready to be written to, by rows that all give the same columns in the same order.
pub struct Writer<'a> {
    table: &'a Table,
    /// Where the columns of a row are, counted from 0.
    places: OnceCell<Vec<Option<usize>>>,
    target: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    estate: *mut pg_sys::EState,
}

impl Writer<'_> {
    /// `table` is no partitioned one.
    pub fn open(table: &Table) -> Writer<'_> {
        // SAFETY: the executor state owns all that is made here; what Postgres raises is cleaned up by the
        // (sub)transaction's abort.
        unsafe {
            let estate = pg_sys::CreateExecutorState();
            let before = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let slot =
                pg_sys::MakeSingleTupleTableSlot(table.shape(), &raw const pg_sys::TTSOpsVirtual);
            pg_sys::MemoryContextSwitchTo(before);
            let target = open_target(table, estate);
            Writer {
                table,
                places: OnceCell::new(),
                target,
                slot,
                estate,
            }
        }
    }

    /// Adds a row. What an INSERT would ask beyond NOT NULL and the indexes is asked unless `is_known` says that
    /// the caller has made sure of it ([`Table::has_only`]); triggers of statements are the caller's.
    ///
    /// # Safety
    /// The values are of the columns' types.
    pub unsafe fn add(&self, row: &Row<'_>, is_known: bool) {
        // SAFETY: the slot is one of the table's.
        unsafe {
            self.fill(row);
            if is_known && self.table.is_whole(self.slot) {
                pg_sys::simple_table_tuple_insert(self.table.relation(), self.slot);
                insert_index_entries(self.target, self.slot, self.estate, Entries::All);
            } else {
                pg_sys::ExecSimpleRelationInsert(self.target, self.estate, self.slot);
            }
            self.forget();
        }
    }

    /// Changes columns of a row of whose table the caller has asked [`Table::has_only`]; `false` where somebody
    /// else has changed it, or taken it away.
    ///
    /// # Safety
    /// The row is one of the table's; as for add().
    pub unsafe fn change(&self, row: pg_sys::HeapTuple, changes: &Row<'_>) -> bool {
        let columns = self.table.columns();
        let mut values = vec![pg_sys::Datum::from(0); columns];
        let (mut nulls, mut replaced) = (vec![true; columns], vec![false; columns]);
        for (place, (_, value)) in self.places(changes).iter().zip(changes) {
            let Some(at) = *place else {
                continue;
            };
            replaced[at] = true;
            if let Some(value) = value {
                values[at] = *value;
                nulls[at] = false;
            }
        }
        // SAFETY: three arrays of as many as the table has columns; as promised.
        unsafe {
            let changed = pg_sys::heap_modify_tuple(
                row,
                self.table.shape(),
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
                replaced.as_mut_ptr(),
            );
            let Some(entries) = update(self.table, row, changed) else {
                return false;
            };
            if entries != Entries::None {
                pg_sys::ExecForceStoreHeapTuple(changed, self.slot, false);
                (*self.slot).tts_tid = (*changed).t_self;
                insert_index_entries(self.target, self.slot, self.estate, entries);
            }
            pg_sys::heap_freetuple(changed);
            self.forget();
            true
        }
    }

    fn places(&self, row: &Row<'_>) -> &[Option<usize>] {
        self.places.get_or_init(|| {
            row.iter()
                .map(|(name, _)| Some(self.table.column(name)? as usize - 1))
                .collect()
        })
    }

    unsafe fn fill(&self, row: &Row<'_>) {
        // SAFETY: a slot has as many values as its table has columns.
        unsafe {
            let slot = self.slot;
            clear(slot);
            std::slice::from_raw_parts_mut((*slot).tts_isnull, self.table.columns()).fill(true);
            for (place, (_, value)) in self.places(row).iter().zip(row) {
                if let (Some(at), Some(value)) = (*place, value) {
                    *(*slot).tts_values.add(at) = *value;
                    *(*slot).tts_isnull.add(at) = false;
                }
            }
            pg_sys::ExecStoreVirtualTuple(slot);
        }
    }

    /// What entering a row into the indexes has taken of memory.
    unsafe fn forget(&self) {
        // SAFETY: the state's own context.
        unsafe {
            let context = (*self.estate).es_per_tuple_exprcontext;
            if !context.is_null() {
                pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            }
        }
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // SAFETY: what open() made; after an error Postgres itself cleans up.
        unsafe {
            if !std::thread::panicking() {
                pg_sys::ExecCloseIndices(self.target);
                pg_sys::ExecDropSingleTupleTableSlot(self.slot);
                pg_sys::FreeExecutorState(self.estate);
            }
        }
    }
}

/// A table as the executor writes to it, its indexes open.
///
/// # Safety
/// The indexes are closed before the state that owns all of it is freed.
pub unsafe fn open_target(
    table: &Table,
    estate: *mut pg_sys::EState,
) -> *mut pg_sys::ResultRelInfo {
    // SAFETY: the table is open, and stays so.
    unsafe {
        let before = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
        let target = pg_sys::palloc0(std::mem::size_of::<pg_sys::ResultRelInfo>())
            .cast::<pg_sys::ResultRelInfo>();
        pg_sys::InitResultRelInfo(target, table.relation(), 0, std::ptr::null_mut(), 0);
        pg_sys::ExecOpenIndices(target, false);
        pg_sys::MemoryContextSwitchTo(before);
        target
    }
}

/// Which indexes a row is to be entered into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    None,
    /// Only those that sum up blocks, as BRIN does.
    #[cfg(not(feature = "pg15"))]
    Summaries,
    All,
}

/// Puts a new version in a row's place: which entries it needs, `None` where somebody else was there first.
///
/// # Safety
/// Both are rows of the table.
unsafe fn update(
    table: &Table,
    row: pg_sys::HeapTuple,
    changed: pg_sys::HeapTuple,
) -> Option<Entries> {
    let mut failure = pg_sys::TM_FailureData::default();
    let mut lock: pg_sys::LockTupleMode::Type = 0;
    let nothing = std::ptr::null_mut();
    // SAFETY: as promised; within a transaction that writes.
    unsafe {
        #[cfg(feature = "pg15")]
        let (outcome, entries) = {
            let outcome = pg_sys::heap_update(
                table.relation(),
                &mut (*row).t_self,
                changed,
                pg_sys::GetCurrentCommandId(true),
                nothing,
                true,
                &mut failure,
                &mut lock,
            );
            const HEAP_ONLY: u16 = pg_sys::HEAP_ONLY_TUPLE as u16;
            let is_heap_only = (*(*changed).t_data).t_infomask2 & HEAP_ONLY != 0;
            (
                outcome,
                if is_heap_only {
                    Entries::None
                } else {
                    Entries::All
                },
            )
        };
        #[cfg(not(feature = "pg15"))]
        let (outcome, entries) = {
            use pg_sys::TU_UpdateIndexes as Which;
            let mut which: Which::Type = Which::TU_None;
            let outcome = pg_sys::heap_update(
                table.relation(),
                &mut (*row).t_self,
                changed,
                pg_sys::GetCurrentCommandId(true),
                nothing,
                true,
                &mut failure,
                &mut lock,
                &mut which,
            );
            let entries = match which {
                Which::TU_None => Entries::None,
                Which::TU_Summarizing => Entries::Summaries,
                _ => Entries::All,
            };
            (outcome, entries)
        };
        (outcome == pg_sys::TM_Result::TM_Ok).then_some(entries)
    }
}

/// Enters a row that the table holds into its indexes.
///
/// # Safety
/// The slot holds a row that has just been added to the target, whose indexes are open.
pub unsafe fn insert_index_entries(
    target: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    estate: *mut pg_sys::EState,
    entries: Entries,
) {
    let nothing = std::ptr::null_mut();
    // SAFETY: as promised.
    unsafe {
        #[cfg(feature = "pg15")]
        {
            let _ = entries;
            pg_sys::ExecInsertIndexTuples(
                target,
                slot,
                estate,
                false,
                false,
                nothing,
                nothing.cast(),
            );
        }
        #[cfg(not(feature = "pg15"))]
        pg_sys::ExecInsertIndexTuples(
            target,
            slot,
            estate,
            false,
            false,
            nothing,
            nothing.cast(),
            entries == Entries::Summaries,
        );
    }
}

/// # Safety
/// A slot.
pub unsafe fn clear(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: as promised.
    unsafe {
        if let Some(clear) = (*(*slot).tts_ops).clear {
            clear(slot);
        }
    }
}
