//! The whole path for people who never change: how often their trends and alarms say that they did,
//! while their baselines and their own rate are still being learnt.

#[path = "random/mod.rs"]
mod random;

use mindmeasure_scoring::*;
use random::Random;

const DAY_US: i64 = 86_400_000_000;
const DAYS: i64 = 200;
const PEOPLE: usize = 200;

/// Somebody whose figures are drawn anew every day about the same values.
struct Unchanging<'a> {
    model: &'a Model,
    modalities: [bool; 4],
    /// Where each figure lies, in the population's sd.
    usual: Vec<f64>,
    /// How often an outcome says *worse*, whatever the figures are; `None` for no outcome ever.
    worse_rate: Option<f64>,
}

impl<'a> Unchanging<'a> {
    /// People differ as much from each other as from day to day, and half of that (a quarter of the
    /// variance) to the better or the worse side in all figures.
    fn someone(random: &mut Random, model: &'a Model, worse_rate: Option<f64>) -> Self {
        let side = 0.5 * random.normal();
        let usual = model
            .features
            .iter()
            .map(|feature| side * feature.weight.signum() + f64::sqrt(0.75) * random.normal());
        Unchanging {
            model,
            modalities: [true; 4],
            usual: usual.collect(),
            worse_rate,
        }
    }

    /// All figures so many sd to the better side of the population's.
    fn better(model: &'a Model, sd: f64, modalities: [bool; 4]) -> Self {
        let usual = model.features.iter().map(|f| -sd * f.weight.signum());
        Unchanging {
            model,
            modalities,
            usual: usual.collect(),
            worse_rate: None,
        }
    }

    fn session(&self, random: &mut Random, day: i64) -> Session {
        let features = self.model.features.iter().zip(&self.usual);
        let leaves = features.map(|(feature, usual)| {
            if !self.modalities[feature.modality.index()] {
                return Leaf::Missing;
            }
            let z = usual + random.normal();
            Leaf::Value(feature.population_mean + feature.population_sd * z)
        });
        Session {
            at_us: day * DAY_US,
            assessment_type: AssessmentType::Full,
            arrived: self.modalities,
            extracted: Extracted {
                leaves: leaves.collect(),
                quality: [None; 4],
            },
            wellness: [None; 4],
            mood: None,
        }
    }

    /// Daily sessions, and an outcome after each.
    fn live(&self, random: &mut Random) -> Vec<Scored> {
        let mut person = Person::unknown(self.model);
        (0..DAYS)
            .map(|day| {
                let session = self.session(random, day);
                let scored = score(self.model, &person, &session, None);
                person.advance(self.model, &session, &scored);
                if let Some(rate) = self.worse_rate {
                    person.outcomes.n += 1.0;
                    person.outcomes.worse += f64::from(u8::from(random.chance(rate)));
                }
                scored
            })
            .collect()
    }
}

fn default_model() -> Model {
    Model::from_json(&serde_json::from_str(Model::builtin_json()).unwrap()).unwrap()
}

/// Of so many people the share of whom something is said.
fn share(lives: &[Vec<Scored>], hit: impl Fn(&[Scored]) -> bool) -> f64 {
    lives.iter().filter(|life| hit(life)).count() as f64 / lives.len() as f64
}

fn alarmed(life: &[Scored]) -> bool {
    life.iter().any(|scored| scored.trend_analysis.alarm.raised)
}

/// Over 7, 30 and 90 days at a session.
fn directed(lives: &[Vec<Scored>], at: usize) -> [f64; 3] {
    let directed = |word: &str| ["improving", "declining"].contains(&word);
    let words = |life: &[Scored]| {
        let trend = &life[at].trend_analysis;
        [trend.short_term, trend.medium_term, trend.long_term]
    };
    [0, 1, 2].map(|window| share(lives, |life| directed(words(life)[window])))
}

