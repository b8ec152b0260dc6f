//! A second run of the same request: held back until it has said all that was given, whatever pieces it comes in.
//!
//! Calls may be written in turns, and so may choices: what goes beyond one of them waits until all the others are there
//! again.

use super::given::{Given, Kind, Stretch};
use super::{Phase, Rescue};
use crate::dialect::common::{Finish, Piece, Text};
use crate::json::Unescaped;

/// What may wait; more is no repetition.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// One per second run.
pub(super) struct Repetition {
    /// Stretches that it has not begun.
    unbegun: usize,
    /// Bytes of all stretches that it has not said.
    missing: usize,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
}

/// A piece, kept until everything is said again.
enum Waiting {
    Text { choice: u32, kind: Kind, text: String },
    Call { choice: u32, index: u32, id: String, name: String, signature: Option<String> },
    Arguments { choice: u32, index: u32, text: String },
    Finish { choice: u32, reason: Finish, said: String },
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
        let (mut unbegun, mut missing) = (0, 0);
        for stretch in &mut given.stretches {
            (stretch.begun, stretch.repeated, stretch.repeated_open) = (false, 0, Unescaped::default());
            unbegun += 1;
            missing += stretch.bytes.len();
        }
        Self { unbegun, missing, waiting: Vec::new(), waiting_bytes: 0 }
    }

    fn is_done(&self) -> bool {
        self.missing == 0 && self.unbegun == 0
    }

    /// The next stretch of the choice begins, unless the one before is not said yet or it is another one.
    fn next(&mut self, given: &mut Given, choice: u32, is_it: impl FnOnce(&Stretch) -> bool) -> Option<usize> {
        if is_inside_text(given, choice) {
            return None;
        }
        let at = given.stretches.iter().position(|one| one.choice == choice && !one.begun)?;
        let next = given.stretches.get_mut(at).filter(|next| is_it(next))?;
        next.begun = true;
        self.unbegun -= 1;
        Some(at)
    }

    fn text(&mut self, given: &mut Given, (choice, kind): (u32, Kind), text: Text<'_>, scratch: &mut Vec<u8>) -> Step {
        let going_on = current(given, choice).filter(|&at| given.stretches.get(at).is_some_and(|one| one.kind == kind));
        match going_on.or_else(|| self.next(given, choice, |next| next.kind == kind)) {
            Some(at) => self.compare(given, at, text, scratch),
            None if is_repeated(given, choice) => {
                scratch.clear();
                text.push_plain(&mut None, scratch);
                Step::More(0)
            }
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

    fn arguments(
        &mut self,
        given: &mut Given,
        (choice, index): (u32, u32),
        text: Text<'_>,
        scratch: &mut Vec<u8>,
    ) -> Step {
        let is_it = |one: &Stretch| one.choice == choice && one.begun && one.kind == Kind::Call(index);
        match given.stretches.iter().rposition(is_it) {
            Some(at) => self.compare(given, at, text, scratch),
            None => Step::Same,
        }
    }

    /// A choice ends: whether it may do so here. A call without arguments is written `{}` by some providers and not at
    /// all by others.
    fn ends(&mut self, given: &mut Given, choice: u32) -> bool {
        for stretch in given.stretches.iter_mut().filter(|one| one.choice == choice) {
            let is_bare = matches!(stretch.kind, Kind::Call(_)) && stretch.bytes.trim_ascii() == b"{}";
            if stretch.begun && is_bare && stretch.repeated == 0 {
                stretch.repeated = stretch.bytes.len();
                self.missing -= stretch.bytes.len();
            }
        }
        is_repeated(given, choice)
    }

    fn wait(&mut self, waiting: Waiting) -> Step {
        self.waiting_bytes += size_of::<Waiting>()
            + match &waiting {
                Waiting::Call { id, name, .. } => id.len() + name.len(),
                Waiting::Text { text, .. } | Waiting::Arguments { text, .. } => text.len(),
                Waiting::Finish { said, .. } => said.len(),
            };
        self.waiting.push(waiting);
        if self.waiting_bytes > WAITING_BYTES_MAX { Step::Different } else { Step::Same }
    }

    fn waits(&self, call: (u32, u32)) -> bool {
        let is_it =
            |waiting: &Waiting| matches!(waiting, Waiting::Call { choice, index, .. } if (*choice, *index) == call);
        self.waiting.iter().any(is_it)
    }
}

/// The stretch of the choice that was begun last.
fn current(given: &Given, choice: u32) -> Option<usize> {
    given.stretches.iter().rposition(|one| one.choice == choice && one.begun)
}

fn is_inside_text(given: &Given, choice: u32) -> bool {
    let current = current(given, choice).and_then(|at| given.stretches.get(at));
    current.is_some_and(|last| !matches!(last.kind, Kind::Call(_)) && last.repeated < last.bytes.len())
}

/// All of the choice was said again.
fn is_repeated(given: &Given, choice: u32) -> bool {
    given.stretches.iter().filter(|one| one.choice == choice).all(Stretch::is_repeated)
}

/// The client saw none of the choice's thinking, but what came behind it: thinking is passed over then.
fn thinks_unseen(given: &Given, choice: u32) -> bool {
    let mut all = given.stretches.iter().filter(|one| one.choice == choice).peekable();
    all.peek().is_some() && !all.any(|one| one.kind == Kind::Reasoning)
}

impl Rescue {
    /// Takes a piece of a second run; from where it has said everything again, it is given.
    pub(super) fn repeat(&mut self, piece: Piece<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        let Phase::Repeated(run) = &mut self.phase else { return };
        let (given, scratch) = (&mut self.given, &mut self.scratch);
        let step = match piece {
            Piece::Text { choice, text } | Piece::Refusal { choice, text } | Piece::Reasoning { choice, text } => {
                match given.kind_of(&piece) {
                    Some(Kind::Reasoning) if thinks_unseen(given, choice) => return,
                    Some(kind) if !text.is_empty() => run.text(given, (choice, kind), text, scratch),
                    _ => return,
                }
            }
            Piece::Call { choice, index, id, name, signature } if given.shows_calls() => {
                let (id, name) = (id.decode(), name.decode());
                let is_it = |next: &Stretch| next.kind == Kind::Call(index) && next.name == name.as_bytes();
                if run.next(given, choice, is_it).is_some() {
                    Step::Same
                } else if given.stretches.iter().all(|one| one.choice != choice || one.begun)
                    && !is_inside_text(given, choice)
                    && !given.is_finished(choice)
                {
                    let signature = signature.map(|signature| signature.decode().into_owned());
                    run.wait(Waiting::Call { choice, index, id: id.into_owned(), name: name.into_owned(), signature })
                } else {
                    Step::Different
                }
            }
            Piece::Arguments { choice, index, text } if given.shows_calls() => {
                if run.waits((choice, index)) {
                    run.wait(Waiting::Arguments { choice, index, text: text.decode().into_owned() })
                } else {
                    run.arguments(given, (choice, index), text, scratch)
                }
            }
            Piece::Finish { choice, reason, said } => match run.ends(given, choice) {
                false => Step::Different,
                true if run.is_done() => {
                    self.catch_up(on);
                    return self.give(piece, on);
                }
                true => run.wait(Waiting::Finish { choice, reason, said: said.decode().into_owned() }),
            },
            // They cannot wait for the other choices.
            Piece::Signature { .. } | Piece::Redacted { .. } | Piece::Logprobs { .. }
                if given.has_several_choices() =>
            {
                Step::Different
            }
            // A signature is its maker's: what was signed was given already.
            _ => return,
        };
        self.settle(step, piece, on);
    }

    fn settle(&mut self, step: Step, piece: Piece<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        let Phase::Repeated(run) = &mut self.phase else { return };
        let done = run.is_done();
        match (step, piece) {
            (Step::Different, _) => self.phase = Phase::Diverged,
            (Step::Same, _) if done => self.catch_up(on),
            (Step::Same, _) => {}
            // Of a choice that had come to its end there is no more.
            (Step::More(_), piece) if choice_of(&piece).is_none_or(|choice| self.given.is_finished(choice)) => {
                self.phase = Phase::Diverged;
            }
            (Step::More(from), piece) if done => {
                self.catch_up(on);
                let scratch = std::mem::take(&mut self.scratch);
                let rest = String::from_utf8_lossy(scratch.get(from..).unwrap_or_default());
                self.give(with_text(piece, Text::Plain(&rest)), on);
                self.scratch = scratch;
            }
            (Step::More(from), piece) => {
                let text = String::from_utf8_lossy(self.scratch.get(from..).unwrap_or_default()).into_owned();
                let waiting = match piece {
                    Piece::Arguments { choice, index, .. } => Some(Waiting::Arguments { choice, index, text }),
                    // More text where something else had come is another answer; where others are behind, it waits.
                    Piece::Text { choice, .. } | Piece::Refusal { choice, .. } | Piece::Reasoning { choice, .. }
                        if is_repeated(&self.given, choice) =>
                    {
                        self.given.kind_of(&piece).map(|kind| Waiting::Text { choice, kind, text })
                    }
                    _ => None,
                };
                if !matches!(waiting.map(|waiting| run.wait(waiting)), Some(Step::Same)) {
                    self.phase = Phase::Diverged;
                }
            }
        }
    }

    /// All was said again: what waited is given.
    fn catch_up(&mut self, on: &mut dyn FnMut(Piece<'_>)) {
        let Phase::Repeated(run) = std::mem::replace(&mut self.phase, Phase::Through) else { return };
        self.signed_again = self.signed;
        for waiting in &run.waiting {
            let piece = match waiting {
                Waiting::Text { choice, kind, text } => {
                    let (choice, text) = (*choice, Text::Plain(text));
                    match kind {
                        Kind::Reasoning => Piece::Reasoning { choice, text },
                        Kind::Refusal => Piece::Refusal { choice, text },
                        _ => Piece::Text { choice, text },
                    }
                }
                Waiting::Call { choice, index, id, name, signature } => Piece::Call {
                    choice: *choice,
                    index: *index,
                    id: Text::Plain(id),
                    name: Text::Plain(name),
                    signature: signature.as_deref().map(Text::Plain),
                },
                Waiting::Arguments { choice, index, text } => {
                    Piece::Arguments { choice: *choice, index: *index, text: Text::Plain(text) }
                }
                Waiting::Finish { choice, reason, said } => {
                    Piece::Finish { choice: *choice, reason: *reason, said: Text::Plain(said) }
                }
            };
            self.give(piece, on);
        }
    }
}

/// Whose text or arguments these are.
fn choice_of(piece: &Piece<'_>) -> Option<u32> {
    match *piece {
        Piece::Text { choice, .. } | Piece::Refusal { choice, .. } => Some(choice),
        Piece::Reasoning { choice, .. } | Piece::Arguments { choice, .. } => Some(choice),
        _ => None,
    }
}

/// The piece with another text.
fn with_text<'a>(piece: Piece<'a>, text: Text<'a>) -> Piece<'a> {
    match piece {
        Piece::Refusal { choice, .. } => Piece::Refusal { choice, text },
        Piece::Reasoning { choice, .. } => Piece::Reasoning { choice, text },
        Piece::Arguments { choice, index, .. } => Piece::Arguments { choice, index, text },
        Piece::Text { choice, .. } => Piece::Text { choice, text },
        piece => piece,
    }
}
