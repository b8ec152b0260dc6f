//! The same target once more: when, how often, and not before the provider's own hint.

use super::face::{Ask, Face};
use super::row::{Pair, run};
use super::stage::{REFUSES, Stage};
use super::{Client, Failures, Row, to};

const CHAT: [Pair; 1] = [Pair(Face::Chat, "openai", "openai")];
const WHOLE: Client = Client::Whole;

/// Scenario: one target fails once or twice and then answers, by every class that may pass.
/// Guarantees: the client gets its answer; the provider sees as many requests as it took, and no more than the rule allows.
#[test]
fn what_passes_is_tried_again() {
    let rows = [
        Row::alone("500,once", "", WHOLE, 2),
        Row::alone("503,first=2", "", WHOLE, 3),
        Row::alone("429,once", "", WHOLE, 2),
        Row::alone("reset,once", "", WHOLE, 2),
        Row::alone("503,first=2", "retry_config: {attempts: 1}", Client::Error(503), 2),
    ];
    // Each on a gateway of its own: retries of all draw on one budget.
    run("io_uring", "", &rows, &CHAT, &[false]);
    run("epoll", "", &rows, &CHAT, &[true]);
}

/// Scenario: the same with a second target.
/// Guarantees: an error that says nothing of when to come back is tried again where it was; a connection that broke moves on.
#[test]
fn a_second_target_is_for_what_does_not_pass() {
    let rows = [
        Row::two("500,once", "", WHOLE, [2, 0]),
        Row::two("503", "", WHOLE, [3, 1]),
        Row::two("reset", "", WHOLE, [1, 1]),
        Row::two(REFUSES, "", WHOLE, [0, 1]),
    ];
    run("io_uring", "", &rows, &CHAT, &[false]);
    run("epoll", "", &rows, &CHAT, &[true]);
}

/// Scenario: nothing passes: a list names other failures, the provider says no, or the class can never get better.
/// Guarantees: one request, and the error as it is.
#[test]
fn what_does_not_pass_is_not_tried_again() {
    let rows = [
        Row::alone("500,once", "retry_config: {attempts: 2, on_status_codes: [\"429\"]}", Client::Error(500), 1),
        Row::alone("500,once", "retry_config: {attempts: 0}", Client::Error(500), 1),
        Row::alone("500,once,should_retry=false", "", Client::Error(500), 1),
        Row::alone("429,once,should_retry=false", "", Client::Error(429), 1),
        Row::alone("insufficient_quota,once", "", Client::Error(429), 1),
        Row::alone("400,once", "", Client::Error(400), 1),
        Row::alone("429,retry_after=60", "", Client::Error(429), 1),
        Row::two("500,once,should_retry=false", "", WHOLE, [1, 1]),
        Row::two("insufficient_quota,once", "retry_config: {attempts: 2, on_status_codes: [\"429\"]}", WHOLE, [1, 1]),
    ];
    run("io_uring", "", &rows, &CHAT, &[false, true]);
}

/// Scenario: a 429 says when to come back: in seconds, in milliseconds, as Google says it, or by when its limit is whole.
/// Guarantees: the same target is asked again, and not before that; the client gets its answer.
#[test]
fn a_hint_is_waited_for() {
    let hints = [
        (Face::Chat, "openai", "429,once,retry_after=2", 2000.0),
        (Face::Chat, "openai", "429,once,retry_after_ms=600", 600.0),
        (Face::Chat, "openai", "429,once,retry_after=5,retry_after_ms=500", 500.0),
        (Face::Chat, "openai", "429,once,remaining=0,reset_ms=500", 500.0),
        (Face::Messages, "anthropic", "429,once,retry_after=1", 1000.0),
        (Face::Gemini, "google-gemini", "429,once,retry_after=1", 1000.0),
        (Face::Responses, "openai", "503,once,retry_after_ms=400", 400.0),
    ];
    let mut stage = Stage::new();
    let list = "retry_config: {attempts: 1, on_status_codes: [\"429\", \"503\"]}";
    let rules: Vec<_> = hints
        .iter()
        .map(|(_, kind, words, _)| stage.rule("", &[to(kind, format!("tokens=3,{words}"), list)]))
        .collect();
    let live = stage.start("io_uring", "");
    let cases: Vec<_> = hints.iter().zip(&rules).collect();
    super::all(&cases, |((face, _, words, hint_ms), rule), failures| {
        let told = live.ask(*face, &rule.model, true);
        failures.check(words, (told.said.status, told.said.ended), (200, true));
        let times = live.seen(&rule.targets[0]).times_ms;
        failures.holds(&format!("{words}: {times:?}"), times.len() == 2 && times[1] - times[0] >= *hint_ms);
        let row = live.row(&told);
        failures.check(words, row["attempts"][1]["reason"].as_str().unwrap_or_default(), "retry");
    });
}

