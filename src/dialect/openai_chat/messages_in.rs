//! The messages of a client's body -> common messages. Results of tools that follow each other become parts of one user
//! message, and what an assistant thought comes back from where `answer_out` put it.

use serde_json::Value;

use super::fields::{At, Object, present};
use crate::dialect::common::{CallResult, Invalid, Lost, Media, Message, Part, ReasoningText, Role, Source, ToolCall};

pub(super) fn read_messages(value: &Value, at: At<'_>, lost: &mut Lost) -> Result<Vec<Message>, Invalid> {
    let mut reader = Reader { messages: Vec::new(), functions: 0, lost };
    let items = at.array(value)?;
    if items.is_empty() {
        return Err(at.expected("at least one message"));
    }
    for (index, value) in items.iter().enumerate() {
        let at = at.item(index);
        let message = at.object(value)?;
        match at.required(message, "role")? {
            "system" | "developer" => reader.plain(Role::System, at, message)?,
            "user" => reader.plain(Role::User, at, message)?,
            "assistant" => reader.assistant(at, message)?,
            "tool" | "function" => reader.result(at, message)?,
            _ => return Err(at.name("role").expected("developer, system, user, assistant or tool")),
        }
    }
    Ok(reader.messages)
}

struct Reader<'l> {
    messages: Vec<Message>,
    /// Calls in the form from before there were tools, which had no ids.
    functions: usize,
    lost: &'l mut Lost,
}

impl Reader<'_> {
    fn plain(&mut self, role: Role, at: At<'_>, message: &Object) -> Result<(), Invalid> {
        let content = message.get("content").unwrap_or(&Value::Null);
        let parts = self.content(at.name("content"), content, role)?;
        at.others(message, &["role", "content"], self.lost);
        self.messages.push(Message::new(role, parts));
        Ok(())
    }

    fn assistant(&mut self, at: At<'_>, message: &Object) -> Result<(), Invalid> {
        let mut parts = thoughts(at, message, self.lost)?;
        let content = present(message, "content");
        if let Some(content) = content {
            parts.extend(self.content(at.name("content"), content, Role::Assistant)?);
            parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        }
        if let Some(refusal) = at.optional(message, "refusal")? {
            parts.push(Part::Refusal(refusal.to_owned()));
        }
        if let Some(calls) = present(message, "tool_calls") {
            let at = at.name("tool_calls");
            for (index, call) in at.array(calls)?.iter().enumerate() {
                parts.push(Part::Call(tool_call(at.item(index), call)?));
            }
        }
        if let Some(call) = present(message, "function_call") {
            let at = at.name("function_call");
            self.functions += 1;
            parts.push(Part::Call(function(at, at.object(call)?, function_id(self.functions))?));
        }
        if parts.is_empty() {
            // An answer may have been empty; a message that says nothing at all is a mistake.
            match content {
                Some(_) => parts.push(Part::Text(String::new())),
                None => return Err(at.name("content").expected("text, or tool_calls beside it")),
            }
        }
        // What answers have and requests have no use for: clients send it back with the rest.
        const ECHOED: [&str; 11] = [
            "role",
            "content",
            "refusal",
            "tool_calls",
            "function_call",
            "reasoning_content",
            "reasoning",
            "thinking_blocks",
            "reasoning_details",
            "annotations",
            "provider_specific_fields",
        ];
        at.others(message, &ECHOED, self.lost);
        self.messages.push(Message::new(Role::Assistant, parts));
        Ok(())
    }

    fn result(&mut self, at: At<'_>, message: &Object) -> Result<(), Invalid> {
        let is_function = message.get("role").is_some_and(|role| *role == "function");
        let call_id = match is_function {
            true => function_id(self.functions),
            false => at.required(message, "tool_call_id")?.to_owned(),
        };
        let content = message.get("content").unwrap_or(&Value::Null);
        let parts = self.content(at.name("content"), content, Role::User)?;
        let name = at.optional(message, "name")?.unwrap_or_default().to_owned();
        at.others(message, &["role", "content", "tool_call_id", "name"], self.lost);
        let result = Part::Result(CallResult { call_id, name, parts, is_error: false });
        match self.messages.last_mut() {
            Some(Message { role: Role::User, parts }) if parts.iter().all(|part| matches!(part, Part::Result(_))) => {
                parts.push(result);
            }
            _ => self.messages.push(Message::new(Role::User, vec![result])),
        }
        Ok(())
    }

    /// A string, or an array of parts.
    fn content(&mut self, at: At<'_>, value: &Value, role: Role) -> Result<Vec<Part>, Invalid> {
        if let Some(text) = value.as_str() {
            return Ok(vec![Part::Text(text.to_owned())]);
        }
        let items = value.as_array().ok_or_else(|| at.expected("a string or an array of parts"))?;
        let mut parts = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            self.part(at.item(index), value, role, &mut parts)?;
        }
        Ok(parts)
    }

    fn part(&mut self, at: At<'_>, value: &Value, role: Role, parts: &mut Vec<Part>) -> Result<(), Invalid> {
        let part = at.object(value)?;
        let kind = at.required(part, "type")?;
        match (kind, role) {
            ("text", _) => parts.push(Part::Text(at.required(part, "text")?.to_owned())),
            ("refusal", Role::Assistant) => parts.push(Part::Refusal(at.required(part, "refusal")?.to_owned())),
            // Mistral's: an array of texts, or a text.
            ("thinking", Role::Assistant) => {
                let at = at.name("thinking");
                let text = match part.get("thinking").unwrap_or(&Value::Null) {
                    Value::String(text) => text.clone(),
                    thinking => at.array(thinking)?.iter().filter_map(|item| item.get("text")?.as_str()).collect(),
                };
                parts.push(Part::Reasoning(ReasoningText { text, ..ReasoningText::default() }));
            }
            ("image_url", Role::User) => parts.push(Part::Image(image(at.name(kind), part.get(kind))?)),
            ("input_audio", Role::User) => parts.push(Part::Audio(audio(at.name(kind), part.get(kind))?)),
            ("file", Role::User) => parts.push(Part::File(file(at.name(kind), part.get(kind))?)),
            (_, Role::User) => return Err(at.name("type").expected("text, image_url, input_audio or file")),
            (_, Role::Assistant) => return Err(at.name("type").expected("text or refusal")),
            (_, Role::System) => return Err(at.name("type").expected("text")),
        }
        at.others(part, &["type", kind], self.lost);
        Ok(())
    }
}

