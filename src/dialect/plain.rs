//! Everything with at most a usage object: embeddings, reranks, moderations, images, audio.

use crate::json::Walk;
use crate::meter::CacheInput;
use crate::sse::Event;

use super::{Mark, Reading, kind, read_error_event};

/// Streams of images, speech and transcripts: `*.delta`, then `*.done` or `*.completed`.
pub(super) fn event(event: &Event<'_>, reading: &mut Reading) -> Mark {
    if event.data == b"[DONE]" {
        reading.terminated = true;
        return Mark::End;
    }
    let kind = kind(event);
    if kind == b"error" {
        read_error_event(event.data, reading);
        return Mark::Error;
    }
    if kind.ends_with(b".delta") || kind.ends_with(b".partial_image") {
        return Mark::Content;
    }
    let whole = body(event.data, reading);
    if kind.ends_with(b".done") || kind.ends_with(b".completed") {
        reading.terminated |= whole;
        return Mark::End;
    }
    Mark::Other
}

pub(super) fn body(body: &[u8], reading: &mut Reading) -> bool {
    let mut walk = Walk::new(body);
    if !walk.object() {
        // Captions and the like come as a bare array or string.
        walk.skip();
        return walk.at_end();
    }
    while let Some(key) = walk.key() {
        match key {
            b"id" => reading.read_id(&mut walk),
            b"model" => reading.read_model(&mut walk),
            b"usage" => {
                reading.read_usage(&mut walk, CacheInput::Inside);
            }
            // Cohere; reranks are billed by `search_units`.
            b"meta" => {
                reading.read_usage(&mut walk, CacheInput::Inside);
            }
            // Titan's embeddings tell it among everything else.
            b"inputTextTokenCount" => {
                walk.skip();
                reading.read_usage(&mut Walk::new(body), CacheInput::Inside);
            }
            b"error" => {
                reading.read_error(&mut walk);
            }
            _ => walk.skip(),
        }
    }
    walk.at_end()
}
