//! A provider's answer -> pieces.
//!
//! Events are told apart by `output_index`, never by item id: some clones change the ids from event to event (spec
//! "providers" 2). What a clone leaves out is taken from where else it stands: a text without deltas from its `.done`
//! event, an item without events from `output_item.done`, all of it from the last event's response. Each is read once.

use super::answer_read::{ItemRead, ResponseRead, TextRead, error_message, inside};
use super::carried::Carried;
use crate::dialect::common::{Finish, Piece, Request, Text};
use crate::dialect::kind;
use crate::json::{Walk, decode};
use crate::sse::Event;

/// One per attempt.
pub struct AnswerIn {
    begun: bool,
    over: bool,
    items: Vec<Item>,
    calls: u32,
    refused: bool,
    /// Of the call that comes next.
    call_signature: Option<String>,
}

/// An item of the output that was announced or wrote something.
struct Item {
    output_index: u64,
    /// Of a function call: which one it is.
    call: Option<u32>,
    /// Something of it was given on.
    given: bool,
    /// Something was since the last `.done`.
    streamed: bool,
    /// Thinking: whether as it was or as a summary. An item that has both is given on as what came first.
    shown: Option<What>,
    /// Of the last text.
    part: u64,
}

/// What a text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Text,
    Refusal,
    Thought,
    Summary,
    Arguments,
}

impl What {
    /// The member of a `.done` event or a part that holds all of it.
    fn whole(self) -> &'static [u8] {
        match self {
            What::Text | What::Thought | What::Summary => b"text",
            What::Refusal => b"refusal",
            What::Arguments => b"arguments",
        }
    }
}

type Emit<'e> = dyn FnMut(Piece<'_>) + 'e;

impl AnswerIn {
    pub fn new(_request: &Request, _model: &str) -> Self {
        Self { begun: false, over: false, items: Vec::new(), calls: 0, refused: false, call_signature: None }
    }

