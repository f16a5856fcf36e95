//! The one place that is told when somebody reads a person's encrypted values, or takes their key.
//! Scoring is not told: it shows nobody what it reads.

use std::ffi::CString;

use pgrx::prelude::*;
use pgrx::Uuid;

use super::keys::first_disclosure;
use crate::caller::as_owner;
use crate::error::{server_log, Result};
use crate::sql::Schema;

/// Noted once a statement, table and person: in audit_log, or in the server's log where nothing can
/// be written (a standby, a read-only transaction).
pub fn noted(schema: &Schema, action: &str, table: &'static str, user_id: Uuid) -> Result<()> {
    if !first_disclosure(schema, user_id, table) {
        return Ok(());
    }
    // SAFETY: plain flags.
    if unsafe { !pg_sys::XactReadOnly && !pg_sys::RecoveryInProgress() } {
        let query = schema.query("SELECT @extschema@.mm_audit($1, $2, $3, NULL)");
        return as_owner(|| {
            Spi::connect_mut(|client| {
                query.run(client, &[action.into(), table.into(), user_id.into()])?;
                Ok(())
            })
        });
    }
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
