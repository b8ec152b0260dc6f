//! A client's body -> the common request. The model and whether the answer streams are not in it but in the path.

use serde_json::Value;

use super::config_in::read_config;
use super::contents_in::Contents;
use super::fields::{Member, list, members, within};
use super::schema::to_json_schema;
use crate::dialect::common::{Invalid, Lost, Message, Part, Request, Role, Tool, ToolChoice};

/// Members that the common request has no place for go into `lost`, unless their value is what is meant without them.
pub fn read_request(body: &Value, lost: &mut Lost) -> Result<Request, Invalid> {
    let mut request = Request::default();
    let mut contents = Contents::default();
    let (mut system, mut choice, mut has_contents) = (None, Choice::default(), false);
    for member in members(body, "an object")? {
        match member.name.as_ref() {
            "contents" => {
                has_contents = true;
                for (at, content) in list(member.value).iter().enumerate() {
                    let message = within(format_args!("{}[{at}]", member.key), contents.read(content, lost))?;
                    request.messages.push(message);
                }
            }
            "systemInstruction" => system = Some(within(member.key, read_system(member.value, lost))?),
            "generationConfig" => within(member.key, read_config(member.value, &mut request, lost))?,
            "tools" => {
                for (at, tool) in list(member.value).iter().enumerate() {
                    let read = read_tools(tool, &mut request.tools, lost);
                    within(format_args!("{}[{at}]", member.key), read)?;
                }
            }
            "toolConfig" => choice = within(member.key, read_tool_config(member.value, lost))?,
            "serviceTier" => request.service_tier = read_tier(&member)?,
            // Said in the path.
            "model" => {}
            name if !member.is_default() => lost.named(name),
            _ => {}
        }
    }
    if !has_contents {
        return Err(Invalid::new("contents", "an array of contents"));
    }
    if let Some(system) = system.filter(|system: &Message| !system.parts.is_empty()) {
        request.messages.insert(0, system);
    }
    request.messages.retain(|message| !message.parts.is_empty());
    choice.apply(&mut request);
    Ok(request)
}

/// A content whose role does not matter, or its text alone.
fn read_system(value: &Value, lost: &mut Lost) -> Result<Message, Invalid> {
    if let Some(text) = value.as_str() {
        return Ok(Message::text(Role::System, text));
    }
    let mut message = Contents::default().read(value, lost)?;
    message.role = Role::System;
    message.parts.retain(|part| {
        let is_text = matches!(part, Part::Text(_));
        if !is_text {
            lost.named("systemInstruction.parts[]");
        }
        is_text
    });
    Ok(message)
}

/// One member of `tools`: functions, or a tool that Google runs itself.
fn read_tools(value: &Value, tools: &mut Vec<Tool>, lost: &mut Lost) -> Result<(), Invalid> {
    for member in members(value, "an object")? {
        match member.name.as_ref() {
            "functionDeclarations" => {
                for (at, declaration) in list(member.value).iter().enumerate() {
                    let tool = read_tool(declaration, lost);
                    tools.push(within(format_args!("{}[{at}]", member.key), tool)?);
                }
            }
            name => lost.named(format!("tools[].{name}")),
        }
    }
    Ok(())
}

fn read_tool(value: &Value, lost: &mut Lost) -> Result<Tool, Invalid> {
    let mut tool = Tool { name: String::new(), description: None, parameters: None, strict: None };
    for member in members(value, "an object")? {
        match member.name.as_ref() {
            "name" => tool.name = member.text()?.to_owned(),
            "description" => tool.description = Some(member.text()?.to_owned()).filter(|text| !text.is_empty()),
            "parameters" => tool.parameters = Some(to_json_schema(member.value)),
            "parametersJsonSchema" => tool.parameters = Some(member.value.clone()),
            name if !member.is_default() => lost.named(format!("tools[].functionDeclarations[].{name}")),
            _ => {}
        }
    }
    if tool.name.is_empty() {
        return Err(Invalid::new("name", "the name of a function"));
    }
    Ok(tool)
}

/// What `toolConfig` asks for.
#[derive(Default)]
struct Choice {
    mode: Option<ToolChoice>,
    /// Only these may be called; empty: all.
    allowed: Vec<String>,
}

impl Choice {
    /// One allowed function is named; of several the others are not offered at all.
    fn apply(self, request: &mut Request) {
        let Choice { mode, allowed } = self;
        request.tool_choice = match (mode, allowed.as_slice()) {
            (Some(ToolChoice::Required), [only]) => Some(ToolChoice::Named(only.clone())),
            (mode, []) => mode,
            (mode, _) => {
                request.tools.retain(|tool| allowed.contains(&tool.name));
                mode
            }
        };
    }
}

fn read_tool_config(value: &Value, lost: &mut Lost) -> Result<Choice, Invalid> {
    let mut choice = Choice::default();
    for member in members(value, "an object")? {
        match member.name.as_ref() {
            "functionCallingConfig" => choice = within(member.key, read_calling(member.value, lost))?,
            name if !member.is_default() => lost.named(format!("toolConfig.{name}")),
            _ => {}
        }
    }
    Ok(choice)
}

fn read_calling(value: &Value, lost: &mut Lost) -> Result<Choice, Invalid> {
    let mut choice = Choice::default();
    for member in members(value, "an object")? {
        match member.name.as_ref() {
            "mode" => {
                choice.mode = match member.text()?.to_ascii_uppercase().as_str() {
                    "MODE_UNSPECIFIED" => None,
                    // The second also promises that arguments are of their schema.
                    "AUTO" | "VALIDATED" => Some(ToolChoice::Auto),
                    "ANY" => Some(ToolChoice::Required),
                    "NONE" => Some(ToolChoice::None),
                    _ => return Err(member.invalid("`AUTO`, `ANY`, `NONE` or `VALIDATED`")),
                };
            }
            "allowedFunctionNames" => {
                for name in list(member.value) {
                    let name = name.as_str().ok_or_else(|| member.invalid("an array of names"))?;
                    choice.allowed.push(name.to_owned());
                }
            }
            // How arguments are streamed to this client is up to its own face.
            "streamFunctionCallArguments" => {}
            name if !member.is_default() => lost.named(format!("toolConfig.functionCallingConfig.{name}")),
            _ => {}
        }
    }
    Ok(choice)
}

/// `standard` is what others call `default`.
fn read_tier(member: &Member<'_>) -> Result<Option<String>, Invalid> {
    let tier = member.text()?.to_ascii_lowercase();
    Ok(match tier.strip_prefix("service_tier_").unwrap_or(&tier) {
        "" | "unspecified" | "standard" => None,
        tier => Some(tier.to_owned()),
    })
}
