//! Entries of an index, made in its order.

use pgrx::pg_sys;

use crate::direct::Table;

/// The entries of one index for rows that have been added, sorted as CREATE INDEX sorts them: neighbours are
/// entered one after the other, and what comes behind all others is appended.
pub struct Sorted {
    table: pg_sys::Relation,
    index: pg_sys::Relation,
    about: *mut pg_sys::IndexInfo,
    sort: *mut pg_sys::Tuplesortstate,
}

const COLUMNS: usize = pg_sys::INDEX_MAX_KEYS as usize;

impl Sorted {
    /// `None` where an index is not a plain one: another method, an expression, a condition, or a rule that is
    /// checked later.
    ///
    /// # Safety
    /// The indexes of `info` are open, and stay open.
    pub unsafe fn of(table: &Table, info: *mut pg_sys::ResultRelInfo) -> Option<Vec<Sorted>> {
        // SAFETY: as promised: as many indexes as there are descriptions.
        unsafe {
            let count = (*info).ri_NumIndices as usize;
            let indexes = (0..count).map(|number| {
                (
                    *(*info).ri_IndexRelationDescs.add(number),
                    *(*info).ri_IndexRelationInfo.add(number),
                )
            });
            let is_plain = |(index, about): (pg_sys::Relation, *mut pg_sys::IndexInfo)| {
                (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
                    && (*about).ii_Expressions.is_null()
                    && (*about).ii_Predicate.is_null()
                    && (*about).ii_ExclusionOps.is_null()
                    && (*about).ii_ReadyForInserts
                    && (*(*index).rd_index).indimmediate
            };
            indexes.clone().all(is_plain).then(|| {
                indexes
                    .map(|(index, about)| Sorted {
                        table: table.relation(),
                        index,
                        about,
                        sort: pg_sys::tuplesort_begin_index_btree(
                            table.relation(),
                            index,
                            false,
                            false,
                            pg_sys::maintenance_work_mem,
                            std::ptr::null_mut(),
                            pg_sys::TUPLESORT_NONE as i32,
                        ),
                    })
                    .collect()
            })
        }
    }

    /// Keeps the entry of a row that has been added.
    pub unsafe fn keep(&self, slot: *mut pg_sys::TupleTableSlot, estate: *mut pg_sys::EState) {
        let (mut values, mut nulls) = ([pg_sys::Datum::from(0); COLUMNS], [false; COLUMNS]);
        // SAFETY: no index has more columns.
        unsafe {
            pg_sys::FormIndexDatum(
                self.about,
                slot,
                estate,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            pg_sys::tuplesort_putindextuplevalues(
                self.sort,
                self.index,
                &mut (*slot).tts_tid,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
    }

    /// Makes the entries.
    pub unsafe fn make(self) {
        let (mut values, mut nulls) = ([pg_sys::Datum::from(0); COLUMNS], [false; COLUMNS]);
        // SAFETY: an entry is as the index describes it.
        unsafe {
            let check = if (*(*self.index).rd_index).indisunique {
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
            } else {
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
            };
            pg_sys::tuplesort_performsort(self.sort);
            loop {
                let entry = pg_sys::tuplesort_getindextuple(self.sort, true);
                if entry.is_null() {
                    break;
                }
                pg_sys::index_deform_tuple(
                    entry,
                    (*self.index).rd_att,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
                pg_sys::index_insert(
                    self.index,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                    &mut (*entry).t_tid,
                    self.table,
                    check,
                    false,
                    self.about,
                );
            }
            pg_sys::tuplesort_end(self.sort);
        }
    }
}
