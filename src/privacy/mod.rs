//! Who is asking, and what is written down of it.

mod audit;
pub mod identity;
mod keys;
pub mod read_audit;
mod token;
