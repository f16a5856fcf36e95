//! A person's tables between two sessions: everything is written as text and read back.

use mindmeasure_scoring::history::departure;
use mindmeasure_scoring::model::FusionSpec;
use mindmeasure_scoring::numeric::logit;
use mindmeasure_scoring::*;

/// What the tables hold, as decimal text, the way a database keeps it.
pub struct Database {
    baselines: Vec<[String; 4]>,
    baseline_times: Vec<Option<i64>>,
    metrics: Vec<([String; 4], Option<i64>)>,
    smoothed: Option<(String, String, i64)>,
    sessions: u64,
    /// Time, p_worse_fused where the quality sufficed, self-report.
    history: Vec<(i64, Option<String>, Option<Mood>)>,
    fusion: FusionSpec,
    watch: [String; 4],
}

fn text(x: f64) -> String {
    // JSON and numeric columns keep no negative zero.
    if x == 0.0 {
        "0".to_owned()
    } else {
        format!("{x}")
    }
}

fn texts(baseline: &Baseline) -> [String; 4] {
    [baseline.n, baseline.mean, baseline.m2, baseline.sum_w2].map(text)
}

fn baseline([n, mean, m2, sum_w2]: &[String; 4], last_us: Option<i64>) -> Baseline {
    let number = |text: &String| text.parse().unwrap();
    Baseline {
        n: number(n),
        mean: number(mean),
        m2: number(m2),
        sum_w2: number(sum_w2),
        last_us,
    }
}

impl Database {
    pub fn new(model: &Model) -> Database {
        let nothing = texts(&Baseline::default());
        Database {
            baselines: vec![nothing.clone(); model.features.len()],
            baseline_times: vec![None; model.features.len()],
            metrics: vec![(nothing, None); 6],
            smoothed: None,
            sessions: 0,
            history: Vec::new(),
            fusion: model.fusion,
            watch: [0.0; 4].map(text),
        }
    }

    pub fn person(&self) -> Person {
        let baselines = self.baselines.iter().zip(&self.baseline_times);
        let metric = |i: usize| baseline(&self.metrics[i].0, self.metrics[i].1);
        Person {
            baselines: baselines
                .map(|(texts, last_us)| baseline(texts, *last_us))
                .collect(),
            metrics: Metrics(std::array::from_fn(metric)),
            smoothed: self
                .smoothed
                .as_ref()
                .map(|(level, variance, at_us)| Smoothed {
                    level: level.parse().unwrap(),
                    variance: variance.parse().unwrap(),
                    at_us: *at_us,
                }),
            sessions_before: self.sessions,
            compared: self.compared(),
            history: self
                .history
                .iter()
                .map(|(at, p, mood)| {
                    let own_logit = logit(Outcomes::default().worse_rate(&self.fusion));
                    let departure = p.as_ref().map(|p| departure(p.parse().unwrap(), own_logit));
                    Past::new(*at, departure, *mood)
                })
                .collect(),
            watch: {
                let [n, mean, m2, sum] = self.watch.each_ref().map(|x| x.parse().unwrap());
                Watch { n, mean, m2, sum }
            },
            ..Person::default()
        }
    }

    pub fn store(&mut self, session: &Session, scored: &Scored) {
        for (i, changed) in &scored.baselines {
            self.baselines[*i] = texts(changed);
            self.baseline_times[*i] = changed.last_us;
        }
        for (metric, changed) in &scored.metrics {
            self.metrics[metric.index()] = (texts(changed), changed.last_us);
        }
        self.smoothed = Some((
            text(scored.score_smoothed),
            text(scored.smoothed_variance),
            session.at_us,
        ));
        self.sessions += 1;
        let usable = scored.qc_overall != Qc::Insufficient;
        self.history.push((
            session.at_us,
            usable.then(|| text(scored.p_worse_fused)),
            session.mood,
        ));
        let Watch { n, mean, m2, sum } = scored.watch;
        self.watch = [n, mean, m2, sum].map(text);
    }

    fn compared(&self) -> Option<(i64, i64)> {
        let mut usable = self.history.iter().filter(|(_, p, _)| p.is_some());
        let first = usable.next()?.0;
        Some((first, usable.next_back().map_or(first, |last| last.0)))
    }
}
