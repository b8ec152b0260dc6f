//! The common messages -> `contents` and `systemInstruction`.

use serde_json::{Map, Value, json};

use super::model::Model;
use crate::dialect::common::{
    CallResult, Field, Lost, Media, Message, Part, ReasoningText, Request, Role, Source, ToolCall,
};

/// What Google documents for a call that has no signature since it comes from elsewhere (ai.google.dev, "Thought
/// signatures"): Gemini 3 answers 400 to one without any.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

pub(super) struct Contents {
    pub system: Option<Value>,
    pub contents: Vec<Value>,
}

/// `with_ids`: calls and results are told apart by their ids too. (Vertex knows calls by their names and order only.)
pub(super) fn write_contents(request: &Request, model: Model<'_>, with_ids: bool, lost: &mut Lost) -> Contents {
    let mut writer = Writer { with_ids, lost };
    let mut system = Vec::new();
    let mut turns: Vec<(Role, Vec<Value>)> = Vec::new();
    // A system message in the middle must not part two turns of one role: it is taken out before they are merged.
    let (systems, others): (Vec<&Message>, Vec<&Message>) =
        request.messages.iter().partition(|message| message.role == Role::System);
    for message in systems {
        writer.parts(&message.parts, &mut system);
    }
    let turn_start = others.iter().rposition(|message| starts_turn(message)).unwrap_or(0);
    for (at, message) in others.iter().enumerate() {
        let mut parts = Vec::with_capacity(message.parts.len());
        writer.parts(&message.parts, &mut parts);
        if model.is_third() && at >= turn_start {
            sign(&mut parts);
        }
        match turns.last_mut() {
            Some((role, last)) if *role == message.role => last.append(&mut parts),
            _ => turns.push((message.role, parts)),
        }
    }
    if turns.is_empty() && !system.is_empty() {
        // There must be a turn to answer.
        turns.push((Role::User, std::mem::take(&mut system)));
    }
    let contents = turns.into_iter().filter(|(_, parts)| !parts.is_empty()).map(|(role, mut parts)| {
        // All results of a turn first: their number is checked against that of the calls before.
        parts.sort_by_key(|part| part.get("functionResponse").is_none() && role == Role::User);
        json!({"role": if role == Role::Assistant { "model" } else { "user" }, "parts": parts})
    });
    let contents = contents.collect();
    let system = (!system.is_empty()).then(|| json!({"parts": system}));
    Contents { system, contents }
}

/// A user's own words: what stands behind them belongs to the turn that is under way.
fn starts_turn(message: &Message) -> bool {
    message.role == Role::User && message.parts.iter().any(|part| !matches!(part, Part::Result(_)))
}

/// Of several calls at once only the first has a signature.
fn sign(parts: &mut [Value]) {
    let mut calls = parts.iter_mut().filter(|part| part.get("functionCall").is_some());
    if let Some(first) = calls.next().and_then(Value::as_object_mut)
        && !first.contains_key("thoughtSignature")
        && calls.all(|call| call.get("thoughtSignature").is_none())
    {
        first.insert("thoughtSignature".into(), NO_SIGNATURE.into());
    }
}

struct Writer<'a> {
    with_ids: bool,
    lost: &'a mut Lost,
}

