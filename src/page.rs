//! mm_report_html(): one self-contained page about a person, for reading and printing.
//!
//! Runs with the caller's rights, like everything for people to read. The page has no script and
//! loads nothing; whatever stands in it is escaped by the template.

use askama::Template;
use mindmeasure_scoring::calendar::Day;
use mindmeasure_scoring::explanation::explanation;
use mindmeasure_scoring::{words, Qc};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use pgrx::Uuid;

use crate::chart::{chart, Chart, Mark, Point};
use crate::error::{or_raise, Error, Result};
use crate::explain::{stored, Explained, Item, Window, TOO_FEW};
use crate::load::Columns;
use crate::sql::Schema;

/// Most sessions on one page, the newest.
const SESSIONS: i64 = 1000;

/// A person's report as one HTML page.
#[pg_extern(stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn mm_report_html(
    user_id: Option<Uuid>,
    from_time: default!(Option<TimestampWithTimeZone>, "NULL"),
    to_time: default!(Option<TimestampWithTimeZone>, "NULL"),
    fcinfo: pg_sys::FunctionCallInfo,
) -> String {
    or_raise(report(user_id, from_time, to_time, &Schema::of(fcinfo)))
}

fn report(
    user_id: Option<Uuid>,
    from: Option<TimestampWithTimeZone>,
    to: Option<TimestampWithTimeZone>,
    schema: &Schema,
) -> Result<String> {
    let user_id = user_id.ok_or(Error::Missing("user_id"))?;
    let page = Spi::connect(|client| -> Result<Page> {
        let history = history(client, schema, user_id, from, to)?;
        let newest = match history.ids.last() {
            Some(id) => stored(client, schema, *id)?,
            None => None,
        };
        Ok(Page::new(name(client, schema, user_id)?, history, newest))
    })?;
    page.render()
        .map_err(|error| Error::Stored(error.to_string()))
}

fn name(client: &SpiClient<'_>, schema: &Schema, user_id: Uuid) -> Result<Option<String>> {
    let query = schema.query(include_str!("../sql/reading/person.sql"));
    match query.read(client, &[user_id.into()])?.next() {
        Some(row) => Columns::new(&row).next(),
        None => Ok(None),
    }
}

struct History {
    ids: Vec<Uuid>,
    points: Vec<Point>,
    total: i64,
}

fn history(
    client: &SpiClient<'_>,
    schema: &Schema,
    user_id: Uuid,
    from: Option<TimestampWithTimeZone>,
    to: Option<TimestampWithTimeZone>,
) -> Result<History> {
    let query = schema.query(include_str!("../sql/reading/history.sql"));
    let arguments = [user_id.into(), from.into(), to.into(), SESSIONS.into()];
    let row = query
        .read(client, &arguments)?
        .next()
        .ok_or_else(|| Error::Stored("history".into()))?;
    let mut columns = Columns::new(&row);
    let ids: Vec<Uuid> = columns.list()?;
    let times: Vec<TimestampWithTimeZone> = columns.list()?;
    let scores: Vec<i32> = columns.list()?;
    let smoothed: Vec<f64> = columns.list()?;
    let (low, high): (Vec<Option<f64>>, Vec<Option<f64>>) = (columns.list()?, columns.list()?);
    let usual: Vec<Option<f64>> = columns.list()?;
    let quality: Vec<String> = columns.list()?;
    let gaps: Vec<bool> = columns.list()?;
    let total = columns.required("total")?;
    let ranges = low.into_iter().zip(high).map(|(low, high)| low.zip(high));
    let points = times
        .into_iter()
        .zip(scores)
        .zip(smoothed)
        .zip(ranges)
        .zip(usual)
        .zip(quality)
        .zip(gaps)
        .map(
            |((((((at, score), smoothed), range), usual), quality), after_gap)| Point {
                at: at.into_inner(),
                score,
                smoothed,
                range,
                usual,
                mark: match quality.as_str() {
                    "reliable" => Mark::Reliable,
                    "low" => Mark::Low,
                    _ => Mark::Insufficient,
                },
                after_gap,
            },
        )
        .collect();
    Ok(History { ids, points, total })
}

/// What templates/report.html shows. Figures are rounded here, words are chosen here.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    name: String,
    /// Dates of the first and the last session; `None` without any.
    period: Option<(String, String)>,
    /// Dates under the timeline.
    ticks: Vec<String>,
    shown: usize,
    total: i64,
    /// Sessions without enough data for a score.
    unmeasured: usize,
    gaps: usize,
    chart: Chart,
    explanation: String,
    drivers: Vec<Driver>,
    trends: Vec<Trend>,
    /// Whether a window has enough sessions for a direction.
    has_direction: bool,
    patterns: Vec<String>,
    factors: Vec<Factor>,
    /// Newest first.
    rows: Vec<Row>,
}

struct Driver {
    what: String,
    lowers: bool,
    odds: String,
    /// Percent of the largest.
    width: u32,
}

struct Trend {
    window: &'static str,
    direction: String,
    per_week: String,
    sessions: u64,
    p: String,
}

struct Factor {
    name: String,
    correlation: String,
    confidence: String,
    sessions: u64,
}

struct Row {
    date: String,
    score: String,
    range: String,
    smoothed: String,
    usual: String,
    quality: &'static str,
    after_gap: bool,
}

const NOTHING: &str = "–";

