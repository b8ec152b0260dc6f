//! An answer gathered from its pieces, for the faces that write it whole.

use super::{Finish, Piece, Text};
use crate::json::Unescaped;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Of the provider; may be empty.
    pub id: String,
    pub model: String,
    /// By index; a choice that a provider leaves out is empty.
    pub choices: Vec<Choice>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// In the order they came; neighbours of one kind are one part.
    pub parts: Vec<AnswerPart>,
    pub finish: Option<Finish>,
    /// The provider's word for it.
    pub said: String,
    /// Items of OpenAI's `logprobs.content`, with commas between them.
    pub logprobs: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AnswerPart {
    Text(String),
    Refusal(String),
    Reasoning { text: String, signature: Option<String> },
    Redacted(String),
    Call(AnswerCall),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerCall {
    pub id: String,
    pub name: String,
    /// JSON text; `{}` when the provider sent none. May be cut where the answer was cut.
    pub arguments: String,
    pub signature: Option<String>,
}

/// Builds an [`Answer`]. Texts are gathered as bytes, since a piece may end between two halves of a surrogate pair.
#[derive(Default)]
pub struct Gather {
    id: String,
    model: String,
    choices: Vec<Growing>,
    error: Option<String>,
}

/// A choice while its pieces come.
#[derive(Default)]
struct Growing {
    done: Choice,
    /// The stretch that may still grow.
    kind: Option<Kind>,
    bytes: Vec<u8>,
    open: Unescaped,
    calls: Vec<GrowingCall>,
}

struct GrowingCall {
    index: u32,
    /// Where it stands in `done.parts`.
    at: usize,
    bytes: Vec<u8>,
    open: Unescaped,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
}

impl Gather {
    pub fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Start { id, model } => {
                self.id = id.decode().into_owned();
                self.model = model.decode().into_owned();
            }
            Piece::Text { choice, text } => self.grow(choice, Kind::Text, text),
            Piece::Refusal { choice, text } => self.grow(choice, Kind::Refusal, text),
            Piece::Reasoning { choice, text } => self.grow(choice, Kind::Reasoning, text),
            Piece::Signature { choice, signature } => {
                if let Some(growing) = self.choice(choice) {
                    growing.sign(signature.decode().into_owned());
                }
            }
            Piece::Redacted { choice, data } => {
                if let Some(growing) = self.choice(choice) {
                    growing.close();
                    growing.done.parts.push(AnswerPart::Redacted(data.decode().into_owned()));
                }
            }
            Piece::Call { choice, index, id, name, signature } => {
                if let Some(growing) = self.choice(choice) {
                    growing.close();
                    let at = growing.done.parts.len();
                    growing.calls.push(GrowingCall { index, at, bytes: Vec::new(), open: None });
                    growing.done.parts.push(AnswerPart::Call(AnswerCall {
                        id: id.decode().into_owned(),
                        name: name.decode().into_owned(),
                        arguments: String::new(),
                        signature: signature.map(|signature| signature.decode().into_owned()),
                    }));
                }
            }
            Piece::Arguments { choice, index, text } => {
                let call = self
                    .choice(choice)
                    .and_then(|growing| growing.calls.iter_mut().rev().find(|call| call.index == index));
                if let Some(call) = call {
                    text.push_plain(&mut call.open, &mut call.bytes);
                }
            }
            Piece::Logprobs { choice, items } => {
                if let Some(growing) = self.choice(choice)
                    && !items.is_empty()
                {
                    if !growing.done.logprobs.is_empty() {
                        growing.done.logprobs.push(b',');
                    }
                    growing.done.logprobs.extend_from_slice(items);
                }
            }
            Piece::Finish { choice, reason, said } => {
                if let Some(growing) = self.choice(choice) {
                    growing.done.finish = Some(reason);
                    growing.done.said = said.decode().into_owned();
                }
            }
            Piece::Error { message } => self.error = Some(message.decode().into_owned()),
        }
    }

    /// What has come.
    pub fn answer(self) -> Answer {
        let Gather { id, model, choices, error } = self;
        let choices = choices.into_iter().map(Growing::finish).collect();
        Answer { id, model, choices, error }
    }

    fn grow(&mut self, choice: u32, kind: Kind, text: Text<'_>) {
        let Some(growing) = self.choice(choice) else { return };
        // Chat sends an empty text beside each bit of thinking: it ends nothing.
        if text.is_empty() {
            return;
        }
        if growing.kind != Some(kind) {
            growing.close();
            growing.kind = Some(kind);
        }
        text.push_plain(&mut growing.open, &mut growing.bytes);
    }

    /// A provider's index must not cost memory: nobody asks for more choices than these.
    fn choice(&mut self, choice: u32) -> Option<&mut Growing> {
        const CHOICES_MAX: u32 = 128;
        if choice >= CHOICES_MAX {
            return None;
        }
        let at = choice as usize;
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, Growing::default);
        }
        self.choices.get_mut(at)
    }
}

impl Growing {
    /// Ends the stretch that grew.
    fn close(&mut self) {
        let Some(kind) = self.kind.take() else { return };
        self.open = None;
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned();
        if text.is_empty() {
            return;
        }
        self.done.parts.push(match kind {
            Kind::Text => AnswerPart::Text(text),
            Kind::Refusal => AnswerPart::Refusal(text),
            Kind::Reasoning => AnswerPart::Reasoning { text, signature: None },
        });
    }

    /// The signature belongs to the stretch before it; one without a stretch stands for itself.
    fn sign(&mut self, new: String) {
        self.close();
        match self.done.parts.last_mut() {
            Some(AnswerPart::Reasoning { signature: signature @ None, .. }) => *signature = Some(new),
            _ => self.done.parts.push(AnswerPart::Reasoning { text: String::new(), signature: Some(new) }),
        }
    }

    fn finish(mut self) -> Choice {
        self.close();
        for call in self.calls {
            if let Some(AnswerPart::Call(done)) = self.done.parts.get_mut(call.at) {
                done.arguments = String::from_utf8_lossy(&call.bytes).into_owned();
                if done.arguments.trim().is_empty() {
                    done.arguments = "{}".to_owned();
                }
            }
        }
        self.done
    }
}
