//! A client's body -> the common request: everything but the messages' content ([`super::blocks_in`]).

use serde_json::Value;

use super::blocks_in;
use super::node::{Node, shortened};
use crate::dialect::common::{Effort, Format, Invalid, Lost, Message, ReasoningAsk, Request, Role, Tool, ToolChoice};

const KNOWN: [&str; 18] = [
    "model",
    "messages",
    "system",
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
    "service_tier",
    "speed",
    "inference_geo",
];

/// Members that the common request has no place for go into `lost`, unless their value is what is meant without them.
///
/// `max_tokens` may be missing: a `count_tokens` body has none, and other providers do not ask for it.
pub fn read_request(body: &Value, lost: &mut Lost) -> Result<Request, Invalid> {
    let body = Node::new(body, String::new())?;
    let mut request = Request {
        stream: body.flag("stream")?,
        max_tokens: body.count("max_tokens")?,
        temperature: body.number("temperature")?,
        top_p: body.number("top_p")?,
        top_k: body.count("top_k")?,
        ..Request::default()
    };
    messages(&body, &mut request, lost)?;
    for (at, value) in body.items("stop_sequences")?.iter().enumerate() {
        let stop = value.as_str().ok_or_else(|| Invalid::new(format!("stop_sequences[{at}]"), "a string"))?;
        request.stop.push(stop.to_owned());
    }
    for (at, value) in body.items("tools")?.iter().enumerate() {
        request.tools.extend(tool(&Node::new(value, format!("tools[{at}]"))?, lost)?);
    }
    if let Some(node) = body.node("tool_choice")? {
        tool_choice(&node, &mut request, lost)?;
    }
    reasoning(&body, &mut request, lost)?;
    if let Some(node) = body.node("metadata")? {
        request.user = node.text("user_id")?.map(str::to_owned);
        node.rest(&["user_id"], lost);
    }
    // `auto`: whatever the account has. The other one forbids what other providers never do unasked.
    request.service_tier = match body.text("service_tier")? {
        None | Some("auto") => None,
        Some("standard_only") => Some("default".to_owned()),
        Some(_) => return Err(body.invalid("service_tier", "`auto` or `standard_only`")),
    };
    for (name, default) in [("speed", "standard"), ("inference_geo", "global")] {
        if body.get(name).is_some_and(|value| value != default) {
            lost.named(name);
        }
    }
    body.rest(&KNOWN, lost);
    Ok(request)
}

fn messages(body: &Node<'_>, request: &mut Request, lost: &mut Lost) -> Result<(), Invalid> {
    if let Some(system) = body.get("system") {
        let parts = blocks_in::content(system, "system", lost)?;
        if !parts.is_empty() {
            request.messages.push(Message::new(Role::System, parts));
        }
    }
    if body.get("messages").is_none() {
        return Err(Invalid::new("messages", "an array"));
    }
    for (at, value) in body.items("messages")?.iter().enumerate() {
        let node = Node::new(value, format!("messages[{at}]"))?;
        let role = match node.need_text("role")? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(node.invalid("role", "`user`, `assistant` or `system`")),
        };
        let content = node.get("content").ok_or_else(|| node.invalid("content", "a string or an array"))?;
        let parts = blocks_in::content(content, &node.at("content"), lost)?;
        node.rest(&["role", "content"], lost);
        request.messages.push(Message::new(role, parts));
    }
    Ok(())
}

/// `None` for the tools that Anthropic's servers run, and those whose schema only its models know.
fn tool(node: &Node<'_>, lost: &mut Lost) -> Result<Option<Tool>, Invalid> {
    match node.text("type")? {
        None | Some("custom") => {}
        Some(kind) => {
            lost.named(format!("{} of type {}", node.path(), shortened(kind)));
            return Ok(None);
        }
    }
    let parameters = match node.get("input_schema") {
        Some(schema @ Value::Object(_)) => Some(schema.clone()),
        _ => return Err(node.invalid("input_schema", "an object")),
    };
    let strict = node.get("strict").map(|_| node.flag("strict")).transpose()?;
    node.rest(&["type", "name", "description", "input_schema", "strict"], lost);
    Ok(Some(Tool {
        name: node.need_text("name")?.to_owned(),
        description: node.text("description")?.map(str::to_owned),
        parameters,
        strict: strict.filter(|&strict| strict),
    }))
}

