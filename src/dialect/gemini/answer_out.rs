//! Pieces -> the answer a client of this dialect reads.
//!
//! A stream is a sequence of responses, each with new parts only; the last one says why each candidate ended and what
//! was used. A function call must come whole, so it is held until its arguments are.

use super::logprobs::google_result;
use super::part_out::{Call, push_candidate, push_text, push_usage, tail};
use crate::dialect::About;
use crate::dialect::common::{Answer, AnswerPart, Finish, Piece, Request, Text};
use crate::meter::Usage;

/// Writes a stream. One per attempt.
pub struct AnswerOut {
    /// One JSON array instead of events.
    array: bool,
    hides_thoughts: bool,
    about: About,
    /// The end of every response: `,"modelVersion":"..","responseId":".."}`.
    tail: Vec<u8>,
    begun: bool,
    /// Not written yet, in the order they began.
    calls: Vec<Call>,
    /// By candidate.
    finish: Vec<(u32, Finish)>,
}

impl AnswerOut {
    pub fn new(request: &Request, about: &About) -> Self {
        Self {
            array: request.stream_array,
            hides_thoughts: hides_thoughts(request),
            about: about.clone(),
            tail: tail(Text::Plain(""), Text::Plain(""), about),
            begun: false,
            calls: Vec::new(),
            finish: Vec::new(),
        }
    }

    /// Appends the responses that this piece makes, complete with their framing; none when it only changes what comes.
    pub fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Start { id, model } => self.tail = tail(id, model, &self.about),
            Piece::Text { choice, text } | Piece::Refusal { choice, text } if !text.is_empty() => {
                self.part(choice, out, |out| push_text(text, false, None, out));
            }
            Piece::Reasoning { choice, text } if !text.is_empty() && !self.hides_thoughts => {
                self.part(choice, out, |out| push_text(text, true, None, out));
            }
            Piece::Signature { choice, signature } => {
                self.part(choice, out, |out| push_text(Text::Plain(""), true, Some(signature), out));
            }
            Piece::Call { choice, index, id, name, signature } => {
                // A call whose arguments are a whole object cannot go on.
                self.flush(choice, false, out);
                self.calls.push(Call::new(choice, index, id, name, signature));
            }
            Piece::Arguments { choice, index, text } => {
                let open = |call: &&mut Call| call.choice == choice && call.index == index;
                if let Some(call) = self.calls.iter_mut().rev().find(open) {
                    call.push(text);
                }
            }
            Piece::Logprobs { choice, items } => {
                if let Some(result) = google_result(items) {
                    self.open(out);
                    out.extend_from_slice(format!("{{\"index\":{choice},\"logprobsResult\":{result}}}").as_bytes());
                    self.close(None, out);
                }
            }
            Piece::Finish { choice, reason, .. } => {
                self.flush(choice, true, out);
                self.finish.retain(|(ended, _)| *ended != choice);
                self.finish.push((choice, reason));
            }
            _ => {}
        }
    }

    /// Everything came: why each candidate ended and the usage; the end of the array.
    pub fn end(&mut self, usage: &Usage, out: &mut Vec<u8>) {
        for choice in self.calls.iter().map(|call| call.choice).collect::<Vec<_>>() {
            self.flush(choice, true, out);
        }
        if self.finish.is_empty() {
            self.finish.push((0, Finish::Stop));
        }
        self.finish.sort_by_key(|(choice, _)| *choice);
        self.open(out);
        for (at, (choice, finish)) in self.finish.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push_candidate(*choice, |out| push_text(Text::Plain(""), false, None, out), Some(*finish), out);
        }
        self.close(Some(usage), out);
        if self.array {
            out.push(b']');
        }
    }

    pub fn shows_thoughts(&self) -> bool {
        !self.hides_thoughts
    }

    /// The client got a response as it came.
    pub fn follow(&mut self) {
        self.begun = true;
    }

    /// Takes a piece of it.
    pub fn followed(&mut self, piece: Piece<'_>, discarded: &mut Vec<u8>) {
        match piece {
            Piece::Finish { .. } => {}
            piece => self.piece(piece, discarded),
        }
        // The client has its calls.
        self.calls.clear();
    }

    fn part(&mut self, choice: u32, out: &mut Vec<u8>, part: impl FnOnce(&mut Vec<u8>)) {
        self.open(out);
        push_candidate(choice, part, None, out);
        self.close(None, out);
    }

    /// The beginning of a response, up to its candidates.
    fn open(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(match (self.array, self.begun) {
            (false, _) => b"data: ",
            (true, false) => b"[",
            (true, true) => b",\r\n",
        });
        self.begun = true;
        out.extend_from_slice(b"{\"candidates\":[");
    }

    fn close(&mut self, usage: Option<&Usage>, out: &mut Vec<u8>) {
        out.push(b']');
        if let Some(usage) = usage {
            push_usage(usage, out);
        }
        out.extend_from_slice(&self.tail);
        if !self.array {
            out.extend_from_slice(b"\r\n\r\n");
        }
    }

    /// Writes the candidate's calls that are whole, or all of them.
    fn flush(&mut self, choice: u32, all: bool, out: &mut Vec<u8>) {
        let ready = |call: &Call| call.choice == choice && (all || call.is_whole());
        while let Some(at) = self.calls.iter().position(ready) {
            let call = self.calls.remove(at);
            self.part(choice, out, |out| call.write(out));
        }
    }
}

