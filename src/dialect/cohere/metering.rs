//! What the data plane must know of an answer: usage, ends, errors, delivered text. What Cohere bills is less than the
//! tokens, since its template is free: both are kept.

use crate::dialect::{Mark, Reading, kind, read_error_event, unread, unwalked};
use crate::json::Walk;
use crate::meter::{CacheInput, UsageSource};
use crate::sse::Event;
use crate::telemetry::ErrorClass;

pub(in crate::dialect) fn event(event: &Event<'_>, reading: &mut Reading) -> Mark {
    match kind(event) {
        b"content-delta" | b"tool-plan-delta" | b"tool-call-delta" | b"tool-call-start" | b"content-start" => {
            delta(event, reading)
        }
        b"message-start" => {
            if document(event.data, reading, Part::Numbers) {
                Mark::Other
            } else {
                unread(Mark::Other, event)
            }
        }
        b"message-end" => {
            let whole = document(event.data, reading, Part::Numbers);
            failed(reading);
            if reading.error.is_some() {
                return Mark::Error;
            }
            reading.terminated |= whole;
            if whole { Mark::End } else { unread(Mark::End, event) }
        }
        // `[DONE]` follows `message-end`, which says more; some never send it.
        b"citation-start" | b"citation-end" | b"content-end" | b"tool-call-end" => unwalked(event),
        b"debug" => Mark::Other,
        _ if event.data == b"[DONE]" => Mark::Other,
        b"" if unread(Mark::Other, event) == Mark::Malformed => Mark::Malformed,
        b"" | b"error" => {
            read_error_event(event.data, reading);
            Mark::Error
        }
        _ => Mark::Other,
    }
}

/// The text of a body is looked at only when the provider did not say what it amounts to.
pub(in crate::dialect) fn body(body: &[u8], reading: &mut Reading) -> bool {
    let whole = document(body, reading, Part::Numbers);
    failed(reading);
    if reading.usage.source != UsageSource::Reported {
        document(body, reading, Part::Text);
    }
    whole
}

/// The model gave up in the middle; there is no other sign of it.
fn failed(reading: &mut Reading) {
    reading.error = match reading.finish_reason.as_deref() {
        Some("ERROR") => Some(ErrorClass::StreamError),
        Some("TIMEOUT") => Some(ErrorClass::Timeout),
        _ => return,
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Everything but the text.
    Numbers,
    Text,
}

/// `message-start`, `message-end` or a whole answer; false when it is not whole JSON.
fn document(data: &[u8], reading: &mut Reading, part: Part) -> bool {
    let mut walk = Walk::new(data);
    members(&mut walk, reading, part, 0);
    walk.at_end()
}

fn members(walk: &mut Walk<'_>, reading: &mut Reading, part: Part, depth: u32) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        match key {
            b"message" if part == Part::Text => {
                text(walk, reading, 0);
            }
            _ if part == Part::Text => walk.skip(),
            b"id" => reading.read_id(walk),
            b"finish_reason" => reading.read_finish(walk),
            b"usage" => {
                reading.read_usage(walk, CacheInput::Inside);
            }
            b"delta" if depth == 0 => members(walk, reading, part, 1),
            _ => walk.skip(),
        }
    }
}

#[inline]
fn delta(event: &Event<'_>, reading: &mut Reading) -> Mark {
    let mut walk = Walk::new(event.data);
    let mut mark = Mark::Other;
    let whole = walk.object() && {
        while let Some(key) = walk.key() {
            if key != b"delta" {
                walk.skip();
            } else if text(&mut walk, reading, 0) {
                mark = Mark::Content;
            }
        }
        walk.at_end()
    };
    if whole { mark } else { unread(mark, event) }
}

/// What the model wrote, however deep it stands in `{"message":{"content":{"text":..}}}`; in a whole answer contents
/// and calls are arrays.
#[inline]
fn text(walk: &mut Walk<'_>, reading: &mut Reading, depth: u32) -> bool {
    const DEPTH_MAX: u32 = 4;
    if depth > DEPTH_MAX {
        walk.skip();
        return false;
    }
    let mut content = false;
    if walk.array() {
        while walk.item() {
            content |= text(walk, reading, depth + 1);
        }
        return content;
    }
    if !walk.object() {
        walk.skip();
        return false;
    }
    while let Some(key) = walk.key() {
        match key {
            b"text" | b"thinking" | b"tool_plan" | b"name" | b"arguments" => content |= reading.push(walk.string()),
            b"message" | b"content" | b"tool_calls" | b"function" => content |= text(walk, reading, depth + 1),
            _ => walk.skip(),
        }
    }
    content
}
