//! What the client has been given of an answer, decoded, as a sequence of stretches.

use crate::dialect::common::Piece;
use crate::json::Unescaped;

/// More than this is not remembered, and the answer is not rescued then.
const GIVEN_BYTES_MAX: usize = 256 * 1024;
/// What a stretch weighs beside its text.
const STRETCH_BYTES: usize = 128;

/// Which pieces a face shows its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dialect) struct Shows {
    pub reasoning: bool,
    pub calls: bool,
    /// Apart from text.
    pub refusals: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Refusal,
    Reasoning,
    /// With its index.
    Call(u32),
}

/// Text of one kind until something else came; of a call its arguments, whatever came between them.
pub(super) struct Stretch {
    pub kind: Kind,
    /// Of a call.
    pub name: Vec<u8>,
    pub bytes: Vec<u8>,
    open: Unescaped,
    /// How much of it a second run has said again.
    pub repeated: usize,
    pub repeated_open: Unescaped,
}

pub(super) struct Given {
    shows: Shows,
    pub stretches: Vec<Stretch>,
    weight: usize,
    pub started: bool,
    finished: bool,
    /// It holds more than is remembered.
    lost: bool,
}

impl Given {
    pub fn new(shows: Shows, one_choice: bool) -> Self {
        Self { shows, stretches: Vec::new(), weight: 0, started: false, finished: false, lost: !one_choice }
    }

    /// How a piece shows in the face, when it is text of some kind.
    pub fn kind_of(&self, piece: &Piece<'_>) -> Option<Kind> {
        match piece {
            Piece::Text { .. } => Some(Kind::Text),
            Piece::Refusal { .. } if self.shows.refusals => Some(Kind::Refusal),
            Piece::Refusal { .. } => Some(Kind::Text),
            Piece::Reasoning { .. } if self.shows.reasoning => Some(Kind::Reasoning),
            _ => None,
        }
    }

    pub fn shows_calls(&self) -> bool {
        self.shows.calls
    }

    /// Remembers a piece. True when it is text, a part of a call, or signs the thinking that was given last.
    #[inline]
    pub fn note(&mut self, piece: &Piece<'_>) -> bool {
        match *piece {
            Piece::Start { .. } => self.started = true,
            Piece::Finish { .. } => self.finished = true,
            Piece::Text { choice: 0, text }
            | Piece::Refusal { choice: 0, text }
            | Piece::Reasoning { choice: 0, text } => {
                let Some(kind) = self.kind_of(piece).filter(|_| !text.is_empty()) else { return false };
                // Its end was told too early, as Vertex tells it with each chunk.
                self.finished = false;
                if self.stretches.last().is_none_or(|last| last.kind != kind) {
                    self.add(kind, &[]);
                }
                if let Some(last) = self.stretches.last_mut() {
                    let before = last.bytes.len();
                    text.push_plain(&mut last.open, &mut last.bytes);
                    self.weight += last.bytes.len() - before;
                }
                self.check();
                return true;
            }
            Piece::Call { choice: 0, index, name, .. } if self.shows.calls => {
                self.finished = false;
                self.add(Kind::Call(index), name.decode().as_bytes());
                self.check();
                return true;
            }
            Piece::Arguments { choice: 0, index, text } if self.shows.calls => {
                if let Some(call) = self.stretches.iter_mut().rev().find(|one| one.kind == Kind::Call(index)) {
                    let before = call.bytes.len();
                    text.push_plain(&mut call.open, &mut call.bytes);
                    self.weight += call.bytes.len() - before;
                }
                self.check();
                return true;
            }
            Piece::Signature { choice: 0, .. } => {
                return self.stretches.last().is_some_and(|last| last.kind == Kind::Reasoning);
            }
            Piece::Text { choice: 1.., .. } | Piece::Refusal { choice: 1.., .. } => self.lose(),
            Piece::Reasoning { choice: 1.., .. } | Piece::Call { choice: 1.., .. } => self.lose(),
            _ => {}
        }
        false
    }

    fn add(&mut self, kind: Kind, name: &[u8]) {
        self.weight += STRETCH_BYTES + name.len();
        self.stretches.push(Stretch {
            kind,
            name: name.to_vec(),
            bytes: Vec::new(),
            open: None,
            repeated: 0,
            repeated_open: None,
        });
    }

    fn check(&mut self) {
        if self.weight > GIVEN_BYTES_MAX {
            self.lose();
        }
    }

    /// The client got what cannot be remembered, or what another attempt cannot go on from.
    #[cold]
    pub fn lose(&mut self) {
        self.lost = true;
        // That something was given is worth knowing still.
        self.stretches.truncate(1);
        if let Some(first) = self.stretches.first_mut() {
            first.bytes = Vec::new();
        }
    }

    pub fn is_lost(&self) -> bool {
        self.lost
    }

    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// It can be carried on. Half of a character was given where a surrogate pair was cut: no text goes on from that.
    pub fn is_open(&self) -> bool {
        !self.lost && !self.finished && self.stretches.iter().all(|stretch| stretch.open.is_none())
    }

    /// The text, when nothing else was given.
    pub fn only_text(&self) -> Option<&str> {
        match self.stretches.as_slice() {
            [Stretch { kind: Kind::Text, bytes, .. }] if self.is_open() => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}
