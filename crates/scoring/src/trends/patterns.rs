//! What stands out in the last ninety days, in words: a falling score, a weekday, a changed spread.
//!
//! Each pattern is tested, so that most people without one are told of none.

use crate::calendar::Day;
use crate::change::welch;
use crate::correlation::benjamini_hochberg;
use crate::history::{is_within, Past};
use crate::trend_analysis::{Alarm, MEDIUM_DAYS};

/// A weekday is named at a false discovery rate of this over the seven.
pub const WEEKDAY_ALPHA: f64 = 0.05;
/// Days a weekday needs, and the others together.
pub const WEEKDAY_DAYS: usize = 4;
/// A changed spread is named at p < this: neighbouring differences share a session, which makes p
/// a little too small.
pub const VOLATILITY_ALPHA: f64 = 0.01;
/// Differences between neighbouring sessions that each of the two periods needs.
pub const VOLATILITY_DIFFERENCES: usize = 8;

pub fn patterns(sessions: &[(&Past, f64)], alarm: &Alarm) -> Vec<String> {
    let mut found = Vec::new();
    if alarm.raised {
        found.push(format!(
            "falling: for some time the scores have lain further below this person's usual than chance explains (CUSUM {:.1}, limit {:.1})",
            alarm.sum, alarm.limit
        ));
    }
    found.extend(weekdays(sessions));
    found.extend(volatility(sessions));
    found
}

/// Weekdays that differ from the other days, by Welch's test. Sessions of one day count as one:
/// they are not independent.
fn weekdays(sessions: &[(&Past, f64)]) -> Vec<String> {
    let days: Vec<(usize, f64)> = sessions
        .chunk_by(|one, next| Day::of(one.0.at_us) == Day::of(next.0.at_us))
        .filter_map(|same_day| {
            let (first, _) = same_day.first()?;
            let mean = same_day.iter().map(|(_, y)| y).sum::<f64>() / same_day.len() as f64;
            Some((Day::of(first.at_us).weekday(), mean))
        })
        .collect();
    let tested: Vec<(usize, usize, f64, f64)> = (0..7)
        .filter_map(|weekday| {
            let scores = |ours: bool| -> Vec<f64> {
                days.iter()
                    .filter(|(day, _)| (*day == weekday) == ours)
                    .map(|(_, y)| *y)
                    .collect()
            };
            let (these, others) = (scores(true), scores(false));
            if these.len().min(others.len()) < WEEKDAY_DAYS {
                return None;
            }
            let test = welch(&these, &others).ok()?;
            Some((weekday, these.len(), test.difference, test.p))
        })
        .collect();
    let p: Vec<f64> = tested.iter().map(|(_, _, _, p)| *p).collect();
    let adjusted = benjamini_hochberg(&p).unwrap_or_default();
    tested
        .iter()
        .zip(adjusted)
        .filter(|(_, adjusted)| *adjusted < WEEKDAY_ALPHA)
        .map(|((weekday, n, difference, _), adjusted)| {
            format!(
                "weekday: {} by {:.1} points on {} than on other days ({n} days, p {adjusted:.3})",
                if *difference < 0.0 { "lower" } else { "higher" },
                difference.abs(),
                Day::weekday_name(*weekday),
            )
        })
        .collect()
}

/// Whether scores jump more, or less, in the last thirty days than before: differences between
/// neighbours, which a trend leaves alone, compared in size by Welch's test.
fn volatility(sessions: &[(&Past, f64)]) -> Option<String> {
    let (now, _) = sessions.last()?;
    let (mut recent, mut before) = (Vec::new(), Vec::new());
    for pair in sessions.windows(2) {
        let [(_, from), (then, to)] = pair else {
            continue;
        };
        let jump = (to - from).abs();
        if is_within(then.at_us, now.at_us, MEDIUM_DAYS) {
            recent.push(jump);
        } else {
            before.push(jump);
        }
    }
    if recent.len().min(before.len()) < VOLATILITY_DIFFERENCES {
        return None;
    }
    let test = welch(&recent, &before).ok()?;
    (test.p < VOLATILITY_ALPHA).then(|| {
        let usual = before.iter().sum::<f64>() / before.len() as f64;
        format!(
            "volatility: {} steady than before; scores differ by {:.1} points from one session to the next in the last {MEDIUM_DAYS} days, by {usual:.1} in the weeks before (p {:.3})",
            if test.difference > 0.0 { "less" } else { "more" },
            usual + test.difference,
            test.p,
        )
    })
}
