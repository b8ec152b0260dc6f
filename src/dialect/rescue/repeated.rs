//! A second run of the same request: held back until it has said all that was given, whatever pieces it comes in.
//!
//! Calls may be written in turns, so what goes beyond one of them waits until all the others are there again.

use super::given::{Given, Kind, Stretch};
use super::{Phase, Rescue};
use crate::dialect::common::{Piece, Text};
use crate::json::Unescaped;

/// What may wait; more is no repetition.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// One per second run.
pub(super) struct Repetition {
    /// Stretches that it has begun.
    begun: usize,
    /// Bytes of all stretches that it has not said.
    missing: usize,
    /// Thinking that the client never saw is passed over.
    thinks_unseen: bool,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
}

/// A piece of a call, kept.
enum Waiting {
    Call { index: u32, id: String, name: String, signature: Option<String> },
    Arguments { index: u32, text: String },
}

/// What a piece of the second run comes to.
enum Step {
    /// It was said before.
    Same,
    /// And there is more of it, in the scratch buffer from here on.
    More(usize),
    Different,
}

impl Repetition {
    pub fn of(given: &mut Given) -> Self {
        let mut missing = 0;
        for stretch in &mut given.stretches {
            (stretch.repeated, stretch.repeated_open) = (0, Unescaped::default());
            missing += stretch.bytes.len();
        }
        let thinks_unseen = !given.stretches.iter().any(|stretch| stretch.kind == Kind::Reasoning);
        Self { begun: 0, missing, thinks_unseen, waiting: Vec::new(), waiting_bytes: 0 }
    }

    fn is_done(&self, given: &Given) -> bool {
        self.missing == 0 && self.begun == given.stretches.len()
    }

    /// The next stretch of the given begins, unless the one before is not said yet or it is another one.
    fn next(&mut self, given: &Given, is_it: impl FnOnce(&Stretch) -> bool) -> bool {
        let is_next = !self.is_inside_text(given) && given.stretches.get(self.begun).is_some_and(is_it);
        if is_next {
            self.begun += 1;
        }
        is_next
    }

    fn current(&self) -> Option<usize> {
        self.begun.checked_sub(1)
    }

    fn is_inside_text(&self, given: &Given) -> bool {
        let current = self.current().and_then(|at| given.stretches.get(at));
        current.is_some_and(|last| !matches!(last.kind, Kind::Call(_)) && last.repeated < last.bytes.len())
    }

    fn text(&mut self, given: &mut Given, kind: Kind, text: Text<'_>, scratch: &mut Vec<u8>) -> Step {
        let goes_on = self.current().and_then(|at| given.stretches.get(at)).is_some_and(|last| last.kind == kind);
        if !goes_on && !self.next(given, |next| next.kind == kind) {
            return Step::Different;
        }
        match self.current() {
            Some(at) => self.compare(given, at, text, scratch),
            None => Step::Different,
        }
    }

    fn compare(&mut self, given: &mut Given, at: usize, text: Text<'_>, scratch: &mut Vec<u8>) -> Step {
        let Some(stretch) = given.stretches.get_mut(at) else { return Step::Different };
        scratch.clear();
        text.push_plain(&mut stretch.repeated_open, scratch);
        let expected = stretch.bytes.get(stretch.repeated..).unwrap_or_default();
        let len = expected.len().min(scratch.len());
        if expected.get(..len) != scratch.get(..len) {
            return Step::Different;
        }
        stretch.repeated += len;
        self.missing -= len;
        if scratch.len() > len { Step::More(len) } else { Step::Same }
    }

    fn arguments(&mut self, given: &mut Given, index: u32, text: Text<'_>, scratch: &mut Vec<u8>) -> Step {
        let begun = given.stretches.get(..self.begun).unwrap_or_default();
        match begun.iter().rposition(|stretch| stretch.kind == Kind::Call(index)) {
            Some(at) => self.compare(given, at, text, scratch),
            None => Step::Same,
        }
    }

    /// Whether it may end here: a call without arguments is written `{}` by some providers and not at all by others.
    fn may_end(&self, given: &Given) -> bool {
        let is_said = |stretch: &Stretch| {
            let is_bare = matches!(stretch.kind, Kind::Call(_)) && stretch.bytes.trim_ascii() == b"{}";
            stretch.repeated == stretch.bytes.len() || (is_bare && stretch.repeated == 0)
        };
        self.begun == given.stretches.len() && given.stretches.iter().all(is_said)
    }

