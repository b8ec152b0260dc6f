//! A rescued answer is no longer than its client allowed: a continuation's limit is what is left of it.

use proptest::prelude::*;
use serde_json::json;

use super::continued::gave;
use super::*;
use crate::dialect::common::Lost;
use crate::dialect::{To, read_request};
use crate::meter::estimate_tokens;

const TEXT: &str = "The quick brown fox jumps over the lazy dog and never once looks back at what it has left behind.";

/// A face, where its clients write the limit, and a body with this one.
fn limited(face: Face, limit: &Value) -> Vec<(&'static str, Value)> {
    let messages = json!([{"role": "user", "content": "say it"}]);
    match face {
        Face::ChatCompletions => vec![
            ("/max_tokens", json!({"model": "m", "messages": messages, "max_tokens": limit})),
            ("/max_completion_tokens", json!({"model": "m", "messages": messages, "max_completion_tokens": limit})),
        ],
        Face::Completions => vec![("/max_tokens", json!({"model": "m", "prompt": "say it", "max_tokens": limit}))],
        Face::Messages => vec![("/max_tokens", json!({"model": "m", "messages": messages, "max_tokens": limit}))],
        Face::Responses => {
            vec![("/max_output_tokens", json!({"model": "m", "input": "say it", "max_output_tokens": limit}))]
        }
        _ => {
            let contents = json!([{"role": "user", "parts": [{"text": "say it"}]}]);
            vec![
                (
                    "/generationConfig/maxOutputTokens",
                    json!({"contents": contents, "generationConfig": {"maxOutputTokens": limit}}),
                ),
                (
                    "/generation_config/max_output_tokens",
                    json!({"contents": contents, "generation_config": {"max_output_tokens": limit}}),
                ),
            ]
        }
    }
}

/// A target that goes on from a text, and where its own wire has the limit.
const TARGETS: [(Wire, To<'static>, &str); 6] = [
    (Wire::Messages, To { kind: "anthropic", model: "claude-sonnet-4-5" }, "/max_tokens"),
    (Wire::Bedrock, To { kind: "aws-bedrock", model: "anthropic.claude-sonnet-4-5" }, "/inferenceConfig/maxTokens"),
    (Wire::Gemini, To { kind: "google-gemini", model: "gemini-2.5-flash" }, "/generationConfig/maxOutputTokens"),
    (Wire::Chat, To { kind: "mistral-ai", model: "mistral-small" }, "/max_tokens"),
    (Wire::Chat, To { kind: "self-hosted-model", model: "llama" }, "/max_tokens"),
    (Wire::Completions, To { kind: "openai", model: "x" }, "/max_tokens"),
];

proptest! {
    #[test]
    fn what_was_given_is_taken_off_the_limit(given in 1..=TEXT.len(), limit in 1_u64..60) {
        let given = TEXT[..given].trim_end();
        let left = limit.saturating_sub(estimate_tokens(given.as_bytes())).max(1);
        for face in FACES {
            for (at, body) in limited(face, &json!(limit)) {
                for (wire, to, own_at) in TARGETS {
                    let (mut translation, _) = gave(face, Wire::Cohere, given);
                    // Completions of a chat are no wire that chats are written to.
                    if wire == Wire::Completions && face != Face::Completions {
                        continue;
                    }
                    let made = translation.continue_body(&body, wire, &to, &mut Lost::new(face)).expect("it goes on");
                    let at = if Wire::of(face) == wire { at } else { own_at };
                    prop_assert_eq!(made.pointer(at), Some(&json!(left)), "{:?} {:?} {}", face, to.model, made);
                }
            }
        }
    }
}

/// Where the client set none, none is set.
#[test]
fn no_limit_stays_none() {
    for face in [Face::ChatCompletions, Face::Gemini] {
        let to = To { kind: "mistral-ai", model: "mistral-small" };
        let to = if face == Face::Gemini { To { kind: "google-gemini", model: "gemini-2.5-flash" } } else { to };
        for (at, body) in limited(face, &Value::Null) {
            let (mut translation, _) = gave(face, Wire::of(face), "So it is");
            let made = translation.continue_body(&body, Wire::of(face), &to, &mut Lost::new(face)).expect("it goes on");
            assert_eq!(made.pointer(at), Some(&Value::Null), "{made}");
        }
    }
}

/// Completions are the one API where none means sixteen tokens.
#[test]
fn completions_have_a_limit_of_their_own() {
    let (face, to) = (Face::Completions, To { kind: "openai", model: "x" });
    let body = json!({"model": "m", "prompt": "say it", "stream": true});
    let request = read_request(face, Wire::Completions, &body, &mut Lost::new(face)).expect("a request");
    let mut translation = Translation::new(
        face,
        Wire::Completions,
        request,
        About { id: "0".into(), model: "m".into(), created_unix_s: 1 },
    );
    translation.track();
    let given = "So it is, and so";
    native(Wire::Completions, &[Say::Text(vec![given.to_owned()])])[..1]
        .iter()
        .for_each(|sent| translation.follow(&event(sent)));
    let made = translation.continue_body(&body, Wire::Completions, &to, &mut Lost::new(face)).expect("it goes on");
    assert_eq!(made["max_tokens"], 16 - estimate_tokens(given.as_bytes()));
}
