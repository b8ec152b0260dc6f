//! A client that gets the provider's own events: what of them its reader keeps, so that the writer can go on from there.
//! Anthropic's SDKs keep blocks by their index, and take every start for a new one.

use super::FORMAT_TOOL;
use super::answer_out::AnswerOut;
use super::blocks_out::{Kind, Whole};
use crate::dialect::common::Text;
use crate::dialect::kind;
use crate::dialect::rescue::Followed;
use crate::json::{Walk, decode};
use crate::sse::Event;

/// Members of an event, and of its block or delta.
#[derive(Default)]
struct Read<'a> {
    index: u32,
    kind: &'a [u8],
    id: &'a [u8],
    name: &'a [u8],
    input: &'a [u8],
    partial_json: &'a [u8],
    stop_reason: &'a [u8],
}

impl<'a> Read<'a> {
    fn of(data: &'a [u8]) -> Self {
        let mut read = Read::default();
        let mut walk = Walk::new(data);
        if walk.object() {
            while let Some(key) = walk.key() {
                match key {
                    b"index" => {
                        read.index = walk.number().whole().and_then(|index| u32::try_from(index).ok()).unwrap_or(0)
                    }
                    b"content_block" | b"delta" if walk.object() => read.inside(&mut walk),
                    _ => walk.skip(),
                }
            }
        }
        read
    }

    fn inside(&mut self, walk: &mut Walk<'a>) {
        while let Some(key) = walk.key() {
            match key {
                b"type" => self.kind = walk.string().unwrap_or_default(),
                b"id" => self.id = walk.string().unwrap_or_default(),
                b"name" => self.name = walk.string().unwrap_or_default(),
                b"input" => self.input = walk.raw(),
                b"partial_json" => self.partial_json = walk.string().unwrap_or_default(),
                b"stop_reason" => self.stop_reason = walk.string().unwrap_or_default(),
                _ => walk.skip(),
            }
        }
    }
}

impl AnswerOut {
    /// Takes an event that the client got as it came.
    pub fn follow(&mut self, event: &Event<'_>) -> Followed {
        let name = kind(event);
        match name {
            b"message_start" => self.started = true,
            b"content_block_start" => return self.block_start(&Read::of(event.data)),
            b"content_block_delta" => {
                let read = Read::of(event.data);
                let signed = read.kind == b"signature_delta";
                self.blocks.followed_delta(Text::Escaped(read.partial_json), signed);
                if !matches!(read.kind, b"text_delta" | b"thinking_delta" | b"signature_delta" | b"input_json_delta") {
                    return Followed::Lost;
                }
            }
            b"content_block_stop" => self.blocks.followed_stop(Read::of(event.data).index),
            b"message_delta" => self.ended |= !Read::of(event.data).stop_reason.is_empty(),
            _ => {}
        }
        Followed::Whole
    }

    fn block_start(&mut self, read: &Read<'_>) -> Followed {
        let kind = match read.kind {
            b"text" => Kind::Text,
            b"thinking" => Kind::Thinking,
            b"redacted_thinking" => Kind::Redacted,
            // Its input would be told at its end only, and the format's tool is none of the client's.
            b"tool_use" if !matches!(read.input, b"" | b"{}") || read.name == FORMAT_TOOL.as_bytes() => {
                return Followed::Lost;
            }
            b"tool_use" => {
                let index = self.followed_calls;
                self.followed_calls = index.saturating_add(1);
                self.called = true;
                let (id, name) = (decode(read.id).into_owned(), decode(read.name).into_owned());
                Kind::Call { index, id, name, arguments: Whole::default() }
            }
            _ => return Followed::Lost,
        };
        self.blocks.followed_start(read.index, kind);
        Followed::Whole
    }
}
