//! Weights of one's own, learnt from outcomes.

use crate::world::*;
use mindmeasure_scoring::numeric::{logit, sigmoid};
use mindmeasure_scoring::personal::Lesson;
use mindmeasure_scoring::*;
use proptest::prelude::*;
use serde_json::json;

fn off() -> Model {
    model(&[("personal", json!({"weight_sd": 0}))])
}

/// The person after a session whose outcome became known before the next.
fn told(model: &Model, person: &Person, session: &Session, worse: bool) -> Person {
    let scored = score(model, person, session, None);
    let mut after = person.clone();
    after.own_weights = Lesson::of(&scored, Some(worse)).next(model);
    after
}

fn without_personal(mut scored: Scored) -> Scored {
    scored.personal.clear();
    scored
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(60)))]

    #[test]
    fn before_the_first_outcome_and_with_an_sd_of_0_everybody_has_the_models_weights(history in history(6)) {
        let (on, off) = (model(&[]), off());
        let (mut person, mut same) = (Person::unknown(&on), Person::unknown(&off));
        for session in &history {
            let scored = score(&on, &person, session, None);
            let plain = score(&off, &same, session, None);
            prop_assert!(plain.personal.is_empty());
            person.advance(&on, session, &scored);
            same.advance(&off, session, &plain);
            same.own_weights = Lesson::of(&plain, Some(true)).next(&off);
            prop_assert!(same.own_weights == OwnWeights::default());
            prop_assert_eq!(without_personal(scored), plain);
        }
    }

    #[test]
    fn an_outcome_moves_the_same_evidence_towards_it(history in history(5), worse: bool) {
        let model = model(&[]);
        let person = experienced(&model, &history[..4]);
        prop_assume!(person.own_weights.count());
        let before = score(&model, &person, &history[4], None).p_worse_fused;
        let after = told(&model, &person, &history[4], worse);
        let moved = score(&model, &after, &history[4], None).p_worse_fused;
        prop_assert!(if worse { moved >= before } else { moved <= before }, "{before} {moved}");
    }

    #[test]
    fn many_outcomes_of_one_kind_and_few_of_the_other_change_nothing(history in history(3)) {
        let (on, off) = (model(&[]), off());
        let mut person = Person::unknown(&on);
        for n in 0..40 {
            let scored = score(&on, &person, &history[n % 3], None);
            let plain = score(&off, &person, &history[n % 3], None);
            prop_assert_eq!(without_personal(scored.clone()), plain);
            person.own_weights = Lesson::of(&scored, Some(n < 2)).next(&on);
        }
        prop_assert!(!person.own_weights.count());
    }

    #[test]
    fn what_is_stored_is_read_back_bit_for_bit(history in history(4)) {
        let model = model(&[]);
        let person = experienced(&model, &history[..3]);
        let scored = score(&model, &person, &history[3], None);
        let (own, _) = OwnWeights::from_stored(&model, &scored.personal);
        prop_assert_eq!(&own, &person.own_weights);
        // As the database's text would give it.
        let text: Vec<String> = scored.personal.iter().map(f32::to_string).collect();
        let read: Vec<f32> = text.iter().map(|x| x.parse().unwrap()).collect();
        prop_assert_eq!(OwnWeights::from_stored(&model, &read).0, own);
        prop_assert_eq!(Lesson::of(&scored, None).next(&model), person.own_weights);
    }

    #[test]
    fn a_calibration_that_was_fitted_takes_their_place(history in history(5), worse: bool) {
        let model = model(&[]);
        let mut person = experienced(&model, &history[..4]);
        let fitted = Calibration { a: 0.7, b: -1.0, covariance: [0.01, 0.0, 0.02], own_logit: None };
        person.calibrations = [Some(fitted); 4];
        let scored = score(&model, &person, &history[4], None);
        for (raw, p) in scored.raw.iter().zip(scored.p_worse) {
            if let (Some(raw), Some(p)) = (raw, p) {
                prop_assert_eq!(p, evidence::probability(fitted.logit(*raw)));
            }
        }
        prop_assert_eq!(&told(&model, &person, &history[4], worse).own_weights, &person.own_weights);
    }

    #[test]
    fn damage_is_nothing(history in history(4), at in 0..100_usize, cut in 0..100_usize) {
        let model = model(&[]);
        let stored = score(&model, &experienced(&model, &history[..3]), &history[3], None).personal;
        let mut damaged = stored.clone();
        let at = at % damaged.len();
        damaged[at] = f32::NAN;
        prop_assert!(OwnWeights::from_stored(&model, &damaged).0 == OwnWeights::default());
        let cut = &stored[..cut % stored.len()];
        prop_assert!(OwnWeights::from_stored(&model, cut).0 == OwnWeights::default());
    }
}

