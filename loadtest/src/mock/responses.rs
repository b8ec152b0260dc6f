//! The Responses API: one message of one text part, and the named events that build it.

use super::{
    anthropic,
    ask::Ask,
    count::{Count, created},
    faults::{self, Dialect},
    openai,
    plan::{Events, ID, Plan},
    scenario::Scenario,
};
use serde_json::{Value, json};

pub fn answer(ask: &Ask, scenario: &Scenario) -> Plan {
    let count = Count::new(ask, scenario);
    let story = Story { ask, count: &count, no_usage: scenario.no_usage, created: created() };
    if ask.stream {
        openai::event_stream(ask, scenario, story.events())
    } else {
        openai::json_answer(ask, scenario, story.last())
    }
}

struct Story<'a> {
    ask: &'a Ask,
    count: &'a Count,
    no_usage: bool,
    created: u64,
}

impl Story<'_> {
    fn response(&self, status: &str, output: Value, usage: Value) -> Value {
        let cut = if status == "incomplete" { json!({"reason": "max_output_tokens"}) } else { Value::Null };
        json!({
            "id": format!("resp_{ID}"),
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": null,
            "incomplete_details": cut,
            "instructions": self.ask.body.get("instructions"),
            "max_output_tokens": self.ask.max_tokens,
            "model": self.ask.model,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "service_tier": "default",
            "store": true,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": usage,
            "user": null,
            "metadata": {},
        })
    }

    fn usage(&self) -> Value {
        if self.no_usage {
            return Value::Null;
        }
        let count = self.count;
        json!({
            "input_tokens": count.input,
            "input_tokens_details": {"cached_tokens": count.cached},
            "output_tokens": count.output,
            "output_tokens_details": {"reasoning_tokens": count.reasoning},
            "total_tokens": count.input + count.output,
        })
    }

    fn status(&self) -> &'static str {
        if self.count.cut_by_max { "incomplete" } else { "completed" }
    }

    fn part(text: &str) -> Value {
        json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
    }

    fn item(status: &str, content: Value) -> Value {
        json!({"id": format!("msg_{ID}"), "type": "message", "status": status, "content": content, "role": "assistant"})
    }

    fn last(&self) -> Value {
        let item = Self::item(self.status(), json!([Self::part(&self.count.tokens.concat())]));
        self.response(self.status(), json!([item]), self.usage())
    }

    fn events(&self) -> Events {
        let mut sequence = 0;
        let mut event = |kind: &str, mut fields: Value| {
            if let Some(map) = fields.as_object_mut() {
                map.insert("sequence_number".to_owned(), json!(sequence));
            }
            sequence += 1;
            anthropic::event(kind, fields)
        };
        let id = format!("msg_{ID}");
        let at = |key: &str, value: Value| json!({"item_id": id, "output_index": 0, "content_index": 0, key: value});
        let begun = self.response("in_progress", json!([]), Value::Null);
        let text = self.count.tokens.concat();
        let open = vec![
            event("response.created", json!({"response": begun})),
            event("response.in_progress", json!({"response": begun})),
            event(
                "response.output_item.added",
                json!({"output_index": 0, "item": Self::item("in_progress", json!([]))}),
            ),
            event("response.content_part.added", at("part", Self::part(""))),
        ];
        let tokens = self.count.tokens.iter().map(|text| {
            let mut fields = at("delta", json!(text));
            if let Some(map) = fields.as_object_mut() {
                map.insert("logprobs".to_owned(), json!([]));
            }
            event("response.output_text.delta", fields)
        });
        let tokens = tokens.collect();
        let mut done = at("text", json!(text));
        if let Some(map) = done.as_object_mut() {
            map.insert("logprobs".to_owned(), json!([]));
        }
        let finish = vec![
            event("response.output_text.done", done),
            event("response.content_part.done", at("part", Self::part(&text))),
            event(
                "response.output_item.done",
                json!({"output_index": 0, "item": Self::item(self.status(), json!([Self::part(&text)]))}),
            ),
        ];
        let term = event(&format!("response.{}", self.status()), json!({"response": self.last()}));
        let mut failed = self.response("failed", json!([]), Value::Null);
        let error = faults::in_stream(Dialect::OpenAi);
        let message = error.pointer("/error/message").cloned().unwrap_or_default();
        if let Some(map) = failed.as_object_mut() {
            map.insert("error".to_owned(), json!({"code": "server_error", "message": message}));
        }
        let mut broken = event("error", json!({"code": "server_error", "message": message, "param": null}));
        broken.extend(event("response.failed", json!({"response": failed})));
        Events { open, tokens, finish, term: Some(term), error: broken }
    }
}
