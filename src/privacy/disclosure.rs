//! The one place that is told when somebody reads a person's encrypted values, or takes their key.
//! Scoring is not told: it shows nobody what it reads.

use std::ffi::CString;

use pgrx::pg_sys;
use pgrx::Uuid;

use super::keys::first_disclosure;
use crate::error::{server_log, Result};
use crate::sql::Schema;

/// Noted once a statement, table and person.
pub fn noted(schema: &Schema, action: &str, table: &'static str, user_id: Uuid) -> Result<()> {
    if first_disclosure(schema, user_id, table) {
        // SAFETY: plain look-ups of who is connected and as whom they act.
        let (login, role) = unsafe {
            (
                name_of(pg_sys::GetSessionUserId()),
                name_of(pg_sys::GetOuterUserId()),
            )
        };
        server_log(format!(
            "mindmeasure audit: {action} of {table} of person {user_id} by {login} as {role}"
        ));
    }
    Ok(())
}

/// # Safety
/// Needs a transaction.
unsafe fn name_of(role: pg_sys::Oid) -> String {
    // SAFETY: the name is palloc'd, NULL for a role that is gone.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() {
            return role.to_u32().to_string();
        }
        CString::from(std::ffi::CStr::from_ptr(name))
            .into_string()
            .unwrap_or_default()
    }
}
