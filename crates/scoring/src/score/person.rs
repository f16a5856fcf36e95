//! What is known of a person before a session, and what a session says about them.

use crate::baseline::Baseline;
use crate::change::Watch;
use crate::evidence::Calibration;
use crate::features::Extracted;
use crate::fusion::Outcomes;
use crate::history::{recent, Past};
use crate::modality::{AssessmentType, Modality};
use crate::model::Model;
use crate::numeric::{clip, MICROSECONDS_PER_DAY};
use crate::personal::OwnWeights;
use crate::session::Scored;
use crate::smoothing::Smoothed;
use serde_json::Value;
use std::ops::{Index, IndexMut};

/// Everything the score of a session depends on besides the session itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// Aligned with [`Model::features`].
    pub baselines: Vec<Baseline>,
    /// By [`Modality::index`]; `None` without a fit.
    pub calibrations: [Option<Calibration>; 4],
    /// Of sessions with an earlier created_at.
    pub outcomes: Outcomes,
    /// Learnt from outcomes of such sessions.
    pub own_weights: OwnWeights,
    /// After the latest earlier fused session.
    pub smoothed: Option<Smoothed>,
    pub metrics: Metrics,
    /// How many earlier sessions are fused.
    pub sessions_before: u64,
    /// Earlier fused sessions, ascending; what [`recent`] leaves out is not looked at.
    pub history: Vec<Past>,
    /// The watch for a decline, on the log-odds that the evidence took from *worse*, after the latest
    /// earlier fused session.
    pub watch: Watch,
    /// Times of the first and the last earlier session of sufficient quality.
    pub compared: Option<(i64, i64)>,
}

/// A session counts towards the first picture of a person while fewer than this many came before. It
/// is held against general figures mostly, and scores move as these give way to the person's own:
/// trends and the watch leave such sessions out.
pub const BASELINE_SESSIONS: usize = 5;

/// Days of self-reports that mood stability looks back.
pub const REPORT_DAYS: f64 = 30.0;

impl Person {
    /// Somebody nothing is known of.
    pub fn unknown(model: &Model) -> Person {
        Person {
            baselines: vec![Baseline::default(); model.features.len()],
            ..Person::default()
        }
    }

    /// Takes over what a scored session changed, as storing it and reading it back would.
    /// Outcomes are not a session's doing and stay.
    pub fn advance(&mut self, model: &Model, session: &Session, scored: &Scored) {
        self.baselines
            .resize(model.features.len(), Baseline::default());
        for (feature, baseline) in &scored.baselines {
            if let Some(known) = self.baselines.get_mut(*feature) {
                *known = *baseline;
            }
        }
        for (metric, baseline) in &scored.metrics {
            self.metrics[*metric] = *baseline;
        }
        self.smoothed = Some(Smoothed {
            level: scored.score_smoothed,
            variance: scored.smoothed_variance,
            at_us: session.at_us,
        });
        self.sessions_before += 1;
        self.history
            .push(Past::new(session.at_us, scored.departure, session.mood));
        self.history = recent(&self.history, session.at_us).to_vec();
        self.watch = scored.watch;
        if scored.departure.is_some() {
            let first = self.compared.map_or(session.at_us, |(first, _)| first);
            self.compared = Some((first, session.at_us));
        }
    }

    /// How steady the self-reports of the last [`REPORT_DAYS`] days are, this one included:
    /// 100 − 100·RMSSD/9 on the 1..10 scale, so 100 is no change and 0 the full range every time.
    /// Needs three reports. (RMSSD: von Neumann et al. 1941; Jahng, Wood & Trull 2008.)
    pub fn mood_stability(&self, at_us: i64, composite: f64) -> Option<f64> {
        let reports = recent(&self.history, at_us)
            .iter()
            .filter(|past| is_recent(past.at_us, at_us))
            .filter_map(|past| past.report);
        let mut previous = None;
        let (mut squares, mut differences) = (0.0, 0.0);
        for value in reports.chain([composite]) {
            if let Some(previous) = previous {
                let difference: f64 = value - previous;
                squares += difference * difference;
                differences += 1.0;
            }
            previous = Some(value);
        }
        let rmssd = f64::sqrt(squares / differences);
        (differences >= 2.0).then(|| clip(100.0 - 100.0 * rmssd / REPORT_RANGE, 0.0, 100.0))
    }
}

