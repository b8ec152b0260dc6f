//! What the data plane must know of an answer: usage, ends, errors, delivered text.
//!
//! A stream has no terminator of its own: it is over when every candidate that began has said why it ended, or the
//! prompt was refused.

use super::finish::word;
use super::usage::{predictions, usage};
use crate::dialect::{Mark, Reading, label, unread};
use crate::json::Walk;
use crate::meter::UsageSource;
use crate::sse::Event;

/// Of one document.
#[derive(Default)]
struct Seen {
    content: bool,
    error: bool,
    begun: u128,
    ended: u128,
    blocked: bool,
}

pub(in crate::dialect) fn event(event: &Event<'_>, reading: &mut Reading) -> Mark {
    let mut seen = Seen::default();
    let whole = documents(event.data, reading, &mut seen, true);
    if whole && seen.begun != 0 {
        let snapshot = reading.gemini.get_or_insert_default();
        snapshot.begun |= seen.begun;
        snapshot.ended |= seen.ended;
        reading.terminated = snapshot.begun == snapshot.ended;
    }
    reading.terminated |= whole && seen.blocked;
    if reading.terminated {
        reading.output_is_stub = false;
    }
    let mark = match seen {
        Seen { error: true, .. } => Mark::Error,
        Seen { content: true, .. } => Mark::Content,
        Seen { ended: 1.., .. } | Seen { blocked: true, .. } => Mark::End,
        _ => Mark::Other,
    };
    if whole || !matches!(event.name, b"" | b"message") { mark } else { unread(mark, event) }
}

/// Returns whether the body is whole JSON. Its text is looked at only when the provider did not say what it amounts to.
pub(in crate::dialect) fn body(body: &[u8], reading: &mut Reading) -> bool {
    let mut seen = Seen::default();
    let whole = documents(body, reading, &mut seen, false);
    if reading.usage.source != UsageSource::Reported {
        documents(body, reading, &mut seen, true);
    }
    reading.output_is_stub = false;
    whole
}

/// One response, or an array of them: errors come wrapped so, and streams without `alt=sse`.
fn documents(data: &[u8], reading: &mut Reading, seen: &mut Seen, text: bool) -> bool {
    let mut walk = Walk::new(data);
    if walk.array() {
        while walk.item() {
            document(&mut walk, reading, seen, text);
        }
    } else {
        document(&mut walk, reading, seen, text);
    }
    walk.at_end()
}

fn document(walk: &mut Walk<'_>, reading: &mut Reading, seen: &mut Seen, text: bool) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        match key {
            b"candidates" if walk.array() => {
                while walk.item() {
                    candidate(walk, reading, seen, text);
                }
            }
            b"usageMetadata" => usage(walk, reading),
            b"promptFeedback" if walk.object() => {
                while let Some(key) = walk.key() {
                    match key {
                        b"blockReason" => seen.blocked |= finish(walk, reading),
                        _ => walk.skip(),
                    }
                }
            }
            b"responseId" => reading.read_id(walk),
            b"modelVersion" => reading.read_model(walk),
            b"error" => seen.error |= reading.read_error(walk),
            b"embeddings" => {
                reading.gemini.get_or_insert_default().has_vectors = true;
                walk.skip();
            }
            b"predictions" if walk.array() => predictions(walk, reading),
            _ => walk.skip(),
        }
    }
}

fn candidate(walk: &mut Walk<'_>, reading: &mut Reading, seen: &mut Seen, text: bool) {
    if !walk.object() {
        return walk.skip();
    }
    let (mut index, mut ended) = (0, false);
    while let Some(key) = walk.key() {
        match key {
            b"content" if text && walk.object() => {
                while let Some(key) = walk.key() {
                    match key {
                        b"parts" if walk.array() => {
                            while walk.item() {
                                seen.content |= part(walk, reading);
                            }
                        }
                        _ => walk.skip(),
                    }
                }
            }
            b"finishReason" => ended = finish(walk, reading),
            b"index" => index = walk.number().whole().unwrap_or(0),
            _ => walk.skip(),
        }
    }
    let bit = u32::try_from(index).ok().and_then(|index| 1_u128.checked_shl(index)).unwrap_or(0);
    seen.begun |= bit;
    if ended {
        seen.ended |= bit;
    }
}

/// Notes why it ended. False where nothing is said yet.
fn finish(walk: &mut Walk<'_>, reading: &mut Reading) -> bool {
    let Some(said) = word(walk) else { return false };
    if reading.finish_reason.as_deref().map(str::as_bytes) != Some(said) {
        reading.finish_reason = Some(label(said));
    }
    true
}

/// True when the part brings anything.
fn part(walk: &mut Walk<'_>, reading: &mut Reading) -> bool {
    if !walk.object() {
        walk.skip();
        return false;
    }
    let mut content = false;
    while let Some(key) = walk.key() {
        match key {
            b"text" => content |= reading.push(walk.string()),
            b"functionCall" | b"executableCode" if walk.object() => {
                while let Some(key) = walk.key() {
                    match key {
                        b"name" | b"code" => content |= reading.push(walk.string()),
                        b"args" => {
                            let args = walk.raw();
                            content |= args != b"{}" && reading.push(Some(args));
                        }
                        b"partialArgs" if walk.array() => {
                            while walk.item() {
                                content |= partial_arg(walk, reading);
                            }
                        }
                        _ => walk.skip(),
                    }
                }
            }
            // An image or sound: delivered, but no text.
            b"inlineData" => {
                content = true;
                walk.skip();
            }
            _ => walk.skip(),
        }
    }
    content
}

/// A piece of one argument, which the model writes as JSON.
fn partial_arg(walk: &mut Walk<'_>, reading: &mut Reading) -> bool {
    if !walk.object() {
        walk.skip();
        return false;
    }
    let mut content = false;
    while let Some(key) = walk.key() {
        match key {
            b"stringValue" => content |= reading.push(walk.string()),
            b"numberValue" | b"boolValue" => content |= reading.push(Some(walk.raw())),
            _ => walk.skip(),
        }
    }
    content
}
