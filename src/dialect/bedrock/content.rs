//! Messages of the common request -> Converse's: roles alternate, no text is empty, bytes are inline.

use serde_json::{Map, Value, json};

use super::models::Maker;
use crate::dialect::common::{CallResult, Field, Lost, Media, Part, ReasoningText, Request, Role, Source};

/// By media type: the block and the format's name in it.
const FORMATS: &[(&str, &str, &str)] = &[
    ("image/png", "image", "png"),
    ("image/jpeg", "image", "jpeg"),
    ("image/jpg", "image", "jpeg"),
    ("image/gif", "image", "gif"),
    ("image/webp", "image", "webp"),
    ("application/pdf", "document", "pdf"),
    ("text/csv", "document", "csv"),
    ("application/msword", "document", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document", "docx"),
    ("application/vnd.ms-excel", "document", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "document", "xlsx"),
    ("text/html", "document", "html"),
    ("text/plain", "document", "txt"),
    ("text/markdown", "document", "md"),
    ("video/mp4", "video", "mp4"),
    ("video/quicktime", "video", "mov"),
    ("video/x-matroska", "video", "mkv"),
    ("video/webm", "video", "webm"),
    ("video/x-flv", "video", "flv"),
    ("video/mpeg", "video", "mpeg"),
    ("video/x-ms-wmv", "video", "wmv"),
    ("video/3gpp", "video", "three_gp"),
];

/// System texts, wherever they stood, and the turns.
pub(super) struct Turns {
    pub system: Vec<Value>,
    pub messages: Vec<Value>,
    /// Tools that were called or answered: Converse wants a `toolConfig` as soon as there are any.
    pub called: Vec<String>,
}

pub(super) fn turns(request: &Request, maker: Maker, lost: &mut Lost) -> Turns {
    let mut writes = Writes { maker, lost, documents: 0, called: Vec::new() };
    let mut system = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let role = match message.role {
            Role::System => {
                system.extend(message.parts.iter().filter_map(|part| writes.system(part)));
                continue;
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let blocks: Vec<Value> = message.parts.iter().filter_map(|part| writes.block(part)).collect();
        match turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, content)) if *last == role => content.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let messages = turns.into_iter().map(|(role, mut content)| {
        // What came of the calls stands before what the user adds.
        content.sort_by_key(|block| role == "user" && block.get("toolResult").is_none());
        json!({"role": role, "content": content})
    });
    Turns { system, messages: messages.collect(), called: writes.called }
}

struct Writes<'a> {
    maker: Maker,
    lost: &'a mut Lost,
    /// So far: their names must differ.
    documents: u32,
    called: Vec<String>,
}

