//! One score in three to six sentences: what it is, how sure, what moved it, what it is not.
//!
//! Written for the person as well as for whoever cares for them, so it names no disorder, gives no
//! advice, and says how wide the range is before it says what moved the score.

use crate::quality::Qc;
use crate::words::{self, list};

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
    /// Direction of the last thirty and ninety days; `None` while there are too few sessions.
    pub trend: Option<String>,
    pub long_trend: Option<String>,
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
    /// Whole days since the last of them.
    pub days: i64,
}

/// Log-odds below which a feature has not moved anything worth a word: a twentieth of the odds.
const WORTH_A_WORD: f64 = 0.05;
/// Features named on either side.
const NAMED: usize = 3;
/// Widths of the range, score points, up to which it is called narrow, and from which wide.
const NARROW: f64 = 20.0;
const WIDE: f64 = 50.0;
/// Days without a session after which what was usual may be so no longer.
const LONG_AGO: i64 = 28;
/// Earlier sessions below which the usual is little to go by, and below which a direction may only
/// be the scores settling: the first were held against general figures (docs/scoring.md).
const LITTLE: f64 = 10.0;
const SETTLED: f64 = 30.0;

pub fn explanation(told: &Told) -> String {
    if told.qc == Qc::Insufficient {
        return insufficient(told);
    }
    let mut sentences = vec![place(told), certainty(told)];
    sentences.extend(movers(told));
    sentences.extend(direction(told));
    sentences.push(limits(told).into());
    sentences.join(" ")
}

/// Whether the comparison is with general figures more than with the person's own.
fn is_early(told: &Told) -> bool {
    reasons(told).contains(&words::FEW_VALUES)
}

fn limits(told: &Told) -> &'static str {
    if is_early(told) {
        "A higher score is better; until there is more of this person's own to compare with, general figures stand in, and it is not a diagnosis."
    } else {
        "A higher score is better; it compares this person with their own past only, and it is not a diagnosis."
    }
}

fn insufficient(told: &Told) -> String {
    let mut why = reasons(told);
    // What the session lacks; that the range is wide follows from it.
    why.retain(|reason| ![words::WIDE_RANGE, words::FEW_VALUES].contains(reason));
    if why.contains(&words::NO_SOURCE) {
        why.retain(|reason| *reason == words::NO_SOURCE);
    }
    format!(
        "This session does not hold enough data for a score: {}. The figure {} rests on what was expected beforehand more than on this session, and should not be read as a measurement. It says nothing about how the person is, and it is not a diagnosis.",
        because(why),
        told.score,
    )
}

fn reasons(told: &Told) -> Vec<&'static str> {
    let mut plain: Vec<&str> = told.reasons.iter().map(|r| words::reason(r)).collect();
    plain.dedup();
    plain
}

fn because(mut reasons: Vec<&str>) -> String {
    if reasons.is_empty() {
        reasons.push("the data are thin");
    }
    list(&reasons)
}

fn place(told: &Told) -> String {
    let score = told.score;
    match told.usual {
        None => format!(
            "The score is {score} of 100; there are too few earlier scores to say whether that is unusual for this person."
        ),
        Some(usual) => {
            let place = match side(usual) {
                None => "within what is usual".to_owned(),
                Some((size, side)) => format!("{size} {side} than is usual"),
            };
            let caution = if usual.days >= LONG_AGO {
                format!(
                    "; the last of them was {} days before, so what is usual may have changed",
                    usual.days
                )
            } else if usual.n < LITTLE {
                ", which are few to go by".to_owned()
            } else {
                String::new()
            };
            format!(
                "The score is {score} of 100, {place} for this person, whose {:.0} earlier sessions average {:.0}{caution}.",
                usual.n, usual.mean
            )
        }
    }
}

/// How far and to which side of the usual; `None` within it.
fn side(usual: Usual) -> Option<(&'static str, &'static str)> {
    let size = match usual.p {
        p if p > 0.1 => return None,
        p if p > 0.01 => "somewhat",
        _ => "clearly",
    };
    Some((
        size,
        if usual.deviation < 0.0 {
            "lower"
        } else {
            "higher"
        },
    ))
}

fn certainty(told: &Told) -> String {
    let mut why = reasons(told);
    let quality = match told.qc {
        Qc::Reliable => String::new(),
        _ => {
            // Where the range is told that it is wide is no news.
            if told.range.is_some() && why.len() > 1 {
                why.retain(|reason| *reason != words::WIDE_RANGE);
            }
            format!("; the quality is low, because {}", because(why))
        }
    };
    let Some((low, high)) = told.range else {
        return format!("How uncertain it is was not recorded{quality}.");
    };
    let size = match high - low {
        width if width <= NARROW => "fairly narrow",
        width if width < WIDE => "wide, so small differences mean little",
        // It is not to take back that the score is unusual.
        _ if told.usual.and_then(side).is_some() => {
            "so wide that the size of the difference is uncertain"
        }
        _ => "so wide that this session alone says little",
    };
    format!("How certain it is: the 90 % range goes from {low:.0} to {high:.0}, which is {size}{quality}.")
}

