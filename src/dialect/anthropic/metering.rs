//! Anthropic messages. Usage comes at the start and again at the end, where it may have grown; the output count at the
//! start is a stub.

use crate::json::Walk;
use crate::meter::CacheInput;
use crate::sse::Event;

use crate::dialect::{Mark, Reading, kind, read_error_event, unread, unwalked};

pub(in crate::dialect) fn event(event: &Event<'_>, reading: &mut Reading) -> Mark {
    match kind(event) {
        b"content_block_delta" => block(event, b"delta", reading),
        b"content_block_start" => block(event, b"content_block", reading),
        b"message_start" => {
            let known = reading.usage.source;
            let whole = members(event.data, reading);
            // A second start in one stream (seen from broken upstreams) does not take back what was final.
            reading.output_is_stub |= known != reading.usage.source;
            if whole { Mark::Other } else { unread(Mark::Other, event) }
        }
        b"message_delta" => {
            if members(event.data, reading) {
                Mark::Other
            } else {
                unread(Mark::Other, event)
            }
        }
        b"message_stop" => {
            let mut walk = Walk::new(event.data);
            walk.skip();
            let whole = walk.at_end();
            reading.terminated |= whole;
            if whole { Mark::End } else { unread(Mark::End, event) }
        }
        b"error" => {
            read_error_event(event.data, reading);
            Mark::Error
        }
        // Names that are not known here may stand over anything.
        b"content_block_stop" | b"ping" | b"" => unwalked(event),
        _ => Mark::Other,
    }
}

pub(in crate::dialect) fn body(body: &[u8], reading: &mut Reading) -> bool {
    let mut walk = Walk::new(body);
    message(&mut walk, reading);
    walk.at_end()
}

/// The text of a delta or of a block's start.
#[inline]
fn block(event: &Event<'_>, wanted: &[u8], reading: &mut Reading) -> Mark {
    let mut walk = Walk::new(event.data);
    let mut mark = Mark::Other;
    let whole = walk.object() && {
        while let Some(key) = walk.key() {
            if key != wanted {
                walk.skip();
            } else if text(&mut walk, reading) {
                mark = Mark::Content;
            }
        }
        walk.at_end()
    };
    if whole { mark } else { unread(mark, event) }
}

/// The text of one block: what the model wrote, not what a server's tool found.
#[inline]
fn text(walk: &mut Walk<'_>, reading: &mut Reading) -> bool {
    if !walk.object() {
        walk.skip();
        return false;
    }
    let mut content = false;
    while let Some(key) = walk.key() {
        match key {
            b"text" | b"thinking" | b"partial_json" | b"name" => content |= reading.push(walk.string()),
            // A compaction's summary is a string, a tool's result an array.
            b"content" => content |= reading.push(walk.string()),
            // Whole in a unary answer, `{}` at the start of a streamed one.
            b"input" => {
                let input = walk.raw();
                content |= input != b"{}" && reading.push(Some(input));
            }
            _ => walk.skip(),
        }
    }
    content
}

/// `message_start` holds a message, `message_delta` a part of one. False when it is not whole JSON.
fn members(data: &[u8], reading: &mut Reading) -> bool {
    let mut walk = Walk::new(data);
    if !walk.object() {
        return false;
    }
    while let Some(key) = walk.key() {
        match key {
            b"message" => message(&mut walk, reading),
            b"delta" if walk.object() => {
                while let Some(key) = walk.key() {
                    match key {
                        b"stop_reason" => reading.read_finish(&mut walk),
                        _ => walk.skip(),
                    }
                }
            }
            b"usage" => {
                if reading.read_usage(&mut walk, CacheInput::Outside) {
                    reading.output_is_stub = false;
                }
            }
            _ => walk.skip(),
        }
    }
    walk.at_end()
}

fn message(walk: &mut Walk<'_>, reading: &mut Reading) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        match key {
            b"id" => reading.read_id(walk),
            b"model" => reading.read_model(walk),
            b"stop_reason" => reading.read_finish(walk),
            b"usage" => {
                reading.read_usage(walk, CacheInput::Outside);
            }
            b"content" if walk.array() => {
                while walk.item() {
                    text(walk, reading);
                }
            }
            b"error" => {
                reading.read_error(walk);
            }
            _ => walk.skip(),
        }
    }
}
