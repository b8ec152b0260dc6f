//! `input` -> messages. Items are flat here: what an assistant thought, said and called is an item each, and becomes
//! one message again; so do the results of its calls.

use serde_json::Value;

use super::carried::Carried;
use super::read::{Object, array, lose_others, member, needed, object, short, string_member};
use crate::dialect::common::{CallResult, Invalid, Lost, Media, Message, Part, ReasoningText, Role, Source, ToolCall};

/// Appends the messages of `input`.
pub(super) fn read_input(input: &Value, messages: &mut Vec<Message>, lost: &mut Lost) -> Result<(), Invalid> {
    let items = match input {
        Value::String(text) => {
            messages.push(Message::text(Role::User, text.as_str()));
            return Ok(());
        }
        Value::Array(items) => items,
        _ => return Err(Invalid::new("input", "a string or an array of items")),
    };
    let mut call_signature = None;
    for (at, item) in items.iter().enumerate() {
        let place = format!("input[{at}]");
        let item = object(item, &place)?;
        let kind = match string_member(item, "type", &place)? {
            // The easy form of a message.
            None if item.contains_key("role") => "message",
            None => return Err(Invalid::new(format!("{place}.type"), "the type of an item")),
            Some(kind) => kind,
        };
        match kind {
            "message" => message(item, &place, messages, lost)?,
            "function_call" => {
                let mut call = function_call(item, &place, lost)?;
                call.signature = call_signature.take();
                append(messages, Role::Assistant, vec![Part::Call(call)]);
            }
            "function_call_output" => {
                let result = Part::Result(call_result(item, &place, lost)?);
                match messages.last_mut() {
                    Some(last) if matches!(last.parts.last(), Some(Part::Result(_))) => last.parts.push(result),
                    _ => messages.push(Message::new(Role::User, vec![result])),
                }
            }
            "reasoning" => {
                if let Some(part) = reasoning(item, &place, &mut call_signature, lost)? {
                    append(messages, Role::Assistant, vec![part]);
                }
            }
            other => lost.named(format!("input[] of type {}", short(other))),
        }
    }
    Ok(())
}

fn append(messages: &mut Vec<Message>, role: Role, mut parts: Vec<Part>) {
    match messages.last_mut() {
        Some(last) if last.role == Role::Assistant && role == Role::Assistant => last.parts.append(&mut parts),
        _ => messages.push(Message::new(role, parts)),
    }
}

fn message(item: &Object, place: &str, messages: &mut Vec<Message>, lost: &mut Lost) -> Result<(), Invalid> {
    // `phase` says which of the assistant's texts was its last.
    lose_others(item, &["type", "id", "status", "role", "content", "phase"], "input[]", lost);
    let role = match needed(item, "role", place)? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => {
            return Err(Invalid::new(format!("{place}.role"), "`user`, `assistant`, `system` or `developer`"));
        }
    };
    let parts = content(item, "content", place, lost)?;
    append(messages, role, parts);
    Ok(())
}

/// A string, or parts.
fn content(item: &Object, name: &str, place: &str, lost: &mut Lost) -> Result<Vec<Part>, Invalid> {
    let place = format!("{place}.{name}");
    match member(item, name) {
        Some(Value::String(text)) => Ok(vec![Part::Text(text.clone())]),
        Some(Value::Array(items)) => {
            let mut parts = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                let place = format!("{place}[{at}]");
                parts.extend(part(object(item, &place)?, &place, lost)?);
            }
            Ok(parts)
        }
        _ => Err(Invalid::new(place, "a string or an array of parts")),
    }
}

/// `None`: a part that is lost.
fn part(part: &Object, place: &str, lost: &mut Lost) -> Result<Option<Part>, Invalid> {
    let mut known = |names: &[&str]| lose_others(part, names, "input[].content[]", lost);
    Ok(Some(match needed(part, "type", place)? {
        // Where a text came from and how likely its tokens were is not said again.
        "input_text" | "output_text" | "text" => {
            known(&["type", "text", "annotations", "logprobs"]);
            Part::Text(needed(part, "text", place)?.to_owned())
        }
        "refusal" => {
            known(&["type", "refusal"]);
            Part::Refusal(needed(part, "refusal", place)?.to_owned())
        }
        "input_image" => {
            known(&["type", "image_url", "file_id", "detail"]);
            let source = match string_member(part, "image_url", place)? {
                Some(url) => source_of_url(url),
                None => (file_id(part, place, "an image_url or a file_id")?, String::new()),
            };
            let detail = string_member(part, "detail", place)?.filter(|detail| *detail != "auto");
            Part::Image(media(source, None, detail))
        }
        "input_file" => {
            known(&["type", "file_data", "file_url", "file_id", "filename"]);
            let name = string_member(part, "filename", place)?;
            let source = match (string_member(part, "file_data", place)?, string_member(part, "file_url", place)?) {
                (Some(data), _) if data.starts_with("data:") => source_of_url(data),
                (Some(data), _) => (Source::Base64(data.to_owned()), type_of_name(name)),
                (None, Some(url)) => (Source::Url(url.to_owned()), String::new()),
                (None, None) => (file_id(part, place, "file_data, a file_url or a file_id")?, String::new()),
            };
            Part::File(media(source, name, None))
        }
        "input_audio" => {
            known(&["type", "input_audio"]);
            let place = format!("{place}.input_audio");
            let audio = object(member(part, "input_audio").unwrap_or(&Value::Null), &place)?;
            let source = Source::Base64(needed(audio, "data", &place)?.to_owned());
            let media_type = match needed(audio, "format", &place)? {
                "mp3" => "audio/mpeg".to_owned(),
                format => format!("audio/{format}"),
            };
            Part::Audio(media((source, media_type), None, None))
        }
        other => {
            lost.named(format!("input[].content[] of type {}", short(other)));
            return Ok(None);
        }
    }))
}