fn function_id(count: usize) -> String {
    format!("call_function{count}")
}

/// What the assistant thought: the blocks if they are there, since only they say what belongs to which signature.
fn thoughts(at: At<'_>, message: &Object, lost: &mut Lost) -> Result<Vec<Part>, Invalid> {
    let mut parts = Vec::new();
    for name in ["thinking_blocks", "reasoning_details"] {
        let Some(blocks) = present(message, name) else { continue };
        let at = at.name(name);
        for (index, block) in at.array(blocks)?.iter().enumerate() {
            parts.push(Part::Reasoning(thought(at.item(index), block, lost)?));
        }
        if !parts.is_empty() {
            return Ok(parts);
        }
    }
    for name in ["reasoning_content", "reasoning"] {
        if let Some(text) = at.optional(message, name)?.filter(|text| !text.is_empty()) {
            return Ok(vec![Part::Reasoning(ReasoningText { text: text.to_owned(), ..ReasoningText::default() })]);
        }
    }
    Ok(parts)
}

/// A member of `thinking_blocks` (LiteLLM's, and ours) or of `reasoning_details` (OpenRouter's: what is encrypted goes
/// back as the item it came in).
fn thought(at: At<'_>, value: &Value, lost: &mut Lost) -> Result<ReasoningText, Invalid> {
    let block = at.object(value)?;
    let mut thought = ReasoningText::default();
    match at.required(block, "type")? {
        "redacted_thinking" => thought.redacted = Some(at.required(block, "data")?.to_owned()),
        "reasoning.encrypted" => thought.redacted = Some(value.to_string()),
        "reasoning.summary" => thought.text = at.optional(block, "summary")?.unwrap_or_default().to_owned(),
        "thinking" | "reasoning.text" => {
            let text = if block.contains_key("thinking") { "thinking" } else { "text" };
            thought.text = at.optional(block, text)?.unwrap_or_default().to_owned();
            let signature = at.optional(block, "signature")?.filter(|signature| !signature.is_empty());
            thought.signature = signature.map(str::to_owned);
        }
        kind => lost.named(format!("{} of type {kind}", at.path())),
    }
    Ok(thought)
}

