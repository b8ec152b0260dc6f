//! The Responses API: items of thinking, text and calls, and the named events that build them.

use super::{
    anthropic,
    ask::{Ask, SIGNATURE},
    faults::{self, Dialect},
    openai,
    plan::{Events, ID, Plan},
    scenario::Scenario,
    story::{Call, Finish, Step, Story, created},
};
use serde_json::{Value, json};

pub fn answer(ask: &Ask, scenario: &Scenario) -> Plan {
    let story = Story::new(ask, scenario);
    let response = Response { ask, story: &story, no_usage: scenario.no_usage, created: created() };
    if ask.stream {
        openai::event_stream(ask, scenario, response.events())
    } else {
        openai::json_answer(ask, scenario, response.last())
    }
}

struct Response<'a> {
    ask: &'a Ask,
    story: &'a Story,
    no_usage: bool,
    created: u64,
}

/// One item of the output.
#[derive(Clone, Copy)]
enum Item<'a> {
    Reasoning,
    Message,
    Call(usize, &'a Call),
}

impl Item<'_> {
    fn is(&self, other: &Item) -> bool {
        match (self, other) {
            (Item::Reasoning, Item::Reasoning) | (Item::Message, Item::Message) => true,
            (Item::Call(one, _), Item::Call(other, _)) => one == other,
            _ => false,
        }
    }

    fn id(&self) -> String {
        match self {
            Item::Reasoning => format!("rs_{ID}"),
            Item::Message => format!("msg_{ID}"),
            Item::Call(index, _) => format!("fc_{ID}{index}"),
        }
    }
}