impl Writes<'_> {
    fn system(&mut self, part: &Part) -> Option<Value> {
        match part {
            Part::Text(text) => text_block(text),
            part => {
                self.lost.field(field_of(part));
                None
            }
        }
    }

    fn block(&mut self, part: &Part) -> Option<Value> {
        match part {
            Part::Text(text) | Part::Refusal(text) => text_block(text),
            Part::Image(media) | Part::File(media) => self.media(media, field_of(part)),
            Part::Audio(_) => {
                self.lost.field(Field::Audio);
                None
            }
            Part::Call(call) => {
                self.called(&call.name);
                let input = if call.arguments.is_object() { call.arguments.clone() } else { json!({}) };
                Some(json!({"toolUse": {"toolUseId": tool_use_id(&call.id), "name": call.name, "input": input}}))
            }
            Part::Result(result) => Some(self.result(result)),
            Part::Reasoning(reasoning) => self.reasoning(reasoning),
        }
    }

    fn called(&mut self, name: &str) {
        if !name.is_empty() && !self.called.iter().any(|called| called == name) {
            self.called.push(name.to_owned());
        }
    }

    fn result(&mut self, result: &CallResult) -> Value {
        self.called(&result.name);
        let content: Vec<Value> = result.parts.iter().filter_map(|part| self.block(part)).collect();
        let mut block = Map::new();
        block.insert("toolUseId".into(), tool_use_id(&result.call_id).into());
        block.insert("content".into(), content.into());
        if result.is_error {
            block.insert("status".into(), "error".into());
        }
        json!({"toolResult": block})
    }

    /// Claude takes thinking back with its signature only; what others thought is theirs to know.
    fn reasoning(&mut self, reasoning: &ReasoningText) -> Option<Value> {
        if let Some(redacted) = &reasoning.redacted {
            return Some(json!({"reasoningContent": {"redactedContent": redacted}}));
        }
        if let Some(signature) = &reasoning.signature {
            let text = json!({"text": reasoning.text, "signature": signature});
            return Some(json!({"reasoningContent": {"reasoningText": text}}));
        }
        if reasoning.text.is_empty() {
            return None;
        }
        if matches!(self.maker, Maker::OpenAi | Maker::Qwen | Maker::Other) {
            return Some(json!({"reasoningContent": {"reasoningText": {"text": reasoning.text}}}));
        }
        self.lost.field(Field::ReasoningText);
        None
    }

    /// An image, a document, a film. Bedrock fetches from S3, and from nowhere else.
    fn media(&mut self, media: &Media, field: Field) -> Option<Value> {
        let source = match &media.source {
            Source::Base64(bytes) => json!({"bytes": bytes}),
            Source::Url(url) if url.starts_with("s3://") => json!({"s3Location": {"uri": url}}),
            Source::Url(_) | Source::Id(_) => {
                self.lost.field(field);
                return None;
            }
        };
        let Some((kind, format)) = format_of(media) else {
            self.lost.field(field);
            return None;
        };
        let mut block = Map::new();
        block.insert("format".into(), format.into());
        if kind == "document" {
            self.documents += 1;
            block.insert("name".into(), document_name(media.name.as_deref(), self.documents).into());
        }
        block.insert("source".into(), source);
        let mut outer = Map::new();
        outer.insert(kind.into(), block.into());
        Some(outer.into())
    }
}

/// `None` for text that says nothing, which is refused.
fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"text": text}))
}

fn field_of(part: &Part) -> Field {
    match part {
        Part::Image(_) => Field::Image,
        Part::Audio(_) => Field::Audio,
        Part::Reasoning(_) => Field::ReasoningText,
        Part::Call(_) | Part::Result(_) => Field::Tools,
        Part::Text(_) | Part::Refusal(_) | Part::File(_) => Field::File,
    }
}

/// By the media type, else by the ending of the name.
fn format_of(media: &Media) -> Option<(&'static str, &'static str)> {
    let kind = media.media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let by_type = FORMATS.iter().find(|(known, ..)| *known == kind);
    let by_name = || {
        let name = match &media.source {
            Source::Url(url) => url,
            _ => media.name.as_deref()?,
        };
        let ending = name.rsplit('.').next()?.to_ascii_lowercase();
        let ending = if ending == "jpg" { "jpeg" } else { &ending };
        FORMATS.iter().find(|(.., format)| *format == ending)
    };
    by_type.or_else(by_name).map(|(_, block, format)| (*block, *format))
}

/// Letters, digits, single spaces, hyphens and brackets only; no two alike in a request.
fn document_name(name: Option<&str>, number: u32) -> String {
    const NAME_CHARS_MAX: usize = 180;
    let stem = name.map_or("document", |name| name.rsplit_once('.').map_or(name, |(stem, _)| stem));
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-()[]".contains(c) { c } else { ' ' };
    let plain: String = stem.chars().take(NAME_CHARS_MAX).map(allowed).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let name = if words.is_empty() { "document".to_owned() } else { words.join(" ") };
    if number == 1 { name } else { format!("{name} ({number})") }
}

/// Converse takes letters, digits, `_` and `-`, up to 64. Another provider's id becomes one of its own, the same for a
/// call and for what came of it.
fn tool_use_id(id: &str) -> String {
    const ID_BYTES_MAX: usize = 64;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.len() <= ID_BYTES_MAX && id.chars().all(allowed) {
        return id.to_owned();
    }
    // FNV-1a: two ids that differ in what is not allowed must not become one.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let kept: String = id.chars().filter(|&c| allowed(c)).take(ID_BYTES_MAX - 17).collect();
    format!("{kept}-{hash:016x}")
}
