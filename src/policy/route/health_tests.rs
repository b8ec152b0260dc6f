//! What each rule does, one by one; what holds under any interleaving is in `health_property_tests`.

use super::*;
use crate::config::Codes;
use crate::telemetry::ErrorClass::*;

const T: u64 = 1_700_000_000_000;

fn ended(now_ms: u64, duration_ms: u64, error: Option<ErrorClass>) -> Ended {
    Ended { now_ms, duration_ms, error, status: if error.is_some() { 500 } else { 200 }, hint_ms: None }
}

fn until_ms(health: &Health) -> Option<u64> {
    match health.verdict() {
        Verdict::Healthy => None,
        Verdict::Unhealthy { until_ms, .. } => Some(until_ms),
    }
}

/// Made unhealthy at `now_ms`, for a second.
fn failed(now_ms: u64) -> Health {
    let mut health = Health::default();
    for _ in 0..2 {
        assert_eq!(health.observe(&ended(now_ms, 1, Some(Server)), None), None);
    }
    assert!(health.observe(&ended(now_ms, 1, Some(Server)), None).is_some());
    health
}

#[test]
fn three_failures_in_a_row_make_it_unhealthy() {
    let mut health = Health::default();
    for (at, error) in [(0, Some(Server)), (1, Some(Connect)), (2, None), (3, Some(Auth)), (4, Some(Truncated))] {
        assert_eq!(health.observe(&ended(T + at, 1, error), None), None);
    }
    // Neither here nor there.
    for class in [BadRequest, ContextLength, ContentFilter, ClientGone, ClientStalled, HedgeLost, Internal] {
        assert_eq!(health.observe(&ended(T + 5, 1, Some(class)), None), None);
    }
    let verdict = health.observe(&ended(T + 6, 1, Some(RateLimited)), None);
    let expected =
        Verdict::Unhealthy { since_ms: T + 6, until_ms: T + 1006, why: RateLimited, failures: 3, cooldowns: 1 };
    assert_eq!(verdict, Some(expected));
    assert!(!health.admits(T + 1005) && health.admits(T + 1006));
}

#[test]
fn failures_minutes_apart_are_not_a_row() {
    let mut health = Health::default();
    for at_s in [0, 100, 200, 319] {
        assert_eq!(health.observe(&ended(T + at_s * 1000, 1, Some(Server)), None), None, "{at_s}");
    }
    assert!(health.observe(&ended(T + 320_000, 1, Some(Server)), None).is_some());
}

#[test]
fn half_of_ten_attempts_within_ten_seconds_make_it_unhealthy() {
    let mut health = Health::default();
    for at in 0..9 {
        let error = (at % 2 == 0).then_some(Server);
        assert_eq!(health.observe(&ended(T + at * 1000, 1, error), None), None, "{at}");
    }
    assert!(health.observe(&ended(T + 8500, 1, Some(Server)), None).is_some());
    let mut slow = Health::default();
    for at in 0..40 {
        let error = (at % 2 == 0).then_some(Server);
        assert_eq!(slow.observe(&ended(T + at * 1200, 1, error), None), None, "{at}");
    }
}

#[test]
fn cool_downs_double_within_what_a_failure_costs() {
    for (duration_ms, cooldowns) in [
        (1, [1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000]),
        (1000, [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]),
        (60_000, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]),
    ] {
        let mut health = failed(T);
        let mut now_ms = T;
        for (at, cooldown_ms) in cooldowns.into_iter().enumerate() {
            assert_eq!(until_ms(&health), Some(now_ms + cooldown_ms), "{duration_ms} {at}");
            let begin_ms = now_ms + cooldown_ms;
            health.begin(begin_ms);
            now_ms = begin_ms + duration_ms;
            assert!(health.observe(&ended(now_ms, duration_ms, Some(Timeout)), None).is_some());
        }
        let shown = Verdict::Unhealthy {
            since_ms: T,
            until_ms: until_ms(&health).unwrap(),
            why: Timeout,
            failures: 11,
            cooldowns: 9,
        };
        assert_eq!(health.verdict(), shown);
    }
}

