//! The four sources of evidence, always in this order, and what a session is expected to hold.

use serde::{Deserialize, Serialize};

/// A source of evidence about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    Text,
    Audio,
    Visual,
    Passive,
}

impl Modality {
    /// Every modality, in the order of all sums and arrays.
    pub const ALL: [Modality; 4] = [
        Modality::Text,
        Modality::Audio,
        Modality::Visual,
        Modality::Passive,
    ];

    /// Position in [`Modality::ALL`] and in every `[_; 4]` of this crate.
    pub fn index(self) -> usize {
        self as usize
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Modality::Text => "text",
            Modality::Audio => "audio",
            Modality::Visual => "visual",
            Modality::Passive => "passive",
        }
    }

    /// The inverse of [`Modality::as_str`].
    pub fn parse(name: &str) -> Option<Modality> {
        Modality::ALL
            .into_iter()
            .find(|modality| modality.as_str() == name)
    }
}

/// How much of an assessment was asked for; decides which modalities are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssessmentType {
    Full,
    Quick,
    VoiceOnly,
}

impl AssessmentType {
    pub const ALL: [AssessmentType; 3] = [
        AssessmentType::Full,
        AssessmentType::Quick,
        AssessmentType::VoiceOnly,
    ];

    /// Position in [`AssessmentType::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    pub fn as_str(self) -> &'static str {
        match self {
            AssessmentType::Full => "full",
            AssessmentType::Quick => "quick",
            AssessmentType::VoiceOnly => "voice-only",
        }
    }

    /// The inverse of [`AssessmentType::as_str`].
    pub fn parse(name: &str) -> Option<AssessmentType> {
        AssessmentType::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}
