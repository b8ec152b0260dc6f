//! A provider's answer -> pieces: chunks and whole bodies of OpenAI and of the servers that speak like it. Called by
//! the driver for every event. Reads spans, never a tree; what it cannot read makes fewer pieces, never a failure.
//!
//! Members stand in any order (TGI writes `choices` before `id`, Snowflake `delta` before `index`), so a choice is
//! passed over once to find its members, and its delta is read after that.

use serde::de::IgnoredAny;

use super::calls_in::Calls;
use super::message_in::{Message, Thinking};
use crate::dialect::common::{Finish, Piece, Request, Text};
use crate::json::Walk;
use crate::sse::Event;

/// One bit for each choice; nobody asks for more of them.
pub(super) type Bits = u128;

/// The bit of a choice; `None` for an index that no request can have caused.
pub(super) fn bit(choice: u32) -> Option<Bits> {
    1_u128.checked_shl(choice)
}

/// One per attempt.
#[derive(Default)]
pub struct AnswerIn {
    started: bool,
    /// Choices whose end was told: some providers repeat it.
    finished: Bits,
    /// Choices that declined.
    refused: Bits,
    thinking: Thinking,
    calls: Calls,
    /// Sound came, or citations, which no piece tells.
    left_out: bool,
}

impl AnswerIn {
    pub fn new(_request: &Request, _model: &str) -> Self {
        Self::default()
    }

    /// One event of a stream.
    #[inline]
    pub fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        if event.data.is_empty() || event.data == b"[DONE]" {
            return;
        }
        // Groq names it; the members may then stand without an `error` around them.
        self.document(event.data, event.name == b"error", false, emit);
    }

    /// Something came that the pieces did not tell, or told in another form: sound, citations, a custom tool's input, a
    /// call as it was before there were tools.
    pub fn left_out(&self) -> bool {
        self.left_out || self.calls.are_odd()
    }

    /// The whole body of a unary 2xx answer.
    pub fn body(&mut self, body: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        self.document(body, false, true, emit);
    }

    fn document(&mut self, data: &[u8], failed: bool, whole: bool, emit: &mut dyn FnMut(Piece<'_>)) {
        let mut walk = Walk::new(data);
        // Gemini's endpoint wraps errors into an array.
        if walk.array() {
            walk.item();
        }
        if !walk.object() {
            return;
        }
        if !self.started && !self.start(walk, whole || failed, emit) {
            return;
        }
        let (mut error, mut message, mut is_error) = (None, None, failed);
        while let Some(key) = walk.key() {
            match key {
                b"choices" => self.choices(&mut walk, whole, emit),
                b"error" => error = error.or(error_message(&mut walk)),
                // vLLM and Mistral: the error's members at the top.
                b"object" => is_error |= walk.string() == Some(b"error"),
                b"message" => message = walk.string(),
                _ => walk.skip(),
            }
        }
        if is_error && error.is_none() {
            error = Some(Text::Escaped(message.unwrap_or_default()));
        }
        if let Some(message) = error {
            emit(Piece::Error { message });
        }
    }

    /// Azure's first chunk names neither an id nor a model and has no choices: the next one says it. True when the
    /// answer has started.
    #[cold]
    fn start(&mut self, mut walk: Walk<'_>, at_once: bool, emit: &mut dyn FnMut(Piece<'_>)) -> bool {
        let (mut id, mut model): (&[u8], &[u8]) = (b"", b"");
        let mut telling = at_once;
        while let Some(key) = walk.key() {
            match key {
                b"id" => id = walk.string().unwrap_or_default(),
                b"model" => model = walk.string().unwrap_or_default(),
                b"choices" => telling |= !matches!(walk.raw(), b"[]" | b"null"),
                b"error" => telling |= walk.raw() != b"null",
                b"object" => telling |= walk.string() == Some(b"error"),
                _ => walk.skip(),
            }
        }
        self.started = telling || !id.is_empty();
        if self.started {
            emit(Piece::Start { id: Text::Escaped(id), model: Text::Escaped(model) });
        }
        self.started
    }

    #[inline]
    fn choices(&mut self, walk: &mut Walk<'_>, whole: bool, emit: &mut dyn FnMut(Piece<'_>)) {
        if !walk.array() {
            return walk.skip();
        }
        let mut position = 0;
        while walk.item() {
            if walk.object() {
                self.choice(walk, position, whole, emit);
            } else {
                walk.skip();
            }
            position += 1;
        }
    }

    #[inline]
    fn choice(&mut self, walk: &mut Walk<'_>, position: u32, whole: bool, emit: &mut dyn FnMut(Piece<'_>)) {
        let (mut index, mut message, mut text, mut logprobs) = (position, None, None, None);
        let (mut said, mut stopped_by_text, mut error) = (None, false, None);
        while let Some(key) = walk.key() {
            match key {
                b"delta" | b"message" => message = Some(pass(walk)),
                b"index" => {
                    let number = walk.number().whole().and_then(|index| u32::try_from(index).ok());
                    index = number.unwrap_or(position);
                }
                b"finish_reason" => said = walk.string(),
                b"logprobs" if walk.object() => {
                    while let Some(key) = walk.key() {
                        match key {
                            b"content" => logprobs = Some(walk.raw()),
                            _ => walk.skip(),
                        }
                    }
                }
                // Of completions.
                b"text" => text = walk.string(),
                // vLLM: the stop string, or the number of a stop token.
                b"stop_reason" => stopped_by_text = walk.string().is_some(),
                b"error" => error = error_message(walk),
                _ => walk.skip(),
            }
        }
        let Some(bit) = bit(index) else { return };
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            emit(Piece::Text { choice: index, text: Text::Escaped(text) });
        }
        if let Some(message) = message.and_then(Message::find) {
            self.left_out |= message.says_more();
            if message.refuses() {
                self.refused |= bit;
            }
            self.thinking.read(&message, index, whole, emit);
            message.texts(index, &mut self.thinking, emit);
            self.calls.read(&message, index, &mut self.thinking, emit);
        }
        if let Some(items) = logprobs.and_then(inside) {
            emit(Piece::Logprobs { choice: index, items });
        }
        if let Some(said) = said.filter(|said| !said.is_empty())
            && self.finished & bit == 0
        {
            self.finished |= bit;
            let reason = match finish(said) {
                // Spec "providers" 1.3: OpenAI says `stop`, and why only in `refusal`.
                Finish::Stop if self.refused & bit != 0 => Finish::ContentFilter,
                Finish::Stop if stopped_by_text => Finish::StopSequence,
                reason => reason,
            };
            emit(Piece::Finish { choice: index, reason, said: Text::Escaped(said) });
        }
        if let Some(message) = error {
            emit(Piece::Error { message });
        }
    }
}

