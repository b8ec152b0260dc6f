//! A provider's answer -> pieces.
//!
//! Blocks of tools that Anthropic's servers run (`server_tool_use`, `web_search_tool_result`, `mcp_tool_use`...) are
//! neither the client's calls nor the model's words: they make no pieces, and neither do citations.

use super::FORMAT_TOOL;
use crate::dialect::common::{Finish, Piece, Request, Text};
use crate::dialect::kind;
use crate::json::Walk;
use crate::sse::Event;

/// One per attempt.
pub struct AnswerIn {
    /// A call of [`FORMAT_TOOL`] is the answer itself.
    formatted: bool,
    started: bool,
    /// Calls of the client's tools so far.
    calls: u32,
    /// Tool blocks that have begun and not ended: one at a time in Anthropic's own streams.
    open: Vec<ToolBlock>,
    /// The last reason that was given, and the provider's word. It is told at the end: spliced streams give several.
    finish: Option<(Finish, Box<[u8]>)>,
}

struct ToolBlock {
    index: u64,
    target: Target,
    /// Input that came whole with the start (seen with calls made by programs), for when no part of it follows.
    input: Box<[u8]>,
}

#[derive(Clone, Copy)]
enum Target {
    Call(u32),
    /// The arguments are the text of the answer.
    Answer,
}

/// Members of a block or a delta, as they are written. What a delta is can be told from which it has.
#[derive(Default)]
struct Members<'a> {
    kind: &'a [u8],
    text: &'a [u8],
    thinking: &'a [u8],
    signature: &'a [u8],
    data: &'a [u8],
    partial_json: &'a [u8],
    id: &'a [u8],
    name: &'a [u8],
    /// Of a compaction: its summary.
    content: &'a [u8],
    input: &'a [u8],
}

/// What a message says of itself and of its end.
#[derive(Default)]
struct Head<'a> {
    id: &'a [u8],
    model: &'a [u8],
    stop_reason: &'a [u8],
    explanation: &'a [u8],
    content: Option<Walk<'a>>,
    error: &'a [u8],
}

type Emit<'e> = dyn FnMut(Piece<'_>) + 'e;

impl AnswerIn {
    pub fn new(request: &Request, _model: &str) -> Self {
        let formatted = request.format.is_some();
        Self { formatted, started: false, calls: 0, open: Vec::new(), finish: None }
    }

    /// One event of a stream.
    pub fn event(&mut self, event: &Event<'_>, emit: &mut Emit<'_>) {
        let mut walk = Walk::new(event.data);
        match kind(event) {
            b"content_block_delta" => self.delta(&mut walk, emit),
            b"content_block_start" => self.block_start(&mut walk, emit),
            b"content_block_stop" => {
                let (index, _) = indexed(&mut walk, b"");
                self.block_stop(index, emit);
            }
            b"message_start" => {
                if let (_, Some(mut message)) = indexed(&mut walk, b"message") {
                    self.start(&Head::read(&mut message), emit);
                }
            }
            b"message_delta" => {
                if let (_, Some(mut delta)) = indexed(&mut walk, b"delta") {
                    self.message_end(&Head::read(&mut delta), emit);
                }
            }
            b"message_stop" => self.finish(emit),
            b"error" => {
                let head = Head::read(&mut walk);
                emit(Piece::Error { message: Text::Escaped(head.error) });
            }
            _ => {}
        }
    }

    /// The whole body of a unary 2xx answer.
    pub fn body(&mut self, body: &[u8], emit: &mut Emit<'_>) {
        let head = Head::read(&mut Walk::new(body));
        if !head.error.is_empty() {
            return emit(Piece::Error { message: Text::Escaped(head.error) });
        }
        self.start(&head, emit);
        if let Some(mut content) = head.content
            && content.array()
        {
            let mut index = 0;
            while content.item() {
                self.block(index, &Members::read(&mut content), emit);
                self.block_stop(index, emit);
                index += 1;
            }
        }
        self.message_end(&head, emit);
        self.finish(emit);
    }

