//! Cohere's version 2: chat and its stream, embed, rerank. What it bills is less than what it counts.

use super::{
    anthropic,
    ask::{self, Ask},
    faults::{self, Dialect},
    others,
    plan::{Events, ID, Plan},
    scenario::Scenario,
    story::{Call, Finish, Step, Story},
};
use serde_json::{Value, json};

/// Tokens of its chat template: counted, not billed.
const TEMPLATE_TOKENS: u64 = 3;

fn headers(ask: &Ask) -> [(&str, &str); 1] {
    [("x-mock-model", &ask.model)]
}

fn usage(story: &Story) -> Value {
    json!({
        "billed_units": {"input_tokens": story.input.saturating_sub(TEMPLATE_TOKENS), "output_tokens": story.output},
        "tokens": {"input_tokens": story.input, "output_tokens": story.output},
        "cached_tokens": story.cached,
    })
}

fn finish(story: &Story) -> &'static str {
    match story.finish {
        Finish::Stop => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Sequence(_) => "STOP_SEQUENCE",
        Finish::Calls => "TOOL_CALL",
    }
}

fn call_id(call: &Call, index: usize) -> String {
    format!("{}_{ID}{index}", call.name)
}

pub fn chat(ask: &Ask, scenario: &Scenario) -> Plan {
    let story = Story::new(ask, scenario);
    if ask.stream {
        return Plan::stream("text/event-stream", &headers(ask), events(scenario, &story), scenario);
    }
    let mut message = json!({"role": "assistant"});
    let mut content = Vec::new();
    if !story.thoughts.is_empty() {
        content.push(json!({"type": "thinking", "thinking": story.thoughts.concat()}));
    }
    // Text before calls is the plan of them.
    if story.calls.is_empty() {
        content.push(json!({"type": "text", "text": story.text.concat()}));
    } else {
        let call = |(index, call): (usize, &Call)| {
            json!({"id": call_id(call, index), "type": "function",
                   "function": {"name": call.name, "arguments": call.arguments.to_string()}})
        };
        message["tool_plan"] = json!(story.text.concat());
        message["tool_calls"] = story.calls.iter().enumerate().map(call).collect();
    }
    if !content.is_empty() {
        message["content"] = json!(content);
    }
    let mut body = json!({"id": ID, "finish_reason": finish(&story), "message": message});
    if !scenario.no_usage {
        body["usage"] = usage(&story);
    }
    Plan::unary(200, "application/json", &headers(ask), body.to_string().as_bytes(), scenario)
}

fn events(scenario: &Scenario, story: &Story) -> Events {
    let begun = json!({"id": ID, "delta": {"message": {
        "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}});
    let mut blocks = Blocks { with_calls: !story.calls.is_empty(), ..Blocks::default() };
    let tokens = story.steps(false).into_iter().map(|step| {
        let mut bytes = blocks.turn_to(step);
        bytes.extend(blocks.delta(step));
        bytes
    });
    let tokens = tokens.collect();
    let mut delta = json!({"finish_reason": finish(story)});
    if !scenario.no_usage {
        delta["usage"] = usage(story);
    }
    let done = b"data: [DONE]\n\n";
    let error = faults::in_stream(Dialect::Cohere);
    let failed = json!({"delta": {"error": error["message"], "finish_reason": "ERROR"}});
    Events {
        open: vec![anthropic::event("message-start", begun)],
        tokens,
        finish: vec![blocks.end()],
        term: Some([&anthropic::event("message-end", json!({"delta": delta}))[..], done].concat()),
        error: [&anthropic::event("message-end", failed)[..], done].concat(),
        ..Events::default()
    }
}

#[derive(Default)]
struct Blocks {
    with_calls: bool,
    open: Option<Block>,
    contents: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Content(&'static str),
    /// Has neither a start nor an end.
    Plan,
    Call(usize),
}

impl Blocks {
    fn turn_to(&mut self, step: Step) -> Vec<u8> {
        let block = match step {
            Step::Think(_) => Block::Content("thinking"),
            Step::Text(_) if self.with_calls => Block::Plan,
            Step::Text(_) => Block::Content("text"),
            Step::Argument { index, .. } => Block::Call(index),
        };
        if self.open == Some(block) {
            return Vec::new();
        }
        let mut bytes = self.end();
        self.open = Some(block);
        match (block, step) {
            (Block::Content(kind), _) => {
                let start =
                    json!({"index": self.contents, "delta": {"message": {"content": {"type": kind, kind: ""}}}});
                bytes.extend(anthropic::event("content-start", start));
            }
            (Block::Call(index), Step::Argument { call, .. }) => {
                let calls = json!({"id": call_id(call, index), "type": "function",
                                   "function": {"name": call.name, "arguments": ""}});
                let start = json!({"index": index, "delta": {"message": {"tool_calls": calls}}});
                bytes.extend(anthropic::event("tool-call-start", start));
            }
            _ => {}
        }
        bytes
    }

    fn delta(&self, step: Step) -> Vec<u8> {
        let content = |key: &str, text: &str| {
            let delta = json!({"message": {"content": {key: text}}});
            anthropic::event("content-delta", json!({"index": self.contents, "delta": delta}))
        };
        match step {
            Step::Think(text) => content("thinking", text),
            Step::Text(text) if self.with_calls => {
                anthropic::event("tool-plan-delta", json!({"delta": {"message": {"tool_plan": text}}}))
            }
            Step::Text(text) => content("text", text),
            // A call without arguments has no delta.
            Step::Argument { call, .. } if call.takes_none() => Vec::new(),
            Step::Argument { index, fragment, .. } => {
                let delta = json!({"message": {"tool_calls": {"function": {"arguments": fragment}}}});
                anthropic::event("tool-call-delta", json!({"index": index, "delta": delta}))
            }
        }
    }

    fn end(&mut self) -> Vec<u8> {
        match self.open.take() {
            Some(Block::Content(_)) => {
                self.contents += 1;
                anthropic::event("content-end", json!({"index": self.contents - 1}))
            }
            Some(Block::Call(index)) => anthropic::event("tool-call-end", json!({"index": index})),
            Some(Block::Plan) | None => Vec::new(),
        }
    }
}

pub fn embed(ask: &Ask, scenario: &Scenario) -> Plan {
    let dimensions = others::dimensions(ask.body.get("output_dimension").and_then(Value::as_u64));
    let texts = ask.body.get("texts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let input: u64 = texts.iter().map(ask::words).sum();
    let float: Vec<_> = (0..texts.len()).map(|index| others::vector(index, dimensions)).collect();
    let body = json!({
        "id": ID,
        "embeddings": {"float": float},
        "texts": texts,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": scenario.usage.input.unwrap_or(input)}},
        "response_type": "embeddings_by_type",
    });
    Plan::unary(200, "application/json", &headers(ask), body.to_string().as_bytes(), scenario)
}

pub fn rerank(ask: &Ask, scenario: &Scenario) -> Plan {
    let body = json!({
        "id": ID,
        "results": others::ranks(ask),
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    });
    Plan::unary(200, "application/json", &headers(ask), body.to_string().as_bytes(), scenario)
}
