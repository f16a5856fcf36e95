//! What a model is, and what it reads of a session's documents (SCORING §1 and §2).

pub mod document;
pub mod features;
pub mod modality;
pub mod model;
pub(crate) mod spec;
