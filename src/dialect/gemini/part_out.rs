//! The pieces that an answer in this dialect is built of: parts, candidates, usage.

use std::io::Write;

use serde_json::Value;

use super::finish::word_of;
use super::signature::wrapped;
use crate::dialect::About;
use crate::dialect::common::{Finish, Text};
use crate::json::{Unescaped, escape_into};
use crate::meter::{Usage, UsageSource};

/// A function call until its arguments are whole.
pub(super) struct Call {
    pub choice: u32,
    pub index: u32,
    /// The part up to the arguments.
    head: Vec<u8>,
    /// `,"thoughtSignature":".."`, or nothing.
    signature: Vec<u8>,
    arguments: Vec<u8>,
    open: Unescaped,
}

impl Call {
    pub fn new(choice: u32, index: u32, id: Text<'_>, name: Text<'_>, signature: Option<Text<'_>>) -> Self {
        let mut head = b"{\"functionCall\":{".to_vec();
        if !id.is_empty() {
            head.extend_from_slice(b"\"id\":\"");
            id.push_escaped(&mut head);
            head.extend_from_slice(b"\",");
        }
        head.extend_from_slice(b"\"name\":\"");
        name.push_escaped(&mut head);
        head.extend_from_slice(b"\",\"args\":");
        let mut signed = Vec::new();
        if let Some(signature) = signature {
            push_signature(signature, &mut signed);
        }
        Self { choice, index, head, signature: signed, arguments: Vec::new(), open: None }
    }

    pub fn push(&mut self, arguments: Text<'_>) {
        arguments.push_plain(&mut self.open, &mut self.arguments);
    }

    pub fn is_whole(&self) -> bool {
        matches!(serde_json::from_slice(&self.arguments), Ok(Value::Object(_)))
    }

    /// Arguments must be an object here: what is none (an answer that was cut) is given as its text. A model may have
    /// broken the object into lines, which an event's data line cannot hold.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        if let Ok(object @ Value::Object(_)) = serde_json::from_slice(&self.arguments) {
            out.extend_from_slice(object.to_string().as_bytes());
        } else if self.arguments.trim_ascii().is_empty() {
            out.extend_from_slice(b"{}");
        } else {
            out.extend_from_slice(b"{\"_raw\":\"");
            escape_into(&String::from_utf8_lossy(&self.arguments), out);
            out.extend_from_slice(b"\"}");
        }
        out.push(b'}');
        out.extend_from_slice(&self.signature);
        out.push(b'}');
    }
}

pub(super) fn push_text(text: Text<'_>, thought: bool, signature: Option<Text<'_>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":\"");
    text.push_escaped(out);
    out.push(b'"');
    if thought {
        out.extend_from_slice(b",\"thought\":true");
    }
    if let Some(signature) = signature {
        push_signature(signature, out);
    }
    out.push(b'}');
}

fn push_signature(signature: Text<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"thoughtSignature\":\"");
    escape_into(&wrapped(&signature.decode()), out);
    out.push(b'"');
}

pub(super) fn push_candidate(choice: u32, parts: impl FnOnce(&mut Vec<u8>), finish: Option<Finish>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"content\":{\"parts\":[");
    parts(out);
    out.extend_from_slice(b"],\"role\":\"model\"}");
    if let Some(finish) = finish {
        out.extend_from_slice(b",\"finishReason\":\"");
        out.extend_from_slice(word_of(finish).as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"index\":");
    push_number(u64::from(choice), out);
    out.push(b'}');
}

/// `,"usageMetadata":{..}`. Google counts thoughts apart from the candidates, and cached tokens inside the prompt.
pub(super) fn push_usage(usage: &Usage, out: &mut Vec<u8>) {
    if usage.source == UsageSource::None {
        return;
    }
    for (name, count, always) in [
        (",\"usageMetadata\":{\"promptTokenCount\":", usage.input, true),
        (",\"cachedContentTokenCount\":", usage.cache_read, false),
        (",\"candidatesTokenCount\":", usage.output.saturating_sub(usage.reasoning), true),
        (",\"thoughtsTokenCount\":", usage.reasoning, false),
        (",\"totalTokenCount\":", usage.input + usage.output, true),
    ] {
        if always || count > 0 {
            out.extend_from_slice(name.as_bytes());
            push_number(count, out);
        }
    }
    out.push(b'}');
}

/// What ends every response. Where the provider says nothing, the call's own id and model stand for it.
pub(super) fn tail(id: Text<'_>, model: Text<'_>, about: &About) -> Vec<u8> {
    let mut tail = b",\"modelVersion\":\"".to_vec();
    let or = |text: Text<'_>, own: &str, tail: &mut Vec<u8>| match text.is_empty() {
        true => escape_into(own, tail),
        false => text.push_escaped(tail),
    };
    or(model, &about.model, &mut tail);
    tail.extend_from_slice(b"\",\"responseId\":\"");
    or(id, &about.id, &mut tail);
    tail.extend_from_slice(b"\"}");
    tail
}

fn push_number(number: u64, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{number}");
}
