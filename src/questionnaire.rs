//! mm_score_questionnaire(): PHQ-9 and GAD-7 by their published rules.

use mindmeasure_scoring::questionnaire::Questionnaire;
use pgrx::prelude::*;

use crate::error::{or_raise, Error, Result};
use crate::jsonb::JsonbText;

/// Total, band and screens of a questionnaire's answers. Screening, no diagnosis.
#[pg_extern(immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_score_questionnaire(instrument: Option<&str>, items: Option<Vec<Option<i32>>>) -> JsonbText {
    JsonbText(or_raise(score(instrument, items)))
}

fn score(instrument: Option<&str>, items: Option<Vec<Option<i32>>>) -> Result<String> {
    let instrument = instrument.ok_or(Error::Missing("instrument"))?;
    let items = items.ok_or(Error::Missing("items"))?;
    let questionnaire = Questionnaire::parse(instrument)
        .ok_or_else(|| Error::Invalid("instrument", "PHQ-9 or GAD-7".into()))?;
    // What is no small number is no answer either: the largest stands for it.
    let items: Vec<Option<u8>> = items
        .into_iter()
        .map(|item| item.map(|answer| u8::try_from(answer).unwrap_or(u8::MAX)))
        .collect();
    let answered = questionnaire
        .score(&items)
        .map_err(|error| Error::Invalid("items", error.to_string()))?;
    serde_json::to_string(&answered).map_err(|error| Error::Stored(error.to_string()))
}
