//! The fault matrix, against one configuration: two retries, a bound on silence, one fallback, streams that are carried on.
//! First the sixteen faults of the public Failover Bench in its own forms, then harder forms of them and six faults more.
//! Times are scaled down, but for the two seconds of S01. Each row says what the client must get and what each of the two
//! providers must have seen; `[3, 1]`: three requests and one.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::face::Face;
use super::stage::{Live, Route, Seen, Stage, Told, price};
use super::{Failures, on_both, to};

/// Of the first target.
const KEYS: &str = "retry_config: {attempts: 2, delay: 20, on_status_codes: [\"429\", \"500\", \"502\", \"503\"]}, ttft_timeout_ms: 800, \
     fallback_status_codes: [\"401\", \"403\", \"404\", \"429\", \"500\", \"502\", \"503\", context_length]";
const LIMITS: &str = "limits: {upstream_first_byte_ms: 800, stream_idle_ms: 800}\n";
const WORDS: u64 = 60;

struct Scene {
    /// What is shown.
    must: &'static str,
    first: &'static str,
    fallback: &'static str,
    requests: u64,
    stream: bool,
    /// The status where it is no whole answer.
    error: Option<u16>,
    calls: [RangeInclusive<u64>; 2],
    more: fn(&After, &mut Failures),
}

/// A row has been played.
struct After<'a> {
    what: String,
    live: &'a Live,
    rule: &'a Route,
    seen: [Seen; 2],
    row: Value,
    /// By an account that goes on from what the assistant said.
    carried_on: bool,
}

const fn scene(must: &'static str, first: &'static str, calls: [u64; 2]) -> Scene {
    let calls = [calls[0]..=calls[0], calls[1]..=calls[1]];
    Scene { must, first, fallback: "", requests: 1, stream: true, error: None, calls, more: |_, _| {} }
}

fn sixteen() -> Vec<Scene> {
    let s = scene;
    vec![
        Scene {
            more: |after, failures| after.waited(2000.0, failures),
            ..s("S01 429, retry-after 2, once. The answer; asked again after 2 s.", "429,once,retry_after=2", [2, 0])
        },
        s("S02 429 for good. The answer; two retries, then the other.", "429", [3, 1]),
        s("S03 500 once. The answer; asked again.", "500,once", [2, 0]),
        s("S04 503 for good. The answer; two retries, then the other.", "503", [3, 1]),
        s("S05 reset before the head, once. The answer; asked again.", "reset,once", [2, 0]),
        Scene {
            more: |after, failures| after.left(failures),
            ..s("S06 silence. The answer; never asked again, and left.", "silence", [1, 1])
        },
        Scene {
            more: |after, failures| after.left(failures),
            ..s("S07 first token after 20 s. The answer; not waited for, and left.", "late=20000,head=0", [1, 1])
        },
        Scene {
            more: |after, failures| after.continued(40, failures),
            ..s("S08 cut after 40 of 60 words. Each word once; the other says the rest.", "cut@40", [1, 1])
        },
        Scene {
            more: |after, failures| {
                after.left(failures);
                after.continued(40, failures);
            },
            ..s("S09 stall after 40. Each word once; left, the other says the rest.", "stall@40", [1, 1])
        },
        Scene {
            more: |after, failures| after.continued(10, failures),
            ..s("S10 the tenth event is no JSON. Each word once; the other says the rest.", "badtoken@10", [1, 1])
        },
        s("S11 no terminator. The answer with one; nobody else is asked.", "noterm", [1, 0]),
        s("S12 the prompt is too long. The answer; no retry, the other at once.", "context_length", [1, 1]),
        Scene {
            error: Some(400),
            ..s("S13 the filter refuses. A clean 400; nobody else is asked, nobody twice.", "content_filter", [1, 0])
        },
        Scene {
            fallback: ",no-prefill",
            calls: [1..=1, 1..=2],
            more: |after, failures| {
                let asked = if after.carried_on { 2 } else { 1 };
                failures.check(&after.what, after.seen[1].requests, asked);
                failures.check(
                    &after.what,
                    after.seen[1].calls.last().map(|call| call["tokens"].clone()),
                    Some(WORDS.into()),
                );
            },
            ..s("S14 cut, and prefill is refused. Each word once; the other is asked for all of it.", "cut@40", [1, 1])
        },
        Scene {
            more: |after, failures| after.is_the_fallbacks(failures),
            ..s("S16 accounting of a call that moved. Row, usage and cost are the fallback's.", "503", [3, 1])
        },
        Scene {
            requests: 40,
            // Three find it out and their retries; the rest is trials.
            calls: [1..=40, 1..=40],
            more: |after, failures| failures.holds(&after.what, after.seen[0].faulty <= 12),
            ..s("S15 flaps. All answers whole; few requests meet the fault.", "503,flap=300", [1, 1])
        },
    ]
}

