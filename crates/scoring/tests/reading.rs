//! Comparison, trends, patterns and correlations of a person's scores: what they say of people
//! without a change, and of people with one.

#[path = "random/mod.rs"]
mod random;

use mindmeasure_scoring::change::{decline, decline_limit, Watch, CUSUM_H};
use mindmeasure_scoring::comparison::compare;
use mindmeasure_scoring::history::{recent, HISTORY_SESSIONS};
use mindmeasure_scoring::numeric::logit;
use mindmeasure_scoring::person::BASELINE_SESSIONS;
use mindmeasure_scoring::trend::Direction;
use mindmeasure_scoring::trend_analysis::{analyse, Seen};
use mindmeasure_scoring::{Baseline, Mood, Past, TrendAnalysis};
use random::Random;

const DAY_US: i64 = 86_400_000_000;

/// Daily sessions with these scores and reports, the last one now.
fn daily(scores: &[f64], mood: impl Fn(usize) -> Option<Mood>) -> Vec<Past> {
    (0..scores.len())
        .map(|i| Past::new(i as i64 * DAY_US, Some(scored(scores[i])), mood(i)))
        .collect()
}

/// The departure of a score at an own rate of one half.
fn scored(score: f64) -> f64 {
    logit(1.0 - score / 100.0)
}

/// The reading of the last of them.
fn read(sessions: &[Past]) -> TrendAnalysis {
    let (now, earlier) = sessions.split_last().unwrap();
    let watch = sessions
        .iter()
        .filter_map(|past| past.departure)
        .fold(Watch::default(), |watch, departure| watch.next(-departure));
    analyse(&seen(earlier, now, BASELINE_SESSIONS), &watch)
}

/// With so many sessions before the earlier ones.
fn seen<'a>(earlier: &'a [Past], now: &'a Past, older: usize) -> Seen<'a> {
    let earlier = recent(earlier, now.at_us);
    let usable = earlier.iter().filter(|past| past.departure.is_some());
    Seen {
        earlier,
        now,
        before: older + usable.count(),
        own_logit: 0.0,
    }
}

fn noise(random: &mut Random, n: usize, sd: f64, slope_per_day: f64) -> Vec<f64> {
    (0..n)
        .map(|day| 70.0 + slope_per_day * day as f64 + sd * random.normal())
        .collect()
}

fn share(of: usize, hit: impl FnMut(usize) -> bool) -> f64 {
    (0..of).map(hit).filter(|hit| *hit).count() as f64 / of as f64
}

fn moods(random: &mut Random, n: usize) -> Vec<Mood> {
    let mut figure = || Some((5.5 + 1.8 * random.normal()).round().clamp(1.0, 10.0));
    (0..n)
        .map(|_| Mood {
            energy: figure(),
            stress: figure(),
            comfort: figure(),
            social: figure(),
            sleep: figure(),
        })
        .collect()
}

#[test]
fn people_without_a_change_are_told_of_none() {
    let mut random = Random::new(11);
    let people = 1000;
    let readings: Vec<TrendAnalysis> = (0..people)
        .map(|_| {
            let mood = moods(&mut random, 90);
            let scores = noise(&mut random, 90, 6.0, 0.0);
            read(&daily(&scores, |i| Some(mood[i])))
        })
        .collect();
    let rate = |hit: &dyn Fn(&TrendAnalysis) -> bool| share(people, |i| hit(&readings[i]));
    let stable = Direction::Stable.as_str();
    let rates = [
        ("short", rate(&|r| r.short_term != stable), 0.075),
        ("medium", rate(&|r| r.medium_term != stable), 0.07),
        ("long", rate(&|r| r.long_term != stable), 0.07),
        (
            "weekday",
            rate(&|r| r.patterns.iter().any(|p| p.starts_with("weekday"))),
            0.07,
        ),
        (
            "volatility",
            rate(&|r| r.patterns.iter().any(|p| p.starts_with("volatility"))),
            0.04,
        ),
        (
            "factors",
            rate(&|r| r.correlations.iter().any(|f| f.confidence > 0.95)),
            0.07,
        ),
    ];
    println!("people without a change: {rates:?}");
    for (what, rate, at_most) in rates {
        assert!(rate <= at_most, "{what}: {rate}");
    }
}

#[test]
fn a_point_a_week_over_ninety_days_is_found() {
    let mut random = Random::new(12);
    let people = 300;
    let (mut long, mut medium) = (0, 0);
    for _ in 0..people {
        let reading = read(&daily(&noise(&mut random, 90, 6.0, -1.0 / 7.0), |_| None));
        long += usize::from(reading.long_term == Direction::Declining.as_str());
        medium += usize::from(reading.medium_term == Direction::Declining.as_str());
    }
    println!("a point a week: found by 90 days {long}, by 30 days {medium} of {people}");
    assert!(long * 100 >= 95 * people, "{long}");
    // Thirty days are too short for it, as docs/scoring.md says.
    assert!(medium * 100 <= 40 * people, "{medium}");
}