fn media((source, media_type): (Source, String), name: Option<&str>, detail: Option<&str>) -> Media {
    Media { source, media_type, name: name.map(str::to_owned), detail: detail.map(str::to_owned) }
}

fn file_id(part: &Object, place: &str, expected: &str) -> Result<Source, Invalid> {
    let id = string_member(part, "file_id", place)?.ok_or_else(|| Invalid::new(place, expected))?;
    Ok(Source::Id(id.to_owned()))
}

/// A `data:` URL (RFC 2397) in base64 is its data; its type goes without parameters.
fn source_of_url(url: &str) -> (Source, String) {
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    match inline.and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data))) {
        Some((head, data)) => {
            let media_type = head.split(';').next().unwrap_or_default();
            (Source::Base64(data.to_owned()), media_type.to_owned())
        }
        None => (Source::Url(url.to_owned()), String::new()),
    }
}

fn type_of_name(name: Option<&str>) -> String {
    let is_pdf = name.is_some_and(|name| name.to_ascii_lowercase().ends_with(".pdf"));
    if is_pdf { "application/pdf".to_owned() } else { String::new() }
}

fn function_call(item: &Object, place: &str, lost: &mut Lost) -> Result<ToolCall, Invalid> {
    lose_others(item, &["type", "id", "status", "call_id", "name", "arguments"], "input[]", lost);
    let text = string_member(item, "arguments", place)?.unwrap_or_default();
    let arguments = if text.trim().is_empty() { "{}" } else { text };
    let arguments = serde_json::from_str(arguments).ok().filter(Value::is_object);
    Ok(ToolCall {
        id: needed(item, "call_id", place)?.to_owned(),
        name: needed(item, "name", place)?.to_owned(),
        arguments: arguments.ok_or_else(|| Invalid::new(format!("{place}.arguments"), "a JSON object as a string"))?,
        signature: None,
    })
}

fn call_result(item: &Object, place: &str, lost: &mut Lost) -> Result<CallResult, Invalid> {
    lose_others(item, &["type", "id", "status", "call_id", "output"], "input[]", lost);
    Ok(CallResult {
        call_id: needed(item, "call_id", place)?.to_owned(),
        name: String::new(),
        parts: content(item, "output", place, lost)?,
        is_error: false,
    })
}

/// `None`: an item that only names what the provider has stored or kept to itself, or that carries something of the
/// next call.
fn reasoning(
    item: &Object,
    place: &str,
    call_signature: &mut Option<String>,
    lost: &mut Lost,
) -> Result<Option<Part>, Invalid> {
    lose_others(item, &["type", "id", "status", "summary", "content", "encrypted_content"], "input[]", lost);
    let mut text = texts(item, "content", place)?;
    if text.is_empty() {
        text = texts(item, "summary", place)?;
    }
    let owned = |raw: &[u8]| Some(String::from_utf8_lossy(raw).into_owned());
    let mut part = ReasoningText { text, ..ReasoningText::default() };
    match Carried::of(string_member(item, "encrypted_content", place)?.unwrap_or_default().as_bytes()) {
        Carried::Signature(b"") => {}
        Carried::Signature(signature) => part.signature = owned(signature),
        Carried::Redacted(data) => part.redacted = owned(data),
        Carried::CallSignature(signature) => *call_signature = owned(signature),
    }
    Ok(Some(part).filter(|part| *part != ReasoningText::default()).map(Part::Reasoning))
}

/// The texts of `content` or `summary`, a blank line between two.
fn texts(item: &Object, name: &str, place: &str) -> Result<String, Invalid> {
    let Some(parts) = member(item, name) else { return Ok(String::new()) };
    let place = format!("{place}.{name}");
    let mut texts = Vec::new();
    for (at, part) in array(parts, &place)?.iter().enumerate() {
        let place = format!("{place}[{at}]");
        texts.push(needed(object(part, &place)?, "text", &place)?);
    }
    Ok(texts.join("\n\n"))
}
