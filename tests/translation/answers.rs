//! What the provider says, as the client hears it.

use serde_json::json;

use super::common::DRIVERS;
use super::common::http::{Connection, post};
use super::face::{arguments, stream};
use super::{Ask, Face, Failures, call, gateway, pairs};

/// Scenario: a question of each face goes to a provider of each kind, whole and as a stream.
/// Guarantees: the same text, the face's own word for the end, and the numbers the provider billed, in the answer and on
/// the record; a maximum cuts it short and says so.
#[test]
fn the_same_text_and_the_same_numbers() {
    for driver in DRIVERS {
        let gateway = gateway(driver, "");
        let mut failures = Failures::default();
        for ((face, account), streams) in pairs().flat_map(|pair| [(pair, false), (pair, true)]) {
            let what = format!("{driver} {face:?} {account} stream={streams}");
            let [whole, cut, _] = face.finishes();
            let said = call(&gateway, face, account, "text", &Ask { stream: streams, ..Ask::default() });
            failures.check(&format!("{what} {}", said.body), said.status, 200);
            failures.check(&what, said.text.as_str(), "The gate opens and the");
            failures.check(&what, said.finish.as_str(), whole);
            let content_type = if streams { "text/event-stream" } else { "application/json" };
            failures.check(&what, said.content_type.split(';').next(), Some(content_type));
            failures.check(&what, said.ended, true);
            // Embedded completions have no word for what was cached.
            let usage = said.usage.map(|(input, cached, output)| (input, cached.max(40), output));
            failures.check(&what, usage, Some((100, 40, 5)));
            if said.status == 200 {
                let row = gateway.row(&said.request_id);
                let usage = &row["usage"];
                let numbers = [&usage["input_tokens"], &usage["cache_read_tokens"], &usage["output_tokens"]];
                failures.check(&what, numbers, [&json!(100), &json!(40), &json!(5)]);
                failures.check(&what, (&usage["source"], &row["outcome"]), (&json!("reported"), &json!("served")));
            }
            let ask = Ask { stream: streams, max_tokens: Some(30), ..Ask::default() };
            let said = call(&gateway, face, account, "long", &ask);
            failures.check(&format!("{what} {}", said.body), (said.finish.as_str(), said.ended), (cut, true));
            failures.check(&what, said.text.split(' ').count(), 30);
        }
        failures.none();
    }
}

/// Scenario: the model calls two tools, one of them without arguments, after some words and without.
/// Guarantees: the names and the arguments arrive as they were made, escapes and all, and the end says that tools are called.
#[test]
fn calls_arrive_with_their_arguments() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    let conversing = pairs().filter(|(face, _)| face.converses());
    for ((face, account), streams) in conversing.flat_map(|pair| [(pair, false), (pair, true)]) {
        for model in ["call", "calls", "talk-call"] {
            let what = format!("{face:?} {account}/{model} stream={streams}");
            let said = call(&gateway, face, account, model, &Ask { stream: streams, tools: true, ..Ask::default() });
            let mut want = vec![("look".to_owned(), arguments()), ("pause".to_owned(), json!({}))];
            want.truncate(if model == "call" { 1 } else { 2 });
            failures.check(&format!("{what} {}", said.body), said.calls, want);
            failures.check(&what, (said.finish.as_str(), said.ended), (face.finishes()[2], true));
            // Cohere has words before calls as a plan of its own.
            if model == "talk-call" && account != "cohere" {
                failures.check(&what, said.text.as_str(), "The gate opens");
            }
        }
    }
    failures.none();
}

/// Scenario: the model thinks before it answers and before it calls.
/// Guarantees: thoughts never mix with the text, and arrive whole. (Mistral's own way of showing them reaches a chat client as
/// it came: that pair is one dialect.)
#[test]
fn thoughts_stay_thoughts() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    let pairs = pairs().filter(|pair| *pair != (Face::Chat, "mistral"));
    for ((face, account), streams) in pairs.flat_map(|pair| [(pair, false), (pair, true)]) {
        let what = format!("{face:?} {account} stream={streams}");
        let said = call(&gateway, face, account, "think", &Ask { stream: streams, ..Ask::default() });
        failures.check(&format!("{what} {}", said.body), said.text.as_str(), "The gate opens");
        failures.check(&what, said.usage.map(|(_, _, output)| output), Some(7));
        if face.converses() {
            failures.check(&format!("{what} {}", said.body), said.thoughts.as_str(), "First look at the");
            let said =
                call(&gateway, face, account, "think-call", &Ask { stream: streams, tools: true, ..Ask::default() });
            failures.check(&what, said.calls.len(), 1);
            failures.check(&what, said.thoughts.as_str(), "First look at the");
        }
    }
    failures.none();
}

