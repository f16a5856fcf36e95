//! One score in three to six sentences: what it is, how sure, what moved it, what it is not.
//!
//! Written for the person as well as for whoever cares for them, so it names no disorder, gives no
//! advice, and says how wide the range is before it says what moved the score.

use crate::quality::Qc;
use crate::words::{list, plain, reason};

/// What an explanation is made of, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub score: i32,
    /// The 90 % range in score points; `None` where the drivers do not tell.
    pub range: Option<(f64, f64)>,
    pub qc: Qc,
    /// drivers.quality.
    pub reasons: Vec<String>,
    /// drivers.items that are features.
    pub items: Vec<Moved>,
    /// Mean of the person's earlier scores, how many, and the p of the difference.
    pub usual: Option<Usual>,
    /// Direction of the last thirty days; `None` while there are too few sessions.
    pub trend: Option<String>,
    /// The watch for a decline has risen above its limit.
    pub alarm: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    pub feature: String,
    pub z: f64,
    /// Log-odds of worse.
    pub contribution: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    pub mean: f64,
    pub n: f64,
    /// Deviation in own standard deviations, and its p.
    pub deviation: f64,
    pub p: f64,
}

/// Log-odds below which a feature has not moved anything worth a word: a twentieth of the odds.
const WORTH_A_WORD: f64 = 0.05;
/// Features named on either side.
const NAMED: usize = 3;
/// Widths of the range, score points, up to which it is called narrow, and from which wide.
const NARROW: f64 = 20.0;
const WIDE: f64 = 50.0;

pub fn explanation(told: &Told) -> String {
    if told.qc == Qc::Insufficient {
        return insufficient(told);
    }
    let mut sentences = vec![place(told), certainty(told)];
    sentences.extend(movers(&told.items));
    sentences.extend(direction(told));
    sentences.push(NOT_A_DIAGNOSIS.into());
    sentences.join(" ")
}

const NOT_A_DIAGNOSIS: &str =
    "The score compares this person with their own past only; it is not a diagnosis.";

fn insufficient(told: &Told) -> String {
    format!(
        "This session does not hold enough data for a score: {}. The figure {} only repeats how this person's sessions usually turn out and should not be read as a measurement. {NOT_A_DIAGNOSIS}",
        reasons(told),
        told.score,
    )
}

fn reasons(told: &Told) -> String {
    let mut plain: Vec<String> = told.reasons.iter().map(|r| reason(r).to_owned()).collect();
    plain.dedup();
    if plain.is_empty() {
        plain.push("the data are thin".into());
    }
    list(&plain)
}

fn place(told: &Told) -> String {
    let score = told.score;
    match told.usual {
        None => format!(
            "The score is {score} of 100; there are too few earlier sessions to say whether that is unusual for this person."
        ),
        Some(usual) => {
            let side = if usual.deviation < 0.0 { "lower" } else { "higher" };
            let place = if usual.p > 0.1 {
                "within what is usual".to_owned()
            } else if usual.p > 0.01 {
                format!("somewhat {side} than is usual")
            } else {
                format!("clearly {side} than is usual")
            };
            format!(
                "The score is {score} of 100, {place} for this person, whose {:.0} earlier sessions average {:.0}.",
                usual.n, usual.mean
            )
        }
    }
}

fn certainty(told: &Told) -> String {
    let range = told.range.map(|(low, high)| {
        let width = high - low;
        let size = if width <= NARROW {
            "fairly narrow"
        } else if width < WIDE {
            "wide, so small differences mean little"
        } else {
            "so wide that this session alone says little"
        };
        format!("the 90 % range goes from {low:.0} to {high:.0}, which is {size}")
    });
    match (range, told.qc) {
        (Some(range), Qc::Reliable) => format!("How certain it is: {range}."),
        (Some(range), _) => format!(
            "How certain it is: {range}; the quality is low, because {}.",
            reasons(told)
        ),
        (None, Qc::Reliable) => "How uncertain it is was not recorded.".into(),
        (None, _) => format!(
            "How uncertain it is was not recorded; the quality is low, because {}.",
            reasons(told)
        ),
    }
}

