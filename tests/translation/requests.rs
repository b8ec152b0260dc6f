//! What the client asks, as the provider hears it: the simulated one says what it was shown.

use serde_json::{Value, json};

use super::common::providers::DROPPING;
use super::face::{arguments, tools};
use super::{ACCOUNTS, Ask, Face, Failures, call, gateway, pairs};

fn conversing() -> impl Iterator<Item = (Face, &'static str)> {
    pairs().filter(|(face, _)| face.converses())
}

/// Scenario: a system prompt, an image, the result of a call.
/// Guarantees: the provider was shown each of them.
#[test]
fn everything_in_a_conversation_is_carried_over() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for (face, account) in conversing() {
        let what = format!("{face:?} {account}");
        let said = call(&gateway, face, account, "system", &Ask { system: Some("Be brief"), ..Ask::default() });
        failures.check(&format!("{what} {}", said.body), said.text.as_str(), "system: Be brief. The");
        let said = call(&gateway, face, account, "word", &Ask { image: true, ..Ask::default() });
        failures.check(&format!("{what} {}", said.body), said.text.as_str(), "saw 1 image. The");
        let ask = Ask { tools: true, result: Some("fifteen degrees"), ..Ask::default() };
        let said = call(&gateway, face, account, "call", &ask);
        failures.check(&format!("{what} {}", said.body), said.text.starts_with("tool said: fifteen degrees. "), true);
        failures.check(&what, said.calls.len(), 0);
    }
    failures.none();
}

/// Scenario: the client wants a tool to be called: any, a certain one, none.
/// Guarantees: the provider does what was asked, where its API has a way to say it.
#[test]
fn the_choice_of_a_tool_is_carried_over() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    let choice = |face: Face, which: &str| match (face, which) {
        (Face::Messages, "any") => json!({"tool_choice": {"type": "any"}}),
        (Face::Messages, _) => json!({"tool_choice": {"type": "tool", "name": "pause"}}),
        (Face::Gemini, "any") => json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
        (Face::Gemini, _) => {
            json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["pause"]}}})
        }
        (_, "any") => json!({"tool_choice": "required"}),
        (Face::Responses, _) => json!({"tool_choice": {"type": "function", "name": "pause"}}),
        _ => json!({"tool_choice": {"type": "function", "function": {"name": "pause"}}}),
    };
    for (face, account) in conversing() {
        for (which, name) in [("any", "look"), ("named", "pause")] {
            let what = format!("{face:?} {account} {which}");
            let ask = Ask { tools: true, more: choice(face, which), ..Ask::default() };
            let said = call(&gateway, face, account, "word", &ask);
            // Cohere cannot name one; a gateway must not pretend.
            if account == "cohere" && which == "named" && said.status == 400 {
                failures.check(
                    &what,
                    said.error.unwrap_or_default().contains("tool_choice") || face == Face::Gemini,
                    true,
                );
                continue;
            }
            let called: Vec<&str> = said.calls.iter().map(|(name, _)| name.as_str()).collect();
            failures.check(&format!("{what} {}", said.body), called, vec![name]);
        }
    }
    failures.none();
}

