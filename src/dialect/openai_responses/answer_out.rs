//! Pieces -> the answer a client of this dialect reads.
//!
//! The grammar of the stream: `response.created`, `response.in_progress`; for every item `output_item.added`, its part
//! and texts with their ends, `output_item.done`; at last one event with the whole response. There is no `[DONE]`.
//! Calls stay open until the answer is over, since a provider may write several at a time.

use super::carried;
use super::item::{Item, Kind, Stage, Status, checked_logprobs, member, push};
use super::response::{Head, State};
use crate::dialect::About;
use crate::dialect::common::{Finish, Piece, Request, Text};
use crate::meter::Usage;

/// Writes a stream. One per attempt.
pub struct AnswerOut {
    pub(super) head: Head,
    pub(super) begun: bool,
    pub(super) sequence_number: u64,
    pub(super) items: Vec<Item>,
    /// The open item that is no call.
    pub(super) open: Option<usize>,
    /// The provider's index of each call, and where it stands in `items`.
    pub(super) calls: Vec<(u32, usize)>,
    finish: Option<Finish>,
    said: String,
}

impl AnswerOut {
    pub fn new(request: &Request, about: &About) -> Self {
        Self {
            head: Head::new(request, about),
            begun: false,
            sequence_number: 0,
            items: Vec::new(),
            open: None,
            calls: Vec::new(),
            finish: None,
            said: String::new(),
        }
    }

