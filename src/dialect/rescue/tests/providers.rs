//! Streams as providers write them, of what they are to say.

use serde_json::{Value, json};

use super::Sent;
use crate::dialect::Wire;

/// A stretch of an answer, in the pieces it comes in.
#[derive(Clone, Debug)]
pub enum Say {
    Text(Vec<String>),
    Think(Vec<String>),
    Call(&'static str, Vec<String>),
}

pub fn pieces(text: &str) -> Vec<String> {
    text.split_inclusive([' ', ',']).map(str::to_owned).collect()
}

pub fn text(text: &str) -> Say {
    Say::Text(pieces(text))
}

pub fn think(text: &str) -> Say {
    Say::Think(pieces(text))
}

pub fn call(name: &'static str, arguments: &str) -> Say {
    Say::Call(name, pieces(arguments))
}

fn calls(script: &[Say]) -> bool {
    script.iter().any(|say| matches!(say, Say::Call(..)))
}

pub fn native(wire: Wire, script: &[Say]) -> Vec<Sent> {
    match wire {
        Wire::Chat => chat(script),
        Wire::Completions => completions(script),
        Wire::Responses => responses(script),
        Wire::Messages => messages(script),
        Wire::Gemini => gemini(script),
        Wire::Bedrock => bedrock(script),
        Wire::Cohere => cohere(script),
        Wire::Plain => Vec::new(),
    }
}

fn unnamed(data: Value) -> Sent {
    (String::new(), data.to_string())
}

/// By its own type.
fn named(data: Value) -> Sent {
    (data["type"].as_str().unwrap().to_owned(), data.to_string())
}

fn chat(script: &[Say]) -> Vec<Sent> {
    let chunk = |delta: Value, finish: Value| {
        unnamed(json!({
            "id": "chatcmpl-native", "object": "chat.completion.chunk", "created": 17, "model": "gpt-native",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        }))
    };
    let mut sent = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    let mut index = 0;
    for say in script {
        match say {
            Say::Text(pieces) => {
                sent.extend(pieces.iter().map(|piece| chunk(json!({"content": piece}), Value::Null)));
            }
            Say::Think(pieces) => {
                sent.extend(pieces.iter().map(|piece| chunk(json!({"reasoning_content": piece}), Value::Null)));
            }
            Say::Call(name, pieces) => {
                let function = json!({"name": name, "arguments": ""});
                let call =
                    json!({"index": index, "id": format!("call_{index}"), "type": "function", "function": function});
                sent.push(chunk(json!({"tool_calls": [call]}), Value::Null));
                sent.extend(pieces.iter().map(|piece| {
                    let call = json!({"index": index, "function": {"arguments": piece}});
                    chunk(json!({"tool_calls": [call]}), Value::Null)
                }));
                index += 1;
            }
        }
    }
    sent.push(chunk(json!({}), json!(if calls(script) { "tool_calls" } else { "stop" })));
    sent.push((String::new(), "[DONE]".into()));
    sent
}

fn completions(script: &[Say]) -> Vec<Sent> {
    let chunk = |text: &str, finish: Value| {
        unnamed(json!({
            "id": "cmpl-native", "object": "text_completion", "created": 17, "model": "gpt-native",
            "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}],
        }))
    };
    let mut sent = Vec::new();
    for say in script {
        if let Say::Text(pieces) = say {
            sent.extend(pieces.iter().map(|piece| chunk(piece, Value::Null)));
        }
    }
    sent.push(chunk("", json!("stop")));
    sent.push((String::new(), "[DONE]".into()));
    sent
}

fn responses(script: &[Say]) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut push = |mut data: Value| {
        data["sequence_number"] = json!(sent.len());
        sent.push(named(data));
    };
    let response = |status: &str, output: &[Value]| json!({"id": "resp_native", "object": "response", "created_at": 17, "model": "gpt-native", "status": status, "output": output});
    push(json!({"type": "response.created", "response": response("in_progress", &[])}));
    push(json!({"type": "response.in_progress", "response": response("in_progress", &[])}));
    let mut output = Vec::new();
    for (at, say) in script.iter().enumerate() {
        let id = format!("item_native_{at}");
        let (pieces, begun, part, names) = match say {
            Say::Text(pieces) => (
                pieces,
                json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}),
                Some(("output_text", "response.content_part", "content_index", "content")),
                "response.output_text",
            ),
            Say::Think(pieces) => (
                pieces,
                json!({"id": id, "type": "reasoning", "summary": []}),
                Some(("summary_text", "response.reasoning_summary_part", "summary_index", "summary")),
                "response.reasoning_summary_text",
            ),
            Say::Call(name, pieces) => (
                pieces,
                json!({"id": id, "type": "function_call", "status": "in_progress", "call_id": format!("call_{at}"), "name": name, "arguments": ""}),
                None,
                "response.function_call_arguments",
            ),
        };
        push(json!({"type": "response.output_item.added", "output_index": at, "item": begun}));
        let mut about = json!({"item_id": id, "output_index": at});
        let whole = pieces.concat();
        let part_of = |kind: &str, text: &str| match kind {
            "output_text" => json!({"type": kind, "text": text, "annotations": [], "logprobs": []}),
            _ => json!({"type": kind, "text": text}),
        };
        let with = |about: &Value, kind: String, name: &str, value: Value| {
            let mut event = about.clone();
            event["type"] = json!(kind);
            event[name] = value;
            event
        };
        if let Some((kind, event, index, _)) = part {
            about[index] = json!(0);
            push(with(&about, format!("{event}.added"), "part", part_of(kind, "")));
        }
        for piece in pieces {
            push(with(&about, format!("{names}.delta"), "delta", json!(piece)));
        }
        let member = if part.is_some() { "text" } else { "arguments" };
        push(with(&about, format!("{names}.done"), member, json!(whole)));
        let mut done = begun;
        if let Some((kind, event, _, place)) = part {
            push(with(&about, format!("{event}.done"), "part", part_of(kind, &whole)));
            done[place] = json!([part_of(kind, &whole)]);
        } else {
            done["arguments"] = json!(whole);
        }
        if done.get("status").is_some() {
            done["status"] = json!("completed");
        }
        push(json!({"type": "response.output_item.done", "output_index": at, "item": done}));
        output.push(done);
    }
    push(json!({"type": "response.completed", "response": response("completed", &output)}));
    sent
}

