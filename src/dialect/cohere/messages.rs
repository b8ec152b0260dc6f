//! Messages of the common request -> Cohere's: results of tools are messages of their own, right behind their calls.

use serde_json::{Map, Value, json};

use crate::dialect::common::{CallResult, Field, Lost, Media, Message, Part, ReasoningText, Request, Role, Source};

pub(super) fn messages(request: &Request, model: &str, lost: &mut Lost) -> Vec<Value> {
    let mut written = Vec::new();
    for message in &request.messages {
        match message.role {
            Role::System => say("system", &message.parts, &mut written, lost),
            Role::User => user(&message.parts, &mut written, lost),
            Role::Assistant => written.extend(assistant(message, model, lost)),
        }
    }
    written
}

/// Results first: nothing may stand between a call and what came of it.
fn user(parts: &[Part], written: &mut Vec<Value>, lost: &mut Lost) {
    for part in parts {
        if let Part::Result(result) = part {
            written.push(tool(result, lost));
        }
    }
    say("user", parts, written, lost);
}

/// A message of text and images; a single text stands for itself, as every model takes it. None without content.
fn say(role: &str, parts: &[Part], written: &mut Vec<Value>, lost: &mut Lost) {
    let mut content: Vec<Value> = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
            Part::Text(text) | Part::Refusal(text) => content.push(json!({"type": "text", "text": text})),
            Part::Image(media) => content.extend(image(media, lost)),
            Part::Audio(_) => lost.field(Field::Audio),
            Part::File(_) => lost.field(Field::File),
            // Results were told; the others have no business here.
            Part::Result(_) | Part::Call(_) | Part::Reasoning(_) => {}
        }
    }
    let content = match content.as_slice() {
        [] => return,
        [only] if only.get("text").is_some() => only.get("text").cloned().unwrap_or_default(),
        _ => content.into(),
    };
    written.push(json!({"role": role, "content": content}));
}

fn image(media: &Media, lost: &mut Lost) -> Option<Value> {
    let url = match &media.source {
        Source::Url(url) => url.clone(),
        Source::Base64(data) => {
            let media_type = if media.media_type.is_empty() { "image/png" } else { &media.media_type };
            format!("data:{media_type};base64,{data}")
        }
        Source::Id(_) => {
            lost.field(Field::Image);
            return None;
        }
    };
    let mut image_url = Map::new();
    image_url.insert("url".into(), url.into());
    if let Some(detail) = &media.detail {
        image_url.insert("detail".into(), detail.as_str().into());
    }
    Some(json!({"type": "image_url", "image_url": image_url}))
}

fn tool(result: &CallResult, lost: &mut Lost) -> Value {
    let mut texts: Vec<&str> = Vec::new();
    for part in &result.parts {
        match part {
            Part::Text(text) => texts.push(text),
            Part::Image(_) => lost.field(Field::Image),
            Part::Audio(_) => lost.field(Field::Audio),
            _ => lost.field(Field::File),
        }
    }
    if result.is_error {
        lost.field(Field::ResultIsError);
    }
    json!({"role": "tool", "tool_call_id": result.call_id, "content": texts.join("\n")})
}

/// `None` for a turn without anything that can be said.
fn assistant(message: &Message, model: &str, lost: &mut Lost) -> Option<Value> {
    let (mut content, mut calls, mut thoughts): (Vec<Value>, Vec<Value>, Vec<&str>) = Default::default();
    for part in &message.parts {
        match part {
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
            Part::Text(text) | Part::Refusal(text) => content.push(json!({"type": "text", "text": text})),
            Part::Call(call) => {
                let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
                calls.push(json!({"id": call.id, "type": "function", "function": function}));
            }
            // What is signed or encrypted was another provider's.
            Part::Reasoning(ReasoningText { redacted: Some(_), .. }) => lost.field(Field::ReasoningText),
            Part::Reasoning(reasoning) if reasoning.text.is_empty() => {}
            Part::Reasoning(reasoning) => thoughts.push(&reasoning.text),
            Part::Image(_) => lost.field(Field::Image),
            Part::Audio(_) => lost.field(Field::Audio),
            Part::File(_) => lost.field(Field::File),
            Part::Result(_) => lost.field(Field::Tools),
        }
    }
    let mut written = Map::new();
    written.insert("role".into(), "assistant".into());
    // The models before the thinking ones told a plan with their calls: what they say as thinking is that.
    if !thoughts.is_empty() && !calls.is_empty() && !model.contains("reasoning") {
        written.insert("tool_plan".into(), thoughts.join("\n").into());
    } else {
        let thoughts = thoughts.iter().map(|thought| json!({"type": "thinking", "thinking": thought}));
        content.splice(0..0, thoughts);
    }
    if !content.is_empty() {
        let content = match content.as_slice() {
            [only] if only.get("text").is_some() => only.get("text").cloned().unwrap_or_default(),
            _ => content.into(),
        };
        written.insert("content".into(), content);
    }
    if !calls.is_empty() {
        written.insert("tool_calls".into(), calls.into());
    }
    (written.len() > 1).then(|| written.into())
}