impl Page {
    fn new(name: Option<String>, history: History, newest: Option<Explained>) -> Page {
        let points = history.points;
        let date = |point: &Point| Day::of(point.at).to_string();
        let (first, last) = (points.first(), points.last());
        let trend = newest.as_ref().and_then(|newest| newest.trend.as_ref());
        Page {
            name: name.unwrap_or_else(|| "this person".into()),
            period: first.zip(last).map(|(a, b)| (date(a), date(b))),
            ticks: ticks(&points),
            shown: points.len(),
            total: history.total,
            unmeasured: points
                .iter()
                .filter(|point| point.mark == Mark::Insufficient)
                .count(),
            gaps: points.iter().filter(|point| point.after_gap).count(),
            chart: chart(&points),
            explanation: newest
                .as_ref()
                .map(|newest| explanation(&newest.told()))
                .unwrap_or_default(),
            drivers: newest
                .as_ref()
                // What moved a figure that is no measurement is nothing to go by.
                .filter(|newest| newest.qc != Qc::Insufficient)
                .map(|newest| drivers(&newest.drivers.items))
                .unwrap_or_default(),
            has_direction: trend.is_some_and(|trend| {
                [&trend.short_term, &trend.medium_term, &trend.long_term]
                    .into_iter()
                    .any(|direction| direction != TOO_FEW)
            }),
            trends: trend
                .map(|trend| {
                    let windows = trend.windows.as_ref();
                    vec![
                        row(
                            "7\u{a0}days",
                            &trend.short_term,
                            windows.map(|w| &w.short_term),
                        ),
                        row(
                            "30\u{a0}days",
                            &trend.medium_term,
                            windows.map(|w| &w.medium_term),
                        ),
                        row(
                            "90\u{a0}days",
                            &trend.long_term,
                            windows.map(|w| &w.long_term),
                        ),
                    ]
                })
                .unwrap_or_default(),
            patterns: trend
                .map(|trend| trend.patterns.clone())
                .unwrap_or_default(),
            factors: trend
                .map(|trend| trend.correlations.iter().map(factor).collect())
                .unwrap_or_default(),
            rows: points.iter().rev().map(table_row).collect(),
        }
    }
}

/// First, middle and last day; fewer where they are the same.
fn ticks(points: &[Point]) -> Vec<String> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let middle = first.at / 2 + last.at / 2;
    let mut ticks: Vec<String> = [first.at, middle, last.at]
        .map(|at| Day::of(at).to_string())
        .into();
    ticks.dedup();
    ticks
}

/// Log-odds below which a factor would be shown as 1.00.
const SHOWN: f64 = 0.005;

fn drivers(items: &[Item]) -> Vec<Driver> {
    let largest = items
        .iter()
        .map(|item| item.contribution.abs())
        .fold(f64::MIN_POSITIVE, f64::max);
    items
        .iter()
        .filter(|item| item.contribution.abs() >= SHOWN)
        .map(|item| {
            let what = match (item.feature.as_str(), item.z, &item.modality) {
                ("other", None, Some(modality)) => {
                    format!("everything else from the {}", words::source(modality))
                }
                ("limit", None, _) => "limit of the calculation".into(),
                (_, Some(z), _) => words::moved(&item.feature, z > 0.0),
                (name, None, _) => name.to_owned(),
            };
            Driver {
                what,
                lowers: item.contribution > 0.0,
                odds: format!("{:.2}", item.contribution.abs().min(50.0).exp()),
                width: (100.0 * item.contribution.abs() / largest).round() as u32,
            }
        })
        .collect()
}

fn row(window: &'static str, direction: &str, figures: Option<&Window>) -> Trend {
    Trend {
        window,
        direction: match direction {
            TOO_FEW => "too few sessions".into(),
            direction => direction.to_owned(),
        },
        per_week: figures
            .and_then(|f| f.slope)
            .map_or_else(|| NOTHING.into(), |slope| format!("{:+.1}", 7.0 * slope)),
        sessions: figures.map_or(0, |f| f.n),
        p: figures
            .and_then(|f| f.p)
            .map_or_else(|| NOTHING.into(), probability),
    }
}

fn probability(p: f64) -> String {
    if p < 0.001 {
        "<\u{a0}0.001".into()
    } else {
        format!("{p:.3}")
    }
}

fn factor(factor: &crate::explain::Factor) -> Factor {
    Factor {
        name: words::factor(&factor.factor).to_owned(),
        correlation: format!("{:+.2}", factor.correlation),
        // Rounded down: nothing is ever quite sure.
        confidence: format!(
            "{:.0} %",
            (100.0 * factor.confidence)
                .clamp(0.0, 100.0)
                .floor()
                .min(99.0)
        ),
        sessions: factor.n.unwrap_or(0),
    }
}

fn table_row(point: &Point) -> Row {
    let number = |x: f64| format!("{x:.0}");
    Row {
        date: Day::of(point.at).to_string(),
        score: match point.mark {
            Mark::Insufficient => format!("({})", point.score),
            _ => point.score.to_string(),
        },
        range: match (point.range, point.mark) {
            (None, _) | (_, Mark::Insufficient) => NOTHING.into(),
            (Some((low, high)), _) => format!("{low:.0} to {high:.0}"),
        },
        smoothed: number(point.smoothed),
        usual: point.usual.map_or_else(|| NOTHING.into(), number),
        quality: match point.mark {
            Mark::Reliable => "reliable",
            Mark::Low => "low",
            Mark::Insufficient => "not enough data",
        },
        after_gap: point.after_gap,
    }
}
