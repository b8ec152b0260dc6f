//! A second target beside a first one that is late (`hedge`).

use super::face::Face;
use super::row::{ACROSS, Pair, SAME};
use super::stage::Stage;
use super::{all, to};

const AFTER: &str = "hedge: {after_ms: 150}";

/// Scenario: the first token is late, with the head or long after it, and the rule has a second target asked meanwhile.
/// Guarantees: the second's answer; the first's connection is dropped; both are in the record, the loser as such with what
/// it cost, and the request costs the sum.
#[test]
fn a_late_target_is_hedged_and_dropped() {
    for (stream, late) in [(true, "late=20000"), (true, "late=20000,head=0"), (false, "late=20000")] {
        // A gateway for each: hedges draw on the budget of retries.
        let mut stage = Stage::new();
        let pairs = SAME.into_iter().chain(ACROSS);
        let cases: Vec<_> = pairs
            .map(|Pair(face, first, second)| {
                let targets = [to(first, format!("tokens=9,{late}"), ""), to(second, "tokens=9,in=100", "")];
                (face, stage.rule(AFTER, &targets))
            })
            .collect();
        let live = stage.start("io_uring", "");
        all(&cases, |(face, rule), failures| {
            let told = live.ask(*face, &rule.model, stream);
            let row = live.row(&told);
            let what = format!("{face:?} stream={stream} {late} {row}");
            failures.check(&what, (told.said.status, told.said.ended), (200, true));
            failures.check(
                &what,
                (told.field("x-sluice-target"), told.field("x-sluice-attempts")),
                (&*rule.fqn(1), "2"),
            );
            live.gateway.until("the late one is dropped", |_| live.seen(&rule.targets[0]).hung_up == 1);
            let [lost, won] = [&row["attempts"][0], &row["attempts"][1]];
            failures.check(
                &what,
                (lost["target"].as_str(), lost["error"].as_str()),
                (Some(&*rule.fqn(0)), Some("hedge_lost")),
            );
            failures.check(
                &what,
                (won["target"].as_str(), won["reason"].as_str(), won["error"].as_str()),
                (Some(&*rule.fqn(1)), Some("hedge"), None),
            );
            let usd = |value: &serde_json::Value| value.as_f64().unwrap_or_default();
            failures.holds(&what, usd(&lost["cost_usd"]) > 0.0 && usd(&won["cost_usd"]) > 0.0);
            failures
                .holds(&what, (usd(&row["cost_usd"]) - usd(&lost["cost_usd"]) - usd(&won["cost_usd"])).abs() < 1e-9);
            failures.check(&what, row["usage"]["input_tokens"].as_u64(), Some(100));
        });
    }
}

/// Scenario: the second one fails, or both are late and the first comes first; or the first answers in time.
/// Guarantees: whoever answers first serves; a hedge that fails harms nobody; in time, nobody else is asked.
#[test]
fn whoever_answers_first_serves() {
    let mut stage = Stage::new();
    let cases = [
        ("late=700", "503", 0, 2),
        ("late=700", "reset", 0, 2),
        ("late=700", "late=20000", 0, 2),
        ("late=700,head=0", "late=20000,head=0", 0, 2),
        ("late=20000", "late=300", 1, 2),
        ("", "", 0, 1),
    ]
    .map(|(first, second, serves, attempts)| {
        let targets = [first, second].map(|words| {
            to("openai", format!("tokens=9,{words}").trim_end_matches(','), "retry_config: {attempts: 0}")
        });
        (stage.rule(AFTER, &targets), format!("{first} | {second}"), serves, attempts)
    });
    let live = stage.start("epoll", "");
    all(&cases, |(rule, what, serves, attempts), failures| {
        let told = live.ask(Face::Chat, &rule.model, true);
        let what = format!("{what}: {} {}", told.said.status, told.said.body);
        failures.check(&what, (told.said.ended, told.field("x-sluice-target")), (true, &*rule.fqn(*serves)));
        failures.check(&what, told.field("x-sluice-attempts"), &attempts.to_string());
        failures.check(&what, live.row(&told)["outcome"].as_str(), Some("served"));
    });
}

/// Scenario: both fail, and there is a third.
/// Guarantees: it is asked in its turn.
#[test]
fn a_third_target_is_for_when_both_fail() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let targets =
        [to("openai", "503,ttft=400", once), to("openai", "500,ttft=500", once), to("openai", "tokens=9", once)];
    let rule = stage.rule(AFTER, &targets);
    let live = stage.start("io_uring", "");
    let told = live.ask(Face::Chat, &rule.model, true);
    assert!(told.said.ended, "{} {}", told.said.status, told.said.body);
    assert_eq!((told.field("x-sluice-target"), told.field("x-sluice-attempts")), (&*rule.fqn(2), "3"));
}
