//! Rows of the extension's own tables, read (reader.rs) and written (writer.rs) without a plan.
//!
//! For triggers that run with every row an application writes, and for scoring: starting and ending an
//! executor costs more than the rows. Constraints, row triggers and indexes of the table are met as by an INSERT
//! (it is what logical replication does), but for those of which the caller says that it has made sure
//! of them; privileges and policies are not asked, for it is the extension itself that writes.

mod reader;
mod writer;

use std::ffi::CStr;

use pgrx::{pg_sys, FromDatum};

pub use reader::{Values, View};
pub use writer::{clear, insert_index_entries, open_target, Entries, Row, Writer};

use crate::error::{Error, Result};

/// The number of a column in rows of this shape; `None` where there is none of the name.
///
/// # Safety
/// `shape` is the description of an open relation.
pub unsafe fn column_number(shape: pg_sys::TupleDesc, name: &CStr) -> Option<i32> {
    // SAFETY: as promised.
    let number = unsafe { pg_sys::SPI_fnumber(shape, name.as_ptr()) };
    (number > 0).then_some(number)
}

/// A column of a row, of the type that the table gives it; `None` too where there is no such column.
///
/// # Safety
/// `tuple` is a row of this shape, which is the description of an open relation.
pub unsafe fn value_of<T: FromDatum>(
    tuple: pg_sys::HeapTuple,
    shape: pg_sys::TupleDesc,
    name: &CStr,
) -> Option<T> {
    let mut is_null = false;
    // SAFETY: as promised.
    unsafe {
        let number = column_number(shape, name)?;
        let value = pg_sys::heap_getattr(tuple, number, shape, &mut is_null);
        T::from_datum(value, is_null)
    }
}

/// What an INSERT or a DELETE would ask and the caller has made sure of: CHECKs by name, and functions of
/// triggers in the extension's schema. Whatever else there is on a table is met as ever.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    pub checks: &'a [&'a CStr],
    pub triggers: &'a [&'a CStr],
}

/// The CHECK that a partition keeps of its bounds: a row that is led to it lies within them.
pub const BOUNDS: &CStr = c"mm_time_range";

/// A relation that is open, and closed when dropped; the lock stays until the transaction ends.
pub struct Table(pg_sys::Relation);

impl Table {
    /// A table of the extension's schema.
    pub fn open(schema: pg_sys::Oid, name: &CStr, lock: pg_sys::LOCKMODE) -> Result<Table> {
        // SAFETY: plain look-ups; table_open() raises where there is no such table any more.
        unsafe {
            let oid = pg_sys::get_relname_relid(name.as_ptr(), schema);
            if oid == pg_sys::InvalidOid {
                return Err(Error::Stored(format!("table {}", name.to_string_lossy())));
            }
            Ok(Table(pg_sys::table_open(oid, lock)))
        }
    }