    /// Appends the events that this piece makes, complete with their framing; none when it only changes what comes.
    #[inline]
    pub fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Start { model, .. } => {
                if !model.is_empty() {
                    self.head.model.clear();
                    model.push_escaped(&mut self.head.model);
                }
                self.begin(out);
            }
            Piece::Text { choice: 0, text } => self.text(Kind::Text, text, out),
            Piece::Refusal { choice: 0, text } => self.text(Kind::Refusal, text, out),
            Piece::Reasoning { choice: 0, text } => self.text(Kind::Reasoning, text, out),
            Piece::Signature { choice: 0, signature } => self.sign(signature, out),
            Piece::Redacted { choice: 0, data } => self.carry(carried::REDACTED, data, out),
            Piece::Call { choice: 0, index, id, name, signature } => {
                if let Some(signature) = signature {
                    self.carry(carried::CALL, signature, out);
                }
                self.close_open(Status::Completed, out);
                let at = self.add(Item::call(id, name, &self.head.about.id, self.items.len()), out);
                self.calls.push((index, at));
            }
            Piece::Arguments { choice: 0, index, text } => {
                let call = self.calls.iter().rev().find(|(known, _)| *known == index);
                if let Some(&(_, at)) = call
                    && !text.is_empty()
                {
                    self.delta(at, text, out);
                }
            }
            Piece::Logprobs { choice: 0, items } => self.logprobs(items, out),
            Piece::Finish { choice: 0, reason, said } => {
                self.finish = Some(reason);
                self.said = said.decode().into_owned();
                self.close_all(out);
            }
            _ => {}
        }
    }

    /// Everything came: the last events, usage, and the terminator.
    pub fn end(&mut self, usage: &Usage, out: &mut Vec<u8>) {
        self.begin(out);
        self.close_all(out);
        let refused = self.items.iter().any(|item| item.kind == Kind::Refusal);
        let state = State::of(self.finish, &self.said, refused);
        let kind = match state {
            State::Failed(_) => "response.failed",
            State::Incomplete(_) => "response.incomplete",
            State::Completed | State::InProgress => "response.completed",
        };
        start_event(&mut self.sequence_number, kind, out);
        out.extend_from_slice(b",\"response\":");
        self.head.write(state, &self.items, usage, out);
        end_event(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        for kind in ["response.created", "response.in_progress"] {
            start_event(&mut self.sequence_number, kind, out);
            out.extend_from_slice(b",\"response\":");
            self.head.write(State::InProgress, &[], &Usage::default(), out);
            end_event(out);
        }
    }

    /// The next part of a text. An empty one opens nothing.
    #[inline]
    fn text(&mut self, kind: Kind, text: Text<'_>, out: &mut Vec<u8>) {
        if !text.is_empty() {
            let at = self.stretch(kind, out);
            self.delta(at, text, out);
        }
    }

    /// The open item of this kind, which is opened when there is none.
    #[inline]
    fn stretch(&mut self, kind: Kind, out: &mut Vec<u8>) -> usize {
        let open = self.open.filter(|at| self.items.get(*at).is_some_and(|item| item.takes(kind)));
        let at = open.unwrap_or_else(|| {
            self.close_open(Status::Completed, out);
            self.add(Item::new(kind), out)
        });
        self.open = Some(at);
        if self.items.get_mut(at).is_some_and(|item| item.open_part(kind)) {
            let name = match kind {
                Kind::Reasoning => "response.reasoning_summary_part.added",
                _ => "response.content_part.added",
            };
            self.item_event(name, at, out, |item, out| {
                out.extend_from_slice(b",\"part\":");
                item.write_part(out);
            });
        }
        at
    }

    fn add(&mut self, item: Item, out: &mut Vec<u8>) -> usize {
        self.begin(out);
        let at = self.items.len();
        self.items.push(item);
        self.output_item("response.output_item.added", at, out);
        at
    }

    fn delta(&mut self, at: usize, text: Text<'_>, out: &mut Vec<u8>) {
        let Self { head, sequence_number, items, .. } = self;
        let Some(item) = items.get_mut(at) else { return };
        let kind = match item.kind {
            Kind::Text => "response.output_text.delta",
            Kind::Refusal => "response.refusal.delta",
            Kind::Reasoning => "response.reasoning_summary_text.delta",
            Kind::Call => "response.function_call_arguments.delta",
        };
        start_item_event(sequence_number, kind, &head.about.id, item, at, out);
        out.extend_from_slice(b",\"delta\":\"");
        let start = out.len();
        text.push_escaped(out);
        item.text.extend_from_slice(out.get(start..).unwrap_or_default());
        out.push(b'"');
        if item.kind == Kind::Text {
            out.extend_from_slice(b",\"logprobs\":[]");
        }
        end_event(out);
    }

    /// They come after the text they belong to, whose event is gone: an event of their own, with an empty delta.
    fn logprobs(&mut self, items: &[u8], out: &mut Vec<u8>) {
        let Some(logprobs) = checked_logprobs(items) else { return };
        let at = self.stretch(Kind::Text, out);
        self.item_event("response.output_text.delta", at, out, |_, out| {
            out.extend_from_slice(b",\"delta\":\"\",\"logprobs\":[");
            out.extend_from_slice(&logprobs);
            out.push(b']');
        });
        if let Some(item) = self.items.get_mut(at) {
            if !item.logprobs.is_empty() {
                item.logprobs.push(b',');
            }
            item.logprobs.extend_from_slice(&logprobs);
        }
    }

    /// The signature ends the stretch of thinking before it; one without a stretch is an item of its own.
    fn sign(&mut self, signature: Text<'_>, out: &mut Vec<u8>) {
        let open = self.open.and_then(|at| self.items.get_mut(at)).filter(|item| item.kind == Kind::Reasoning);
        match open {
            Some(item) => {
                signature.push_escaped(&mut item.signature);
                self.close_open(Status::Completed, out);
            }
            None => self.carry("", signature, out),
        }
    }

    fn carry(&mut self, prefix: &str, content: Text<'_>, out: &mut Vec<u8>) {
        self.close_open(Status::Completed, out);
        let at = self.add(Item::carrier(prefix, content), out);
        self.close(at, Status::Completed, out);
    }

    fn close_open(&mut self, status: Status, out: &mut Vec<u8>) {
        if let Some(at) = self.open.take() {
            self.close(at, status, out);
        }
    }

    /// The answer is over. Where it was cut, the last item was.
    fn close_all(&mut self, out: &mut Vec<u8>) {
        self.open = None;
        let cut = matches!(self.finish, Some(Finish::Length | Finish::ContentFilter | Finish::Error));
        for at in 0..self.items.len() {
            if self.items.get(at).is_some_and(|item| item.status == Status::InProgress) {
                let is_last = at + 1 == self.items.len();
                self.close(at, if cut && is_last { Status::Incomplete } else { Status::Completed }, out);
            }
        }
    }

    fn close(&mut self, at: usize, status: Status, out: &mut Vec<u8>) {
        let Some((kind, stage)) = self.items.get(at).map(|item| (item.kind, item.stage)) else { return };
        let is_call = kind == Kind::Call;
        let is_bare = self.items.get(at).is_some_and(|item| item.text.trim_ascii().is_empty());
        if is_call && is_bare && stage == Stage::Added {
            self.delta(at, Text::Plain("{}"), out);
        }
        let Some(item) = self.items.get_mut(at) else { return };
        item.finish(status);
        let (text_done, part_done) = match kind {
            Kind::Text => ("response.output_text.done", "response.content_part.done"),
            Kind::Refusal => ("response.refusal.done", "response.content_part.done"),
            Kind::Reasoning => ("response.reasoning_summary_text.done", "response.reasoning_summary_part.done"),
            Kind::Call => ("response.function_call_arguments.done", ""),
        };
        if stage == Stage::Part || (stage == Stage::Added && is_call) {
            self.item_event(text_done, at, out, write_whole);
        }
        if matches!(stage, Stage::Part | Stage::TextDone) && !is_call {
            self.item_event(part_done, at, out, |item, out| {
                out.extend_from_slice(b",\"part\":");
                item.write_part(out);
            });
        }
        self.output_item("response.output_item.done", at, out);
    }

    /// An event about a part or a text of an item.
    fn item_event(&mut self, kind: &str, at: usize, out: &mut Vec<u8>, rest: impl FnOnce(&Item, &mut Vec<u8>)) {
        let Some(item) = self.items.get(at) else { return };
        start_item_event(&mut self.sequence_number, kind, &self.head.about.id, item, at, out);
        rest(item, out);
        end_event(out);
    }

    /// An event that holds the item.
    fn output_item(&mut self, kind: &str, at: usize, out: &mut Vec<u8>) {
        let Some(item) = self.items.get(at) else { return };
        start_event(&mut self.sequence_number, kind, out);
        push(out, format_args!(",\"output_index\":{at},\"item\":"));
        item.write(&self.head.about.id, at, out);
        end_event(out);
    }
}

