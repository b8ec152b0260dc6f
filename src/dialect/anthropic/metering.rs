//! Anthropic messages. Usage comes at the start and again at the end, where it may have grown; the output count at the
//! start is a stub.

use crate::json::Walk;
use crate::meter::CacheInput;
use crate::sse::Event;

use crate::dialect::{Mark, Reading, kind, read_error_event};

pub(in crate::dialect) fn event(event: &Event<'_>, reading: &mut Reading) -> Mark {
    match kind(event) {
        b"content_block_delta" => block(event.data, b"delta", reading),
        b"content_block_start" => block(event.data, b"content_block", reading),
        b"message_start" => {
            let known = reading.usage.source;
            members(event.data, reading);
            // A second start in one stream (seen from broken upstreams) does not take back what was final.
            reading.output_is_stub |= known != reading.usage.source;
            Mark::Other
        }
        b"message_delta" => {
            members(event.data, reading);
            Mark::Other
        }
        b"message_stop" => {
            let mut walk = Walk::new(event.data);
            walk.skip();
            reading.terminated |= walk.at_end();
            Mark::End
        }
        b"error" => {
            read_error_event(event.data, reading);
            Mark::Error
        }
        _ => Mark::Other,
    }
}

pub(in crate::dialect) fn body(body: &[u8], reading: &mut Reading) -> bool {
    let mut walk = Walk::new(body);
    message(&mut walk, reading);
    walk.at_end()
}

/// The text of a delta or of a block's start. Nothing behind it matters.
#[inline]
fn block(data: &[u8], wanted: &[u8], reading: &mut Reading) -> Mark {
    let mut walk = Walk::new(data);
    if walk.object() {
        while let Some(key) = walk.key() {
            if key == wanted {
                return if text(&mut walk, reading) { Mark::Content } else { Mark::Other };
            }
            walk.skip();
        }
    }
    Mark::Other
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

/// `message_start` holds a message, `message_delta` a part of one.
fn members(data: &[u8], reading: &mut Reading) {
    let mut walk = Walk::new(data);
    if !walk.object() {
        return;
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
