//! A client that gets the provider's own events: what of them its reader keeps, so that the writer can go on from there.
//! OpenAI's SDKs keep items by `output_index` and parts by `content_index`, and take the whole response from the last
//! event: so the items are gathered here as the client has them.

use super::answer_out::AnswerOut;
use super::answer_read::inside;
use super::item::{Item, Kind, Stage, Status, push_on_one_line};
use crate::dialect::common::Text;
use crate::dialect::kind;
use crate::dialect::rescue::Followed;
use crate::json::Walk;
use crate::sse::Event;

/// Members of an event.
#[derive(Default)]
struct Read<'a> {
    sequence_number: Option<u64>,
    output_index: usize,
    part_index: u64,
    delta: &'a [u8],
    /// All of a text, at its end.
    text: &'a [u8],
    logprobs: &'a [u8],
    response: Option<Walk<'a>>,
    /// Objects.
    item: &'a [u8],
    part: &'a [u8],
}

impl<'a> Read<'a> {
    fn of(data: &'a [u8]) -> Self {
        let mut read = Read::default();
        let mut walk = Walk::new(data);
        if walk.object() {
            while let Some(key) = walk.key() {
                match key {
                    b"sequence_number" => read.sequence_number = walk.number().whole(),
                    b"output_index" => read.output_index = walk.number().whole().unwrap_or(0) as usize,
                    b"content_index" | b"summary_index" => read.part_index = walk.number().whole().unwrap_or(0),
                    b"delta" => read.delta = walk.string().unwrap_or_default(),
                    b"text" | b"refusal" | b"arguments" => read.text = walk.string().unwrap_or_default(),
                    b"logprobs" => read.logprobs = inside(walk.raw()),
                    b"item" => read.item = walk.raw(),
                    b"part" => read.part = walk.raw(),
                    b"response" => {
                        read.response = Some(walk);
                        walk.skip();
                    }
                    _ => walk.skip(),
                }
            }
        }
        read
    }
}

/// Of an item or a part.
#[derive(Default)]
struct Names<'a> {
    kind: &'a [u8],
    id: &'a [u8],
    call_id: &'a [u8],
    name: &'a [u8],
}

impl<'a> Names<'a> {
    fn of(object: &'a [u8]) -> Self {
        let mut names = Names::default();
        let mut walk = Walk::new(object);
        if walk.object() {
            while let Some(key) = walk.key() {
                match key {
                    b"type" => names.kind = walk.string().unwrap_or_default(),
                    b"id" => names.id = walk.string().unwrap_or_default(),
                    b"call_id" => names.call_id = walk.string().unwrap_or_default(),
                    b"name" => names.name = walk.string().unwrap_or_default(),
                    _ => walk.skip(),
                }
            }
        }
        names
    }
}

impl AnswerOut {
    /// Takes an event that the client got as it came.
    pub fn follow(&mut self, event: &Event<'_>) -> Followed {
        let name = kind(event);
        let Some(name) = name.strip_prefix(b"response.") else { return Followed::Whole };
        let read = Read::of(event.data);
        if let Some(number) = read.sequence_number {
            self.sequence_number = number.saturating_add(1);
        }
        let followed = match name {
            b"created" | b"queued" | b"in_progress" => {
                self.begun = true;
                read.response.into_iter().for_each(|response| self.head.adopt(response));
                return Followed::Whole;
            }
            b"completed" | b"incomplete" | b"failed" => return Followed::Whole,
            b"output_item.added" => self.item_added(&read),
            _ => match self.items.get_mut(read.output_index) {
                Some(item) => item.follow(name, &read),
                None => Followed::Lost,
            },
        };
        let last = self.items.len().wrapping_sub(1);
        let is_open = |item: &Item| item.kind != Kind::Call && item.status == Status::InProgress;
        self.open = Some(last).filter(|last| self.items.get(*last).is_some_and(is_open));
        followed
    }

    /// Items of tools that OpenAI's servers run cannot be gone on from.
    fn item_added(&mut self, read: &Read<'_>) -> Followed {
        let names = Names::of(read.item);
        if read.output_index != self.items.len() {
            return Followed::Lost;
        }
        let mut item = match names.kind {
            b"message" => Item::new(Kind::Text),
            b"reasoning" => Item::new(Kind::Reasoning),
            b"function_call" => {
                self.calls.push((self.calls.len() as u32, read.output_index));
                let (id, name) = (Text::Escaped(names.call_id), Text::Escaped(names.name));
                Item::call(id, name, &self.head.about.id, read.output_index)
            }
            _ => return Followed::Lost,
        };
        Text::Escaped(names.id).push_escaped(&mut item.id);
        self.items.push(item);
        Followed::Whole
    }
}

impl Item {
    fn follow(&mut self, name: &[u8], read: &Read<'_>) -> Followed {
        match name {
            b"output_text.delta"
            | b"refusal.delta"
            | b"reasoning_summary_text.delta"
            | b"function_call_arguments.delta" => {
                if self.kind != Kind::Call {
                    self.stage = Stage::Part;
                }
                Text::Escaped(read.delta).push_escaped(&mut self.text);
                if !read.logprobs.is_empty() {
                    if !self.logprobs.is_empty() {
                        self.logprobs.push(b',');
                    }
                    push_on_one_line(read.logprobs, &mut self.logprobs);
                }
            }
            b"content_part.added" | b"reasoning_summary_part.added" => {
                let kind = match Names::of(read.part).kind {
                    b"output_text" => Kind::Text,
                    b"refusal" => Kind::Refusal,
                    b"summary_text" => Kind::Reasoning,
                    _ => return Followed::Halfway,
                };
                (self.kind, self.stage, self.part) = (kind, Stage::Part, read.part_index);
            }
            b"output_text.done"
            | b"refusal.done"
            | b"reasoning_summary_text.done"
            | b"function_call_arguments.done" => {
                self.stage = Stage::TextDone;
                // Some servers send no deltas.
                if self.text.is_empty() {
                    Text::Escaped(read.text).push_escaped(&mut self.text);
                }
            }
            b"content_part.done" | b"reasoning_summary_part.done" => self.part_done(read.part),
            // Thinking that is no summary is written as one here: the item must be over first.
            b"reasoning_text.delta" | b"reasoning_text.done" | b"reasoning_part.added" | b"reasoning_part.done" => {
                return Followed::Halfway;
            }
            b"output_item.done" => {
                self.status = Status::Completed;
                self.whole.clear();
                push_on_one_line(read.item, &mut self.whole);
                self.text = Vec::new();
            }
            _ => return Followed::Lost,
        }
        Followed::Whole
    }
}