#[test]
fn one_trial_at_a_time_and_its_success_ends_it() {
    let mut health = failed(T);
    health.begin(T + 500);
    assert!(health.admits(T + 1000), "what goes there too early is no trial");
    health.begin(T + 1000);
    assert!(!health.admits(T + 1000) && !health.admits(T + 60_999));
    assert!(health.admits(T + 61_000), "a lost trial is not waited for");
    health.release(T + 999);
    assert!(!health.admits(T + 1001), "an older request's end is not the trial's");
    health.release(T + 1001);
    assert!(!health.admits(T + 1002), "nor is that of one that went there unadmitted");
    health.release(T + 1000);
    assert!(health.admits(T + 1001));
    health.begin(T + 1001);
    assert_eq!(health.observe(&ended(T + 1005, 4, Some(BadRequest)), None), None);
    assert!(health.admits(T + 1006), "a trial that says nothing is free again");
    health.begin(T + 1006);
    assert_eq!(health.observe(&ended(T + 1010, 4, None), None), Some(Verdict::Healthy));
    assert_eq!(health.observe(&ended(T + 1011, 1, Some(Server)), None), None, "counted from the beginning");
    assert_eq!(health.observe(&ended(T + 1012, 1, Some(Server)), None), None);
    assert!(health.observe(&ended(T + 1013, 1, Some(Server)), None).is_some());
    assert_eq!(until_ms(&health), Some(T + 2013), "the first step again");
}

#[test]
fn what_began_before_says_nothing_about_after() {
    let mut health = failed(T);
    assert_eq!(health.observe(&ended(T + 1500, 90_000, None), None), None, "a long stream ends well");
    assert_eq!(health.observe(&ended(T + 1500, 90_000, Some(Timeout)), None), None, "or not");
    health.begin(T + 2000);
    assert_eq!(health.observe(&ended(T + 2100, 100, None), None), Some(Verdict::Healthy));
    for at in 0..20 {
        assert_eq!(health.observe(&ended(T + 3000 + at, 10_000, Some(FirstByteTimeout)), None), None);
    }
}

#[test]
fn a_success_ends_it_even_where_nobody_was_to_be_sent() {
    let mut health = failed(T);
    health.begin(T + 10);
    assert_eq!(health.observe(&ended(T + 20, 10, None), None), Some(Verdict::Healthy));
}

#[test]
fn a_provider_is_left_alone_for_as_long_as_it_says() {
    for (class, hint_ms, cooldown_ms) in [
        (RateLimited, Some(2000), Some(2000)),
        (Overloaded, Some(2000), Some(2000)),
        (RateLimited, Some(7_200_000), Some(600_000)),
        (RateLimited, Some(0), None),
        (RateLimited, None, None),
        (Server, Some(2000), None),
        (QuotaExhausted, None, Some(300_000)),
        (QuotaExhausted, Some(2000), Some(300_000)),
        (QuotaExhausted, Some(400_000), Some(400_000)),
    ] {
        let mut health = Health::default();
        health.observe(&Ended { hint_ms, ..ended(T, 1, Some(class)) }, None);
        assert_eq!(until_ms(&health), cooldown_ms.map(|ms| T + ms), "{class:?} {hint_ms:?}");
    }
    let mut health = Health::default();
    let used_up = Ended { hint_ms: Some(3000), ..ended(T, 1, None) };
    let expected = Verdict::Unhealthy { since_ms: T, until_ms: T + 3000, why: RateLimited, failures: 0, cooldowns: 1 };
    assert_eq!(health.observe(&used_up, None), Some(expected));
    assert_eq!(
        health.observe(&Ended { now_ms: T + 999, duration_ms: 1500, ..used_up }, None),
        None,
        "no message for a moment more"
    );
    assert!(health.observe(&Ended { now_ms: T + 1000, duration_ms: 1500, ..used_up }, None).is_some());
}

#[test]
fn tolerated_failures_are_counted_by_the_minute() {
    let on = Codes::Listed { statuses: vec![429, 500], classes: vec![] };
    let rule = FailureTolerance { allowed_failures_per_minute: 4, cooldown_ms: 300_000, on };
    let mut health = Health::default();
    for at_s in [0, 20, 40, 59] {
        assert_eq!(health.observe(&ended(T + at_s * 1000, 1, Some(Server)), Some(&rule)), None, "{at_s}");
    }
    assert_eq!(health.observe(&ended(T + 60_000, 1, Some(Server)), Some(&rule)), None, "the first is a minute old");
    assert!(health.observe(&ended(T + 61_000, 1, Some(Server)), Some(&rule)).is_some());
    assert_eq!(until_ms(&health), Some(T + 361_000));

    let mut health = Health::default();
    for at in 0..3 {
        health.observe(&Ended { status: 0, ..ended(T + at, 1, Some(Connect)) }, Some(&rule));
    }
    assert_eq!(until_ms(&health), Some(T + 1002), "what is not listed is counted as ever");
}

