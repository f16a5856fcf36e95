//! Files of the server that hold keys: how one is known again, and who may reach it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a file is known by: another one, or the same written anew, differs.
#[derive(PartialEq, Eq)]
pub struct Fingerprint {
    path: PathBuf,
    file: [u64; 3],
    times: [i64; 4],
}

impl Fingerprint {
    pub fn of(path: &Path, found: &Metadata) -> Fingerprint {
        Fingerprint {
            path: path.to_owned(),
            file: [found.dev(), found.ino(), found.len()],
            times: [
                found.mtime(),
                found.mtime_nsec(),
                found.ctime(),
                found.ctime_nsec(),
            ],
        }
    }
}

/// Who can reach a file that nobody but the server should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The server alone; or root, who may let the server's group read.
    Closed,
    /// Others as well.
    Open,
    /// It is neither the server's nor root's.
    Foreign,
}

/// The rule that PostgreSQL has for its own private key.
pub fn access(found: &Metadata) -> Access {
    // SAFETY: a plain system call.
    let forbidden = match found.uid() {
        uid if uid == unsafe { geteuid() } => 0o077,
        0 => 0o037,
        _ => return Access::Foreign,
    };
    if found.mode() & forbidden == 0 {
        Access::Closed
    } else {
        Access::Open
    }
}

unsafe extern "C" {
    fn geteuid() -> u32;
}