fn messages(script: &[Say]) -> Vec<Sent> {
    let message = json!({
        "id": "msg_native", "type": "message", "role": "assistant", "model": "claude-native", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 1},
    });
    let mut sent = vec![named(json!({"type": "message_start", "message": message})), named(json!({"type": "ping"}))];
    for (index, say) in script.iter().enumerate() {
        let (pieces, block, kind, member) = match say {
            Say::Text(pieces) => (pieces, json!({"type": "text", "text": ""}), "text_delta", "text"),
            Say::Think(pieces) => {
                (pieces, json!({"type": "thinking", "thinking": "", "signature": ""}), "thinking_delta", "thinking")
            }
            Say::Call(name, pieces) => (
                pieces,
                json!({"type": "tool_use", "id": format!("toolu_{index}"), "name": name, "input": {}}),
                "input_json_delta",
                "partial_json",
            ),
        };
        sent.push(named(json!({"type": "content_block_start", "index": index, "content_block": block})));
        let delta = |kind: &str, member: &str, text: &str| {
            named(json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, member: text}}))
        };
        sent.extend(pieces.iter().map(|piece| delta(kind, member, piece)));
        if matches!(say, Say::Think(_)) {
            sent.push(delta("signature_delta", "signature", "c2lnbmVk"));
        }
        sent.push(named(json!({"type": "content_block_stop", "index": index})));
    }
    let reason = if calls(script) { "tool_use" } else { "end_turn" };
    sent.push(named(json!({
        "type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 9},
    })));
    sent.push(named(json!({"type": "message_stop"})));
    sent
}

