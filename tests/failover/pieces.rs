//! Streams that break off where an answer is not plain text: in the middle of thinking, of a call's arguments, between
//! them. No provider goes on from half of a call or of a thought, so what was asked to be gone on with is said again.

use serde_json::Value;

use super::face::{Ask, Face, arguments};
use super::row::{ACROSS, Pair, SAME};
use super::stage::{Live, Told};
use super::{Failures, Route, Stage, all, on_both, to};

/// Four words of thinking, three of text, then a call whose arguments come in pieces.
const ANSWER: &str = "gap=2,reasoning=4,calls=1,tokens=3";
const THOUGHTS: &str = "First look at the";
const TEXT: &str = "The gate opens";
/// After so many pieces: in the thinking, behind it, in the text, behind it, in the call and near its end.
const CUTS: [u32; 8] = [1, 3, 4, 6, 7, 8, 11, 15];
const RULES: [&str; 2] = ["on_stream_failure: restart", "on_stream_failure: continue"];

fn ask() -> Ask {
    Ask { stream: true, tools: true, ..Ask::default() }
}

fn is_whole(what: &str, told: &Told, failures: &mut Failures) {
    let said = &told.said;
    failures.check(what, (said.status, said.ended, said.error.as_deref()), (200, true, None));
    failures.check(what, (said.thoughts.as_str(), said.text.as_str()), (THOUGHTS, TEXT));
    failures.check(what, &said.calls, &vec![("look".to_owned(), arguments())]);
}

/// What the second target was asked, but for the name of its model.
fn asked(live: &Live, rule: &Route, at: usize) -> Value {
    let mut body = live.seen(&rule.targets[at]).calls.last().map(|call| call["body"].clone()).unwrap_or_default();
    if let Some(members) = body.as_object_mut() {
        members.remove("model");
    }
    body
}

/// Scenario: an answer that thinks, speaks and calls a tool is cut in each of its parts and between them; the rule wants it
/// said again, or gone on with.
/// Guarantees: the client gets each thought, each word and one call with whole arguments, once, and a proper end; the first
/// provider is asked once; the second once, with the conversation as the client sent it and no turn of the assistant's.
#[test]
fn thoughts_and_calls_are_said_again() {
    on_both(|driver| {
        let mode = if driver == "epoll" { RULES[0] } else { RULES[1] };
        let mut stage = Stage::new();
        let mut cases = Vec::new();
        for pair in SAME.into_iter().chain(ACROSS) {
            for cut in CUTS {
                let Pair(_, first, second) = pair;
                let targets = [to(first, format!("{ANSWER},cut@{cut}"), ""), to(second, ANSWER, "")];
                cases.push((pair, cut, stage.rule(mode, &targets)));
            }
        }
        let live = stage.start(driver, "");
        all(&cases, |(pair, cut, rule), failures| {
            let Pair(face, first, second) = *pair;
            let told = live.ask_with(face, &rule.model, &ask(), "");
            let what = format!("{driver} {pair:?} cut@{cut} {mode}\n    {}", told.said.body);
            is_whole(&what, &told, failures);
            failures.check(&what, [0, 1].map(|at| live.requests(&rule.targets[at])), [1, 1]);
            let role = live.seen(&rule.targets[1]).calls[0]["last_role"].clone();
            failures.check(&what, role.as_str(), Some("user"));
            if first == second {
                failures.check(&what, asked(&live, rule, 1), asked(&live, rule, 0));
            }
        });
    });
}

/// Scenario: the same, and what comes second thinks nothing, or never makes the call, or fails in its turn; or there is
/// nothing second; or the rule leaves it at that.
/// Guarantees: what the client has is not gone back on: a beginning of each, an error event of its dialect, no proper end.
#[test]
fn half_of_a_thought_or_call_ends_with_an_error() {
    let other = |words: &'static str| Some(words);
    let endings = [
        (RULES[0], other("gap=2,tokens=3"), 3, 1),
        (RULES[1], other("gap=2,reasoning=4,tokens=3"), 11, 1),
        (RULES[0], other("gap=2,reasoning=4,calls=1,tokens=3,cut@2"), 11, 1),
        (RULES[1], other("503"), 3, 1),
        (RULES[0], None, 11, 0),
        ("", other(ANSWER), 11, 0),
        ("", other(ANSWER), 3, 0),
    ];
    let mut stage = Stage::new();
    let mut cases = Vec::new();
    // A call of Gemini's is one piece.
    for Pair(face, first, second) in SAME.into_iter().chain(ACROSS).filter(|pair| pair.1 != "google-gemini") {
        for (mode, words, cut, seen_max) in endings {
            let mut targets = vec![to(first, format!("{ANSWER},cut@{cut}"), "")];
            targets.extend(words.map(|words| to(second, words, "")));
            let what = format!("{face:?} {first}:cut@{cut} -> {second}:{words:?} {mode}");
            cases.push((face, what, seen_max, stage.rule(mode, &targets)));
        }
    }
    let live = stage.start("io_uring", "");
    all(&cases, |(face, what, seen_max, rule), failures| {
        let told = live.ask_with(*face, &rule.model, &ask(), "");
        let said = &told.said;
        let what = format!("{what}\n    {}", said.body);
        failures.check(&what, (said.status, said.ended, said.error.is_some()), (200, false, true));
        failures.holds(&what, THOUGHTS.starts_with(&said.thoughts) && TEXT.starts_with(&said.text));
        failures.holds(&what, said.calls.iter().all(|(name, whole)| name == "look" && *whole != arguments()));
        let seen: Vec<u64> = rule.targets.iter().map(|target| live.requests(target)).collect();
        let as_must = seen[0] == 1 && seen.iter().skip(1).all(|seen| *seen == *seen_max);
        failures.holds(&format!("{what}\n   {seen:?} requests"), as_must);
    });
}

/// Scenario: a client that speaks messages thinks with a provider that signs its thoughts; the thinking is cut, or the
/// text behind it.
/// Guarantees: the block of thinking has one signature, its maker's, and each block is opened and closed once.
#[test]
fn a_thought_that_is_said_again_is_signed_once() {
    let mut stage = Stage::new();
    let cases = [2, 4, 5, 9].map(|cut| {
        let targets = [to("anthropic", format!("{ANSWER},cut@{cut}"), ""), to("anthropic", ANSWER, "")];
        (cut, stage.rule(RULES[0], &targets))
    });
    let live = stage.start("epoll", "");
    all(&cases, |(cut, rule), failures| {
        let told = live.ask_with(Face::Messages, &rule.model, &ask(), "");
        let what = format!("cut@{cut} {}", told.said.body);
        is_whole(&what, &told, failures);
        let count = |part: &str| told.said.body.matches(part).count();
        failures.check(&what, count("signature_delta"), 1);
        let opened = [count("event: content_block_start"), count("event: content_block_stop")];
        failures.check(&what, opened, [3, 3]);
        failures.check(&what, [count("event: message_start"), count("event: message_stop")], [1, 1]);
    });
}
