//! Failures of which the client sees nothing: no byte of an answer has reached it, and another target answers.

use super::row::{ACROSS, SAME, run};
use super::stage::REFUSES;
use super::{Client, Pair, Row};
use crate::face::Face;

/// Not tried again on the same target: that is again.rs's.
const NO_RETRY: &str = "retry_config: {attempts: 0}";
const LIMITS: &str = "limits: {upstream_first_byte_ms: 900, stream_idle_ms: 900}\n";
const CHAT: [Pair; 1] = [Pair(Face::Chat, "openai", "openai")];

fn moves(words: &[&str]) -> Vec<Row> {
    words.iter().map(|words| Row::two(words, NO_RETRY, Client::Whole, [1, 1])).collect()
}

/// Faults that a stream and a whole answer have alike.
const EITHER: [&str; 17] = [
    "429",
    "429,retry_after=2",
    "500",
    "502",
    "503",
    "529",
    "504",
    "status=408",
    "401",
    "403",
    "404",
    "insufficient_quota",
    "reset",
    "close",
    "silence",
    "cut-head",
    "rst-head",
];

/// Scenario: the first target answers with an error, breaks off before its head or behind it, or says nothing at all;
/// there is another one.
/// Guarantees: the other's answer, whole; each is asked once; whatever the first one's hints say, nobody waits.
#[test]
fn a_failure_before_the_answer_goes_to_the_next_target() {
    run("io_uring", LIMITS, &moves(&EITHER), &CHAT, &[false, true]);
}

/// Scenario: the same, streamed, in the other dialects and between two of them.
/// Guarantees: the same.
#[test]
fn it_goes_there_in_every_dialect() {
    let words = ["429,retry_after=2", "500", "529", "reset", "close", "silence", "cut-head"];
    run("epoll", LIMITS, &moves(&words), &[&SAME[1..], &ACROSS[..]].concat(), &[true]);
}

/// Scenario: nobody listens where the first target should be.
/// Guarantees: the other's answer, streamed or not, in every dialect and between two.
#[test]
fn a_refused_connection_goes_to_the_next_target() {
    let refused = Row::two(REFUSES, "", Client::Whole, [0, 1]);
    run("io_uring", "", &[refused], &[&SAME[..], &ACROSS[..]].concat(), &[false, true]);
}

/// Scenario: a 200 that is none: an error is its first event, or its first after those that open the stream; it ends,
/// cleanly or not, before it has said a word; its first word is no JSON.
/// Guarantees: nothing of it reaches the client; the other target's answer does, whole.
#[test]
fn a_200_that_says_nothing_is_a_failure() {
    let words =
        ["errevent-first", "empty", "end@0", "cut@0", "rst@0", "stall@0", "stall-head", "badtoken@0", "badevent@0"];
    run("io_uring", LIMITS, &moves(&words), &[&SAME[..], &ACROSS[..]].concat(), &[true]);
    // Gemini's streams have no opening events.
    let opened = &[&SAME[..3], &ACROSS[..4]].concat();
    run("io_uring", LIMITS, &moves(&["errevent@0"]), opened, &[true]);
}

/// Scenario: a whole answer that is not: cut in its middle, reset, shorter than its length says, cut JSON of sound length,
/// empty, or silent in its middle.
/// Guarantees: the client gets the other target's answer, in its own dialect and across.
#[test]
fn half_of_a_whole_answer_is_a_failure() {
    let words = ["cut@60", "rst@60", "stall@60", "shortlen", "cutlen", "empty"];
    run("io_uring", LIMITS, &moves(&words), &[&SAME[..], &ACROSS[..]].concat(), &[false]);
}

/// Scenario: the same failures where there is no other target.
/// Guarantees: an error with a status of its own, in the face's shape: never a 200.
#[test]
fn with_nowhere_to_go_it_is_an_error_and_no_200() {
    let alone = |words: &str, status| Row::alone(words, NO_RETRY, Client::Error(status), 1);
    let streams = [
        alone("empty", 502),
        alone("cut-head", 502),
        alone("cut@0", 502),
        alone("stall-head", 504),
        alone("silence", 504),
        alone("reset", 502),
        alone("badtoken@0", 502),
    ];
    run("epoll", LIMITS, &streams, &SAME, &[true]);
    let whole = [alone("empty", 502), alone("cut@60", 502), alone("shortlen", 502), alone("cutlen", 502)];
    run("epoll", LIMITS, &whole, &SAME, &[false]);
}

/// Scenario: an error event comes first in a 200 stream, and there is no other target.
/// Guarantees: the client gets the status that the error stands for, not the 200.
#[test]
fn an_error_event_first_becomes_a_status() {
    let overloaded = |words: &str, status| Row::alone(words, NO_RETRY, Client::Error(status), 1);
    let pairs = |face| SAME.into_iter().filter(move |pair| pair.0 == face).collect::<Vec<_>>();
    for (face, status) in [(Face::Chat, 502), (Face::Messages, 529), (Face::Responses, 502), (Face::Gemini, 503)] {
        let mut rows = vec![overloaded("errevent-first", status)];
        if face != Face::Gemini {
            rows.push(overloaded("errevent@0", status));
        }
        run("io_uring", "", &rows, &pairs(face), &[true]);
    }
}
