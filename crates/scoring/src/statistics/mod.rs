//! Numbers, distributions and fits that know of no session.

pub mod distribution;
pub mod numeric;
pub mod platt;
pub mod posterior;
