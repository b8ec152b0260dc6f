//! One delta or message of an answer: where its members stand, its texts and its thinking.
//!
//! Several servers send the same thought under two or three names (`reasoning`, `reasoning_content`,
//! `reasoning_details`, `thinking_blocks`): it is told once. Thought comes before text, text before calls, whatever the
//! order of the members.

use super::answer_in::{Bits, bit, pass};
use crate::dialect::common::{Piece, Text};
use crate::json::Walk;

/// Where the members of a delta or message stand.
#[derive(Default)]
pub(super) struct Message<'a> {
    content: Option<Walk<'a>>,
    /// The first name that has text.
    reasoning: Option<&'a [u8]>,
    details: Option<Walk<'a>>,
    blocks: Option<Walk<'a>>,
    refusal: Option<&'a [u8]>,
    audio: Option<Walk<'a>>,
    cites: bool,
    pub calls: Option<Walk<'a>>,
    /// Before there were tools.
    pub function_call: Option<Walk<'a>>,
}

impl<'a> Message<'a> {
    #[inline]
    pub fn find(mut walk: Walk<'a>) -> Option<Self> {
        let mut found = Self::default();
        if !walk.object() {
            return None;
        }
        while let Some(key) = walk.key() {
            match key {
                b"content" => found.content = Some(pass(&mut walk)),
                b"reasoning_content" | b"reasoning" => {
                    let text = walk.string().filter(|text| !text.is_empty());
                    found.reasoning = found.reasoning.or(text);
                }
                b"reasoning_details" => found.details = Some(pass(&mut walk)),
                b"thinking_blocks" => found.blocks = Some(pass(&mut walk)),
                b"refusal" => found.refusal = walk.string().filter(|text| !text.is_empty()),
                b"tool_calls" => found.calls = Some(pass(&mut walk)),
                b"function_call" => found.function_call = Some(pass(&mut walk)),
                b"audio" => found.audio = Some(pass(&mut walk)),
                b"annotations" => found.cites = !matches!(walk.raw(), b"null" | b"[]"),
                _ => walk.skip(),
            }
        }
        Some(found)
    }

    /// Something of it is told by no piece: sound, or citations.
    pub fn says_more(&self) -> bool {
        self.audio.is_some() || self.cites
    }

    pub fn refuses(&self) -> bool {
        self.refusal.is_some()
    }

    /// Content, refusal, and what was said aloud.
    #[inline]
    pub fn texts(&self, choice: u32, thinking: &mut Thinking, emit: &mut dyn FnMut(Piece<'_>)) {
        if let Some(mut content) = self.content {
            match content.peek() {
                b'"' => text(choice, content.string(), thinking, emit),
                b'[' => parts(content, choice, thinking, emit),
                _ => {}
            }
        }
        if let Some(refusal) = self.refusal {
            thinking.close(choice);
            emit(Piece::Refusal { choice, text: Text::Escaped(refusal) });
        }
        if let Some(mut audio) = self.audio
            && audio.object()
        {
            while let Some(key) = audio.key() {
                match key {
                    b"transcript" => text(choice, audio.string(), thinking, emit),
                    _ => audio.skip(),
                }
            }
        }
    }
}

#[inline]
fn text(choice: u32, text: Option<&[u8]>, thinking: &mut Thinking, emit: &mut dyn FnMut(Piece<'_>)) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        thinking.close(choice);
        emit(Piece::Text { choice, text: Text::Escaped(text) });
    }
}

/// Mistral: content is an array of texts and thoughts.
fn parts(mut walk: Walk<'_>, choice: u32, thinking: &mut Thinking, emit: &mut dyn FnMut(Piece<'_>)) {
    walk.array();
    while walk.item() {
        if !walk.object() {
            text(choice, walk.string(), thinking, emit);
            continue;
        }
        while let Some(key) = walk.key() {
            match key {
                b"text" => text(choice, walk.string(), thinking, emit),
                b"thinking" if walk.array() => {
                    while walk.item() {
                        member(&mut walk, b"text", &mut |thought| thinking.think(choice, thought, emit));
                    }
                }
                b"thinking" => thinking.think(choice, walk.string().unwrap_or_default(), emit),
                _ => walk.skip(),
            }
        }
    }
}

