//! Pieces -> the stream that a client of chat completions reads (spec "providers" 2): the role on a choice's first
//! delta, its end in a chunk of its own, the usage in a last one without choices where it was asked for, `[DONE]`.

use super::shape::{Choices, DONE, Ends, call_id, finish, head, head_like, model, number, usage};
use super::thinking::Stretches;
use crate::dialect::About;
use crate::dialect::common::{Finish, Piece, Request, Text};
use crate::json::Walk;
use crate::meter::Usage;
use crate::sse::Event;

/// Writes a stream. One per attempt.
pub struct AnswerOut {
    about: About,
    /// A chunk up to the bracket of its choices.
    head: Vec<u8>,
    /// Every chunk says that the usage is yet to come, when it is.
    tail: &'static [u8],
    stream_usage: bool,
    /// How many were asked for.
    choices: u32,
    begun: Choices,
    ends: Ends,
    called: Choices,
    refused: Choices,
    /// Calls (choice, index) without arguments so far: `{}` if it stays so.
    bare: Vec<(u32, u32)>,
    thinking: Stretches,
    /// Chunks are named as those that the client got from its provider.
    adopted: bool,
}

impl AnswerOut {
    pub fn new(request: &Request, about: &About) -> Self {
        let tail: &[u8] = if request.stream_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" };
        let mut new = Self {
            about: about.clone(),
            head: Vec::new(),
            tail,
            stream_usage: request.stream_usage,
            choices: request.choices.unwrap_or(1),
            begun: Choices::default(),
            ends: Ends::default(),
            called: Choices::default(),
            refused: Choices::default(),
            bare: Vec::new(),
            thinking: Stretches::default(),
            adopted: false,
        };
        new.name("");
        new
    }

