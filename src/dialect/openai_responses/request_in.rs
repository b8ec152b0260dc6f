//! A client's body -> the common request.
//!
//! What lives at the provider (earlier responses, conversations, stored prompts, its own tools) cannot be carried over
//! and is lost by name.

use serde_json::Value;

use super::input_in;
use super::read::{
    Object, array, boolean, count, lose_others, member, needed, number, object, short, string, string_member,
};
use crate::dialect::common::{Effort, Format, Invalid, Lost, Message, ReasoningAsk, Request, Role, Tool, ToolChoice};

/// Members that the common request has no place for go into `lost`, unless their value is what is meant without them.
pub fn read_request(body: &Value, lost: &mut Lost) -> Result<Request, Invalid> {
    let body = object(body, "body")?;
    let mut request = Request::default();
    if let Some(instructions) = string_member(body, "instructions", "")?
        && !instructions.is_empty()
    {
        request.messages.push(Message::text(Role::System, instructions));
    }
    let input = member(body, "input").ok_or_else(|| Invalid::new("input", "a string or an array of items"))?;
    input_in::read_input(input, &mut request.messages, lost)?;
    // Before `user`, which is its older name.
    request.user = string_member(body, "safety_identifier", "")?.map(str::to_owned);
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        read_member(&mut request, name, value, lost)?;
    }
    Ok(request)
}

fn read_member(request: &mut Request, name: &str, value: &Value, lost: &mut Lost) -> Result<(), Invalid> {
    match name {
        "model" | "input" | "instructions" | "safety_identifier" => {}
        "stream" => request.stream = boolean(value, name)?,
        // Whether deltas are padded: says nothing of the answer.
        "stream_options" => lose_others(object(value, name)?, &["include_obfuscation"], name, lost),
        "tools" => read_tools(request, value, lost)?,
        "tool_choice" => request.tool_choice = tool_choice(value, lost)?,
        "parallel_tool_calls" => request.parallel_tool_calls = (!boolean(value, name)?).then_some(false),
        "max_output_tokens" => request.max_tokens = Some(count(value, name)?),
        "temperature" => request.temperature = Some(number(value, name)?),
        "top_p" => request.top_p = Some(number(value, name)?),
        "text" => read_text(request, value, lost)?,
        "reasoning" => request.reasoning = reasoning(value, lost)?,
        "top_logprobs" => {
            let wanted = u32::try_from(count(value, name)?).map_err(|_| Invalid::new(name, "at most 20"))?;
            if wanted > 0 {
                request.logprobs = Some(wanted);
            }
        }
        "include" => read_include(request, value, lost)?,
        "user" => {
            let user = string(value, name)?;
            if request.user.get_or_insert_with(|| user.to_owned()) != user {
                lost.named(name);
            }
        }
        "service_tier" => {
            request.service_tier = Some(string(value, name)?).filter(|tier| *tier != "auto").map(str::to_owned);
        }
        // Nothing is kept here: asking for that is not met, leaving it out is.
        "store" | "background" => {
            if boolean(value, name)? {
                lost.named(name);
            }
        }
        "truncation" => {
            if string(value, name)? != "disabled" {
                lost.named(name);
            }
        }
        "metadata" => {
            if !object(value, name)?.is_empty() {
                lost.named(name);
            }
        }
        _ => lost.named(short(name)),
    }
    Ok(())
}

fn read_tools(request: &mut Request, value: &Value, lost: &mut Lost) -> Result<(), Invalid> {
    for (at, tool) in array(value, "tools")?.iter().enumerate() {
        let place = format!("tools[{at}]");
        let tool = object(tool, &place)?;
        match needed(tool, "type", &place)? {
            "function" => request.tools.push(function(tool, &place, lost)?),
            other => lost.named(format!("tools[] of type {}", short(other))),
        }
    }
    Ok(())
}