/// docs/scoring.md states these rates.
#[test]
fn are_seldom_told_of_a_change_whatever_is_recorded_of_them() {
    let model = default_model();
    for worse_rate in [None, Some(0.1), Some(0.25)] {
        let mut random = Random::new(21);
        let lives: Vec<_> = (0..PEOPLE)
            .map(|_| Unchanging::someone(&mut random, &model, worse_rate).live(&mut random))
            .collect();
        let alarms = share(&lives, alarmed);
        let rates = [30, 60, 90, 150, 199].map(|at| (at, directed(&lives, at)));
        println!("outcomes {worse_rate:?}: alarms {alarms}, directions {rates:?}");
        assert!(alarms <= 0.05, "outcomes {worse_rate:?}: alarms {alarms}");
        for (at, [week, month, quarter]) in rates {
            // While they settle, and after that.
            let (month_at_most, quarter_at_most) =
                if at < 100 { (0.17, 0.2) } else { (0.09, 0.09) };
            assert!(
                week <= 0.07 && month <= month_at_most && quarter <= quarter_at_most,
                "outcomes {worse_rate:?}, session {at}: {week} {month} {quarter}"
            );
        }
    }
}

/// Those who lie at the general figures have no settling to do: the tests keep their own level.
#[test]
fn at_the_general_figures_are_told_of_a_direction_as_often_as_chance_has_it() {
    let model = default_model();
    for worse_rate in [None, Some(0.25)] {
        let mut random = Random::new(22);
        let lives: Vec<_> = (0..PEOPLE)
            .map(|_| {
                let mut someone = Unchanging::better(&model, 0.0, [true; 4]);
                someone.worse_rate = worse_rate;
                someone.live(&mut random)
            })
            .collect();
        let alarms = share(&lives, alarmed);
        let rates = [30, 60, 100, 199].map(|at| directed(&lives, at));
        println!("outcomes {worse_rate:?}: alarms {alarms}, directions {rates:?}");
        assert!(alarms <= 0.05, "outcomes {worse_rate:?}: alarms {alarms}");
        assert!(
            rates.as_flattened().iter().all(|rate| *rate <= 0.1),
            "outcomes {worse_rate:?}: {rates:?}"
        );
    }
}

/// The scores of somebody about whom nothing can be told say so: a wide range, which their own rate
/// lies in.
#[test]
fn have_scores_that_are_said_to_be_uncertain() {
    let model = default_model();
    let mut random = Random::new(23);
    let (mut width, mut held, mut scores) = (0.0, 0.0, 0.0);
    for _ in 0..PEOPLE {
        let life = Unchanging::someone(&mut random, &model, Some(0.25)).live(&mut random);
        for scored in &life[100..] {
            let range = &scored.drivers.uncertainty;
            width += scored.uncertainty;
            held += f64::from(u8::from((range.low..=range.high).contains(&0.25)));
            scores += 1.0;
        }
    }
    let (width, held) = (width / scores, held / scores);
    println!("width {width}, the own rate within {held}");
    assert!(width >= 0.4, "{width}");
    assert!(held >= 0.9, "{held}");
}

/// How docs/scoring.md says that scores settle.
#[test]
fn far_from_the_general_figures_settle_in_the_first_months() {
    let model = default_model();
    let text = [true, false, false, false];
    for (what, sd, modalities, alarms_at_most) in [
        ("text, better", 1.0, text, 0.08),
        ("text, worse", -1.0, text, 0.05),
        ("all, better", 1.0, [true; 4], 0.3),
    ] {
        let mut random = Random::new(24);
        let someone = Unchanging::better(&model, sd, modalities);
        let lives: Vec<_> = (0..PEOPLE).map(|_| someone.live(&mut random)).collect();
        let alarms = share(&lives, alarmed);
        let rates = [20, 30, 60, 90, 199].map(|at| (at, directed(&lives, at)));
        let lower = [10, 40, 199].map(|at| {
            share(&lives, |life| {
                let compared = &life[at].baseline_comparison;
                compared.significance != "low" && compared.deviation < 0.0
            })
        });
        println!("{what}: alarms {alarms}, lower {lower:?}, directions {rates:?}");
        assert!(alarms <= alarms_at_most, "{what}: {alarms}");
        let (_, late) = rates[4];
        assert!(late.iter().all(|rate| *rate <= 0.1), "{what}: {late:?}");
    }
}