    /// A table or partition by its id.
    pub fn of(oid: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> Table {
        // SAFETY: table_open() raises where there is no such table any more.
        Table(unsafe { pg_sys::table_open(oid, lock) })
    }

    pub fn relation(&self) -> pg_sys::Relation {
        self.0
    }

    pub fn shape(&self) -> pg_sys::TupleDesc {
        // SAFETY: open.
        unsafe { (*self.0).rd_att }
    }

    pub fn oid(&self) -> pg_sys::Oid {
        // SAFETY: open.
        unsafe { (*self.0).rd_id }
    }

    pub fn name(&self) -> String {
        // SAFETY: open.
        unsafe { CStr::from_ptr((*(*self.0).rd_rel).relname.data.as_ptr()) }
            .to_string_lossy()
            .into_owned()
    }

    pub fn is_partitioned(&self) -> bool {
        // SAFETY: open.
        unsafe { (*(*self.0).rd_rel).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE }
    }

    /// Whether no trigger, rule, CHECK, computed column or policy has a say in an event (TRIGGER_TYPE_INSERT,
    /// _UPDATE or _DELETE) of the owner's but those that are known. With `references`, a table whose rows the
    /// caller knows to be there, foreign keys to it count as known.
    pub fn has_only(&self, event: u32, known: Known<'_>, references: Option<&Table>) -> bool {
        // SAFETY: the descriptions live as long as the relation is open.
        unsafe {
            let relation = &*self.0;
            if !relation.rd_rules.is_null() || (*relation.rd_rel).relforcerowsecurity {
                return false;
            }
            if event != pg_sys::TRIGGER_TYPE_DELETE && !self.has_only_checks(known.checks) {
                return false;
            }
            let schema = (*relation.rd_rel).relnamespace;
            self.triggers(event).iter().all(|trigger| {
                trigger.tgfoid.to_u32() == pg_sys::F_RI_FKEY_CHECK_INS
                    && references.is_some_and(|table| table.oid() == trigger.tgconstrrelid)
                    || is_one_of(trigger.tgfoid, schema, known.triggers)
            })
        }
    }

    /// Whether an event of it calls a function of the extension's, as a trigger.
    pub fn calls(&self, event: u32, function: &CStr) -> bool {
        // SAFETY: open.
        unsafe {
            let schema = (*(*self.0).rd_rel).relnamespace;
            let mut triggers = self.triggers(event).into_iter();
            triggers.any(|trigger| is_one_of(trigger.tgfoid, schema, &[function]))
        }
    }

    /// The triggers of an event that are not disabled.
    fn triggers(&self, event: u32) -> Vec<&pg_sys::Trigger> {
        // SAFETY: the descriptions live as long as the relation is open.
        let all = unsafe {
            let triggers = (*self.0).trigdesc;
            if triggers.is_null() {
                return Vec::new();
            }
            std::slice::from_raw_parts((*triggers).triggers, (*triggers).numtriggers as usize)
        };
        all.iter()
            .filter(|trigger| trigger.tgtype as u32 & event != 0 && trigger.tgenabled as u8 != b'D')
            .collect()
    }

    fn has_only_checks(&self, known: &[&CStr]) -> bool {
        // SAFETY: as above.
        let constraints = unsafe { (*self.shape()).constr.as_ref() };
        constraints.is_none_or(|all| !all.has_generated_stored)
            && self.checks().iter().all(|check| known.contains(&check.0))
    }

    /// The CHECKs that all its rows are known to pass.
    pub fn checks_passed(&self) -> Vec<&CStr> {
        let checks = self.checks().into_iter();
        checks
            .filter_map(|(name, is_valid)| is_valid.then_some(name))
            .collect()
    }

    /// The names of its CHECKs, and whether the rows from before them have been checked.
    fn checks(&self) -> Vec<(&CStr, bool)> {
        // SAFETY: the descriptions live as long as the relation is open.
        unsafe {
            let Some(constraints) = (*self.shape()).constr.as_ref() else {
                return Vec::new();
            };
            (0..usize::from(constraints.num_check))
                .map(|number| {
                    let check = &*constraints.check.add(number);
                    (CStr::from_ptr(check.ccname), check.ccvalid)
                })
                .collect()
        }
    }

    /// The number of a column.
    pub fn column(&self, name: &CStr) -> Option<i32> {
        // SAFETY: open.
        unsafe { column_number(self.shape(), name) }
    }

    fn required_column(&self, name: &CStr) -> Result<i32> {
        self.column(name)
            .ok_or_else(|| Error::Stored(name.to_string_lossy().into_owned()))
    }

    /// How many columns it has, dropped ones too.
    fn columns(&self) -> usize {
        // SAFETY: open.
        unsafe { (*self.shape()).natts as usize }
    }

    /// Whether it is a table of rows as Postgres itself keeps them.
    pub fn is_heap(&self) -> bool {
        // SAFETY: open.
        unsafe {
            let about = &*(*self.0).rd_rel;
            about.relkind as u8 == pg_sys::RELKIND_RELATION
                && about.relam == pg_sys::HEAP_TABLE_AM_OID
        }
    }

    /// For each column, where another table has the one of its name; `None` where it has been dropped.
    pub fn places_in(&self, other: &Table) -> Vec<Option<usize>> {
        // SAFETY: open.
        unsafe { pgrx::PgTupleDesc::from_pg_unchecked(self.shape()) }
            .iter()
            .map(|column| {
                if column.attisdropped {
                    return None;
                }
                // SAFETY: a NUL-terminated name.
                let name = unsafe { CStr::from_ptr(column.attname.data.as_ptr()) };
                other.column(name).map(|number| number as usize - 1)
            })
            .collect()
    }

    /// Whether it has the columns of another table, and no more.
    pub fn has_columns_of(&self, other: &Table) -> bool {
        // SAFETY: open.
        let (ours, theirs) = unsafe {
            (
                pgrx::PgTupleDesc::from_pg_unchecked(self.shape()),
                pgrx::PgTupleDesc::from_pg_unchecked(other.shape()),
            )
        };
        let alike = ours
            .iter()
            .zip(self.places_in(other))
            .all(|(column, place)| {
                column.attisdropped
                    || place
                        .and_then(|place| theirs.get(place))
                        .is_some_and(|of| of.atttypid == column.atttypid)
            });
        let present = |shape: &pgrx::PgTupleDesc<'_>| {
            shape.iter().filter(|column| !column.attisdropped).count()
        };
        alike && present(&ours) == present(&theirs)
    }

