//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, on RFC 8439).
//!
//! Its 192-bit nonce may be drawn at random for every value without counting how many a key has
//! sealed; AES-256-GCM's 96 bits would set a limit of 2^32 values a key. It is constant-time
//! without special instructions, and libsodium gives it to an application in every language.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::XChaCha20Poly1305;
use zeroize::Zeroizing;

use crate::{Key, Nonce, NotAuthentic};

/// Length of what is added to a plain text.
pub const TAG_BYTES: usize = 16;

pub fn seal(key: &Key, nonce: &Nonce, associated: &[u8], plain: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new(key.bytes().into())
        .encrypt(
            nonce.into(),
            Payload {
                msg: plain,
                aad: associated,
            },
        )
        // Only a text of 256 GiB or more is refused.
        .unwrap_or_default()
}

pub fn open(
    key: &Key,
    nonce: &Nonce,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    XChaCha20Poly1305::new(key.bytes().into())
        .decrypt(
            nonce.into(),
            Payload {
                msg: sealed,
                aad: associated,
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| NotAuthentic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads hexadecimal digits; spaces and line ends between them do not count.
    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn the_vector_of_the_draft() {
        let plain = b"Ladies and Gentlemen of the class of '99: \
            If I could offer you only one tip for the future, sunscreen would be it.";
        let key = Key::from_slice(&(0x80..=0x9f).collect::<Vec<u8>>()).unwrap();
        let nonce: Nonce = (0x40..=0x57).collect::<Vec<u8>>().try_into().unwrap();
        let associated = hex("50515253c0c1c2c3c4c5c6c7");
        let wanted = hex(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb
             731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452
             2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
             21f9664c97637da9768812f615c68b13b52e
             c0875924c1c7987947deafd8780acf49",
        );
        assert_eq!(seal(&key, &nonce, &associated, plain), wanted);
        assert_eq!(
            open(&key, &nonce, &associated, &wanted).unwrap().as_slice(),
            plain
        );
    }
}
