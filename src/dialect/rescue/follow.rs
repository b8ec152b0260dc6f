//! Following: a writer is brought to where the client's reader is, by the events that the client got from its provider.

use super::given::Shows;
use crate::dialect::common::Piece;
use crate::dialect::translate::{Reads, Writes};
use crate::sse::Event;

/// How far a writer, or the pieces, can tell what the client got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::dialect) enum Followed {
    Whole,
    /// The client is in the middle of something that will be told when it is whole.
    Halfway,
    /// It got what no other attempt can go on from: a server's tool, an image, sound.
    Lost,
}

impl Writes {
    pub(super) fn shows(&self) -> Shows {
        match self {
            Writes::Chat(_) | Writes::Responses(_) => Shows { reasoning: true, calls: true, refusals: true },
            Writes::Completions(_) => Shows { reasoning: false, calls: false, refusals: false },
            Writes::Messages(writes) => Shows { reasoning: writes.shows_thinking(), calls: true, refusals: false },
            Writes::Gemini(writes) => Shows { reasoning: writes.shows_thoughts(), calls: true, refusals: false },
        }
    }

    /// Takes what an event says that its pieces do not: ids, indices, what is open.
    pub(super) fn follow(&mut self, event: &Event<'_>) -> Followed {
        match self {
            Writes::Chat(writes) => writes.follow(event),
            Writes::Completions(writes) => writes.follow(event),
            Writes::Responses(writes) => return writes.follow(event),
            Writes::Messages(writes) => return writes.follow(event),
            Writes::Gemini(writes) => writes.follow(),
        }
        Followed::Whole
    }

    /// Takes a piece of an event that was followed. What it would look like is written to `discarded`.
    pub(super) fn followed(&mut self, piece: Piece<'_>, discarded: &mut Vec<u8>) {
        discarded.clear();
        match self {
            Writes::Chat(writes) => writes.followed(piece, discarded),
            Writes::Completions(writes) => writes.followed(piece, discarded),
            Writes::Gemini(writes) => writes.followed(piece, discarded),
            // Their events say all.
            Writes::Responses(_) | Writes::Messages(_) => {}
        }
    }
}

impl Reads {
    pub(super) fn followed(&self) -> Followed {
        match self {
            Reads::Chat(reads) if reads.left_out() => Followed::Lost,
            Reads::Gemini(reads) => reads.followed(),
            _ => Followed::Whole,
        }
    }

    /// The provider said why the answer ends, and that was not told yet.
    pub(super) fn knows_finish(&self) -> bool {
        matches!(self, Reads::Messages(reads) if reads.knows_finish())
    }
}