/// A cursor on the value that is passed over.
#[inline]
pub(super) fn pass<'a>(walk: &mut Walk<'a>) -> Walk<'a> {
    let value = *walk;
    walk.skip();
    value
}

/// What stands between the brackets of an array, unless it is empty. It goes into the client's JSON as it is: broken
/// items are left out.
fn inside(raw: &[u8]) -> Option<&[u8]> {
    let items = raw.strip_prefix(b"[")?.strip_suffix(b"]")?.trim_ascii();
    let sound = std::str::from_utf8(raw).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    (!items.is_empty() && sound).then_some(items)
}

/// An error's own words: it is an object, or a string (TGI, Ollama), or null and none.
fn error_message<'a>(walk: &mut Walk<'a>) -> Option<Text<'a>> {
    match walk.peek() {
        b'n' => {
            walk.skip();
            None
        }
        b'{' => {
            let mut message = None;
            walk.object();
            while let Some(key) = walk.key() {
                match key {
                    b"message" => message = walk.string(),
                    _ => walk.skip(),
                }
            }
            Some(Text::Escaped(message.unwrap_or_default()))
        }
        _ => Some(Text::Escaped(walk.string().unwrap_or_default())),
    }
}

/// Spec "providers" 1.3, with the words of the clones. Those that nobody knows mean a plain end.
fn finish(said: &[u8]) -> Finish {
    match said {
        b"stop_sequence" => Finish::StopSequence,
        b"length" | b"model_length" | b"max_tokens" => Finish::Length,
        b"tool_calls" | b"function_call" => Finish::ToolCalls,
        b"content_filter" => Finish::ContentFilter,
        // DeepSeek's second one: it gave up for want of capacity.
        b"error" | b"insufficient_system_resource" => Finish::Error,
        _ => Finish::Stop,
    }
}
