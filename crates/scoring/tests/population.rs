//! Learning from a cohort and judging what was learnt, on simulated people.

mod random;

use mindmeasure_scoring::numeric::{logit, sigmoid};
use mindmeasure_scoring::population::cohort::{Cohort, CohortError, Labelled};
use mindmeasure_scoring::population::judge::{judge, JudgeError};
use mindmeasure_scoring::population::refit::{self, RefitError};
use mindmeasure_scoring::{Model, Outcomes, OwnRate};
use random::Random;
use serde_json::json;

const DAY: i64 = 86_400_000_000;
const MODALITIES: [(&str, &str); 2] = [
    ("text", "linguistic_patterns"),
    ("audio", "emotional_markers"),
];

/// Three features of text and three of audio, all with the same small weight.
fn model(trained: bool) -> Model {
    let features: Vec<_> = MODALITIES
        .iter()
        .flat_map(|(modality, document)| {
            (0..3).map(move |i| {
                json!({"name": format!("{modality}.{i}"), "modality": modality,
                    "document": document, "path": format!("$.f{i}"), "weight": 0.05,
                    "population_mean": 0, "population_sd": 1})
            })
        })
        .collect();
    let mut spec = json!({"model_version": "simulated", "features": features});
    if trained {
        spec["trained"] = json!({"lambda": 1.0});
    }
    Model::from_json(&spec).unwrap()
}

struct Simulated {
    z: Vec<Option<f64>>,
    at_us: i64,
    worse: bool,
}

/// People with rates of their own, whose sessions follow the weights; audio is missing at times.
fn people(seed: u64, people: usize, sessions: usize, weights: [f64; 6]) -> Vec<Vec<Simulated>> {
    let mut random = Random::new(seed);
    (0..people)
        .map(|_| {
            let own = logit(random.beta(2, 6));
            (0..sessions)
                .map(|day| {
                    let audio = random.chance(0.7);
                    let z: Vec<Option<f64>> = (0..6)
                        .map(|i| {
                            let z = random.normal();
                            (i < 3 || audio).then_some(z)
                        })
                        .collect();
                    let evidence: f64 = z
                        .iter()
                        .zip(weights)
                        .map(|(z, w)| z.unwrap_or(0.0) * w)
                        .sum();
                    Simulated {
                        z,
                        at_us: day as i64 * DAY,
                        worse: random.chance(sigmoid(own + evidence)),
                    }
                })
                .collect()
        })
        .collect()
}

fn cohort(people: &[Vec<Simulated>], by: &Model) -> Cohort {
    let mut cohort = Cohort::new(by.features.len());
    for sessions in people {
        cohort.next_person();
        for session in sessions {
            let audio = session.z[3].map(|_| 1.0);
            let labelled = Labelled {
                at_us: session.at_us,
                worse: session.worse,
                z: &session.z,
                reliability: [Some(1.0), audio, None, None],
            };
            cohort.push(&labelled, by).unwrap();
        }
    }
    cohort
}

fn all(cohort: &Cohort) -> Vec<usize> {
    (0..cohort.people()).collect()
}

const TRUE_WEIGHTS: [f64; 6] = [0.9, -0.6, 0.0, 0.5, 0.0, -0.4];

#[test]
fn given_evidence_the_weights_and_the_rate_are_found() {
    let cohort = cohort(&people(7, 80, 60, TRUE_WEIGHTS), &model(false));
    let refit = refit::fit(&cohort, &all(&cohort), &model(false), Some(1.0)).unwrap();
    assert_eq!((refit.sessions, refit.people), (4800, 80));
    let kappa_free: Vec<f64> = refit
        .model
        .features
        .iter()
        .map(|f| {
            f.weight
                * refit
                    .model
                    .modality(f.modality)
                    .unwrap()
                    .calibration_prior
                    .a
        })
        .collect();
    for (found, truth) in kappa_free.iter().zip(TRUE_WEIGHTS) {
        assert!((found - truth).abs() < 0.15, "{kappa_free:?}");
    }
    let fusion = refit.model.fusion;
    assert!((fusion.prior_rate - 0.25).abs() < 0.05, "{fusion:?}");
    assert!((2.0..20.0).contains(&fusion.prior_strength), "{fusion:?}");
    assert_eq!(
        fusion.outcome_half_life_days, None,
        "rates that stay do not decay"
    );
    assert!(fusion.rho[0][1] < 0.1, "independent modalities: {fusion:?}");
}