fn function(tool: &Object, place: &str, lost: &mut Lost) -> Result<Tool, Invalid> {
    lose_others(tool, &["type", "name", "description", "parameters", "strict"], "tools[]", lost);
    let parameters = match member(tool, "parameters") {
        Some(schema) => Some(Value::Object(object(schema, &format!("{place}.parameters"))?.clone())),
        None => None,
    };
    Ok(Tool {
        name: needed(tool, "name", place)?.to_owned(),
        description: string_member(tool, "description", place)?.map(str::to_owned),
        parameters,
        strict: match member(tool, "strict") {
            Some(strict) => Some(boolean(strict, &format!("{place}.strict"))?),
            None => None,
        },
    })
}

fn tool_choice(value: &Value, lost: &mut Lost) -> Result<Option<ToolChoice>, Invalid> {
    let expected = "`auto`, `none`, `required` or an object with a type";
    match value {
        Value::String(mode) => match mode.as_str() {
            "auto" => Ok(None),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(Invalid::new("tool_choice", expected)),
        },
        Value::Object(choice) => match needed(choice, "type", "tool_choice")? {
            "function" => Ok(Some(ToolChoice::Named(needed(choice, "name", "tool_choice")?.to_owned()))),
            other => {
                lost.named(format!("tool_choice of type {}", short(other)));
                Ok(None)
            }
        },
        _ => Err(Invalid::new("tool_choice", expected)),
    }
}

fn read_text(request: &mut Request, value: &Value, lost: &mut Lost) -> Result<(), Invalid> {
    let text = object(value, "text")?;
    lose_others(text, &["format", "verbosity"], "text", lost);
    if string_member(text, "verbosity", "text")?.is_some_and(|verbosity| verbosity != "medium") {
        lost.named("text.verbosity");
    }
    let Some(format) = member(text, "format") else { return Ok(()) };
    let place = "text.format";
    let format = object(format, place)?;
    request.format = match needed(format, "type", place)? {
        "text" => None,
        "json_object" => Some(Format::Json),
        "json_schema" => {
            lose_others(format, &["type", "name", "description", "schema", "strict"], place, lost);
            let schema = member(format, "schema").unwrap_or(&Value::Null);
            Some(Format::Schema {
                name: string_member(format, "name", place)?.map(str::to_owned),
                description: string_member(format, "description", place)?.map(str::to_owned),
                schema: Value::Object(object(schema, "text.format.schema")?.clone()),
                strict: match member(format, "strict") {
                    Some(strict) => Some(boolean(strict, "text.format.strict")?),
                    None => None,
                },
            })
        }
        "grammar" | "python" => {
            lost.named(place);
            None
        }
        _ => return Err(Invalid::new("text.format.type", "`text`, `json_object` or `json_schema`")),
    };
    Ok(())
}

fn reasoning(value: &Value, lost: &mut Lost) -> Result<Option<ReasoningAsk>, Invalid> {
    let place = "reasoning";
    let reasoning = object(value, place)?;
    lose_others(reasoning, &["effort", "summary", "generate_summary"], place, lost);
    let mut ask = ReasoningAsk::default();
    if let Some(effort) = string_member(reasoning, "effort", place)? {
        let known = Effort::parse(effort);
        ask.effort = Some(known.ok_or_else(|| {
            Invalid::new("reasoning.effort", "`none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`")
        })?);
    }
    // `generate_summary` is its older name. How long the summary is to be is the provider's matter.
    let summary = match string_member(reasoning, "summary", place)? {
        None => string_member(reasoning, "generate_summary", place)?,
        summary => summary,
    };
    ask.show = summary.map(|_| true);
    Ok(Some(ask).filter(|ask| *ask != ReasoningAsk::default()))
}

fn read_include(request: &mut Request, value: &Value, lost: &mut Lost) -> Result<(), Invalid> {
    for (at, name) in array(value, "include")?.iter().enumerate() {
        match string(name, &format!("include[{at}]"))? {
            // It is always given.
            "reasoning.encrypted_content" => {}
            "message.output_text.logprobs" => {
                request.logprobs.get_or_insert(0);
            }
            other => lost.named(format!("include[] of {}", short(other))),
        }
    }
    Ok(())
}
