//! What the client has been given of an answer, decoded, as a sequence of stretches for each of its choices.

use crate::dialect::common::{Piece, Text};
use crate::json::Unescaped;

/// More than this is not remembered, and the answer is not rescued then.
const GIVEN_BYTES_MAX: usize = 256 * 1024;
/// What a stretch weighs beside its text.
const STRETCH_BYTES: usize = 128;
/// Nobody asks for more choices than these.
const CHOICES_MAX: u32 = 128;

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
    pub choice: u32,
    pub kind: Kind,
    /// Of a call.
    pub name: Vec<u8>,
    pub bytes: Vec<u8>,
    open: Unescaped,
    /// A second run has come to it,
    pub begun: bool,
    /// and said so much of it again.
    pub repeated: usize,
    pub repeated_open: Unescaped,
}

pub(super) struct Given {
    shows: Shows,
    /// How many were asked for.
    choices: u32,
    /// Those of different choices in any order.
    pub stretches: Vec<Stretch>,
    weight: usize,
    pub started: bool,
    /// One bit per choice that has ended.
    finished: u128,
    /// It holds more than is remembered.
    lost: bool,
}

impl Given {
    pub fn new(shows: Shows, choices: u32) -> Self {
        let lost = choices > CHOICES_MAX;
        Self { shows, choices, stretches: Vec::new(), weight: 0, started: false, finished: 0, lost }
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
            Piece::Finish { choice, .. } => self.finished |= bit(choice),
            Piece::Text { choice, text } | Piece::Refusal { choice, text } | Piece::Reasoning { choice, text } => {
                let Some(kind) = self.kind_of(piece).filter(|_| !text.is_empty()) else { return false };
                self.goes_on(choice);
                if self.last(choice).is_none_or(|last| last.kind != kind) {
                    self.add(choice, kind, &[]);
                }
                if let Some(last) = self.stretches.iter_mut().rfind(|one| one.choice == choice) {
                    self.weight += last.push(text);
                }
                self.check();
                return true;
            }
            Piece::Call { choice, index, name, .. } if self.shows.calls => {
                self.goes_on(choice);
                self.add(choice, Kind::Call(index), name.decode().as_bytes());
                self.check();
                return true;
            }
            Piece::Arguments { choice, index, text } if self.shows.calls => {
                let is_it = |one: &&mut Stretch| one.choice == choice && one.kind == Kind::Call(index);
                if let Some(call) = self.stretches.iter_mut().rfind(is_it) {
                    self.weight += call.push(text);
                }
                self.check();
                return true;
            }
            // Whose signature may come again is known of one choice's thinking only.
            Piece::Signature { .. } | Piece::Redacted { .. } if self.choices > 1 => self.lose(),
            Piece::Signature { choice, .. } => {
                return self.last(choice).is_some_and(|last| last.kind == Kind::Reasoning);
            }
            // They are not remembered, so those of what waits for other choices would be missing.
            Piece::Logprobs { .. } if self.choices > 1 => self.lose(),
            _ => {}
        }
        false
    }

    /// A choice has more to say: its end was told too early, as Vertex tells it with each chunk. One that nobody asked
    /// for is none that another attempt would have.
    fn goes_on(&mut self, choice: u32) {
        self.finished &= !bit(choice);
        if choice >= self.choices {
            self.lose();
        }
    }

    /// What a choice said last.
    fn last(&self, choice: u32) -> Option<&Stretch> {
        self.stretches.iter().rfind(|one| one.choice == choice)
    }

    fn add(&mut self, choice: u32, kind: Kind, name: &[u8]) {
        self.weight += STRETCH_BYTES + name.len();
        self.stretches.push(Stretch {
            choice,
            kind,
            name: name.to_vec(),
            bytes: Vec::new(),
            open: None,
            begun: false,
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

    /// All choices have come to their ends.
    fn has_ended(&self) -> bool {
        (0..self.choices).all(|choice| self.is_finished(choice))
    }

    pub fn is_finished(&self, choice: u32) -> bool {
        self.finished & bit(choice) != 0
    }

    pub fn has_several_choices(&self) -> bool {
        self.choices > 1
    }

    /// It can be carried on. Half of a character was given where a surrogate pair was cut: no text goes on from that.
    pub fn is_open(&self) -> bool {
        !self.lost && !self.has_ended() && self.stretches.iter().all(|stretch| stretch.open.is_none())
    }

    /// The text, when nothing else was given, and nothing else was asked for.
    pub fn only_text(&self) -> Option<&str> {
        match self.stretches.as_slice() {
            [Stretch { kind: Kind::Text, bytes, .. }] if self.is_open() && !self.has_several_choices() => {
                std::str::from_utf8(bytes).ok()
            }
            _ => None,
        }
    }
}

impl Stretch {
    /// How many bytes that adds.
    fn push(&mut self, text: Text<'_>) -> usize {
        let before = self.bytes.len();
        text.push_plain(&mut self.open, &mut self.bytes);
        self.bytes.len() - before
    }

    pub fn is_repeated(&self) -> bool {
        self.begun && self.repeated == self.bytes.len()
    }
}

fn bit(choice: u32) -> u128 {
    1_u128.checked_shl(choice).unwrap_or(0)
}
