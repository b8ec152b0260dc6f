//! A provider that is away for a while: served meanwhile, left alone meanwhile, and used again afterwards.

use super::common::PATIENCE;
use super::face::Face;
use super::stage::{Live, REFUSES, Route, Stage};
use super::{all, to};

/// Asks one after another until `enough`; every answer must be a whole one. The number of requests.
fn ask_until(live: &Live, rule: &Route, stream: bool, enough: impl Fn(&str) -> bool) -> u64 {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut asked = 0;
    loop {
        let told = live.ask(Face::Chat, &rule.model, stream);
        asked += 1;
        assert!(told.said.ended, "request {asked}: {} {}", told.said.status, told.said.body);
        if enough(told.field("x-sluice-target")) {
            return asked;
        }
        assert!(std::time::Instant::now() < deadline, "still at {}", told.field("x-sluice-target"));
    }
}

/// Scenario: the first target is away for a second and a half, by an error, a reset or silence, under steady traffic; then
/// it is back.
/// Guarantees: no client sees any of it; the dead target gets a handful of requests, not each; afterwards it is used again.
#[test]
fn an_outage_is_not_seen_by_clients() {
    let mut stage = Stage::new();
    let faults = ["503", "reset", "silence", "401"];
    let rules: Vec<(Route, bool)> = faults
        .iter()
        .enumerate()
        .map(|(at, words)| {
            let first = to("openai", format!("tokens=3,{words},down=1500"), "");
            // The answers' pace is the traffic's.
            (stage.rule("", &[first, to("openai", "tokens=3,ttft=10", "")]), at % 2 == 0)
        })
        .collect();
    let live = stage.start("io_uring", "limits: {upstream_first_byte_ms: 300}\n");
    all(&rules, |(rule, stream), failures| {
        let first = rule.fqn(0);
        let asked = ask_until(&live, rule, *stream, |target| target == first);
        let dead = live.seen(&rule.targets[0]).faulty;
        // Three to find it out, their retries, and a trial after each pause.
        failures.holds(&format!("{first}: {dead} of {asked} requests went to it while it was away"), dead <= 12);
        failures.holds(&format!("{first}: {asked} requests"), asked > 20);
        // And it stays.
        ask_until(&live, rule, *stream, |target| target == first);
        let targets = live.gateway.admin("/api/v1/targets").json();
        let found = targets["targets"].as_array().expect("targets").iter().find(|one| one["target"] == *first);
        failures.check(&first, found.map(|one| one["verdict"].clone()), Some("healthy".into()));
    });
}

/// Scenario: the only target fails for good, and many clients ask, with as many retries as may be configured.
/// Guarantees: the provider sees no more than a fifth above what was asked, and the few that are always allowed.
#[test]
fn an_outage_does_not_multiply_traffic() {
    const REQUESTS: u64 = 200;
    let mut stage = Stage::new();
    let keys = "retry_config: {attempts: 10, delay: 1}";
    let rules: Vec<Route> = ["500", "reset", "429"].map(|words| stage.rule("", &[to("openai", words, keys)])).into();
    let live = stage.start("io_uring", "");
    let clients: Vec<u64> = (0..REQUESTS).collect();
    all(&clients, |&number, failures| {
        let rule = &rules[number as usize % rules.len()];
        let told = live.ask(Face::Chat, &rule.model, false);
        failures.holds("an error", told.said.error.is_some());
    });
    let seen: u64 = rules.iter().map(|rule| live.requests(&rule.targets[0])).sum();
    // Time brings a retry per second as well.
    assert!(seen <= REQUESTS + REQUESTS / 5 + 10 + PATIENCE.as_secs(), "{seen} for {REQUESTS}");
    assert!(seen >= REQUESTS, "an unhealthy target is better than none: {seen}");
}

/// Scenario: a limit is used up, which a success says; another target is there.
/// Guarantees: until the limit is whole again requests go to the other one.
#[test]
fn a_limit_that_is_used_up_is_left_alone() {
    let mut stage = Stage::new();
    let used_up = "tokens=3,remaining=0,reset_ms=60000";
    let rules = [
        (Face::Chat, stage.rule("", &[to("openai", used_up, ""), to("openai", "tokens=3", "")])),
        (Face::Messages, stage.rule("", &[to("anthropic", used_up, ""), to("anthropic", "tokens=3", "")])),
    ];
    let live = stage.start("io_uring", "");
    for (face, rule) in &rules {
        for (at, stream) in [(0, false), (1, true), (1, false)] {
            let told = live.ask(*face, &rule.model, stream);
            assert_eq!((told.said.ended, told.field("x-sluice-target")), (true, rule.fqn(at).as_str()), "{face:?}");
        }
    }
}

/// Scenario: nobody listens at the first target, request after request.
/// Guarantees: after a few it is passed over, and the record says so.
#[test]
fn a_dead_target_is_passed_over() {
    let mut stage = Stage::new();
    let rule = stage.rule("", &[to("openai", REFUSES, ""), to("openai", "tokens=1", "")]);
    let live = stage.start("io_uring", "");
    let passed = |_: &str| {
        let rows = live.gateway.rows("limit=1", 1);
        rows[0]["attempts"].as_array().is_some_and(|attempts| attempts.len() == 1)
    };
    assert!(ask_until(&live, &rule, false, passed) <= 50);
    live.gateway.until("the target is shown as unhealthy", |gateway| {
        let targets = gateway.admin("/api/v1/targets").json();
        targets["targets"][0]["verdict"] != "healthy"
    });
}
