//! The tool calls of an answer. OpenAI counts them by `index` and sends id and name once; the servers that speak like
//! it leave the index out (Mistral), give all calls the same (Gemini's endpoint), repeat the id on every delta (TGI),
//! send whole calls in one (xAI) or arguments as objects (Ollama).

use super::answer_in::pass;
use super::message_in::{Message, Thinking};
use crate::dialect::common::{Piece, Text};
use crate::json::Walk;

/// More calls than any model makes in one answer: each costs memory.
const CALLS_MAX: usize = 1024;

/// The calls begun so far, of all choices.
#[derive(Default)]
pub(super) struct Calls {
    known: Vec<Known>,
    odd: bool,
}

struct Known {
    choice: u32,
    /// Counts the calls of the choice.
    index: u32,
    /// The provider's own index.
    number: Option<u64>,
    id: Vec<u8>,
    /// Its first arguments were a whole object: what names a function again is another call.
    whole: bool,
}

/// One item of `tool_calls`.
#[derive(Default)]
struct Call<'a> {
    number: Option<u64>,
    id: &'a [u8],
    name: &'a [u8],
    arguments: Option<Text<'a>>,
    signature: Option<&'a [u8]>,
    custom: bool,
}

impl Calls {
    #[inline]
    pub fn read(
        &mut self,
        message: &Message<'_>,
        choice: u32,
        thinking: &mut Thinking,
        emit: &mut dyn FnMut(Piece<'_>),
    ) {
        if let Some(mut calls) = message.calls
            && calls.array()
        {
            while calls.item() {
                let mut call = Call::default();
                call.find(&mut calls, 0);
                self.odd |= call.custom;
                self.call(&call, choice, thinking, emit);
            }
        }
        if let Some(mut function_call) = message.function_call {
            let mut call = Call { number: Some(0), ..Call::default() };
            call.find(&mut function_call, 1);
            self.odd = true;
            self.call(&call, choice, thinking, emit);
        }
    }

    /// Some were no functions, or not written as tools are.
    pub fn are_odd(&self) -> bool {
        self.odd
    }

    fn call(&mut self, call: &Call<'_>, choice: u32, thinking: &mut Thinking, emit: &mut dyn FnMut(Piece<'_>)) {
        let index = match self.known(call, choice) {
            Some(index) => index,
            None if call.name.is_empty() && call.id.is_empty() => return,
            None => {
                if self.known.len() >= CALLS_MAX {
                    return;
                }
                let index = self.known.iter().filter(|known| known.choice == choice).count() as u32;
                let whole = call.arguments.is_some_and(|arguments| is_object(&arguments.decode()));
                self.known.push(Known { choice, index, number: call.number, id: call.id.to_vec(), whole });
                thinking.close(choice);
                emit(Piece::Call {
                    choice,
                    index,
                    id: Text::Escaped(call.id),
                    name: Text::Escaped(call.name),
                    signature: call.signature.map(Text::Escaped),
                });
                index
            }
        };
        if let Some(text) = call.arguments.filter(|text| !text.is_empty()) {
            emit(Piece::Arguments { choice, index, text });
        }
    }

    /// The call that this item continues, if it does.
    fn known(&self, call: &Call<'_>, choice: u32) -> Option<u32> {
        let mut of_choice = self.known.iter().rev().filter(|known| known.choice == choice);
        let known = match call.number {
            Some(_) => of_choice.find(|known| known.number == call.number)?,
            None if call.id.is_empty() => of_choice.next()?,
            None => of_choice.find(|known| known.id == call.id)?,
        };
        let other_id = !call.id.is_empty() && !known.id.is_empty() && known.id != call.id;
        let another = !call.name.is_empty() && (other_id || (call.id.is_empty() && known.whole));
        (!another).then_some(known.index)
    }
}

impl<'a> Call<'a> {
    /// Takes an item of `tool_calls`, or its `function` one level down.
    fn find(&mut self, walk: &mut Walk<'a>, depth: u32) {
        if !walk.object() {
            return walk.skip();
        }
        while let Some(key) = walk.key() {
            match key {
                b"index" => self.number = walk.number().whole().or(self.number),
                b"id" => self.id = walk.string().unwrap_or_default(),
                b"function" | b"custom" if depth == 0 => {
                    self.custom |= key == b"custom";
                    self.find(walk, 1);
                }
                b"name" => self.name = walk.string().unwrap_or_default(),
                // A custom tool's `input` is no JSON, and is asked for by nobody who is translated.
                b"arguments" => self.arguments = arguments(walk),
                b"extra_content" if depth == 0 => self.signature = thought_signature(pass(walk)),
                _ => walk.skip(),
            }
        }
    }
}

fn arguments<'a>(walk: &mut Walk<'a>) -> Option<Text<'a>> {
    match walk.peek() {
        b'"' => walk.string().map(Text::Escaped),
        b'{' => std::str::from_utf8(walk.raw()).ok().map(Text::Plain),
        _ => {
            walk.skip();
            None
        }
    }
}

fn is_object(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('{') && text.ends_with('}')
}

/// `{"google":{"thought_signature":"..."}}`.
fn thought_signature(mut walk: Walk<'_>) -> Option<&[u8]> {
    let mut signature = None;
    if walk.object() {
        while let Some(key) = walk.key() {
            if key != b"google" || !walk.object() {
                walk.skip();
                continue;
            }
            while let Some(key) = walk.key() {
                match key {
                    b"thought_signature" => signature = walk.string().filter(|signature| !signature.is_empty()),
                    _ => walk.skip(),
                }
            }
        }
    }
    signature
}