    /// One event of a stream.
    pub fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        if self.over || event.data.is_empty() {
            return;
        }
        let data = event.data;
        match kind(event) {
            b"response.output_text.delta" => self.text(What::Text, b"delta", data, emit),
            b"response.function_call_arguments.delta" => self.text(What::Arguments, b"delta", data, emit),
            b"response.reasoning_summary_text.delta" => self.text(What::Summary, b"delta", data, emit),
            b"response.reasoning_text.delta" => self.text(What::Thought, b"delta", data, emit),
            b"response.refusal.delta" => self.text(What::Refusal, b"delta", data, emit),
            b"response.output_text.done" => self.text_done(What::Text, data, emit),
            b"response.function_call_arguments.done" => self.text_done(What::Arguments, data, emit),
            b"response.reasoning_summary_text.done" => self.text_done(What::Summary, data, emit),
            b"response.reasoning_text.done" => self.text_done(What::Thought, data, emit),
            b"response.refusal.done" => self.text_done(What::Refusal, data, emit),
            b"response.output_item.added" => self.item_event(data, false, emit),
            b"response.output_item.done" => self.item_event(data, true, emit),
            b"response.created" | b"response.queued" | b"response.in_progress" if !self.begun => {
                let response = ResponseRead::of_event(data);
                self.begin(response.id, response.model, emit);
            }
            b"response.completed" => self.close(ResponseRead::of_event(data), b"completed", emit),
            b"response.incomplete" => self.close(ResponseRead::of_event(data), b"incomplete", emit),
            b"response.failed" => self.close(ResponseRead::of_event(data), b"failed", emit),
            b"error" => {
                self.begin(b"", b"", emit);
                self.over = true;
                emit(Piece::Error { message: Text::Escaped(error_message(data)) });
            }
            _ => {}
        }
    }

    /// The whole body of a unary 2xx answer.
    pub fn body(&mut self, body: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        self.close(ResponseRead::of(&mut Walk::new(body)), b"completed", emit);
    }

    fn begin(&mut self, id: &[u8], model: &[u8], emit: &mut Emit<'_>) {
        if !self.begun {
            self.begun = true;
            emit(Piece::Start { id: Text::Escaped(id), model: Text::Escaped(model) });
        }
    }

    /// The next part of a text, or all of it, which stands in the member `name`.
    #[inline]
    fn text(&mut self, what: What, name: &[u8], data: &[u8], emit: &mut Emit<'_>) {
        let read = TextRead::of(name, data);
        if read.text.is_empty() && read.logprobs.is_empty() {
            return;
        }
        self.begin(b"", b"", emit);
        let Some(at) = self.find(read.output_index).or_else(|| match what {
            // Without its item the call has no name yet: it is all in `output_item.done`.
            What::Arguments => None,
            _ => self.add(read.output_index, None),
        }) else {
            return;
        };
        self.give(at, what, &read, emit);
    }

    /// A text is over. It counts where no delta came.
    fn text_done(&mut self, what: What, data: &[u8], emit: &mut Emit<'_>) {
        let read = TextRead::of(what.whole(), data);
        let item = self.find(read.output_index).and_then(|at| self.items.get_mut(at));
        if !item.is_some_and(|item| std::mem::take(&mut item.streamed)) {
            self.text(what, what.whole(), data, emit);
            if let Some(item) = self.find(read.output_index).and_then(|at| self.items.get_mut(at)) {
                item.streamed = false;
            }
        }
    }

    #[inline]
    fn give(&mut self, at: usize, what: What, read: &TextRead<'_>, emit: &mut Emit<'_>) {
        let Some(item) = self.items.get_mut(at) else { return };
        let text = Text::Escaped(read.text);
        match what {
            // Log probabilities may come alone.
            What::Text if text.is_empty() => {}
            _ if text.is_empty() => return,
            What::Text => emit(Piece::Text { choice: 0, text }),
            What::Refusal => {
                self.refused = true;
                emit(Piece::Refusal { choice: 0, text });
            }
            What::Arguments => match item.call {
                Some(index) => emit(Piece::Arguments { choice: 0, index, text }),
                None => return,
            },
            What::Thought | What::Summary => {
                if *item.shown.get_or_insert(what) != what {
                    return;
                }
                if item.given && item.part != read.part {
                    emit(Piece::Reasoning { choice: 0, text: Text::Plain("\n\n") });
                }
                emit(Piece::Reasoning { choice: 0, text });
            }
        }
        (item.given, item.streamed, item.part) = (true, true, read.part);
        if what == What::Text && !read.logprobs.is_empty() {
            emit(Piece::Logprobs { choice: 0, items: read.logprobs });
        }
    }

    fn find(&self, output_index: u64) -> Option<usize> {
        self.items.iter().rposition(|item| item.output_index == output_index)
    }

    /// `None`: a provider may not make us remember more.
    fn add(&mut self, output_index: u64, call: Option<u32>) -> Option<usize> {
        const ITEMS_MAX: usize = 4096;
        if self.items.len() == ITEMS_MAX {
            return None;
        }
        self.items.push(Item { output_index, call, given: false, streamed: false, shown: None, part: 0 });
        Some(self.items.len() - 1)
    }

    /// `output_item.added` and `output_item.done`.
    fn item_event(&mut self, data: &[u8], done: bool, emit: &mut Emit<'_>) {
        let (mut output_index, mut item) = (0, &b""[..]);
        let mut walk = Walk::new(data);
        if walk.object() {
            while let Some(key) = walk.key() {
                match key {
                    b"output_index" => output_index = walk.number().whole().unwrap_or(0),
                    b"item" => item = walk.raw(),
                    _ => walk.skip(),
                }
            }
        }
        self.begin(b"", b"", emit);
        let item = ItemRead::of(item);
        let known = self.find(output_index).filter(|_| done);
        self.item(&item, output_index, known, done, emit);
    }

    /// An item. `known`: where it stands in `items`; `whole`: nothing of it comes later.
    fn item(&mut self, item: &ItemRead<'_>, output_index: u64, known: Option<usize>, whole: bool, emit: &mut Emit<'_>) {
        let is_call = item.kind == b"function_call";
        let known = known.filter(|&at| !is_call || self.items.get(at).is_some_and(|known| known.call.is_some()));
        let at = match known {
            Some(at) => Some(at),
            None if is_call => self.call(item, output_index, emit),
            None => self.add(output_index, None),
        };
        let Some(at) = at else { return };
        if !whole {
            return;
        }
        let given = self.items.get(at).is_some_and(|item| item.given);
        match item.kind {
            b"function_call" if !given => self.part(at, What::Arguments, 0, item.arguments, b"", emit),
            b"message" if !given => self.content(at, item.content, emit),
            b"reasoning" => {
                if !given {
                    self.content(at, item.content, emit);
                    self.content(at, item.summary, emit);
                }
                self.sign(item.encrypted_content, emit);
            }
            _ => {}
        }
    }

    fn call(&mut self, item: &ItemRead<'_>, output_index: u64, emit: &mut Emit<'_>) -> Option<usize> {
        let index = self.calls;
        let at = self.add(output_index, Some(index))?;
        self.calls += 1;
        let signature = self.call_signature.take();
        emit(Piece::Call {
            choice: 0,
            index,
            id: Text::Escaped(item.call_id),
            name: Text::Escaped(item.name),
            signature: signature.as_deref().map(Text::Plain),
        });
        Some(at)
    }

    fn sign(&mut self, encrypted_content: &[u8], emit: &mut Emit<'_>) {
        match Carried::of(encrypted_content) {
            Carried::Signature(b"") => {}
            Carried::Signature(raw) => emit(Piece::Signature { choice: 0, signature: Text::Escaped(raw) }),
            Carried::Redacted(raw) => emit(Piece::Redacted { choice: 0, data: Text::Escaped(raw) }),
            Carried::CallSignature(raw) => self.call_signature = Some(decode(raw).into_owned()),
        }
    }

    /// The parts of an item's `content` or `summary`.
    fn content(&mut self, at: usize, parts: &[u8], emit: &mut Emit<'_>) {
        let mut walk = Walk::new(parts);
        if !walk.array() {
            return;
        }
        let mut index = 0;
        while walk.item() {
            let (mut what, mut text, mut logprobs) = (None, &b""[..], &b""[..]);
            if walk.object() {
                while let Some(key) = walk.key() {
                    match key {
                        b"type" => what = what_of(walk.string().unwrap_or_default()),
                        b"text" | b"refusal" => text = walk.string().unwrap_or_default(),
                        b"logprobs" => logprobs = inside(walk.raw()),
                        _ => walk.skip(),
                    }
                }
            } else {
                walk.skip();
            }
            if let Some(what) = what {
                self.part(at, what, index, text, logprobs, emit);
            }
            index += 1;
        }
    }

    fn part(&mut self, at: usize, what: What, part: u64, text: &[u8], logprobs: &[u8], emit: &mut Emit<'_>) {
        if !text.is_empty() {
            self.give(at, what, &TextRead { output_index: 0, part, text, logprobs }, emit);
        }
    }

    /// The end: all of the response. `kind`: its status, where it does not say so itself.
    fn close(&mut self, response: ResponseRead<'_>, kind: &[u8], emit: &mut Emit<'_>) {
        self.begin(response.id, response.model, emit);
        if self.items.is_empty() {
            let mut walk = Walk::new(response.output);
            if walk.array() {
                for index in 0.. {
                    if !walk.item() {
                        break;
                    }
                    self.item(&ItemRead::of(walk.raw()), index, None, true, emit);
                }
            }
        }
        self.over = true;
        let status = if response.status.is_empty() { kind } else { response.status };
        let reason = match (status, response.reason) {
            (b"failed" | b"cancelled", _) => Finish::Error,
            (b"incomplete", b"content_filter") => Finish::ContentFilter,
            (b"incomplete", _) => Finish::Length,
            _ if self.calls > 0 => Finish::ToolCalls,
            _ if self.refused => Finish::ContentFilter,
            _ => Finish::Stop,
        };
        let said = if response.reason.is_empty() { status } else { response.reason };
        emit(Piece::Finish { choice: 0, reason, said: Text::Escaped(said) });
        if reason == Finish::Error {
            emit(Piece::Error { message: Text::Escaped(response.message) });
        }
    }
}

fn what_of(kind: &[u8]) -> Option<What> {
    match kind {
        b"output_text" | b"text" => Some(What::Text),
        b"refusal" => Some(What::Refusal),
        b"reasoning_text" => Some(What::Thought),
        b"summary_text" => Some(What::Summary),
        _ => None,
    }
}
