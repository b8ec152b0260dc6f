//! Converse's answers -> pieces. Blocks of text have no start event, their indices may begin anywhere; calls that
//! Bedrock itself answers (`server_tool_use`) and what came of them are not the caller's.

use super::frames::is_failure;
use super::models::{FORMAT_TOOL, FormatBy, Maker, format_by};
use crate::dialect::common::{Finish, Piece, Request, Text};
use crate::json::Walk;
use crate::sse::Event;

/// Blocks that are open at once; what a provider sends must not cost memory.
const OPEN_MAX: usize = 64;

/// One per attempt.
pub struct AnswerIn {
    started: bool,
    /// A call of [`FORMAT_TOOL`] is the answer's text.
    format_tool: bool,
    /// Calls told so far.
    calls: u32,
    /// Blocks that had a start event, by the provider's index.
    open: Vec<(u64, Block)>,
}

#[derive(Clone, Copy)]
enum Block {
    Call(u32),
    /// Of [`FORMAT_TOOL`].
    Format,
    /// Of a server's tool.
    Hidden,
}

/// A member of a block, whole or in part.
#[derive(Default)]
struct ToolUse<'a> {
    id: &'a [u8],
    name: &'a [u8],
    /// A JSON value.
    input: Option<Walk<'a>>,
    hidden: bool,
}

impl AnswerIn {
    pub fn new(request: &Request, model: &str) -> Self {
        let format_tool = format_by(request, Maker::of(model)) == FormatBy::Tool;
        Self { started: false, format_tool, calls: 0, open: Vec::new() }
    }

    /// One event of a stream.
    pub fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        match event.name {
            name if is_failure(name) => {
                emit(Piece::Error { message: Text::Escaped(member(event.data, b"message")) });
            }
            b"messageStart" => self.start(emit),
            b"contentBlockStart" => self.block_start(event.data, emit),
            b"contentBlockDelta" => self.block_delta(event.data, emit),
            b"contentBlockStop" => {
                let (index, _) = block(event.data, b"");
                self.open.retain(|(open, _)| *open != index);
            }
            b"messageStop" => {
                self.start(emit);
                self.finish(member(event.data, b"stopReason"), emit);
            }
            _ => {}
        }
    }

    /// The whole body of a unary 2xx answer.
    pub fn body(&mut self, body: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        self.start(emit);
        let mut walk = Walk::new(body);
        let (mut content, mut reason) = (None, b"".as_slice());
        if walk.object() {
            while let Some(key) = walk.key() {
                match key {
                    b"output" if walk.object() => {
                        while let Some(key) = walk.key() {
                            match key {
                                b"message" if walk.object() => {
                                    while let Some(key) = walk.key() {
                                        if key == b"content" {
                                            content = Some(walk);
                                        }
                                        walk.skip();
                                    }
                                }
                                _ => walk.skip(),
                            }
                        }
                    }
                    b"stopReason" => reason = walk.string().unwrap_or_default(),
                    _ => walk.skip(),
                }
            }
        }
        if let Some(mut content) = content
            && content.array()
        {
            while content.item() {
                self.whole_block(&mut content, emit);
            }
        }
        self.finish(reason, emit);
    }

    /// Converse says neither an id nor a model.
    fn start(&mut self, emit: &mut dyn FnMut(Piece<'_>)) {
        if !self.started {
            self.started = true;
            emit(Piece::Start { id: Text::Plain(""), model: Text::Plain("") });
        }
    }

    fn finish(&mut self, said: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        let (reason, said) = match said {
            // The caller sees no call: the format's, or one that Bedrock answered itself.
            b"tool_use" if self.calls == 0 => (Finish::Stop, b"end_turn".as_slice()),
            b"tool_use" => (Finish::ToolCalls, said),
            b"stop_sequence" => (Finish::StopSequence, said),
            b"max_tokens" | b"model_context_window_exceeded" => (Finish::Length, said),
            b"guardrail_intervened" | b"content_filtered" | b"refusal" => (Finish::ContentFilter, said),
            b"malformed_model_output" | b"malformed_tool_use" => (Finish::Error, said),
            _ => (Finish::Stop, said),
        };
        emit(Piece::Finish { choice: 0, reason, said: Text::Escaped(said) });
    }

    #[inline]
    fn block_delta(&mut self, data: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        self.start(emit);
        let (index, delta) = block(data, b"delta");
        let Some(mut delta) = delta else { return };
        if !delta.object() {
            return;
        }
        while let Some(key) = delta.key() {
            match key {
                b"text" => text(delta.string(), emit),
                b"toolUse" if delta.object() => {
                    while let Some(key) = delta.key() {
                        match key {
                            b"input" => self.arguments(index, delta.string(), emit),
                            _ => delta.skip(),
                        }
                    }
                }
                b"reasoningContent" => reasoning(&mut delta, emit),
                _ => delta.skip(),
            }
        }
    }

    fn arguments(&mut self, index: u64, fragment: Option<&[u8]>, emit: &mut dyn FnMut(Piece<'_>)) {
        let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) else { return };
        let open = self.open.iter().rev().find(|(open, _)| *open == index);
        match open {
            Some((_, Block::Call(call))) => {
                emit(Piece::Arguments { choice: 0, index: *call, text: Text::Escaped(fragment) });
            }
            Some((_, Block::Format)) => text(Some(fragment), emit),
            Some((_, Block::Hidden)) | None => {}
        }
    }

    /// `{"contentBlockIndex":1,"start":{"toolUse":{"name","toolUseId"}}}`; any other block that starts is not ours.
    fn block_start(&mut self, data: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        self.start(emit);
        let (index, start) = block(data, b"start");
        let Some(mut start) = start else { return };
        if !start.object() {
            return;
        }
        while let Some(key) = start.key() {
            if key != b"toolUse" {
                start.skip();
                continue;
            }
            let tool_use = ToolUse::read(&mut start);
            let opened = self.call(&tool_use, emit);
            if self.open.len() < OPEN_MAX {
                self.open.push((index, opened));
            }
        }
    }

    fn call(&mut self, tool_use: &ToolUse<'_>, emit: &mut dyn FnMut(Piece<'_>)) -> Block {
        if tool_use.hidden {
            return Block::Hidden;
        }
        if self.format_tool && tool_use.name == FORMAT_TOOL.as_bytes() {
            return Block::Format;
        }
        let index = self.calls;
        self.calls += 1;
        let (id, name) = (Text::Escaped(tool_use.id), Text::Escaped(tool_use.name));
        emit(Piece::Call { choice: 0, index, id, name, signature: None });
        Block::Call(index)
    }

    /// An item of a whole answer's content.
    fn whole_block(&mut self, walk: &mut Walk<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        if !walk.object() {
            return walk.skip();
        }
        while let Some(key) = walk.key() {
            match key {
                b"text" => text(walk.string(), emit),
                b"reasoningContent" => reasoning(walk, emit),
                b"citationsContent" if walk.object() => {
                    while let Some(key) = walk.key() {
                        match key {
                            b"content" if walk.array() => {
                                while walk.item() {
                                    self.whole_block(walk, emit);
                                }
                            }
                            _ => walk.skip(),
                        }
                    }
                }
                b"toolUse" => {
                    let tool_use = ToolUse::read(walk);
                    let opened = self.call(&tool_use, emit);
                    let input = tool_use.input.map_or(b"{}".as_slice(), |mut input| input.raw());
                    let input = String::from_utf8_lossy(input);
                    let input = Text::Plain(&input);
                    match opened {
                        Block::Call(index) => emit(Piece::Arguments { choice: 0, index, text: input }),
                        Block::Format => emit(Piece::Text { choice: 0, text: input }),
                        Block::Hidden => {}
                    }
                }
                _ => walk.skip(),
            }
        }
    }
}