#[test]
fn the_watch_is_the_cusum_of_the_whole_history() {
    let mut random = Random::new(13);
    let scores = noise(&mut random, 200, 6.0, -0.1);
    let mut watch = Watch::default();
    for (i, score) in scores.iter().enumerate() {
        watch = watch.next(*score);
        let whole = decline(&scores[..=i]);
        let limit = decline_limit(&scores[..=i]);
        assert_eq!((watch.sum, watch.alarm(limit)), (whole.level, whole.alarm));
    }
}

/// Scores of neighbouring days that go together by r, with sd 6 and no change.
fn autocorrelated(random: &mut Random, n: usize, r: f64) -> Vec<f64> {
    let mut state = random.normal();
    (0..n)
        .map(|_| {
            let now = state;
            state = r * state + (1.0 - r * r).sqrt() * random.normal();
            70.0 + 6.0 * now
        })
        .collect()
}

#[test]
fn the_alarm_stays_silent_in_ninety_five_of_a_hundred_people() {
    let mut random = Random::new(14);
    for r in [0.0, 0.3, 0.5] {
        let alarmed = share(1000, |_| {
            let scores = autocorrelated(&mut random, 200, r);
            decline(&scores).first_alarm.is_some()
        });
        println!("alarms in 200 sessions with an autocorrelation of {r}: {alarmed}");
        assert!(alarmed <= 0.05, "{r}: {alarmed}");
    }
}

#[test]
fn a_lasting_fall_of_one_sd_raises_the_alarm() {
    let mut random = Random::new(16);
    for (r, least) in [(0.0, 0.9), (0.3, 0.75)] {
        let found = share(500, |_| {
            let mut scores = autocorrelated(&mut random, 200, r);
            scores[100..].iter_mut().for_each(|score| *score -= 6.0);
            decline(&scores).first_alarm.is_some_and(|at| at >= 100)
        });
        println!("a fall of one sd, autocorrelation {r}: found {found}");
        assert!(found >= least, "{r}: {found}");
    }
}

#[test]
fn a_decline_that_levels_off_keeps_its_alarm() {
    let mut random = Random::new(18);
    let raised = share(200, |_| {
        let scores: Vec<f64> = (0..60)
            .map(|day| 20.0 + 60.0 * (-f64::from(day) / 12.0).exp() + 6.0 * random.normal())
            .collect();
        decline(&scores).alarm
    });
    assert!(raised >= 0.9, "{raised}");
}

#[test]
fn the_limit_rises_with_what_neighbouring_scores_have_in_common() {
    assert_eq!(decline_limit(&[]), CUSUM_H);
    assert_eq!(decline_limit(&[70.0; 50]), CUSUM_H);
    // Up and down again: r is negative, which is no reason for a lower limit.
    let swinging: Vec<f64> = (0..50).map(|day| f64::from(60 + 10 * (day % 2))).collect();
    assert_eq!(decline_limit(&swinging), CUSUM_H);
    // A decline does not raise the limit of its own alarm.
    let falling: Vec<f64> = (0..90).map(|day| 70.0 - f64::from(day) / 7.0).collect();
    assert_eq!(decline_limit(&falling), CUSUM_H);
    let slow: Vec<f64> = (0..100)
        .map(|day| 70.0 + 6.0 * (f64::from(day) / 8.0).sin())
        .collect();
    assert!(
        (decline_limit(&slow) - CUSUM_H * 19.0).abs() < 1e-9,
        "r is 0.9 at most"
    );
    // Three days up, three days down: r = ⅓ but for the ends.
    let between: Vec<f64> = (0..300).map(|day| f64::from((day / 3) % 2)).collect();
    let limit = decline_limit(&between);
    assert!((limit - 2.0 * CUSUM_H).abs() < 1.0, "{limit}");
}

#[test]
fn a_bad_weekday_a_new_restlessness_and_a_factor_are_named() {
    let mut random = Random::new(15);
    let mood = moods(&mut random, 90);
    let scores: Vec<f64> = (0..90)
        .map(|day| {
            let stress = mood[day].stress.unwrap();
            // Day 0 was a Saturday, so Mondays are 2, 9, 16 ….
            let monday = if day % 7 == 2 { -9.0 } else { 0.0 };
            let sd = if day < 60 { 2.0 } else { 7.0 };
            70.0 + monday - 1.5 * (stress - 5.5) + sd * random.normal()
        })
        .collect();
    let reading = read(&daily(&scores, |i| Some(mood[i])));
    let [weekday, volatility] = &reading.patterns[..] else {
        panic!("{:?}", reading.patterns)
    };
    assert!(
        weekday.starts_with("weekday: lower by ") && weekday.contains("on Mondays"),
        "{weekday}"
    );
    assert!(
        volatility.starts_with("volatility: less steady"),
        "{volatility}"
    );
    let stress = reading
        .correlations
        .iter()
        .find(|f| f.factor == "stress_level")
        .unwrap();
    assert!(
        stress.correlation < -0.3 && stress.confidence > 0.95,
        "{stress:?}"
    );
    assert_eq!((stress.n, reading.correlations.len()), (90, 5));
}

