//! Chat completions and legacy completions.

use super::{
    ask::Ask,
    count::{Count, created},
    faults::{self, Dialect},
    plan::{Events, ID, Plan},
    scenario::Scenario,
};
use serde_json::{Value, json};

/// One SSE event of the data-only kind.
pub fn data(payload: &Value) -> Vec<u8> {
    format!("data: {payload}\n\n").into_bytes()
}

fn usage(count: &Count) -> Value {
    json!({
        "prompt_tokens": count.input,
        "completion_tokens": count.output,
        "total_tokens": count.input + count.output,
        "prompt_tokens_details": {"cached_tokens": count.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": count.reasoning, "audio_tokens": 0},
    })
}

pub fn json_answer(ask: &Ask, scenario: &Scenario, mut body: Value) -> Plan {
    if scenario.no_usage
        && let Some(fields) = body.as_object_mut()
    {
        fields.remove("usage");
    }
    let request_id = format!("req_{ID}");
    Plan::unary(200, "application/json", &headers(ask, &request_id), body.to_string().as_bytes(), scenario)
}

pub fn headers<'a>(ask: &'a Ask, request_id: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("x-request-id", request_id),
        ("openai-version", "2020-10-01"),
        ("openai-processing-ms", "1"),
        ("x-mock-model", &ask.model),
    ]
}

pub fn event_stream(ask: &Ask, scenario: &Scenario, events: Events) -> Plan {
    let request_id = format!("req_{ID}");
    Plan::stream("text/event-stream; charset=utf-8", &headers(ask, &request_id), events, scenario)
}

fn finish(count: &Count) -> &'static str {
    if count.cut_by_max { "length" } else { "stop" }
}

pub fn chat(ask: &Ask, scenario: &Scenario) -> Plan {
    let count = Count::new(ask, scenario);
    if ask.stream {
        return event_stream(ask, scenario, chat_events(ask, scenario, &count));
    }
    let message = json!({"role": "assistant", "content": count.tokens.concat(), "refusal": null, "annotations": []});
    let body = json!({
        "id": format!("chatcmpl-{ID}"),
        "object": "chat.completion",
        "created": created(),
        "model": ask.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(&count)}],
        "usage": usage(&count),
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
    });
    json_answer(ask, scenario, body)
}

fn chat_events(ask: &Ask, scenario: &Scenario, count: &Count) -> Events {
    let created = created();
    let with_usage = ask.include_usage && !scenario.no_usage;
    let model = json!(ask.model);
    // Written out, so that the fields stand in the provider's order.
    let chunk = |choices: Value, usage: Value| {
        // Every chunk has the field when the client asked for usage, and none has it otherwise.
        let usage = if with_usage { format!(",\"usage\":{usage}") } else { String::new() };
        format!(
            "data: {{\"id\":\"chatcmpl-{ID}\",\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{model},\
             \"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\",\"choices\":{choices}{usage}}}\n\n"
        )
        .into_bytes()
    };
    let choice = |delta: Value, finish: Option<&str>| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    let mut events = Events {
        open: vec![chunk(choice(json!({"role": "assistant", "content": "", "refusal": null}), None), Value::Null)],
        tokens: count.tokens.iter().map(|text| chunk(choice(json!({"content": text}), None), Value::Null)).collect(),
        finish: vec![chunk(choice(json!({}), Some(finish(count))), Value::Null)],
        term: Some(b"data: [DONE]\n\n".to_vec()),
        error: data(&faults::in_stream(Dialect::OpenAi)),
    };
    if with_usage {
        events.finish.push(chunk(json!([]), usage(count)));
    }
    events
}

pub fn completions(ask: &Ask, scenario: &Scenario) -> Plan {
    let count = Count::new(ask, scenario);
    let created = created();
    let body = |choices: Value| {
        json!({
            "id": format!("cmpl-{ID}"),
            "object": "text_completion",
            "created": created,
            "model": ask.model,
            "choices": choices,
        })
    };
    let choice = |text: &str, finish: Option<&str>| json!([{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}]);
    let with_usage = |mut body: Value| {
        if let Some(fields) = body.as_object_mut() {
            fields.insert("usage".to_owned(), usage(&count));
        }
        body
    };
    if !ask.stream {
        return json_answer(ask, scenario, with_usage(body(choice(&count.tokens.concat(), Some(finish(&count))))));
    }
    let mut events = Events {
        open: Vec::new(),
        tokens: count.tokens.iter().map(|text| data(&body(choice(text, None)))).collect(),
        finish: vec![data(&body(choice("", Some(finish(&count)))))],
        term: Some(b"data: [DONE]\n\n".to_vec()),
        error: data(&faults::in_stream(Dialect::OpenAi)),
    };
    if ask.include_usage && !scenario.no_usage {
        events.finish.push(data(&with_usage(body(json!([])))));
    }
    event_stream(ask, scenario, events)
}