impl<'a> ToolUse<'a> {
    fn read(walk: &mut Walk<'a>) -> Self {
        let mut tool_use = Self::default();
        if !walk.object() {
            walk.skip();
            tool_use.hidden = true;
            return tool_use;
        }
        while let Some(key) = walk.key() {
            match key {
                b"toolUseId" => tool_use.id = walk.string().unwrap_or_default(),
                b"name" => tool_use.name = walk.string().unwrap_or_default(),
                b"type" => tool_use.hidden = walk.string() == Some(b"server_tool_use"),
                b"input" => {
                    tool_use.input = Some(*walk);
                    walk.skip();
                }
                _ => walk.skip(),
            }
        }
        tool_use
    }
}

#[inline]
fn text(text: Option<&[u8]>, emit: &mut dyn FnMut(Piece<'_>)) {
    if let Some(text) = filled(text) {
        emit(Piece::Text { choice: 0, text });
    }
}

/// `{"text"}`, `{"signature"}` or `{"redactedContent"}` of a stream; `{"reasoningText":{"signature","text"}}` of a
/// whole answer, in any order: the signature is told after its text.
fn reasoning(walk: &mut Walk<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
    if !walk.object() {
        return walk.skip();
    }
    let (mut text, mut signature, mut redacted) = (None, None, None);
    while let Some(key) = walk.key() {
        match key {
            b"text" => text = walk.string(),
            b"signature" => signature = walk.string(),
            b"redactedContent" => redacted = walk.string(),
            b"reasoningText" if walk.object() => {
                while let Some(key) = walk.key() {
                    match key {
                        b"text" => text = walk.string(),
                        b"signature" => signature = walk.string(),
                        _ => walk.skip(),
                    }
                }
            }
            _ => walk.skip(),
        }
    }
    if let Some(text) = filled(text) {
        emit(Piece::Reasoning { choice: 0, text });
    }
    if let Some(signature) = filled(signature) {
        emit(Piece::Signature { choice: 0, signature });
    }
    if let Some(data) = filled(redacted) {
        emit(Piece::Redacted { choice: 0, data });
    }
}

#[inline]
fn filled(raw: Option<&[u8]>) -> Option<Text<'_>> {
    raw.filter(|raw| !raw.is_empty()).map(Text::Escaped)
}

/// The index of a block's event, and where its member `wanted` stands.
#[inline]
fn block<'a>(data: &'a [u8], wanted: &[u8]) -> (u64, Option<Walk<'a>>) {
    let (mut index, mut found) = (0, None);
    let mut walk = Walk::new(data);
    if walk.object() {
        while let Some(key) = walk.key() {
            match key {
                b"contentBlockIndex" => index = walk.number().whole().unwrap_or(0),
                _ => {
                    if key == wanted {
                        found = Some(walk);
                    }
                    walk.skip();
                }
            }
        }
    }
    (index, found)
}

/// A string at the top of a payload; empty when it is not there.
fn member<'a>(data: &'a [u8], wanted: &[u8]) -> &'a [u8] {
    let mut walk = Walk::new(data);
    if walk.object() {
        while let Some(key) = walk.key() {
            if key == wanted {
                return walk.string().unwrap_or_default();
            }
            walk.skip();
        }
    }
    b""
}
