//! Pieces -> the answer a client of this dialect reads.

use crate::dialect::About;
use crate::dialect::common::{Answer, Piece, Request};
use crate::meter::Usage;

/// Writes a stream. One per attempt.
pub struct AnswerOut {}

impl AnswerOut {
    pub fn new(_request: &Request, _about: &About) -> Self {
        Self {}
    }

    /// Appends the events that this piece makes, complete with their framing; none when it only changes what comes.
    pub fn piece(&mut self, _piece: Piece<'_>, _out: &mut Vec<u8>) {}

    /// Everything came: the last events, usage, and the terminator.
    pub fn end(&mut self, _usage: &Usage, _out: &mut Vec<u8>) {}
}

/// Appends the body of a unary answer.
pub fn write_answer(_request: &Request, _about: &About, _answer: &Answer, _usage: &Usage, _out: &mut Vec<u8>) {}
