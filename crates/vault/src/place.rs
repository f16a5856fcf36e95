//! Where a value belongs. Sealed with it as associated data: moved elsewhere, it does not open.

use crate::{aead, Envelope, Key, KeyId, Nonce, NotAuthentic};
use zeroize::Zeroizing;

/// A field of one row of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The logical table: that of a partition or of the archive is the table's own.
    pub table: &'a str,
    pub column: &'a str,
    pub row: [u8; 16],
    pub user: [u8; 16],
}

impl Place<'_> {
    /// `mm_enc:1` NUL table NUL column NUL row (16 bytes) user (16 bytes) key id (8 bytes).
    ///
    /// No name holds a NUL and all else has a fixed length: two places never give the same bytes.
    fn associated(&self, kid: KeyId) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        for part in ["mm_enc:1", self.table, self.column] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
        bytes.extend_from_slice(&self.row);
        bytes.extend_from_slice(&self.user);
        bytes.extend_from_slice(kid.as_str().as_bytes());
        bytes
    }

    pub fn seal(&self, key: &Key, kid: KeyId, nonce: Nonce, plain: &[u8]) -> Envelope {
        Envelope {
            kid,
            nonce,
            sealed: aead::seal(key, &nonce, &self.associated(kid), plain),
        }
    }

    /// # Errors
    /// [`NotAuthentic`] where anything is not as it was sealed.
    pub fn open(&self, key: &Key, envelope: &Envelope) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        aead::open(
            key,
            &envelope.nonce,
            &self.associated(envelope.kid),
            &envelope.sealed,
        )
    }
}
