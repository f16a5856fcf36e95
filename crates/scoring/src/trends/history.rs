//! What of a person's earlier sessions a reading looks back on.

use crate::numeric::{logit, MICROSECONDS_PER_DAY};
use crate::person::{Mood, FACTORS};

/// The long term of a trend, in days: nothing older is read.
pub const HISTORY_DAYS: i64 = 90;
/// Most earlier sessions that are read, the newest: a trend looks at every pair of them.
pub const HISTORY_SESSIONS: usize = 400;

/// One earlier session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// µs since 2000-01-01 UTC.
    pub at_us: i64,
    /// What the evidence added to the log-odds of the person's own rate, L − l_u; `None` where the
    /// quality was insufficient: such a session stands at the own rate and would only feign
    /// steadiness.
    pub departure: Option<f64>,
    /// Composite of the self-report, 1..10.
    pub report: Option<f64>,
    /// The figures of the self-report, in the order of [`FACTORS`].
    pub factors: [Option<f64>; FACTORS.len()],
}

impl Past {
    pub fn new(at_us: i64, departure: Option<f64>, mood: Option<Mood>) -> Past {
        Past {
            at_us,
            departure,
            report: mood.and_then(|mood| mood.composite()),
            factors: mood.map_or([None; FACTORS.len()], |mood| mood.factors()),
        }
    }
}

/// L − l_u of a probability and the log-odds of the own rate that it started from.
pub fn departure(p_worse_fused: f64, own_logit: f64) -> f64 {
    logit(p_worse_fused) - own_logit
}

/// Whether a time is within the last `days` days. The border is out, so that a week of daily
/// sessions holds seven of them.
pub fn is_within(then_us: i64, now_us: i64, days: i64) -> bool {
    then_us > now_us.saturating_sub(days * MICROSECONDS_PER_DAY as i64)
}

/// The part of an ascending history that is looked at: at most [`HISTORY_DAYS`] old, and of these
/// at most the newest [`HISTORY_SESSIONS`].
pub fn recent(history: &[Past], now_us: i64) -> &[Past] {
    let old = history.partition_point(|past| !is_within(past.at_us, now_us, HISTORY_DAYS));
    let many = history.len().saturating_sub(HISTORY_SESSIONS);
    history.get(old.max(many)..).unwrap_or_default()
}
