//! The timeline as shapes: 1000 wide and 100 high, a score of 0 at the bottom. Only geometry is in
//! the drawing; it is stretched to the page, and every word stands beside it as HTML, so that
//! letters keep their size on a phone.

use std::fmt::Write;

/// One session on the timeline; scores 0 to 100.
pub struct Point {
    /// Any unit, ascending.
    pub at: i64,
    pub score: i32,
    pub smoothed: f64,
    pub range: Option<(f64, f64)>,
    /// Mean of the person's earlier sessions.
    pub usual: Option<f64>,
    pub mark: Mark,
    pub after_gap: bool,
}

/// How a session is drawn, by its quality.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Reliable,
    Low,
    Insufficient,
}

/// The `d` of SVG paths.
pub struct Chart {
    pub band: String,
    pub smoothed: String,
    pub usual: String,
    /// From and width of the times without sessions.
    pub gaps: Vec<(f64, f64)>,
    pub reliable: String,
    pub low: String,
    pub insufficient: String,
    /// Width of a mark in pixels: many sessions get small ones.
    pub size: u32,
}

const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 14.0;

pub fn chart(points: &[Point]) -> Chart {
    let place = scale(points);
    let mut chart = Chart {
        band: String::new(),
        // What was not measured moves no line: it would feign steadiness.
        smoothed: line(points, &place, |point| {
            (point.mark != Mark::Insufficient).then_some(point.smoothed)
        }),
        usual: line(points, &place, |point| point.usual),
        gaps: Vec::new(),
        reliable: dots(points, &place, Mark::Reliable),
        low: dots(points, &place, Mark::Low),
        insufficient: dots(points, &place, Mark::Insufficient),
        size: if points.len() > 150 { 4 } else { 8 },
    };
    for part in parts(points, |_| true) {
        chart.band += &band(part, &place);
    }
    for pair in points.windows(2) {
        if let [before, after] = pair {
            if after.after_gap {
                let from = place(before.at);
                chart
                    .gaps
                    .push((round(from), round(place(after.at) - from)));
            }
        }
    }
    chart
}

/// x of a time: the first session on the left, the last on the right, one alone in the middle.
fn scale(points: &[Point]) -> impl Fn(i64) -> f64 {
    let first = points.first().map_or(0, |point| point.at) as f64;
    let last = points.last().map_or(0, |point| point.at) as f64;
    move |at| {
        if last > first {
            MARGIN + (WIDTH - 2.0 * MARGIN) * (at as f64 - first) / (last - first)
        } else {
            WIDTH / 2.0
        }
    }
}

fn round(x: f64) -> f64 {
    (10.0 * x).round() / 10.0
}

fn y(score: f64) -> f64 {
    round(100.0 - score.clamp(0.0, 100.0))
}

/// Runs of sessions that are drawn as one: a gap ends a run.
fn parts(points: &[Point], drawn: impl Fn(&Point) -> bool) -> Vec<&[Point]> {
    points
        .chunk_by(|_, next| !next.after_gap)
        .filter(|part| part.iter().any(&drawn))
        .collect()
}

fn line(
    points: &[Point],
    place: impl Fn(i64) -> f64,
    of: impl Fn(&Point) -> Option<f64>,
) -> String {
    let mut path = String::new();
    for part in parts(points, |point| of(point).is_some()) {
        let mut command = 'M';
        for (at, value) in part.iter().filter_map(|point| Some((point.at, of(point)?))) {
            // Writing to a String cannot fail.
            let _ = write!(path, "{command}{:.1} {}", place(at), y(value));
            command = 'L';
        }
        // A run of one session is a dot: a line without length has round ends.
        path.push_str("h0");
    }
    path
}

/// Along the upper ends and back along the lower ones. What was not measured has no range.
fn band(part: &[Point], place: impl Fn(i64) -> f64) -> String {
    let ends: Vec<(f64, f64, f64)> = part
        .iter()
        .filter(|point| point.mark != Mark::Insufficient)
        .filter_map(|point| {
            let (low, high) = point.range?;
            Some((place(point.at), y(low), y(high)))
        })
        .collect();
    let mut path = String::new();
    let (Some(first), Some(last)) = (ends.first(), ends.last()) else {
        return path;
    };
    // So that a run of one session is seen.
    let _ = write!(path, "M{:.1} {}", first.0 - 3.0, first.2);
    for (x, _, high) in &ends {
        let _ = write!(path, "L{x:.1} {high}");
    }
    let _ = write!(path, "h3V{}", last.1);
    for (x, low, _) in ends.iter().rev() {
        let _ = write!(path, "L{x:.1} {low}");
    }
    path.push_str("h-3Z");
    path
}

fn dots(points: &[Point], place: impl Fn(i64) -> f64, mark: Mark) -> String {
    let mut path = String::new();
    for point in points.iter().filter(|point| point.mark == mark) {
        let _ = write!(
            path,
            "M{:.1} {}h0",
            place(point.at),
            y(f64::from(point.score))
        );
    }
    path
}
