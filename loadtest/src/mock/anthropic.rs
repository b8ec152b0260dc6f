//! Anthropic's messages, their stream and their token counts.

use super::{
    ask::{Ask, SIGNATURE},
    faults::{self, Dialect},
    plan::{Events, ID, Plan},
    scenario::Scenario,
    story::{Call, Finish, Step, Story},
};
use serde_json::{Value, json};

/// A named event; `payload` gets the name as its first field.
pub fn event(kind: &str, mut payload: Value) -> Vec<u8> {
    if let Some(fields) = payload.as_object_mut() {
        fields.shift_remove("type");
    }
    let payload = payload.to_string();
    let rest = payload.strip_prefix('{').unwrap_or_default();
    let comma = if rest == "}" { "" } else { "," };
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{comma}{rest}\n\n").into_bytes()
}

fn headers<'a>(ask: &'a Ask, request_id: &'a str) -> [(&'a str, &'a str); 2] {
    [("request-id", request_id), ("x-mock-model", &ask.model)]
}

/// Cached tokens stand outside the input here (spec of the wire, not of this provider).
fn usage(story: &Story, output: u64) -> Value {
    json!({
        "input_tokens": story.input - story.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": story.cached,
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn message(ask: &Ask, content: Value, stop: Value, sequence: Value, usage: Value) -> Value {
    json!({
        "id": format!("msg_{ID}"),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": sequence,
        "usage": usage,
    })
}

fn without_usage(mut body: Value, scenario: &Scenario) -> Value {
    if scenario.no_usage
        && let Some(fields) = body.as_object_mut()
    {
        fields.shift_remove("usage");
    }
    body
}

/// `stop_reason` and `stop_sequence`.
fn stop(story: &Story) -> (Value, Value) {
    match &story.finish {
        Finish::Stop => (json!("end_turn"), Value::Null),
        Finish::Length => (json!("max_tokens"), Value::Null),
        Finish::Sequence(sequence) => (json!("stop_sequence"), json!(sequence)),
        Finish::Calls => (json!("tool_use"), Value::Null),
    }
}

pub fn messages(ask: &Ask, scenario: &Scenario) -> Plan {
    let story = Story::new(ask, scenario);
    let request_id = format!("req_{ID}");
    let headers = headers(ask, &request_id);
    if ask.stream {
        return Plan::stream("text/event-stream; charset=utf-8", &headers, events(ask, scenario, &story), scenario);
    }
    let (stop, sequence) = stop(&story);
    let body = message(ask, content(&story), stop, sequence, usage(&story, story.output));
    let body = without_usage(body, scenario);
    Plan::unary(200, "application/json", &headers, body.to_string().as_bytes(), scenario)
}

fn call_id(index: usize) -> String {
    format!("toolu_{ID}{index}")
}

fn content(story: &Story) -> Value {
    let mut content = Vec::new();
    if !story.thoughts.is_empty() {
        content.push(json!({"type": "thinking", "thinking": story.thoughts.concat(), "signature": SIGNATURE}));
    }
    if !story.text.is_empty() || story.calls.is_empty() {
        content.push(json!({"type": "text", "text": story.text.concat()}));
    }
    for (index, call) in story.calls.iter().enumerate() {
        content.push(json!({"type": "tool_use", "id": call_id(index), "name": call.name, "input": call.arguments}));
    }
    json!(content)
}

fn events(ask: &Ask, scenario: &Scenario, story: &Story) -> Events {
    let usage_of = |output| usage(story, output);
    let begun = without_usage(message(ask, json!([]), Value::Null, Value::Null, usage_of(1)), scenario);
    let mut blocks = Blocks::default();
    let (mut open, mut tokens) = (Vec::new(), Vec::new());
    for step in story.steps(false) {
        let mut start = blocks.turn_to(step);
        if open.is_empty() {
            open = std::mem::take(&mut start);
        }
        start.extend(blocks.delta(step));
        tokens.push(start);
    }
    if open.is_empty() {
        open = blocks.turn_to(Step::Text(""));
    }
    let (stop, sequence) = stop(story);
    let last = json!({"delta": {"stop_reason": stop, "stop_sequence": sequence}, "usage": usage_of(story.output)});
    Events {
        open: vec![event("message_start", json!({"message": begun})), open, event("ping", json!({}))],
        tokens,
        finish: vec![blocks.stop(), event("message_delta", without_usage(last, scenario))],
        term: Some(event("message_stop", json!({}))),
        error: event("error", faults::in_stream(Dialect::Anthropic)),
        ..Events::default()
    }
}

/// One block is open at a time.
#[derive(Default)]
struct Blocks {
    open: Option<Block>,
    index: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Thinking,
    Text,
    Call(usize),
}

impl Blocks {
    /// Ends the open block and begins another, where the step is not of the open one.
    fn turn_to(&mut self, step: Step) -> Vec<u8> {
        let block = match step {
            Step::Think(_) => Block::Thinking,
            Step::Text(_) => Block::Text,
            Step::Argument { index, .. } => Block::Call(index),
        };
        if self.open == Some(block) {
            return Vec::new();
        }
        let mut bytes = self.stop();
        let begun = match step {
            Step::Think(_) => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Step::Text(_) => json!({"type": "text", "text": ""}),
            Step::Argument { index, call: Call { name, .. }, .. } => {
                json!({"type": "tool_use", "id": call_id(index), "name": name, "input": {}})
            }
        };
        self.open = Some(block);
        bytes.extend(event("content_block_start", json!({"index": self.index, "content_block": begun})));
        bytes
    }

    fn delta(&self, step: Step) -> Vec<u8> {
        let delta = match step {
            Step::Think(text) => json!({"type": "thinking_delta", "thinking": text}),
            Step::Text(text) => json!({"type": "text_delta", "text": text}),
            // A call without arguments has no delta.
            Step::Argument { call, .. } if call.takes_none() => return Vec::new(),
            Step::Argument { fragment, .. } => json!({"type": "input_json_delta", "partial_json": fragment}),
        };
        event("content_block_delta", json!({"index": self.index, "delta": delta}))
    }

    fn stop(&mut self) -> Vec<u8> {
        let Some(block) = self.open.take() else { return Vec::new() };
        let mut bytes = Vec::new();
        if block == Block::Thinking {
            let signature = json!({"type": "signature_delta", "signature": SIGNATURE});
            bytes = event("content_block_delta", json!({"index": self.index, "delta": signature}));
        }
        bytes.extend(event("content_block_stop", json!({"index": self.index})));
        self.index += 1;
        bytes
    }
}

pub fn count_tokens(ask: &Ask, scenario: &Scenario) -> Plan {
    let request_id = format!("req_{ID}");
    let body = json!({"input_tokens": Story::new(ask, scenario).input});
    Plan::unary(200, "application/json", &headers(ask, &request_id), body.to_string().as_bytes(), scenario)
}
