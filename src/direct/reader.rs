//! Rows read without a plan.

use std::ffi::CStr;

use pgrx::{pg_sys, FromDatum, IntoDatum, Uuid};

use super::{value_of, Table};
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

    /// A text that must have a value: where it lies as it is, without a copy.
    ///
    /// # Safety
    /// The column is a text.
    pub unsafe fn text(&self, at: usize, name: &str) -> Result<&str> {
        let missing = || Error::Stored(name.into());
        let text = self.0[at].ok_or_else(missing)?;
        // SAFETY: as promised; the row is there while it is handed over.
        unsafe {
            let raw = text.cast_mut_ptr::<pg_sys::varlena>();
            let lies_bare = pgrx::varlena::varatt_is_4b_u(raw)
                || pgrx::varlena::varatt_is_1b(raw) && !pgrx::varlena::varatt_is_1b_e(raw);
            let bare = if lies_bare {
                raw
            } else {
                pg_sys::pg_detoast_datum_packed(raw)
            };
            std::str::from_utf8(pgrx::varlena::varlena_to_byte_slice(bare)).map_err(|_| missing())
        }
    }
}

/// Which rows are seen.
#[derive(Clone, Copy)]
pub enum View {
    /// All that is committed at this moment, whatever the transaction's isolation.
    Present,
    /// What a query of the transaction would see now.
    Transaction,
}

impl View {
    /// # Safety
    /// To be registered before anything else is done.
    unsafe fn snapshot(self) -> pg_sys::Snapshot {
        // SAFETY: called within a transaction.
        unsafe {
            match self {
                View::Present => pg_sys::GetLatestSnapshot(),
                View::Transaction => pg_sys::GetTransactionSnapshot(),
            }
        }
    }
}

/// A row that a look at a table has found.
pub struct Found<'a> {
    table: &'a Table,
    tuple: pg_sys::HeapTuple,
}

impl Found<'_> {
    /// A copy of the row, in the current memory.
    pub fn copy(&self) -> pg_sys::HeapTuple {
        // SAFETY: the scan stands at the row.
        unsafe { pg_sys::heap_copytuple(self.tuple) }
    }

    /// A column of the type that the table gives it; `None` too where there is no such column.
    pub fn get<T: FromDatum>(&self, column: &CStr) -> Option<T> {
        // SAFETY: the tuple is one of the open table's.
        unsafe { value_of(self.tuple, self.table.shape(), column) }
    }
}

/// What a column is to be equal to, and the function that compares its type.
pub struct Key {
    equals: u32,
    value: Option<pg_sys::Datum>,
}

impl From<Uuid> for Key {
    fn from(id: Uuid) -> Key {
        Key {
            equals: pg_sys::F_UUID_EQ,
            value: id.into_datum(),
        }
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Key {
        Key {
            equals: pg_sys::F_BYTEAEQ,
            value: bytes.into_datum(),
        }
    }
}

/// The condition that a column, by its number, is `key`.
fn equals(number: i32, key: Key) -> Result<pg_sys::ScanKeyData> {
    let value = key.value.ok_or(Error::Missing("key"))?;
    let mut condition = pg_sys::ScanKeyData::default();
    // SAFETY: fills in what it is given.
    unsafe {
        pg_sys::ScanKeyInit(
            &mut condition,
            number as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            key.equals.into(),
            value,
        );
    }
    Ok(condition)
}

impl Table {
    /// Whether there is no row.
    pub fn is_empty(&self, view: View) -> bool {
        // SAFETY: the table is open; the snapshot goes after the scan.
        unsafe {
            let snapshot = pg_sys::RegisterSnapshot(view.snapshot());
            let nothing = std::ptr::null_mut();
            let scan =
                pg_sys::systable_beginscan(self.0, pg_sys::InvalidOid, false, snapshot, 0, nothing);
            let is_empty = pg_sys::systable_getnext(scan).is_null();
            pg_sys::systable_endscan(scan);
            pg_sys::UnregisterSnapshot(snapshot);
            is_empty
        }
    }

