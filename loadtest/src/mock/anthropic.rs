//! Anthropic's messages, their stream and their token counts.

use super::{
    ask::Ask,
    count::Count,
    faults::{self, Dialect},
    plan::{Events, ID, Plan},
    scenario::Scenario,
};
use serde_json::{Value, json};

/// A named event; `payload` gets the name as its first field.
pub fn event(kind: &str, mut payload: Value) -> Vec<u8> {
    if let Some(fields) = payload.as_object_mut() {
        fields.remove("type");
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
fn usage(count: &Count, output: u64) -> Value {
    json!({
        "input_tokens": count.input - count.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": count.cached,
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn message(ask: &Ask, content: Value, stop: Value, usage: Value) -> Value {
    json!({
        "id": format!("msg_{ID}"),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": usage,
    })
}

fn without_usage(mut body: Value, scenario: &Scenario) -> Value {
    if scenario.no_usage
        && let Some(fields) = body.as_object_mut()
    {
        fields.remove("usage");
    }
    body
}

pub fn messages(ask: &Ask, scenario: &Scenario) -> Plan {
    let count = Count::new(ask, scenario);
    let stop = if count.cut_by_max { "max_tokens" } else { "end_turn" };
    let request_id = format!("req_{ID}");
    let headers = headers(ask, &request_id);
    if ask.stream {
        let events = events(ask, scenario, &count, stop);
        return Plan::stream("text/event-stream; charset=utf-8", &headers, events, scenario);
    }
    let content = json!([{"type": "text", "text": count.tokens.concat()}]);
    let body = without_usage(message(ask, content, json!(stop), usage(&count, count.output)), scenario);
    Plan::unary(200, "application/json", &headers, body.to_string().as_bytes(), scenario)
}

fn events(ask: &Ask, scenario: &Scenario, count: &Count, stop: &str) -> Events {
    let begun = without_usage(message(ask, json!([]), Value::Null, usage(count, 1)), scenario);
    let delta = |text: &String| json!({"index": 0, "delta": {"type": "text_delta", "text": text}});
    let last = json!({
        "delta": {"stop_reason": stop, "stop_sequence": null},
        "usage": usage(count, count.output),
    });
    Events {
        open: vec![
            event("message_start", json!({"message": begun})),
            event("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}})),
            event("ping", json!({})),
        ],
        tokens: count.tokens.iter().map(|text| event("content_block_delta", delta(text))).collect(),
        finish: vec![
            event("content_block_stop", json!({"index": 0})),
            event("message_delta", without_usage(last, scenario)),
        ],
        term: Some(event("message_stop", json!({}))),
        error: event("error", faults::in_stream(Dialect::Anthropic)),
    }
}

pub fn count_tokens(ask: &Ask, scenario: &Scenario) -> Plan {
    let request_id = format!("req_{ID}");
    let body = json!({"input_tokens": Count::new(ask, scenario).input});
    Plan::unary(200, "application/json", &headers(ask, &request_id), body.to_string().as_bytes(), scenario)
}
