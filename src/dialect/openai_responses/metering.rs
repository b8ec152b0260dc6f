//! OpenAI Responses. There is no `[DONE]`: the stream ends with one of three events that carry the whole response.

use crate::json::Walk;
use crate::meter::CacheInput;
use crate::sse::Event;

use crate::dialect::{Mark, Reading, kind, read_error_event, unread, unwalked};

pub(in crate::dialect) fn event(event: &Event<'_>, reading: &mut Reading) -> Mark {
    let kind = kind(event);
    if kind.ends_with(b".delta") {
        return delta(kind, event, reading);
    }
    match kind {
        b"response.created" | b"response.queued" | b"response.in_progress" => {
            if reading.response_id.is_none() && !envelope(event.data, reading) {
                return unread(Mark::Other, event);
            }
            unwalked(event)
        }
        b"response.completed" | b"response.incomplete" | b"response.failed" => {
            // Cut inside its last event, a stream is as truncated as anywhere else.
            let whole = envelope(event.data, reading);
            reading.terminated |= whole;
            if whole { Mark::End } else { unread(Mark::End, event) }
        }
        b"error" => {
            read_error_event(event.data, reading);
            Mark::Error
        }
        // Names that are not known here may stand over anything.
        _ if kind.is_empty() || kind.starts_with(b"response.") => unwalked(event),
        _ => Mark::Other,
    }
}

pub(in crate::dialect) fn body(body: &[u8], reading: &mut Reading) -> bool {
    let mut walk = Walk::new(body);
    response(&mut walk, reading, true);
    walk.at_end()
}

/// A piece of text, reasoning, arguments or code.
#[inline]
fn delta(kind: &[u8], event: &Event<'_>, reading: &mut Reading) -> Mark {
    let mut walk = Walk::new(event.data);
    let mut mark = Mark::Other;
    if !walk.object() {
        return unread(mark, event);
    }
    while let Some(key) = walk.key() {
        if key != b"delta" {
            walk.skip();
            continue;
        }
        let delta = walk.string();
        let content = match kind {
            b"response.audio.delta" | b"response.output_audio.delta" => delta.is_some_and(|sound| !sound.is_empty()),
            _ => reading.push(delta),
        };
        if content {
            mark = Mark::Content;
        }
    }
    if walk.at_end() { mark } else { unread(mark, event) }
}

/// An event that carries a response; false when it is not whole.
fn envelope(data: &[u8], reading: &mut Reading) -> bool {
    let mut walk = Walk::new(data);
    if !walk.object() {
        return false;
    }
    while let Some(key) = walk.key() {
        match key {
            b"response" => response(&mut walk, reading, false),
            _ => walk.skip(),
        }
    }
    walk.at_end()
}

/// A response object. `text`: its output has not been counted from deltas.
fn response(walk: &mut Walk<'_>, reading: &mut Reading, text: bool) {
    if !walk.object() {
        return walk.skip();
    }
    let mut reason = None;
    while let Some(key) = walk.key() {
        match key {
            b"id" => reading.read_id(walk),
            b"model" => reading.read_model(walk),
            b"service_tier" => reading.read_tier(walk),
            b"status" => reason_of(walk.string(), reading),
            b"incomplete_details" if walk.object() => {
                while let Some(key) = walk.key() {
                    match key {
                        b"reason" => reason = walk.string(),
                        _ => walk.skip(),
                    }
                }
            }
            b"usage" => {
                reading.read_usage(walk, CacheInput::Inside);
            }
            b"error" => {
                reading.read_error(walk);
            }
            b"output" if text => {
                output(walk, reading, 0);
            }
            _ => walk.skip(),
        }
    }
    // More telling than the status `incomplete`.
    if let Some(reason) = reason {
        reading.finish_reason = Some(crate::dialect::label(reason));
    }
}

/// A status that is not an end yet says nothing about how the stream will end.
fn reason_of(status: Option<&[u8]>, reading: &mut Reading) {
    if let Some(status) = status.filter(|status| !matches!(*status, b"in_progress" | b"queued")) {
        reading.finish_reason = Some(crate::dialect::label(status));
    }
}

/// The text of output items, their content and their summaries.
fn output(walk: &mut Walk<'_>, reading: &mut Reading, depth: u32) {
    const DEPTH_MAX: u32 = 1;
    if depth > DEPTH_MAX || !walk.array() {
        return walk.skip();
    }
    while walk.item() {
        if !walk.object() {
            walk.skip();
            continue;
        }
        while let Some(key) = walk.key() {
            match key {
                b"content" | b"summary" => output(walk, reading, depth + 1),
                b"text" | b"refusal" | b"name" | b"arguments" | b"input" | b"code" => {
                    reading.push(walk.string());
                }
                _ => walk.skip(),
            }
        }
    }
}
