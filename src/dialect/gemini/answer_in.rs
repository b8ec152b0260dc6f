//! A provider's answer -> pieces.
//!
//! A chunk holds parts of one or more candidates. Its keys come in any order (what is re-serialised sorts them), so a
//! candidate and a part are looked over once for where things are before they are told.

use std::borrow::Cow;

use super::finish::{finish_of, word};
use super::logprobs::push_openai_items;
use super::partial::PartialCall;
use crate::dialect::common::{Finish, Piece, Request, Text};
use crate::dialect::rescue::Followed;
use crate::json::Walk;
use crate::sse::Event;

/// One per attempt.
#[derive(Default)]
pub struct AnswerIn {
    started: bool,
    candidates: Vec<Candidate>,
    /// Scratch for log probabilities.
    items: Vec<u8>,
    /// An image, sound, code or what came of it, sources: no piece tells them.
    left_out: bool,
}

#[derive(Default)]
struct Candidate {
    calls: u32,
    has_text: bool,
    /// A call whose arguments come in pieces (Vertex, `streamFunctionCallArguments`).
    partial: Option<PartialCall>,
}

/// No one asks for more; a provider's index must not cost memory.
const CANDIDATES_MAX: u64 = 128;

/// What stands where in one candidate.
#[derive(Default)]
struct Places<'a> {
    index: u32,
    content: Option<Walk<'a>>,
    logprobs: Option<Walk<'a>>,
    finish: Option<&'a [u8]>,
    /// It names its sources.
    cites: bool,
}

/// One part, looked over.
#[derive(Default)]
struct Part<'a> {
    text: &'a [u8],
    thought: bool,
    signature: Option<&'a [u8]>,
    call: Option<Walk<'a>>,
    /// It is of a kind that no piece tells.
    other: bool,
}

impl AnswerIn {
    pub fn new(_request: &Request, _model: &str) -> Self {
        Self::default()
    }

    /// One event of a stream.
    pub fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        if !event.data.is_empty() {
            self.body(event.data, emit);
        }
    }

    /// Whether the pieces told all that came.
    pub fn followed(&self) -> Followed {
        match self.left_out {
            true => Followed::Lost,
            false if self.candidates.iter().any(|candidate| candidate.partial.is_some()) => Followed::Halfway,
            false => Followed::Whole,
        }
    }

    /// The whole body of a unary 2xx answer: one response, or an array of them.
    pub fn body(&mut self, body: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        let mut walk = Walk::new(body);
        if walk.array() {
            while walk.item() {
                self.response(&mut walk, emit);
            }
        } else {
            self.response(&mut walk, emit);
        }
    }

    fn response(&mut self, walk: &mut Walk<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        if !self.started {
            self.started = true;
            start(*walk, emit);
        }
        if !walk.object() {
            return walk.skip();
        }
        let (mut blocked, mut has_candidate) = (None, false);
        while let Some(key) = walk.key() {
            match key {
                b"candidates" if walk.array() => {
                    while walk.item() {
                        has_candidate = true;
                        self.candidate(walk, emit);
                    }
                }
                b"promptFeedback" if walk.object() => {
                    while let Some(key) = walk.key() {
                        match key {
                            b"blockReason" => blocked = word(walk),
                            _ => walk.skip(),
                        }
                    }
                }
                b"error" if walk.peek() != b'n' => error(walk, emit),
                _ => walk.skip(),
            }
        }
        if let Some(said) = blocked
            && !has_candidate
        {
            emit(Piece::Finish { choice: 0, reason: Finish::ContentFilter, said: Text::Escaped(said) });
        }
    }

    fn candidate(&mut self, walk: &mut Walk<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        let places = look_over(walk);
        let choice = places.index;
        self.left_out |= places.cites;
        let at = choice as usize;
        if self.candidates.len() <= at {
            self.candidates.resize_with(at + 1, Candidate::default);
        }
        let Some(candidate) = self.candidates.get_mut(at) else { return };
        if let Some(mut content) = places.content {
            let left_out = &mut self.left_out;
            each_part(&mut content, |part| {
                *left_out |= part.other;
                candidate.part(choice, part, emit);
            });
        }
        if let Some(mut logprobs) = places.logprobs {
            self.items.clear();
            push_openai_items(&mut logprobs, &mut self.items);
            if !self.items.is_empty() {
                emit(Piece::Logprobs { choice, items: &self.items });
            }
        }
        if let Some(said) = places.finish {
            candidate.close(choice, emit);
            emit(Piece::Finish { choice, reason: finish_of(said), said: Text::Escaped(said) });
        }
    }
}

impl Candidate {
    fn part(&mut self, choice: u32, part: Part<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        let Part { text, thought, signature, call, .. } = part;
        let signature = signature.filter(|signature| !signature.is_empty()).map(Text::Escaped);
        if let Some(call) = call {
            return self.call(choice, call, signature, emit);
        }
        let piece = (!text.is_empty()).then_some(match thought {
            true => Piece::Reasoning { choice, text: Text::Escaped(text) },
            false => Piece::Text { choice, text: Text::Escaped(text) },
        });
        // A signature of the first text stands for the thinking before it.
        let signature = signature.map(|signature| Piece::Signature { choice, signature });
        let (first, second) = if thought || self.has_text { (piece, signature) } else { (signature, piece) };
        self.has_text |= !thought && !text.is_empty();
        [first, second].into_iter().flatten().for_each(emit);
    }