fn start_event(sequence_number: &mut u64, kind: &str, out: &mut Vec<u8>) {
    push(out, format_args!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{sequence_number}"));
    *sequence_number += 1;
}

fn start_item_event(sequence_number: &mut u64, kind: &str, answer: &str, item: &Item, at: usize, out: &mut Vec<u8>) {
    start_event(sequence_number, kind, out);
    out.extend_from_slice(b",\"item_id\":\"");
    item.push_id(answer, at, out);
    push(out, format_args!("\",\"output_index\":{at}"));
    match item.kind {
        Kind::Text | Kind::Refusal => push(out, format_args!(",\"content_index\":{}", item.part)),
        Kind::Reasoning => push(out, format_args!(",\"summary_index\":{}", item.part)),
        Kind::Call => {}
    }
}

fn end_event(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}

/// The members of a `.done` event that hold all of a text.
fn write_whole(item: &Item, out: &mut Vec<u8>) {
    match item.kind {
        Kind::Text => {
            member("text", &item.text, out);
            out.extend_from_slice(b",\"logprobs\":[");
            out.extend_from_slice(&item.logprobs);
            out.push(b']');
        }
        Kind::Refusal => member("refusal", &item.text, out),
        Kind::Reasoning => member("text", &item.text, out),
        Kind::Call => {
            member("name", &item.name, out);
            member("arguments", &item.text, out);
        }
    }
}
