//! Streams that break off after the client got some of them, under a rule that says nothing about it or `error`.

use super::row::{ACROSS, SAME, run};
use super::{Client, Pair, Row};

const LIMITS: &str = "limits: {stream_idle_ms: 700}\n";
/// Nobody speaks JSON any more, or nobody speaks.
pub const FAULTS: [&str; 9] = [
    "cut@40",
    "rst@40",
    "stall@40",
    "end@40",
    "errevent@40",
    "badchunk@40",
    "badevent@10",
    "badtoken@10",
    "drip=40@40",
];

fn rows(rule: &'static str) -> Vec<Row> {
    FAULTS.iter().map(|words| Row::two(words, "", Client::Broken, [1, 0]).rule(rule)).collect()
}

fn pairs() -> Vec<Pair> {
    // What comes second is never asked.
    [&SAME[..], &ACROSS[..2]].concat()
}

/// Scenario: a stream is cut, reset, stalled, ended, broken in its framing, an error or no JSON any more after some of its
/// words, and the rule leaves it at that.
/// Guarantees: the client has the words so far, one error event in its dialect, nothing that looks like an end; no other
/// target is asked.
#[test]
fn a_stream_that_breaks_off_ends_with_an_error() {
    run("io_uring", LIMITS, &rows("on_stream_failure: error"), &pairs(), &[true]);
}

/// Scenario: the same under a rule that does not say, on the other driver.
/// Guarantees: the same.
#[test]
fn an_error_is_the_default() {
    run("epoll", LIMITS, &rows(""), &pairs(), &[true]);
}

/// Scenario: there is no other target to carry it on.
/// Guarantees: the same error; the target that failed is not asked again.
#[test]
fn with_one_target_there_is_no_rescue() {
    let alone = |words: &str, rule| Row::alone(words, "", Client::Broken, 1).rule(rule);
    let rows: Vec<Row> = ["on_stream_failure: continue", "on_stream_failure: restart"]
        .iter()
        .flat_map(|rule| ["cut@40,once", "errevent@40,once"].map(|words| alone(words, rule)))
        .collect();
    run("io_uring", LIMITS, &rows, &pairs(), &[true]);
}

/// Scenario: all is said, its reason to end as well, but for the terminator.
/// Guarantees: the answer is whole where the dialect says so by its reason; Responses say it by the terminator alone, and
/// there it broke off.
#[test]
fn a_missing_terminator_is_no_missing_answer() {
    let whole = Row::two("noterm", "", Client::Whole, [1, 0]);
    run("io_uring", LIMITS, &[whole], &[SAME[0], SAME[1], ACROSS[1]], &[true]);
    run("io_uring", LIMITS, &[Row::two("noterm", "", Client::Broken, [1, 0])], &SAME[2..3], &[true]);
}
