//! Whether a stream that a client gets obeys the grammar of the dialect.

use serde_json::Value;

use crate::sse::Scanner;

/// Checks all of a stream that ended, and returns its events.
pub(super) fn check(stream: &[u8]) -> Vec<Value> {
    let events = events(stream);
    let mut items: Vec<Item> = Vec::new();
    let last = events.len() - 1;
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "they count up by one: {event}");
        let kind = event["type"].as_str().unwrap();
        match kind {
            "response.created" => assert_eq!(at, 0),
            "response.in_progress" => assert_eq!(at, 1),
            "response.completed" | "response.incomplete" | "response.failed" => {
                assert_eq!(at, last, "nothing follows the end");
                assert_eq!(event["response"]["status"], kind.strip_prefix("response.").unwrap());
                let done: Vec<&Value> = items.iter().map(|item| item.done.as_ref().expect("done")).collect();
                let output = event["response"]["output"].as_array().unwrap();
                assert_eq!(output.iter().collect::<Vec<_>>(), done, "the response is what was streamed");
            }
            "response.output_item.added" => {
                assert_eq!(event["output_index"], items.len(), "{event}");
                items.push(Item::new(&event["item"]));
            }
            _ => {
                let index = event["output_index"].as_u64().expect("an item's event") as usize;
                items[index].event(kind, event);
            }
        }
    }
    for event in [&events[0], &events[1], &events[last]] {
        response(&event["response"]);
    }
    assert_eq!(events[0]["response"]["id"], events[last]["response"]["id"]);
    events
}

/// What the official SDKs' model of a response requires.
pub(super) fn response(response: &Value) {
    let id = response["id"].as_str().unwrap();
    assert!(id.starts_with("resp_"), "{id}");
    assert_eq!(response["object"], "response");
    assert!(response["created_at"].is_u64());
    for name in [
        "error",
        "incomplete_details",
        "instructions",
        "metadata",
        "model",
        "output",
        "parallel_tool_calls",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "text",
        "usage",
    ] {
        assert!(response.get(name).is_some(), "{name} in {response}");
    }
    let usage = &response["usage"];
    if !usage.is_null() {
        assert!(usage["input_tokens_details"]["cached_tokens"].is_u64(), "{usage}");
        assert!(usage["input_tokens_details"]["cache_write_tokens"].is_u64(), "{usage}");
        assert!(usage["output_tokens_details"]["reasoning_tokens"].is_u64(), "{usage}");
        let sum = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
        assert_eq!(usage["total_tokens"], sum);
    }
}

/// The events of a stream; their names are their types.
pub(super) fn events(stream: &[u8]) -> Vec<Value> {
    let mut events = Vec::new();
    let mut scanner = Scanner::new(1 << 22);
    let mut end = 0;
    scanner
        .feed(stream, |event| {
            let payload: Value = serde_json::from_slice(event.data).expect("JSON");
            assert_eq!(payload["type"].as_str().unwrap().as_bytes(), event.name);
            events.push(payload);
            end = event.end;
        })
        .unwrap();
    assert_eq!(end, stream.len(), "every event is framed whole");
    events
}

/// An item while its events come.
struct Item {
    id: Value,
    kind: String,
    part: bool,
    text: String,
    text_done: Option<String>,
    done: Option<Value>,
}

impl Item {
    fn new(added: &Value) -> Self {
        let kind = added["type"].as_str().unwrap().to_owned();
        let prefix = match kind.as_str() {
            "message" => "msg_",
            "reasoning" => "rs_",
            "function_call" => "fc_",
            other => panic!("an item of type {other}"),
        };
        assert!(added["id"].as_str().unwrap().starts_with(prefix), "{added}");
        match kind.as_str() {
            "message" => assert_eq!(added["content"], Value::Array(Vec::new())),
            "reasoning" => assert_eq!(added["summary"], Value::Array(Vec::new())),
            _ => assert_eq!(added["arguments"], ""),
        }
        Item { id: added["id"].clone(), kind, part: false, text: String::new(), text_done: None, done: None }
    }

    fn event(&mut self, kind: &str, event: &Value) {
        assert!(self.done.is_none(), "after its end: {event}");
        if kind == "response.output_item.done" {
            return self.end(&event["item"]);
        }
        assert_eq!(event["item_id"], self.id);
        match kind {
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                assert!(!std::mem::replace(&mut self.part, true), "one part: {event}");
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                assert!(std::mem::replace(&mut self.part, false), "an open part: {event}");
                let text = event["part"].get("text").unwrap_or(&event["part"]["refusal"]);
                assert_eq!(text.as_str(), self.text_done.as_deref());
            }
            _ => {
                let (name, verb) = kind.rsplit_once('.').unwrap();
                let (item, whole) = match name {
                    "response.output_text" => ("message", "text"),
                    "response.refusal" => ("message", "refusal"),
                    "response.reasoning_summary_text" => ("reasoning", "text"),
                    "response.function_call_arguments" => ("function_call", "arguments"),
                    _ => panic!("{event}"),
                };
                assert_eq!(self.kind, item);
                assert!(self.part || item == "function_call", "texts are in parts: {event}");
                match verb {
                    "delta" => self.text.push_str(event["delta"].as_str().unwrap()),
                    "done" => {
                        let text = event[whole].as_str().unwrap();
                        assert_eq!(text, self.text, "{event}");
                        assert!(self.text_done.replace(text.to_owned()).is_none());
                    }
                    _ => panic!("{event}"),
                }
            }
        }
    }

    fn end(&mut self, item: &Value) {
        assert_eq!(item["id"], self.id);
        assert!(!self.part, "a part left open: {item}");
        let text = match self.kind.as_str() {
            "function_call" => item["arguments"].as_str(),
            "reasoning" => item["summary"].get(0).map(|part| part["text"].as_str().unwrap()),
            _ => item["content"][0].get("text").unwrap_or(&item["content"][0]["refusal"]).as_str(),
        };
        assert_eq!(text, self.text_done.as_deref());
        assert!(item.get("status").is_none_or(|status| status == "completed" || status == "incomplete"));
        self.done = Some(item.clone());
    }
}
