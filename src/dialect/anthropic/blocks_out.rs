//! The blocks of a streamed answer. A Messages client sees one block at a time; another dialect may give the parts of
//! several calls in turns. So blocks stand in a line: what belongs to the first is written at once, what belongs to a
//! later one is kept until that comes to the front.
//!
//! A text or a stretch of thinking has ended when something else comes. A call has ended when its arguments are a whole
//! JSON object, or at the end of the answer: a second call that begins while the first is not whole waits. Arguments
//! that come in order, as nearly all do, never wait; nothing is lost where they do not.

use std::collections::VecDeque;
use std::io::Write as _;

use super::ids;
use crate::dialect::common::Text;
use crate::json::Unescaped;

#[derive(Default)]
pub(super) struct Blocks {
    /// Index of the front block on the wire.
    index: u32,
    line: VecDeque<Block>,
    /// Decoded arguments, to see where they end.
    plain: Vec<u8>,
}

struct Block {
    kind: Kind,
    /// Its start was written; true of the front only.
    begun: bool,
    /// What is not written yet: the inside of a JSON string.
    bytes: Vec<u8>,
    /// Of thinking: the same.
    signature: Vec<u8>,
    signed: bool,
}

pub(super) enum Kind {
    Text,
    Thinking,
    Redacted,
    Call { index: u32, id: String, name: String, arguments: Whole },
}

/// Whether a text has become a whole JSON object or array, whatever pieces it came in.
#[derive(Default)]
pub(super) struct Whole {
    depth: usize,
    in_string: bool,
    after_backslash: bool,
    done: bool,
    open: Unescaped,
}

impl Kind {
    fn is_same(&self, other: &Kind) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// What its deltas look like, up to the text.
    fn delta(&self) -> &'static [u8] {
        match self {
            Kind::Text => b"{\"type\":\"text_delta\",\"text\":\"",
            Kind::Thinking => b"{\"type\":\"thinking_delta\",\"thinking\":\"",
            // It has none: its data stands in its start.
            Kind::Redacted => b"",
            Kind::Call { .. } => b"{\"type\":\"input_json_delta\",\"partial_json\":\"",
        }
    }
}

impl Blocks {
    /// A text or thinking goes on, or begins.
    pub fn grow(&mut self, kind: Kind, text: Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let goes_on = self.line.back().is_some_and(|last| last.kind.is_same(&kind) && !last.signed);
        if !goes_on {
            self.begin(kind, out);
        }
        let last = self.line.len().wrapping_sub(1);
        self.add(last, text, out);
    }

    /// The thinking that came last is signed; a signature without any stands for itself.
    pub fn sign(&mut self, signature: Text<'_>, out: &mut Vec<u8>) {
        let has_thinking = self.line.back().is_some_and(|last| last.kind.is_same(&Kind::Thinking) && !last.signed);
        if !has_thinking {
            self.begin(Kind::Thinking, out);
        }
        let index = self.index;
        if let Some(last) = self.line.back_mut() {
            last.signed = true;
            if last.begun {
                write_delta(index, SIGNATURE, signature, out);
            } else {
                signature.push_escaped(&mut last.signature);
            }
        }
    }

    pub fn redacted(&mut self, data: Text<'_>, out: &mut Vec<u8>) {
        let mut block = Block::new(Kind::Redacted);
        data.push_escaped(&mut block.bytes);
        self.push(block, out);
    }

    /// A block begins.
    pub fn begin(&mut self, kind: Kind, out: &mut Vec<u8>) {
        self.push(Block::new(kind), out);
    }

    /// Arguments of a call that is not whole yet; white space behind a whole one is dropped.
    pub fn arguments(&mut self, call: u32, text: Text<'_>, out: &mut Vec<u8>) {
        let is_it = |block: &Block| matches!(block.kind, Kind::Call { index, .. } if index == call);
        let Some(at) = self.line.iter().rposition(is_it) else { return };
        if text.is_empty() {
            return;
        }
        if let Some(Block { kind: Kind::Call { arguments, .. }, .. }) = self.line.get_mut(at) {
            self.plain.clear();
            text.push_plain(&mut arguments.open, &mut self.plain);
            arguments.feed(&self.plain);
        }
        self.add(at, text, out);
        self.advance(out);
    }

    /// The client got the start of this block as it came.
    pub fn followed_start(&mut self, index: u32, kind: Kind) {
        self.line.clear();
        self.line.push_back(Block { begun: true, ..Block::new(kind) });
        self.index = index;
    }