    /// Appends the events that this piece makes, complete with their framing; none when it only changes what comes.
    #[inline]
    pub fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Start { model, .. } => self.name(&model.decode()),
            Piece::Text { text, .. } | Piece::Refusal { text, .. } | Piece::Reasoning { text, .. }
                if text.is_empty() => {}
            Piece::Text { choice, text } => {
                self.thinking.drop(choice);
                self.string(choice, b"content", text, out);
            }
            Piece::Refusal { choice, text } => {
                self.thinking.drop(choice);
                self.refused.add(choice);
                self.string(choice, b"refusal", text, out);
            }
            Piece::Reasoning { choice, text } => {
                self.thinking.grow(choice, text);
                self.string(choice, b"reasoning_content", text, out);
            }
            Piece::Signature { choice, signature } => {
                self.open(choice, true, out);
                self.thinking.sign(choice, signature, out);
                self.close(out);
            }
            Piece::Redacted { choice, data } => {
                self.open(choice, true, out);
                self.thinking.redacted(choice, data, out);
                self.close(out);
            }
            Piece::Call { choice, index, id, name, signature } => {
                self.thinking.drop(choice);
                self.call(choice, index, [id, name], signature, out);
            }
            Piece::Arguments { choice, index, text } => self.arguments(choice, index, text, out),
            Piece::Logprobs { choice, items } => {
                self.open(choice, true, out);
                unclosed(out);
                out.extend_from_slice(b"},\"logprobs\":{\"content\":[");
                out.extend_from_slice(items);
                out.extend_from_slice(b"],\"refusal\":null},\"finish_reason\":null}");
                out.extend_from_slice(self.tail);
            }
            Piece::Finish { choice, reason, said } => self.ends.set(choice, reason, said),
            Piece::Error { .. } => {}
        }
    }

    /// Everything came: the last events, usage, and the terminator.
    pub fn end(&mut self, counts: &Usage, out: &mut Vec<u8>) {
        let called = &self.called;
        let unsaid = |choice| if called.has(choice) { Finish::ToolCalls } else { Finish::Stop };
        for end in self.ends.all(&self.begun, unsaid) {
            self.finish(end.choice, end.reason, Text::Plain(&end.said), out);
        }
        if self.stream_usage {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],");
            usage(counts, out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(DONE);
    }

    /// Takes the names of a chunk that the client got as it came.
    pub fn follow(&mut self, event: &Event<'_>) {
        // A role that comes twice is joined to itself by OpenAI's own SDK.
        let is_begun = (0..self.choices).all(|choice| self.begun.has(choice));
        if !is_begun && memchr::memmem::find(event.data, b"\"role\"").is_some() {
            with_role(event.data, |choice| {
                self.begun.add(choice);
            });
        }
        if !self.adopted
            && let Some(names) = head_like(event.data, "chat.completion.chunk", &self.about)
        {
            self.adopted = true;
            self.head = [b"data: ", names.as_slice(), b"\"choices\":["].concat();
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
        head("chatcmpl-", "chat.completion.chunk", &self.about, model(said, &self.about), &mut self.head);
        self.head.extend_from_slice(b"\"choices\":[");
    }

    /// A chunk up to the members of its delta. `bare`: the delta brings no content.
    #[inline]
    fn open(&mut self, choice: u32, bare: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        number(choice.into(), out);
        out.extend_from_slice(b",\"delta\":{");
        if self.begun.add(choice) {
            out.extend_from_slice(b"\"role\":\"assistant\",");
            if bare {
                out.extend_from_slice(b"\"content\":null,");
            }
        }
    }

    #[inline]
    fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null}");
        out.extend_from_slice(self.tail);
    }

    #[inline]
    fn string(&mut self, choice: u32, name: &[u8], text: Text<'_>, out: &mut Vec<u8>) {
        self.open(choice, name != b"content", out);
        out.push(b'"');
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":\"");
        text.push_escaped(out);
        out.push(b'"');
        self.close(out);
    }

    fn call(&mut self, choice: u32, index: u32, names: [Text<'_>; 2], signature: Option<Text<'_>>, out: &mut Vec<u8>) {
        let [id, name] = names;
        self.called.add(choice);
        self.bare.push((choice, index));
        self.open(choice, true, out);
        out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
        number(index.into(), out);
        out.extend_from_slice(b",\"id\":\"");
        if id.is_empty() {
            call_id(&self.about.id, choice, index, out);
        }
        id.push_escaped(out);
        out.extend_from_slice(b"\",\"type\":\"function\",\"function\":{\"name\":\"");
        name.push_escaped(out);
        out.extend_from_slice(b"\",\"arguments\":\"\"}");
        if let Some(signature) = signature {
            out.extend_from_slice(b",\"extra_content\":{\"google\":{\"thought_signature\":\"");
            signature.push_escaped(out);
            out.extend_from_slice(b"\"}}");
        }
        out.extend_from_slice(b"}]");
        self.close(out);
    }

    fn arguments(&mut self, choice: u32, index: u32, text: Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if let Some(at) = self.bare.iter().position(|call| *call == (choice, index)) {
            self.bare.swap_remove(at);
        }
        self.open(choice, true, out);
        out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
        number(index.into(), out);
        out.extend_from_slice(b",\"function\":{\"arguments\":\"");
        text.push_escaped(out);
        out.extend_from_slice(b"\"}}]");
        self.close(out);
    }

    fn finish(&mut self, choice: u32, reason: Finish, said: Text<'_>, out: &mut Vec<u8>) {
        while let Some((_, index)) = self.bare.iter().copied().find(|(of, _)| *of == choice) {
            self.arguments(choice, index, Text::Plain("{}"), out);
        }
        self.open(choice, true, out);
        unclosed(out);
        out.extend_from_slice(b"},\"logprobs\":null,");
        finish(reason, self.refused.has(choice), said, out);
        out.push(b'}');
        out.extend_from_slice(self.tail);
    }
}

/// Takes back the comma of a delta that has nothing more.
fn unclosed(out: &mut Vec<u8>) {
    if out.last() == Some(&b',') {
        out.pop();
    }
}

/// The choices of a chunk whose deltas name a role.
fn with_role(data: &[u8], mut on: impl FnMut(u32)) {
    let mut walk = Walk::new(data);
    if !walk.object() {
        return;
    }
    while let Some(key) = walk.key() {
        if key != b"choices" || !walk.array() {
            walk.skip();
            continue;
        }
        while walk.item() {
            let (mut index, mut has_role) = (None, false);
            if !walk.object() {
                walk.skip();
                continue;
            }
            while let Some(key) = walk.key() {
                match key {
                    b"index" => index = walk.number().whole(),
                    b"delta" if walk.object() => {
                        while let Some(key) = walk.key() {
                            has_role |= key == b"role";
                            walk.skip();
                        }
                    }
                    _ => walk.skip(),
                }
            }
            if has_role {
                on(index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0));
            }
        }
    }
}