/// Scenario: a 429 says when to come back, the rule says nothing of it or lists other failures for retries, and there is
/// another target.
/// Guarantees: the other one answers at once; nobody waits for a hint while another is free.
#[test]
fn nobody_waits_while_another_is_free() {
    let other = "retry_config: {attempts: 2, on_status_codes: [\"500\"]}";
    let rows = [
        Row::two("429,retry_after=2", "", WHOLE, [1, 1]),
        Row::two("429,retry_after=60", "", WHOLE, [1, 1]),
        Row::two("429,retry_after=2", other, WHOLE, [1, 1]),
    ];
    run("io_uring", "", &rows, &CHAT, &[false, true]);
}

/// Scenario: a 429 says when to come back, the rule lists it for retries on the same target, and there is another one free.
/// Guarantees: what the rule says holds: the target is asked again, once the provider's time is over and not before (so the
/// provider's clock says, and the record), as often as the rule allows; only then, or where the time is longer than any
/// request waits, the other one answers.
#[test]
fn a_listed_failure_is_waited_for_though_another_is_free() {
    let list = |attempts: u32| format!("retry_config: {{attempts: {attempts}, on_status_codes: [\"429\"]}}");
    for (driver, face, kind) in [("io_uring", Face::Chat, "openai"), ("epoll", Face::Messages, "anthropic")] {
        let mut stage = Stage::new();
        let cases = [
            ("429,retry_after=1,once", list(2), 1000.0, [2, 0]),
            ("429,retry_after=1", list(1), 1000.0, [2, 1]),
            ("429,retry_after=11", list(2), 0.0, [1, 1]),
        ]
        .map(|(words, keys, hint_ms, calls)| {
            let targets = [to(kind, format!("tokens=3,{words}"), keys), to(kind, "tokens=3", "")];
            (words, hint_ms, calls, stage.rule("", &targets))
        });
        let live = stage.start(driver, "");
        super::all(&cases, |(words, hint_ms, calls, rule), failures| {
            let told = live.ask(face, &rule.model, true);
            let row = live.row(&told);
            let what = format!("{driver} {words} {row}");
            failures.check(&what, (told.said.ended, [0, 1].map(|at| live.requests(&rule.targets[at]))), (true, *calls));
            let times = live.seen(&rule.targets[0]).times_ms;
            failures.holds(&format!("{what} {times:?}"), times.windows(2).all(|two| two[1] - two[0] >= *hint_ms));
            for attempt in row["attempts"].as_array().expect("attempts").iter().skip(1) {
                let waited_ms = attempt["waited_ms"].as_f64().unwrap_or_default();
                // Up to a tenth more, so that not all come back at once.
                let again = attempt["reason"] == "retry" && (*hint_ms..=hint_ms * 1.1).contains(&waited_ms);
                failures.holds(&what, again || (attempt["reason"] == "fallback" && waited_ms == 0.0));
            }
        });
    }
}

/// Scenario: a provider sends `retry-after` with a 200.
/// Guarantees: it means nothing: the answer passes without it, and the next request goes there as well.
#[test]
fn a_hint_on_a_success_is_none() {
    let mut stage = Stage::new();
    let rule = stage.rule("", &[to("openai", "tokens=3,retry_after=20", ""), to("openai", "tokens=3", "")]);
    let live = stage.start("io_uring", "");
    for stream in [false, true, false] {
        let told = live.ask(Face::Chat, &rule.model, stream);
        assert!(told.said.ended, "{}", told.said.body);
        assert_eq!((told.field("x-sluice-target"), told.field("retry-after")), (rule.fqn(0).as_str(), ""));
    }
    assert_eq!((live.requests(&rule.targets[0]), live.requests(&rule.targets[1])), (3, 0));
}

/// Scenario: a request brings its own retry configuration, to a rule that has none and to a target without a rule.
/// Guarantees: it holds, for this request alone; what cannot be read is a 400.
#[test]
fn a_request_brings_its_own_retries() {
    let mut stage = Stage::new();
    let none = "retry_config: {attempts: 0}";
    let rule = stage.rule("", &[to("openai", "tokens=3,500,once", none)]);
    let direct = stage.targets(&[to("openai", "tokens=3,500,once", "")]);
    let unlisted = stage.rule("", &[to("openai", "tokens=3,500,once", "")]);
    let live = stage.start("io_uring", "");
    let with = |model: &str, value: &str| {
        live.ask_with(Face::Chat, model, &Ask::default(), &format!("x-tfy-retry-config: {value}\r\n")).said.status
    };
    let mut failures = Failures::default();
    let config = "{\"attempts\":1,\"onStatusCodes\":[500]}";
    failures.check("rule", (with(&rule.model, config), live.requests(&rule.targets[0])), (200, 2));
    failures.check("direct", (with(&direct.fqn(0), config), live.requests(&direct.targets[0])), (200, 2));
    let other = "{\"attempts\":1,\"onStatusCodes\":[503]}";
    failures.check("unlisted", (with(&unlisted.model, other), live.requests(&unlisted.targets[0])), (500, 1));
    for bad in ["{", "[]", "{\"attempts\":\"two\"}", "{\"attempts\":-1}"] {
        failures.check(bad, with(&rule.model, bad), 400);
    }
    failures.none();
}
