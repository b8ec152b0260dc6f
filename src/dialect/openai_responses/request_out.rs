//! The common request -> this provider's body.

use serde_json::{Map, Value, json};

use super::input_out;
use crate::dialect::To;
use crate::dialect::common::{Effort, Field, Format, Lost, Message, Part, Request, Role, Tool, ToolChoice};

/// What the provider's dialect has no place for goes into `lost`.
pub fn write_request(request: &Request, to: &To<'_>, lost: &mut Lost) -> Value {
    lose(request, lost);
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("model", json!(to.model));
    let (instructions, messages) = instructions(&request.messages);
    if let Some(instructions) = instructions {
        set("instructions", json!(instructions));
    }
    set("input", input_out::write_input(messages, to, lost));
    if !request.tools.is_empty() {
        // Left out, `strict` means true here: nobody asked for that.
        let tools = request.tools.iter().map(|tool| write_tool(tool, Some(tool.strict.unwrap_or(false))));
        set("tools", tools.collect());
    }
    // Without tools the first two say nothing, and are refused.
    match &request.tool_choice {
        Some(ToolChoice::Auto | ToolChoice::None) if request.tools.is_empty() => {}
        Some(choice) => drop(set("tool_choice", write_tool_choice(choice))),
        None => {}
    }
    let optional = [
        ("parallel_tool_calls", request.parallel_tool_calls.map(Value::from)),
        ("max_output_tokens", request.max_tokens.map(Value::from)),
        ("temperature", request.temperature.clone()),
        ("top_p", request.top_p.clone()),
        ("text", request.format.as_ref().map(|format| json!({"format": write_format(format)}))),
        ("reasoning", reasoning(request)),
        ("top_logprobs", request.logprobs.filter(|wanted| *wanted > 0).map(Value::from)),
        ("include", include(request)),
        ("user", request.user.as_deref().map(Value::from)),
        ("service_tier", service_tier(request, lost)),
        ("stream", request.stream.then_some(Value::Bool(true))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            set(name, value);
        }
    }
    // Every call brings all of its conversation: nothing needs to be kept.
    set("store", Value::Bool(false));
    Value::Object(body)
}

fn lose(request: &Request, lost: &mut Lost) {
    for (given, field) in [
        (request.top_k.is_some(), Field::TopK),
        (request.presence_penalty.is_some(), Field::PresencePenalty),
        (request.frequency_penalty.is_some(), Field::FrequencyPenalty),
        (request.seed.is_some(), Field::Seed),
        (!request.stop.is_empty(), Field::Stop),
        (request.choices.is_some_and(|choices| choices != 1), Field::Choices),
        (request.logit_bias.is_some(), Field::LogitBias),
    ] {
        if given {
            lost.field(field);
        }
    }
}

/// A system message that comes first and is all text has a member of its own.
fn instructions(messages: &[Message]) -> (Option<String>, &[Message]) {
    if let Some((first, rest)) = messages.split_first()
        && first.role == Role::System
    {
        let texts: Option<Vec<&str>> = first
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        if let Some(texts) = texts {
            return (Some(texts.join("\n\n")), rest);
        }
    }
    (None, messages)
}

/// `strict` null: nobody said.
pub(super) fn write_tool(tool: &Tool, strict: Option<bool>) -> Value {
    let mut written = json!({"type": "function", "name": tool.name});
    if let Some(description) = &tool.description {
        written["description"] = json!(description);
    }
    written["parameters"] = tool.parameters.clone().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    written["strict"] = json!(strict);
    written
}

pub(super) fn write_tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "name": name}),
    }
}

pub(super) fn write_format(format: &Format) -> Value {
    match format {
        Format::Json => json!({"type": "json_object"}),
        Format::Schema { name, description, schema, strict } => {
            let mut written = json!({
                "type": "json_schema",
                "name": name.as_deref().unwrap_or("response"),
                "schema": schema,
            });
            if let Some(description) = description {
                written["description"] = json!(description);
            }
            if let Some(strict) = strict {
                written["strict"] = json!(strict);
            }
            written
        }
    }
}

fn reasoning(request: &Request) -> Option<Value> {
    let ask = request.reasoning.as_ref()?;
    let mut written = Map::new();
    let effort = ask.effort.or_else(|| ask.budget_tokens.map(Effort::of_budget));
    if let Some(effort) = effort {
        // There is nothing above it.
        let effort = effort.min(Effort::XHigh);
        written.insert("effort".to_owned(), json!(effort.as_str()));
    }
    if ask.show == Some(true) && effort != Some(Effort::None) {
        written.insert("summary".to_owned(), json!("auto"));
    }
    (!written.is_empty()).then_some(Value::Object(written))
}

/// Only where there is thinking: a model without it refuses to be asked for it.
fn include(request: &Request) -> Option<Value> {
    let asks = request.reasoning.as_ref().is_some_and(|ask| {
        ask.effort.is_none_or(|effort| effort != Effort::None) && ask.budget_tokens.is_none_or(|budget| budget > 0)
    });
    let thought = request
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .any(|part| matches!(part, Part::Reasoning(thought) if thought.signature.is_some()));
    let mut include = Vec::new();
    if asks || thought {
        include.push("reasoning.encrypted_content");
    }
    if request.logprobs.is_some() {
        include.push("message.output_text.logprobs");
    }
    (!include.is_empty()).then(|| json!(include))
}

fn service_tier(request: &Request, lost: &mut Lost) -> Option<Value> {
    let tier = request.service_tier.as_deref()?;
    if ["auto", "default", "flex", "priority", "scale"].contains(&tier) {
        return Some(json!(tier));
    }
    lost.field(Field::ServiceTier);
    None
}
