//! A provider's answer -> pieces.

use crate::dialect::common::{Piece, Request};
use crate::sse::Event;

/// One per attempt.
pub struct AnswerIn {}

impl AnswerIn {
    pub fn new(_request: &Request, _model: &str) -> Self {
        Self {}
    }

    /// One event of a stream.
    pub fn event(&mut self, _event: &Event<'_>, _emit: &mut dyn FnMut(Piece<'_>)) {}

    /// The whole body of a unary 2xx answer.
    pub fn body(&mut self, _body: &[u8], _emit: &mut dyn FnMut(Piece<'_>)) {}
}
