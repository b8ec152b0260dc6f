//! What the data plane must know of an answer: usage, ends, errors, delivered text. The usage comes last, in
//! `metadata`, behind the stop reason: a stream without it was cut.

use super::frames::is_failure;
use crate::dialect::{Mark, Reading, unread, unwalked};
use crate::json::Walk;
use crate::meter::{CacheInput, Tier, UsageSource};
use crate::provider;
use crate::sse::Event;

pub(in crate::dialect) fn event(event: &Event<'_>, reading: &mut Reading) -> Mark {
    match event.name {
        b"contentBlockDelta" => block(event, b"delta", reading),
        b"contentBlockStart" => block(event, b"start", reading),
        b"messageStop" => {
            let whole = members(&mut Walk::new(event.data), reading, Part::Numbers);
            if whole { Mark::Other } else { unread(Mark::Other, event) }
        }
        b"metadata" => {
            let whole = members(&mut Walk::new(event.data), reading, Part::Numbers);
            reading.terminated |= whole;
            if whole { Mark::End } else { unread(Mark::End, event) }
        }
        b"messageStart" | b"contentBlockStop" => unwalked(event),
        name if is_failure(name) => {
            reading.error = Some(provider::classify_named_event(name, event.data));
            Mark::Error
        }
        _ => Mark::Other,
    }
}

/// The text of a body is looked at only when the provider did not say what it amounts to.
pub(in crate::dialect) fn body(body: &[u8], reading: &mut Reading) -> bool {
    let whole = members(&mut Walk::new(body), reading, Part::Numbers);
    if reading.usage.source != UsageSource::Reported {
        members(&mut Walk::new(body), reading, Part::Text);
    }
    whole
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Everything but the text.
    Numbers,
    Text,
}

/// `messageStop`, `metadata` or a whole answer; false when it is not whole JSON.
fn members(walk: &mut Walk<'_>, reading: &mut Reading, part: Part) -> bool {
    if !walk.object() {
        return false;
    }
    while let Some(key) = walk.key() {
        match key {
            b"output" if part == Part::Text => output(walk, reading),
            _ if part == Part::Text => walk.skip(),
            b"stopReason" => reading.read_finish(walk),
            b"usage" => {
                reading.read_usage(walk, CacheInput::Outside);
            }
            b"serviceTier" => service_tier(walk, reading),
            _ => walk.skip(),
        }
    }
    walk.at_end()
}

/// `{"type":"priority"}`: what was applied, whatever had been asked for.
fn service_tier(walk: &mut Walk<'_>, reading: &mut Reading) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        if key != b"type" {
            walk.skip();
            continue;
        }
        reading.usage.modifiers.tier = match walk.string() {
            Some(b"priority") => Tier::Priority,
            Some(b"flex") => Tier::Flex,
            Some(b"reserved") => Tier::Provisioned,
            _ => Tier::Standard,
        };
    }
}

fn output(walk: &mut Walk<'_>, reading: &mut Reading) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        match key {
            b"message" => output(walk, reading),
            b"content" if walk.array() => {
                while walk.item() {
                    text(walk, reading, 0);
                }
            }
            _ => walk.skip(),
        }
    }
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
            } else if text(&mut walk, reading, 0) {
                mark = Mark::Content;
            }
        }
        walk.at_end()
    };
    if whole { mark } else { unread(mark, event) }
}

/// What the model wrote into one block: text, a call's name and arguments, thinking. Not what a server's tool found.
#[inline]
fn text(walk: &mut Walk<'_>, reading: &mut Reading, depth: u32) -> bool {
    const DEPTH_MAX: u32 = 3;
    if depth > DEPTH_MAX || !walk.object() {
        walk.skip();
        return false;
    }
    let mut content = false;
    while let Some(key) = walk.key() {
        match key {
            b"text" | b"name" => content |= reading.push(walk.string()),
            // A fragment in a stream, an object in a whole answer.
            b"input" if walk.peek() == b'"' => content |= reading.push(walk.string()),
            b"input" => content |= reading.push(Some(walk.raw())),
            b"toolUse" | b"reasoningContent" | b"reasoningText" => content |= text(walk, reading, depth + 1),
            // Encrypted thinking: delivered, but no text.
            b"redactedContent" => content |= walk.string().is_some_and(|data| !data.is_empty()),
            b"citationsContent" if walk.object() => {
                while let Some(key) = walk.key() {
                    match key {
                        b"content" if walk.array() => {
                            while walk.item() {
                                content |= text(walk, reading, depth + 1);
                            }
                        }
                        _ => walk.skip(),
                    }
                }
            }
            _ => walk.skip(),
        }
    }
    content
}