fn more() -> Vec<Scene> {
    let s = scene;
    vec![
        Scene {
            more: |after, failures| after.waited(1000.0, failures),
            ..s("429 for good, retry-after 1. The answer; each retry after 1 s.", "429,retry_after=1", [3, 1])
        },
        s("429 for good, retry-after 60. The answer at once; not waited for.", "429,retry_after=60", [1, 1]),
        s("Reset before the head for good. The answer; two retries, then the other.", "reset", [3, 1]),
        s("200, an error event first. No 200 of the first; retries as its class says.", "errevent-first", [3, 1]),
        Scene {
            requests: 3,
            ..s("No money. The answers; one request, then the account is left alone.", "insufficient_quota", [1, 3])
        },
        Scene { requests: 3, ..s("retry-after on a 200. It means nothing.", "retry_after=20", [3, 0]) },
        s("200, closed with no event. The answer; retries as for a broken connection.", "empty", [3, 1]),
        s("Closed before the head. The same.", "close", [3, 1]),
        Scene {
            more: |after, failures| after.left(failures),
            ..s("A drip that makes no event. The answer; left, never asked again.", "drip=40", [1, 1])
        },
        Scene { stream: false, ..s("Content-Length too large. No half answer: the other's.", "shortlen", [3, 1]) },
        s("The same of a stream that says all and its end. The answer.", "shortlen", [1, 0]),
        Scene { stream: false, ..s("Content-Length too small. No half answer: the other's.", "cutlen", [3, 1]) },
    ]
}

impl Scene {
    fn check(&self, told: &Told, what: &str, whole: &str, failures: &mut Failures) {
        let said = &told.said;
        let what = format!("{what}\n    {} {}\n   ", said.status, said.body);
        match self.error {
            None => {
                failures.check(&what, (said.status, said.ended, said.error.as_deref()), (200, true, None));
                failures.check(&what, said.text.as_str(), whole);
                failures.check(&what, told.field("retry-after"), "");
            }
            Some(status) => failures.check(&what, (said.status, said.error.is_some()), (status, true)),
        }
    }
}

impl After<'_> {
    /// Before each retry, by the provider's clock and by the record.
    fn waited(&self, hint_ms: f64, failures: &mut Failures) {
        let times = &self.seen[0].times_ms;
        failures.holds(&format!("{} {times:?}", self.what), times.windows(2).all(|two| two[1] - two[0] >= hint_ms));
        let attempts = self.row["attempts"].as_array().expect("attempts");
        let mut retries = attempts.iter().filter(|attempt| attempt["reason"] == "retry");
        // Up to a tenth more, so that not all come back at once.
        let waited = |one: &Value| one["waited_ms"].as_f64().is_some_and(|ms| (hint_ms..=hint_ms * 1.1).contains(&ms));
        failures.holds(&format!("{} {}", self.what, self.row), attempts.len() > 1 && retries.all(waited));
    }

    /// The connection to the first one was closed.
    fn left(&self, failures: &mut Failures) {
        let target = &self.rule.targets[0];
        self.live.gateway.until("the first is left", |_| self.live.seen(target).hung_up == 1);
        failures.check(&self.what, self.live.seen(target).hung_up, 1);
    }

    /// The second one was asked for what was missing behind so many words, where its model goes on from a text.
    fn continued(&self, words: u64, failures: &mut Failures) {
        let call = self.seen[1].calls.last().cloned().unwrap_or_default();
        let (role, said) = if self.carried_on { ("assistant", WORDS - words) } else { ("user", WORDS) };
        failures.check(&self.what, (call["last_role"].as_str(), call["tokens"].as_u64()), (Some(role), Some(said)));
    }

    fn is_the_fallbacks(&self, failures: &mut Failures) {
        let row = &self.row;
        let usage = |key: &str| row["usage"][key].as_u64();
        failures.check(
            &format!("{} {row}", self.what),
            (row["model"].as_str(), usage("input_tokens"), usage("output_tokens")),
            (Some(&*self.rule.fqn(1)), Some(100), Some(WORDS)),
        );
        let (input, output) = price(1);
        let cost = (100.0 * input + WORDS as f64 * output) / 1000.0;
        let is_cost = row["cost_usd"].as_f64().is_some_and(|found| (found - cost).abs() < 1e-9);
        failures.holds(&format!("{} {row}", self.what), is_cost);
    }
}

