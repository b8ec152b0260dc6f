//! What events and bodies of a provider say, as spans where they lie. Lenient: what is missing, cut or of another kind
//! is empty.

use crate::json::Walk;

/// Without its brackets; empty when it is no array.
pub(super) fn inside(array: &[u8]) -> &[u8] {
    array.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or_default().trim_ascii()
}

/// An event about a text.
pub(super) struct TextRead<'a> {
    pub output_index: u64,
    pub part: u64,
    pub text: &'a [u8],
    pub logprobs: &'a [u8],
}

impl<'a> TextRead<'a> {
    #[inline]
    pub fn of(name: &[u8], data: &'a [u8]) -> Self {
        let mut read = TextRead { output_index: 0, part: 0, text: b"", logprobs: b"" };
        let mut walk = Walk::new(data);
        if !walk.object() {
            return read;
        }
        while let Some(key) = walk.key() {
            match key {
                b"output_index" => read.output_index = walk.number().whole().unwrap_or(0),
                b"content_index" | b"summary_index" => read.part = walk.number().whole().unwrap_or(0),
                b"logprobs" => read.logprobs = inside(walk.raw()),
                _ if key == name => read.text = walk.string().unwrap_or_default(),
                _ => walk.skip(),
            }
        }
        read
    }
}

/// An item where it lies. What is no string is empty.
#[derive(Default)]
pub(super) struct ItemRead<'a> {
    pub kind: &'a [u8],
    pub call_id: &'a [u8],
    pub name: &'a [u8],
    pub arguments: &'a [u8],
    pub encrypted_content: &'a [u8],
    /// Arrays.
    pub content: &'a [u8],
    pub summary: &'a [u8],
}

impl<'a> ItemRead<'a> {
    pub fn of(raw: &'a [u8]) -> Self {
        let mut item = ItemRead::default();
        let mut walk = Walk::new(raw);
        if !walk.object() {
            return item;
        }
        while let Some(key) = walk.key() {
            match key {
                b"type" => item.kind = walk.string().unwrap_or_default(),
                b"call_id" => item.call_id = walk.string().unwrap_or_default(),
                b"name" => item.name = walk.string().unwrap_or_default(),
                b"arguments" => item.arguments = walk.string().unwrap_or_default(),
                b"encrypted_content" => item.encrypted_content = walk.string().unwrap_or_default(),
                b"content" => item.content = walk.raw(),
                b"summary" => item.summary = walk.raw(),
                _ => walk.skip(),
            }
        }
        item
    }
}

/// A response object where it lies. What is not there is empty.
#[derive(Default)]
pub(super) struct ResponseRead<'a> {
    pub id: &'a [u8],
    pub model: &'a [u8],
    pub status: &'a [u8],
    /// Why it is incomplete.
    pub reason: &'a [u8],
    /// Of its error.
    pub message: &'a [u8],
    /// An array.
    pub output: &'a [u8],
}

impl<'a> ResponseRead<'a> {
    pub fn of_event(data: &'a [u8]) -> Self {
        let mut walk = Walk::new(data);
        if walk.object() {
            while let Some(key) = walk.key() {
                if key == b"response" {
                    return Self::of(&mut walk);
                }
                walk.skip();
            }
        }
        Self::default()
    }

    pub fn of(walk: &mut Walk<'a>) -> Self {
        let mut response = Self::default();
        if !walk.object() {
            return response;
        }
        while let Some(key) = walk.key() {
            match key {
                b"id" => response.id = walk.string().unwrap_or_default(),
                b"model" => response.model = walk.string().unwrap_or_default(),
                b"status" => response.status = walk.string().unwrap_or_default(),
                b"output" => response.output = walk.raw(),
                b"incomplete_details" => response.reason = string_member(walk.raw(), b"reason"),
                b"error" => response.message = string_member(walk.raw(), b"message"),
                _ => walk.skip(),
            }
        }
        response
    }
}

/// A string member of an object; empty when there is none.
fn string_member<'a>(object: &'a [u8], name: &[u8]) -> &'a [u8] {
    let mut walk = Walk::new(object);
    if walk.object() {
        while let Some(key) = walk.key() {
            if key == name {
                return walk.string().unwrap_or_default();
            }
            walk.skip();
        }
    }
    b""
}

/// Both shapes: `{"type":"error","message":_}` and `{"type":"error","error":{"message":_}}`.
pub(super) fn error_message(data: &[u8]) -> &[u8] {
    let mut walk = Walk::new(data);
    let mut message = string_member(data, b"message");
    if message.is_empty() && walk.object() {
        while let Some(key) = walk.key() {
            match key {
                b"error" => message = string_member(walk.raw(), b"message"),
                _ => walk.skip(),
            }
        }
    }
    message
}