/// What one outcome teaches, by hand: Kalman's gain with P = weight_sd², h = κ·r·z and the noise
/// 1/(p(1 − p)) of a logistic response.
#[test]
fn one_outcome_by_hand() {
    let model = Model::from_json(&json!({"model_version": "hand", "personal": {"weight_sd": 0.5},
        "features": [
            {"name": "up", "modality": "text", "document": "linguistic_patterns", "path": "$.up", "weight": 0.2,
                "population_mean": 0, "population_sd": 1},
            {"name": "unread", "modality": "text", "document": "linguistic_patterns", "path": "$.unread", "weight": 0,
                "population_mean": 0, "population_sd": 1}]}))
    .unwrap();
    let mut own = OwnWeights::default();
    // Enough of each kind is known already, of sessions without evidence.
    for worse in [true, false, true, false, true, false] {
        own.learn(&model, &[None, None], &[0.5, 0.0, 0.0, 0.0], 0.25, worse);
    }
    assert!(own.count() && own.shift(0) == 0.0);
    own.learn(
        &model,
        &[Some(2.0), Some(2.0)],
        &[0.5, 0.0, 0.0, 0.0],
        0.25,
        true,
    );
    // h = 1, P = .25, noise = 1/.1875 = 16/3: gain = .25/(.25 + 16/3), innovation = .75/.1875 = 4.
    let gain = 0.25 / (0.25 + 16.0 / 3.0);
    assert!((own.shift(0) - 4.0 * gain).abs() < F32);
    assert_eq!(own.shift(1), 0.0, "a weight of 0 is not read");
    own.learn(
        &model,
        &[Some(2.0), None],
        &[0.5, 0.0, 0.0, 0.0],
        0.5,
        false,
    );
    // P = .25·(1 − gain), noise 4, innovation −2.
    let left = 0.25 * (1.0 - gain);
    let expected = 4.0 * gain - 2.0 * left / (left + 4.0);
    assert!((own.shift(0) - expected).abs() < F32);
}

/// Shifts and variances are kept as f32.
const F32: f64 = 1e-7;

/// Before they count the shifts are followed as if they did.
#[test]
fn what_is_learnt_before_it_counts_is_what_would_be_learnt_if_it_did() {
    let model = model(&[]);
    let z: Vec<Option<f64>> = (0..model.features.len())
        .map(|i| Some((i as f64).sin()))
        .collect();
    let base = |own: &dyn Fn(usize) -> f64| -> f64 {
        logit(0.3)
            + z.iter()
                .enumerate()
                .map(|(i, z)| own(i) * z.unwrap())
                .sum::<f64>()
    };
    let mut own = OwnWeights::default();
    // The same filter, written out in f64.
    let (mut plain, mut variances) = (vec![0.0; z.len()], vec![0.15 * 0.15; z.len()]);
    for worse in [true, true, false, true, false, true, false, true] {
        let p = sigmoid(base(&|i| own.shift(i)));
        own.learn(&model, &z, &[1.0; 4], p, worse);
        let p = sigmoid(base(&|i| plain[i]));
        let noise = 1.0 / (p * (1.0 - p));
        let total = noise
            + z.iter()
                .zip(&variances)
                .map(|(z, v)| v * z.unwrap().powi(2))
                .sum::<f64>();
        for i in 0..z.len() {
            let pull: f64 = variances[i] * z[i].unwrap();
            plain[i] += pull / total * (f64::from(u8::from(worse)) - p) * noise;
            variances[i] -= pull * pull / total;
        }
    }
    assert!(own.count());
    for (i, expected) in plain.iter().enumerate() {
        assert!(
            (own.shift(i) - expected).abs() < 1e-6,
            "{i}: {} is not {expected}",
            own.shift(i)
        );
    }
}

/// A person in whom everything the model reads tells the opposite.
#[test]
fn a_person_who_is_the_other_way_round_is_learnt() {
    let (on, off) = (model(&[]), off());
    let weights: Vec<f64> = on.features.iter().map(|f| f.weight).collect();
    let (mut own, mut late) = (OwnWeights::default(), [0.0, 0.0]);
    let mut state = 1_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    for session in 0..600 {
        let z: Vec<Option<f64>> = weights
            .iter()
            .map(|_| Some(4.0 * uniform() - 2.0))
            .collect();
        let evidence = |of: &dyn Fn(usize) -> f64| -> f64 {
            z.iter().enumerate().map(|(i, z)| of(i) * z.unwrap()).sum()
        };
        let worse = uniform() < sigmoid(-1.0 - 2.0 * evidence(&|i| weights[i]));
        let p = sigmoid(-1.0 + evidence(&|i| weights[i] + own.shift(i)));
        let plain = sigmoid(-1.0 + evidence(&|i| weights[i]));
        let outcome = f64::from(u8::from(worse));
        if session >= 300 {
            late[0] += (p - outcome).powi(2) / 300.0;
            late[1] += (plain - outcome).powi(2) / 300.0;
        }
        own.learn(&on, &z, &[1.0; 4], p, worse);
    }
    assert!(late[0] < late[1] - 0.05, "{late:?}");
    let mut nobody = OwnWeights::default();
    nobody.learn(&off, &[Some(1.0)], &[1.0; 4], 0.5, true);
    assert!(nobody == OwnWeights::default());
}
