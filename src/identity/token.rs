//! A JSON Web Token (RFC 7519) → the person it speaks for, or why not.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{decode, decode_header, Header, Validation};
use pgrx::Uuid;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::identity::keys::{self, Key};
use crate::settings;

/// Longer ones are refused before they are read.
const MAX_BYTES: usize = 16 * 1024;

pub fn verify(jwt: &str) -> Result<Uuid> {
    if jwt.len() > MAX_BYTES {
        return Err(Error::Token("is longer than 16 kB"));
    }
    let keys = keys::load()?;
    let header = decode_header(jwt)
        .map_err(|_| Error::Token("is no token signed with HS256, RS256, ES256 or EdDSA"))?;
    let key = choose(&keys, &header)?;
    let claims = decode::<Value>(jwt, &key.key, &validation(key))
        .map_err(|error| Error::Token(reason(error.kind())))?
        .claims;
    // One that is meant for somebody must not be taken by another (RFC 7519 4.1.3).
    if settings::jwt_audience().is_none() && claims.get("aud").is_some_and(|aud| !aud.is_null()) {
        return Err(Error::Token(
            "has an audience, and mindmeasure.jwt_audience is not set",
        ));
    }
    claims
        .get("sub")
        .and_then(Value::as_str)
        .and_then(|sub| uuid::Uuid::try_parse(sub).ok())
        .map(|sub| Uuid::from_bytes(sub.into_bytes()))
        .ok_or(Error::Token("has no sub that is a UUID"))
}

/// The key the token names; without a name, the only one there is for its algorithm. What the
/// token itself brings along (jwk, jku, x5u, x5c) is never looked at.
fn choose<'a>(keys: &'a [Key], header: &Header) -> Result<&'a Key> {
    if header.crit.is_some() {
        return Err(Error::Token("has a critical extension (crit)"));
    }
    let mut fitting = keys.iter().filter(|key| {
        key.algorithm == header.alg && (header.kid.is_none() || key.id == header.kid)
    });
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(Error::Token("names no known key of its algorithm")),
        (Some(_), Some(_)) => Err(Error::Token(
            "does not say which key (kid) it is signed with",
        )),
    }
}

fn validation(key: &Key) -> Validation {
    let mut validation = Validation::new(key.algorithm);
    validation.leeway = settings::jwt_leeway();
    validation.validate_nbf = true;
    let mut required = vec!["exp", "sub"];
    match settings::jwt_audience() {
        Some(audience) => {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        // verify() refuses every token that names one.
        None => validation.validate_aud = false,
    }
    if let Some(issuer) = settings::jwt_issuer() {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "has a signature that does not verify",
        ErrorKind::ExpiredSignature => "has expired",
        ErrorKind::ImmatureSignature => "is not valid yet",
        ErrorKind::InvalidAudience => "is for another audience",
        ErrorKind::InvalidIssuer => "is from another issuer",
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            "lacks one of exp, sub, aud, iss, or one is malformed"
        }
        _ => "cannot be read",
    }
}
