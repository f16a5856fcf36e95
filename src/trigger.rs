//! What triggers in Rust share: being called, and the row they are called with.

use std::ffi::{c_int, CStr};

use pgrx::{pg_sys, FromDatum};

use crate::direct::{column_number, value_of};
use crate::error::{or_raise, Error, Result};

/// Defines `NAME`, a trigger function in C, as a call of a function that is given the trigger's data and the
/// schema of the extension; what that returns is the trigger's result.
macro_rules! trigger_function {
    ($name:ident, $finfo:ident, $run:path) => {
        /// # Safety
        /// Called by Postgres, as a trigger.
        #[no_mangle]
        #[pgrx::pg_guard]
        pub unsafe extern "C-unwind" fn $name(
            fcinfo: pgrx::pg_sys::FunctionCallInfo,
        ) -> pgrx::pg_sys::Datum {
            // SAFETY: as promised.
            unsafe {
                let call = $crate::trigger::Call::of(fcinfo, stringify!($name));
                $crate::error::or_raise($run(&call)).into()
            }
        }

        #[no_mangle]
        pub extern "C" fn $finfo() -> &'static pgrx::pg_sys::Pg_finfo_record {
            const VERSION_1: pgrx::pg_sys::Pg_finfo_record =
                pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
            &VERSION_1
        }
    };
}
pub(crate) use trigger_function;

/// A trigger that is running.
pub struct Call<'a> {
    pub data: &'a pg_sys::TriggerData,
    /// Where the extension is.
    pub schema: pg_sys::Oid,
}

impl Call<'_> {
    /// # Safety
    /// `fcinfo` is that of a call by Postgres.
    pub unsafe fn of<'a>(fcinfo: pg_sys::FunctionCallInfo, name: &'static str) -> Call<'a> {
        // SAFETY: called_as_trigger says that context is trigger data.
        unsafe {
            if !pgrx::trigger_support::called_as_trigger(fcinfo) {
                or_raise::<()>(Err(Error::Invalid(name, "called as a trigger".into())));
            }
            let function = (*(*fcinfo).flinfo).fn_oid;
            Call {
                data: &*(*fcinfo).context.cast::<pg_sys::TriggerData>(),
                schema: pg_sys::get_func_namespace(function),
            }
        }
    }

    pub fn table_name(&self) -> String {
        // SAFETY: the relation is open while its trigger runs.
        unsafe {
            CStr::from_ptr((*(*self.data.tg_relation).rd_rel).relname.data.as_ptr())
                .to_string_lossy()
                .into_owned()
        }
    }

    pub fn shape(&self) -> pg_sys::TupleDesc {
        // SAFETY: the relation is open while its trigger runs.
        unsafe { (*self.data.tg_relation).rd_att }
    }

    /// The number of a column; `None` where the table has none of the name.
    pub fn column(&self, name: &CStr) -> Option<c_int> {
        // SAFETY: the relation is open while its trigger runs.
        unsafe { column_number(self.shape(), name) }
    }

    /// The name of the column at a place, counted from 0.
    pub fn column_name(&self, at: usize) -> String {
        // SAFETY: the description is the relation's; a palloc'd name, or NULL where there is no such column.
        unsafe {
            let name = pg_sys::SPI_fname(self.shape(), at as c_int + 1);
            if name.is_null() {
                return String::new();
            }
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }

    /// A column of the row that BEFORE INSERT is asked about, of the type that the table gives it.
    pub fn new_value<T: FromDatum>(&self, name: &CStr) -> Option<T> {
        // SAFETY: the tuple is one of the relation's.
        unsafe { value_of(self.data.tg_trigtuple, self.shape(), name) }
    }

    /// The row with one column changed.
    pub fn with(&self, name: &'static CStr, value: pg_sys::Datum) -> Result<pg_sys::HeapTuple> {
        let mut number = self
            .column(name)
            .ok_or_else(|| Error::Stored(name.to_string_lossy().into_owned()))?;
        let (mut value, mut is_null) = (value, false);
        // SAFETY: three arrays of one.
        Ok(unsafe {
            pg_sys::heap_modify_tuple_by_cols(
                self.data.tg_trigtuple,
                self.shape(),
                1,
                &mut number,
                &mut value,
                &mut is_null,
            )
        })
    }

    /// An argument of CREATE TRIGGER.
    pub fn argument(&self, number: usize) -> Option<&CStr> {
        // SAFETY: tgargs holds tgnargs strings.
        unsafe {
            let trigger = &*self.data.tg_trigger;
            (number < trigger.tgnargs as usize).then(|| CStr::from_ptr(*trigger.tgargs.add(number)))
        }
    }

    /// An error about the row, as RAISE … USING TABLE, COLUMN gives it.
    pub fn refuse(
        &self,
        code: &'static [u8; 5],
        column: &'static str,
        why: &'static str,
        hint: &'static str,
    ) -> Error {
        Error::Row {
            code,
            table: self.table_name(),
            column,
            constraint: None,
            why,
            hint,
        }
    }

    /// The same where a CHECK of the table would refuse the row too, without a hint.
    pub fn refuse_as(
        &self,
        constraint: &'static str,
        column: &'static str,
        why: &'static str,
        hint: &'static str,
    ) -> Error {
        Error::Row {
            code: b"23514",
            table: self.table_name(),
            column,
            constraint: Some(constraint),
            why,
            hint,
        }
    }
}
