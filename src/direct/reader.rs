//! Rows read without a plan.

use std::ffi::CStr;

use pgrx::{pg_sys, FromDatum, IntoDatum, Uuid};

use super::{Found, Table, View};
use crate::error::{Error, Result};

/// The values of a row, in the order in which its columns were asked for; `None` too where the table has no
/// such column.
pub struct Values<'a, const N: usize>(&'a [Option<pg_sys::Datum>; N]);

impl<const N: usize> Values<'_, N> {
    /// The value at a place.
    ///
    /// # Safety
    /// The column is of that type.
    pub unsafe fn get<T: FromDatum>(&self, at: usize) -> Option<T> {
        // SAFETY: as promised; the row is there while it is handed over.
        unsafe { T::from_datum(self.0[at]?, false) }
    }

    /// The same of a column that must have a value.
    ///
    /// # Safety
    /// The column is of that type.
    pub unsafe fn required<T: FromDatum>(&self, at: usize, name: &str) -> Result<T> {
        // SAFETY: as promised.
        unsafe { self.get(at) }.ok_or_else(|| Error::Stored(name.into()))
    }
}

impl Table {
    /// Hands over columns of the rows whose uuid column is `key`, in no promised order: from an index alone
    /// where one has them all.
    pub fn read<const N: usize>(
        &self,
        column: &CStr,
        key: Uuid,
        wanted: [&CStr; N],
        view: View,
        mut take: impl FnMut(&Values<'_, N>) -> Result<()>,
    ) -> Result<()> {
        let number = self.required_column(column)?;
        let key = key.into_datum().ok_or(Error::Missing("user_id"))?;
        let numbers = wanted.map(|name| self.column(name));
        let known: Vec<i32> = numbers.iter().copied().flatten().collect();
        let index = self.index_led_by(number, &known);
        let mut outcome = Ok(());
        if index != pg_sys::InvalidOid {
            // SAFETY: the index is one of the table's, led by the column.
            unsafe { self.read_index(index, key, numbers, view, &mut take, &mut outcome) };
            return outcome;
        }
        let columns = self.columns();
        let mut values = vec![pg_sys::Datum::from(0); columns];
        let mut nulls = vec![true; columns];
        self.each(column, (pg_sys::F_UUID_EQ, key), view, |row: &Found<'_>| {
            // SAFETY: as many values as the table has columns.
            unsafe {
                pg_sys::heap_deform_tuple(
                    row.tuple,
                    self.shape(),
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
            }
            let picked = numbers.map(|number| {
                let at = number? as usize - 1;
                (!nulls[at]).then(|| values[at])
            });
            outcome = take(&Values(&picked));
            outcome.is_ok()
        })?;
        outcome
    }

    /// As an index-only scan does it.
    ///
    /// # Safety
    /// The index is a plain one of the table's, its first column the uuid; it has all of the columns.
    unsafe fn read_index<const N: usize>(
        &self,
        index: pg_sys::Oid,
        key: pg_sys::Datum,
        numbers: [Option<i32>; N],
        view: View,
        take: &mut impl FnMut(&Values<'_, N>) -> Result<()>,
        outcome: &mut Result<()>,
    ) {
        const COLUMNS: usize = pg_sys::INDEX_MAX_KEYS as usize;
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        let (mut values, mut nulls) = ([pg_sys::Datum::from(0); COLUMNS], [false; COLUMNS]);
        let mut visibility: pg_sys::Buffer = 0;
        // SAFETY: what is opened is closed at the end, or by the (sub)transaction's abort; an index has no more
        // than COLUMNS columns.
        unsafe {
            let index = pg_sys::index_open(index, lock);
            let order = (*(*index).rd_index)
                .indkey
                .values
                .as_slice((*(*index).rd_index).indnatts as usize);
            let places = numbers.map(|number| {
                let number = number?;
                order.iter().position(|of| i32::from(*of) == number)
            });
            let snapshot = pg_sys::RegisterSnapshot(view.snapshot());
            let mut condition = pg_sys::ScanKeyData::default();
            pg_sys::ScanKeyInit(
                &mut condition,
                1,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                pg_sys::F_UUID_EQ.into(),
                key,
            );
            #[cfg(not(feature = "pg18"))]
            let scan = pg_sys::index_beginscan(self.relation(), index, snapshot, 1, 0);
            #[cfg(feature = "pg18")]
            let scan = pg_sys::index_beginscan(
                self.relation(),
                index,
                snapshot,
                std::ptr::null_mut(),
                1,
                0,
            );
            (*scan).xs_want_itup = true;
            pg_sys::index_rescan(scan, &mut condition, 1, std::ptr::null_mut(), 0);
            let slot = pg_sys::table_slot_create(self.relation(), std::ptr::null_mut());
            // Where rows that were read are watched, each is looked at.
            let is_watched = pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as i32;
            loop {
                let forward = pg_sys::ScanDirection::ForwardScanDirection;
                let place = pg_sys::index_getnext_tid(scan, forward);
                if place.is_null() {
                    break;
                }
                let block = pgrx::itemptr::item_pointer_get_block_number(place);
                let status =
                    pg_sys::visibilitymap_get_status(self.relation(), block, &mut visibility);
                let is_visible = u32::from(status) & pg_sys::VISIBILITYMAP_ALL_VISIBLE != 0;
                if is_watched || !is_visible {
                    let is_there = pg_sys::index_fetch_heap(scan, slot);
                    super::clear(slot);
                    if !is_there {
                        continue;
                    }
                }
                pg_sys::index_deform_tuple(
                    (*scan).xs_itup,
                    (*scan).xs_itupdesc,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
                let picked = places.map(|place| {
                    let at = place?;
                    (!nulls[at]).then(|| values[at])
                });
                *outcome = take(&Values(&picked));
                if outcome.is_err() {
                    break;
                }
            }
            if visibility != 0 {
                pg_sys::ReleaseBuffer(visibility);
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            pg_sys::index_endscan(scan);
            pg_sys::UnregisterSnapshot(snapshot);
            pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
    }
}
