//! How a sensitive value is kept: sealed under its person's data key, which is itself kept wrapped
//! under a key-encryption key of the key file.
//!
//! Nothing here knows a database, reads a file or draws a random number: callers pass in what is
//! needed. `docs/encryption.md` is the specification of every byte.

mod aead;
mod envelope;
mod key;
mod key_file;
mod place;
mod wrapping;

pub use envelope::{Envelope, Malformed};
pub use key::{Key, KeyId, Nonce, KEY_BYTES, NONCE_BYTES};
pub use key_file::{KeyFileError, KeyRing, MAX_KEYS};
pub use place::Place;
pub use wrapping::{unwrap, wrap};

/// The value is not what was sealed, or not where, or not under this key: which of it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAuthentic;
