//! Chat completions and legacy completions, as OpenAI and (under its deployment paths) Azure answer them.

use super::{
    ask::Ask,
    chunks,
    faults::{self, Dialect},
    plan::{Events, ID, Plan},
    scenario::{Class, Scenario},
    story::{Call, Finish, Story, created},
};
use serde_json::{Value, json};

/// One SSE event of the data-only kind.
pub fn data(payload: &Value) -> Vec<u8> {
    format!("data: {payload}\n\n").into_bytes()
}

pub fn usage(story: &Story) -> Value {
    json!({
        "prompt_tokens": story.input,
        "completion_tokens": story.output,
        "total_tokens": story.input + story.output,
        "prompt_tokens_details": {"cached_tokens": story.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": story.reasoning, "audio_tokens": 0},
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

pub fn finish(story: &Story) -> &'static str {
    match story.finish {
        Finish::Stop | Finish::Sequence(_) => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    }
}

/// What Azure adds to each choice that says something.
pub fn filtered(ask: &Ask, mut choice: Value) -> Value {
    if ask.azure
        && let Some(fields) = choice.as_object_mut()
    {
        let safe = json!({"filtered": false, "severity": "safe"});
        fields.insert("content_filter_results".to_owned(), json!({"hate": safe, "violence": safe}));
    }
    choice
}

pub fn prompt_filter_results() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": {"jailbreak": {"filtered": false, "detected": false}}}])
}

pub fn call_id(choice: usize, index: usize, scenario: &Scenario) -> String {
    if scenario.mistral {
        return format!("Mock{choice:02}{index:03}");
    }
    format!("call_{ID}{choice}{index}")
}

/// The first id of a call in the request that Mistral would refuse.
fn bad_id(ask: &Ask) -> Option<&str> {
    let messages = ask.body.get("messages").and_then(Value::as_array)?;
    let calls = messages.iter().filter_map(|message| message.get("tool_calls")?.as_array()).flatten();
    let ids = calls.filter_map(|call| call.get("id")?.as_str());
    let results = messages.iter().filter_map(|message| message.get("tool_call_id")?.as_str());
    ids.chain(results).find(|id| id.len() != 9 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

pub fn logprobs(ask: &Ask, tokens: &[String]) -> Value {
    let Some(top) = ask.logprobs else { return Value::Null };
    let item = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let content = tokens.iter().map(|token| {
        let others = (0..top).map(|at| if at == 0 { item(token, -0.25) } else { item(" else", -1.5 - at as f64) });
        let mut content = item(token, -0.25);
        content["top_logprobs"] = others.collect();
        content
    });
    json!({"content": content.collect::<Vec<_>>(), "refusal": null})
}

/// What Mistral says against a request that others take.
fn refused_by_mistral(ask: &Ask) -> Option<String> {
    if let Some(id) = bad_id(ask) {
        return Some(format!("Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."));
    }
    let open = ask.ends_with_assistant && ask.prefill.is_none();
    let words = "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant";
    open.then(|| words.to_owned())
}

pub fn chat(ask: &Ask, scenario: &Scenario) -> Plan {
    if scenario.mistral
        && let Some(words) = refused_by_mistral(ask)
    {
        return faults::answer(Dialect::OpenAi, 400, Class::ByStatus, Some(&words), scenario);
    }
    let story = Story::new(ask, scenario);
    if ask.stream {
        return event_stream(ask, scenario, chunks::events(ask, scenario, &story));
    }
    let choice = |index: usize| {
        let choice = json!({
            "index": index,
            "message": message(&story, index, scenario),
            "logprobs": logprobs(ask, &story.text),
            "finish_reason": finish(&story),
        });
        filtered(ask, choice)
    };
    let mut body = json!({
        "id": format!("chatcmpl-{ID}"),
        "object": "chat.completion",
        "created": created(),
        "model": ask.model,
        "choices": (0..story.candidates).map(choice).collect::<Vec<_>>(),
        "usage": usage(&story),
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
    });
    if ask.azure {
        body["prompt_filter_results"] = prompt_filter_results();
    }
    json_answer(ask, scenario, body)
}

fn message(story: &Story, choice: usize, scenario: &Scenario) -> Value {
    let text = story.text.concat();
    let content = if text.is_empty() && !story.calls.is_empty() { Value::Null } else { json!(text) };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
    if !story.thoughts.is_empty() && scenario.mistral {
        message["content"] = json!([thinking(&story.thoughts.concat()), {"type": "text", "text": text}]);
    } else if !story.thoughts.is_empty() {
        message["reasoning_content"] = json!(story.thoughts.concat());
    }
    if !story.calls.is_empty() {
        let call = |(index, call): (usize, &Call)| {
            json!({"id": call_id(choice, index, scenario), "type": "function",
                   "function": {"name": call.name, "arguments": call.arguments.to_string()}})
        };
        message["tool_calls"] = story.calls.iter().enumerate().map(call).collect();
    }
    message
}

/// Mistral's part of a content that is an array.
pub fn thinking(text: &str) -> Value {
    json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]})
}

pub fn completions(ask: &Ask, scenario: &Scenario) -> Plan {
    let story = Story::new(ask, scenario);
    let created = created();
    let body = |choices: Vec<Value>| {
        json!({
            "id": format!("cmpl-{ID}"),
            "object": "text_completion",
            "created": created,
            "model": ask.model,
            "choices": choices,
        })
    };
    let choices = |text: &str, finish: Option<&str>| -> Vec<Value> {
        let choice = |index| json!({"text": text, "index": index, "logprobs": null, "finish_reason": finish});
        (0..story.candidates).map(choice).collect()
    };
    let with_usage = |mut body: Value| {
        body["usage"] = usage(&story);
        body
    };
    if !ask.stream {
        return json_answer(ask, scenario, with_usage(body(choices(&story.text.concat(), Some(finish(&story))))));
    }
    let mut events = Events {
        tokens: story.text.iter().map(|text| data(&body(choices(text, None)))).collect(),
        finish: vec![data(&body(choices("", Some(finish(&story)))))],
        term: Some(b"data: [DONE]\n\n".to_vec()),
        error: data(&faults::in_stream(Dialect::OpenAi)),
        ..Events::default()
    };
    if ask.include_usage && !scenario.no_usage {
        events.finish.push(data(&with_usage(body(Vec::new()))));
    }
    event_stream(ask, scenario, events)
}