fn movers(items: &[Moved]) -> Option<String> {
    let named = |sign: f64| -> Vec<String> {
        let mut side: Vec<&Moved> = items
            .iter()
            .filter(|item| sign * item.contribution >= WORTH_A_WORD)
            .collect();
        side.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        side.iter().take(NAMED).map(|item| moved(item)).collect()
    };
    // A contribution is log-odds of worse: it moves the score the other way.
    let (down, up) = (list(&named(1.0)), list(&named(-1.0)));
    let told = match (down.is_empty(), up.is_empty()) {
        (true, true) => return None,
        (false, true) => format!("It was lowered mainly by {down}"),
        (true, false) => format!("It was raised mainly by {up}"),
        (false, false) => format!("It was lowered mainly by {down}, and raised by {up}"),
    };
    Some(format!(
        "{told}; this is what moved the estimate, not necessarily what caused how the person feels."
    ))
}

fn moved(item: &Moved) -> String {
    let side = if item.z < 0.0 { "below" } else { "above" };
    // A name from a model of the user's own keeps its letters but not the line.
    let name: String = item
        .feature
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    format!("{} {side} usual", plain(&item.feature).unwrap_or(&name))
}

fn direction(told: &Told) -> Option<String> {
    let trend = told.trend.as_deref();
    let alarm = "the scores have for some time lain further below the usual than chance explains, which is a reason to ask how the person is";
    match (trend, told.alarm) {
        (Some(trend), true) => Some(format!(
            "Over the last 30 days the trend is {trend}, and {alarm}."
        )),
        (Some(trend), false) => Some(format!("Over the last 30 days the trend is {trend}.")),
        (None, true) => Some(format!("Note that {alarm}.")),
        (None, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        let item = |feature: &str, z, contribution| Moved {
            feature: feature.into(),
            z,
            contribution,
        };
        Told {
            score: 48,
            range: Some((31.2, 66.4)),
            qc: Qc::Reliable,
            reasons: vec![],
            items: vec![
                item("audio.pause_duration", 2.1, 0.52),
                item("passive.sleep_duration", -1.4, 0.28),
                item("passive.steps", 1.1, -0.2),
                item("text.clarity", 0.1, -0.01),
            ],
            usual: Some(Usual {
                mean: 72.4,
                n: 34.0,
                deviation: -2.2,
                p: 0.035,
            }),
            trend: Some("declining".into()),
            alarm: false,
        }
    }

    fn sentences(text: &str) -> usize {
        text.matches(". ").count() + usize::from(text.ends_with('.'))
    }

    #[test]
    fn an_ordinary_session_is_told_in_five_sentences() {
        assert_eq!(
            explanation(&told()),
            "The score is 48 of 100, somewhat lower than is usual for this person, whose 34 earlier sessions average 72. \
             How certain it is: the 90 % range goes from 31 to 66, which is wide, so small differences mean little. \
             It was lowered mainly by length of pauses in speech above usual and hours of sleep below usual, and raised by number of steps above usual; \
             this is what moved the estimate, not necessarily what caused how the person feels. \
             Over the last 30 days the trend is declining. \
             The score compares this person with their own past only; it is not a diagnosis."
        );
    }

    #[test]
    fn three_to_six_sentences_whatever_is_known() {
        let low = "the median baseline rests on 1.0 earlier values, below 5";
        for qc in [Qc::Reliable, Qc::Low, Qc::Insufficient] {
            for range in [None, Some((0.0, 100.0))] {
                for (usual, trend, items) in [
                    (None, None, vec![]),
                    (told().usual, told().trend, told().items),
                ] {
                    for alarm in [false, true] {
                        let reasons = vec![low.to_owned(), "coverage 0.3 is below 0.5".into()];
                        let text = explanation(&Told {
                            qc,
                            range,
                            usual,
                            trend: trend.clone(),
                            items: items.clone(),
                            alarm,
                            reasons,
                            ..told()
                        });
                        assert!((3..=6).contains(&sentences(&text)), "{text}");
                        assert!(text.contains("not a diagnosis"));
                    }
                }
            }
        }
    }

    #[test]
    fn a_feature_without_plain_words_keeps_its_name() {
        let mut told = told();
        told.items[0].feature = "audio.own\n measure".into();
        assert!(explanation(&told).contains("lowered mainly by audio.own measure above usual"));
    }

    #[test]
    fn a_session_that_measured_nothing_names_no_driver_and_no_place() {
        let text = explanation(&Told {
            qc: Qc::Insufficient,
            ..told()
        });
        assert!(
            text.contains("not be read as a measurement") && !text.contains("lowered"),
            "{text}"
        );
    }
}