impl Response<'_> {
    fn response(&self, status: &str, output: Value, usage: Value) -> Value {
        let cut = if status == "incomplete" { json!({"reason": "max_output_tokens"}) } else { Value::Null };
        let asked = |key: &str, usual: Value| self.ask.body.get(key).cloned().unwrap_or(usual);
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
            "parallel_tool_calls": !self.ask.one_call,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "service_tier": "default",
            "store": true,
            "temperature": 1.0,
            "text": asked("text", json!({"format": {"type": "text"}})),
            "tool_choice": asked("tool_choice", json!("auto")),
            "tools": asked("tools", json!([])),
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
        let story = self.story;
        json!({
            "input_tokens": story.input,
            "input_tokens_details": {"cached_tokens": story.cached},
            "output_tokens": story.output,
            "output_tokens_details": {"reasoning_tokens": story.reasoning},
            "total_tokens": story.input + story.output,
        })
    }

    fn status(&self) -> &'static str {
        if self.story.finish == Finish::Length { "incomplete" } else { "completed" }
    }

    fn part(text: &str) -> Value {
        json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
    }

    fn items(&self) -> Vec<Item<'_>> {
        let story = self.story;
        let mut items = Vec::new();
        if !story.thoughts.is_empty() {
            items.push(Item::Reasoning);
        }
        if !story.text.is_empty() || story.calls.is_empty() {
            items.push(Item::Message);
        }
        items.extend(story.calls.iter().enumerate().map(|(index, call)| Item::Call(index, call)));
        items
    }

    /// An item as it stands at its beginning or at its end.
    fn item(&self, item: &Item, done: bool) -> Value {
        let id = item.id();
        match item {
            Item::Reasoning => {
                let text = json!([{"type": "summary_text", "text": self.story.thoughts.concat()}]);
                let mut value = json!({"id": id, "type": "reasoning", "summary": if done { text } else { json!([]) }});
                let included = self.ask.body.get("include").and_then(Value::as_array);
                if done && included.is_some_and(|list| list.iter().any(|one| one == "reasoning.encrypted_content")) {
                    value["encrypted_content"] = json!(SIGNATURE);
                }
                value
            }
            Item::Message => {
                let status = if done { self.status() } else { "in_progress" };
                let content = json!([Self::part(&self.story.text.concat())]);
                json!({"id": id, "type": "message", "status": status,
                       "content": if done { content } else { json!([]) }, "role": "assistant"})
            }
            Item::Call(index, call) => {
                let (status, arguments) =
                    if done { ("completed", call.arguments.to_string()) } else { ("in_progress", String::new()) };
                json!({"id": id, "type": "function_call", "status": status, "call_id": format!("call_{ID}{index}"),
                       "name": call.name, "arguments": arguments})
            }
        }
    }

    fn last(&self) -> Value {
        let items = self.items().iter().map(|item| self.item(item, true)).collect();
        self.response(self.status(), items, self.usage())
    }

    fn events(&self) -> Events {
        let mut writer = Writer::default();
        let begun = self.response("in_progress", json!([]), Value::Null);
        let mut open = writer.event("response.created", json!({"response": begun}));
        open.extend(writer.event("response.in_progress", json!({"response": begun})));
        let (items, mut at) = (self.items(), 0);
        if let Some(first) = items.first() {
            open.extend(self.begin(&mut writer, 0, first));
        }
        let mut tokens = Vec::new();
        for step in self.story.steps(false) {
            let of = match step {
                Step::Think(_) => Item::Reasoning,
                Step::Text(_) => Item::Message,
                Step::Argument { index, call, .. } => Item::Call(index, call),
            };
            let mut bytes = Vec::new();
            if let (Some(current), Some(next)) = (items.get(at), items.get(at + 1))
                && !current.is(&of)
            {
                bytes.extend(self.end(&mut writer, at, current));
                at += 1;
                bytes.extend(self.begin(&mut writer, at, next));
            }
            bytes.extend(Self::delta(&mut writer, at, &of, step));
            tokens.push(bytes);
        }
        let finish = items.get(at).map(|last| self.end(&mut writer, at, last)).unwrap_or_default();
        let term = writer.event(&format!("response.{}", self.status()), json!({"response": self.last()}));
        Events {
            open: vec![open],
            tokens,
            finish: vec![finish],
            term: Some(term),
            error: self.broken(&mut writer),
            error_alone: self.broken(&mut Writer::default()),
            ..Events::default()
        }
    }

    fn begin(&self, writer: &mut Writer, at: usize, item: &Item) -> Vec<u8> {
        let added = json!({"output_index": at, "item": self.item(item, false)});
        let mut bytes = writer.event("response.output_item.added", added);
        match item {
            Item::Reasoning => {
                let part = json!({"item_id": item.id(), "output_index": at, "summary_index": 0,
                                  "part": {"type": "summary_text", "text": ""}});
                bytes.extend(writer.event("response.reasoning_summary_part.added", part));
            }
            Item::Message => {
                let part =
                    json!({"item_id": item.id(), "output_index": at, "content_index": 0, "part": Self::part("")});
                bytes.extend(writer.event("response.content_part.added", part));
            }
            Item::Call(..) => {}
        }
        bytes
    }

    fn delta(writer: &mut Writer, at: usize, item: &Item, step: Step) -> Vec<u8> {
        let id = item.id();
        match step {
            Step::Think(text) => writer.event(
                "response.reasoning_summary_text.delta",
                json!({"item_id": id, "output_index": at, "summary_index": 0, "delta": text}),
            ),
            Step::Text(text) => writer.event(
                "response.output_text.delta",
                json!({"item_id": id, "output_index": at, "content_index": 0, "delta": text, "logprobs": []}),
            ),
            Step::Argument { fragment, .. } => writer.event(
                "response.function_call_arguments.delta",
                json!({"item_id": id, "output_index": at, "delta": fragment}),
            ),
        }
    }

    fn end(&self, writer: &mut Writer, at: usize, item: &Item) -> Vec<u8> {
        let id = item.id();
        let mut bytes = Vec::new();
        match item {
            Item::Reasoning => {
                let text = self.story.thoughts.concat();
                let place = json!({"item_id": id, "output_index": at, "summary_index": 0});
                let done = with(place.clone(), "text", json!(text));
                bytes.extend(writer.event("response.reasoning_summary_text.done", done));
                let part = with(place, "part", json!({"type": "summary_text", "text": text}));
                bytes.extend(writer.event("response.reasoning_summary_part.done", part));
            }
            Item::Message => {
                let text = self.story.text.concat();
                let place = json!({"item_id": id, "output_index": at, "content_index": 0});
                let done = with(with(place.clone(), "text", json!(text)), "logprobs", json!([]));
                bytes.extend(writer.event("response.output_text.done", done));
                let part = with(place, "part", Self::part(&text));
                bytes.extend(writer.event("response.content_part.done", part));
            }
            Item::Call(_, call) => {
                let done = json!({"item_id": id, "output_index": at, "name": call.name,
                                  "arguments": call.arguments.to_string()});
                bytes.extend(writer.event("response.function_call_arguments.done", done));
            }
        }
        let done = json!({"output_index": at, "item": self.item(item, true)});
        bytes.extend(writer.event("response.output_item.done", done));
        bytes
    }

    fn broken(&self, writer: &mut Writer) -> Vec<u8> {
        let error = faults::in_stream(Dialect::OpenAi);
        let message = error.pointer("/error/message").cloned().unwrap_or_default();
        let mut failed = self.response("failed", json!([]), Value::Null);
        failed["error"] = json!({"code": "server_error", "message": message});
        let mut bytes = writer.event("error", json!({"code": "server_error", "message": message, "param": null}));
        bytes.extend(writer.event("response.failed", json!({"response": failed})));
        bytes
    }
}

fn with(mut fields: Value, key: &str, value: Value) -> Value {
    fields[key] = value;
    fields
}

/// Numbers the events.
#[derive(Default)]
struct Writer {
    sequence: u64,
}

impl Writer {
    fn event(&mut self, kind: &str, fields: Value) -> Vec<u8> {
        let fields = with(fields, "sequence_number", json!(self.sequence));
        self.sequence += 1;
        anthropic::event(kind, fields)
    }
}