/// Scenario: the client wants no tool called, or only one at a time.
/// Guarantees: the provider is told; where its API has no word for it the client is.
#[test]
fn fewer_calls_can_be_asked_for() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    let none = |face: Face| match face {
        Face::Messages => json!({"tool_choice": {"type": "none"}}),
        Face::Gemini => json!({"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}),
        _ => json!({"tool_choice": "none"}),
    };
    let one = |face: Face| match face {
        Face::Messages => json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        _ => json!({"parallel_tool_calls": false}),
    };
    for (face, account) in conversing() {
        let ask = |more: Value| Ask { tools: true, more, ..Ask::default() };
        let said = call(&gateway, face, account, "talk-call", &ask(none(face)));
        failures.check(
            &format!("{face:?} {account} none {}", said.body),
            (said.text.as_str(), said.calls.len()),
            ("The gate opens", 0),
        );
        if face == Face::Gemini {
            continue;
        }
        let said = call(&gateway, face, account, "calls", &ask(one(face)));
        let what = format!("{face:?} {account} one {} {}", said.status, said.body);
        if said.status == 400 {
            let named = said.error.unwrap_or_default();
            failures.check(&what, named.contains("parallel_tool"), true);
        } else {
            failures.check(&what, said.calls.len(), 1);
        }
    }
    failures.none();
}

/// Scenario: how the model is to choose its words.
/// Guarantees: the provider is asked for it by its own names, with the numbers as the client spelled them.
#[test]
fn what_is_asked_beside_the_conversation_is_carried_over() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for (face, account) in pairs() {
        let more = match face {
            Face::Gemini => json!({"generationConfig": {"temperature": 0.5, "topP": 0.25}}),
            _ => json!({"temperature": 0.5, "top_p": 0.25}),
        };
        let said = call(&gateway, face, account, "asked", &Ask { more, ..Ask::default() });
        let what = format!("{face:?} {account} {} {}", said.status, said.body);
        failures.check(&what, said.text.as_str(), "asked: temperature=0.5 top_p=0.25. The");
    }
    let accounts = [
        ("azure", "seed=7 presence=0.5 frequency=1"),
        ("gemini", "seed=7 presence=0.5 frequency=1"),
        ("vertex", "seed=7 presence=0.5 frequency=1"),
        ("cohere", "seed=7 presence=0.5 frequency=1"),
    ];
    for (account, want) in accounts {
        let more = json!({"seed": 7, "presence_penalty": 0.5, "frequency_penalty": 1});
        let said = call(&gateway, Face::Chat, account, "asked", &Ask { more, ..Ask::default() });
        failures.check(&format!("{account} {}", said.body), said.text.as_str(), &format!("asked: {want}. The"));
    }
    // Bedrock has a place for it in the requests of models that are known to take it.
    for account in ["claude", "gemini", "vertex", "cohere"] {
        let more = json!({"top_k": 5});
        let said = call(&gateway, Face::Messages, account, "asked", &Ask { more, ..Ask::default() });
        failures.check(&format!("{account} {}", said.body), said.text.as_str(), "asked: top_k=5. The");
    }
    failures.none();
}

/// Scenario: an answer of a certain schema is asked for.
/// Guarantees: the text is JSON that fits it.
#[test]
fn an_answer_fits_the_schema() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    let [(_, schema), _] = tools();
    for ((face, account), stream) in conversing().flat_map(|pair| [(pair, false), (pair, true)]) {
        let ask = Ask { stream, schema: Some(schema.clone()), ..Ask::default() };
        let said = call(&gateway, face, account, "word", &ask);
        let what = format!("{face:?} {account} stream={stream} {}", said.body);
        failures.check(&what, serde_json::from_str::<Value>(&said.text).ok(), Some(arguments()));
        failures.check(&what, said.finish.as_str(), face.finishes()[0]);
    }
    failures.none();
}

/// Scenario: a stop sequence.
/// Guarantees: the provider stops there; a provider whose API has none is not asked as if it had.
#[test]
fn stop_sequences_stop() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for (face, account) in pairs().filter(|(face, _)| *face != Face::Responses) {
        let said = call(&gateway, face, account, "text", &Ask { stop: Some("opens"), ..Ask::default() });
        let what = format!("{face:?} {account} {}", said.body);
        if account == "responses" {
            failures.check(&what, said.status, 400);
        } else {
            failures.check(&what, said.text.as_str(), "The gate ");
        }
    }
    failures.none();
}

/// Scenario: a chat asks for two answers, or for the probabilities of its tokens.
/// Guarantees: who has them gives them; who has not is not asked as if.
#[test]
fn choices_and_probabilities_where_both_sides_have_them() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    for (account, ..) in ACCOUNTS {
        let has_both = matches!(account, "chat" | "azure" | "mistral" | "gemini" | "vertex");
        for streams in [false, true] {
            let ask = |more: Value| Ask { stream: streams, more, ..Ask::default() };
            let said = call(&gateway, Face::Chat, account, "text", &ask(json!({"n": 2})));
            let what = format!("{account} stream={streams} {} {}", said.status, said.body);
            if !has_both {
                failures.check(&what, (said.status, said.error.unwrap_or_default().contains("`n`")), (400, true));
            } else {
                failures.check(&what, said.body.contains("\"index\":1"), true);
            }
            // A stream from Google has them all with its last chunk.
            let said = call(&gateway, Face::Chat, account, "text", &ask(json!({"logprobs": true, "top_logprobs": 2})));
            let what = format!("{account} stream={streams} {} {}", said.status, said.body);
            if has_both {
                failures.check(&what, said.body.matches("\"token\":\" opens\"").count() >= 1, true);
                failures.check(&what, said.text.as_str(), "The gate opens and the");
            } else if said.status == 400 {
                failures.check(&what, said.error.unwrap_or_default().contains("logprobs"), true);
            } else {
                // The responses API has them as well; others must not.
                failures.check(&what, (said.status, account == "responses"), (200, true));
            }
        }
    }
    failures.none();
}

