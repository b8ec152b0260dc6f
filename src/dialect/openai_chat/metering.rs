//! OpenAI chat completions and completions, and the many servers that speak them.
//!
//! The bytes of a chunk up to its `choices` (id, model, timestamps) are nearly always those of the chunk before. They
//! are kept, and when the next chunk begins with the very same bytes the walk goes on behind them: what was read of
//! them once holds again. That is half of a chunk for one comparison.

use crate::json::Walk;
use crate::meter::{CacheInput, UsageSource};
use crate::sse::Event;

use crate::dialect::{Mark, Reading, read_error_event, unread};

const MEMO_BYTES_MAX: usize = 512;

/// What is read of which document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of a chunk.
    Event,
    /// Of a whole answer everything but its text.
    Body,
    /// Its text.
    BodyText,
}

#[derive(Default)]
struct Seen {
    content: bool,
    usage: bool,
    empty_choices: bool,
    error: bool,
}

#[inline]
pub(in crate::dialect) fn event(event: &Event<'_>, reading: &mut Reading) -> Mark {
    if event.data == b"[DONE]" {
        reading.terminated = true;
        return Mark::End;
    }
    // Groq.
    if event.name == b"error" {
        read_error_event(event.data, reading);
        return Mark::Error;
    }
    let mut seen = Seen::default();
    let whole = document(event.data, reading, &mut seen, Part::Event);
    let mark = match seen {
        Seen { error: true, .. } => Mark::Error,
        Seen { content: true, .. } => Mark::Content,
        Seen { usage: true, empty_choices: true, .. } => Mark::UsageOnly,
        _ => Mark::Other,
    };
    if whole { mark } else { cut(mark, event, reading) }
}

/// Not read to its end: no JSON, or a terminator with white space around it, or of an event of some other kind.
#[cold]
fn cut(mark: Mark, event: &Event<'_>, reading: &mut Reading) -> Mark {
    if event.data.trim_ascii() == b"[DONE]" {
        reading.terminated = true;
        return Mark::End;
    }
    if matches!(event.name, b"" | b"message") { unread(mark, event) } else { mark }
}

/// The text of a body is looked at only when the provider did not say what it amounts to.
pub(in crate::dialect) fn body(body: &[u8], reading: &mut Reading) -> bool {
    let mut seen = Seen::default();
    let whole = document(body, reading, &mut seen, Part::Body);
    if reading.usage.source != UsageSource::Reported {
        document(body, reading, &mut seen, Part::BodyText);
    }
    whole
}

/// A chunk or a whole answer; false when it is not whole JSON.
#[inline]
fn document(data: &[u8], reading: &mut Reading, seen: &mut Seen, part: Part) -> bool {
    let mut walk;
    let mut memorable = false;
    if !reading.memo.is_empty() && data.starts_with(&reading.memo) {
        walk = Walk::resume(data, reading.memo.len());
        choices(&mut walk, reading, seen, part);
    } else {
        walk = Walk::new(data);
        // Gemini's endpoint wraps errors into an array.
        if walk.array() {
            walk.item();
        }
        if !walk.object() {
            return false;
        }
        reading.memo.clear();
        memorable = part == Part::Event && data.first() == Some(&b'{');
    }
    let wrapped = data.first() == Some(&b'[');
    while let Some(key) = walk.key() {
        match key {
            b"choices" => {
                if memorable && walk.offset() <= MEMO_BYTES_MAX {
                    reading.memo.extend_from_slice(data.get(..walk.offset()).unwrap_or_default());
                }
                choices(&mut walk, reading, seen, part);
            }
            _ if part == Part::BodyText => walk.skip(),
            b"id" => reading.read_id(&mut walk),
            b"model" => reading.read_model(&mut walk),
            // Before the choices: remembered with what stands there.
            b"service_tier" => reading.read_tier(&mut walk),
            // A null says nothing, and may be remembered.
            b"usage" => {
                let found = reading.read_usage(&mut walk, CacheInput::Inside);
                seen.usage |= found;
                memorable &= !found;
            }
            b"x_groq" if walk.object() => {
                memorable = false;
                while let Some(key) = walk.key() {
                    match key {
                        b"usage" => seen.usage |= reading.read_usage(&mut walk, CacheInput::Inside),
                        _ => walk.skip(),
                    }
                }
            }
            b"error" => {
                let found = reading.read_error(&mut walk);
                seen.error |= found;
                memorable &= !found;
            }
            _ => walk.skip(),
        }
    }
    (!wrapped || !walk.item()) && walk.at_end()
}

#[inline]
fn choices(walk: &mut Walk<'_>, reading: &mut Reading, seen: &mut Seen, part: Part) {
    if !walk.array() {
        return walk.skip();
    }
    seen.empty_choices = true;
    while walk.item() {
        seen.empty_choices = false;
        if !walk.object() {
            walk.skip();
            continue;
        }
        while let Some(key) = walk.key() {
            match key {
                b"delta" | b"message" | b"text" if part == Part::Body => walk.skip(),
                b"delta" | b"message" => seen.content |= message(walk, reading),
                b"text" => seen.content |= reading.push(walk.string()),
                _ if part == Part::BodyText => walk.skip(),
                b"finish_reason" => reading.read_finish(walk),
                b"error" => seen.error |= reading.read_error(walk),
                _ => walk.skip(),
            }
        }
    }
}

/// A delta or a message; true when it brings any text.
#[inline]
fn message(walk: &mut Walk<'_>, reading: &mut Reading) -> bool {
    if !walk.object() {
        walk.skip();
        return false;
    }
    let (mut content, mut reasoned) = (false, false);
    while let Some(key) = walk.key() {
        match key {
            b"content" => content |= parts(walk, reading, 0),
            // Some servers send the same text under several names.
            b"reasoning_content" | b"reasoning" if !reasoned => reasoned = reading.push(walk.string()),
            b"reasoning_details" if !reasoned => reasoned = parts(walk, reading, 0),
            b"refusal" => content |= reading.push(walk.string()),
            b"tool_calls" if walk.array() => {
                while walk.item() {
                    content |= call(walk, reading, 0);
                }
            }
            b"function_call" | b"audio" => content |= call(walk, reading, 0),
            _ => walk.skip(),
        }
    }
    content | reasoned
}

/// A string, or an array of parts: Mistral's text and thinking, OpenRouter's reasoning details.
fn parts(walk: &mut Walk<'_>, reading: &mut Reading, depth: u32) -> bool {
    const DEPTH_MAX: u32 = 3;
    if depth > DEPTH_MAX || !walk.array() {
        return reading.push(walk.string());
    }
    let mut content = false;
    while walk.item() {
        if !walk.object() {
            content |= reading.push(walk.string());
            continue;
        }
        while let Some(key) = walk.key() {
            match key {
                b"text" | b"thinking" | b"summary" => content |= parts(walk, reading, depth + 1),
                _ => walk.skip(),
            }
        }
    }
    content
}

/// What a model wrote into a tool call (its function or custom tool one level down), or said in audio.
fn call(walk: &mut Walk<'_>, reading: &mut Reading, depth: u32) -> bool {
    if !walk.object() {
        walk.skip();
        return false;
    }
    let mut content = false;
    while let Some(key) = walk.key() {
        match key {
            b"name" | b"arguments" | b"input" | b"transcript" => content |= reading.push(walk.string()),
            // Sound: delivered, but no text.
            b"data" => content |= walk.string().is_some_and(|data| !data.is_empty()),
            b"function" | b"custom" if depth == 0 => content |= call(walk, reading, 1),
            _ => walk.skip(),
        }
    }
    content
}
