//! Where a person's score goes, and with what (SCORING §11; the seed's TrendAnalysis).

use crate::change::{decline_limit, Watch};
use crate::correlation::{associate, benjamini_hochberg, MIN_PAIRS};
use crate::history::{is_within, Past, HISTORY_DAYS};
use crate::numeric::{finite, sigmoid, MICROSECONDS_PER_DAY};
use crate::patterns::patterns;
use crate::person::{BASELINE_SESSIONS, FACTORS};
use crate::trend::{trend, Direction};
use serde::Serialize;

/// Days of the three windows.
pub const SHORT_DAYS: i64 = 7;
pub const MEDIUM_DAYS: i64 = 30;
pub const LONG_DAYS: i64 = HISTORY_DAYS;

/// What is stored as trend_analysis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrendAnalysis {
    pub short_term: &'static str,
    pub medium_term: &'static str,
    pub long_term: &'static str,
    pub patterns: Vec<String>,
    pub correlations: Vec<Factor>,
    /// The figures behind the three words.
    pub windows: Windows,
    pub alarm: Alarm,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Windows {
    pub short_term: Window,
    pub medium_term: Window,
    pub long_term: Window,
}

/// One window's trend; the figures are absent while there are too few sessions for a direction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Window {
    pub days: i64,
    /// Sessions of sufficient quality beyond the baseline sessions, this one included.
    pub n: usize,
    /// Score points per day (Theil–Sen) with Sen's 95 % interval.
    pub slope: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Two-sided p of Mann–Kendall.
    pub p: Option<f64>,
    #[serde(skip)]
    direction: Direction,
}

/// The one-sided CUSUM of a decline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Alarm {
    pub raised: bool,
    /// In own sd.
    pub sum: f64,
    /// In own sd; higher for scores that go together from session to session.
    pub limit: f64,
}

/// How one figure of the self-report goes with the score over the long term.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Factor {
    pub factor: &'static str,
    /// Pearson's r.
    pub correlation: f64,
    /// 1 − `p_adjusted`.
    pub confidence: f64,
    pub n: usize,
    /// How many independent pairs these are worth.
    pub effective_n: f64,
    /// Two-sided, at the effective n by Fisher's z.
    pub p: f64,
    /// By Benjamini–Hochberg over the factors listed.
    pub p_adjusted: f64,
}

impl Window {
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// `points` are (day, y), ascending, the last of them now.
    fn of(points: &[(f64, f64)], now_us: i64, times: &[i64], days: i64) -> Window {
        let from = times.partition_point(|at_us| !is_within(*at_us, now_us, days));
        let points = points.get(from..).unwrap_or_default();
        let nothing = Window {
            days,
            n: points.len(),
            slope: None,
            low: None,
            high: None,
            p: None,
            direction: Direction::InsufficientData,
        };
        match trend(points) {
            Ok(trend) if trend.direction() != Direction::InsufficientData => Window {
                slope: Some(finite(trend.slope)),
                low: Some(finite(trend.slope_low)),
                high: Some(finite(trend.slope_high)),
                p: Some(trend.p()),
                direction: trend.direction(),
                ..nothing
            },
            _ => nothing,
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Ascending, and bounded as [`crate::history::recent`] does it.
    pub earlier: &'a [Past],
    pub now: &'a Past,
    /// How many earlier sessions of sufficient quality there are in all.
    pub before: usize,
    /// Log-odds of the person's own rate as it is known now.
    pub own_logit: f64,
}

impl<'a> Seen<'a> {
    /// The watch after this session.
    pub fn watch(&self, before: Watch) -> Watch {
        match self.now.departure {
            // A fall of the score is a rise of the log-odds of worse.
            Some(departure) if self.before >= BASELINE_SESSIONS => before.next(-departure),
            _ => before,
        }
    }

    /// Sessions of sufficient quality, with the score that each would have had at the own rate of now:
    /// what is learnt of that rate is no change in the person.
    fn sessions(&self) -> Vec<(&'a Past, f64)> {
        self.earlier
            .iter()
            .chain([self.now])
            .filter_map(|past| Some((past, past.departure?)))
            .map(|(past, departure)| (past, 100.0 * sigmoid(-(self.own_logit + departure))))
            .collect()
    }

    /// How many of these are baseline sessions.
    fn settling(&self) -> usize {
        let usable = self.earlier.iter().filter(|p| p.departure.is_some());
        BASELINE_SESSIONS.saturating_sub(self.before.saturating_sub(usable.count()))
    }
}

/// `watch` has seen this session.
pub fn analyse(seen: &Seen<'_>, watch: &Watch) -> TrendAnalysis {
    let now = seen.now;
    let all = seen.sessions();
    let sessions = all.get(seen.settling()..).unwrap_or_default();
    let times: Vec<i64> = sessions.iter().map(|(past, _)| past.at_us).collect();
    // Days from now: the origin does not matter to a trend, and these are exact enough.
    let points: Vec<(f64, f64)> = sessions
        .iter()
        .map(|(past, y)| (days_from(now.at_us, past.at_us), *y))
        .collect();
    let window = |days| Window::of(&points, now.at_us, &times, days);
    let windows = Windows {
        short_term: window(SHORT_DAYS),
        medium_term: window(MEDIUM_DAYS),
        long_term: window(LONG_DAYS),
    };
    let scores: Vec<f64> = sessions.iter().map(|(_, y)| *y).collect();
    let limit = decline_limit(&scores);
    let alarm = Alarm {
        raised: watch.alarm(limit),
        sum: watch.sum,
        limit,
    };
    TrendAnalysis {
        short_term: windows.short_term.direction.as_str(),
        medium_term: windows.medium_term.direction.as_str(),
        long_term: windows.long_term.direction.as_str(),
        patterns: patterns(sessions, &alarm),
        correlations: correlations(&all),
        windows,
        alarm,
    }
}

fn days_from(now_us: i64, then_us: i64) -> f64 {
    (then_us as f64 - now_us as f64) / MICROSECONDS_PER_DAY
}

/// The figures of the self-report with at least [`MIN_PAIRS`] sessions and any spread.
fn correlations(sessions: &[(&Past, f64)]) -> Vec<Factor> {
    let mut found: Vec<Factor> = FACTORS
        .iter()
        .enumerate()
        .filter_map(|(i, factor)| {
            let (reported, scores): (Vec<f64>, Vec<f64>) = sessions
                .iter()
                .filter_map(|(past, y)| Some((past.factors[i]?, *y)))
                .unzip();
            if reported.len() < MIN_PAIRS {
                return None;
            }
            let found = associate(&reported, &scores).ok()?;
            Some(Factor {
                factor,
                correlation: finite(found.r),
                confidence: 0.0,
                n: reported.len(),
                effective_n: finite(found.effective_n),
                p: found.effective_p,
                p_adjusted: 1.0,
            })
        })
        .collect();
    let p: Vec<f64> = found.iter().map(|factor| factor.p).collect();
    if let Ok(adjusted) = benjamini_hochberg(&p) {
        for (factor, adjusted) in found.iter_mut().zip(adjusted) {
            factor.p_adjusted = adjusted;
            factor.confidence = 1.0 - adjusted;
        }
    }
    found
}