fn tool_choice(node: &Node<'_>, request: &mut Request, lost: &mut Lost) -> Result<(), Invalid> {
    request.tool_choice = match node.need_text("type")? {
        "auto" => None,
        "any" => Some(ToolChoice::Required),
        "tool" => Some(ToolChoice::Named(node.need_text("name")?.to_owned())),
        "none" => Some(ToolChoice::None),
        _ => return Err(node.invalid("type", "`auto`, `any`, `tool` or `none`")),
    };
    if node.flag("disable_parallel_tool_use")? {
        request.parallel_tool_calls = Some(false);
    }
    node.rest(&["type", "name", "disable_parallel_tool_use"], lost);
    Ok(())
}

/// `thinking`, and `output_config` with the effort and the format (which stood in `output_format` at first).
fn reasoning(body: &Node<'_>, request: &mut Request, lost: &mut Lost) -> Result<(), Invalid> {
    let mut effort = None;
    if let Some(config) = body.node("output_config")? {
        if let Some(word) = config.text("effort")? {
            let known = Effort::parse(word).filter(|effort| *effort >= Effort::Low);
            let expected = || config.invalid("effort", "`low`, `medium`, `high`, `xhigh` or `max`");
            effort = Some(known.ok_or_else(expected)?);
        }
        request.format = config.node("format")?.map(|node| format(&node, lost)).transpose()?;
        config.rest(&["effort", "format"], lost);
    }
    if let Some(node) = body.node("output_format")? {
        request.format = Some(format(&node, lost)?);
    }
    let mut ask = ReasoningAsk { effort, ..ReasoningAsk::default() };
    if let Some(node) = body.node("thinking")? {
        match node.need_text("type")? {
            "enabled" => {
                let budget = node.count("budget_tokens")?;
                ask.budget_tokens = Some(budget.ok_or_else(|| node.invalid("budget_tokens", "a whole number"))?);
                ask.show = Some(true);
            }
            // An effort of `high` is what it means without one.
            "adaptive" => {
                ask.effort = effort.or(Some(Effort::High));
                ask.show = Some(true);
            }
            "disabled" => ask.effort = Some(Effort::None),
            "between_tools" => ask.effort = Some(Effort::Minimal),
            _ => return Err(node.invalid("type", "`enabled`, `adaptive` or `disabled`")),
        }
        match node.text("display")? {
            None => {}
            Some("summarized") => ask.show = Some(true),
            Some("omitted") => ask.show = Some(false),
            Some(_) => return Err(node.invalid("display", "`summarized` or `omitted`")),
        }
        node.rest(&["type", "budget_tokens", "display"], lost);
    }
    request.reasoning = Some(ask).filter(|ask| *ask != ReasoningAsk::default());
    Ok(())
}

fn format(node: &Node<'_>, lost: &mut Lost) -> Result<Format, Invalid> {
    if node.need_text("type")? != "json_schema" {
        return Err(node.invalid("type", "`json_schema`"));
    }
    let Some(schema @ Value::Object(_)) = node.get("schema") else {
        return Err(node.invalid("schema", "an object"));
    };
    let text = |name| Ok::<_, Invalid>(node.text(name)?.map(str::to_owned));
    node.rest(&["type", "schema", "name", "description"], lost);
    // Not strict in OpenAI's sense, which takes no optional members; Anthropic does.
    Ok(Format::Schema { name: text("name")?, description: text("description")?, schema: schema.clone(), strict: None })
}