    fn call(&mut self, choice: u32, mut walk: Walk<'_>, signature: Option<Text<'_>>, emit: &mut dyn FnMut(Piece<'_>)) {
        let (mut id, mut name, mut args, mut partial, mut goes_on) = (&b""[..], &b""[..], &b""[..], None, false);
        while let Some(key) = walk.key() {
            match key {
                b"id" => id = walk.string().unwrap_or_default(),
                b"name" => name = walk.string().unwrap_or_default(),
                b"args" => args = walk.raw(),
                b"partialArgs" => {
                    partial = Some(walk);
                    walk.skip();
                }
                b"willContinue" => goes_on = walk.raw() == b"true",
                _ => walk.skip(),
            }
        }
        // What continues a call has no name.
        if !name.is_empty() || self.partial.is_none() {
            self.close(choice, emit);
            if name.is_empty() {
                return;
            }
            let index = self.calls;
            self.calls += 1;
            let (id, name) = (Text::Escaped(id), Text::Escaped(name));
            emit(Piece::Call { choice, index, id, name, signature });
            if !goes_on && partial.is_none() {
                let args = compact(if args.first() == Some(&b'{') { args } else { b"{}" });
                return emit(Piece::Arguments { choice, index, text: Text::Plain(&args) });
            }
            self.partial = Some(PartialCall::new(index, args));
        }
        if let (Some(open), Some(mut partial)) = (&mut self.partial, partial) {
            open.take(&mut partial);
        }
        if !goes_on {
            self.close(choice, emit);
        }
    }

    /// Tells the arguments that came in pieces, now that they are whole.
    fn close(&mut self, choice: u32, emit: &mut dyn FnMut(Piece<'_>)) {
        if let Some(open) = self.partial.take() {
            emit(Piece::Arguments { choice, index: open.index, text: Text::Plain(&open.arguments()) });
        }
    }
}

/// The id and the model stand behind the candidates.
fn start(mut walk: Walk<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
    let (mut id, mut model) = (&b""[..], &b""[..]);
    if walk.object() {
        while let Some(key) = walk.key() {
            match key {
                b"responseId" => id = walk.string().unwrap_or_default(),
                b"modelVersion" => model = walk.string().unwrap_or_default(),
                _ => walk.skip(),
            }
        }
    }
    emit(Piece::Start { id: Text::Escaped(id), model: Text::Escaped(model) });
}

fn error(walk: &mut Walk<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
    let mut message = &b""[..];
    if walk.object() {
        while let Some(key) = walk.key() {
            match key {
                b"message" => message = walk.string().unwrap_or_default(),
                _ => walk.skip(),
            }
        }
    } else {
        message = walk.string().unwrap_or_default();
    }
    emit(Piece::Error { message: Text::Escaped(message) });
}

fn look_over<'a>(walk: &mut Walk<'a>) -> Places<'a> {
    let mut places = Places::default();
    if !walk.object() {
        walk.skip();
        return places;
    }
    while let Some(key) = walk.key() {
        match key {
            b"content" => {
                places.content = Some(*walk);
                walk.skip();
            }
            b"logprobsResult" => {
                places.logprobs = Some(*walk);
                walk.skip();
            }
            b"finishReason" => places.finish = word(walk),
            b"groundingMetadata" | b"citationMetadata" => {
                places.cites |=
                    !walk.raw().iter().all(|&byte| matches!(byte, b'{' | b'}') || byte.is_ascii_whitespace());
            }
            b"index" => {
                places.index = walk.number().whole().filter(|&index| index < CANDIDATES_MAX).unwrap_or(0) as u32
            }
            _ => walk.skip(),
        }
    }
    places
}

fn each_part<'a>(content: &mut Walk<'a>, mut each: impl FnMut(Part<'a>)) {
    if !content.object() {
        return;
    }
    while let Some(key) = content.key() {
        if key != b"parts" || !content.array() {
            content.skip();
            continue;
        }
        while content.item() {
            if !content.object() {
                content.skip();
                continue;
            }
            let mut part = Part::default();
            while let Some(key) = content.key() {
                match key {
                    b"text" => part.text = content.string().unwrap_or_default(),
                    b"thought" => part.thought = content.raw() == b"true",
                    b"thoughtSignature" => part.signature = content.string(),
                    b"functionCall" => {
                        let mut call = *content;
                        part.call = call.object().then_some(call);
                        content.skip();
                    }
                    b"inlineData" | b"fileData" | b"executableCode" | b"codeExecutionResult" => {
                        part.other = true;
                        content.skip();
                    }
                    _ => content.skip(),
                }
            }
            each(part);
        }
    }
}

/// JSON without the line ends and indentations that unary answers have.
fn compact(json: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\n', json).is_none() {
        return String::from_utf8_lossy(json);
    }
    let (mut out, mut in_string, mut escaped) = (Vec::with_capacity(json.len()), false, false);
    for &byte in json {
        if in_string || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            out.push(byte);
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}
