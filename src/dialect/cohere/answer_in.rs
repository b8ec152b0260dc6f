//! Cohere's answers -> pieces. The plan that comes with calls is told as thinking.

use crate::dialect::common::{Finish, Piece, Request, Text};
use crate::dialect::kind;
use crate::json::Walk;
use crate::sse::Event;

/// Calls of one answer; what a provider sends must not cost memory.
const CALLS_MAX: usize = 1024;

/// One per attempt.
#[derive(Default)]
pub struct AnswerIn {
    started: bool,
    calls: Vec<Call>,
}

struct Call {
    /// Cohere's own index of it.
    index: u64,
    /// Some of its arguments came.
    begun: bool,
}

/// What one event, or a whole answer, says.
#[derive(Default)]
struct Told<'a> {
    id: &'a [u8],
    index: u64,
    finish: Option<&'a [u8]>,
    error: &'a [u8],
    plan: &'a [u8],
    text: &'a [u8],
    thinking: &'a [u8],
    call: Function<'a>,
    /// Of a whole answer: an array of parts.
    content: Option<Walk<'a>>,
    calls: Option<Walk<'a>>,
}

#[derive(Clone, Copy, Default)]
struct Function<'a> {
    id: &'a [u8],
    name: &'a [u8],
    arguments: &'a [u8],
}

impl AnswerIn {
    pub fn new(_request: &Request, _model: &str) -> Self {
        Self::default()
    }

    /// One event of a stream.
    pub fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
        match kind(event) {
            b"message-start" => self.start(Told::read(event.data).id, emit),
            b"content-delta" | b"content-start" | b"tool-plan-delta" => {
                let told = Told::read(event.data);
                self.start(b"", emit);
                told.texts(emit);
            }
            b"tool-call-start" => {
                let told = Told::read(event.data);
                self.start(b"", emit);
                self.call(&told.call, told.index, emit);
            }
            b"tool-call-delta" => {
                let told = Told::read(event.data);
                self.arguments(told.index, told.call.arguments, emit);
            }
            b"message-end" => {
                let told = Told::read(event.data);
                self.start(b"", emit);
                finish(&told, emit);
            }
            b"content-end" | b"tool-call-end" | b"citation-start" | b"citation-end" | b"debug" => {}
            b"" | b"error" if event.data != b"[DONE]" => {
                emit(Piece::Error { message: Text::Escaped(Told::read(event.data).error) });
            }
            _ => {}
        }
    }

    /// The whole body of a unary 2xx answer.
    pub fn body(&mut self, body: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        let told = Told::read(body);
        self.start(told.id, emit);
        told.texts(emit);
        if let Some(mut content) = told.content {
            while content.item() {
                let mut part = Told::default();
                part.content(&mut content);
                part.texts(emit);
            }
        }
        if let Some(mut calls) = told.calls {
            let mut index = 0;
            while calls.item() {
                let mut call = Function::default();
                call.read(&mut calls);
                self.call(&call, index, emit);
                index += 1;
            }
        }
        finish(&told, emit);
    }

    fn start(&mut self, id: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        if !self.started {
            self.started = true;
            emit(Piece::Start { id: Text::Escaped(id), model: Text::Plain("") });
        }
    }

    fn call(&mut self, call: &Function<'_>, index: u64, emit: &mut dyn FnMut(Piece<'_>)) {
        if self.calls.len() >= CALLS_MAX {
            return;
        }
        let (id, name) = (Text::Escaped(call.id), Text::Escaped(call.name));
        emit(Piece::Call { choice: 0, index: self.calls.len() as u32, id, name, signature: None });
        self.calls.push(Call { index, begun: false });
        self.arguments(index, call.arguments, emit);
    }

    fn arguments(&mut self, index: u64, fragment: &[u8], emit: &mut dyn FnMut(Piece<'_>)) {
        let Some(at) = self.calls.iter().rposition(|call| call.index == index) else { return };
        let Some(call) = self.calls.get_mut(at) else { return };
        // A call without arguments may say `"null"`.
        if fragment.is_empty() || (!call.begun && fragment == b"null") {
            return;
        }
        call.begun = true;
        emit(Piece::Arguments { choice: 0, index: at as u32, text: Text::Escaped(fragment) });
    }
}