fn tool_call(at: At<'_>, value: &Value) -> Result<ToolCall, Invalid> {
    let call = at.object(value)?;
    if !matches!(at.optional(call, "type")?, None | Some("function")) {
        return Err(at.name("type").expected("function"));
    }
    let id = at.required(call, "id")?.to_owned();
    let of = at.name("function");
    let function_value = of.object(call.get("function").unwrap_or(&Value::Null))?;
    let mut read = function(of, function_value, id)?;
    let google = present(call, "extra_content").and_then(|extra| extra.get("google"));
    let signature = google.and_then(|google| google.get("thought_signature")).and_then(Value::as_str);
    read.signature = signature.filter(|signature| !signature.is_empty()).map(str::to_owned);
    Ok(read)
}

fn function(at: At<'_>, function: &Object, id: String) -> Result<ToolCall, Invalid> {
    const EXPECTED: &str = "the text of a JSON object";
    let name = at.required(function, "name")?.to_owned();
    let at = at.name("arguments");
    let arguments = match function.get("arguments").unwrap_or(&Value::Null) {
        Value::Null => Value::Object(Object::new()),
        Value::String(text) if text.trim().is_empty() => Value::Object(Object::new()),
        Value::String(text) => serde_json::from_str(text).map_err(|_| at.expected(EXPECTED))?,
        // Ollama's own form.
        value => value.clone(),
    };
    if !arguments.is_object() {
        return Err(at.expected(EXPECTED));
    }
    Ok(ToolCall { id, name, arguments, signature: None })
}

fn image(at: At<'_>, value: Option<&Value>) -> Result<Media, Invalid> {
    let value = value.unwrap_or(&Value::Null);
    // Mistral's, where it is the URL itself.
    if let Some(url) = value.as_str() {
        return source(at, url, None, None);
    }
    let image = at.object(value)?;
    let detail = at.optional(image, "detail")?.map(str::to_owned);
    source(at.name("url"), at.required(image, "url")?, None, detail)
}

/// A `data:` URL with its base64, or any other URL.
fn source(at: At<'_>, url: &str, name: Option<String>, detail: Option<String>) -> Result<Media, Invalid> {
    let Some(data) = url.strip_prefix("data:") else {
        return match url.starts_with("http://") || url.starts_with("https://") {
            true => Ok(Media { source: Source::Url(url.to_owned()), media_type: String::new(), name, detail }),
            false => Err(at.expected("an http, https or data URL")),
        };
    };
    let (head, data) = data.split_once(',').ok_or_else(|| at.expected("a data URL with base64"))?;
    let head = head.strip_suffix(";base64").ok_or_else(|| at.expected("a data URL with base64"))?;
    // Parameters (`;charset=utf-8`) are no part of the type.
    let media_type = head.split(';').next().unwrap_or_default().to_owned();
    Ok(Media { source: Source::Base64(data.to_owned()), media_type, name, detail })
}

fn audio(at: At<'_>, value: Option<&Value>) -> Result<Media, Invalid> {
    let audio = at.object(value.unwrap_or(&Value::Null))?;
    let media_type = match at.required(audio, "format")? {
        "mp3" => "audio/mpeg".to_owned(),
        format => format!("audio/{format}"),
    };
    let source = Source::Base64(at.required(audio, "data")?.to_owned());
    Ok(Media { source, media_type, name: None, detail: None })
}

fn file(at: At<'_>, value: Option<&Value>) -> Result<Media, Invalid> {
    let file = at.object(value.unwrap_or(&Value::Null))?;
    let name = at.optional(file, "filename")?.map(str::to_owned);
    if let Some(id) = at.optional(file, "file_id")? {
        return Ok(Media { source: Source::Id(id.to_owned()), media_type: String::new(), name, detail: None });
    }
    let data = at.required(file, "file_data")?;
    if data.contains(':') {
        return source(at.name("file_data"), data, name, None);
    }
    // Bare base64: OpenAI takes PDFs only.
    Ok(Media { source: Source::Base64(data.to_owned()), media_type: "application/pdf".to_owned(), name, detail: None })
}