#[test]
fn other_shards_are_believed() {
    let unhealthy =
        |since_ms, until_ms| Verdict::Unhealthy { since_ms, until_ms, why: Connect, failures: 3, cooldowns: 3 };
    let mut health = Health::default();
    health.apply(unhealthy(T, T + 4000));
    assert!(!health.admits(T + 3999) && health.admits(T + 4000));
    health.apply(unhealthy(T, T + 2000));
    assert_eq!(until_ms(&health), Some(T + 4000), "not shortened");
    health.begin(T + 4000);
    health.apply(unhealthy(T + 4001, T + 9000));
    assert!(!health.admits(T + 8000));
    assert_eq!(health.observe(&ended(T + 4500, 500, None), None), Some(Verdict::Healthy), "the trial still counts");
    let mut health = failed(T);
    health.apply(Verdict::Healthy);
    assert!(health.admits(T) && health.verdict() == Verdict::Healthy);
    assert_eq!(health.observe(&ended(T + 1, 1, None), None), None, "nothing new");
}

#[test]
fn a_region_is_judged_by_its_network() {
    let mut health = Health::default();
    for at in 0..4 {
        assert_eq!(health.observe_region(&ended(T + at, 1, Some(Connect))), None);
        for class in [Server, Timeout, ClientGone, Truncated] {
            assert_eq!(health.observe_region(&ended(T + at, 1, Some(class))), None);
        }
    }
    assert!(health.observe_region(&ended(T + 5, 1, Some(Tls))).is_some());
    health.begin(T + 1005);
    let refused = Ended { status: 401, hint_ms: Some(5000), ..ended(T + 1010, 5, Some(Auth)) };
    assert_eq!(health.observe_region(&refused), Some(Verdict::Healthy), "someone is there");
    assert_eq!(health.observe_region(&Ended { hint_ms: Some(5000), ..ended(T + 1011, 1, None) }), None);
}

#[test]
fn a_clock_that_is_set_back_leaves_nothing_shut() {
    let mut health = failed(T + 3_600_000);
    assert!(health.admits(T));
    health.begin(T);
    assert!(!health.admits(T + 1));
    assert_eq!(health.observe(&ended(T + 5, 5, None), None), Some(Verdict::Healthy));
}

#[test]
fn a_trial_that_answers_and_then_breaks_off_was_none() {
    let mut health = failed(T);
    let mut now_ms = T;
    for cooldown_ms in [1000, 2000, 4000, 8000] {
        assert_eq!(until_ms(&health), Some(now_ms + cooldown_ms));
        let began_ms = now_ms + cooldown_ms;
        health.begin(began_ms);
        assert_eq!(health.observe(&ended(began_ms + 10, 10, None), None), Some(Verdict::Healthy), "it answers");
        now_ms = began_ms + 1000;
        assert!(health.observe(&ended(now_ms, 1000, Some(Disconnected)), None).is_some(), "one failure is enough");
    }
    let shown = health.verdict();
    assert!(matches!(shown, Verdict::Unhealthy { since_ms: T, failures: 7, cooldowns: 5, .. }), "{shown:?}");

    // Another success in between, and it is a failure like any other.
    let began_ms = now_ms + 10_000;
    health.begin(began_ms);
    health.observe(&ended(began_ms + 10, 10, None), None);
    health.observe(&ended(began_ms + 20, 5, None), None);
    assert_eq!(health.observe(&ended(began_ms + 1000, 1000, Some(Disconnected)), None), None);

    // Unhealthy again for other reasons: what is left of an older trial shortens nothing.
    let mut health = failed(T);
    health.begin(T + 1000);
    health.observe(&ended(T + 1010, 10, None), None);
    let hint_ms = Some(60_000);
    health.observe(&Ended { hint_ms, ..ended(T + 1020, 5, Some(RateLimited)) }, None);
    assert_eq!(health.observe(&ended(T + 2000, 1000, Some(Disconnected)), None), None);
    assert_eq!(until_ms(&health), Some(T + 61_020));
}