    fn wait(&mut self, waiting: Waiting) -> Step {
        self.waiting_bytes += match &waiting {
            Waiting::Call { id, name, .. } => id.len() + name.len() + size_of::<Waiting>(),
            Waiting::Arguments { text, .. } => text.len() + size_of::<Waiting>(),
        };
        self.waiting.push(waiting);
        if self.waiting_bytes > WAITING_BYTES_MAX { Step::Different } else { Step::Same }
    }

    fn waits(&self, call: u32) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting, Waiting::Call { index, .. } if *index == call))
    }
}

impl Rescue {
    /// Takes a piece of a second run; from where it has said everything again, it is given.
    pub(super) fn repeat(&mut self, piece: Piece<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        let Phase::Repeated(run) = &mut self.phase else { return };
        let (given, scratch) = (&mut self.given, &mut self.scratch);
        let step = match piece {
            Piece::Text { choice: 0, text }
            | Piece::Refusal { choice: 0, text }
            | Piece::Reasoning { choice: 0, text } => match given.kind_of(&piece) {
                Some(Kind::Reasoning) if run.thinks_unseen => return,
                Some(kind) if !text.is_empty() => run.text(given, kind, text, scratch),
                _ => return,
            },
            Piece::Call { choice: 0, index, id, name, signature } if given.shows_calls() => {
                let (id, name) = (id.decode(), name.decode());
                if run.next(given, |next| next.kind == Kind::Call(index) && next.name == name.as_bytes()) {
                    Step::Same
                } else if run.begun == given.stretches.len() && !run.is_inside_text(given) {
                    let signature = signature.map(|signature| signature.decode().into_owned());
                    run.wait(Waiting::Call { index, id: id.into_owned(), name: name.into_owned(), signature })
                } else {
                    Step::Different
                }
            }
            Piece::Arguments { choice: 0, index, text } if given.shows_calls() => {
                if run.waits(index) {
                    run.wait(Waiting::Arguments { index, text: text.decode().into_owned() })
                } else {
                    run.arguments(given, index, text, scratch)
                }
            }
            Piece::Finish { .. } => {
                if !run.may_end(given) {
                    self.phase = Phase::Diverged;
                    return;
                }
                self.catch_up(on);
                return self.give(piece, on);
            }
            // Of other choices there was none, and a signature is its maker's: what was signed was given already.
            _ => return,
        };
        self.settle(step, piece, on);
    }

    fn settle(&mut self, step: Step, piece: Piece<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        let Phase::Repeated(run) = &mut self.phase else { return };
        let done = run.is_done(&self.given);
        match (step, piece) {
            (Step::Different, _) => self.phase = Phase::Diverged,
            (Step::Same, _) if done => self.catch_up(on),
            (Step::Same, _) => {}
            (Step::More(from), piece) if done => {
                self.catch_up(on);
                let scratch = std::mem::take(&mut self.scratch);
                let rest = String::from_utf8_lossy(scratch.get(from..).unwrap_or_default());
                self.give(with_text(piece, Text::Plain(&rest)), on);
                self.scratch = scratch;
            }
            (Step::More(from), Piece::Arguments { index, .. }) => {
                let rest = String::from_utf8_lossy(self.scratch.get(from..).unwrap_or_default()).into_owned();
                if let Step::Different = run.wait(Waiting::Arguments { index, text: rest }) {
                    self.phase = Phase::Diverged;
                }
            }
            // More text where something else had come.
            (Step::More(_), _) => self.phase = Phase::Diverged,
        }
    }

    /// All was said again: what waited is given.
    fn catch_up(&mut self, on: &mut dyn FnMut(Piece<'_>)) {
        let Phase::Repeated(run) = std::mem::replace(&mut self.phase, Phase::Through) else { return };
        self.signed_again = self.signed;
        for waiting in &run.waiting {
            let piece = match waiting {
                Waiting::Call { index, id, name, signature } => Piece::Call {
                    choice: 0,
                    index: *index,
                    id: Text::Plain(id),
                    name: Text::Plain(name),
                    signature: signature.as_deref().map(Text::Plain),
                },
                Waiting::Arguments { index, text } => {
                    Piece::Arguments { choice: 0, index: *index, text: Text::Plain(text) }
                }
            };
            self.give(piece, on);
        }
    }
}

/// The piece with another text.
pub(super) fn with_text<'a>(piece: Piece<'_>, text: Text<'a>) -> Piece<'a> {
    match piece {
        Piece::Refusal { choice, .. } => Piece::Refusal { choice, text },
        Piece::Reasoning { choice, .. } => Piece::Reasoning { choice, text },
        Piece::Arguments { choice, index, .. } => Piece::Arguments { choice, index, text },
        _ => Piece::Text { choice: 0, text },
    }
}
