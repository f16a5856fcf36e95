//! Scoring a session again when a modality arrives late.

use crate::world::*;
use mindmeasure_scoring::*;
use proptest::prelude::*;

/// The session as it looked before the late modalities arrived.
fn without(session: &Session, late: [bool; 4]) -> Session {
    let mut early = session.clone();
    for (m, late) in late.into_iter().enumerate() {
        if late {
            early.arrived[m] = false;
            early.wellness[m] = None;
            early.extracted.quality[m] = None;
            early.extracted.leaves[m * FEATURES_EACH..(m + 1) * FEATURES_EACH].fill(Leaf::Missing);
        }
    }
    early
}

fn kept(model: &Model, first: &Scored, newest: bool) -> Kept {
    let drivers = stored(&first.drivers);
    Kept::from_stored(
        model,
        Stored {
            drivers: &drivers,
            feature_z: &first.feature_z,
            personal: &first.personal,
            raw: first.raw,
            learnt: first.learnt,
            combined_before: first.combined_before,
            combined_learnt: first.combined_learnt,
            newest,
        },
    )
    .unwrap()
}

/// The person as stored after the first scoring, but with the smoothing state and the count from
/// before this session, as the caller reads them for a refresh.
fn after_first(model: &Model, person: &Person, session: &Session, first: &Scored) -> Person {
    let mut after = person.clone();
    after.advance(model, session, first);
    Person {
        smoothed: person.smoothed,
        sessions_before: person.sessions_before,
        history: person.history.clone(),
        watch: person.watch,
        compared: person.compared,
        ..after
    }
}

/// The state of the person after all that was learnt.
fn learnt(person: &Person, scored: &Scored) -> (Vec<Baseline>, Metrics) {
    let (mut baselines, mut metrics) = (person.baselines.clone(), person.metrics);
    scored
        .baselines
        .iter()
        .for_each(|(i, baseline)| baselines[*i] = *baseline);
    scored
        .metrics
        .iter()
        .for_each(|(metric, baseline)| metrics[*metric] = *baseline);
    (baselines, metrics)
}

/// Everything but the record of what changed, which is split over two scorings.
fn computed(scored: &Scored) -> Scored {
    Scored {
        baselines: Vec::new(),
        metrics: Vec::new(),
        ..scored.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(100)))]

    #[test]
    fn refreshing_gives_the_bits_of_scoring_all_at_once(
        history in history(8), session in session_of(any_value()), late in any::<[bool; 4]>(),
    ) {
        let model = model(&[]);
        let person = experienced(&model, &history);
        let at_once = score(&model, &person, &session, None);

        let early = without(&session, late);
        let first = score(&model, &person, &early, None);
        let between = after_first(&model, &person, &early, &first);
        let refreshed = score(&model, &between, &session, Some(&kept(&model, &first, true)));

        // A first scoring that was good enough to learn from cannot be taken back by a second.
        if at_once.qc_overall == Qc::Insufficient && first.qc_overall != Qc::Insufficient {
            return Ok(());
        }
        prop_assert_eq!(computed(&refreshed), computed(&at_once));
        // As text, so that −0 and 0 differ.
        prop_assert_eq!(stored(&refreshed.drivers).to_string(), stored(&at_once.drivers).to_string());
        prop_assert_eq!(learnt(&between, &refreshed), learnt(&person, &at_once));
    }

    #[test]
    fn a_refresh_of_an_older_session_leaves_combined_wellness(
        history in history(6), session in session_of(20.0..80.0_f64),
    ) {
        let model = model(&[]);
        let person = experienced(&model, &history);
        let early = without(&session, [false, false, true, true]);
        let first = score(&model, &person, &early, None);
        if !first.combined_learnt {
            return Ok(());
        }
        let between = after_first(&model, &person, &early, &first);
        let refreshed = score(&model, &between, &session, Some(&kept(&model, &first, false)));
        let changed = |metric| refreshed.metrics.iter().any(|(changed, _)| *changed == metric);
        prop_assert!(!changed(Metric::CombinedWellness) && !changed(Metric::TextWellness));
        prop_assert_eq!(refreshed.combined_before, first.combined_before);
    }

    #[test]
    fn a_scored_modality_keeps_its_evidence_whatever_happened_since(
        history in history(6), session in session_of(20.0..80.0_f64), other in any_person(),
        worse in 0.0..20.0_f64,
    ) {
        let model = model(&[]);
        let person = experienced(&model, &history);
        let early = without(&session, [false, false, true, true]);
        let first = score(&model, &person, &early, None);
        let mut later = after_first(&model, &person, &early, &first);
        later.calibrations = other.calibrations;
        later.outcomes = Outcomes { n: 20.0, worse, ..Outcomes::default() };
        let refreshed = score(&model, &later, &session, Some(&kept(&model, &first, true)));
        for m in 0..2 {
            if first.raw[m].is_some() {
                prop_assert_eq!(refreshed.raw[m], first.raw[m]);
                prop_assert_eq!(refreshed.p_worse[m], first.p_worse[m]);
            }
        }
        for (before, after) in first.feature_z.iter().zip(&refreshed.feature_z) {
            prop_assert!(before.is_none() || before == after);
        }
        crate::assert_identity(&refreshed);
    }
}

#[test]
fn equal_contributions_keep_their_order_when_a_modality_joins() {
    let model = model(&[]);
    // Equal values against equal baselines: the two text features of equal |weight| tie.
    let session = crate::full_session(0, 60.0);
    let person = Person::unknown(&model);
    let early = without(&session, [false, true, true, true]);
    let first = score(&model, &person, &early, None);
    let between = after_first(&model, &person, &early, &first);
    let refreshed = score(
        &model,
        &between,
        &session,
        Some(&kept(&model, &first, true)),
    );
    assert_eq!(
        refreshed.drivers,
        score(&model, &person, &session, None).drivers
    );
}

#[test]
fn stored_rows_that_do_not_fit_the_model_are_errors() {
    let model = model(&[]);
    let session = crate::full_session(0, 60.0);
    let first = score(&model, &Person::unknown(&model), &session, None);
    let drivers = stored(&first.drivers);
    let row = Stored {
        drivers: &drivers,
        feature_z: &first.feature_z,
        personal: &first.personal,
        raw: first.raw,
        learnt: first.learnt,
        combined_before: first.combined_before,
        combined_learnt: true,
        newest: true,
    };
    assert!(Kept::from_stored(&model, row).is_ok());

    let mut missing_z = first.feature_z.clone();
    missing_z[1] = None;
    let mut wild_z = first.feature_z.clone();
    wild_z[1] = Some(1e9);
    for feature_z in [&missing_z[..], &wild_z[..], &first.feature_z[1..]] {
        assert!(Kept::from_stored(&model, Stored { feature_z, ..row }).is_err());
    }
    for (pointer, value) in [
        ("/modalities/audio", serde_json::json!(null)),
        ("/modalities/audio/reliability", serde_json::json!(7)),
        ("/modalities/audio/variance", serde_json::json!(-1)),
        ("/modalities/audio/a", serde_json::json!("x")),
        ("/items", serde_json::json!(null)),
    ] {
        let mut altered = drivers.clone();
        *altered.pointer_mut(pointer).unwrap() = value;
        let error = Kept::from_stored(
            &model,
            Stored {
                drivers: &altered,
                ..row
            },
        );
        assert!(error.is_err(), "{pointer}");
    }
}
