//! The settings (GUCs) of the extension.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

static SETTLE_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(600);
static REFRESH_WINDOW: GucSetting<i32> = GucSetting::<i32>::new(86_400);
static MAX_DOCUMENT_BYTES: GucSetting<i32> = GucSetting::<i32>::new(1_048_576);

/// Upper limit of a JSON document, bytes of its stored form.
pub fn max_document_bytes() -> usize {
    usize::try_from(MAX_DOCUMENT_BYTES.get()).unwrap_or(0)
}

static KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// The file of key-encryption keys; `None` where encryption is off.
pub fn key_file() -> Option<PathBuf> {
    let name = KEY_FILE.get()?;
    (!name.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(name.as_bytes())))
}

pub fn define() {
    GucRegistry::define_int_guc(
        c"mindmeasure.settle_interval",
        c"How long mm_fuse_pending() waits for further analyses of a session.",
        c"A session whose newest analysis is older than this is scored with what has arrived.",
        &SETTLE_INTERVAL,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"mindmeasure.refresh_window",
        c"How far back mm_fuse_pending() looks for analyses that came after their session was scored.",
        c"By processed_at. An analysis dated further back is scored by mm_fuse_session(id, refresh => true).",
        &REFRESH_WINDOW,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"mindmeasure.max_document_bytes",
        c"Upper limit of one JSON document.",
        c"A larger one is refused before it is read.",
        &MAX_DOCUMENT_BYTES,
        1024,
        64 * 1024 * 1024,
        GucContext::Suset,
        GucFlags::UNIT_BYTE,
    );
    GucRegistry::define_string_guc(
        c"mindmeasure.key_file",
        c"File of the key-encryption keys; once it is set, sensitive fields are encrypted.",
        c"An absolute path outside the data directory, readable by the server's user alone. Empty: off. See docs/encryption.md.",
        &KEY_FILE,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY,
    );
}