/// Plays the scenes one after another; how many passed is said.
fn play(driver: &str, face: Face, [first, second]: [&'static str; 2], scenes: &[Scene]) {
    let mut stage = Stage::new();
    let rules: Vec<Route> = scenes
        .iter()
        .map(|scene| {
            // A row of many requests is about them, not about words.
            let gap = if scene.requests > 1 || !scene.stream { "gap=0" } else { "gap=2" };
            let words = |more: &str| format!("tokens={WORDS},{gap},in=100,{more}").trim_end_matches(',').to_owned();
            let targets =
                [to(first, words(scene.first), KEYS), to(second, words(scene.fallback.trim_matches(',')), "")];
            stage.rule("on_stream_failure: continue", &targets)
        })
        .collect();
    let plain = stage.rule("", &[to("openai", "tokens=60", "")]);
    let live = stage.start(driver, LIMITS);
    let whole = live.ask(Face::Chat, &plain.model, false).said.text;
    let ask = |(scene, rule): (&Scene, &Route)| -> Vec<Told> {
        (0..scene.requests).map(|_| live.ask(face, &rule.model, scene.stream)).collect()
    };
    // The first scene may wait for seconds.
    let (played_first, mut played) = std::thread::scope(|scope| {
        let first = scope.spawn(|| ask((&scenes[0], &rules[0])));
        let others: Vec<Vec<Told>> = scenes.iter().zip(&rules).skip(1).map(ask).collect();
        (first.join().expect("an answer"), others)
    });
    played.insert(0, played_first);
    let (mut failures, mut passed) = (Failures::default(), 0);
    for ((scene, rule), told) in scenes.iter().zip(&rules).zip(&played) {
        let before = failures.0.len();
        let what = format!("{driver} {face:?} {}", scene.must);
        told.iter().for_each(|told| scene.check(told, &what, &whole, &mut failures));
        let seen = [0, 1].map(|at| live.seen(&rule.targets[at]));
        for (seen, calls) in seen.iter().zip(&scene.calls) {
            let as_must = calls.contains(&seen.requests);
            failures.holds(&format!("{what} {} requests instead of {calls:?}", seen.requests), as_must);
        }
        let row = live.row(told.last().expect("a request"));
        let after = After { what, live: &live, rule, seen, row, carried_on: second == "anthropic" };
        (scene.more)(&after, &mut failures);
        passed += u32::from(failures.0.len() == before);
    }
    eprintln!("{driver} {face:?}: {passed} of {} pass", scenes.len());
    failures.none();
}

const CLIENTS: [(Face, [&str; 2]); 2] =
    [(Face::Chat, ["openai", "anthropic"]), (Face::Messages, ["anthropic", "openai"])];

/// Both clients on both drivers, beside each other.
fn play_all(scenes: fn() -> Vec<Scene>) {
    on_both(|driver| {
        std::thread::scope(|scope| {
            for (face, kinds) in CLIENTS {
                scope.spawn(move || play(driver, face, kinds, &scenes()));
            }
        });
    });
}

/// Scenario: the sixteen, by a client of chat completions and by one of messages, streamed; a fallback of the other dialect.
/// Guarantees: a whole answer, each word once; the filter's refusal as a clean error; the record is the fallback's where the
/// fallback answered; each provider has seen exactly what its row says.
#[test]
fn all_sixteen_pass() {
    play_all(sixteen);
}

/// Scenario: harder forms of the sixteen, and six faults more, by the same clients.
/// Guarantees: a whole answer, each word once; each provider has seen exactly what its row says.
#[test]
fn the_rest_of_the_matrix_passes() {
    play_all(more);
}
