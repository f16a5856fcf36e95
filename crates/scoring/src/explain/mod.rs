//! For people: sentences, words for features, what a report shows, questionnaires.

pub mod explanation;
pub mod questionnaire;
pub mod report;
pub mod words;
