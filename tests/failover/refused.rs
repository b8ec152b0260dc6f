//! Failures that another try does not mend: the client's own mistakes, what is too long, what a filter refuses, and
//! accounts without money.

use super::face::Face;
use super::row::{ACROSS, Pair, SAME, run};
use super::stage::Stage;
use super::{Client, Row, to};

const WHOLE: Client = Client::Whole;
const REFUSED: Client = Client::Error(400);

fn faces() -> Vec<Pair> {
    SAME.to_vec()
}

/// Scenario: a request is too long for its model, or refused by the provider's filter, or wrong; there is another target,
/// and retries are on.
/// Guarantees: the provider's 400 reaches the client; nobody else is asked, nobody twice.
#[test]
fn a_refusal_passes_by_default() {
    let keys = "retry_config: {attempts: 2, delay: 0}";
    let rows = ["400", "context_length"].map(|words| Row::two(words, keys, REFUSED, [1, 0]));
    run("io_uring", "", &rows, &[&faces()[..], &ACROSS[..2]].concat(), &[false, true]);
    // Google says so with a 200: translation/errors.rs.
    let filtered = [Row::two("content_filter", keys, REFUSED, [1, 0])];
    run("io_uring", "", &filtered, &[&faces()[..3], &ACROSS[..2]].concat(), &[false, true]);
}

/// Scenario: the rule lists the status of a prompt that is too long, or the failure by its name.
/// Guarantees: the larger model answers; the same target is never asked again, even where its retries list the status.
#[test]
fn a_larger_model_takes_what_is_too_long() {
    let rows = [
        Row::two("context_length", "fallback_status_codes: [\"400\"]", WHOLE, [1, 1]),
        Row::two("context_length", "fallback_status_codes: [\"503\", context_length]", WHOLE, [1, 1]),
        Row::two(
            "context_length,once",
            "retry_config: {attempts: 2, on_status_codes: [\"400\", context_length]}, fallback_status_codes: [\"400\"]",
            WHOLE,
            [1, 1],
        ),
    ];
    run("io_uring", "", &rows, &[&faces()[..], &ACROSS[..2]].concat(), &[false, true]);
    let alone = Row::alone(
        "context_length,once",
        "retry_config: {attempts: 2, on_status_codes: [\"400\", context_length]}",
        REFUSED,
        1,
    );
    run("io_uring", "", &[alone], &faces(), &[true]);
}

/// Scenario: a filter refuses, under lists that name its status, everything, or the filter itself.
/// Guarantees: another provider is asked for it only where the filter is named.
#[test]
fn a_filter_is_gone_around_by_name_only() {
    let rows = [
        Row::two("content_filter", "fallback_status_codes: [\"400\"]", REFUSED, [1, 0]),
        Row::two(
            "content_filter",
            "fallback_status_codes: [\"400\", \"403\", context_length, bad_request]",
            REFUSED,
            [1, 0],
        ),
        Row::two(
            "content_filter",
            "retry_config: {attempts: 2, on_status_codes: [\"400\", content_filter]}",
            REFUSED,
            [1, 0],
        ),
        Row::two("content_filter", "fallback_status_codes: [content_filter]", WHOLE, [1, 1]),
    ];
    run("io_uring", "", &rows, &[&faces()[..3], &ACROSS[..2]].concat(), &[false, true]);
}

/// Scenario: the lists of a candidate, and candidates that take nothing from others.
/// Guarantees: what is not listed is the client's; who takes no fallback gets none.
#[test]
fn lists_decide_by_status() {
    let rows = [
        Row::two("500", "retry_config: {attempts: 0}, fallback_status_codes: [\"503\"]", Client::Error(500), [1, 0]),
        Row::two("503", "retry_config: {attempts: 0}, fallback_status_codes: [\"503\"]", WHOLE, [1, 1]),
        Row::two("529", "retry_config: {attempts: 0}, fallback_status_codes: [\"503\"]", WHOLE, [1, 1]),
        Row::two("429", "retry_config: {attempts: 0}, fallback_status_codes: []", Client::Error(429), [1, 0]),
        Row::two("reset", "retry_config: {attempts: 0}, fallback_status_codes: [\"503\"]", WHOLE, [1, 1]),
        Row::two("status=418", "retry_config: {attempts: 0}", Client::Error(418), [1, 0]),
    ];
    run("io_uring", "", &rows, &[Pair(Face::Chat, "openai", "openai")], &[false, true]);
    let mut stage = Stage::new();
    let targets =
        [to("openai", "503", "retry_config: {attempts: 0}"), to("openai", "tokens=1", "fallback_candidate: false")];
    let two = stage.rule("", &targets);
    let three = stage.rule("", &[&targets[..], &[to("openai", "tokens=1", "")]].concat());
    let live = stage.start("io_uring", "");
    assert_eq!(live.ask(Face::Chat, &two.model, false).said.status, 503);
    assert_eq!(live.requests(&two.targets[1]), 0);
    let told = live.ask(Face::Chat, &three.model, false);
    assert_eq!((told.said.status, told.field("x-sluice-target")), (200, three.fqn(2).as_str()));
}

/// Scenario: an account's money is spent.
/// Guarantees: no second try there, and the requests after it do not go there either.
#[test]
fn an_account_without_money_is_left_alone() {
    let mut stage = Stage::new();
    let words = "tokens=3,insufficient_quota,once";
    let rules: Vec<_> = [("openai", Face::Chat), ("openai", Face::Responses)]
        .map(|(kind, face)| (face, stage.rule("", &[to(kind, words, ""), to(kind, "tokens=3", "")])))
        .into();
    let live = stage.start("io_uring", "");
    for (face, rule) in &rules {
        for _ in 0..3 {
            let told = live.ask(*face, &rule.model, true);
            assert_eq!(
                (told.said.ended, told.field("x-sluice-target")),
                (true, rule.fqn(1).as_str()),
                "{}",
                told.said.body
            );
        }
        assert_eq!(live.requests(&rule.targets[0]), 1, "{face:?}");
        let targets = live.gateway.admin("/api/v1/targets").json();
        let found = targets["targets"].as_array().expect("targets").iter().find(|one| one["target"] == rule.fqn(0));
        assert_eq!(found.expect("the target")["verdict"], "unhealthy", "{targets}");
    }
}
