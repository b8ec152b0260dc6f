//! One translated call: the client's body becomes the provider's, the provider's answer becomes the client's.
//!
//! The data plane makes a [`Translation`] where face and provider differ, and nowhere else. Here is the only place that
//! knows all dialects; they know the common request and pieces only.

use serde_json::Value;

use super::common::{Finish, Gather, Invalid, Lost, Piece, Request, Text};
use super::halves::Halves;
use super::rescue::Rescue;
use super::{Wire, anthropic, bedrock, cohere, gemini, openai_chat, openai_responses, signature};
use crate::meter::Usage;
use crate::sse::Event;
use crate::telemetry::Face;

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    /// The account's kind, `mistral-ai`: servers that speak one dialect differ in details.
    pub kind: &'a str,
    /// The provider's name of the model.
    pub model: &'a str,
}

/// What an answer says of itself where the provider's does not.
#[derive(Clone, Debug)]
pub struct About {
    /// Hex digits without a prefix, unique per request: made into ids of the face's own form.
    pub id: String,
    /// The model that was asked for upstream.
    pub model: String,
    pub created_unix_s: u64,
}

/// Reads a client's body, to be sent in `wire`. Fields that the common request has no place for are in `lost`.
pub fn read_request(face: Face, wire: Wire, body: &Value, lost: &mut Lost) -> Result<Request, Invalid> {
    let mut request = match face {
        Face::Completions => openai_chat::completions::read_request(body, lost),
        Face::Responses => openai_responses::read_request(body, lost),
        Face::Messages | Face::CountTokens => anthropic::read_request(body, lost),
        Face::Gemini => gemini::read_request(body, lost),
        _ => openai_chat::read_request(body, lost),
    }?;
    request.name_results();
    signature::take_own(face, wire, &mut request);
    Ok(request)
}

/// Writes the provider's body.
pub fn write_request(wire: Wire, request: &Request, to: &To<'_>, lost: &mut Lost) -> Value {
    match wire {
        Wire::Responses => openai_responses::write_request(request, to, lost),
        Wire::Messages => anthropic::write_request(request, to, lost),
        Wire::Gemini => gemini::write_request(request, to, lost),
        Wire::Bedrock => bedrock::write_request(request, to, lost),
        Wire::Cohere => cohere::write_request(request, to, lost),
        Wire::Chat | Wire::Completions | Wire::Plain => openai_chat::write_request(request, to, lost),
    }
}

/// The answer's side of a translated call.
pub struct Translation {
    pub(super) request: Request,
    about: About,
    pub(super) face: Face,
    pub(super) wire: Wire,
    pub(super) reads: Reads,
    pub(super) writes: Writes,
    pub(super) seen: Seen,
    pub(super) halves: Halves,
    pub(super) error: Option<String>,
    /// Of an answer that another attempt may have to carry on.
    pub(super) rescue: Option<Box<Rescue>>,
}

pub(super) enum Reads {
    Chat(openai_chat::AnswerIn),
    Responses(openai_responses::AnswerIn),
    Messages(anthropic::AnswerIn),
    Gemini(gemini::AnswerIn),
    Bedrock(bedrock::AnswerIn),
    Cohere(cohere::AnswerIn),
}

pub(super) enum Writes {
    Chat(openai_chat::AnswerOut),
    Completions(openai_chat::completions::AnswerOut),
    Responses(openai_responses::AnswerOut),
    Messages(anthropic::AnswerOut),
    Gemini(gemini::AnswerOut),
}

/// What no dialect must get wrong: a choice that called a tool ends with `tool_calls`, whatever the provider says; and it
/// ends once, behind all of its content (Vertex has streams with a finish reason on every chunk, the last of which holds).
#[derive(Default)]
pub(super) struct Seen {
    /// One bit per choice.
    called: u128,
    finished: Vec<(u32, Finish, String)>,
}

