//! The response object that clients read: in the first events of a stream, in its last, and as a unary body.

use serde_json::{Map, Value, json};

use super::item::{Item, member, push};
use super::request_out::{write_format, write_tool, write_tool_choice};
use crate::dialect::About;
use crate::dialect::common::{Finish, Part, Request, Role, Text};
use crate::json::{Walk, escape_into};
use crate::meter::{Tier, Usage, UsageSource};

/// What all forms of one response have in common.
pub(super) struct Head {
    pub about: About,
    /// Escaped; `resp_` and the answer's id, or the provider's.
    id: Vec<u8>,
    created_unix_s: u64,
    /// Escaped.
    pub model: Vec<u8>,
    /// Members that repeat the request, each with a comma before it.
    echo: Vec<u8>,
}

/// How a response stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State<'a> {
    InProgress,
    Completed,
    /// With the reason, where it is one that the dialect knows.
    Incomplete(Option<&'static str>),
    /// With the provider's word.
    Failed(&'a str),
}

impl<'a> State<'a> {
    /// `refused`: the answer holds a refusal, which is a complete answer here.
    pub fn of(finish: Option<Finish>, said: &'a str, refused: bool) -> Self {
        match finish {
            None | Some(Finish::Stop | Finish::StopSequence | Finish::ToolCalls) => State::Completed,
            Some(Finish::ContentFilter) if refused => State::Completed,
            Some(Finish::ContentFilter) => State::Incomplete(Some("content_filter")),
            Some(Finish::Length) => State::Incomplete(Some("max_output_tokens")),
            Some(Finish::Pause) => State::Incomplete(None),
            Some(Finish::Error) => State::Failed(said),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            State::InProgress => "in_progress",
            State::Completed => "completed",
            State::Incomplete(_) => "incomplete",
            State::Failed(_) => "failed",
        }
    }
}

impl Head {
    pub fn new(request: &Request, about: &About) -> Self {
        let mut model = Vec::new();
        escape_into(&about.model, &mut model);
        let id = format!("resp_{}", about.id).into_bytes();
        Head { about: about.clone(), id, created_unix_s: about.created_unix_s, model, echo: echo(request) }
    }

    /// Takes the names of a response that the client got as it came.
    pub fn adopt(&mut self, mut response: Walk<'_>) {
        if !response.object() {
            return;
        }
        while let Some(key) = response.key() {
            match key {
                b"id" => replace(&mut self.id, response.string()),
                b"model" => replace(&mut self.model, response.string()),
                b"created_at" => self.created_unix_s = response.number().whole().unwrap_or(self.created_unix_s),
                _ => response.skip(),
            }
        }
    }

    pub fn write(&self, state: State<'_>, items: &[Item], usage: &Usage, out: &mut Vec<u8>) {
        let Head { about: About { id, .. }, created_unix_s, .. } = self;
        let status = state.as_str();
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(&self.id);
        push(out, format_args!("\",\"object\":\"response\",\"created_at\":{created_unix_s},\"status\":\"{status}\""));
        match state {
            State::Failed(said) => {
                out.extend_from_slice(b",\"error\":{\"code\":\"server_error\",\"message\":\"the model failed: ");
                escape_into(said, out);
                out.extend_from_slice(b"\"}");
            }
            _ => out.extend_from_slice(b",\"error\":null"),
        }
        out.extend_from_slice(b",\"incomplete_details\":");
        match state {
            State::Incomplete(Some(reason)) => push(out, format_args!("{{\"reason\":\"{reason}\"}}")),
            State::Incomplete(None) => out.extend_from_slice(b"{\"reason\":null}"),
            _ => out.extend_from_slice(b"null"),
        }
        member("model", &self.model, out);
        out.extend_from_slice(b",\"output\":[");
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            item.write(id, at, out);
        }
        out.push(b']');
        out.extend_from_slice(&self.echo);
        if state != State::InProgress {
            push(out, format_args!(",\"service_tier\":\"{}\"", tier(usage.modifiers.tier)));
        }
        out.extend_from_slice(b",\"usage\":");
        write_usage(usage, out);
        out.push(b'}');
    }
}

fn replace(slot: &mut Vec<u8>, said: Option<&[u8]>) {
    if let Some(said) = said.filter(|said| !said.is_empty()) {
        slot.clear();
        Text::Escaped(said).push_escaped(slot);
    }
}

fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Flex => "flex",
        Tier::Priority => "priority",
        Tier::Standard | Tier::Batch | Tier::Provisioned => "default",
    }
}

fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    if usage.source == UsageSource::None {
        return out.extend_from_slice(b"null");
    }
    let Usage { input, cache_read, output, reasoning, .. } = usage;
    let cache_write = usage.cache_write_total();
    push(out, format_args!("{{\"input_tokens\":{input},\"input_tokens_details\":{{\"cached_tokens\":{cache_read}"));
    push(out, format_args!(",\"cache_write_tokens\":{cache_write}"));
    push(
        out,
        format_args!(
            "}},\"output_tokens\":{output},\"output_tokens_details\":{{\"reasoning_tokens\":{reasoning}}},\
             \"total_tokens\":{}}}",
            input.saturating_add(*output)
        ),
    );
}

/// What the request asked for, as the SDKs' models want it repeated.
fn echo(request: &Request) -> Vec<u8> {
    let or_null = |value: &Option<Value>| value.clone().unwrap_or(Value::Null);
    let reasoning = request.reasoning.as_ref();
    let format = request.format.as_ref().map_or_else(|| json!({"type": "text"}), write_format);
    let echo = json!({
        "background": false,
        "instructions": instructions(request),
        "max_output_tokens": request.max_tokens,
        "metadata": {},
        "parallel_tool_calls": request.parallel_tool_calls.unwrap_or(true),
        "previous_response_id": null,
        "reasoning": {
            "effort": reasoning.and_then(|ask| ask.effort).map(|effort| effort.as_str()),
            "summary": reasoning.and_then(|ask| ask.show).filter(|show| *show).map(|_| "auto"),
        },
        "store": false,
        "temperature": or_null(&request.temperature),
        "text": {"format": format},
        "tool_choice": request.tool_choice.as_ref().map_or_else(|| json!("auto"), write_tool_choice),
        "tools": request.tools.iter().map(|tool| write_tool(tool, tool.strict)).collect::<Vec<_>>(),
        "top_logprobs": request.logprobs.unwrap_or(0),
        "top_p": or_null(&request.top_p),
        "truncation": "disabled",
        "user": request.user,
    });
    let mut out = Vec::new();
    let empty = Map::new();
    for (name, value) in echo.as_object().unwrap_or(&empty) {
        push(&mut out, format_args!(",\"{name}\":{value}"));
    }
    out
}

fn instructions(request: &Request) -> Option<&str> {
    match request.messages.first() {
        Some(message) if message.role == Role::System => match message.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}
