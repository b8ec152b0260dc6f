//! Cut and mutated bytes: whatever comes, nothing panics, and what the client gets is well formed.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::To;
use crate::dialect::common::Lost;
use crate::dialect::openai_responses::{read_request, write_request};
use crate::telemetry::Face;

fn sample() -> Vec<u8> {
    stream_of(&[
        json!({"type": "response.created", "response": {"id": "r", "model": "m", "status": "in_progress"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Hm\n"}),
        json!({"type": "response.output_item.done", "output_index": 0,
            "item": {"type": "reasoning", "summary": [], "encrypted_content": "sluice:call:x"}}),
        json!({"type": "response.output_item.added", "output_index": 1,
            "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{\"a\":\"\u{1f600}\"}"}),
        json!({"type": "response.output_text.delta", "output_index": 2, "delta": "Hi \u{e9}",
            "logprobs": [{"token": "Hi", "logprob": -1}]}),
        json!({"type": "response.refusal.delta", "output_index": 3, "delta": "No"}),
        json!({"type": "response.completed", "response": {"status": "completed", "output": []}}),
    ])
}

/// What a client gets obeys the grammar, whatever the provider sent.
fn fine(stream: &[u8]) -> (Answer, Answer) {
    let written = through(stream);
    // Half a surrogate pair goes into a delta as it came; strict readers refuse that.
    if !String::from_utf8_lossy(stream).to_lowercase().contains("\\ud") {
        grammar::check(&written);
    }
    read_body(stream);
    (read_stream(stream), read_stream(&written))
}

#[test]
fn a_stream_cut_anywhere_gives_what_came() {
    let sample = sample();
    for cut in 0..sample.len() {
        let (original, written) = fine(&sample[..cut]);
        assert_eq!(parts(&original), parts(&written), "cut at {cut}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(message|user|assistant|function|function_call|reasoning|input_text|input_image|json_schema|[a-z]{0,3})"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let names = "(input|type|role|content|text|tools|name|arguments|call_id|output|summary|encrypted_content|format|\
            schema|reasoning|effort|include|tool_choice|stream|store|strict|image_url|file_data)";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((names, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn mutated_streams_are_fine(at in 0..10_000_usize, byte in any::<u8>(), cut in 0..10_000_usize) {
        let mut stream = sample();
        let len = stream.len();
        stream[at % len] = byte;
        fine(&stream);
        stream.drain((at % len).min(cut % len)..(at % len).max(cut % len));
        fine(&stream);
    }

    #[test]
    fn any_json_is_a_request_or_an_error(input in values(), body in values()) {
        for body in [body, json!({"input": input})] {
            let mut lost = Lost::new(Face::Responses);
            if let Ok(request) = read_request(&body, &mut lost) {
                write_request(&request, &To { kind: "openai", model: "m" }, &mut lost);
                written_whole(&request, &Answer::default());
            }
        }
    }
}
