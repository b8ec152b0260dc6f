//! A client's body -> the common request. Called once per translated call, before anything is sent.
//!
//! Beside what OpenAI documents, it takes what clients of its many servers send where the common request has a place
//! for it: `top_k`, OpenRouter's `reasoning`, the `thinking` of Anthropic's and Z.ai's endpoints.

use serde_json::Value;

use super::fields::{At, Object, present};
use super::messages_in::read_messages;
use crate::dialect::common::{Effort, Format, Invalid, Lost, ReasoningAsk, Request, Tool, ToolChoice};

/// Members that the common request has no place for go into `lost`, unless their value is what is meant without them.
pub fn read_request(body: &Value, lost: &mut Lost) -> Result<Request, Invalid> {
    let members = At::Root.object(body)?;
    let mut request = Request::default();
    let at = At::Root.name("messages");
    request.messages = match present(members, "messages") {
        Some(messages) => read_messages(messages, at, lost)?,
        None => return Err(at.expected("an array of messages")),
    };
    read_members(members, &mut request, lost)?;
    Ok(request)
}

/// All members but the messages or the prompt.
pub(super) fn read_members(members: &Object, request: &mut Request, lost: &mut Lost) -> Result<(), Invalid> {
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let at = At::Root.name(name);
        match name.as_str() {
            "model" | "messages" => {}
            "stream" => request.stream = at.flag(value)?,
            "stream_options" => read_stream_options(at, value, request, lost)?,
            "tools" => read_tools(at, value, request, lost)?,
            "functions" => {
                for (index, function) in at.array(value)?.iter().enumerate() {
                    request.tools.push(read_function(at.item(index), function, lost)?);
                }
            }
            "tool_choice" | "function_call" => request.tool_choice = read_choice(at, value, lost)?,
            "parallel_tool_calls" => request.parallel_tool_calls = (!at.flag(value)?).then_some(false),
            "temperature" => request.temperature = Some(at.number(value)?),
            "top_p" => request.top_p = Some(at.number(value)?),
            "top_k" => request.top_k = Some(at.whole(value, 0, u64::MAX)?),
            "presence_penalty" => request.presence_penalty = unless_zero(at.number(value)?),
            "frequency_penalty" => request.frequency_penalty = unless_zero(at.number(value)?),
            "seed" => request.seed = Some(at.number(value)?),
            "stop" => request.stop = read_stop(at, value)?,
            "n" => request.choices = Some(at.whole(value, 1, 128)? as u32).filter(|choices| *choices > 1),
            "logit_bias" => request.logit_bias = Some(value.clone()).filter(|_| value != &Value::Object(Object::new())),
            "response_format" => request.format = read_format(at, value)?,
            "reasoning_effort" | "reasoning" | "thinking" | "include_reasoning" => {
                read_reasoning(at, value, request.reasoning.get_or_insert_default(), lost)?;
            }
            "user" => request.user = Some(at.string(value)?.to_owned()),
            // Which of the two is meant does not matter to anyone else: OpenAI replaced the one by the other.
            "safety_identifier" => {
                let id = at.string(value)?;
                request.user.get_or_insert_with(|| id.to_owned());
            }
            "service_tier" => request.service_tier = Some(at.string(value)?.to_owned()).filter(|tier| tier != "auto"),
            "max_tokens" | "max_completion_tokens" | "logprobs" | "top_logprobs" => {}
            "store" if *value == false => {}
            "verbosity" if *value == "medium" => {}
            "modalities" if value.as_array().is_some_and(|modes| modes.iter().all(|mode| *mode == "text")) => {}
            "metadata" if value.as_object().is_some_and(Object::is_empty) => {}
            _ => lost.named(name.as_str()),
        }
    }
    if request.tools.is_empty() && request.tool_choice == Some(ToolChoice::None) {
        request.tool_choice = None;
    }
    // `reasoning` and its like may have said nothing.
    request.reasoning = request.reasoning.take().filter(|ask| *ask != ReasoningAsk::default());
    for name in ["max_completion_tokens", "max_tokens"] {
        if let Some(value) = present(members, name) {
            let max_tokens = At::Root.name(name).whole(value, 1, u64::MAX)?;
            request.max_tokens = request.max_tokens.or(Some(max_tokens));
        }
    }
    request.logprobs = read_logprobs(members)?;
    Ok(())
}

fn read_stream_options(at: At<'_>, value: &Value, request: &mut Request, lost: &mut Lost) -> Result<(), Invalid> {
    let options = at.object(value)?;
    if let Some(usage) = present(options, "include_usage") {
        request.stream_usage = at.name("include_usage").flag(usage)?;
    }
    // Padding against those who count bytes; running usage: neither changes what is answered.
    at.others(options, &["include_usage", "include_obfuscation", "continuous_usage_stats"], lost);
    Ok(())
}

fn unless_zero(number: Value) -> Option<Value> {
    (number.as_f64() != Some(0.0)).then_some(number)
}

fn read_stop(at: At<'_>, value: &Value) -> Result<Vec<String>, Invalid> {
    if let Some(one) = value.as_str() {
        return Ok(vec![one.to_owned()]);
    }
    let sequences = value.as_array().ok_or_else(|| at.expected("a string or an array of strings"))?;
    sequences.iter().enumerate().map(|(index, stop)| Ok(at.item(index).string(stop)?.to_owned())).collect()
}

