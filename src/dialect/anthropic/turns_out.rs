//! The common messages -> `system` and turns of blocks, as the Messages API wants them: the first turn is the user's,
//! results of tools come first in the user's, thinking comes first in the model's, and no text is blank.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::ids;
use crate::dialect::common::{CallResult, Field, Lost, Media, Part, ReasoningText, Request, Role, Source, ToolCall};

pub(super) struct Turns {
    /// Absent when nothing was said.
    pub system: Option<String>,
    pub messages: Vec<Value>,
    /// The model is in the middle of a turn: it called, and gets the results now.
    pub in_call: bool,
    /// That turn begins with its thinking.
    pub in_thought: bool,
}

#[derive(PartialEq, Eq)]
enum Speaker {
    User,
    Assistant,
}

struct Turn {
    speaker: Speaker,
    /// What must come first.
    first: Vec<Value>,
    blocks: Vec<Value>,
}

/// Calls that came without an id and wait for their results, in order.
#[derive(Default)]
struct Nameless {
    calls: u32,
    waiting: VecDeque<String>,
}

pub(super) fn write(request: &Request, lost: &mut Lost) -> Turns {
    let mut system: Vec<&str> = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    let mut nameless = Nameless::default();
    for message in &request.messages {
        let speaker = match message.role {
            Role::System => {
                system.extend(message.parts.iter().filter_map(|part| system_text(part, lost)));
                continue;
            }
            Role::User => Speaker::User,
            Role::Assistant => Speaker::Assistant,
        };
        let mut turn = Turn { speaker, first: Vec::new(), blocks: Vec::new() };
        for part in &message.parts {
            turn.add(part, &mut nameless, lost);
        }
        if turn.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some(last) if last.speaker == turn.speaker => last.join(turn),
            _ => turns.push(turn),
        }
    }
    trim_end(&mut turns);
    if turns.first().is_none_or(|turn| turn.speaker != Speaker::User) {
        // The API wants the user to begin; a point says least.
        turns.insert(0, Turn { speaker: Speaker::User, first: Vec::new(), blocks: vec![text_block(".")] });
    }
    let in_call = turns.last().is_some_and(|turn| turn.speaker == Speaker::User && !turn.first.is_empty());
    let in_thought = turns.iter().rev().nth(1).is_some_and(|turn| !turn.first.is_empty());
    Turns {
        system: (!system.is_empty()).then(|| system.join("\n\n")),
        messages: turns.into_iter().map(Turn::message).collect(),
        in_call,
        in_thought,
    }
}

fn system_text<'a>(part: &'a Part, lost: &mut Lost) -> Option<&'a str> {
    match part {
        Part::Text(text) => Some(text.as_str()).filter(|text| !text.trim().is_empty()),
        part => {
            if let Some(field) = field_of(part) {
                lost.field(field);
            }
            None
        }
    }
}

/// The field that is lost with a part that cannot stand where it does.
fn field_of(part: &Part) -> Option<Field> {
    match part {
        Part::Image(_) => Some(Field::Image),
        Part::Audio(_) => Some(Field::Audio),
        Part::File(_) => Some(Field::File),
        Part::Reasoning(_) => Some(Field::ReasoningText),
        Part::Text(_) | Part::Call(_) | Part::Result(_) | Part::Refusal(_) => None,
    }
}

/// An answer that is begun for the model may not end with white space.
fn trim_end(turns: &mut [Turn]) {
    let Some(last) = turns.last_mut().filter(|turn| turn.speaker == Speaker::Assistant) else { return };
    if let Some(Value::String(text)) = last.blocks.last_mut().and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}

