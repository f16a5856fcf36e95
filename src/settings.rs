//! The settings (GUCs) of the extension.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

static SETTLE_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(600);
static REFRESH_WINDOW: GucSetting<i32> = GucSetting::<i32>::new(86_400);
static MAX_DOCUMENT_BYTES: GucSetting<i32> = GucSetting::<i32>::new(1_048_576);
static KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static JWT_KEYS_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static JWT_AUDIENCE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static JWT_ISSUER: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static JWT_LEEWAY: GucSetting<i32> = GucSetting::<i32>::new(30);
static REQUIRE_VERIFIED_IDENTITY: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Upper limit of a JSON document, bytes of its stored form.
pub fn max_document_bytes() -> usize {
    usize::try_from(MAX_DOCUMENT_BYTES.get()).unwrap_or(0)
}

/// The file of key-encryption keys; `None` where encryption is off.
pub fn key_file() -> Option<PathBuf> {
    path(&KEY_FILE)
}

/// The JWK Set with which tokens are verified.
pub fn jwt_keys_file() -> Option<PathBuf> {
    path(&JWT_KEYS_FILE)
}

/// The audience a token must be for.
pub fn jwt_audience() -> Option<String> {
    text(&JWT_AUDIENCE)
}

/// The issuer a token must be from.
pub fn jwt_issuer() -> Option<String> {
    text(&JWT_ISSUER)
}

/// By how much the clock of a token's issuer may differ from ours, seconds.
pub fn jwt_leeway() -> u64 {
    u64::try_from(JWT_LEEWAY.get()).unwrap_or(0)
}

/// Whether claims that nobody has verified count as nobody's.
pub fn require_verified_identity() -> bool {
    REQUIRE_VERIFIED_IDENTITY.get()
}

/// A setting that functions in SQL make for the length of a call.
pub fn of_a_call(name: &std::ffi::CStr) -> Option<String> {
    // SAFETY: missing_ok; the result is NULL or a string owned by the setting, copied at once.
    unsafe {
        let value = pgrx::pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null())
            .then(|| {
                std::ffi::CStr::from_ptr(value)
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|value| !value.is_empty())
    }
}

/// A setting that names a file; one that is empty is not set.
fn path(setting: &GucSetting<Option<CString>>) -> Option<PathBuf> {
    let name = setting.get()?;
    (!name.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(name.as_bytes())))
}

/// A setting of text; one that is empty is not set.
fn text(setting: &GucSetting<Option<CString>>) -> Option<String> {
    let value = setting.get()?.into_string().ok()?;
    (!value.is_empty()).then_some(value)
}

pub fn define() {
    define_scoring();
    define_identity();
}

fn define_identity() {
    // A superuser's to set: a client that could would verify itself with keys of its own.
    for (name, short, long, setting) in [
        (
            c"mindmeasure.jwt_keys_file",
            c"JWK Set with which mm_set_identity() verifies tokens.",
            c"A file of the server (RFC 7517); read again when it changes. Keys for HS256, RS256, ES256 and EdDSA.",
            &JWT_KEYS_FILE,
        ),
        (
            c"mindmeasure.jwt_audience",
            c"The audience (aud) that a token must be for.",
            c"Empty: a token that names an audience is refused.",
            &JWT_AUDIENCE,
        ),
        (
            c"mindmeasure.jwt_issuer",
            c"The issuer (iss) that a token must be from.",
            c"Empty: any, as long as the key is known.",
            &JWT_ISSUER,
        ),
    ] {
        GucRegistry::define_string_guc(
            name,
            short,
            long,
            setting,
            GucContext::Suset,
            GucFlags::SUPERUSER_ONLY,
        );
    }
    GucRegistry::define_int_guc(
        c"mindmeasure.jwt_leeway",
        c"How far the clocks of a token's issuer and of this server may differ.",
        c"Added to exp and taken from nbf.",
        &JWT_LEEWAY,
        0,
        300,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_bool_guc(
        c"mindmeasure.require_verified_identity",
        c"Whether only mm_set_identity() says whom a transaction speaks for.",
        c"On: claims that a client has set itself count as nobody's.",
        &REQUIRE_VERIFIED_IDENTITY,
        GucContext::Suset,
        GucFlags::default(),
    );
}

fn define_scoring() {
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