fn finish(told: &Told<'_>, emit: &mut dyn FnMut(Piece<'_>)) {
    let said = told.finish.unwrap_or_default();
    let reason = match said {
        b"ERROR" | b"TIMEOUT" => {
            emit(Piece::Error { message: Text::Escaped(told.error) });
            Finish::Error
        }
        b"STOP_SEQUENCE" => Finish::StopSequence,
        b"MAX_TOKENS" | b"ERROR_LIMIT" => Finish::Length,
        b"TOOL_CALL" => Finish::ToolCalls,
        b"ERROR_TOXIC" => Finish::ContentFilter,
        _ => Finish::Stop,
    };
    emit(Piece::Finish { choice: 0, reason, said: Text::Escaped(said) });
}

impl<'a> Told<'a> {
    fn read(data: &'a [u8]) -> Self {
        let mut told = Self::default();
        told.members(&mut Walk::new(data), 0);
        told
    }

    /// The top of an event or an answer, and the `delta` of an event.
    fn members(&mut self, walk: &mut Walk<'a>, depth: u32) {
        if !walk.object() {
            return walk.skip();
        }
        while let Some(key) = walk.key() {
            match (key, walk.peek()) {
                (b"delta", b'{') if depth == 0 => self.members(walk, 1),
                (b"message", b'{') => self.message(walk),
                (b"id", _) => self.id = walk.string().unwrap_or_default(),
                (b"index", _) => self.index = walk.number().whole().unwrap_or(0),
                (b"finish_reason", _) => self.finish = walk.string(),
                (b"error" | b"message", b'"') => self.error = walk.string().unwrap_or_default(),
                _ => walk.skip(),
            }
        }
    }

    fn message(&mut self, walk: &mut Walk<'a>) {
        if !walk.object() {
            return walk.skip();
        }
        while let Some(key) = walk.key() {
            match (key, walk.peek()) {
                (b"content", b'{') => self.content(walk),
                (b"tool_calls", b'{') => self.call.read(walk),
                (b"content" | b"tool_calls", b'[') => {
                    let mut items = *walk;
                    items.array();
                    *(if key == b"content" { &mut self.content } else { &mut self.calls }) = Some(items);
                    walk.skip();
                }
                (b"tool_plan", _) => self.plan = walk.string().unwrap_or_default(),
                _ => walk.skip(),
            }
        }
    }

    /// A part, or what is added to one.
    fn content(&mut self, walk: &mut Walk<'a>) {
        if !walk.object() {
            return walk.skip();
        }
        while let Some(key) = walk.key() {
            match key {
                b"text" => self.text = walk.string().unwrap_or_default(),
                b"thinking" => self.thinking = walk.string().unwrap_or_default(),
                _ => walk.skip(),
            }
        }
    }

    fn texts(&self, emit: &mut dyn FnMut(Piece<'_>)) {
        for thought in [self.plan, self.thinking] {
            if !thought.is_empty() {
                emit(Piece::Reasoning { choice: 0, text: Text::Escaped(thought) });
            }
        }
        if !self.text.is_empty() {
            emit(Piece::Text { choice: 0, text: Text::Escaped(self.text) });
        }
    }
}

impl<'a> Function<'a> {
    /// `{"id","type","function":{"name","arguments"}}`, or any part of it.
    fn read(&mut self, walk: &mut Walk<'a>) {
        if !walk.object() {
            return walk.skip();
        }
        while let Some(key) = walk.key() {
            match key {
                b"id" => self.id = walk.string().unwrap_or_default(),
                b"function" if walk.object() => {
                    while let Some(key) = walk.key() {
                        match key {
                            b"name" => self.name = walk.string().unwrap_or_default(),
                            b"arguments" => self.arguments = walk.string().unwrap_or_default(),
                            _ => walk.skip(),
                        }
                    }
                }
                _ => walk.skip(),
            }
        }
    }
}
