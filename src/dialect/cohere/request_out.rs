//! The common request -> the body of `/v2/chat` (spec "providers" 8).

use serde_json::{Map, Value, json};

use super::messages::messages;
use crate::dialect::To;
use crate::dialect::common::{Effort, Field, Format, Lost, ReasoningAsk, Request, Tool, ToolChoice};

/// What the provider's dialect has no place for goes into `lost`.
pub fn write_request(request: &Request, to: &To<'_>, lost: &mut Lost) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), to.model.into());
    body.insert("stream".into(), request.stream.into());
    body.insert("messages".into(), messages(request, to.model, lost).into());
    tools(request, &mut body, lost);
    for (name, value) in [
        ("max_tokens", request.max_tokens.map(Value::from)),
        ("temperature", request.temperature.clone()),
        ("p", request.top_p.clone()),
        ("k", request.top_k.map(Value::from)),
        ("presence_penalty", request.presence_penalty.clone()),
        ("frequency_penalty", request.frequency_penalty.clone()),
        ("seed", request.seed.clone()),
        ("stop_sequences", (!request.stop.is_empty()).then(|| json!(request.stop))),
        ("response_format", request.format.as_ref().map(format)),
        ("thinking", request.reasoning.as_ref().and_then(thinking)),
    ] {
        if let Some(value) = value {
            body.insert(name.into(), value);
        }
    }
    let tier = request.service_tier.as_deref().unwrap_or("auto");
    for (asked, field) in [
        (request.choices.is_some_and(|choices| choices > 1), Field::Choices),
        // Cohere tells them by stretches of text, which cannot be told apart into tokens again.
        (request.logprobs.is_some(), Field::Logprobs),
        (request.logit_bias.is_some(), Field::LogitBias),
        (request.user.is_some(), Field::User),
        (!["auto", "default", "standard", "standard_only"].contains(&tier), Field::ServiceTier),
    ] {
        if asked {
            lost.field(field);
        }
    }
    body.into()
}

/// A named choice has no place of its own: that tool only is offered, and some tool must be called.
fn tools(request: &Request, body: &mut Map<String, Value>, lost: &mut Lost) {
    let offered = |tool: &&Tool| match &request.tool_choice {
        Some(ToolChoice::Named(name)) => tool.name == *name,
        _ => true,
    };
    let tools: Vec<&Tool> = request.tools.iter().filter(offered).collect();
    if tools.is_empty() {
        if matches!(request.tool_choice, Some(ToolChoice::Named(_) | ToolChoice::Required)) {
            lost.field(Field::ToolChoice);
        }
        return;
    }
    body.insert("tools".into(), tools.iter().map(|tool| write_tool(tool)).collect());
    match request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) => {
            body.insert("tool_choice".into(), "REQUIRED".into());
        }
        Some(ToolChoice::None) => {
            body.insert("tool_choice".into(), "NONE".into());
        }
        Some(ToolChoice::Auto) | None => {}
    }
    // Strict for all, or for none.
    let strict = tools.iter().filter(|tool| tool.strict == Some(true)).count();
    if strict == tools.len() {
        body.insert("strict_tools".into(), true.into());
    } else if strict > 0 {
        lost.field(Field::Strict);
    }
    if request.parallel_tool_calls == Some(false) {
        lost.field(Field::ParallelToolCalls);
    }
}

fn write_tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".into(), description.as_str().into());
    }
    let parameters = tool.parameters.clone().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    function.insert("parameters".into(), parameters);
    json!({"type": "function", "function": function})
}

/// A schema is always kept to; its name and description have no place and change nothing.
fn format(format: &Format) -> Value {
    match format {
        Format::Json => json!({"type": "json_object"}),
        Format::Schema { schema, .. } => json!({"type": "json_object", "json_schema": schema}),
    }
}

/// Models that can think do so unless told not to.
fn thinking(ask: &ReasoningAsk) -> Option<Value> {
    if ask.effort == Some(Effort::None) || ask.budget_tokens == Some(0) {
        return Some(json!({"type": "disabled"}));
    }
    let budget = ask.budget_tokens.or(ask.effort.map(Effort::budget_tokens))?;
    Some(json!({"type": "enabled", "token_budget": budget}))
}