/// Scenario: the client asks for what the provider's API has no place for.
/// Guarantees: 400 in the face's own shape that names the field as the client spelled it; an account that drops such things
/// answers, and names them in `warning`.
#[test]
fn what_cannot_be_carried_over_is_named() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    let cases = [
        (
            Face::Chat,
            json!({"logit_bias": {"7": 1}}),
            "logit_bias",
            &["claude", "gemini", "vertex", "bedrock", "cohere"][..],
        ),
        (Face::Chat, json!({"of_tomorrow": 1}), "of_tomorrow", &["responses", "claude", "gemini", "bedrock", "cohere"]),
        (
            Face::Responses,
            json!({"previous_response_id": "r"}),
            "previous_response_id",
            &["chat", "claude", "gemini", "bedrock"],
        ),
        (
            Face::Messages,
            json!({"of_tomorrow": 1}),
            "of_tomorrow",
            &["chat", "responses", "gemini", "bedrock", "cohere"],
        ),
        (Face::Messages, json!({"top_k": 5}), "top_k", &["responses"]),
        (
            Face::Gemini,
            json!({"cachedContent": "c"}),
            "cachedContent",
            &["chat", "responses", "claude", "bedrock", "cohere"],
        ),
        (Face::Completions, json!({"suffix": "x"}), "suffix", &["claude", "gemini", "bedrock", "cohere"]),
    ];
    for (face, more, name, accounts) in cases {
        for account in accounts {
            let said = call(&gateway, face, account, "text", &Ask { more: more.clone(), ..Ask::default() });
            let what = format!("{face:?} {account} {name} {}", said.body);
            failures.check(&what, said.status, 400);
            failures.check(&what, said.error.unwrap_or_default().contains(name), true);
            failures.check(&what, gateway.row(&said.request_id)["outcome"].clone(), json!("refused"));
        }
        let dropping = DROPPING.iter().filter(|account| !(account.ends_with("gemini") && face == Face::Gemini));
        for account in dropping.filter(|account| !(account.ends_with("claude") && face == Face::Messages)) {
            let said = call(&gateway, face, account, "text", &Ask { more: more.clone(), ..Ask::default() });
            let what = format!("{face:?} {account} {name} {}", said.body);
            if name != "top_k" {
                failures.check(&what, (said.status, said.warning.contains(name)), (200, true));
            }
        }
    }
    failures.none();
}

/// Scenario: the body is not what its face says it must be.
/// Guarantees: 400 that says which member is wrong, from the gateway itself, whoever would have answered.
#[test]
fn a_wrong_body_is_refused_by_name() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    let cases = [
        (Face::Chat, json!({"messages": [{"role": "user", "content": 7}]}), "messages[0].content"),
        (Face::Chat, json!({"messages": "hi"}), "messages"),
        (Face::Responses, json!({"input": 7}), "input"),
        (
            Face::Messages,
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "messages[0].content[0]",
        ),
        (Face::Gemini, json!({"contents": [{"parts": 7}]}), "contents[0].parts"),
    ];
    for (face, more, name) in cases {
        let account = ACCOUNTS.iter().map(|(name, ..)| *name).filter(|account| match face {
            Face::Chat => !["chat", "azure", "mistral"].contains(account),
            Face::Responses => *account != "responses",
            Face::Messages => *account != "claude",
            _ => !["gemini", "vertex"].contains(account),
        });
        for account in account {
            let said = call(&gateway, face, account, "text", &Ask { more: more.clone(), ..Ask::default() });
            let what = format!("{face:?} {account} {name} {}", said.body);
            failures.check(&what, said.status, 400);
            failures.check(&what, said.error.unwrap_or_default().contains(name), true);
        }
    }
    failures.none();
}