impl Turn {
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.blocks.is_empty()
    }

    fn join(&mut self, later: Turn) {
        // Thinking in the middle of a turn stays behind what it followed.
        let in_place = self.speaker == Speaker::Assistant && !self.first.is_empty();
        if in_place { &mut self.blocks } else { &mut self.first }.extend(later.first);
        self.blocks.extend(later.blocks);
    }

    fn message(mut self) -> Value {
        self.first.append(&mut self.blocks);
        let role = if self.speaker == Speaker::User { "user" } else { "assistant" };
        json!({"role": role, "content": self.first})
    }

    fn add(&mut self, part: &Part, nameless: &mut Nameless, lost: &mut Lost) {
        let is_user = self.speaker == Speaker::User;
        match part {
            Part::Text(text) | Part::Refusal(text) => self.blocks.extend(said(text)),
            Part::Call(call) if !is_user => self.blocks.push(tool_use(call, nameless)),
            Part::Result(result) if is_user => self.first.push(tool_result(result, nameless, lost)),
            Part::Reasoning(reasoning) if !is_user => match thinking(reasoning) {
                // Between its calls and texts it was made, and is signed, where it stands.
                Some(block) if !self.first.is_empty() && !self.blocks.is_empty() => self.blocks.push(block),
                Some(block) => self.first.push(block),
                None => lost.field(Field::ReasoningText),
            },
            Part::Image(media) if is_user => self.blocks.extend(image(media, lost)),
            Part::File(media) if is_user => self.blocks.extend(document(media, lost)),
            part => {
                if let Some(field) = field_of(part) {
                    lost.field(field);
                }
            }
        }
    }
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A blank text is refused.
fn said(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| text_block(text))
}

fn tool_use(call: &ToolCall, nameless: &mut Nameless) -> Value {
    let id = if call.id.is_empty() {
        let id = ids::minted("unnamed", nameless.calls);
        nameless.calls = nameless.calls.saturating_add(1);
        nameless.waiting.push_back(id.clone());
        id
    } else {
        ids::allowed(&call.id)
    };
    let input = if call.arguments.is_object() { call.arguments.clone() } else { json!({"_raw": call.arguments}) };
    json!({"type": "tool_use", "id": id, "name": call.name, "input": input})
}

fn tool_result(result: &CallResult, nameless: &mut Nameless, lost: &mut Lost) -> Value {
    let id = if result.call_id.is_empty() {
        nameless.waiting.pop_front().unwrap_or_default()
    } else {
        ids::allowed(&result.call_id)
    };
    let content = match result.parts.as_slice() {
        [] => Value::String(String::new()),
        [Part::Text(text)] => Value::String(text.clone()),
        parts => {
            let mut blocks = Vec::with_capacity(parts.len());
            for part in parts {
                match part {
                    Part::Text(text) | Part::Refusal(text) => blocks.extend(said(text)),
                    Part::Image(media) => blocks.extend(image(media, lost)),
                    Part::File(media) => blocks.extend(document(media, lost)),
                    part => {
                        if let Some(field) = field_of(part) {
                            lost.field(field);
                        }
                    }
                }
            }
            Value::Array(blocks)
        }
    };
    let mut block = json!({"type": "tool_result", "tool_use_id": id, "content": content});
    if result.is_error
        && let Some(members) = block.as_object_mut()
    {
        members.insert("is_error".to_owned(), Value::Bool(true));
    }
    block
}

/// Thinking that is not signed is refused.
fn thinking(reasoning: &ReasoningText) -> Option<Value> {
    match reasoning {
        ReasoningText { redacted: Some(data), .. } => Some(json!({"type": "redacted_thinking", "data": data})),
        ReasoningText { text, signature: Some(signature), .. } => {
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        _ => None,
    }
}

fn image(media: &Media, lost: &mut Lost) -> Option<Value> {
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        lost.named("detail");
    }
    let source = match &media.source {
        Source::Base64(data) => json!({"type": "base64", "media_type": media.media_type, "data": data}),
        Source::Url(url) => json!({"type": "url", "url": url}),
        // Of another provider's store.
        Source::Id(_) => {
            lost.field(Field::Image);
            return None;
        }
    };
    Some(json!({"type": "image", "source": source}))
}

/// PDF and plain text.
fn document(media: &Media, lost: &mut Lost) -> Option<Value> {
    let source = match &media.source {
        Source::Base64(data) if media.media_type.starts_with("text/") => {
            let text = STANDARD.decode(data).ok().and_then(|text| String::from_utf8(text).ok());
            text.map(|text| json!({"type": "text", "media_type": "text/plain", "data": text}))
        }
        Source::Base64(data) if media.media_type == "application/pdf" => {
            Some(json!({"type": "base64", "media_type": media.media_type, "data": data}))
        }
        Source::Url(url) => Some(json!({"type": "url", "url": url})),
        Source::Base64(_) | Source::Id(_) => None,
    };
    let Some(source) = source else {
        lost.field(Field::File);
        return None;
    };
    let mut block = json!({"type": "document", "source": source});
    if let (Some(name), Some(members)) = (&media.name, block.as_object_mut()) {
        members.insert("title".to_owned(), Value::String(name.clone()));
    }
    Some(block)
}
