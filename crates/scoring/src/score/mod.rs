//! From a session's features to its score, and what it teaches (SCORING §3 to §10, §12).

pub mod baseline;
pub mod drivers;
pub mod evidence;
pub mod fusion;
pub mod kept;
pub(crate) mod learning;
pub mod outcome;
pub mod person;
pub mod personal;
pub mod quality;
pub(crate) mod reading;
pub mod session;
pub mod smoothing;
pub mod uncertainty;