/// Takes an object and gives its strings of one name; any other value is passed over.
fn member<'a>(walk: &mut Walk<'a>, name: &[u8], found: &mut dyn FnMut(&'a [u8])) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        match walk.string() {
            Some(value) if key == name => found(value),
            _ => {}
        }
    }
}

/// Tells thoughts once.
#[derive(Default)]
pub(super) struct Thinking {
    /// Choices whose stretch of thinking is open: a block that closes it repeats its text.
    open: Bits,
}

/// A member of `reasoning_details` or `thinking_blocks`.
#[derive(Default)]
struct Thought<'a> {
    kind: &'a [u8],
    text: &'a [u8],
    signature: &'a [u8],
    data: &'a [u8],
}

impl<'a> Thought<'a> {
    fn find(raw: &'a [u8]) -> Self {
        let mut found = Self::default();
        let mut walk = Walk::new(raw);
        if walk.object() {
            while let Some(key) = walk.key() {
                let value = walk.string().unwrap_or_default();
                match key {
                    b"type" => found.kind = value,
                    b"text" | b"summary" | b"thinking" => found.text = value,
                    b"signature" => found.signature = value,
                    b"data" => found.data = value,
                    _ => {}
                }
            }
        }
        found
    }
}

impl Thinking {
    #[inline]
    pub fn read(&mut self, message: &Message<'_>, choice: u32, whole: bool, emit: &mut dyn FnMut(Piece<'_>)) {
        if message.reasoning.is_none() && message.details.is_none() && message.blocks.is_none() {
            return;
        }
        // Of a whole message the blocks say all that the joined text says, and where each ends.
        if whole && self.blocks(message.blocks, choice, emit) {
            return;
        }
        if let Some(text) = message.reasoning {
            self.think(choice, text, emit);
        }
        if let Some(details) = message.details {
            self.details(details, choice, message.reasoning.is_none(), emit);
        }
        if !whole {
            self.blocks(message.blocks, choice, emit);
        }
    }

    /// Whatever is no thought ends a stretch of them.
    #[inline]
    pub fn close(&mut self, choice: u32) {
        self.open &= !bit(choice).unwrap_or_default();
    }

    fn think(&mut self, choice: u32, thought: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        if !thought.is_empty() {
            self.open |= bit(choice).unwrap_or_default();
            emit(Piece::Reasoning { choice, text: Text::Escaped(thought) });
        }
    }

    fn sign(&mut self, choice: u32, signature: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        if !signature.is_empty() {
            self.close(choice);
            emit(Piece::Signature { choice, signature: Text::Escaped(signature) });
        }
    }

    /// OpenRouter's. What is encrypted must come back as it is, with its id and format: the whole item is the data.
    fn details(&mut self, mut walk: Walk<'_>, choice: u32, with_text: bool, emit: &mut dyn FnMut(Piece<'_>)) {
        if !walk.array() {
            return;
        }
        while walk.item() {
            let raw = walk.raw();
            let thought = Thought::find(raw);
            if with_text {
                self.think(choice, thought.text, emit);
            }
            self.sign(choice, thought.signature, emit);
            if !thought.data.is_empty()
                && let Ok(item) = std::str::from_utf8(raw)
            {
                self.close(choice);
                emit(Piece::Redacted { choice, data: Text::Plain(item) });
            }
        }
    }

    /// LiteLLM's, and our own. True when there were any.
    fn blocks(&mut self, walk: Option<Walk<'_>>, choice: u32, emit: &mut dyn FnMut(Piece<'_>)) -> bool {
        let Some(mut walk) = walk else { return false };
        if !walk.array() {
            return false;
        }
        let mut any = false;
        while walk.item() {
            let thought = Thought::find(walk.raw());
            if thought.kind == b"redacted_thinking" {
                self.close(choice);
                emit(Piece::Redacted { choice, data: Text::Escaped(thought.data) });
            } else {
                if self.open & bit(choice).unwrap_or_default() == 0 {
                    self.think(choice, thought.text, emit);
                }
                self.sign(choice, thought.signature, emit);
            }
            any = true;
        }
        any
    }
}
