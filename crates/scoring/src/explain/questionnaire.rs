//! PHQ-9 and GAD-7: totals, bands and screens.
//!
//! Kroenke, Spitzer & Williams 2001, J Gen Intern Med 16:606-613; Spitzer et al. 2006, Arch Intern
//! Med 166:1092-1097; the two-item screens: Kroenke et al. 2003 and 2007; caseness and reliable
//! change: the manual of NHS Talking Therapies. They screen; none of them is a diagnosis.

use serde::Serialize;

/// Largest answer to an item: nearly every day.
pub const MAX_ITEM: u8 = 3;
/// The two-item screens are positive from this sum on.
const SHORT_SCREEN: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questionnaire {
    Phq9,
    Gad7,
}

/// What the answers come to; a figure is absent where its items are, or where it is not of this
/// questionnaire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// Few enough items are missing for a total.
    pub valid: bool,
    pub missing: usize,
    /// Missing items count as the mean of the others, rounded half up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<&'static str>,
    #[serde(flatten)]
    pub screens: Option<Screens>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Screens {
    Phq9 {
        phq2: Option<u8>,
        phq2_positive: Option<bool>,
        /// Any thought of being better off dead or of hurting oneself.
        item9_positive: Option<bool>,
        caseness_ge10: bool,
        /// Items at "more than half the days", the ninth at any.
        symptoms: usize,
        /// Of DSM-IV as the PHQ maps it: `major`, `other` or `none`.
        algorithm: &'static str,
        /// A change of the total from which on it is reliable.
        reliable_change: u8,
    },
    Gad7 {
        gad2: Option<u8>,
        gad2_positive: Option<bool>,
        caseness_ge8: bool,
        caseness_ge10: bool,
        reliable_change: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuestionnaireError {
    #[error("{0} items are expected")]
    Items(usize),
    #[error("an answer is not within 0 to 3")]
    Answer,
}

impl Questionnaire {
    pub fn parse(name: &str) -> Option<Questionnaire> {
        match name {
            "PHQ-9" => Some(Questionnaire::Phq9),
            "GAD-7" => Some(Questionnaire::Gad7),
            _ => None,
        }
    }

    fn items(self) -> usize {
        match self {
            Questionnaire::Phq9 => 9,
            Questionnaire::Gad7 => 7,
        }
    }

    fn most_missing(self) -> usize {
        match self {
            Questionnaire::Phq9 => 2,
            Questionnaire::Gad7 => 1,
        }
    }

    fn band(self, total: u8) -> &'static str {
        match (self, total) {
            (_, 0..=4) => "minimal",
            (_, 5..=9) => "mild",
            (_, 10..=14) => "moderate",
            (Questionnaire::Phq9, 15..=19) => "moderately severe",
            _ => "severe",
        }
    }

    /// Scores the answers in the order of the items, None where there is none.
    pub fn score(self, items: &[Option<u8>]) -> Result<Answered, QuestionnaireError> {
        if items.len() != self.items() {
            return Err(QuestionnaireError::Items(self.items()));
        }
        if items.iter().flatten().any(|answer| *answer > MAX_ITEM) {
            return Err(QuestionnaireError::Answer);
        }
        let missing = items.iter().filter(|item| item.is_none()).count();
        if missing > self.most_missing() {
            return Ok(Answered {
                missing,
                ..Answered::default()
            });
        }
        let sum: usize = items.iter().flatten().map(|a| usize::from(*a)).sum();
        let answered = items.len() - missing;
        // (sum·items/answered + ½), rounded down, in whole numbers.
        let total = ((2 * sum * items.len() + answered) / (2 * answered)) as u8;
        let short = items[0].zip(items[1]).map(|(first, second)| first + second);
        let positive = short.map(|sum| sum >= SHORT_SCREEN);
        let screens = match self {
            Questionnaire::Phq9 => {
                let (symptoms, algorithm) = algorithm(items);
                Screens::Phq9 {
                    phq2: short,
                    phq2_positive: positive,
                    item9_positive: items[8].map(|answer| answer >= 1),
                    caseness_ge10: total >= 10,
                    symptoms,
                    algorithm,
                    reliable_change: 6,
                }
            }
            Questionnaire::Gad7 => Screens::Gad7 {
                gad2: short,
                gad2_positive: positive,
                caseness_ge8: total >= 8,
                caseness_ge10: total >= 10,
                reliable_change: 4,
            },
        };
        Ok(Answered {
            valid: true,
            missing,
            total: Some(total),
            band: Some(self.band(total)),
            screens: Some(screens),
        })
    }
}

/// Symptoms, and whether they are five or more (major) or two to four (other) with one of the first
/// two items among them.
fn algorithm(items: &[Option<u8>]) -> (usize, &'static str) {
    let is_symptom = |(item, answer): (usize, &Option<u8>)| {
        let least = if item == 8 { 1 } else { 2 };
        answer.is_some_and(|answer| answer >= least)
    };
    let symptoms = items
        .iter()
        .enumerate()
        .filter(|item| is_symptom(*item))
        .count();
    let cardinal = items[..2].iter().enumerate().any(is_symptom);
    let algorithm = match symptoms {
        5.. if cardinal => "major",
        2..=4 if cardinal => "other",
        _ => "none",
    };
    (symptoms, algorithm)
}