fn movers(told: &Told) -> Option<String> {
    let named = |sign: f64| -> Vec<String> {
        let mut side: Vec<&Moved> = told
            .items
            .iter()
            .filter(|item| sign * item.contribution >= WORTH_A_WORD)
            .collect();
        side.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        side.iter()
            .take(NAMED)
            .map(|item| words::moved(&item.feature, item.z > 0.0))
            .collect()
    };
    // The first values are held against general figures.
    let than = if is_early(told) {
        "than expected"
    } else {
        "than usual"
    };
    // A contribution is log-odds of worse: it moves the score the other way.
    let (down, up) = (list(&named(1.0)), list(&named(-1.0)));
    let told = match (down.is_empty(), up.is_empty()) {
        (true, true) => return None,
        (false, true) => format!("It was lowered mainly by {down} {than}"),
        (true, false) => format!("It was raised mainly by {up} {than}"),
        (false, false) => {
            format!("It was lowered mainly by {down} {than}, and raised by {up} {than}")
        }
    };
    Some(format!(
        "{told}; this is what moved the estimate, not necessarily what caused how the person feels."
    ))
}

fn direction(told: &Told) -> Option<String> {
    let alarm = "the scores have for some time lain further below the usual than chance explains, which is a reason to ask how the person is";
    // Ninety days are told where they say something else.
    let trend = match (told.trend.as_deref(), told.long_trend.as_deref()) {
        (Some(month), Some(quarter)) if month != quarter => Some(format!(
            "the last 30 days the trend is {month}, over the last 90 days it is {quarter}"
        )),
        (Some(month), _) => Some(format!("the last 30 days the trend is {month}")),
        (None, Some(quarter)) => Some(format!("the last 90 days the trend is {quarter}")),
        (None, None) => None,
    };
    let moves = [&told.trend, &told.long_trend]
        .into_iter()
        .flatten()
        .any(|direction| direction != "stable");
    let settling = if moves && told.usual.is_none_or(|usual| usual.n < SETTLED) {
        ", which in a person's first weeks may only be the comparison settling"
    } else {
        ""
    };
    match (trend, told.alarm) {
        (Some(trend), true) => Some(format!("Over {trend}{settling}; {alarm}.")),
        (Some(trend), false) => Some(format!("Over {trend}{settling}.")),
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
                days: 1,
            }),
            trend: Some("declining".into()),
            long_trend: Some("declining".into()),
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
             It was lowered mainly by longer pauses in speech and less sleep than usual, and raised by more steps than usual; \
             this is what moved the estimate, not necessarily what caused how the person feels. \
             Over the last 30 days the trend is declining. \
             A higher score is better; it compares this person with their own past only, and it is not a diagnosis."
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
        assert!(explanation(&told).contains("lowered mainly by a higher audio.own measure"));
    }

    #[test]
    fn a_session_that_measured_little_names_no_driver_and_no_place() {
        let reasons = [
            "no modality has usable evidence",
            "coverage 0.00 is below 0.25",
            "uncertainty 0.90 is above 0.5",
        ];
        let text = explanation(&Told {
            qc: Qc::Insufficient,
            reasons: reasons.map(str::to_owned).to_vec(),
            ..told()
        });
        assert_eq!(
            text,
            "This session does not hold enough data for a score: no source gave enough usable data. \
             The figure 48 rests on what was expected beforehand more than on this session, and should not be read as a measurement. \
             It says nothing about how the person is, and it is not a diagnosis."
        );
    }

    #[test]
    fn the_first_sessions_are_said_to_be_held_against_general_figures() {
        let text = explanation(&Told {
            qc: Qc::Low,
            reasons: vec!["the median baseline rests on 0 earlier values, below 5".into()],
            usual: None,
            ..told()
        });
        assert!(text.contains("less sleep than expected"), "{text}");
        assert!(text.contains("general figures stand in"), "{text}");
        assert!(!text.contains("own past only"), "{text}");
    }

    #[test]
    fn a_wide_range_is_told_once_and_takes_nothing_back() {
        let text = explanation(&Told {
            qc: Qc::Low,
            range: Some((6.0, 68.0)),
            reasons: vec![
                "coverage 0.30 is below 0.5".into(),
                "uncertainty 0.62 is above 0.5".into(),
            ],
            ..told()
        });
        assert!(
            text.contains(
                "from 6 to 68, which is so wide that the size of the difference is uncertain; \
                 the quality is low, because part of the expected data is missing."
            ),
            "{text}"
        );
    }

    #[test]
    fn a_usual_that_is_old_is_said_to_be_old() {
        let mut told = told();
        told.usual = told.usual.map(|usual| Usual { days: 149, ..usual });
        let text = explanation(&told);
        assert!(
            text.contains("the last of them was 149 days before"),
            "{text}"
        );
    }

    #[test]
    fn a_long_decline_is_told_where_the_month_was_stable() {
        let text = explanation(&Told {
            trend: Some("stable".into()),
            ..told()
        });
        assert!(
            text.contains("30 days the trend is stable, over the last 90 days it is declining."),
            "{text}"
        );
    }
    #[test]
    fn the_first_weeks_are_said_to_be_no_trend_and_little_to_go_by() {
        let settling =
            "declining, which in a person's first weeks may only be the comparison settling.";
        let after = |n| {
            let mut told = told();
            told.usual = told.usual.map(|usual| Usual { n, ..usual });
            explanation(&told)
        };
        assert!(after(9.0).contains("whose 9 earlier sessions average 72, which are few to go by."));
        assert!(after(9.0).contains(settling) && after(29.0).contains(settling));
        assert!(!after(10.0).contains("few to go by") && !after(30.0).contains("settling"));
    }
}
