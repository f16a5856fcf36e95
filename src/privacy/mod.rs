//! Encryption of sensitive fields: docs/encryption.md.
//!
//! A value's way in: [`seal`] (trigger) → [`values`] → [`keys`] → [`ring`]. Its way out: [`functions`]
//! for people and applications, [`values::Opener`] for scoring. The cryptography is in crates/vault.

pub mod columns;
mod disclosure;
mod existing;
mod functions;
mod keys;
mod ring;
mod rotate;
mod seal;
pub mod values;

/// Called once, when the library is loaded.
pub fn start() {
    keys::forget_at_transaction_end();
}