#[test]
fn given_a_modality_that_tells_nothing_its_weights_say_so_and_one_slope_holds_for_all() {
    let mut weights = TRUE_WEIGHTS;
    weights[3..].fill(0.0);
    let cohort = cohort(&people(17, 40, 40, weights), &model(false));
    let learnt = refit::fit(&cohort, &all(&cohort), &model(false), None)
        .unwrap()
        .model;
    let slopes: Vec<f64> = learnt
        .modalities
        .iter()
        .flatten()
        .map(|spec| spec.calibration_prior.a)
        .collect();
    assert!(
        slopes.len() > 1 && slopes.iter().all(|a| *a == slopes[0] && *a > 0.8),
        "{slopes:?}"
    );
    let told = |features: &[mindmeasure_scoring::model::Feature]| -> f64 {
        features.iter().map(|f| f.weight.abs()).sum()
    };
    assert!(told(&learnt.features[3..]) < 0.3 * told(&learnt.features[..3]));
}

#[test]
fn the_penalty_is_sought_between_powers_of_ten_too() {
    let penalties: Vec<f64> = (0..6)
        .map(|seed| {
            let cohort = cohort(&people(seed, 12, 40, TRUE_WEIGHTS), &model(false));
            refit::fit(&cohort, &all(&cohort), &model(false), None)
                .unwrap()
                .penalty
        })
        .collect();
    let between = |penalty: &f64| penalty.log10().fract().abs() > 0.1;
    assert!(penalties.iter().any(between), "{penalties:?}");
}

#[test]
fn given_evidence_the_model_foretells_people_it_was_not_learnt_from_better_than_their_rate() {
    let cohort = cohort(&people(8, 60, 40, TRUE_WEIGHTS), &model(false));
    for (folds, lambda) in [(2, json!(1.0)), (5, json!(null))] {
        let mut model = model(true);
        model.trained.as_mut().unwrap().lambda = lambda.as_f64();
        let got = judge(&cohort, &model, folds).unwrap();
        assert_eq!(got.model.report.n, 2400);
        let (fused, own) = (got.model.report.brier, got.own_rate.report.brier);
        assert!(fused < own - 0.02, "{fused} against {own}");
        assert!(got.model.within_user.mean > Some(0.7));
        let slope = got.model.report.calibration_slope.unwrap();
        assert!((slope - 1.0).abs() < 0.25, "calibrated: {slope}");
    }
}

#[test]
fn given_noise_the_model_is_not_worse_than_the_own_rate() {
    let mut lost = 0.0;
    for seed in 0..10 {
        let cohort = cohort(&people(seed, 20, 30, [0.0; 6]), &model(false));
        let got = judge(&cohort, &model(true), 2).unwrap();
        lost += got.model.report.brier - got.own_rate.report.brier;
    }
    assert!(lost / 10.0 < 0.001, "{lost}");
}

#[test]
fn what_happens_later_changes_no_earlier_prediction() {
    // Judged as it is, a model's figures over the first half are those of the first half alone.
    let whole = people(3, 10, 40, TRUE_WEIGHTS);
    let by = model(false);
    let mut random = Random::new(99);
    let half: Vec<Vec<Simulated>> = people(3, 10, 40, TRUE_WEIGHTS)
        .into_iter()
        .map(|sessions| sessions.into_iter().take(20).collect())
        .collect();
    let known = judge(&cohort(&half, &by), &by, 2).unwrap();
    for _ in 0..3 {
        // The later half permuted and relabelled, and without z: so that only the first is judged.
        let mut changed = Cohort::new(6);
        for sessions in &whole {
            changed.next_person();
            for (day, session) in sessions.iter().enumerate() {
                let later = day >= 20;
                let labelled = Labelled {
                    at_us: session.at_us,
                    worse: if later {
                        random.chance(0.5)
                    } else {
                        session.worse
                    },
                    z: if later { &[] } else { &session.z },
                    reliability: [Some(1.0), session.z[3].map(|_| 1.0), None, None],
                };
                changed.push(&labelled, &by).unwrap();
            }
        }
        assert_eq!(judge(&changed, &by, 2).unwrap(), known);
    }
}

#[test]
fn rates_that_drift_are_followed() {
    let mut random = Random::new(5);
    let by = model(false);
    let mut cohort = Cohort::new(6);
    for _ in 0..40 {
        cohort.next_person();
        let mut level: f64 = 0.0;
        for day in 0..100 {
            level = 0.95 * level + 0.6 * random.normal();
            let labelled = Labelled {
                at_us: day * DAY,
                worse: random.chance(sigmoid(level - 1.0)),
                z: &[Some(0.0); 6],
                reliability: [Some(1.0), Some(1.0), None, None],
            };
            cohort.push(&labelled, &by).unwrap();
        }
    }
    let refit = refit::fit(&cohort, &all(&cohort), &by, Some(1.0)).unwrap();
    let half_life = refit.model.fusion.outcome_half_life_days;
    assert!(half_life.is_some_and(|days| days <= 30.0), "{half_life:?}");
    let got = judge(&cohort, &model(true), 2).unwrap();
    assert!(got.own_rate.report.brier < judge(&cohort, &by, 2).unwrap().own_rate.report.brier);
}

