//! Amazon Bedrock: Converse, ConverseStream as event-stream frames, and embeddings by InvokeModel.
//!
//! Ids are made of the request here, and not of the answer's number as elsewhere: a frame's checksum covers them.

use super::{
    ask::{Ask, SIGNATURE},
    faults::{self, Dialect},
    others,
    plan::{Events, Plan},
    scenario::Scenario,
    story::{Call, Finish, Step, Story},
};
use serde_json::{Value, json};

fn usage(story: &Story) -> Value {
    json!({
        "inputTokens": story.input - story.cached,
        "outputTokens": story.output,
        "totalTokens": story.input + story.output,
        "cacheReadInputTokens": story.cached,
        "cacheWriteInputTokens": 0,
    })
}

fn stop(story: &Story) -> &'static str {
    match story.finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Sequence(_) => "stop_sequence",
        Finish::Calls => "tool_use",
    }
}

fn call_id(call: &Call, index: usize) -> String {
    let seed = crc32fast::hash(call.arguments.to_string().as_bytes());
    format!("tooluse_{seed:08x}{index}")
}

fn headers(ask: &Ask) -> [(&str, &str); 2] {
    [("x-amzn-requestid", "7f1b2c3d-0000-4000-8000-000000000000"), ("x-mock-model", &ask.model)]
}

pub fn converse(ask: &Ask, scenario: &Scenario) -> Plan {
    let story = Story::new(ask, scenario);
    let mut content = Vec::new();
    if !story.thoughts.is_empty() {
        let text = json!({"text": story.thoughts.concat(), "signature": SIGNATURE});
        content.push(json!({"reasoningContent": {"reasoningText": text}}));
    }
    if !story.text.is_empty() || story.calls.is_empty() {
        content.push(json!({"text": story.text.concat()}));
    }
    for (index, call) in story.calls.iter().enumerate() {
        let tool = json!({"toolUseId": call_id(call, index), "name": call.name, "input": call.arguments});
        content.push(json!({"toolUse": tool}));
    }
    let mut body = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop(&story),
        "metrics": {"latencyMs": 1},
    });
    if !scenario.no_usage {
        body["usage"] = usage(&story);
    }
    Plan::unary(200, "application/json", &headers(ask), body.to_string().as_bytes(), scenario)
}

pub fn converse_stream(ask: &Ask, scenario: &Scenario) -> Plan {
    let story = Story::new(ask, scenario);
    let mut blocks = Blocks::default();
    let tokens = story.steps(false).into_iter().map(|step| {
        let mut bytes = blocks.turn_to(step);
        bytes.extend(blocks.delta(step));
        bytes
    });
    let tokens = tokens.collect();
    let mut metadata = json!({"metrics": {"latencyMs": 1}});
    if !scenario.no_usage {
        metadata["usage"] = usage(&story);
    }
    let error = faults::in_stream(Dialect::Bedrock);
    let mut bad = event("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "broken"}}));
    if let Some(last) = bad.last_mut() {
        *last ^= 0xff;
    }
    let events = Events {
        open: vec![event("messageStart", json!({"role": "assistant"}))],
        tokens,
        finish: vec![blocks.stop(), event("messageStop", json!({"stopReason": stop(&story)}))],
        term: Some(event("metadata", metadata)),
        error: frame("exception", ":exception-type", "modelStreamErrorException", &error),
        bad,
        ..Events::default()
    };
    Plan::stream("application/vnd.amazon.eventstream", &headers(ask), events, scenario)
}

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
    /// Only calls have a start of their own.
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
        self.open = Some(block);
        if let Step::Argument { index, call, .. } = step {
            let start = json!({"toolUse": {"toolUseId": call_id(call, index), "name": call.name}});
            bytes.extend(event("contentBlockStart", json!({"contentBlockIndex": self.index, "start": start})));
        }
        bytes
    }

    fn delta(&self, step: Step) -> Vec<u8> {
        let delta = match step {
            Step::Think(text) => json!({"reasoningContent": {"text": text}}),
            Step::Text(text) => json!({"text": text}),
            Step::Argument { call, .. } if call.takes_none() => return Vec::new(),
            Step::Argument { fragment, .. } => json!({"toolUse": {"input": fragment}}),
        };
        event("contentBlockDelta", json!({"contentBlockIndex": self.index, "delta": delta}))
    }

    fn stop(&mut self) -> Vec<u8> {
        let Some(block) = self.open.take() else { return Vec::new() };
        let mut bytes = Vec::new();
        if block == Block::Thinking {
            let delta = json!({"reasoningContent": {"signature": SIGNATURE}});
            bytes = event("contentBlockDelta", json!({"contentBlockIndex": self.index, "delta": delta}));
        }
        bytes.extend(event("contentBlockStop", json!({"contentBlockIndex": self.index})));
        self.index += 1;
        bytes
    }
}

