//! What a client's reader takes for granted of a stream in its dialect.

use serde_json::Value;

use super::events;
use crate::telemetry::Face;

/// One start, everything opened once and closed once, indices in order, the terminator last, and one name throughout.
pub fn check(face: Face, bytes: &[u8]) {
    let mut events = events(bytes);
    if matches!(face, Face::ChatCompletions | Face::Completions) {
        assert_eq!(events.pop().map(|(_, data)| data).as_deref(), Some("[DONE]"));
    }
    let events: Vec<Value> = events
        .iter()
        .map(|(_, data)| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}")))
        .collect();
    match face {
        Face::ChatCompletions | Face::Completions => chat(face, &events),
        Face::Responses => responses(&events),
        Face::Messages => messages(&events),
        _ => gemini(&events),
    }
}

fn same_throughout(events: &[Value], names: &[&str]) {
    for name in names {
        assert!(events.iter().all(|event| event[name] == events[0][name]), "one {name}: {events:#?}");
    }
}

fn chat(face: Face, events: &[Value]) {
    same_throughout(events, &["id", "created", "model", "object"]);
    let count = |what: &dyn Fn(&Value) -> bool| events.iter().filter(|event| what(event)).count();
    assert_eq!(count(&|event| event["choices"][0]["finish_reason"].is_string()), 1, "one end");
    let role = |event: &Value| event["choices"][0]["delta"].get("role").is_some();
    assert_eq!(count(&role), if face == Face::ChatCompletions { 1 } else { 0 }, "one role: {events:#?}");
}

fn gemini(events: &[Value]) {
    same_throughout(events, &["modelVersion", "responseId"]);
    assert_eq!(events.last().unwrap()["candidates"][0]["finishReason"], "STOP");
}

fn messages(events: &[Value]) {
    let mut open = None;
    let mut next = 0;
    let (mut ends, last) = (0, events.len() - 1);
    for (at, event) in events.iter().enumerate() {
        let index = event["index"].as_u64();
        match event["type"].as_str().unwrap() {
            "message_start" => assert_eq!(at, 0),
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(next)), "{events:#?}");
                (open, next) = (index, next + 1);
            }
            "content_block_delta" => assert_eq!(open, index, "{events:#?}"),
            "content_block_stop" => {
                assert_eq!(open, index);
                open = None;
            }
            "message_delta" => {
                assert_eq!(open, None, "{events:#?}");
                ends += 1;
            }
            "message_stop" => assert_eq!(at, last),
            "ping" => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!((ends, events[last]["type"].as_str()), (1, Some("message_stop")), "{events:#?}");
}

fn responses(events: &[Value]) {
    let mut items: Vec<Value> = Vec::new();
    let mut done: Vec<Option<Value>> = Vec::new();
    // The text of the part that is open, by item.
    let mut parts: Vec<Option<String>> = Vec::new();
    let last = events.len() - 1;
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "{events:#?}");
        let index = event["output_index"].as_u64().map(|index| index as usize);
        let kind = event["type"].as_str().unwrap();
        if let Some(index) = index.filter(|index| *index < items.len()) {
            assert!(done[index].is_none(), "nothing follows the end of an item: {events:#?}");
            if let Some(id) = event.get("item_id") {
                assert_eq!(*id, items[index]["id"], "{events:#?}");
            }
        }
        match kind {
            "response.created" => assert_eq!(at, 0),
            "response.in_progress" => assert_eq!(at, 1),
            "response.output_item.added" => {
                assert_eq!(index, Some(items.len()), "{events:#?}");
                items.push(event["item"].clone());
                done.push(None);
                parts.push((event["item"]["type"] == "function_call").then(String::new));
            }
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                assert_eq!(parts[index.unwrap()].replace(String::new()), None, "{events:#?}");
            }
            kind if kind.ends_with(".delta") => {
                let part = parts[index.unwrap()].as_mut();
                part.unwrap_or_else(|| panic!("{events:#?}")).push_str(event["delta"].as_str().unwrap());
            }
            "response.output_text.done" | "response.reasoning_summary_text.done" => {
                assert_eq!(event["text"].as_str(), parts[index.unwrap()].as_deref(), "{events:#?}");
            }
            "response.function_call_arguments.done" => {
                assert_eq!(event["arguments"].as_str(), parts[index.unwrap()].as_deref());
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                assert_eq!(event["part"]["text"].as_str(), parts[index.unwrap()].take().as_deref());
            }
            "response.output_item.done" => {
                let index = index.unwrap();
                assert_eq!(event["item"]["id"], items[index]["id"]);
                if event["item"]["type"] != "function_call" {
                    assert_eq!(parts[index], None, "{events:#?}");
                }
                done[index] = Some(event["item"].clone());
            }
            "response.completed" => {
                assert_eq!(at, last);
                assert_eq!(event["response"]["id"], events[0]["response"]["id"]);
                assert_eq!(event["response"]["model"], events[0]["response"]["model"]);
                let output: Vec<Value> = done.iter().map(|item| item.clone().expect("every item ends")).collect();
                assert_eq!(event["response"]["output"], Value::Array(output), "{events:#?}");
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(events[last]["type"], "response.completed");
}
