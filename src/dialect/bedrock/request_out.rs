//! The common request -> the body of Converse and ConverseStream (spec "providers" 6). The model and whether to stream
//! are in the path.

use serde_json::{Map, Value, json};

use super::content::{Turns, turns};
use super::models::{FORMAT_TOOL, FormatBy, Maker, format_by, thinks};
use crate::dialect::To;
use crate::dialect::common::{Effort, Field, Format, Lost, ReasoningAsk, Request, Tool, ToolChoice};

/// Anthropic's least thinking budget.
const BUDGET_MIN: u64 = 1024;

/// What the provider's dialect has no place for goes into `lost`.
pub fn write_request(request: &Request, to: &To<'_>, lost: &mut Lost) -> Value {
    let maker = Maker::of(to.model);
    let Turns { system, messages, called } = turns(request, maker, lost);
    let mut body = Map::new();
    body.insert("messages".into(), messages.into());
    put(&mut body, "system", system);
    put(&mut body, "inferenceConfig", inference(request, maker, lost));
    if let Some(config) = tool_config(request, maker, &called, lost) {
        body.insert("toolConfig".into(), config);
    }
    if let Some(Format::Schema { name, description, schema, .. }) = &request.format
        && format_by(request, maker) == FormatBy::Itself
    {
        body.insert("outputConfig".into(), output_config(name.as_deref(), description.as_deref(), schema));
    }
    if format_by(request, maker) == FormatBy::Lost {
        lost.field(Field::Format);
    }
    put(&mut body, "additionalModelRequestFields", native(request, maker, lost));
    if let Some(tier) = request.service_tier.as_deref() {
        match tier {
            "auto" => {}
            "default" | "flex" | "priority" => {
                body.insert("serviceTier".into(), json!({"type": tier}));
            }
            "standard" | "standard_only" => {
                body.insert("serviceTier".into(), json!({"type": "default"}));
            }
            _ => lost.field(Field::ServiceTier),
        }
    }
    if let Some(user) = &request.user {
        // It goes into the invocation log, as far as that takes it.
        let allowed = |c: char| c.is_ascii_alphanumeric() || " :_@$#=/+,-.".contains(c);
        if user.len() <= 256 && user.chars().all(allowed) {
            body.insert("requestMetadata".into(), json!({"user_id": user}));
        } else {
            lost.field(Field::User);
        }
    }
    no_place(request, lost);
    body.into()
}

/// Members that no model behind Converse has.
fn no_place(request: &Request, lost: &mut Lost) {
    for (asked, field) in [
        (request.presence_penalty.is_some(), Field::PresencePenalty),
        (request.frequency_penalty.is_some(), Field::FrequencyPenalty),
        (request.seed.is_some(), Field::Seed),
        (request.choices.is_some_and(|choices| choices > 1), Field::Choices),
        (request.logprobs.is_some(), Field::Logprobs),
        (request.logit_bias.is_some(), Field::LogitBias),
    ] {
        if asked {
            lost.field(field);
        }
    }
}

/// Inserts what is not empty.
fn put<T: Into<Value>>(body: &mut Map<String, Value>, name: &str, value: T) {
    let value = value.into();
    let empty = match &value {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    if !empty {
        body.insert(name.into(), value);
    }
}

fn inference(request: &Request, maker: Maker, lost: &mut Lost) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(max_tokens) = request.max_tokens {
        config.insert("maxTokens".into(), max_tokens.into());
    }
    if let Some(temperature) = &request.temperature {
        let value = temperature.as_f64().unwrap_or(1.0);
        // Claude thinks at 1 only.
        if matches!(maker, Maker::Anthropic(..)) && thinks(request) {
            if value != 1.0 {
                lost.field(Field::Temperature);
            }
        } else {
            // Other dialects go up to 2; nothing behind Converse is freer than 1.
            config.insert("temperature".into(), if value > 1.0 { json!(1) } else { temperature.clone() });
        }
    }
    if let Some(top_p) = &request.top_p {
        config.insert("topP".into(), top_p.clone());
    }
    let stop: Vec<&String> = request.stop.iter().filter(|stop| !stop.is_empty()).collect();
    if !stop.is_empty() {
        config.insert("stopSequences".into(), json!(stop));
    }
    config
}

