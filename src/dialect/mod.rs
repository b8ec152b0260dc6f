//! One folder per wire API. Each says of its own events and bodies what the data plane must know (usage, ends, errors,
//! delivered text), and turns its wire into the common request and pieces and back, for calls whose provider speaks
//! another dialect than their client. Here also: the errors that Sluice itself writes in each.
//!
//! The data plane calls [`Wire::read_event`] for every event of a stream and [`Wire::read_body`] for a unary answer: spans
//! are read, never a tree, and nothing is changed. What is wrong in a payload makes it count for less, never fails. A
//! [`Translation`] is made only where face and provider differ.

mod anthropic;
mod bedrock;
mod class;
mod cohere;
pub mod common;
pub mod embeddings;
mod errors;
mod gemini;
mod halves;
#[cfg(test)]
mod malformed_tests;
mod multipart;
mod openai_chat;
mod openai_responses;
mod plain;
pub mod rerank;
mod rescue;
mod signature;
#[cfg(test)]
mod tests;
mod translate;
mod usage;
#[cfg(test)]
mod wire_tests;

use crate::json::{Walk, decode};
use crate::meter::{CacheInput, Delivered, Family, Fold, Usage, UsageSource};
use crate::provider;
use crate::sse::Event;
use crate::telemetry::{ErrorClass, Face};

pub use bedrock::{BadFrame, Frames};
pub use class::{answer_of, may_quote};
pub use errors::{error_body, error_event};
pub use gemini::parse_path as gemini_path;
pub use multipart::{ModelField, Parts, boundary, find_model};
pub use rescue::{Prefill, Resume, prefill};
pub use translate::{About, To, Translation, read_request, write_request};

/// The format of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wire {
    Chat,
    Completions,
    Responses,
    Messages,
    Gemini,
    Bedrock,
    Cohere,
    /// JSON with at most a usage object: embeddings, rerank, moderations, images, audio, count_tokens.
    Plain,
}

/// What an event means to the data plane.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mark {
    /// Text, a tool call or reasoning: a token.
    Content,
    /// Chat: `choices` is empty and usage is there. May be kept from a client that did not ask for it.
    UsageOnly,
    /// The dialect's terminator.
    End,
    Error,
    /// Its payload is no JSON: cut off, or garbage. Not of an event whose name the dialect does not know.
    Malformed,
    Other,
}

/// What is known of one answer. One per attempt, made with [`Reading::new`].
#[derive(Debug, Default)]
pub struct Reading {
    /// As reported so far; its source is `None` until the provider said something.
    pub usage: Usage,
    /// A usage field was no count, or the total is not the sum of its parts.
    pub odd_usage: bool,
    /// As the provider spells it.
    pub finish_reason: Option<Box<str>>,
    pub response_id: Option<Box<str>>,
    pub response_model: Option<Box<str>>,
    /// The dialect's terminator was seen whole: `[DONE]`, `message_stop`, `response.completed|incomplete|failed`; for
    /// a unary body: it was one whole JSON value.
    pub terminated: bool,
    pub error: Option<ErrorClass>,
    pub delivered: Delivered,
    family: Option<Family>,
    fold: Fold,
    /// The reported output is a stub written before the output was made.
    output_is_stub: bool,
    /// Chat: the bytes of the last event up to its choices, see openai_chat/metering.rs.
    memo: Vec<u8>,
    /// Made by the first answer of Gemini's that needs it: a reading is moved as it is made, so it is kept small.
    gemini: Option<Box<gemini::Snapshot>>,
}

impl Wire {
    pub fn of(face: Face) -> Wire {
        match face {
            Face::ChatCompletions => Wire::Chat,
            Face::Completions => Wire::Completions,
            Face::Responses => Wire::Responses,
            Face::Messages => Wire::Messages,
            Face::Gemini => Wire::Gemini,
            _ => Wire::Plain,
        }
    }

    /// What a provider that speaks this knows a call as that is `asked` here.
    pub fn face(self, asked: Face) -> Face {
        match (asked, self) {
            (Face::Embeddings | Face::Rerank | Face::CountTokens, _) => asked,
            (_, Wire::Chat) => Face::ChatCompletions,
            (_, Wire::Completions) => Face::Completions,
            (_, Wire::Responses) => Face::Responses,
            (_, Wire::Messages) => Face::Messages,
            (_, Wire::Gemini) => Face::Gemini,
            (_, Wire::Bedrock | Wire::Cohere | Wire::Plain) => asked,
        }
    }

    /// Reads one event of a stream.
    #[inline]
    pub fn read_event(self, event: &Event<'_>, reading: &mut Reading) -> Mark {
        if event.data.is_empty() {
            return Mark::Other;
        }
        match self {
            Wire::Chat | Wire::Completions => openai_chat::event(event, reading),
            Wire::Responses => openai_responses::event(event, reading),
            Wire::Messages => anthropic::event(event, reading),
            Wire::Gemini => gemini::event(event, reading),
            Wire::Bedrock => bedrock::event(event, reading),
            Wire::Cohere => cohere::event(event, reading),
            Wire::Plain => plain::event(event, reading),
        }
    }

    /// What a stream ends with behind its finish, where that is an event of its own.
    pub fn terminator(self) -> &'static [u8] {
        match self {
            Wire::Chat | Wire::Completions => b"data: [DONE]\n\n",
            Wire::Messages => b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            _ => b"",
        }
    }

    /// Reads the whole JSON body of a unary 2xx answer.
    pub fn read_body(self, body: &[u8], reading: &mut Reading) {
        reading.terminated = match self {
            Wire::Chat | Wire::Completions => openai_chat::body(body, reading),
            Wire::Responses => openai_responses::body(body, reading),
            Wire::Messages => anthropic::body(body, reading),
            Wire::Gemini => gemini::body(body, reading),
            Wire::Bedrock => bedrock::body(body, reading),
            Wire::Cohere => cohere::body(body, reading),
            Wire::Plain => plain::body(body, reading),
        };
    }
}