/// An event with the padding that hides how long its text is.
fn event(kind: &str, mut payload: Value) -> Vec<u8> {
    const PADDING: &str = "abcdefghijklmnopqrstuvwxyz";
    let length = payload.to_string().len() % PADDING.len();
    payload["p"] = json!(PADDING.get(..length));
    frame("event", ":event-type", kind, &payload)
}

/// `vnd.amazon.eventstream`: lengths and a checksum, headers, payload, a checksum over all of it.
fn frame(message: &str, kind_name: &str, kind: &str, payload: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(kind_name, kind), (":content-type", "application/json"), (":message-type", message)] {
        headers.push(name.len() as u8);
        headers.extend_from_slice(name.as_bytes());
        // 7: a string.
        headers.push(7);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let payload = payload.to_string();
    let mut frame = Vec::new();
    frame.extend_from_slice(&((headers.len() + payload.len() + 16) as u32).to_be_bytes());
    frame.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// Embeddings: Titan's of one text, Cohere's of several; a Cohere body has no count, only the field of the head has.
pub fn invoke(ask: &Ask, scenario: &Scenario) -> Plan {
    let input = Story::new(ask, scenario).input;
    let body = if let Some(texts) = ask.body.get("texts").and_then(Value::as_array) {
        let dimensions = others::dimensions(ask.body.get("output_dimension").and_then(Value::as_u64));
        let float: Vec<_> = (0..texts.len()).map(|index| others::vector(index, dimensions)).collect();
        let id = format!("{:08x}", crc32fast::hash(ask.body.to_string().as_bytes()));
        json!({"id": id, "texts": texts, "embeddings": {"float": float}, "response_type": "embeddings_by_type"})
    } else {
        let vector = others::vector(0, others::dimensions(ask.body.get("dimensions").and_then(Value::as_u64)));
        json!({"embedding": vector, "embeddingsByType": {"float": vector}, "inputTextTokenCount": input})
    };
    let input = input.to_string();
    let [first, second] = headers(ask);
    let headers = [first, second, ("x-amzn-bedrock-input-token-count", input.as_str())];
    Plan::unary(200, "application/json", &headers, body.to_string().as_bytes(), scenario)
}

/// Whether an `authorization` field has the form of Signature Version 4: what it is made of and sixty-four hex digits. The
/// simulated provider knows no secret, so the signature itself is not checked.
pub fn is_sigv4(authorization: &str) -> bool {
    let Some(rest) = authorization.strip_prefix("AWS4-HMAC-SHA256 ") else { return false };
    let field = |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let scope: Vec<&str> = field("Credential").unwrap_or_default().split('/').collect();
    let signed: Vec<&str> = field("SignedHeaders").unwrap_or_default().split(';').collect();
    let signature = field("Signature").unwrap_or_default();
    let scope_fits = matches!(scope[..], [key, day, region, "bedrock", "aws4_request"]
        if !key.is_empty() && day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit()) && !region.is_empty());
    scope_fits
        && signed.iter().filter(|name| **name == "host").count() == 1
        && signed.contains(&"x-amz-date")
        && signed.is_sorted()
        && signature.len() == 64
        && signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
