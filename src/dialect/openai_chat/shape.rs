//! What the answers of chat completions and of completions are written with alike, whole or streamed.

use std::io::Write;

use super::answer_in::{Bits, bit};
use crate::dialect::About;
use crate::dialect::common::{Finish, Text};
use crate::json::{Walk, escape_into};
use crate::meter::Usage;

pub(super) const DONE: &[u8] = b"data: [DONE]\n\n";

pub(super) fn number(value: u64, out: &mut Vec<u8>) {
    // A Vec takes whatever is written to it.
    let _ = write!(out, "{value}");
}

/// `"text"`.
pub(super) fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_into(text, out);
    out.push(b'"');
}

/// `{"id":...,"object":...,"created":...,"model":...,`: what every chunk and body begins with.
pub(super) fn head(prefix: &str, object: &str, about: &About, model: &str, out: &mut Vec<u8>) {
    let _ = write!(out, "{{\"id\":\"{prefix}{}\",\"object\":\"{object}\",\"created\":", about.id);
    number(about.created_unix_s, out);
    out.extend_from_slice(b",\"model\":");
    quoted(model, out);
    out.push(b',');
}

/// The same, as a provider's own chunk begins, for chunks that follow it. `None` where it names no id (Azure's first).
pub(super) fn head_like(chunk: &[u8], object: &str, about: &About) -> Option<Vec<u8>> {
    let (mut id, mut created, mut model) = (&b""[..], None, &b""[..]);
    let mut walk = Walk::new(chunk);
    if walk.object() {
        while let Some(key) = walk.key() {
            match key {
                b"id" => id = walk.string().unwrap_or_default(),
                b"created" => created = walk.number().whole(),
                b"model" => model = walk.string().unwrap_or_default(),
                _ => walk.skip(),
            }
        }
    }
    if id.is_empty() {
        return None;
    }
    let mut out = b"{\"id\":\"".to_vec();
    Text::Escaped(id).push_escaped(&mut out);
    let _ = write!(out, "\",\"object\":\"{object}\",\"created\":");
    number(created.unwrap_or(about.created_unix_s), &mut out);
    out.extend_from_slice(b",\"model\":\"");
    Text::Escaped(model).push_escaped(&mut out);
    out.extend_from_slice(b"\",");
    Some(out)
}

/// The provider's name of the model where it says one.
pub(super) fn model<'a>(said: &'a str, about: &'a About) -> &'a str {
    if said.is_empty() { &about.model } else { said }
}

/// `"usage":{...}`, the prompt with what was cached of it, as OpenAI counts.
pub(super) fn usage(usage: &Usage, out: &mut Vec<u8>) {
    let mut count = |name: &str, value: u64| {
        out.extend_from_slice(name.as_bytes());
        number(value, out);
    };
    count("\"usage\":{\"prompt_tokens\":", usage.input);
    count(",\"completion_tokens\":", usage.output);
    count(",\"total_tokens\":", usage.input.saturating_add(usage.output));
    count(",\"prompt_tokens_details\":{\"cached_tokens\":", usage.cache_read);
    if usage.cache_write_total() > 0 {
        count(",\"cache_write_tokens\":", usage.cache_write_total());
    }
    count(",\"audio_tokens\":", usage.audio_input);
    count("},\"completion_tokens_details\":{\"reasoning_tokens\":", usage.reasoning);
    count(",\"audio_tokens\":", usage.audio_output);
    out.extend_from_slice(b"}}");
}

/// Of a choice that did or did not decline in so many words: OpenAI then says `stop`. `error` is OpenRouter's word,
/// OpenAI has none.
pub(super) fn finish_word(reason: Finish, refused: bool) -> &'static str {
    match reason {
        Finish::Stop | Finish::StopSequence | Finish::Pause => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter if refused => "stop",
        Finish::ContentFilter => "content_filter",
        Finish::Error => "error",
    }
}

/// `"finish_reason":...`, and the provider's own word where it is another (OpenRouter's `native_finish_reason`).
pub(super) fn finish(reason: Finish, refused: bool, said: Text<'_>, out: &mut Vec<u8>) {
    let word = finish_word(reason, refused);
    let _ = write!(out, "\"finish_reason\":\"{word}\"");
    if !said.is_empty() && said.decode() != word {
        out.extend_from_slice(b",\"native_finish_reason\":\"");
        said.push_escaped(out);
        out.push(b'"');
    }
}

/// For a call that its provider gave no id: alike each time it is made, unlike any other of this or another answer.
/// At most 35 characters, as OpenAI takes no more than 40 back.
pub(super) fn call_id(about_id: &str, choice: u32, index: u32, out: &mut Vec<u8>) {
    const DIGITS_MAX: usize = 24;
    let digits = about_id.get(about_id.len().saturating_sub(DIGITS_MAX)..).unwrap_or_default();
    let _ = write!(out, "call_{digits}{choice:02x}{index:04x}");
}

/// A set of choices.
#[derive(Default)]
pub(super) struct Choices(Bits);

impl Choices {
    /// True when the choice was not in the set.
    pub fn add(&mut self, choice: u32) -> bool {
        let new = !self.has(choice);
        self.0 |= bit(choice).unwrap_or_default();
        new
    }

    pub fn has(&self, choice: u32) -> bool {
        self.0 & bit(choice).unwrap_or_default() != 0
    }
}

/// How the choices of a stream ended. Told when all is over: some providers say it with every chunk, and the last one
/// counts (Vertex); some never do (Snowflake).
#[derive(Default)]
pub(super) struct Ends {
    ends: Vec<End>,
    /// The client knows of these.
    told: Choices,
}

pub(super) struct End {
    pub choice: u32,
    pub reason: Finish,
    pub said: String,
}

impl Ends {
    pub fn set(&mut self, choice: u32, reason: Finish, said: Text<'_>) {
        self.ends.retain(|end| end.choice != choice);
        self.ends.push(End { choice, reason, said: said.decode().into_owned() });
    }

    /// The client got it as the provider told it.
    pub fn told(&mut self, choice: u32) {
        self.told.add(choice);
    }

    /// Of every choice that began or ended, at least one: `unsaid` tells how those ended that nothing was said of.
    pub fn all(&mut self, begun: &Choices, unsaid: impl Fn(u32) -> Finish) -> Vec<End> {
        let mut ends = std::mem::take(&mut self.ends);
        for choice in (0..Bits::BITS).filter(|choice| begun.has(*choice)) {
            if !ends.iter().any(|end| end.choice == choice) {
                ends.push(End { choice, reason: unsaid(choice), said: String::new() });
            }
        }
        if ends.is_empty() {
            ends.push(End { choice: 0, reason: Finish::Stop, said: String::new() });
        }
        ends.retain(|end| !self.told.has(end.choice));
        ends.sort_by_key(|end| end.choice);
        ends
    }
}
