//! A person's data key, sealed under a key-encryption key: what user_keys.wrapped holds.

use zeroize::Zeroizing;

use crate::{aead, Key, KeyId, Nonce, NotAuthentic, NONCE_BYTES};

/// Nonce, cipher text, tag: 72 bytes.
pub fn wrap(
    with: &Key,
    with_id: &str,
    user: [u8; 16],
    kid: KeyId,
    nonce: Nonce,
    key: &Key,
) -> Vec<u8> {
    let mut wrapped = nonce.to_vec();
    wrapped.extend(aead::seal(
        with,
        &nonce,
        &associated(with_id, user, kid),
        key.bytes(),
    ));
    wrapped
}

/// # Errors
/// [`NotAuthentic`]: another key-encryption key, another person, or a changed row.
pub fn unwrap(
    with: &Key,
    with_id: &str,
    user: [u8; 16],
    kid: KeyId,
    wrapped: &[u8],
) -> Result<Key, NotAuthentic> {
    let (nonce, sealed) = wrapped
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(NotAuthentic)?;
    let bytes: Zeroizing<Vec<u8>> =
        aead::open(with, nonce, &associated(with_id, user, kid), sealed)?;
    Key::from_slice(&bytes).map_err(|_| NotAuthentic)
}

/// `mm_key:1` NUL user (16 bytes) key id (8 bytes) name of the key-encryption key.
fn associated(with_id: &str, user: [u8; 16], kid: KeyId) -> Vec<u8> {
    [
        b"mm_key:1\0".as_slice(),
        &user,
        kid.as_str().as_bytes(),
        with_id.as_bytes(),
    ]
    .concat()
}