impl Writer<'_> {
    fn parts(&mut self, parts: &[Part], out: &mut Vec<Value>) {
        for part in parts {
            match part {
                // Vertex refuses empty ones.
                Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
                Part::Text(text) | Part::Refusal(text) => out.push(json!({"text": text})),
                Part::Image(media) => out.extend(self.media(media, "image/jpeg", Field::Image)),
                Part::Audio(media) => out.extend(self.media(media, "audio/mpeg", Field::Audio)),
                Part::File(media) => out.extend(self.media(media, "application/pdf", Field::File)),
                Part::Call(call) => out.push(self.call(call)),
                Part::Result(result) => self.result(result, out),
                Part::Reasoning(reasoning) => out.extend(self.reasoning(reasoning)),
            }
        }
    }

    fn media(&mut self, media: &Media, default_type: &str, field: Field) -> Option<Value> {
        let media_type = match media.media_type.as_str() {
            "" => type_of(media).unwrap_or(default_type),
            known => known,
        };
        match &media.source {
            Source::Base64(data) => Some(json!({"inlineData": {"mimeType": media_type, "data": data}})),
            Source::Url(uri) => Some(json!({"fileData": {"mimeType": media_type, "fileUri": uri}})),
            Source::Id(uri) if is_google_file(uri) => {
                Some(json!({"fileData": {"mimeType": media_type, "fileUri": uri}}))
            }
            Source::Id(_) => {
                self.lost.field(field);
                None
            }
        }
    }

    fn call(&self, call: &ToolCall) -> Value {
        let mut function = Map::new();
        if self.with_ids && !call.id.is_empty() {
            function.insert("id".into(), call.id.clone().into());
        }
        function.insert("name".into(), call.name.clone().into());
        function.insert("args".into(), call.arguments.clone());
        let mut part = Map::new();
        part.insert("functionCall".into(), Value::Object(function));
        if let Some(signature) = call.signature.as_ref().filter(|signature| is_base64(signature)) {
            part.insert("thoughtSignature".into(), signature.clone().into());
        }
        Value::Object(part)
    }

    /// The text of a result is an object here; images and files stand beside it.
    fn result(&mut self, result: &CallResult, out: &mut Vec<Value>) {
        let mut text = String::new();
        let mut others = Vec::new();
        for part in &result.parts {
            match part {
                Part::Text(more) => {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(more);
                }
                other => self.parts(std::slice::from_ref(other), &mut others),
            }
        }
        let object = if result.is_error { None } else { serde_json::from_str(&text).ok().filter(Value::is_object) };
        let response = object.unwrap_or_else(|| {
            let key = if result.is_error { "error" } else { "output" };
            Value::Object(Map::from_iter([(key.to_owned(), text.into())]))
        });
        let mut function = Map::new();
        if self.with_ids && !result.call_id.is_empty() {
            function.insert("id".into(), result.call_id.clone().into());
        }
        let name = if result.name.is_empty() { &result.call_id } else { &result.name };
        function.insert("name".into(), name.clone().into());
        function.insert("response".into(), response);
        out.push(json!({"functionResponse": function}));
        out.append(&mut others);
    }

    /// Thinking of another provider is of no use here, but does no harm: its text is told, its signature left out where
    /// it cannot be one of Google's.
    fn reasoning(&mut self, reasoning: &ReasoningText) -> Option<Value> {
        let signature = reasoning.signature.as_ref().filter(|signature| is_base64(signature));
        if reasoning.text.is_empty() && signature.is_none() {
            if reasoning.redacted.is_some() || reasoning.signature.is_some() {
                self.lost.field(Field::ReasoningText);
            }
            return None;
        }
        let mut part = Map::new();
        part.insert("text".into(), reasoning.text.clone().into());
        if !reasoning.text.is_empty() {
            part.insert("thought".into(), true.into());
        }
        if let Some(signature) = signature {
            part.insert("thoughtSignature".into(), signature.clone().into());
        }
        Some(Value::Object(part))
    }
}

fn is_google_file(uri: &str) -> bool {
    uri.starts_with("gs://") || uri.starts_with("https://")
}

/// Of a file that is only named. Google wants the type of every one.
fn type_of(media: &Media) -> Option<&'static str> {
    let uri = match &media.source {
        Source::Url(uri) | Source::Id(uri) => uri.split(['?', '#']).next()?,
        Source::Base64(_) => media.name.as_deref()?,
    };
    let is_video = ["youtube.com/", "youtu.be/"].iter().any(|site| uri.contains(site));
    if is_video {
        return Some("video/mp4");
    }
    Some(match uri.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        _ => return None,
    })
}

/// A signature is bytes, in either alphabet; anything else would make the whole request a 400.
fn is_base64(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'='))
}