fn read_logprobs(members: &Object) -> Result<Option<u32>, Invalid> {
    let wanted = match present(members, "logprobs") {
        Some(value) => At::Root.name("logprobs").flag(value)?,
        None => false,
    };
    let at = At::Root.name("top_logprobs");
    let top = present(members, "top_logprobs").map(|value| at.whole(value, 0, 20)).transpose()?.unwrap_or(0);
    if top > 0 && !wanted {
        return Err(at.expected("`logprobs` to be true beside it"));
    }
    Ok(wanted.then_some(top as u32))
}

fn read_format(at: At<'_>, value: &Value) -> Result<Option<Format>, Invalid> {
    let format = at.object(value)?;
    match at.required(format, "type")? {
        "text" => Ok(None),
        "json_object" => Ok(Some(Format::Json)),
        "json_schema" => {
            let at = at.name("json_schema");
            let schema = at.object(format.get("json_schema").unwrap_or(&Value::Null))?;
            let inner = at.name("schema");
            let strict = present(schema, "strict").map(|value| at.name("strict").flag(value)).transpose()?;
            Ok(Some(Format::Schema {
                name: at.optional(schema, "name")?.map(str::to_owned),
                description: at.optional(schema, "description")?.map(str::to_owned),
                // Without one any object will do.
                schema: match present(schema, "schema") {
                    Some(value) => inner.object(value).map(|_| value.clone())?,
                    None => Value::Object(Object::from_iter([("type".to_owned(), "object".into())])),
                },
                strict: strict.filter(|strict| *strict),
            }))
        }
        _ => Err(at.name("type").expected("text, json_object or json_schema")),
    }
}

/// `reasoning_effort`; `reasoning: {effort, max_tokens, exclude, enabled}`; `thinking: {type, budget_tokens}`;
/// `include_reasoning`.
fn read_reasoning(at: At<'_>, value: &Value, ask: &mut ReasoningAsk, lost: &mut Lost) -> Result<(), Invalid> {
    let effort = |at: At<'_>, value: &Value| {
        let spelled = Effort::ALL.map(Effort::as_str).join(", ");
        Effort::parse(at.string(value)?).ok_or_else(|| at.expected(&format!("one of {spelled}")))
    };
    match &at {
        At::Name(_, "reasoning_effort") => ask.effort = Some(effort(at, value)?),
        At::Name(_, "include_reasoning") => ask.show = Some(at.flag(value)?),
        _ => {
            let mut on = None;
            for (name, value) in at.object(value)?.iter().filter(|(_, value)| !value.is_null()) {
                let at = at.name(name);
                match name.as_str() {
                    "effort" => ask.effort = Some(effort(at, value)?),
                    "max_tokens" | "budget_tokens" => ask.budget_tokens = Some(at.whole(value, 0, u64::MAX)?),
                    "exclude" => ask.show = Some(!at.flag(value)?),
                    "enabled" => on = Some(at.flag(value)?),
                    "type" => match at.string(value)? {
                        "disabled" => on = Some(false),
                        "enabled" | "adaptive" => on = Some(true),
                        _ => return Err(at.expected("enabled, adaptive or disabled")),
                    },
                    _ => lost.named(at.path()),
                }
            }
            match on {
                Some(false) => ask.effort = Some(Effort::None),
                // On, and not how much: OpenRouter and Z.ai then take a medium effort.
                Some(true) if *ask == ReasoningAsk { show: ask.show, ..ReasoningAsk::default() } => {
                    ask.effort = Some(Effort::Medium);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn read_tools(at: At<'_>, value: &Value, request: &mut Request, lost: &mut Lost) -> Result<(), Invalid> {
    for (index, value) in at.array(value)?.iter().enumerate() {
        let at = at.item(index);
        let tool = at.object(value)?;
        match at.required(tool, "type")? {
            "function" => {
                let function = tool.get("function").unwrap_or(&Value::Null);
                request.tools.push(read_function(at.name("function"), function, lost)?);
                at.others(tool, &["type", "function"], lost);
            }
            // Custom tools, and what providers run themselves.
            kind => lost.named(format!("{} of type {kind}", at.path())),
        }
    }
    Ok(())
}

fn read_function(at: At<'_>, value: &Value, lost: &mut Lost) -> Result<Tool, Invalid> {
    let function = at.object(value)?;
    let parameters = present(function, "parameters");
    let strict = present(function, "strict").map(|value| at.name("strict").flag(value)).transpose()?;
    at.others(function, &["name", "description", "parameters", "strict"], lost);
    Ok(Tool {
        name: at.required(function, "name")?.to_owned(),
        description: at.optional(function, "description")?.map(str::to_owned),
        parameters: parameters.map(|value| at.name("parameters").object(value).map(|_| value.clone())).transpose()?,
        strict: strict.filter(|strict| *strict),
    })
}

fn read_choice(at: At<'_>, value: &Value, lost: &mut Lost) -> Result<Option<ToolChoice>, Invalid> {
    const EXPECTED: &str = "none, auto, required or a named function";
    if let Some(word) = value.as_str() {
        return match word {
            "auto" => Ok(None),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(at.expected(EXPECTED)),
        };
    }
    let choice = value.as_object().ok_or_else(|| at.expected(EXPECTED))?;
    match at.optional(choice, "type")? {
        // `function_call` has none.
        None => Ok(Some(ToolChoice::Named(at.required(choice, "name")?.to_owned()))),
        Some("function") => {
            let at = at.name("function");
            let function = at.object(choice.get("function").unwrap_or(&Value::Null))?;
            Ok(Some(ToolChoice::Named(at.required(function, "name")?.to_owned())))
        }
        Some(kind) => {
            lost.named(format!("{} of type {kind}", at.path()));
            Ok(None)
        }
    }
}
