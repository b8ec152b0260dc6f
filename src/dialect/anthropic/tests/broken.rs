//! Cut and mutated input: never a panic, never more than was said.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::To;
use crate::dialect::anthropic::{read_request, write_answer, write_request};
use crate::dialect::common::{Format, Lost};
use crate::telemetry::Face;

const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm \ud83d\ude00"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqkE"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"answer_as_json","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":[1,\"}\"]}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":9}}

event: message_stop
data: {"type":"message_stop"}

"#;

const BODY: &str = r#"{"model":"claude-x","id":"msg_1","content":[{"type":"redacted_thinking","data":"EtgB"},{"text":"a\ud83d\ude00","type":"text"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a": [1, "}"]}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":9}}"#;

fn formatted() -> Request {
    Request { format: Some(Format::Json), ..Request::default() }
}

fn drive(bytes: &[u8]) {
    for request in [Request::default(), formatted()] {
        let (mut reads, mut writes) = (AnswerIn::new(&request, "m"), AnswerOut::new(&request, &about()));
        let mut out = Vec::new();
        each_event(bytes, |event| reads.event(event, &mut |piece| writes.piece(piece, &mut out)));
        writes.end(&Usage::default(), &mut out);
        check_grammar(std::str::from_utf8(&out).unwrap());
        let answer = read_body(&request, bytes);
        out.clear();
        write_answer(&request, &about(), &answer, &Usage::default(), &mut out);
        serde_json::from_slice::<Value>(&out).unwrap();
    }
}

#[test]
fn answers_cut_anywhere_stay_readable() {
    for sample in [STREAM, BODY] {
        for cut in 0..=sample.len() {
            drive(&sample.as_bytes()[..cut]);
        }
    }
}

fn request() -> Value {
    json!({
        "model": "claude-x", "max_tokens": 9, "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"},
                {"type": "text", "text": "q"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true,
                "content": [{"type": "text", "text": "r"}]}]}],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 2000}, "stop_sequences": ["x"],
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "temperature": 0.5, "metadata": {"user_id": "u"}, "stream": true
    })
}

/// The values of a tree by number, the root first.
fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Object(members) => members.values_mut().find_map(|item| nth(item, left)),
        _ => None,
    }
}

#[test]
fn requests_with_any_value_replaced_are_read_or_refused() {
    let others =
        [json!(null), json!(-1), json!("x"), json!(""), json!([]), json!({}), json!([{}]), json!(1e300), json!(true)];
    for other in others {
        for at in 0.. {
            let mut body = request();
            let Some(place) = nth(&mut body, &mut { at }) else { break };
            *place = other.clone();
            let mut lost = Lost::new(Face::Messages);
            match read_request(&body, &mut lost) {
                Ok(request) => {
                    for model in ["claude-3-haiku", "claude-sonnet-4", "claude-opus-5", "claude-sonnet-5-5"] {
                        write_request(&request, &To { kind: "anthropic", model }, &mut lost);
                    }
                }
                Err(invalid) => assert!(!invalid.field.is_empty() && !invalid.expected.is_empty()),
            }
        }
    }
}

proptest! {
    #[test]
    fn mutated_answers_do_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>(), body in any::<bool>()) {
        let mut bytes = if body { BODY } else { STREAM }.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drive(&bytes);
    }
}