    /// The partition for a time; `None` where there is none.
    pub fn child(&self, at: pg_sys::TimestampTz) -> Option<pg_sys::Oid> {
        // SAFETY: the description lives as long as the cache entry, which the open table keeps. Tables of
        // ours are partitioned by the range of one timestamptz.
        unsafe {
            let partitions = &*pg_sys::RelationGetPartitionDesc(self.0, true);
            if partitions.nparts == 0 {
                return None;
            }
            let bounds = &*partitions.boundinfo;
            if bounds.strategy as u8 != b'r' {
                return None;
            }
            let not_above = |bound: usize| match **bounds.kind.add(bound) {
                pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MINVALUE => true,
                pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MAXVALUE => false,
                _ => (**bounds.datums.add(bound)).value() as pg_sys::TimestampTz <= at,
            };
            let (mut low, mut high) = (0, bounds.ndatums as usize);
            while low < high {
                let middle = (low + high) / 2;
                if not_above(middle) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            // indexes[i] belongs to what lies below bound i.
            let index = match *bounds.indexes.add(low) {
                none if none < 0 => bounds.default_index,
                index => index,
            };
            (index >= 0).then(|| *partitions.oids.add(index as usize))
        }
    }

    /// All partitions, and whether there is one for every row.
    pub fn children(&self) -> (&[pg_sys::Oid], bool) {
        // SAFETY: as for child().
        unsafe {
            let partitions = &*pg_sys::RelationGetPartitionDesc(self.0, true);
            if partitions.nparts == 0 {
                return (&[], false);
            }
            (
                std::slice::from_raw_parts(partitions.oids, partitions.nparts as usize),
                (*partitions.boundinfo).default_index >= 0,
            )
        }
    }

    /// The partition for a time, at whatever depth; the table itself where it has none.
    fn partition(self, at: pg_sys::TimestampTz) -> Result<Table> {
        let mut table = self;
        while table.is_partitioned() {
            let child = table
                .child(at)
                .ok_or_else(|| Error::Stored("partition".into()))?;
            // A partition cannot go while its parent is locked.
            table = Table::of(child, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        }
        Ok(table)
    }

    /// Adds a row of a time, which chooses the partition: columns by name. One that is not given, or that
    /// the table does not have, is left out. The transaction sees it from its next look at the table on.
    pub fn insert(self, at: pg_sys::TimestampTz, row: &Row<'_>, known: Known<'_>) -> Result<()> {
        let table = self.partition(at)?;
        let is_known = table.has_only(pg_sys::TRIGGER_TYPE_INSERT, known, None);
        let writer = Writer::open(&table);
        // SAFETY: the caller's values are of the columns' types.
        unsafe {
            writer.add(row, is_known);
            drop(writer);
            pg_sys::CommandCounterIncrement();
        }
        Ok(())
    }

    /// Whether a row gives every column that must have a value or has a default.
    pub fn asks_only_for(&self, row: &Row<'_>) -> bool {
        // SAFETY: open; a NUL-terminated name.
        unsafe { pgrx::PgTupleDesc::from_pg_unchecked(self.shape()) }
            .iter()
            .all(|column| {
                let is_asked = column.attnotnull || column.atthasdef || column.attidentity != 0;
                let name = unsafe { CStr::from_ptr(column.attname.data.as_ptr()) };
                column.attisdropped || !is_asked || row.iter().any(|(given, _)| *given == name)
            })
    }

    /// Whether every column has a value that must have one.
    ///
    /// # Safety
    /// The slot holds a row of this table, taken apart.
    unsafe fn is_whole(&self, slot: *mut pg_sys::TupleTableSlot) -> bool {
        // SAFETY: as promised.
        unsafe {
            pgrx::PgTupleDesc::from_pg_unchecked(self.shape())
                .iter()
                .enumerate()
                .all(|(at, column)| !column.attnotnull || !*(*slot).tts_isnull.add(at))
        }
    }

    /// Keeps a row from being deleted, and its key from being changed, until the transaction ends, as a foreign
    /// key does; `false` where that has happened.
    ///
    /// # Safety
    /// The row is one of the table's.
    pub unsafe fn keep(&self, row: pg_sys::HeapTuple) -> bool {
        let mut failure = pg_sys::TM_FailureData::default();
        let mut buffer: pg_sys::Buffer = 0;
        // SAFETY: as promised; the buffer that comes back is pinned.
        unsafe {
            let outcome = pg_sys::heap_lock_tuple(
                self.0,
                row,
                pg_sys::GetCurrentCommandId(true),
                pg_sys::LockTupleMode::LockTupleKeyShare,
                pg_sys::LockWaitPolicy::LockWaitBlock,
                true,
                &mut buffer,
                &mut failure,
            );
            pg_sys::ReleaseBuffer(buffer);
            outcome == pg_sys::TM_Result::TM_Ok
        }
    }
}

/// Whether a function is one of these of a schema.
///
/// # Safety
/// Within a transaction.
unsafe fn is_one_of(function: pg_sys::Oid, schema: pg_sys::Oid, names: &[&CStr]) -> bool {
    // SAFETY: look-ups; a palloc'd name, or NULL where there is no such function.
    unsafe {
        let name = pg_sys::get_func_name(function);
        !name.is_null()
            && names.contains(&CStr::from_ptr(name))
            && pg_sys::get_func_namespace(function) == schema
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: open; after an error Postgres itself closes it.
        unsafe {
            if !std::thread::panicking() {
                pg_sys::table_close(self.0, pg_sys::NoLock as pg_sys::LOCKMODE);
            }
        }
    }
}