    /// A second start in one stream (seen from broken upstreams) is not told.
    fn start(&mut self, head: &Head<'_>, emit: &mut Emit<'_>) {
        if !self.started {
            self.started = true;
            emit(Piece::Start { id: Text::Escaped(head.id), model: Text::Escaped(head.model) });
        }
    }

    #[inline]
    fn delta(&mut self, walk: &mut Walk<'_>, emit: &mut Emit<'_>) {
        let (index, Some(mut delta)) = indexed(walk, b"delta") else { return };
        self.start(&Head::default(), emit);
        let delta = Members::read(&mut delta);
        if !delta.partial_json.is_empty() {
            let text = Text::Escaped(delta.partial_json);
            if let Some(block) = self.open.iter_mut().rev().find(|block| block.index == index) {
                block.input = Box::default();
                emit(block.target.piece(text));
            }
            return;
        }
        stretch(&delta, emit);
    }

    fn block_start(&mut self, walk: &mut Walk<'_>, emit: &mut Emit<'_>) {
        let (index, Some(mut block)) = indexed(walk, b"content_block") else { return };
        self.start(&Head::default(), emit);
        self.block(index, &Members::read(&mut block), emit);
    }

    /// A block that begins, or is there whole.
    fn block(&mut self, index: u64, block: &Members<'_>, emit: &mut Emit<'_>) {
        match block.kind {
            b"text" | b"thinking" | b"redacted_thinking" | b"compaction" => stretch(block, emit),
            b"tool_use" => {
                let target = if self.formatted && block.name == FORMAT_TOOL.as_bytes() {
                    Target::Answer
                } else {
                    self.calls = self.calls.saturating_add(1);
                    Target::Call(self.calls - 1)
                };
                if let Target::Call(index) = target {
                    let (id, name) = (Text::Escaped(block.id), Text::Escaped(block.name));
                    emit(Piece::Call { choice: 0, index, id, name, signature: None });
                }
                // Blocks that never end must not cost memory.
                const OPEN_MAX: usize = 128;
                self.open.retain(|open| open.index != index);
                if self.open.len() < OPEN_MAX {
                    self.open.push(ToolBlock { index, target, input: block.input.into() });
                }
            }
            _ => {}
        }
    }

    fn block_stop(&mut self, index: u64, emit: &mut Emit<'_>) {
        let Some(at) = self.open.iter().position(|block| block.index == index) else { return };
        let block = self.open.swap_remove(at);
        let said = match block.target {
            Target::Call(_) => *block.input != *b"{}",
            Target::Answer => true,
        };
        if said && !block.input.is_empty() {
            emit(block.target.piece(Text::Plain(&String::from_utf8_lossy(&block.input))));
        }
    }

    fn message_end(&mut self, head: &Head<'_>, emit: &mut Emit<'_>) {
        if head.stop_reason.is_empty() {
            return;
        }
        self.start(&Head::default(), emit);
        if !head.explanation.is_empty() {
            emit(Piece::Refusal { choice: 0, text: Text::Escaped(head.explanation) });
        }
        let reason = match head.stop_reason {
            b"stop_sequence" => Finish::StopSequence,
            b"max_tokens" | b"model_context_window_exceeded" => Finish::Length,
            // Only the answer's own tool was called: for the client, there was no call.
            b"tool_use" if self.formatted && self.calls == 0 => {
                self.finish = Some((Finish::Stop, (*b"end_turn").into()));
                return;
            }
            b"tool_use" => Finish::ToolCalls,
            b"refusal" => Finish::ContentFilter,
            b"pause_turn" => Finish::Pause,
            _ => Finish::Stop,
        };
        self.finish = Some((reason, head.stop_reason.into()));
    }

    pub fn knows_finish(&self) -> bool {
        self.finish.is_some()
    }

