//! Stream rescue: an answer that broke off after bytes reached the client is carried on by another attempt, so that the
//! client reads one unbroken answer, and a true one. What was given is remembered here; a new attempt either goes on from
//! it, or begins again and is held back until it has said the same, byte for byte. Nothing is ever made up: what cannot
//! be carried on is not, and the data plane ends the stream with an error then. That is what no [`Piece`] tells (sources,
//! images, sound, a server's tools), what is too long to be remembered, and of several choices what cannot wait for the
//! others (log probabilities, signed thinking).
//!
//! Part of a [`Translation`], which the data plane drives: `track` at the start, `event` or `follow` for each event,
//! `continue_body` and `resume` when the stream has failed. Translations that nobody tracks pay one branch per piece.

mod continued;
mod follow;
mod given;
mod prefill;
mod repeated;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::common::{Lost, Piece};
use super::halves::Halves;
use super::translate::{Reads, Writes};
use super::{To, Translation, Wire};
use crate::sse::Event;
use continued::Beginning;
pub(super) use follow::Followed;
use given::Given;
pub use prefill::{Prefill, prefill};
use repeated::Repetition;

/// How the next attempt carries the answer on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resume {
    /// It was asked with [`Translation::continue_body`] and says only what is missing.
    Continue,
    /// It was asked the same again and says everything.
    Restart,
}

/// What is kept of a tracked answer.
pub(super) struct Rescue {
    given: Given,
    phase: Phase,
    /// What the next continuation may say although it was given.
    beginning: Beginning,
    /// The text of the piece that is looked at.
    scratch: Vec<u8>,
    /// What a followed event would have looked like.
    discarded: Vec<u8>,
    /// The client is in the middle of something that the pieces have not told.
    halfway: bool,
    /// The client has a signature of the thinking that was given last.
    signed: bool,
    /// And it may come again.
    signed_again: bool,
}

enum Phase {
    /// What comes is given to the client.
    Through,
    /// A continuation: its beginning may have to be cut.
    Continued,
    /// A second run, up to where the first one was.
    Repeated(Repetition),
    /// A second run that says something else, or a continuation that began anew.
    Diverged,
}

impl Rescue {
    fn new(writes: &Writes, choices: u32) -> Self {
        Self {
            given: Given::new(writes.shows(), choices),
            phase: Phase::Through,
            beginning: Beginning::default(),
            scratch: Vec::new(),
            discarded: Vec::new(),
            halfway: false,
            signed: false,
            signed_again: false,
        }
    }

    /// Takes a piece of the answer and hands on what the client gets for it.
    #[inline]
    pub(super) fn pass(&mut self, piece: Piece<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        match self.phase {
            Phase::Through => self.give(piece, on),
            Phase::Continued => self.begin(piece, on),
            Phase::Repeated(_) => self.repeat(piece, on),
            Phase::Diverged => {}
        }
    }

    /// Gives a piece to the client.
    #[inline]
    fn give(&mut self, piece: Piece<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        match piece {
            // The client's answer began with the first attempt.
            Piece::Start { .. } if self.given.started => return,
            Piece::Signature { .. } if self.signed_again => return,
            _ => {}
        }
        self.note(&piece);
        on(piece);
    }

    #[inline]
    fn note(&mut self, piece: &Piece<'_>) {
        if self.given.note(piece) {
            self.signed = matches!(piece, Piece::Signature { .. });
            self.signed_again = false;
        }
    }
}

impl Translation {
    /// Remembers from now on what the client is given, so that another attempt may carry it on. Called before the first
    /// event.
    pub fn track(&mut self) {
        self.rescue = Some(Box::new(Rescue::new(&self.writes, self.request.choices.unwrap_or(1))));
    }

    /// One event that the client got as it came, since it speaks the provider's dialect: brings the writer to where the
    /// client's reader is now, and writes nothing.
    pub fn follow(&mut self, event: &Event<'_>) {
        let Self { reads, writes, seen, halves, error, rescue, .. } = self;
        let Some(rescue) = rescue.as_deref_mut().filter(|rescue| !rescue.given.is_lost()) else { return };
        let written = writes.follow(event);
        reads.event(event, &mut |piece| match piece {
            Piece::Error { message } => *error = Some(message.decode().into_owned()),
            piece => {
                rescue.note(&piece);
                let discarded = &mut rescue.discarded;
                halves.join(piece, &mut |piece| writes.followed(seen.correct(piece), discarded));
            }
        });
        rescue.discarded.clear();
        let followed = written.max(reads.followed());
        rescue.halfway = followed == Followed::Halfway;
        if followed == Followed::Lost {
            rescue.given.lose();
        }
    }

    /// Whether what the client was given can be carried on: it is remembered whole, and not finished. Of an answer that is
    /// finished only the usage and the terminator can be missing, which [`Translation::end`] writes.
    pub fn rescuable(&self) -> bool {
        let Some(rescue) = &self.rescue else { return false };
        // Of an attempt that is held back, nothing counts.
        let finished = matches!(rescue.phase, Phase::Through) && self.reads.knows_finish();
        !finished && !rescue.halfway && rescue.given.is_open()
    }

    /// Whether the client has any of the answer: text, thinking, a refusal or a call.
    #[cfg(test)]
    pub fn delivered_anything(&self) -> bool {
        self.rescue.as_ref().is_some_and(|rescue| !rescue.given.is_empty())
    }

    /// The body with which `to` goes on from what was given, or `None`: the model cannot, or what was given or asked
    /// for forbids it. `face_body`: the client's own. What the wire has no place for is in `lost`, as for any request.
    pub fn continue_body(&mut self, face_body: &Value, wire: Wire, to: &To<'_>, lost: &mut Lost) -> Option<Value> {
        let way = prefill(to.kind, wire, to.model)?;
        if !self.rescuable() {
            return None;
        }
        let rescue = self.rescue.as_deref_mut()?;
        let given = rescue.given.only_text()?;
        let body = continued::body(&self.request, self.face, face_body, given, (wire, to, way), lost)?;
        rescue.beginning = Beginning::of(given, way);
        Some(body)
    }

    /// The next attempt begins: from now on `event` reads `wire`. [`Resume::Continue`]: it was asked with the body that
    /// `continue_body` made last.
    pub fn resume(&mut self, wire: Wire, model: &str, how: Resume) {
        self.wire = wire;
        self.reads = Reads::new(wire, &self.request, model);
        self.halves = Halves::default();
        self.seen.again();
        self.error = None;
        let Some(rescue) = self.rescue.as_deref_mut() else { return };
        rescue.phase = match how {
            Resume::Continue => Phase::Continued,
            Resume::Restart if rescue.given.is_empty() => Phase::Through,
            Resume::Restart => Phase::Repeated(Repetition::of(&mut rescue.given)),
        };
    }

    /// Whether what comes now is the client's: true but while it is not known yet that a new attempt fits what was given.
    pub fn caught_up(&self) -> bool {
        self.rescue.as_ref().is_none_or(|rescue| matches!(rescue.phase, Phase::Through))
    }

    /// The new attempt says something else than the client was given. Nothing of it is passed on: the caller ends it.
    pub fn diverged(&self) -> bool {
        self.rescue.as_ref().is_some_and(|rescue| matches!(rescue.phase, Phase::Diverged))
    }
}