#[test]
fn too_few_sessions_have_no_direction_and_no_correlation() {
    let mood = |i: usize| {
        Some(Mood {
            energy: Some(1.0 + i as f64),
            ..Mood::default()
        })
    };
    let three = read(&daily(&[10.0, 20.0, 30.0], mood));
    assert_eq!(three.long_term, "insufficient data");
    assert!(three.correlations.is_empty() && three.patterns.is_empty());
    assert_eq!(
        (three.windows.long_term.n, three.windows.long_term.p),
        (3, None)
    );
    let four = read(&daily(&[10.0, 20.0, 30.0, 39.0], mood));
    assert_eq!(four.correlations[0].factor, "energy_level");
    let five = read(&daily(&[10.0, 20.0, 30.0, 40.0, 49.0], mood));
    assert_eq!(
        (five.short_term, five.long_term),
        ("improving", "improving")
    );
}

/// The worked example of docs/scoring.md.
#[test]
fn five_sessions_by_hand() {
    let scores = [70.0, 66.0, 68.0, 60.0, 55.0];
    let reading = read(&daily(&scores, |_| None));
    let window = reading.windows.long_term;
    assert!((window.slope.unwrap() - (-3.75 - 11.0 / 3.0) / 2.0).abs() < 1e-12);
    assert!((window.p.unwrap() - 10.0 / 120.0).abs() < 1e-12);
    assert_eq!((reading.long_term, reading.alarm.sum), ("stable", 0.0));

    let before = Baseline {
        n: 4.0,
        mean: 66.0,
        m2: 56.0,
        sum_w2: 4.0,
        last_us: None,
    };
    let t = -11.0 / (f64::sqrt(56.0 / 3.0) * f64::sqrt(1.25));
    let compared = compare(Some(t), &before, Some((0, 3 * DAY_US)), 4 * DAY_US, &window);
    assert!((compared.deviation + 2.2772).abs() < 5e-5);
    assert!((compared.p.unwrap() - 0.1072).abs() < 5e-5);
    assert_eq!((compared.significance, compared.trend), ("low", "stable"));
    let period = compared.comparison_period;
    assert_eq!(
        (&*period.start_date, &*period.end_date, period.session_count),
        ("2000-01-01", "2000-01-04", 4)
    );
}

#[test]
fn a_session_that_measured_nothing_does_not_count() {
    let mut random = Random::new(16);
    let mut sessions = daily(&noise(&mut random, 40, 6.0, -0.8), |_| None);
    let before = read(&sessions);
    let just_before = sessions[39].at_us - DAY_US / 2;
    sessions.insert(39, Past::new(just_before, None, None));
    assert_eq!(read(&sessions), before);
}

#[test]
fn only_the_last_ninety_days_and_four_hundred_sessions_are_looked_at() {
    let at = |us| Past::new(us, Some(0.0), None);
    let history: Vec<Past> = (0..1000).map(|day| at(day * DAY_US)).collect();
    assert_eq!(
        recent(&history, 1000 * DAY_US).first().map(|p| p.at_us),
        Some(911 * DAY_US)
    );
    let dense: Vec<Past> = (0..1000).map(|hour| at(hour * DAY_US / 24)).collect();
    assert_eq!(recent(&dense, 1000 * DAY_US / 24).len(), HISTORY_SESSIONS);
    assert!(recent(&[], 0).is_empty());
}

/// Not a test of speed, which a shared machine has none of: run it with --release --nocapture.
#[test]
fn ninety_daily_sessions_take_this_long() {
    let mut random = Random::new(17);
    let mood = moods(&mut random, 400);
    let scores = noise(&mut random, 400, 6.0, 0.0);
    for n in [90, 400] {
        let sessions: Vec<Past> = (0..n)
            .map(|i| {
                Past::new(
                    i as i64 * 90 * DAY_US / n as i64,
                    Some(scored(scores[i])),
                    Some(mood[i]),
                )
            })
            .collect();
        let watch = Watch::default();
        let (now, earlier) = sessions.split_last().unwrap();
        let started = std::time::Instant::now();
        for _ in 0..20 {
            std::hint::black_box(analyse(&seen(earlier, now, BASELINE_SESSIONS), &watch));
        }
        println!("{n} sessions: {:?} a reading", started.elapsed() / 20);
    }
}