    /// Tells why the answer ended, once.
    pub fn finish(&mut self, emit: &mut Emit<'_>) {
        if let Some((reason, said)) = self.finish.take() {
            emit(Piece::Finish { choice: 0, reason, said: Text::Escaped(&said) });
        }
    }
}

impl Target {
    fn piece(self, text: Text<'_>) -> Piece<'_> {
        match self {
            Target::Call(index) => Piece::Arguments { choice: 0, index, text },
            Target::Answer => Piece::Text { choice: 0, text },
        }
    }
}

/// The text of a block or a delta that is not a tool's.
#[inline]
fn stretch(members: &Members<'_>, emit: &mut Emit<'_>) {
    let choice = 0;
    if !members.text.is_empty() {
        emit(Piece::Text { choice, text: Text::Escaped(members.text) });
    }
    if !members.thinking.is_empty() {
        emit(Piece::Reasoning { choice, text: Text::Escaped(members.thinking) });
    }
    // A summary that the provider made of the conversation is not addressed to the user either.
    if !members.content.is_empty() && members.kind.starts_with(b"compaction") {
        emit(Piece::Reasoning { choice, text: Text::Escaped(members.content) });
    }
    if !members.signature.is_empty() {
        emit(Piece::Signature { choice, signature: Text::Escaped(members.signature) });
    }
    if !members.data.is_empty() {
        emit(Piece::Redacted { choice, data: Text::Escaped(members.data) });
    }
}

/// The `index` of an event and the member that is wanted, which stands behind it in all that was ever seen, and may not.
#[inline]
fn indexed<'a>(walk: &mut Walk<'a>, wanted: &[u8]) -> (u64, Option<Walk<'a>>) {
    let (mut index, mut found) = (None, None);
    if walk.object() {
        while let Some(key) = walk.key() {
            if key == b"index" {
                index = walk.number().whole();
            } else if key == wanted {
                found = Some(*walk);
                if index.is_some() {
                    break;
                }
                walk.skip();
            } else {
                walk.skip();
            }
        }
    }
    (index.unwrap_or(0), found)
}

impl<'a> Members<'a> {
    #[inline]
    fn read(walk: &mut Walk<'a>) -> Self {
        let mut members = Members::default();
        if !walk.object() {
            walk.skip();
            return members;
        }
        while let Some(key) = walk.key() {
            let slot = match key {
                b"type" => &mut members.kind,
                b"text" => &mut members.text,
                b"thinking" => &mut members.thinking,
                b"signature" => &mut members.signature,
                b"data" => &mut members.data,
                b"partial_json" => &mut members.partial_json,
                b"id" => &mut members.id,
                b"name" => &mut members.name,
                b"content" => &mut members.content,
                b"input" => {
                    members.input = walk.raw();
                    continue;
                }
                _ => {
                    walk.skip();
                    continue;
                }
            };
            *slot = walk.string().unwrap_or_default();
        }
        members
    }
}

impl<'a> Head<'a> {
    fn read(walk: &mut Walk<'a>) -> Self {
        let mut head = Head::default();
        if !walk.object() {
            walk.skip();
            return head;
        }
        while let Some(key) = walk.key() {
            match key {
                b"id" => head.id = walk.string().unwrap_or_default(),
                b"model" => head.model = walk.string().unwrap_or_default(),
                b"stop_reason" => head.stop_reason = walk.string().unwrap_or_default(),
                b"stop_details" => head.explanation = member(walk, b"explanation"),
                b"error" => head.error = member(walk, b"message"),
                b"content" => {
                    head.content = Some(*walk);
                    walk.skip();
                }
                _ => walk.skip(),
            }
        }
        head
    }
}

/// A string member of an object; empty when there is none.
fn member<'a>(walk: &mut Walk<'a>, wanted: &[u8]) -> &'a [u8] {
    let mut found: &[u8] = b"";
    if !walk.object() {
        walk.skip();
        return found;
    }
    while let Some(key) = walk.key() {
        if key == wanted {
            found = walk.string().unwrap_or_default();
        } else {
            walk.skip();
        }
    }
    found
}
