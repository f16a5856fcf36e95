//! What bench/cohort/run.sh measures in a database, in seconds and without one: a cohort is scored
//! in time order, each label told after its session, and models are learnt and judged.
//! Usage: cargo run --release -p mindmeasure-scoring --example cohort FEATURES.csv LABELS.csv [Z.csv]
//! With a third file the z-values are written there, for comparison with other methods.

use mindmeasure_scoring::features::{Extracted, Leaf};
use mindmeasure_scoring::personal::Lesson;
use mindmeasure_scoring::population::cohort::{Cohort, Labelled};
use mindmeasure_scoring::population::judge::{judge, Verdict};
use mindmeasure_scoring::report::{report, within_user_auc};
use mindmeasure_scoring::{score, AssessmentType, Modality, Model, Person, Session};
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;

const DOCUMENTS: [&str; 4] = [
    "linguistic_patterns",
    "emotional_markers",
    "emotional_indicators",
    "activity_metrics",
];

type People = BTreeMap<String, BTreeMap<i64, (BTreeMap<usize, f64>, Option<bool>)>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let (features, labels) = (
        fs::read_to_string(&arguments[1])?,
        fs::read_to_string(&arguments[2])?,
    );
    let mut names: BTreeMap<(usize, String), (f64, f64, f64)> = BTreeMap::new();
    for line in features.lines().skip(1) {
        let cell: Vec<&str> = line.split(',').collect();
        let x: f64 = cell[4].parse()?;
        let m = Modality::parse(cell[2]).ok_or("modality")?.index();
        let moments = names.entry((m, cell[3].to_owned())).or_default();
        *moments = (moments.0 + 1.0, moments.1 + x, moments.2 + x * x);
    }
    let place: BTreeMap<(usize, String), usize> = names
        .keys()
        .cloned()
        .enumerate()
        .map(|(i, k)| (k, i))
        .collect();
    let spec = json!({"model_version": "cohort", "features": names.iter().map(|((m, name), (n, sum, squares))| {
        let mean = sum / n;
        let sd = ((squares - n * mean * mean) / (n - 1.0)).max(1e-12).sqrt();
        json!({"name": format!("{m}.{name}"), "modality": Modality::ALL[*m].as_str(), "document": DOCUMENTS[*m],
            "path": format!("$['{name}']"), "weight": 0.05, "population_mean": mean, "population_sd": sd})
    }).collect::<Vec<_>>()});
    let model = Model::from_json(&spec)?;
    let mut people: People = BTreeMap::new();
    for line in features.lines().skip(1) {
        let cell: Vec<&str> = line.split(',').collect();
        let m = Modality::parse(cell[2]).ok_or("modality")?.index();
        let session = people
            .entry(cell[0].to_owned())
            .or_default()
            .entry(time(cell[1])?)
            .or_default();
        session
            .0
            .insert(place[&(m, cell[3].to_owned())], cell[4].parse()?);
    }
    for line in labels.lines().skip(1) {
        let cell: Vec<&str> = line.split(',').collect();
        if let Some(session) = people
            .get_mut(cell[0])
            .and_then(|p| p.get_mut(&time(cell[1]).ok()?))
        {
            session.1 = Some(cell[2] == "1");
        }
    }
    let mut cohort = Cohort::new(model.features.len());
    let (mut p, mut own, mut y, mut who) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut z_file = arguments.get(3).map(fs::File::create).transpose()?;
    for (number, (_, sessions)) in people.iter().enumerate() {
        cohort.next_person();
        let mut person = Person::unknown(&model);
        for (at_us, (values, worse)) in sessions {
            let mut leaves = vec![Leaf::Missing; model.features.len()];
            let mut arrived = [false; 4];
            for (feature, x) in values {
                leaves[*feature] = Leaf::Value(*x);
                arrived[model.features[*feature].modality.index()] = true;
            }
            let session = Session {
                at_us: *at_us,
                assessment_type: AssessmentType::Full,
                arrived,
                extracted: Extracted {
                    leaves,
                    quality: [None; 4],
                },
                wellness: [None; 4],
                mood: None,
            };
            let scored = score(&model, &person, &session, None);
            if let Some(worse) = worse {
                p.push(scored.p_worse_fused);
                own.push(person.outcomes.worse_rate(&model.fusion));
                y.push(*worse);
                who.push(number);
                let drivers = &scored.drivers.modalities;
                let reliability = [
                    &drivers.text,
                    &drivers.audio,
                    &drivers.visual,
                    &drivers.passive,
                ]
                .map(|m| m.as_ref().map(|m| m.reliability));
                cohort.push(
                    &Labelled {
                        at_us: *at_us,
                        worse: *worse,
                        z: &scored.feature_z,
                        reliability,
                    },
                    &model,
                )?;
                if let Some(file) = z_file.as_mut() {
                    let z: Vec<String> = scored
                        .feature_z
                        .iter()
                        .map(|z| z.map_or(String::new(), |z| z.to_string()))
                        .collect();
                    writeln!(
                        file,
                        "{number},{at_us},{},{}",
                        u8::from(*worse),
                        z.join(",")
                    )?;
                }
            }
            person.advance(&model, &session, &scored);
            if let Some(worse) = worse {
                person.outcomes.n += 1.0;
                person.outcomes.worse += f64::from(u8::from(*worse));
                person.own_weights = Lesson::of(&scored, Some(*worse)).next(&model);
            }
        }
    }
    println!("{} people, {} labelled", people.len(), y.len());
    for (name, p) in [("by hand, online", &p), ("own rate, 4 x .25", &own)] {
        let verdict = Verdict {
            report: report(p, &y)?,
            within_user: within_user_auc(p, &y, &who)?,
        };
        show(name, &verdict);
    }
    for lambda in [json!(1.0), json!(null)] {
        let mut spec = spec.clone();
        spec["trained"] = json!({"lambda": lambda});
        let trained = Model::from_json(&spec)?;
        for folds in [2, 5, 10] {
            let start = std::time::Instant::now();
            match judge(&cohort, &trained, folds) {
                Ok(judged) => {
                    show(&format!("own rate, {folds} folds"), &judged.own_rate);
                    show(
                        &format!(
                            "learnt, lambda {lambda}, {:.1} s",
                            start.elapsed().as_secs_f64()
                        ),
                        &judged.model,
                    );
                }
                Err(error) => println!("{folds} folds: {error}"),
            }
        }
    }
    Ok(())
}

fn show(name: &str, verdict: &Verdict) {
    let r = &verdict.report;
    println!(
        "{name:32} n {:5} base {:.3} brier {:.4} logloss {:.4} auc {:.3} within {:.3} ece {:.3} slope {:.2}",
        r.n, r.base_rate, r.brier, r.log_loss, r.auc.unwrap_or(f64::NAN),
        verdict.within_user.mean.unwrap_or(f64::NAN), r.ece, r.calibration_slope.unwrap_or(f64::NAN)
    );
}

/// µs since 1970 of 2021-05-24T20:00:00Z.
fn time(text: &str) -> Result<i64, Box<dyn Error>> {
    let number = |range: std::ops::Range<usize>| -> Result<i64, Box<dyn Error>> {
        Ok(text.get(range).ok_or("time")?.parse()?)
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let days = calendar_days(year, month, day);
    let seconds = days * 86_400 + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    Ok(seconds * 1_000_000)
}

/// Days since 1970-01-01 (Hinnant's civil calendar).
fn calendar_days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
