//! What goes wrong at the provider, as the client is told of it.

use serde_json::json;

use super::common::DRIVERS;
use super::{Ask, Face, Failures, call, gateway, pairs};

/// Scenario: the provider answers with an error, in its own words.
/// Guarantees: the client gets it in the shape of its face with the status of its class; the record keeps the class; what
/// the provider says of the gateway's own credentials is not shown.
#[test]
fn errors_keep_their_class_and_take_the_faces_shape() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    let cases = [
        ("e400", "bad_request", &[400_u16][..]),
        ("e401", "auth", &[502]),
        ("e429", "rate_limited", &[429]),
        ("quota", "quota_exhausted", &[429]),
        ("context", "context_length", &[400]),
        ("e500", "server_error", &[500, 502]),
        ("e503", "overloaded", &[503, 529]),
    ];
    for ((face, account), stream) in pairs().flat_map(|pair| [(pair, false), (pair, true)]) {
        for (model, class, statuses) in cases {
            // The wires of these two have no words of their own for it.
            if model == "quota" && matches!(account, "bedrock" | "cohere") {
                continue;
            }
            let said = call(&gateway, face, account, model, &Ask { stream, ..Ask::default() });
            let what = format!("{face:?} {account}/{model} stream={stream} {} {}", said.status, said.body);
            failures.check(&what, statuses.contains(&said.status), true);
            failures.check(&what, said.error.as_deref().is_some_and(|message| !message.is_empty()), true);
            failures.check(&what, gateway.row(&said.request_id)["attempts"][0]["error"].clone(), json!(class));
            if model == "e429" && !matches!(account, "gemini" | "vertex") {
                failures.check(&what, said.retry_after.as_str(), "7");
            }
            if model == "e401" {
                let shown = ["Incorrect API key", "invalid x-api-key", "security token", "invalid api token"];
                failures.check(&what, shown.iter().any(|words| said.body.contains(words)), false);
            }
        }
    }
    failures.none();
}

/// Scenario: the connection to the provider breaks in the middle of a stream, the stream ends before its end, or the
/// provider says in the middle that it failed.
/// Guarantees: the client has what came before, and nothing that looks like an end (P6); the record says what happened. Where
/// only the last word is missing, after the reason of the end, nothing of the answer is.
#[test]
fn a_broken_stream_never_looks_whole() {
    for driver in DRIVERS {
        let gateway = gateway(driver, "");
        let mut failures = Failures::default();
        for (face, account) in pairs() {
            for model in ["cut", "rst", "end", "noterm", "errevent"] {
                let said = call(&gateway, face, account, model, &Ask { stream: true, ..Ask::default() });
                let what = format!("{driver} {face:?} {account}/{model} {}", said.body);
                // These say why they end before they do.
                if model == "noterm" && !matches!(account, "responses" | "gemini" | "vertex" | "cohere") {
                    failures.check(&what, said.text.split(' ').count(), 9);
                    continue;
                }
                failures.check(&what, said.ended, false);
                let row = gateway.row(&said.request_id);
                failures.check(&what, row["attempts"][0]["error"].is_string(), true);
                failures.check(&what, said.text.starts_with("The gate opens and"), true);
                if model == "errevent" {
                    failures.check(&what, said.error.is_some(), true);
                } else {
                    failures.check(&what, row["outcome"].clone(), json!("truncated"));
                }
            }
        }
        failures.none();
    }
}

/// Scenario: an event in the middle is no JSON, or a frame's checksum is wrong.
/// Guarantees: a broken checksum ends the stream as broken; a broken event loses no more than itself.
#[test]
fn a_broken_event_is_not_taken_for_words() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for (face, account) in pairs() {
        let same = matches!(
            (face, account),
            (Face::Chat | Face::Completions, "chat" | "azure" | "mistral")
                | (Face::Responses, "responses")
                | (Face::Messages, "claude")
                | (Face::Gemini, "gemini" | "vertex")
        );
        if same {
            continue;
        }
        let said = call(&gateway, face, account, "badevent", &Ask { stream: true, ..Ask::default() });
        let what = format!("{face:?} {account} {}", said.body);
        failures.check(&what, said.text.starts_with("The gate opens and") && !said.text.contains("broken"), true);
        if account == "bedrock" {
            failures.check(&what, said.ended, false);
        }
    }
    failures.none();
}

/// Scenario: a whole answer is cut off in its middle.
/// Guarantees: no whole answer is made of it.
#[test]
fn half_an_answer_is_none() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for (face, account) in pairs() {
        for model in ["cut", "rst"] {
            let said = call(&gateway, face, account, model, &Ask::default());
            let what = format!("{face:?} {account}/{model} {} {}", said.status, said.body);
            failures.check(&what, said.ended, false);
            failures.check(&what, gateway.row(&said.request_id)["attempts"][0]["error"].is_string(), true);
        }
    }
    failures.none();
}

/// Scenario: the provider's filter refuses the prompt; Google says so in an answer without content.
/// Guarantees: the client is told that it was the filter, by an error or by the reason of the end, and never gets an empty
/// answer that ended well.
#[test]
fn a_filtered_prompt_is_told_as_such() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for ((face, account), stream) in pairs().flat_map(|pair| [(pair, false), (pair, true)]) {
        let said = call(&gateway, face, account, "filter", &Ask { stream, ..Ask::default() });
        let what = format!("{face:?} {account} stream={stream} {} {}", said.status, said.body);
        if said.status == 200 {
            let filtered = match face {
                Face::Chat | Face::Completions => said.finish == "content_filter",
                Face::Responses => said.finish == "incomplete" && said.body.contains("content_filter"),
                Face::Messages => said.finish == "refusal",
                Face::Gemini => said.body.contains("promptFeedback") || said.body.contains("\"SAFETY\""),
            };
            failures.check(&what, (filtered, said.text.as_str()), (true, ""));
        } else {
            failures.check(&what, said.status, 400);
            failures.check(&what, said.error.is_some(), true);
        }
    }
    failures.none();
}

/// Scenario: the provider falls silent in the middle of a stream.
/// Guarantees: after the bound the client is told in its own dialect, and nothing looks like an end.
#[test]
fn a_stalled_stream_ends_as_an_error() {
    let gateway = gateway("epoll", "limits: {stream_idle_ms: 600}\n");
    let all: Vec<_> = pairs().collect();
    let told = std::thread::scope(|scope| {
        let ask = Ask { stream: true, ..Ask::default() };
        let called = all.iter().map(|&(face, account)| {
            let (gateway, ask) = (&gateway, ask.clone());
            scope.spawn(move || call(gateway, face, account, "stall", &ask))
        });
        let called: Vec<_> = called.collect();
        called.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    let mut failures = Failures::default();
    for ((face, account), said) in all.into_iter().zip(told) {
        let what = format!("{face:?} {account} {}", said.body);
        failures.check(&what, said.text.as_str(), "The gate opens and");
        failures.check(&what, (said.ended, said.error.is_some()), (false, true));
        let row = gateway.row(&said.request_id);
        failures.check(&what, row["attempts"][0]["error"].clone(), json!("idle_timeout"));
    }
    failures.none();
}
