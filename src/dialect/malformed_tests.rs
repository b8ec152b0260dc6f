//! An event that is no JSON is told apart from one that says nothing.

use super::{Mark, Reading, Wire};
use crate::meter::Family;
use crate::sse::Event;

fn mark(wire: Wire, name: &str, data: &str) -> Mark {
    let event = Event { name: name.as_bytes(), data: data.as_bytes(), raw: b"", end: 0, carried: false };
    wire.read_event(&event, &mut Reading::new(Family::Unknown))
}

/// One event of each kind and the dialects whose it is.
const EVENTS: [(Wire, &str, &str); 24] = [
    (
        Wire::Chat,
        "",
        r#"{"id":"a","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a\"}b"}}]}"#,
    ),
    (Wire::Chat, "", r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}],"id":"a"}"#),
    (Wire::Chat, "", r#"{"id":"a","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#),
    (Wire::Completions, "", r#"{"id":"a","choices":[{"text":"a","index":0,"logprobs":null}]}"#),
    (Wire::Responses, "response.created", r#"{"type":"response.created","response":{"id":"r"}}"#),
    (Wire::Responses, "", r#"{"type":"response.output_text.delta","delta":"a","logprobs":[]}"#),
    (Wire::Responses, "response.output_text.delta", r#"{"type":"response.output_text.delta","delta":"a"}"#),
    (Wire::Responses, "response.output_item.done", r#"{"type":"response.output_item.done","item":{"a":[1]}}"#),
    (Wire::Responses, "response.completed", r#"{"type":"response.completed","response":{"id":"r","output":[]}}"#),
    (Wire::Messages, "message_start", r#"{"type":"message_start","message":{"id":"a","usage":{"input_tokens":3}}}"#),
    (
        Wire::Messages,
        "content_block_start",
        r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#,
    ),
    (Wire::Messages, "content_block_delta", r#"{"type":"content_block_delta","index":0,"delta":{"text":"a"}}"#),
    (Wire::Messages, "", r#"{"type":"content_block_delta","index":0,"delta":{"text":"a"}}"#),
    (Wire::Messages, "content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
    (Wire::Messages, "message_delta", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#),
    (Wire::Messages, "message_stop", r#"{"type":"message_stop"}"#),
    (Wire::Gemini, "", r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"responseId":"a"}"#),
    (Wire::Bedrock, "messageStart", r#"{"role":"assistant"}"#),
    (Wire::Bedrock, "contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"a"},"p":"abc"}"#),
    (Wire::Bedrock, "messageStop", r#"{"stopReason":"end_turn"}"#),
    (Wire::Bedrock, "metadata", r#"{"usage":{"inputTokens":1,"outputTokens":2}}"#),
    (Wire::Cohere, "content-delta", r#"{"type":"content-delta","delta":{"message":{"content":{"text":"a"}}}}"#),
    (Wire::Cohere, "", r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#),
    (Wire::Cohere, "message-start", r#"{"type":"message-start","id":"a","delta":{"message":{}}}"#),
];

#[test]
fn an_event_that_is_cut_anywhere_is_malformed() {
    for (wire, name, data) in EVENTS {
        assert_ne!(mark(wire, name, data), Mark::Malformed, "{data}");
        assert_ne!(mark(wire, name, &format!(" {data} ")), Mark::Malformed, "{data}");
        for cut in 1..data.len() {
            // Of a large event that nothing is read of, only its last bracket is looked at.
            let unread = name == "response.output_item.done" && data[..cut].ends_with('}');
            assert!(mark(wire, name, &data[..cut]) == Mark::Malformed || unread, "{wire:?} {}", &data[..cut]);
        }
    }
}

#[test]
fn an_event_cut_after_others_of_the_same_beginning_is_malformed_too() {
    let (wire, _, data) = EVENTS[0];
    let mut reading = Reading::new(Family::Unknown);
    let mut read = |data: &str| {
        let event = Event { name: b"", data: data.as_bytes(), raw: b"", end: 0, carried: false };
        wire.read_event(&event, &mut reading)
    };
    assert_eq!(read(data), Mark::Content);
    for cut in 1..data.len() {
        assert_eq!(read(&data[..cut]), Mark::Malformed, "{}", &data[..cut]);
        assert_eq!(read(data), Mark::Content);
    }
}

#[test]
fn what_only_looks_odd_is_not_malformed() {
    for (wire, name, data, expected) in [
        (Wire::Chat, "", "", Mark::Other),
        (Wire::Chat, "", "[DONE]", Mark::End),
        (Wire::Chat, "", "[DONE] ", Mark::End),
        (Wire::Chat, "ping", "pong", Mark::Other),
        (Wire::Chat, "", "null", Mark::Other),
        (Wire::Chat, "", r#"[{"error":{"message":"a"}}]"#, Mark::Error),
        (Wire::Chat, "error", "overloaded", Mark::Error),
        (Wire::Messages, "ping", r#"{"type": "ping"}"#, Mark::Other),
        (Wire::Messages, "vertex_event", "", Mark::Other),
        (Wire::Messages, "keepalive", "a", Mark::Other),
        (Wire::Responses, "keepalive", "a", Mark::Other),
        (Wire::Cohere, "", "[DONE]", Mark::Other),
        (Wire::Gemini, "keepalive", "a", Mark::Other),
        (Wire::Bedrock, "other", "a", Mark::Other),
    ] {
        assert_eq!(mark(wire, name, data), expected, "{wire:?} {name} {data}");
    }
    for wire in [Wire::Chat, Wire::Completions, Wire::Responses, Wire::Messages, Wire::Gemini, Wire::Cohere] {
        for garbage in ["<html>", "{", "upstream error", "{\"a\":1}{", "{'a':1"] {
            assert_eq!(mark(wire, "", garbage), Mark::Malformed, "{wire:?} {garbage}");
        }
    }
}

#[test]
fn a_body_that_is_cut_anywhere_is_not_whole() {
    for (wire, body) in [
        (Wire::Chat, r#"{"id":"a","choices":[{"message":{"content":"a}"}}],"usage":{"prompt_tokens":1}}"#),
        (Wire::Responses, r#"{"id":"a","status":"completed","output":[{"content":[{"text":"a"}]}]}"#),
        (Wire::Messages, r#"{"id":"a","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}"#),
        (Wire::Gemini, r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#),
        (Wire::Bedrock, r#"{"output":{"message":{"content":[{"text":"a"}]}},"stopReason":"end_turn"}"#),
        (Wire::Cohere, r#"{"id":"a","message":{"content":[{"text":"a"}]},"finish_reason":"COMPLETE"}"#),
        (Wire::Plain, r#"{"data":[{"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":1}}"#),
    ] {
        for cut in 0..=body.len() {
            let mut reading = Reading::new(Family::Unknown);
            wire.read_body(&body.as_bytes()[..cut], &mut reading);
            assert_eq!(reading.terminated, cut == body.len(), "{wire:?} {}", &body[..cut]);
        }
        let mut reading = Reading::new(Family::Unknown);
        wire.read_body(format!("{body}<html>").as_bytes(), &mut reading);
        assert!(!reading.terminated);
    }
}
