//! A session against the person's own baseline (SCORING §11; the seed's BaselineComparison).

use crate::baseline::Baseline;
use crate::calendar::Day;
use crate::change::Significance;
use crate::distribution::student_t_two_sided;
use crate::numeric::finite;
use crate::trend::Direction;
use crate::trend_analysis::Window;
use serde::Serialize;

/// What is stored as baseline_comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselineComparison {
    /// baseline_deviation; 0 where there is none, because the document wants a number: `p` says so.
    pub deviation: f64,
    pub significance: &'static str,
    /// Over the last 30 days; "stable" too while there are too few sessions: `trend_n` says so.
    pub trend: &'static str,
    /// 1 − p, 0 where there is no p.
    pub confidence_level: f64,
    pub comparison_period: Period,
    /// Two-sided p of the deviation by Student's t on n − 1 (Crawford & Howell 1998).
    pub p: Option<f64>,
    /// Sessions in the baseline.
    pub n: u64,
    /// The baseline itself, score points.
    pub mean: Option<f64>,
    pub sd: Option<f64>,
    /// Score points per day.
    pub slope: Option<f64>,
    pub trend_p: Option<f64>,
    pub trend_n: usize,
}

/// The sessions compared with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Period {
    /// YYYY-MM-DD in UTC; the session's own day while there are none.
    pub start_date: String,
    pub end_date: String,
    pub session_count: u64,
}

/// `period` holds the first and the last time of the sessions behind `before`.
pub fn compare(
    deviation: Option<f64>,
    before: &Baseline,
    period: Option<(i64, i64)>,
    at_us: i64,
    month: &Window,
) -> BaselineComparison {
    let p = deviation.map(|t| student_t_two_sided(t, before.n - 1.0));
    let (first, last) = period.unwrap_or((at_us, at_us));
    let some = before.n > 0.0;
    BaselineComparison {
        deviation: deviation.unwrap_or(0.0),
        significance: Significance::of(p.unwrap_or(1.0)).as_str(),
        trend: match month.direction() {
            Direction::InsufficientData => Direction::Stable,
            known => known,
        }
        .as_str(),
        confidence_level: p.map_or(0.0, |p| 1.0 - p),
        comparison_period: Period {
            start_date: Day::of(first).to_string(),
            end_date: Day::of(last).to_string(),
            session_count: before.n as u64,
        },
        p,
        n: before.n as u64,
        mean: some.then(|| finite(before.mean)),
        sd: before.sd().map(finite),
        slope: month.slope,
        trend_p: month.p,
        trend_n: month.n,
    }
}