#[test]
fn the_running_rate_counts_or_decays() {
    let mut fusion = model(false).fusion;
    let mut rate = OwnRate::default();
    rate.observe(0, true, &fusion);
    rate.observe(DAY, false, &fusion);
    assert_eq!(
        rate.before(9 * DAY, &fusion),
        Outcomes {
            n: 2.0,
            worse: 1.0,
            ..Outcomes::default()
        }
    );
    fusion.outcome_half_life_days = Some(1.0);
    let mut rate = OwnRate::default();
    rate.observe(0, true, &fusion);
    rate.observe(DAY, false, &fusion);
    assert_eq!(
        rate.before(2 * DAY, &fusion),
        Outcomes {
            n: 0.75,
            worse: 0.25,
            ..Outcomes::default()
        }
    );
}

#[test]
fn the_recent_rate_leaves_the_lasting_one_and_returns_to_it() {
    let mut fusion = model(false).fusion;
    fusion.recent_half_life_days = Some(1.0);
    fusion.recent_strength = 1.0;
    let mut rate = OwnRate::default();
    for day in 0..20 {
        rate.observe(day * DAY, false, &fusion);
    }
    rate.observe(20 * DAY, true, &fusion);
    let lasting = (4.0 * 0.25 + 1.0) / (4.0 + 21.0);
    // A day later: half of the worse one, and of the others 1/4 + 1/8 + ... of one each.
    let (n, worse) = (1.0 - 0.5_f64.powi(21), 0.5);
    let expected = (lasting + worse) / (1.0 + n);
    let next_day = rate.before(21 * DAY, &fusion).worse_rate(&fusion);
    assert!((next_day - expected).abs() < 1e-12, "{next_day}");
    let much_later = rate.before(80 * DAY, &fusion).worse_rate(&fusion);
    assert!((much_later - lasting).abs() < 1e-12, "{much_later}");
}

#[test]
fn people_who_differ_and_have_spells_are_given_both_rates() {
    let mut random = Random::new(21);
    let by = model(false);
    let mut cohort = Cohort::new(6);
    for person in 0..60 {
        cohort.next_person();
        // Half of them are seldom worse, half of them mostly.
        let own = if person % 2 == 0 { -3.0 } else { 1.5 };
        let mut spell: f64 = 0.0;
        for day in 0..150 {
            spell = 0.7 * spell + 1.2 * random.normal();
            let labelled = Labelled {
                at_us: day * DAY,
                worse: random.chance(sigmoid(own + spell)),
                z: &[Some(0.0); 6],
                reliability: [Some(1.0), Some(1.0), None, None],
            };
            cohort.push(&labelled, &by).unwrap();
        }
    }
    let fusion = refit::fit(&cohort, &all(&cohort), &by, Some(1.0))
        .unwrap()
        .model
        .fusion;
    assert!(
        fusion.recent_half_life_days.is_some_and(|days| days <= 7.0),
        "{fusion:?}"
    );
    let lasts = fusion
        .outcome_half_life_days
        .is_none_or(|days| days >= 14.0);
    assert!(lasts, "{fusion:?}");
    let learnt = judge(&cohort, &model(true), 4)
        .unwrap()
        .own_rate
        .report
        .brier;
    let by_hand = judge(&cohort, &by, 4).unwrap().own_rate.report.brier;
    assert!(learnt < by_hand - 0.005, "{learnt} against {by_hand}");
}

#[test]
fn what_cannot_be_learnt_is_refused() {
    let by = model(false);
    let nobody = Cohort::new(6);
    assert_eq!(
        refit::fit(&nobody, &[], &by, Some(1.0)).unwrap_err(),
        RefitError::NoSessions
    );
    assert_eq!(judge(&nobody, &by, 2).unwrap_err(), JudgeError::NoSessions);
    assert_eq!(
        judge(&nobody, &model(true), 2).unwrap_err(),
        JudgeError::TooFewPeople
    );
    let mut sessions = people(1, 3, 10, TRUE_WEIGHTS);
    sessions.iter_mut().flatten().for_each(|s| s.worse = true);
    let one_class = cohort(&sessions, &by);
    let of_all = all(&one_class);
    assert_eq!(
        refit::fit(&one_class, &of_all, &by, Some(1.0)).unwrap_err(),
        RefitError::OneClass
    );
    for lambda in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = refit::fit(&one_class, &of_all, &by, Some(lambda)).unwrap_err();
        assert_eq!(refused, RefitError::Penalty);
    }
    let mut cohort = Cohort::new(6);
    let mut session = Labelled {
        at_us: 1,
        worse: true,
        z: &[None; 5],
        reliability: [None; 4],
    };
    assert_eq!(cohort.push(&session, &by), Err(CohortError::Features));
    session.z = &[Some(f64::NAN); 6];
    assert_eq!(cohort.push(&session, &by), Err(CohortError::NotFinite));
    session.z = &[];
    cohort.push(&session, &by).unwrap();
    session.at_us = 0;
    assert_eq!(cohort.push(&session, &by), Err(CohortError::Order));
}

