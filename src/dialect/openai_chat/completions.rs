//! The completions face (`/v1/completions`) for providers that only chat: the prompt becomes one user message.

use serde_json::Value;

use crate::dialect::About;
use crate::dialect::common::{Answer, Invalid, Lost, Piece, Request};
use crate::meter::Usage;

pub fn read_request(_body: &Value, _lost: &mut Lost) -> Result<Request, Invalid> {
    Ok(Request::default())
}

/// Writes a stream. One per attempt.
pub struct AnswerOut {}

impl AnswerOut {
    pub fn new(_request: &Request, _about: &About) -> Self {
        Self {}
    }

    pub fn piece(&mut self, _piece: Piece<'_>, _out: &mut Vec<u8>) {}

    pub fn end(&mut self, _usage: &Usage, _out: &mut Vec<u8>) {}
}

pub fn write_answer(_request: &Request, _about: &About, _answer: &Answer, _usage: &Usage, _out: &mut Vec<u8>) {}