/// The client may have said that it wants no thoughts; what must come back with them it gets all the same.
fn hides_thoughts(request: &Request) -> bool {
    request.reasoning.as_ref().is_some_and(|ask| ask.show == Some(false))
}

/// Appends the body of a unary answer.
pub fn write_answer(request: &Request, about: &About, answer: &Answer, usage: &Usage, out: &mut Vec<u8>) {
    let hides_thoughts = hides_thoughts(request);
    out.extend_from_slice(b"{\"candidates\":[");
    for (choice, one) in (0_u32..).zip(&answer.choices) {
        if choice > 0 {
            out.push(b',');
        }
        let logprobs = if one.logprobs.is_empty() { None } else { google_result(&one.logprobs) };
        let parts = |out: &mut Vec<u8>| {
            let start = out.len();
            for part in &one.parts {
                let before = out.len();
                if before > start {
                    out.push(b',');
                }
                let empty = out.len();
                push_part(part, hides_thoughts, choice, out);
                if out.len() == empty {
                    out.truncate(before);
                }
            }
        };
        push_candidate(choice, parts, Some(one.finish.unwrap_or(Finish::Stop)), out);
        if let Some(result) = logprobs {
            out.pop();
            out.extend_from_slice(format!(",\"logprobsResult\":{result}}}").as_bytes());
        }
    }
    out.push(b']');
    push_usage(usage, out);
    out.extend_from_slice(&tail(Text::Plain(&answer.id), Text::Plain(&answer.model), about));
}

fn push_part(part: &AnswerPart, hides_thoughts: bool, choice: u32, out: &mut Vec<u8>) {
    match part {
        AnswerPart::Text(text) | AnswerPart::Refusal(text) => push_text(Text::Plain(text), false, None, out),
        AnswerPart::Reasoning { text, signature } => {
            let text = if hides_thoughts { "" } else { text };
            if !text.is_empty() || signature.is_some() {
                push_text(Text::Plain(text), true, signature.as_deref().map(Text::Plain), out);
            }
        }
        AnswerPart::Call(call) => {
            let signature = call.signature.as_deref().map(Text::Plain);
            let mut written = Call::new(choice, 0, Text::Plain(&call.id), Text::Plain(&call.name), signature);
            written.push(Text::Plain(&call.arguments));
            written.write(out);
        }
        // Encrypted thinking of a provider that would want it back: this dialect has no place for it.
        AnswerPart::Redacted(_) => {}
    }
}
