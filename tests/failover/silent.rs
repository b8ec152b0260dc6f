//! Targets that take too long, by each of the bounds there are.

use super::row::{ACROSS, SAME, run};
use super::stage::Stage;
use super::{Client, Failures, Row, to};
use crate::face::{Ask, Face, stream};

const WHOLE: Client = Client::Whole;

/// Scenario: the first token comes late, with the head or long after it, and the candidate has a bound for it; or the
/// whole answer is late and the candidate has a bound for that.
/// Guarantees: the other target's answer; the late one is not asked again.
#[test]
fn a_late_first_token_goes_to_the_next_target() {
    let late = [
        Row::two("late=20000", "ttft_timeout_ms: 300", WHOLE, [1, 1]),
        Row::two("late=20000,head=0", "ttft_timeout_ms: 300", WHOLE, [1, 1]),
        Row::two("late=20000,head=0", "ttft_timeout_ms: 300, fallback_status_codes: [\"503\"]", WHOLE, [1, 1]),
        Row::two("late=20000", "timeout_ms: 300", WHOLE, [1, 1]),
        Row::two("silence", "ttft_timeout_ms: 300", WHOLE, [1, 1]),
    ];
    run("io_uring", "", &late, &[&SAME[..], &ACROSS[..2]].concat(), &[true]);
    run("io_uring", "", &[Row::two("late=20000", "timeout_ms: 300", WHOLE, [1, 1])], &SAME, &[false]);
}

/// Scenario: the same without another target.
/// Guarantees: 504, and no second request to a provider that is silent.
#[test]
fn a_silent_provider_is_asked_once() {
    let alone = |words: &str, keys| Row::alone(words, keys, Client::Error(504), 1);
    let rows = [
        alone("silence", "retry_config: {attempts: 3, delay: 0}"),
        alone("stall@0", "retry_config: {attempts: 3, delay: 0}"),
        alone("late=20000,head=0", "ttft_timeout_ms: 300, retry_config: {attempts: 3, delay: 0}"),
    ];
    run("epoll", "limits: {upstream_first_byte_ms: 600, stream_idle_ms: 600}\n", &rows, &SAME, &[true]);
}

/// Scenario: bytes come one by one, for ever, and never make an event.
/// Guarantees: that is silence: the other target answers.
#[test]
fn a_drip_is_silence() {
    let rows = [Row::two("drip=40", "retry_config: {attempts: 0}", WHOLE, [1, 1])];
    run("io_uring", "limits: {stream_idle_ms: 600}\n", &rows, &[&SAME[..], &ACROSS[..2]].concat(), &[true]);
}

/// Scenario: the request itself bounds the first token, and each attempt, in its head.
/// Guarantees: the bound holds for this request alone, on a rule that has none.
#[test]
fn a_request_brings_its_own_bounds() {
    let mut stage = Stage::new();
    let fields = ["x-tfy-ttft-timeout-ms", "x-sluice-ttft-timeout-ms", "x-tfy-request-timeout"];
    let rules =
        fields.map(|_| stage.rule("", &[to("openai", "tokens=5,late=700,head=0", ""), to("openai", "tokens=5", "")]));
    let unbounded = stage.rule("", &[to("openai", "tokens=5,late=400,head=0", ""), to("openai", "tokens=5", "")]);
    let live = stage.start("io_uring", "");
    let mut failures = Failures::default();
    for (field, rule) in fields.iter().zip(&rules) {
        let told = live.ask_with(Face::Chat, &rule.model, &stream(), &format!("{field}: 200\r\n"));
        failures.check(field, (told.said.ended, told.field("x-sluice-target").to_owned()), (true, rule.fqn(1)));
        failures.check(field, told.field("x-sluice-attempts"), "2");
    }
    let told = live.ask(Face::Chat, &unbounded.model, true);
    failures.check("no bound", told.field("x-sluice-target").to_owned(), unbounded.fqn(0));
    for value in ["soon", "-1", ""] {
        let ask = Ask::default();
        let told = live.ask_with(Face::Chat, &unbounded.model, &ask, &format!("x-tfy-ttft-timeout-ms: {value}\r\n"));
        failures.check(&format!("{value:?} {}", told.said.body), told.said.status, 400);
    }
    failures.none();
}