#[test]
fn a_single_person_can_be_learnt_from() {
    let by = model(false);
    let cohort = cohort(&people(11, 1, 200, TRUE_WEIGHTS), &by);
    let refit = refit::fit(&cohort, &[0], &by, None).unwrap();
    assert_eq!(
        refit.model.fusion.prior_rate, by.fusion.prior_rate,
        "one person tells no rate"
    );
    assert!(refit.model.features[0].weight > 0.3);
}

#[test]
fn a_single_person_is_judged_on_what_came_after_what_was_learnt() {
    let by = model(false);
    let sessions = people(11, 1, 480, TRUE_WEIGHTS);
    let whole = judge(&cohort(&sessions, &by), &model(true), 5).unwrap();
    // Six stretches; the first is only learnt from.
    assert_eq!(whole.model.report.n, 400);
    let (fused, own) = (whole.model.report.brier, whole.own_rate.report.brier);
    assert!(fused < own - 0.01, "{fused} against {own}");
}

#[test]
fn a_single_person_without_evidence_is_told_their_own_rate() {
    let by = model(false);
    let mut lost = 0.0;
    for seed in 0..10 {
        let got = judge(
            &cohort(&people(seed, 1, 200, [0.0; 6]), &by),
            &model(true),
            4,
        )
        .unwrap();
        lost += got.model.report.brier - got.own_rate.report.brier;
    }
    assert!(lost / 10.0 < 0.002, "{lost}");
}

/// People whose weights lie about the shared ones with this sd.
fn people_who_differ(seed: u64, people: usize, sessions: usize, sd: f64) -> Vec<Vec<Simulated>> {
    let mut random = Random::new(seed);
    (0..people)
        .map(|_| {
            let weights = TRUE_WEIGHTS.map(|w| w + sd * random.normal());
            (0..sessions)
                .map(|day| {
                    let z: Vec<Option<f64>> = (0..6).map(|_| Some(random.normal())).collect();
                    let evidence: f64 = z.iter().zip(weights).map(|(z, w)| z.unwrap() * w).sum();
                    Simulated {
                        z,
                        at_us: day as i64 * DAY,
                        worse: random.chance(sigmoid(-1.0 + evidence)),
                    }
                })
                .collect()
        })
        .collect()
}

#[test]
fn people_who_differ_are_given_weights_of_their_own_and_are_foretold_better() {
    let by = model(false);
    let cohort = cohort(&people_who_differ(5, 40, 60, 0.6), &by);
    let refit = refit::fit(&cohort, &all(&cohort), &by, Some(1.0)).unwrap();
    assert!(
        refit.model.personal.weight_sd >= 0.2,
        "{:?}",
        refit.model.personal
    );
    let without = refit_judged(&cohort, 0.0, &refit.model);
    let with = refit_judged(&cohort, refit.model.personal.weight_sd, &refit.model);
    assert!(with < without - 0.005, "{with} against {without}");
}

/// Brier score of learnt weights, taken as if they had been written by hand.
fn refit_judged(cohort: &Cohort, weight_sd: f64, learnt: &Model) -> f64 {
    let mut model = learnt.clone();
    model.trained = None;
    model.personal.weight_sd = weight_sd;
    judge(cohort, &model, 2).unwrap().model.report.brier
}

#[test]
fn people_who_are_alike_are_not() {
    let by = model(false);
    for seed in 0..5 {
        let cohort = cohort(&people_who_differ(seed, 40, 40, 0.0), &by);
        let refit = refit::fit(&cohort, &all(&cohort), &by, Some(1.0)).unwrap();
        assert!(
            refit.model.personal.weight_sd <= 0.05,
            "{seed}: {:?}",
            refit.model.personal
        );
    }
}

#[test]
fn a_model_that_says_nothing_of_own_weights_has_none() {
    assert_eq!(model(true).personal.weight_sd, 0.0);
    assert_eq!(model(false).personal.weight_sd, 0.0);
}