impl Seen {
    /// Log probabilities are copied as the JSON they are, so they must be.
    fn is_sound(piece: &Piece<'_>) -> bool {
        match piece {
            Piece::Logprobs { items, .. } => {
                let list = [b"[", *items, b"]"].concat();
                serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&list).is_ok()
                    && std::str::from_utf8(&list).is_ok()
            }
            _ => true,
        }
    }

    /// Passes a piece of a stream on; ends are kept for [`Translation::end`].
    fn pass<'a>(&mut self, piece: Piece<'a>, on: impl FnOnce(Piece<'a>)) {
        match self.correct(piece) {
            piece if !Self::is_sound(&piece) => {}
            Piece::Finish { choice, reason, said } => {
                // Nobody asks for more choices than these.
                const CHOICES_MAX: usize = 128;
                self.finished.retain(|(ended, ..)| *ended != choice);
                self.finished.truncate(CHOICES_MAX);
                self.finished.push((choice, reason, said.decode().into_owned()));
            }
            piece => on(piece),
        }
    }

    /// Another attempt takes over: what was called stays called.
    pub fn again(&mut self) {
        self.finished.clear();
    }

    pub fn correct<'a>(&mut self, piece: Piece<'a>) -> Piece<'a> {
        let bit = |choice: u32| 1_u128.checked_shl(choice).unwrap_or(0);
        match piece {
            Piece::Call { choice, .. } => self.called |= bit(choice),
            Piece::Finish { choice, reason: Finish::Stop, said } if self.called & bit(choice) != 0 => {
                return Piece::Finish { choice, reason: Finish::ToolCalls, said };
            }
            _ => {}
        }
        piece
    }
}

impl Translation {
    pub fn new(face: Face, wire: Wire, request: Request, about: About) -> Self {
        let reads = Reads::new(wire, &request, &about.model);
        let writes = match face {
            Face::Completions => Writes::Completions(openai_chat::completions::AnswerOut::new(&request, &about)),
            Face::Responses => Writes::Responses(openai_responses::AnswerOut::new(&request, &about)),
            Face::Messages => Writes::Messages(anthropic::AnswerOut::new(&request, &about)),
            Face::Gemini => Writes::Gemini(gemini::AnswerOut::new(&request, &about)),
            _ => Writes::Chat(openai_chat::AnswerOut::new(&request, &about)),
        };
        Self {
            request,
            about,
            face,
            wire,
            reads,
            writes,
            seen: Seen::default(),
            halves: Halves::default(),
            error: None,
            rescue: None,
        }
    }

    /// Whether the client gets a stream.
    pub fn is_stream(&self) -> bool {
        self.request.stream
    }

    /// Whether the client's stream is one JSON array.
    pub fn is_array(&self) -> bool {
        self.request.stream_array
    }

