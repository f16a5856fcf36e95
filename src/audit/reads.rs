//! pgaudit says which statement read a sensitive table; this adds who was behind it.
//!
//! log_line_prefix cannot: it knows application_name, which any client sets as it likes. So the
//! person is put at the end of pgaudit's own line, from the memory that mm_set_identity() writes.

use pgrx::prelude::*;

use crate::identity::{self, Asker};

const PGAUDIT: &[u8] = b"AUDIT: ";

/// The hook that was there before ours. Written once, when the library is loaded.
static mut PREVIOUS: pg_sys::emit_log_hook_type = None;

pub fn install() {
    // SAFETY: called once, from _PG_init, before anything can be logged through it.
    unsafe {
        PREVIOUS = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(emit_log);
    }
}

/// Runs while an error may be handled: raises nothing and touches no table.
#[pg_guard]
unsafe extern "C-unwind" fn emit_log(edata: *mut pg_sys::ErrorData) {
    // SAFETY: Postgres passes the message it is about to write; it is palloc'd, and pfree'd by its
    // owner, so that another palloc'd string may take its place.
    unsafe {
        let message = (*edata).message;
        if !message.is_null() {
            let text = std::ffi::CStr::from_ptr(message);
            if text.to_bytes().starts_with(PGAUDIT) && is_by_pgaudit(edata) {
                let line = [text.to_bytes(), b",", person().as_bytes(), b"\0"].concat();
                (*edata).message = pg_sys::pstrdup(line.as_ptr().cast());
                pg_sys::pfree(message.cast());
            }
        }
        if let Some(previous) = PREVIOUS {
            previous(edata);
        }
    }
}

/// A client may RAISE LOG whatever it likes, but not from pgaudit's own source file.
///
/// # Safety
/// `edata` is a message that is being written.
unsafe fn is_by_pgaudit(edata: *mut pg_sys::ErrorData) -> bool {
    // SAFETY: NULL or a constant of the library that reports.
    unsafe {
        let file = (*edata).filename;
        !file.is_null()
            && std::ffi::CStr::from_ptr(file)
                .to_bytes()
                .ends_with(b"pgaudit.c")
    }
}

/// One more field of the line, in CSV like the others.
fn person() -> String {
    match identity::asker() {
        Asker::Person(person) => format!(
            "person={} {}",
            uuid::Uuid::from_bytes(*person.as_bytes()),
            if identity::verified().is_some() {
                "verified"
            } else {
                "claimed"
            }
        ),
        Asker::Nobody | Asker::Unsaid => "person=none".into(),
    }
}
