//! Features, reasons and sizes in plain words.

/// What a feature of model v1.0 measures, as the subject of "… is above usual"; `None` for
/// features of other models, which keep their name.
pub fn plain(feature: &str) -> Option<&'static str> {
    Some(match feature {
        "text.sentiment_positive" => "positive tone of the text",
        "text.sentiment_negative" => "negative tone of the text",
        "text.sentiment_neutral" => "neutral tone of the text",
        "text.sentiment_confidence" => "certainty of the text's tone",
        "text.mood_indicator_count" => "number of mood words",
        "text.clarity" => "clarity of the text",
        "text.coherence" => "coherence of the text",
        "text.cognitive_load" => "mental effort shown in the text",
        "text.focus_indicator_count" => "number of signs of focus",
        "text.wellness_score" => "overall text score",
        "audio.pitch_mean" => "pitch of the voice",
        "audio.pitch_variance" => "melody of the voice",
        "audio.speaking_rate" => "speaking rate",
        "audio.volume_mean" => "loudness of the voice",
        "audio.breath_frequency" => "breathing rate",
        "audio.breath_regularity" => "regularity of breathing",
        "audio.rhythm_stability" => "steadiness of the speech rhythm",
        "audio.pause_frequency" => "number of pauses in speech",
        "audio.pause_duration" => "length of pauses in speech",
        "audio.wellness_score" => "overall voice score",
        "visual.happiness_confidence" => "happiness seen in the face",
        "visual.happiness_duration" => "time of a happy face",
        "visual.sadness_confidence" => "sadness seen in the face",
        "visual.sadness_duration" => "time of a sad face",
        "visual.negative_confidence" => "other negative emotion seen in the face",
        "visual.negative_duration" => "time of other negative emotion in the face",
        "visual.expression_changes" => "number of changes of expression",
        "visual.expressiveness" => "expressiveness of the face",
        "visual.wellness_score" => "overall face score",
        "passive.sleep_duration" => "hours of sleep",
        "passive.sleep_efficiency" => "share of the night asleep",
        "passive.sleep_latency" => "time to fall asleep",
        "passive.sleep_awake" => "time awake at night",
        "passive.steps" => "number of steps",
        "passive.active_minutes" => "active time",
        "passive.sedentary_minutes" => "time spent sitting",
        "passive.resting_heart_rate" => "resting heart rate",
        "passive.heart_rate_variability" => "heart rate variability",
        "passive.screen_minutes" => "screen time",
        "passive.unlock_count" => "number of phone unlocks",
        "passive.night_screen_minutes" => "screen time at night",
        "passive.wellness_score" => "overall sensor score",
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
        "the range is wide"
    } else if reason.starts_with("the median baseline") {
        "there are too few earlier sessions to know what is usual"
    } else {
        "no source gave enough usable data"
    }
}

/// "a", "a and b", "a, b and c".
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
