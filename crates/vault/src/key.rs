//! Keys and their names.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroize;

pub const KEY_BYTES: usize = 32;
pub const NONCE_BYTES: usize = 24;

/// 192 bits: drawn at random, two never meet (2^-32 after 2^80 values), so no counter is kept.
pub type Nonce = [u8; NONCE_BYTES];

/// A 256-bit key. Overwritten when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Key {
    /// Takes the bytes over and leaves zeros behind.
    pub fn take(bytes: &mut [u8; KEY_BYTES]) -> Key {
        let key = Key(*bytes);
        bytes.zeroize();
        key
    }

    /// # Errors
    /// The bytes, where they are not [`KEY_BYTES`] many.
    pub fn from_slice(bytes: &[u8]) -> Result<Key, usize> {
        <[u8; KEY_BYTES]>::try_from(bytes)
            .map(Key)
            .map_err(|_| bytes.len())
    }

    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Names a data key in its envelopes: eight characters of base64url, drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; KeyId::LENGTH]);

impl KeyId {
    pub const LENGTH: usize = 8;

    pub fn from_random(bytes: [u8; 6]) -> KeyId {
        let mut text = [0; KeyId::LENGTH];
        // Six bytes are exactly eight characters.
        let written = Base64UrlUnpadded::encode(&bytes, &mut text).map(str::len);
        debug_assert_eq!(written, Ok(KeyId::LENGTH));
        KeyId(text)
    }

    pub fn parse(text: &str) -> Option<KeyId> {
        let id: [u8; KeyId::LENGTH] = text.as_bytes().try_into().ok()?;
        let is_ours = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        id.iter().all(is_ours).then_some(KeyId(id))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
