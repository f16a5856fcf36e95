//! The two written forms of a sealed value: a JSON object, and a string.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::aead::TAG_BYTES;
use crate::{KeyId, Nonce, NONCE_BYTES};

/// A sealed value and the name of the key that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub kid: KeyId,
    pub nonce: Nonce,
    /// Cipher text, then the tag.
    pub sealed: Vec<u8>,
}

/// What looks like an envelope and is none. Never taken for plain text: else a flipped bit could
/// turn a sealed value into an open one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

const PREFIX: &str = "mm_enc:";

impl Envelope {
    /// `mm_enc:1:kid:n:c`, for a TEXT column.
    pub fn to_text(&self) -> String {
        format!(
            "{PREFIX}1:{}:{}:{}",
            self.kid.as_str(),
            self.encoded_nonce(),
            self.encoded_sealed()
        )
    }

    /// `kid`, `n` and `c` of `{"mm_enc": 1, "kid": …, "n": …, "c": …}`, for a JSONB column.
    pub fn to_fields(&self) -> [String; 3] {
        [
            self.kid.as_str().to_owned(),
            self.encoded_nonce(),
            self.encoded_sealed(),
        ]
    }

    fn encoded_nonce(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.nonce)
    }

    fn encoded_sealed(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.sealed)
    }

    /// `None`: plain text.
    ///
    /// # Errors
    /// [`Malformed`] for a text that begins like an envelope, or ends like one, and is none.
    pub fn from_text(text: &str) -> Result<Option<Envelope>, Malformed> {
        if let Some(rest) = text.strip_prefix(PREFIX) {
            let mut parts = rest.split(':');
            let fields = (parts.next(), parts.next(), parts.next(), parts.next());
            return match (fields, parts.next()) {
                ((Some("1"), Some(kid), Some(nonce), Some(sealed)), None) => {
                    Envelope::from_fields(kid, nonce, sealed).map(Some)
                }
                _ => Err(Malformed),
            };
        }
        let mut from_the_end = text.rsplitn(4, ':');
        let (sealed, nonce, kid) = (
            from_the_end.next(),
            from_the_end.next(),
            from_the_end.next(),
        );
        match (kid, nonce, sealed) {
            (Some(kid), Some(nonce), Some(sealed))
                if Envelope::from_fields(kid, nonce, sealed).is_ok() =>
            {
                Err(Malformed)
            }
            _ => Ok(None),
        }
    }

    /// The fields of either form. Only the one canonical encoding of each is taken.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn from_fields(kid: &str, nonce: &str, sealed: &str) -> Result<Envelope, Malformed> {
        let kid = KeyId::parse(kid).ok_or(Malformed)?;
        let nonce: [u8; NONCE_BYTES] = decoded(nonce)?.try_into().map_err(|_| Malformed)?;
        let sealed = decoded(sealed)?;
        if sealed.len() < TAG_BYTES {
            return Err(Malformed);
        }
        Ok(Envelope { kid, nonce, sealed })
    }
}

/// Strict: no padding, no other alphabet, unused bits are zero.
fn decoded(text: &str) -> Result<Vec<u8>, Malformed> {
    Base64UrlUnpadded::decode_vec(text).map_err(|_| Malformed)
}
