//! Rows of a range of blocks, one after the other.

use pgrx::pg_sys;

use crate::direct::Table;

/// The rows in a range of a table's blocks, as the calling statement sees them.
pub struct Scan {
    scan: pg_sys::TableScanDesc,
    row: *mut pg_sys::TupleTableSlot,
}

impl Scan {
    /// # Safety
    /// The table stays open, and end() is called.
    pub unsafe fn begin(table: &Table, blocks: &std::ops::Range<i64>) -> Scan {
        // SAFETY: as promised; a statement that calls a function has a snapshot.
        unsafe {
            let flags =
                pg_sys::ScanOptions::SO_TYPE_SEQSCAN | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE;
            let nothing = std::ptr::null_mut();
            let scan = pg_sys::heap_beginscan(
                table.relation(),
                pg_sys::GetActiveSnapshot(),
                0,
                nothing,
                nothing.cast(),
                flags,
            );
            let there = i64::from((*scan.cast::<pg_sys::HeapScanDescData>()).rs_nblocks);
            let first = blocks.start.clamp(0, there);
            let end = blocks.end.clamp(first, there);
            let row = if first == end {
                std::ptr::null_mut()
            } else {
                pg_sys::heap_setscanlimits(scan, first as u32, (end - first) as u32);
                pg_sys::table_slot_create(table.relation(), std::ptr::null_mut())
            };
            Scan { scan, row }
        }
    }

    pub fn next(&self) -> Option<*mut pg_sys::TupleTableSlot> {
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        // SAFETY: as for begin(); there is a slot where there are blocks.
        unsafe {
            (!self.row.is_null() && pg_sys::heap_getnextslot(self.scan, forward, self.row))
                .then_some(self.row)
        }
    }

    pub fn end(self) {
        // SAFETY: made in begin().
        unsafe {
            if !self.row.is_null() {
                pg_sys::ExecDropSingleTupleTableSlot(self.row);
            }
            pg_sys::heap_endscan(self.scan);
        }
    }
}
