//! What else holds of streams that another target carries on.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use super::common::http::{Connection, post};
use super::common::upstream::{SSE_HEAD, Upstream, chunk};
use super::common::{Gateway, PATIENCE, config};
use super::face::Ask;
use super::row::{ACROSS, Pair, SAME};
use super::{Stage, all, to};

const CONTINUE: &str = "on_stream_failure: continue";
const RESTART: &str = "on_stream_failure: restart";

/// Scenario: a stream with a limit on its tokens is cut, and the next target goes on from what was delivered.
/// Guarantees: that one is asked for what is left of the limit, at least one token; where it is asked for all of it again,
/// the limit is the client's.
#[test]
fn a_continuation_has_what_is_left_of_the_limit() {
    let mut stage = Stage::new();
    let goes_on = |kind: &str| matches!(kind, "anthropic" | "google-gemini" | "mistral-ai");
    let mut cases = Vec::new();
    for Pair(face, first, second) in SAME.into_iter().chain(ACROSS) {
        for rule in [CONTINUE, RESTART] {
            let targets = [to(first, "tokens=60,gap=2,cut@40", ""), to(second, "tokens=60", "")];
            cases.push((face, goes_on(second) && rule == CONTINUE, stage.rule(rule, &targets)));
        }
    }
    let live = stage.start("io_uring", "");
    all(&cases, |(face, goes_on, rule), failures| {
        let ask = Ask { stream: true, max_tokens: Some(400), ..Ask::default() };
        let told = live.ask_with(*face, &rule.model, &ask, "");
        let what = format!("{face:?} {:?} {}", rule.targets, told.said.body.len());
        failures.holds(&format!("{what} whole"), told.said.ended && told.said.error.is_none());
        let call = live.seen(&rule.targets[1]).calls.pop().unwrap_or_default();
        let names = ["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens"];
        let of = |at: &Value| names.iter().find_map(|name| at.get(*name)?.as_u64());
        let limit = of(&call["body"]).or_else(|| of(&call["body"]["generationConfig"])).unwrap_or_default();
        match goes_on {
            // Forty words are at least as many tokens.
            true => failures.holds(&format!("{what} a limit of {limit}"), (1..=360).contains(&limit)),
            false => failures.check(&what, limit, 400),
        }
    });
}

/// A chat stream's event with one choice's delta.
fn event(choice: u32, delta: Value, finish: Value) -> String {
    let one = json!({"index": choice, "delta": delta, "finish_reason": finish});
    let data = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [one]});
    format!("data: {data}\n\n")
}

fn says(choice: u32, text: &str) -> String {
    event(choice, json!({"content": text}), Value::Null)
}

fn ends(choice: u32) -> String {
    event(choice, json!({}), json!("stop"))
}

/// One provider that says this and breaks off once the client has `seen` it, and one that says that. The client's answer,
/// and how often the second one was asked.
fn broken_off(n: u32, first: &[String], seen: &str, second: &[String]) -> (String, usize) {
    let (client_has_it, told) = channel::<()>();
    let (told, first, second) = (Mutex::new(told), first.concat(), second.concat());
    let breaks_off = Upstream::start(move |peer| {
        if peer.request().is_some() && peer.send(&[SSE_HEAD, &chunk(&first)].concat()) {
            let _ = told.lock().expect("nobody panicked").recv_timeout(PATIENCE);
        }
    });
    let whole = Upstream::always([SSE_HEAD, &chunk(&format!("{second}data: [DONE]\n\n")), b"0\r\n\r\n"].concat());
    let account = |name: &str, address: SocketAddr| {
        format!("---\ntype: provider-account/openai\nname: {name}\nbase_url: http://{address}/v1\n")
    };
    let rule = "---\ntype: gateway-load-balancing-config\nname: rules\nrules:\n  - id: r\n    type: priority-based-routing\n    \
                when: {models: [chat]}\n    on_stream_failure: restart\n    \
                load_balance_targets: [{target: a/m, priority: 0}, {target: b/m, priority: 1}]\n";
    let accounts = [account("a", breaks_off.address), account("b", whole.address)].concat();
    let gateway = Gateway::start("io_uring", &config(&format!("{accounts}{rule}")));
    let mut connection = Connection::open(gateway.address);
    let body = json!({"model": "chat", "stream": true, "n": n, "messages": [{"role": "user", "content": "say it"}]});
    connection.send(post("/v1/chat/completions", &body.to_string(), "connection: close\r\n").as_bytes());
    connection.wait_for(seen);
    client_has_it.send(()).expect("the provider waits for it");
    let answer = connection.response().text();
    (answer, whole.requests_so_far().len())
}

/// Scenario: an answer of two choices breaks off, one of them at its end, and the next target says both again, in other turns.
/// Guarantees: the client reads each choice whole, every word and the end once.
#[test]
fn both_choices_are_carried_on() {
    let first = [says(0, "It is"), says(1, "No, "), says(0, " so."), ends(0), says(1, "it ")];
    let second = [says(1, "No, it is "), says(1, "not."), ends(1), says(0, "It is so."), ends(0)];
    let (answer, asked) = broken_off(2, &first, "it ", &second);
    let mut texts = [String::new(), String::new()];
    let mut ended = [0, 0];
    let events = answer.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    for choice in events.flat_map(|event| event["choices"].as_array().cloned().unwrap_or_default()) {
        let at = usize::from(choice["index"] == 1);
        texts[at] += choice["delta"]["content"].as_str().unwrap_or_default();
        ended[at] += u32::from(choice["finish_reason"] == "stop");
    }
    assert_eq!((texts, ended), (["It is so.".to_owned(), "No, it is not.".to_owned()], [1, 1]), "{answer}");
    assert!(answer.ends_with("data: [DONE]\n\n") && asked == 1, "{answer}");
}

/// Scenario: a stream breaks off that has named one of its sources, and there is another target.
/// Guarantees: which sources are missing is not known, so it ends with an error event, and nobody else is asked.
#[test]
fn an_answer_with_sources_is_not_carried_on() {
    let source = json!({"type": "url_citation", "url_citation": {"url": "http://u", "start_index": 0, "end_index": 2}});
    let first = [says(0, "It is"), event(0, json!({"annotations": [source]}), Value::Null), says(0, " so")];
    let (answer, asked) = broken_off(1, &first, " so", &[says(0, "It is so."), ends(0)]);
    assert!(answer.contains("upstream_truncated") && !answer.contains("[DONE]") && asked == 0, "{answer}");
}
