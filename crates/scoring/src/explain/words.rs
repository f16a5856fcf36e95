//! Features, reasons and sizes in plain words.

/// What a feature has that moved a score, as in "… than usual". Features of other models keep their
/// name, on one line.
pub fn moved(feature: &str, above: bool) -> String {
    if let Some((more, less)) = plain(feature) {
        return if above { more } else { less }.to_owned();
    }
    let name = feature.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("a {} {name}", if above { "higher" } else { "lower" })
}

/// More and less of what a feature of model v1.0 measures; `None` for features of other models.
pub fn plain(feature: &str) -> Option<(&'static str, &'static str)> {
    Some(match feature {
        "text.sentiment_positive" => (
            "a more positive tone of the text",
            "a less positive tone of the text",
        ),
        "text.sentiment_negative" => (
            "a more negative tone of the text",
            "a less negative tone of the text",
        ),
        "text.sentiment_neutral" => (
            "a more neutral tone of the text",
            "a less neutral tone of the text",
        ),
        "text.sentiment_confidence" => (
            "a clearer tone of the text",
            "a less clear tone of the text",
        ),
        "text.mood_indicator_count" => ("more mood words", "fewer mood words"),
        "text.clarity" => ("a clearer text", "a less clear text"),
        "text.coherence" => ("a more coherent text", "a less coherent text"),
        "text.cognitive_load" => (
            "more mental effort in the text",
            "less mental effort in the text",
        ),
        "text.focus_indicator_count" => ("more signs of focus", "fewer signs of focus"),
        "text.wellness_score" => ("a higher overall text score", "a lower overall text score"),
        "audio.pitch_mean" => ("a higher voice", "a deeper voice"),
        "audio.pitch_variance" => (
            "a livelier melody of the voice",
            "a flatter melody of the voice",
        ),
        "audio.speaking_rate" => ("faster speech", "slower speech"),
        "audio.volume_mean" => ("a louder voice", "a quieter voice"),
        "audio.breath_frequency" => ("faster breathing", "slower breathing"),
        "audio.breath_regularity" => ("more regular breathing", "less regular breathing"),
        "audio.rhythm_stability" => (
            "a steadier rhythm of speech",
            "a less steady rhythm of speech",
        ),
        "audio.pause_frequency" => ("more pauses in speech", "fewer pauses in speech"),
        "audio.pause_duration" => ("longer pauses in speech", "shorter pauses in speech"),
        "audio.wellness_score" => (
            "a higher overall voice score",
            "a lower overall voice score",
        ),
        "visual.happiness_confidence" => (
            "more happiness seen in the face",
            "less happiness seen in the face",
        ),
        "visual.happiness_duration" => ("a happy face for longer", "a happy face for less time"),
        "visual.sadness_confidence" => (
            "more sadness seen in the face",
            "less sadness seen in the face",
        ),
        "visual.sadness_duration" => ("a sad face for longer", "a sad face for less time"),
        "visual.negative_confidence" => (
            "more anger, fear or disgust seen in the face",
            "less anger, fear or disgust seen in the face",
        ),
        "visual.negative_duration" => (
            "an angry, fearful or disgusted face for longer",
            "an angry, fearful or disgusted face for less time",
        ),
        "visual.expression_changes" => {
            ("more changes of expression", "fewer changes of expression")
        }
        "visual.expressiveness" => ("a more expressive face", "a less expressive face"),
        "visual.wellness_score" => ("a higher overall face score", "a lower overall face score"),
        "passive.sleep_duration" => ("more sleep", "less sleep"),
        "passive.sleep_efficiency" => (
            "a larger share of the night asleep",
            "a smaller share of the night asleep",
        ),
        "passive.sleep_latency" => (
            "a longer time to fall asleep",
            "a shorter time to fall asleep",
        ),
        "passive.sleep_awake" => ("more time awake at night", "less time awake at night"),
        "passive.steps" => ("more steps", "fewer steps"),
        "passive.active_minutes" => ("more active time", "less active time"),
        "passive.sedentary_minutes" => ("more time sitting", "less time sitting"),
        "passive.resting_heart_rate" => {
            ("a higher resting heart rate", "a lower resting heart rate")
        }
        "passive.heart_rate_variability" => (
            "a higher heart rate variability",
            "a lower heart rate variability",
        ),
        "passive.screen_minutes" => ("more screen time", "less screen time"),
        "passive.unlock_count" => ("more phone unlocks", "fewer phone unlocks"),
        "passive.night_screen_minutes" => {
            ("more screen time at night", "less screen time at night")
        }
        "passive.wellness_score" => (
            "a higher overall sensor score",
            "a lower overall sensor score",
        ),
        _ => return None,
    })
}

/// Where a modality's data come from.
pub fn source(modality: &str) -> &str {
    match modality {
        "audio" => "voice",
        "visual" => "face",
        "passive" => "sensors",
        other => other,
    }
}

/// A figure of the self-report.
pub fn factor(name: &str) -> &str {
    match name {
        "energy_level" => "energy",
        "stress_level" => "stress",
        "physical_comfort" => "physical comfort",
        "social_connection" => "social connection",
        "sleep_quality" => "sleep quality",
        other => other,
    }
}

/// A reason of [`crate::quality::assess`], without its figures.
pub fn reason(reason: &str) -> &'static str {
    if reason.starts_with("coverage") {
        "part of the expected data is missing"
    } else if reason.starts_with("uncertainty") {
        WIDE_RANGE
    } else if reason.starts_with("the median baseline") {
        FEW_VALUES
    } else {
        NO_SOURCE
    }
}

pub const WIDE_RANGE: &str = "the range is wide";
pub const FEW_VALUES: &str = "there is too little of this kind from before to know what is usual";
pub const NO_SOURCE: &str = "no source gave enough usable data";

/// "a", "a and b", "a, b and c".
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