impl Reading {
    /// `family` is that of the model asked for: its text can then be counted piece by piece.
    pub fn new(family: Family) -> Self {
        Self { delivered: Delivered::new(family), family: Some(family), ..Self::default() }
    }

    /// The usage for the record, once the answer is over: what was reported, and where nothing was, what was delivered
    /// (counted or estimated; the source says which) and the caller's estimate of the input.
    pub fn settle(&mut self, input_estimate: u64) -> Usage {
        let reported = self.usage.source == UsageSource::Reported;
        if reported && !self.output_is_stub {
            return self.usage;
        }
        let (output, source) = self.delivered.tokens(self.family.unwrap_or(Family::Unknown));
        if reported {
            // A cut Messages stream: the input is known from its start, the output is not.
            let source = if source == UsageSource::None { UsageSource::Reported } else { source };
            return Usage { output: output.max(self.usage.output), source, ..self.usage };
        }
        let source = match source {
            // An embedding delivers no text.
            UsageSource::None if self.gemini.as_ref().is_some_and(|snapshot| snapshot.has_vectors) => {
                UsageSource::Estimated
            }
            UsageSource::None => return Usage::default(),
            source => source,
        };
        Usage { input: input_estimate, output, source, modifiers: self.usage.modifiers, ..Usage::default() }
    }

    fn read_usage(&mut self, walk: &mut Walk<'_>, cache: CacheInput) -> bool {
        let found = usage::read(walk, cache, &mut self.fold, &mut self.usage.modifiers);
        if found {
            let modifiers = self.usage.modifiers;
            (self.usage, self.odd_usage) = self.fold.usage(cache);
            self.usage.modifiers = modifiers;
        }
        found
    }

    /// The service tier, where it stands beside the usage.
    fn read_tier(&mut self, walk: &mut Walk<'_>) {
        if let Some(tier) = usage::tier(walk) {
            self.usage.modifiers.tier = tier;
        }
    }

    /// Takes an error value (an object, a string); null is none.
    fn read_error(&mut self, walk: &mut Walk<'_>) -> bool {
        if walk.peek() == b'n' {
            walk.skip();
            return false;
        }
        self.error = Some(provider::classify_event(walk.raw()));
        true
    }

    /// Counts the text of a string value; true when it has any.
    #[inline]
    fn push(&mut self, text: Option<&[u8]>) -> bool {
        match text {
            Some(text) if !text.is_empty() => {
                self.delivered.push_json(text);
                true
            }
            _ => false,
        }
    }

    fn read_finish(&mut self, walk: &mut Walk<'_>) {
        if let Some(raw) = walk.string()
            && self.finish_reason.as_deref().map(str::as_bytes) != Some(raw)
        {
            self.finish_reason = Some(label(raw));
        }
    }

    fn read_id(&mut self, walk: &mut Walk<'_>) {
        first(&mut self.response_id, walk.string());
    }

    fn read_model(&mut self, walk: &mut Walk<'_>) {
        first(&mut self.response_model, walk.string());
    }
}

/// Keeps the first value that is not empty (Azure's first chunk has an empty id and model).
#[inline]
fn first(slot: &mut Option<Box<str>>, raw: Option<&[u8]>) {
    if let Some(raw) = raw
        && slot.is_none()
        && !raw.is_empty()
    {
        *slot = Some(label(raw));
    }
}

/// A provider's string for the record, bounded.
fn label(raw: &[u8]) -> Box<str> {
    const LABEL_BYTES_MAX: usize = 256;
    decode(raw.get(..LABEL_BYTES_MAX).unwrap_or(raw)).into()
}

/// What an event whose walk did not come to the end of its payload is after all: a mark stands when the payload is JSON
/// that the walk had no wish to read to its end.
#[cold]
fn unread(mark: Mark, event: &Event<'_>) -> Mark {
    // OpenAI's terminator of chats, which some servers write behind whatever dialect.
    let is_done = event.data.trim_ascii() == b"[DONE]";
    if mark == Mark::Error || is_done || serde_json::from_slice::<serde::de::IgnoredAny>(event.data).is_ok() {
        return mark;
    }
    Mark::Malformed
}

/// For events that nothing is read of: their payload has the brackets of a whole one, at least.
#[inline]
fn unwalked(event: &Event<'_>) -> Mark {
    match event.data {
        [b'{', .., b'}'] => Mark::Other,
        _ => unread(Mark::Other, event),
    }
}

/// The kind of an event: its name, or the payload's `type` where it has none.
#[inline]
fn kind<'a>(event: &Event<'a>) -> &'a [u8] {
    if !event.name.is_empty() && event.name != b"message" {
        return event.name;
    }
    let mut walk = Walk::new(event.data);
    if walk.object() {
        while let Some(key) = walk.key() {
            if key == b"type" {
                return walk.string().unwrap_or_default();
            }
            walk.skip();
        }
    }
    b""
}

/// An error event: `{"error":…}` or the error's members at the top.
fn read_error_event(data: &[u8], reading: &mut Reading) {
    let mut walk = Walk::new(data);
    if walk.object() {
        while let Some(key) = walk.key() {
            if key != b"error" {
                walk.skip();
            } else if reading.read_error(&mut walk) {
                return;
            }
        }
    }
    reading.error = Some(provider::classify_event(data));
}
