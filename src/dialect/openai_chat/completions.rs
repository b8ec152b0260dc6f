//! The completions face (`/v1/completions`) for providers that only chat: the prompt becomes one user message.

use serde_json::{Map, Value};

use super::fields::At;
use super::request_in;
use super::shape::{Choices, DONE, Ends, finish, head, head_like, model, number, quoted, usage};
use super::unary_out::joined;
use crate::dialect::About;
use crate::dialect::common::{Answer, AnswerPart, Choice, Finish, Invalid, Lost, Message, Piece, Request, Role, Text};
use crate::meter::Usage;
use crate::sse::Event;

/// What OpenAI documents for a request that does not say it.
const MAX_TOKENS: u64 = 16;

pub fn read_request(body: &Value, lost: &mut Lost) -> Result<Request, Invalid> {
    let at = At::Root;
    let mut request = Request::default();
    let mut chat = Map::new();
    for (name, value) in at.object(body)? {
        match name.as_str() {
            "prompt" => request.messages = vec![Message::text(Role::User, prompt(value, at.name(name))?)],
            "suffix" if *value == "" => {}
            "echo" if *value == false => {}
            "best_of" if value.as_u64() == Some(1) => {}
            // An alternative for each token, in a form that has no counterpart in chat.
            "suffix" | "echo" | "best_of" | "logprobs" if !value.is_null() => lost.named(name.as_str()),
            // These are none of the old API's, and would mean something in chat.
            "messages"
            | "tools"
            | "tool_choice"
            | "functions"
            | "function_call"
            | "response_format"
            | "top_logprobs"
            | "max_completion_tokens" => {
                if !value.is_null() {
                    lost.named(name.as_str());
                }
            }
            _ => {
                chat.insert(name.clone(), value.clone());
            }
        }
    }
    if request.messages.is_empty() {
        return Err(at.name("prompt").expected("a string, or an array of one string"));
    }
    request_in::read_members(&chat, &mut request, lost)?;
    request.max_tokens = request.max_tokens.or(Some(MAX_TOKENS));
    Ok(request)
}

/// Several prompts would be several calls, and token numbers mean nothing to another model.
fn prompt<'a>(value: &'a Value, at: At<'_>) -> Result<&'a str, Invalid> {
    let one = match value {
        Value::Array(items) if items.len() == 1 => items.first(),
        value => Some(value),
    };
    one.and_then(Value::as_str).ok_or_else(|| at.expected("a string, or an array of one string"))
}

/// Writes a stream. One per attempt.
pub struct AnswerOut {
    about: About,
    /// A chunk up to the text of its choice.
    head: Vec<u8>,
    stream_usage: bool,
    begun: Choices,
    ends: Ends,
    /// Chunks are named as those that the client got from its provider.
    adopted: bool,
}

impl AnswerOut {
    pub fn new(request: &Request, about: &About) -> Self {
        let mut new = Self {
            about: about.clone(),
            head: Vec::new(),
            stream_usage: request.stream_usage,
            begun: Choices::default(),
            ends: Ends::default(),
            adopted: false,
        };
        new.name("");
        new
    }

    /// What is neither text nor an end has no place here: thinking is not shown, and no tool was offered.
    #[inline]
    pub fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Start { model, .. } => self.name(&model.decode()),
            Piece::Text { choice, text } | Piece::Refusal { choice, text } if !text.is_empty() => {
                self.chunk(choice, text, None, out);
            }
            Piece::Finish { choice, reason, said } => self.ends.set(choice, reason, said),
            _ => {}
        }
    }

    pub fn end(&mut self, counts: &Usage, out: &mut Vec<u8>) {
        for end in self.ends.all(&self.begun, |_| Finish::Stop) {
            self.chunk(end.choice, Text::Plain(""), Some((end.reason, Text::Plain(&end.said))), out);
        }
        if self.stream_usage {
            let before = self.head.strip_suffix(CHOICE).unwrap_or_default();
            out.extend_from_slice(before);
            out.extend_from_slice(b"\"choices\":[],");
            usage(counts, out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(DONE);
    }

    /// Takes the names of a chunk that the client got as it came.
    pub fn follow(&mut self, event: &Event<'_>) {
        if !self.adopted
            && let Some(names) = head_like(event.data, "text_completion", &self.about)
        {
            self.adopted = true;
            self.head = [b"data: ", names.as_slice(), CHOICE].concat();
        }
    }

    /// Takes a piece of it.
    pub fn followed(&mut self, piece: Piece<'_>, discarded: &mut Vec<u8>) {
        match piece {
            Piece::Start { .. } if self.adopted => {}
            Piece::Finish { choice, .. } => self.ends.told(choice),
            piece => self.piece(piece, discarded),
        }
    }

    fn name(&mut self, said: &str) {
        self.head.clear();
        self.head.extend_from_slice(b"data: ");
        head("cmpl-", "text_completion", &self.about, model(said, &self.about), &mut self.head);
        self.head.extend_from_slice(CHOICE);
    }

    fn chunk(&mut self, choice: u32, text: Text<'_>, end: Option<(Finish, Text<'_>)>, out: &mut Vec<u8>) {
        self.begun.add(choice);
        out.extend_from_slice(&self.head);
        text.push_escaped(out);
        rest(choice, end, out);
        out.extend_from_slice(if self.stream_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" });
    }
}

const CHOICE: &[u8] = b"\"choices\":[{\"text\":\"";

/// A choice from the quote behind its text on.
fn rest(choice: u32, end: Option<(Finish, Text<'_>)>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\",\"index\":");
    number(choice.into(), out);
    out.extend_from_slice(b",\"logprobs\":null,");
    match end {
        Some((reason, said)) => finish(reason, false, said, out),
        None => out.extend_from_slice(b"\"finish_reason\":null"),
    }
    out.push(b'}');
}

pub fn write_answer(_request: &Request, about: &About, answer: &Answer, counts: &Usage, out: &mut Vec<u8>) {
    head("cmpl-", "text_completion", about, model(&answer.model, about), out);
    out.extend_from_slice(b"\"choices\":[");
    let nothing = [Choice::default()];
    let choices = if answer.choices.is_empty() { &nothing[..] } else { &answer.choices };
    for (index, choice) in (0..).zip(choices) {
        if index > 0 {
            out.push(b',');
        }
        let text = joined(choice, |part| match part {
            AnswerPart::Text(text) | AnswerPart::Refusal(text) => Some(text),
            _ => None,
        });
        out.extend_from_slice(b"{\"text\":");
        quoted(&text.unwrap_or_default(), out);
        // The quote is the one that `rest` begins with.
        out.pop();
        rest(index, Some((choice.finish.unwrap_or(Finish::Stop), Text::Plain(&choice.said))), out);
    }
    out.extend_from_slice(b"],");
    usage(counts, out);
    out.push(b'}');
}