fn gemini(script: &[Say]) -> Vec<Sent> {
    let chunk = |parts: Value, finish: Option<&str>| {
        let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
        if let Some(finish) = finish {
            candidate["finishReason"] = json!(finish);
        }
        unnamed(json!({"candidates": [candidate], "modelVersion": "gemini-native", "responseId": "native"}))
    };
    let mut sent = Vec::new();
    for say in script {
        match say {
            Say::Text(pieces) => sent.extend(pieces.iter().map(|piece| chunk(json!([{"text": piece}]), None))),
            Say::Think(pieces) => {
                sent.extend(pieces.iter().map(|piece| chunk(json!([{"text": piece, "thought": true}]), None)));
            }
            Say::Call(name, pieces) => {
                let args: Value = serde_json::from_str(&pieces.concat()).unwrap();
                sent.push(chunk(json!([{"functionCall": {"name": name, "args": args}}]), None));
            }
        }
    }
    sent.push(chunk(json!([{"text": ""}]), Some("STOP")));
    sent
}

fn bedrock(script: &[Say]) -> Vec<Sent> {
    let event = |name: &str, data: Value| (name.to_owned(), data.to_string());
    let mut sent = vec![event("messageStart", json!({"role": "assistant"}))];
    for (index, say) in script.iter().enumerate() {
        let delta = |delta: Value| event("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        match say {
            Say::Text(pieces) => sent.extend(pieces.iter().map(|piece| delta(json!({"text": piece})))),
            Say::Think(pieces) => {
                sent.extend(pieces.iter().map(|piece| delta(json!({"reasoningContent": {"text": piece}}))));
                sent.push(delta(json!({"reasoningContent": {"signature": "c2lnbmVk"}})));
            }
            Say::Call(name, pieces) => {
                let start = json!({"toolUse": {"toolUseId": format!("tooluse_{index}"), "name": name}});
                sent.push(event("contentBlockStart", json!({"contentBlockIndex": index, "start": start})));
                sent.extend(pieces.iter().map(|piece| delta(json!({"toolUse": {"input": piece}}))));
            }
        }
        sent.push(event("contentBlockStop", json!({"contentBlockIndex": index})));
    }
    let reason = if calls(script) { "tool_use" } else { "end_turn" };
    sent.push(event("messageStop", json!({"stopReason": reason})));
    sent.push(event("metadata", json!({"usage": {"inputTokens": 3, "outputTokens": 9, "totalTokens": 12}})));
    sent
}

fn cohere(script: &[Say]) -> Vec<Sent> {
    let mut sent =
        vec![named(json!({"type": "message-start", "id": "native", "delta": {"message": {"role": "assistant"}}}))];
    for (index, say) in script.iter().enumerate() {
        let event =
            |kind: &str, message: Value| named(json!({"type": kind, "index": index, "delta": {"message": message}}));
        match say {
            Say::Text(pieces) => {
                sent.push(event("content-start", json!({"content": {"type": "text", "text": ""}})));
                sent.extend(pieces.iter().map(|piece| event("content-delta", json!({"content": {"text": piece}}))));
                sent.push(named(json!({"type": "content-end", "index": index})));
            }
            Say::Think(pieces) => {
                sent.push(event("content-start", json!({"content": {"type": "thinking", "thinking": ""}})));
                sent.extend(pieces.iter().map(|piece| event("content-delta", json!({"content": {"thinking": piece}}))));
                sent.push(named(json!({"type": "content-end", "index": index})));
            }
            Say::Call(name, pieces) => {
                let function = json!({"name": name, "arguments": ""});
                let call = json!({"id": format!("{name}_{index}"), "type": "function", "function": function});
                sent.push(event("tool-call-start", json!({"tool_calls": call})));
                sent.extend(
                    pieces.iter().map(|piece| {
                        event("tool-call-delta", json!({"tool_calls": {"function": {"arguments": piece}}}))
                    }),
                );
                sent.push(named(json!({"type": "tool-call-end", "index": index})));
            }
        }
    }
    let reason = if calls(script) { "TOOL_CALL" } else { "COMPLETE" };
    let usage = json!({"billed_units": {"input_tokens": 3, "output_tokens": 9}, "tokens": {"input_tokens": 3, "output_tokens": 9}});
    sent.push(named(json!({"type": "message-end", "delta": {"finish_reason": reason, "usage": usage}})));
    sent
}