/// Largest difference of two self-reports on the 1..10 scale.
const REPORT_RANGE: f64 = 9.0;

fn is_recent(then_us: i64, now_us: i64) -> bool {
    then_us >= now_us.saturating_sub((REPORT_DAYS * MICROSECONDS_PER_DAY) as i64)
}

/// The quantities whose baselines a person can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    CombinedWellness,
    AudioWellness,
    TextWellness,
    VisualWellness,
    MoodStability,
    StressLevels,
}

impl Metric {
    pub const ALL: [Metric; 6] = [
        Metric::CombinedWellness,
        Metric::AudioWellness,
        Metric::TextWellness,
        Metric::VisualWellness,
        Metric::MoodStability,
        Metric::StressLevels,
    ];

    /// Position in [`Metric::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Metric::CombinedWellness => "combined_wellness",
            Metric::AudioWellness => "audio_wellness",
            Metric::TextWellness => "text_wellness",
            Metric::VisualWellness => "visual_wellness",
            Metric::MoodStability => "mood_stability",
            Metric::StressLevels => "stress_levels",
        }
    }

    /// The inverse of [`Metric::as_str`].
    pub fn parse(name: &str) -> Option<Metric> {
        Metric::ALL
            .into_iter()
            .find(|metric| metric.as_str() == name)
    }

    /// The wellness metric of a modality; passive has none.
    pub fn of(modality: Modality) -> Option<Metric> {
        match modality {
            Modality::Text => Some(Metric::TextWellness),
            Modality::Audio => Some(Metric::AudioWellness),
            Modality::Visual => Some(Metric::VisualWellness),
            Modality::Passive => None,
        }
    }
}

/// The baselines of all metrics, indexed by [`Metric`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics(pub [Baseline; 6]);

impl Index<Metric> for Metrics {
    type Output = Baseline;

    fn index(&self, metric: Metric) -> &Baseline {
        &self.0[metric.index()]
    }
}

impl IndexMut<Metric> for Metrics {
    fn index_mut(&mut self, metric: Metric) -> &mut Baseline {
        &mut self.0[metric.index()]
    }
}

/// One session, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// created_at, µs since 2000-01-01 UTC (PostgreSQL's epoch).
    pub at_us: i64,
    pub assessment_type: AssessmentType,
    /// Whether an analysis row exists, by [`Modality::index`].
    pub arrived: [bool; 4],
    pub extracted: Extracted,
    /// The analysis' own wellness score, 0..100, by [`Modality::index`].
    pub wellness: [Option<f64>; 4],
    /// mood_after, else mood_before.
    pub mood: Option<Mood>,
}

/// A self-report. Every figure is within 1..10 or absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mood {
    pub energy: Option<f64>,
    pub stress: Option<f64>,
    pub comfort: Option<f64>,
    pub social: Option<f64>,
    pub sleep: Option<f64>,
}

/// The figures of a self-report by the names of the seed's document, in the order of
/// [`Mood::factors`].
pub const FACTORS: [&str; 5] = [
    "energy_level",
    "stress_level",
    "physical_comfort",
    "social_connection",
    "sleep_quality",
];

impl Mood {
    pub fn factors(&self) -> [Option<f64>; FACTORS.len()] {
        [
            self.energy,
            self.stress,
            self.comfort,
            self.social,
            self.sleep,
        ]
    }

    /// Reads a MoodData document; a figure that is no number within 1..10 is absent. `None` when
    /// no figure is usable.
    pub fn from_json(document: &Value) -> Option<Mood> {
        let figure = |key: &str| {
            document
                .get(key)
                .and_then(Value::as_f64)
                .filter(|x| (1.0..=10.0).contains(x))
        };
        let mood = Mood {
            energy: figure("energy_level"),
            stress: figure("stress_level"),
            comfort: figure("physical_comfort"),
            social: figure("social_connection"),
            sleep: figure("sleep_quality"),
        };
        (mood != Mood::default()).then_some(mood)
    }

    /// How well the person says they are, 1..10, higher is better: the mean of energy, 11 − stress,
    /// physical comfort, social connection and, where given, sleep. `None` unless the first four
    /// are there: composites of different figures cannot be compared.
    pub fn composite(&self) -> Option<f64> {
        let four = self.energy? + (11.0 - self.stress?) + self.comfort? + self.social?;
        Some(match self.sleep {
            Some(sleep) => (four + sleep) / 5.0,
            None => four / 4.0,
        })
    }
}