/// Without a choice of none: the tools are left out, unless the history has calls, which stand with them only.
fn tool_config(request: &Request, maker: Maker, called: &[String], lost: &mut Lost) -> Option<Value> {
    let none = request.tool_choice == Some(ToolChoice::None);
    let mut tools: Vec<Value> = Vec::new();
    if !none || !called.is_empty() {
        tools.extend(request.tools.iter().map(|tool| tool_spec(tool, maker, lost)));
        // The history names tools that are offered no more.
        let gone = called.iter().filter(|name| !request.tools.iter().any(|tool| tool.name == **name));
        tools.extend(gone.map(|name| json!({"toolSpec": {"name": name, "inputSchema": {"json": no_parameters()}}})));
    }
    let mut choice = match request.tool_choice.as_ref().filter(|_| !request.tools.is_empty()) {
        // It is the default, and may stand elsewhere: see `native`.
        Some(ToolChoice::Auto) if request.parallel_tool_calls == Some(false) => None,
        Some(ToolChoice::Auto) => Some(json!({"auto": {}})),
        Some(ToolChoice::Required) => Some(json!({"any": {}})),
        Some(ToolChoice::Named(name)) => Some(json!({"tool": {"name": name}})),
        Some(ToolChoice::None) | None => None,
    };
    if format_by(request, maker) == FormatBy::Tool
        && let Some(Format::Schema { description, schema, .. }) = &request.format
    {
        let description = description.as_deref().unwrap_or("Gives the final answer.");
        let spec = json!({"name": FORMAT_TOOL, "description": description, "inputSchema": {"json": schema}});
        tools.push(json!({"toolSpec": spec}));
        // Where the caller's own tools may be called too, one of all must be.
        choice = match &request.tool_choice {
            Some(ToolChoice::Named(_)) => choice,
            _ if none || request.tools.is_empty() => Some(json!({"tool": {"name": FORMAT_TOOL}})),
            _ => Some(json!({"any": {}})),
        };
    }
    if tools.is_empty() {
        return None;
    }
    let mut config = Map::new();
    config.insert("tools".into(), tools.into());
    if let Some(choice) = choice {
        config.insert("toolChoice".into(), choice);
    }
    Some(config.into())
}

fn tool_spec(tool: &Tool, maker: Maker, lost: &mut Lost) -> Value {
    let mut spec = Map::new();
    spec.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = tool.description.as_deref().filter(|description| !description.is_empty()) {
        spec.insert("description".into(), description.into());
    }
    let parameters = tool.parameters.clone().unwrap_or_else(no_parameters);
    spec.insert("inputSchema".into(), json!({"json": parameters}));
    if tool.strict == Some(true) {
        if maker.knows_strict() {
            spec.insert("strict".into(), true.into());
        } else {
            lost.field(Field::Strict);
        }
    }
    json!({"toolSpec": spec})
}

fn no_parameters() -> Value {
    json!({"type": "object", "properties": {}})
}

/// The schema is a string here.
fn output_config(name: Option<&str>, description: Option<&str>, schema: &Value) -> Value {
    let mut json_schema = Map::new();
    json_schema.insert("name".into(), name.unwrap_or("answer").into());
    if let Some(description) = description {
        json_schema.insert("description".into(), description.into());
    }
    json_schema.insert("schema".into(), schema.to_string().into());
    json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": json_schema}}})
}

/// Members of the model's own API.
fn native(request: &Request, maker: Maker, lost: &mut Lost) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(top_k) = request.top_k {
        match maker {
            Maker::Anthropic(..) if !thinks(request) => {
                fields.insert("top_k".into(), top_k.into());
            }
            Maker::Mistral => {
                fields.insert("top_k".into(), top_k.into());
            }
            Maker::Nova(_) => {
                fields.insert("inferenceConfig".into(), json!({"topK": top_k}));
            }
            Maker::Cohere => {
                fields.insert("k".into(), top_k.into());
            }
            _ => lost.field(Field::TopK),
        }
    }
    if let Some(ask) = &request.reasoning {
        reasoning(ask, request, maker, &mut fields, lost);
    }
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        match maker {
            // Beside a `toolChoice` of Converse's own it would be told twice, which is refused.
            Maker::Anthropic(major, minor) if (major, minor) >= (4, 5) && !forced => {
                fields.insert("tool_choice".into(), json!({"type": "auto", "disable_parallel_tool_use": true}));
            }
            _ => lost.field(Field::ParallelToolCalls),
        }
    }
    fields
}

fn reasoning(ask: &ReasoningAsk, request: &Request, maker: Maker, fields: &mut Map<String, Value>, lost: &mut Lost) {
    // Not thinking is what all of them do when nothing is said.
    if !thinks(request) {
        return;
    }
    let effort = ask.effort.or(ask.budget_tokens.map(Effort::of_budget)).unwrap_or(Effort::Medium);
    let three = match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    };
    match maker {
        Maker::Anthropic(..) if maker.thinks_adaptively() => {
            let effort = if effort <= Effort::Low { "low" } else { effort.as_str() };
            fields.insert("thinking".into(), json!({"type": "adaptive"}));
            fields.insert("output_config".into(), json!({"effort": effort}));
        }
        Maker::Anthropic(major, minor) if (major, minor) >= (3, 7) => {
            let wanted = ask.budget_tokens.unwrap_or(effort.budget_tokens()).max(BUDGET_MIN);
            // It must stay below the bound on all output.
            let most = request.max_tokens.map_or(u64::MAX, |max_tokens| max_tokens.saturating_sub(1));
            if most < BUDGET_MIN {
                return lost.field(Field::Reasoning);
            }
            fields.insert("thinking".into(), json!({"type": "enabled", "budget_tokens": wanted.min(most)}));
        }
        Maker::Nova(2..) => {
            fields.insert("reasoningConfig".into(), json!({"type": "enabled", "maxReasoningEffort": three}));
        }
        Maker::OpenAi => {
            fields.insert("reasoning_effort".into(), three.into());
        }
        Maker::Qwen => {
            fields.insert("reasoning_config".into(), three.into());
        }
        _ => lost.field(Field::Reasoning),
    }
}