    /// Reads the first row whose column is `key`.
    pub fn find<T>(
        &self,
        column: &CStr,
        key: impl Into<Key>,
        view: View,
        read: impl FnOnce(&Found<'_>) -> T,
    ) -> Result<Option<T>> {
        let mut read = Some(read);
        let mut found = None;
        self.each(column, key, view, |row| {
            found = read.take().map(|read| read(row));
            false
        })?;
        Ok(found)
    }

    /// Goes through the rows whose column is `key`, as long as `go_on` says so.
    pub fn each(
        &self,
        column: &CStr,
        key: impl Into<Key>,
        view: View,
        mut go_on: impl FnMut(&Found<'_>) -> bool,
    ) -> Result<()> {
        let number = self.required_column(column)?;
        // SAFETY: the table is open; a row is read before the scan goes on, the snapshot goes after it.
        unsafe {
            let snapshot = pg_sys::RegisterSnapshot(view.snapshot());
            let mut condition = equals(number, key.into())?;
            let index = self.index_led_by(number, &[]);
            let scan = pg_sys::systable_beginscan(
                self.0,
                index,
                index != pg_sys::InvalidOid,
                snapshot,
                1,
                &mut condition,
            );
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() || !go_on(&Found { table: self, tuple }) {
                    break;
                }
            }
            pg_sys::systable_endscan(scan);
            pg_sys::UnregisterSnapshot(snapshot);
        }
        Ok(())
    }

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
        let numbers = wanted.map(|name| self.column(name));
        let known: Vec<i32> = numbers.iter().copied().flatten().collect();
        let index = self.index_led_by(number, &known);
        let mut outcome = Ok(());
        if index != pg_sys::InvalidOid {
            let first = equals(1, key.into())?;
            // SAFETY: the index is one of the table's, led by the column.
            unsafe { self.read_index(index, first, numbers, view, &mut take, &mut outcome) };
            return outcome;
        }
        let columns = self.columns();
        let mut values = vec![pg_sys::Datum::from(0); columns];
        let mut nulls = vec![true; columns];
        self.each(column, key, view, |row| {
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
        mut condition: pg_sys::ScanKeyData,
        numbers: [Option<i32>; N],
        view: View,
        take: &mut impl FnMut(&Values<'_, N>) -> Result<()>,
        outcome: &mut Result<()>,
    ) {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: what is opened is closed at the end, or by the (sub)transaction's abort.
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
            let mut entries = IndexEntries {
                scan,
                slot: pg_sys::table_slot_create(self.relation(), std::ptr::null_mut()),
                visibility: 0,
                room: Vec::with_capacity(ROOM / 8),
            };
            let mut rows = Vec::with_capacity(AT_ONCE);
            let mut more = true;
            while more && outcome.is_ok() {
                rows.clear();
                more = entries.next(&places, &mut rows);
                *outcome = rows.iter().try_for_each(|row| take(&Values(row)));
            }
            if entries.visibility != 0 {
                pg_sys::ReleaseBuffer(entries.visibility);
            }
            pg_sys::ExecDropSingleTupleTableSlot(entries.slot);
            pg_sys::index_endscan(scan);
            pg_sys::UnregisterSnapshot(snapshot);
            pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
    }

    /// An index whose first column is this one, that has these columns and every row; InvalidOid where there
    /// is none.
    fn index_led_by(&self, column: i32, covered: &[i32]) -> pg_sys::Oid {
        // SAFETY: open; the indexes of an open table are there.
        unsafe {
            let indexes = pg_sys::RelationGetIndexList(self.0);
            if indexes.is_null() {
                return pg_sys::InvalidOid;
            }
            let found = (0..(*indexes).length as usize)
                .map(|at| (*(*indexes).elements.add(at)).oid_value)
                .find(|oid| {
                    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
                    let index = pg_sys::index_open(*oid, lock);
                    let about = &*(*index).rd_index;
                    let of = about.indkey.values.as_slice(about.indnatts as usize);
                    let leads = about.indisvalid
                        && (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
                        && i32::from(of[0]) == column
                        && covered
                            .iter()
                            .all(|wanted| of.iter().any(|has| i32::from(*has) == *wanted))
                        && pg_sys::RelationGetIndexPredicate(index).is_null();
                    pg_sys::index_close(index, lock);
                    leads
                });
            pg_sys::list_free(indexes);
            found.unwrap_or(pg_sys::InvalidOid)
        }
    }
}

/// So many entries of an index, and so many bytes of them, are read at once.
const AT_ONCE: usize = 64;
const ROOM: usize = 16 * 1024;

/// What a scan of an index alone goes through.
struct IndexEntries {
    scan: pg_sys::IndexScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    /// The page of the visibility map that was looked at last.
    visibility: pg_sys::Buffer,
    /// Room for entries, aligned as Postgres aligns them: the scan keeps its own only until it leaves a page.
    room: Vec<u64>,
}

/// As pgrx declares them, but for its guard, which costs as much as some of them do: one stands around all.
mod unguarded {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn index_getnext_tid(
            scan: pg_sys::IndexScanDesc,
            direction: pg_sys::ScanDirection::Type,
        ) -> pg_sys::ItemPointer;
        pub fn index_fetch_heap(
            scan: pg_sys::IndexScanDesc,
            slot: *mut pg_sys::TupleTableSlot,
        ) -> bool;
        pub fn visibilitymap_get_status(
            relation: pg_sys::Relation,
            block: pg_sys::BlockNumber,
            page: *mut pg_sys::Buffer,
        ) -> u8;
        pub fn index_deform_tuple(
            tuple: pg_sys::IndexTuple,
            shape: pg_sys::TupleDesc,
            values: *mut pg_sys::Datum,
            nulls: *mut bool,
        );
    }
}

impl IndexEntries {
    /// Adds the next rows that are seen; `false` after the last. What they point to is there until the next call.
    ///
    /// # Safety
    /// The scan wants entries, and the places are within them; `rows` has room for AT_ONCE.
    unsafe fn next<const N: usize>(
        &mut self,
        places: &[Option<usize>; N],
        rows: &mut Vec<[Option<pg_sys::Datum>; N]>,
    ) -> bool {
        // Entries are no larger than a third of a page.
        const LARGEST: usize = pg_sys::BLCKSZ as usize / 3;
        const COLUMNS: usize = pg_sys::INDEX_MAX_KEYS as usize;
        let (mut values, mut nulls) = ([pg_sys::Datum::from(0); COLUMNS], [false; COLUMNS]);
        let start = self.room.as_mut_ptr().cast::<u8>();
        let mut filled = 0;
        // SAFETY: what Postgres raises leaves frames without anything to drop; an index has no more than COLUMNS
        // columns.
        unsafe {
            // Where rows that were read are watched, each is looked at.
            let is_watched = pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as i32;
            let (scan, table) = (self.scan, (*self.scan).heapRelation);
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                while rows.len() < AT_ONCE && ROOM - filled >= LARGEST {
                    let forward = pg_sys::ScanDirection::ForwardScanDirection;
                    let place = unguarded::index_getnext_tid(scan, forward);
                    if place.is_null() {
                        return false;
                    }
                    let block = pgrx::itemptr::item_pointer_get_block_number(place);
                    let status =
                        unguarded::visibilitymap_get_status(table, block, &mut self.visibility);
                    let is_visible = u32::from(status) & pg_sys::VISIBILITYMAP_ALL_VISIBLE != 0;
                    if is_watched || !is_visible {
                        let is_there = unguarded::index_fetch_heap(scan, self.slot);
                        super::clear(self.slot);
                        if !is_there {
                            continue;
                        }
                    }
                    let entry = start.add(filled);
                    let size = usize::from((*(*scan).xs_itup).t_info) & INDEX_SIZE_MASK;
                    entry.copy_from_nonoverlapping((*scan).xs_itup.cast(), size);
                    filled += size.next_multiple_of(8);
                    unguarded::index_deform_tuple(
                        entry.cast(),
                        (*scan).xs_itupdesc,
                        values.as_mut_ptr(),
                        nulls.as_mut_ptr(),
                    );
                    rows.push(places.map(|place| {
                        let at = place?;
                        (!nulls[at]).then(|| values[at])
                    }));
                }
                true
            })
        }
    }
}

/// The bits of an entry's t_info that are its size in bytes (itup.h).
const INDEX_SIZE_MASK: usize = 0x1fff;
