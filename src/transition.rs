//! Transition tables, read as they lie in memory.

use std::ffi::CStr;

use pgrx::{pg_sys, FromDatum, Uuid};

/// A column of a table: its place among them, and how its values compare.
#[derive(Clone, Copy)]
pub struct Column {
    pub at: usize,
    pub by_value: bool,
    pub length: i32,
}

/// The rows of a transition table, one at a time.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    slot: *mut pg_sys::TupleTableSlot,
    columns: i32,
}

impl Rows {
    /// # Safety
    /// `store` holds rows of `shape`, and outlives this. Nobody else reads through pointer 0: queries
    /// on a transition table each have one of their own.
    pub unsafe fn new(store: *mut pg_sys::Tuplestorestate, shape: pg_sys::TupleDesc) -> Rows {
        // SAFETY: as promised by the caller.
        unsafe {
            pg_sys::tuplestore_select_read_pointer(store, 0);
            pg_sys::tuplestore_rescan(store);
            let slot =
                pg_sys::MakeSingleTupleTableSlot(shape, &raw const pg_sys::TTSOpsMinimalTuple);
            Rows {
                store,
                slot,
                columns: (*shape).natts,
            }
        }
    }

    /// Goes to the next row and takes it apart.
    pub fn next(&self) -> bool {
        // SAFETY: as for new().
        unsafe {
            let there = pg_sys::tuplestore_gettupleslot(self.store, true, false, self.slot);
            if there {
                pg_sys::slot_getsomeattrs_int(self.slot, self.columns);
            }
            there
        }
    }

    pub fn value(&self, at: usize) -> Option<pg_sys::Datum> {
        // SAFETY: next() has filled as many values as there are columns.
        unsafe { (!*(*self.slot).tts_isnull.add(at)).then(|| *(*self.slot).tts_values.add(at)) }
    }

    /// # Safety
    /// The column must be a uuid.
    pub unsafe fn uuid(&self, at: usize) -> Option<[u8; 16]> {
        // SAFETY: as promised.
        unsafe { Uuid::from_datum(self.value(at)?, false).map(|uuid| *uuid.as_bytes()) }
    }

    /// # Safety
    /// The column must be of that type.
    pub unsafe fn text(&self, at: usize, type_oid: pg_sys::Oid) -> Option<String> {
        // SAFETY: the type's own output function on a value of the type.
        unsafe {
            let mut output = pg_sys::InvalidOid;
            let mut varlena = false;
            let value = self.value(at)?;
            pg_sys::getTypeOutputInfo(type_oid, &mut output, &mut varlena);
            let text = CStr::from_ptr(pg_sys::OidOutputFunctionCall(output, value));
            Some(text.to_string_lossy().into_owned())
        }
    }

    /// # Safety
    /// Both must be rows of a table that has that column.
    pub unsafe fn same(&self, other: &Rows, column: Column) -> bool {
        // SAFETY: both values are of the column's type.
        unsafe {
            match (self.value(column.at), other.value(column.at)) {
                (None, None) => true,
                (Some(a), Some(b)) if column.by_value => a.value() == b.value(),
                (Some(a), Some(b)) => {
                    same_toast_pointer(a, b, column)
                        // It may fetch both values, and fail.
                        || pg_sys::ffi::pg_guard_ffi_boundary(|| datum_image_eq(a, b, false, column.length))
                }
                _ => false,
            }
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // SAFETY: made in new(), dropped once.
        unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) }
    }
}

/// A large value that an UPDATE did not touch is the same pointer: it need not be fetched.
unsafe fn same_toast_pointer(a: pg_sys::Datum, b: pg_sys::Datum, column: Column) -> bool {
    if column.length != -1 {
        return false;
    }
    // SAFETY: both are varlenas; an external one is as long as varsize_any says.
    unsafe {
        let (a, b) = (
            a.cast_mut_ptr::<pg_sys::varlena>(),
            b.cast_mut_ptr::<pg_sys::varlena>(),
        );
        if !pgrx::varatt_is_1b_e(a) || !pgrx::varatt_is_1b_e(b) {
            return false;
        }
        let bytes = |p: *mut pg_sys::varlena| {
            std::slice::from_raw_parts(p.cast::<u8>(), pgrx::varsize_any(p))
        };
        bytes(a) == bytes(b)
    }
}

unsafe extern "C-unwind" {
    fn datum_image_eq(a: pg_sys::Datum, b: pg_sys::Datum, by_value: bool, length: i32) -> bool;
}