/// Scenario: the provider sends its answer a byte at a time.
/// Guarantees: wherever it is cut, the same is made of it.
#[test]
fn any_cut_of_the_bytes_gives_the_same() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for ((face, account), streams) in pairs().flat_map(|pair| [(pair, false), (pair, true)]) {
        let what = format!("{face:?} {account} stream={streams}");
        let said = call(&gateway, face, account, "drip", &Ask { stream: streams, ..Ask::default() });
        failures.check(&format!("{what} {}", said.body), said.text.as_str(), "The gate opens and the");
        failures.check(&what, said.usage.map(|(input, _, output)| (input, output)), Some((100, 5)));
        if face.converses() {
            let ask = Ask { stream: streams, tools: true, ..Ask::default() };
            let said = call(&gateway, face, account, "drip-calls", &ask);
            let want = vec![("look".to_owned(), arguments()), ("pause".to_owned(), json!({}))];
            failures.check(&format!("{what} {}", said.body), said.calls, want);
        }
    }
    failures.none();
}

/// Scenario: many clients ask at once, each by another face of another provider for another thing.
/// Guarantees: everyone gets their own answer.
#[test]
fn answers_made_at_the_same_time_do_not_mix() {
    for driver in DRIVERS {
        let gateway = gateway(driver, "");
        let ask = |streams| Ask { stream: streams, tools: true, ..Ask::default() };
        std::thread::scope(|scope| {
            for (face, account) in pairs().filter(|(face, _)| face.converses()) {
                let gateway = &gateway;
                scope.spawn(move || {
                    for turn in 0..8 {
                        let said = call(gateway, face, account, "talk-call", &ask(turn % 2 == 0));
                        assert_eq!(said.calls.len(), 2, "{face:?} {account} {}", said.body);
                        assert_eq!(said.calls[0].1, arguments(), "{face:?} {account}");
                        let said = call(gateway, face, account, "text", &ask(turn % 2 == 1));
                        assert_eq!(said.text, "The gate opens and the", "{face:?} {account}");
                    }
                });
            }
        });
    }
}

/// Scenario: the client leaves in the middle of a stream.
/// Guarantees: the provider is left as well, and the record says who went, with what was delivered.
#[test]
fn a_client_that_leaves_is_recorded_as_gone() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for (number, (face, account)) in pairs().enumerate() {
        let trace = format!("{:032x}", 1 + number);
        let field = format!("traceparent: 00-{trace}-00000000000000aa-01\r\n");
        let model = format!("{account}/slow");
        let mut connection = Connection::open(gateway.address);
        // Completions end after a few tokens unless told otherwise.
        let ask = Ask { max_tokens: Some(20_000), ..stream() };
        connection.send(post(&face.path(&model, true), &face.body(&model, &ask).to_string(), &field).as_bytes());
        connection.wait_for(" opens");
        drop(connection);
        let row = gateway.rows(&format!("trace_id={trace}"), 1).remove(0);
        let what = format!("{face:?} {account} {row}");
        failures.check(&what, row["outcome"].clone(), json!("cancelled"));
        let output = row["usage"]["output_tokens"].as_u64().unwrap_or(0);
        failures.check(&what, (2..19_000).contains(&output), true);
    }
    failures.none();
}

/// Scenario: the provider says nothing of usage.
/// Guarantees: the answer is whole all the same, and the record has numbers that were counted here.
#[test]
fn an_answer_without_usage_is_counted() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for ((face, account), streams) in pairs().flat_map(|pair| [(pair, false), (pair, true)]) {
        let what = format!("{face:?} {account} stream={streams}");
        let said = call(&gateway, face, account, "silent", &Ask { stream: streams, ..Ask::default() });
        failures.check(
            &format!("{what} {}", said.body),
            (said.text.as_str(), said.ended),
            ("The gate opens and", true),
        );
        let row = gateway.row(&said.request_id);
        failures.check(&what, row["usage"]["source"] == "reported", false);
        failures.check(&what, row["usage"]["output_tokens"].as_u64().unwrap_or(0) > 0, true);
    }
    failures.none();
}

/// Scenario: Google's client asks for a stream without `alt=sse`.
/// Guarantees: it gets one JSON array, whoever answers.
#[test]
fn googles_stream_without_events_is_an_array() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for (_, account) in pairs().filter(|(face, _)| *face == Face::Gemini) {
        let path = format!("/v1beta/models/{account}/text:streamGenerateContent");
        let body = Face::Gemini.body("", &stream()).to_string();
        let response = super::common::http::once(gateway.address, &path, &body);
        let parsed: Result<Vec<serde_json::Value>, _> = serde_json::from_slice(&response.body);
        let Ok(chunks) = parsed else {
            failures.check(account, response.text(), "an array".to_owned());
            continue;
        };
        let parts = |chunk: &serde_json::Value| {
            let parts = chunk["candidates"][0]["content"]["parts"].as_array().cloned().unwrap_or_default();
            parts.iter().filter_map(|part| part["text"].as_str().map(str::to_owned)).collect::<String>()
        };
        let text: String = chunks.iter().map(parts).collect();
        failures.check(account, text.as_str(), "The gate opens and the");
        let last = chunks.last().map(|last| last["candidates"][0]["finishReason"].clone());
        failures.check(account, last, Some(json!("STOP")));
    }
    failures.none();
}
