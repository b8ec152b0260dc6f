//! Messages -> `input`. A message becomes items: its thoughts, calls and results stand for themselves, the texts and
//! files between them make message items, all in the order they had.

use serde_json::{Map, Value, json};

use crate::dialect::To;
use crate::dialect::common::{CallResult, Field, Lost, Media, Message, Part, ReasoningText, Role, Source};

pub(super) fn write_input(messages: &[Message], to: &To<'_>, lost: &mut Lost) -> Value {
    let mut items = Vec::with_capacity(messages.len());
    for message in messages {
        let mut content = Vec::new();
        for part in &message.parts {
            let item = match part {
                Part::Call(call) => json!({
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": call.arguments.to_string(),
                }),
                Part::Result(result) => call_result(result, lost),
                Part::Reasoning(thought) => match reasoning(thought, to) {
                    Some(item) => item,
                    None => {
                        lost.field(Field::ReasoningText);
                        continue;
                    }
                },
                part => {
                    content.extend(write_part(part, message.role, lost));
                    continue;
                }
            };
            end_message(message.role, &mut content, &mut items);
            items.push(item);
        }
        end_message(message.role, &mut content, &mut items);
    }
    Value::Array(items)
}

fn end_message(role: Role, content: &mut Vec<Value>, items: &mut Vec<Value>) {
    if !content.is_empty() {
        let role = match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        items.push(json!({"type": "message", "role": role, "content": std::mem::take(content)}));
    }
}

/// A part of a message's content; `None` when it is lost.
fn write_part(part: &Part, role: Role, lost: &mut Lost) -> Option<Value> {
    match part {
        Part::Text(text) if role == Role::Assistant => Some(json!({"type": "output_text", "text": text})),
        Part::Text(text) => Some(json!({"type": "input_text", "text": text})),
        Part::Refusal(text) if role == Role::Assistant => Some(json!({"type": "refusal", "refusal": text})),
        Part::Refusal(text) => Some(json!({"type": "input_text", "text": text})),
        Part::Image(media) => {
            let mut image = file("input_image", media, "image_url", "image_url");
            image.insert("detail".to_owned(), json!(media.detail.as_deref().unwrap_or("auto")));
            Some(Value::Object(image))
        }
        Part::File(media) => {
            let mut file = file("input_file", media, "file_data", "file_url");
            if let Source::Base64(_) = media.source {
                // Needed beside the data.
                file.insert("filename".to_owned(), json!(media.name.as_deref().unwrap_or("file")));
            }
            Some(Value::Object(file))
        }
        Part::Audio(media) => audio(media).or_else(|| {
            lost.field(Field::Audio);
            None
        }),
        Part::Call(_) | Part::Result(_) | Part::Reasoning(_) => None,
    }
}

/// `data`, `url`: the members for data and for a URL.
fn file(kind: &str, media: &Media, data: &str, url: &str) -> Map<String, Value> {
    let mut file = Map::new();
    file.insert("type".to_owned(), json!(kind));
    let (name, value) = match &media.source {
        Source::Base64(base64) => {
            let media_type = if media.media_type.is_empty() { "application/octet-stream" } else { &media.media_type };
            (data, format!("data:{media_type};base64,{base64}"))
        }
        Source::Url(address) => (url, address.clone()),
        Source::Id(id) => ("file_id", id.clone()),
    };
    file.insert(name.to_owned(), json!(value));
    file
}

/// Only as data, and only these two formats.
fn audio(media: &Media) -> Option<Value> {
    let Source::Base64(data) = &media.source else { return None };
    let format = match media.media_type.as_str() {
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mp3" | "audio/mpeg" => "mp3",
        _ => return None,
    };
    Some(json!({"type": "input_audio", "input_audio": {"data": data, "format": format}}))
}

fn call_result(result: &CallResult, lost: &mut Lost) -> Value {
    if result.is_error {
        lost.field(Field::ResultIsError);
    }
    let output = match result.parts.as_slice() {
        [] => json!(""),
        [Part::Text(text)] => json!(text),
        parts => parts.iter().filter_map(|part| write_part(part, Role::User, lost)).collect(),
    };
    json!({"type": "function_call_output", "call_id": result.call_id, "output": output})
}

/// What the provider encrypted is all it needs. Thinking that it did not: OpenAI takes none (`content` must be empty),
/// the servers of open models take theirs back.
fn reasoning(thought: &ReasoningText, to: &To<'_>) -> Option<Value> {
    let ReasoningText { text, signature, redacted } = thought;
    match signature {
        _ if redacted.is_some() => None,
        Some(signature) => {
            let summary = if text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": text}]) };
            Some(json!({"type": "reasoning", "summary": summary, "encrypted_content": signature}))
        }
        None if to.kind.starts_with("openai") || to.kind.starts_with("azure") => None,
        None => {
            Some(json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}))
        }
    }
}