    /// What the client's stream is made of.
    pub fn content_type(&self) -> &'static str {
        if self.is_array() { "application/json" } else { "text/event-stream; charset=utf-8" }
    }

    /// One event of the provider's stream; appends what the client gets for it. Allocates nothing in the steady state.
    #[inline]
    pub fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        let Self { reads, writes, seen, halves, error, face, wire, rescue, .. } = self;
        let mut write = |piece: Piece<'_>| {
            seen.pass(piece, |piece| signature::mark(*face, *wire, piece, |piece| writes.piece(piece, out)));
        };
        reads.event(event, &mut |piece| match piece {
            Piece::Error { message } => *error = Some(message.decode().into_owned()),
            piece => halves.join(piece, &mut |piece| match rescue {
                None => write(piece),
                Some(rescue) => rescue.pass(piece, &mut write),
            }),
        });
    }

    /// What the provider said when it failed in the middle.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The provider's stream came to its proper end.
    pub fn end(&mut self, usage: &Usage, out: &mut Vec<u8>) {
        let Self { reads, seen, .. } = self;
        reads.finish(&mut |piece| seen.pass(piece, |_| {}));
        for (choice, reason, said) in std::mem::take(&mut self.seen.finished) {
            self.writes.piece(Piece::Finish { choice, reason, said: Text::Plain(&said) }, out);
        }
        match &mut self.writes {
            Writes::Chat(out_) => out_.end(usage, out),
            Writes::Completions(out_) => out_.end(usage, out),
            Writes::Responses(out_) => out_.end(usage, out),
            Writes::Messages(out_) => out_.end(usage, out),
            Writes::Gemini(out_) => out_.end(usage, out),
        }
    }

    /// A whole unary answer; appends the client's body, a stream when that was asked for.
    pub fn body(&mut self, body: &[u8], usage: &Usage, out: &mut Vec<u8>) {
        let Self { reads, writes, seen, face, wire, .. } = self;
        if self.request.stream {
            reads.body(body, &mut |piece| {
                seen.pass(piece, |piece| signature::mark(*face, *wire, piece, |piece| writes.piece(piece, out)));
            });
            return self.end(usage, out);
        }
        let mut gather = Gather::default();
        reads.body(body, &mut |piece| {
            if Seen::is_sound(&piece) {
                signature::mark(*face, *wire, seen.correct(piece), |piece| gather.piece(piece));
            }
        });
        let (answer, request, about) = (gather.answer(), &self.request, &self.about);
        match self.face {
            Face::Completions => openai_chat::completions::write_answer(request, about, &answer, usage, out),
            Face::Responses => openai_responses::write_answer(request, about, &answer, usage, out),
            Face::Messages => anthropic::write_answer(request, about, &answer, usage, out),
            Face::Gemini => gemini::write_answer(request, about, &answer, usage, out),
            _ => openai_chat::write_answer(request, about, &answer, usage, out),
        }
    }
}

impl Reads {
    pub fn new(wire: Wire, request: &Request, model: &str) -> Self {
        match wire {
            Wire::Responses => Reads::Responses(openai_responses::AnswerIn::new(request, model)),
            Wire::Messages => Reads::Messages(anthropic::AnswerIn::new(request, model)),
            Wire::Gemini => Reads::Gemini(gemini::AnswerIn::new(request, model)),
            Wire::Bedrock => Reads::Bedrock(bedrock::AnswerIn::new(request, model)),
            Wire::Cohere => Reads::Cohere(cohere::AnswerIn::new(request, model)),
            Wire::Chat | Wire::Completions | Wire::Plain => Reads::Chat(openai_chat::AnswerIn::new(request, model)),
        }
    }

    #[inline]
    pub fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        match self {
            Reads::Chat(reads) => reads.event(event, emit),
            Reads::Responses(reads) => reads.event(event, emit),
            Reads::Messages(reads) => reads.event(event, emit),
            Reads::Gemini(reads) => reads.event(event, emit),
            Reads::Bedrock(reads) => reads.event(event, emit),
            Reads::Cohere(reads) => reads.event(event, emit),
        }
    }

    /// The stream is over: tells why the answer ended where the provider said so, but did not come to its terminator.
    fn finish(&mut self, emit: &mut dyn FnMut(Piece<'_>)) {
        if let Reads::Messages(reads) = self {
            reads.finish(emit);
        }
    }

    fn body(&mut self, body: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        match self {
            Reads::Chat(reads) => reads.body(body, emit),
            Reads::Responses(reads) => reads.body(body, emit),
            Reads::Messages(reads) => reads.body(body, emit),
            Reads::Gemini(reads) => reads.body(body, emit),
            Reads::Bedrock(reads) => reads.body(body, emit),
            Reads::Cohere(reads) => reads.body(body, emit),
        }
    }
}

impl Writes {
    #[inline]
    fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        match self {
            Writes::Chat(writes) => writes.piece(piece, out),
            Writes::Completions(writes) => writes.piece(piece, out),
            Writes::Responses(writes) => writes.piece(piece, out),
            Writes::Messages(writes) => writes.piece(piece, out),
            Writes::Gemini(writes) => writes.piece(piece, out),
        }
    }
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
