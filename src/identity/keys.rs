//! The keys that tokens are verified with: a JWK Set (RFC 7517) in a file of the server.

use std::cell::RefCell;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::jwk::{PublicKeyUse, RSAKeyParameters};
use jsonwebtoken::{Algorithm, DecodingKey};
use pgrx::prelude::*;

use crate::error::{Error, Result};
use crate::key_file::{access, Access, Fingerprint};
use crate::settings;

/// A key with the one algorithm it may verify: a token cannot choose another for it.
pub struct Key {
    pub id: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

/// The keys of mindmeasure.jwt_keys_file, read again whenever the file has changed.
pub fn load() -> Result<Rc<Vec<Key>>> {
    thread_local! {
        static READ: RefCell<Option<(Fingerprint, Rc<Vec<Key>>)>> = const { RefCell::new(None) };
    }
    let path = settings::jwt_keys_file().ok_or(Error::TokenKeys("is not set"))?;
    let found =
        fs::metadata(&path).map_err(|_| Error::TokenKeys("names no file the server can read"))?;
    let version = Fingerprint::of(&path, &found);
    READ.with_borrow_mut(|read| match read {
        Some((known, keys)) if *known == version => Ok(Rc::clone(keys)),
        _ => {
            let keys = Rc::new(parse(&path, &found)?);
            *read = Some((version, Rc::clone(&keys)));
            Ok(keys)
        }
    })
}

const MAX_BYTES: u64 = 1024 * 1024;

fn parse(path: &Path, found: &Metadata) -> Result<Vec<Key>> {
    if !found.is_file() || found.size() > MAX_BYTES {
        return Err(Error::TokenKeys("is no file of at most 1 MiB"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(Error::TokenKeys("can be written by others than its owner"));
    }
    let text = fs::read(path).map_err(|_| Error::TokenKeys("names no file the server can read"))?;
    let set: JwkSet =
        serde_json::from_slice(&text).map_err(|_| Error::TokenKeys("is no JWK Set"))?;
    let mut keys = Vec::new();
    for jwk in &set.keys {
        if let Some(algorithm) = algorithm(jwk)? {
            if algorithm == Algorithm::HS256 && access(found) != Access::Closed {
                return Err(Error::TokenKeys("holds a secret that others can read"));
            }
            let key =
                DecodingKey::from_jwk(jwk).map_err(|_| Error::TokenKeys("holds a damaged key"))?;
            keys.push(Key {
                id: jwk.common.key_id.clone(),
                algorithm,
                key,
            });
        }
    }
    if keys.is_empty() {
        return Err(Error::TokenKeys(
            "holds no key for HS256, RS256, ES256 or EdDSA",
        ));
    }
    Ok(keys)
}

/// The algorithm a key is for; None for keys of other kinds and uses, which are passed over.
fn algorithm(jwk: &Jwk) -> Result<Option<Algorithm>> {
    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return Ok(None);
    }
    let (algorithm, name, strong) = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(key) => (
            Algorithm::HS256,
            KeyAlgorithm::HS256,
            bytes(&key.value) >= 32,
        ),
        AlgorithmParameters::RSA(RSAKeyParameters { n, .. }) => {
            (Algorithm::RS256, KeyAlgorithm::RS256, bytes(n) >= 256)
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256, true)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA, true)
        }
        _ => return Ok(None),
    };
    if jwk.common.key_algorithm.is_some_and(|given| given != name) {
        return Ok(None);
    }
    if strong {
        Ok(Some(algorithm))
    } else {
        Err(Error::TokenKeys(
            "holds a key that is too short: HS256 needs 32 bytes, RS256 2048 bits",
        ))
    }
}

/// How many bytes a text of Base64 without padding stands for.
fn bytes(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

/// The settings that name a file with keys, and what is wrong with the file, if anything. Paths are
/// not told: mm_doctor() asks for people who may not know them.
#[pg_extern(stable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_key_files() -> TableIterator<
    'static,
    (
        name!(setting, &'static str),
        name!(problem, Option<&'static str>),
    ),
> {
    let named = [
        ("mindmeasure.key_file", settings::key_file()),
        ("mindmeasure.jwt_keys_file", settings::jwt_keys_file()),
    ];
    TableIterator::new(named.into_iter().filter_map(|(setting, path)| {
        let problem = match fs::metadata(path?) {
            Err(_) => Some("names no file the server can read"),
            Ok(found) if access(&found) != Access::Closed => {
                Some("can be read or written by others")
            }
            Ok(_) => None,
        };
        Some((setting, problem))
    }))
}
