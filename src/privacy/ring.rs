//! The key-encryption keys of mindmeasure.key_file, read again when the file changes.

use std::cell::RefCell;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::rc::Rc;

use mindmeasure_vault::KeyRing;
use pgrx::pg_sys;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::key_file::{access, Access, Fingerprint};
use crate::settings;

/// A thousand keys fit three times.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Whether encryption is on. A file that is named and cannot be used is an error later, not off.
pub fn is_on() -> bool {
    settings::key_file().is_some()
}

/// # Errors
/// [`Error::EncryptionOff`] without a key file, [`Error::KeyFile`] where it cannot be used.
pub fn current() -> Result<Rc<KeyRing>> {
    thread_local! {
        static LOADED: RefCell<Option<(Fingerprint, Rc<KeyRing>)>> = const { RefCell::new(None) };
    }
    let path = settings::key_file().ok_or(Error::EncryptionOff)?;
    let metadata = fs::metadata(&path).map_err(unreadable)?;
    let found = Fingerprint::of(&path, &metadata);
    LOADED.with_borrow_mut(|loaded| match loaded {
        Some((known, ring)) if *known == found => Ok(ring.clone()),
        _ => {
            // The old keys go, whatever comes of the new ones.
            *loaded = None;
            let (fingerprint, ring) = load(path)?;
            Ok(loaded.insert((fingerprint, Rc::new(ring))).1.clone())
        }
    })
}

fn load(path: PathBuf) -> Result<(Fingerprint, KeyRing)> {
    let refuse = |why: &str| Err(Error::KeyFile(why.into()));
    if pg_sys::pg_enc::PG_UTF8 as i32 != encoding() {
        return refuse("encryption needs a database in UTF8");
    }
    if !path.is_absolute() {
        return refuse("it is not an absolute path");
    }
    // Every base backup would carry it along.
    if fs::canonicalize(&path)
        .map_err(unreadable)?
        .starts_with(data_directory()?)
    {
        return refuse("it lies in the data directory, and so in every backup");
    }
    // Looked at before it is opened: opening a pipe would wait for somebody to write.
    if !fs::metadata(&path).map_err(unreadable)?.is_file() {
        return refuse("it is not a file");
    }
    let mut file = File::open(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    match access(&metadata) {
        Access::Closed => {}
        Access::Open => return refuse("others have access to it"),
        Access::Foreign => return refuse("it belongs to neither the server's user nor root"),
    }
    if metadata.len() > MAX_FILE_BYTES {
        return refuse("it is larger than 256 kB");
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize + 1));
    file.by_ref()
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let ring = KeyRing::parse(&bytes).map_err(|error| Error::KeyFile(error.to_string()))?;
    Ok((Fingerprint::of(&path, &metadata), ring))
}

fn data_directory() -> Result<PathBuf> {
    // SAFETY: set once at the start of the server.
    let name = unsafe { CStr::from_ptr(pg_sys::DataDir) };
    fs::canonicalize(&*name.to_string_lossy()).map_err(unreadable)
}

fn encoding() -> i32 {
    // SAFETY: a plain look-up.
    unsafe { pg_sys::GetDatabaseEncoding() }
}

/// The operating system's words, without the path.
fn unreadable(error: std::io::Error) -> Error {
    Error::KeyFile(format!("it cannot be read: {}", error.kind()))
}