    /// A part of the open block: of a call its arguments, or the signature of its thinking.
    pub fn followed_delta(&mut self, arguments: Text<'_>, signed: bool) {
        let Some(block) = self.line.back_mut() else { return };
        block.signed |= signed;
        if let Kind::Call { arguments: whole, .. } = &mut block.kind {
            self.plain.clear();
            arguments.push_plain(&mut whole.open, &mut self.plain);
            whole.feed(&self.plain);
        }
    }

    /// Its end.
    pub fn followed_stop(&mut self, index: u32) {
        self.line.clear();
        self.index = index.saturating_add(1);
    }

    /// The answer is over: every block that waited is written.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        while let Some(mut front) = self.line.pop_front() {
            front.start(self.index, out);
            self.stop(out);
        }
    }

    fn push(&mut self, block: Block, out: &mut Vec<u8>) {
        self.line.push_back(block);
        self.advance(out);
    }

    fn add(&mut self, at: usize, text: Text<'_>, out: &mut Vec<u8>) {
        let Some(block) = self.line.get_mut(at) else { return };
        if block.begun {
            write_delta(self.index, block.kind.delta(), text, out);
        } else {
            text.push_escaped(&mut block.bytes);
        }
    }

    /// Brings to the front what can be there.
    fn advance(&mut self, out: &mut Vec<u8>) {
        while let Some(front) = self.line.front_mut() {
            front.start(self.index, out);
            let is_over = match &front.kind {
                Kind::Call { arguments, .. } => arguments.done,
                _ => true,
            };
            if !is_over || self.line.len() == 1 {
                break;
            }
            self.line.pop_front();
            self.stop(out);
        }
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
        number(self.index, out);
        out.extend_from_slice(b"}\n\n");
        self.index = self.index.saturating_add(1);
    }
}

impl Block {
    fn new(kind: Kind) -> Self {
        Self { kind, begun: false, bytes: Vec::new(), signature: Vec::new(), signed: false }
    }

    /// Writes its start and what was kept of it, once.
    fn start(&mut self, index: u32, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        out.extend_from_slice(b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
        number(index, out);
        out.extend_from_slice(b",\"content_block\":");
        match &self.kind {
            Kind::Text => out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"\"}"),
            Kind::Thinking => out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"),
            Kind::Redacted => {
                out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":\"");
                out.append(&mut self.bytes);
                out.extend_from_slice(b"\"}");
            }
            Kind::Call { id, name, .. } => {
                write_call(id, name, out);
                out.extend_from_slice(b"{}}");
            }
        }
        out.extend_from_slice(b"}\n\n");
        if !self.bytes.is_empty() {
            write_delta(index, self.kind.delta(), Text::Escaped(&self.bytes), out);
            self.bytes = Vec::new();
        }
        if !self.signature.is_empty() {
            write_delta(index, SIGNATURE, Text::Escaped(&self.signature), out);
        }
    }
}

const SIGNATURE: &[u8] = b"{\"type\":\"signature_delta\",\"signature\":\"";

#[inline]
fn write_delta(index: u32, delta: &[u8], text: Text<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
    number(index, out);
    out.extend_from_slice(b",\"delta\":");
    out.extend_from_slice(delta);
    text.push_escaped(out);
    out.extend_from_slice(b"\"}}\n\n");
}

/// A `tool_use` block up to its input.
pub(super) fn write_call(id: &str, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":\"");
    Text::Plain(id).push_escaped(out);
    out.extend_from_slice(b"\",\"name\":\"");
    Text::Plain(name).push_escaped(out);
    out.extend_from_slice(b"\",\"input\":");
}

/// The id that a client gets for a call.
pub(super) fn call_id(id: &str, nth: u32, signature: Option<&str>, answer_id: &str) -> String {
    let id = if id.is_empty() { ids::minted(answer_id, nth) } else { id.to_owned() };
    match signature {
        Some(signature) if !signature.is_empty() => ids::with_signature(&id, signature),
        _ => id,
    }
}

pub(super) fn number(number: impl Into<u64>, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{}", number.into());
}

impl Whole {
    fn feed(&mut self, json: &[u8]) {
        for &byte in json {
            if self.in_string {
                match byte {
                    _ if self.after_backslash => self.after_backslash = false,
                    b'\\' => self.after_backslash = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.done |= self.depth == 0;
                }
                _ => {}
            }
        }
    }
}
