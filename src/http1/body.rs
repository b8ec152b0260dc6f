//! Reads a message body out of received bytes, whatever its framing, without keeping any of them: content is handed
//! out as it arrives, so an event inside a huge chunk is not held back until the chunk is complete.

use super::chunked::Chunked;
use super::{BodyError, RequestBody, ResponseBody, Span};

/// Decodes one message body incrementally; holds no bytes.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Done,
    /// Refused; said again on every further call.
    Failed(BodyError),
}

/// What one call of [`BodyDecoder::advance`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advance {
    /// Within `input`; may be empty.
    pub content: Span,
    /// Bytes of `input` that are dealt with; at least up to the end of `content`.
    pub consumed: usize,
    /// The body is complete; what is behind `consumed` is not part of it.
    pub done: bool,
}

impl BodyDecoder {
    pub fn request(body: RequestBody, trailer_bytes_max: usize) -> BodyDecoder {
        BodyDecoder::new(match body {
            RequestBody::None => State::Done,
            RequestBody::Length(length) => State::Length(length),
            RequestBody::Chunked => State::Chunked(Chunked::new(trailer_bytes_max)),
        })
    }

    pub fn response(body: ResponseBody, trailer_bytes_max: usize) -> BodyDecoder {
        BodyDecoder::new(match body {
            ResponseBody::None => State::Done,
            ResponseBody::Length(length) => State::Length(length),
            ResponseBody::Chunked => State::Chunked(Chunked::new(trailer_bytes_max)),
            ResponseBody::UntilClose => State::UntilClose,
        })
    }

    fn new(state: State) -> BodyDecoder {
        BodyDecoder { state: if matches!(state, State::Length(0)) { State::Done } else { state } }
    }

    /// Reads one run of content from the front of `input`. Call again with `input[consumed..]` while `consumed > 0`
    /// and not `done`. Content in front of an error is handed out first, and the error comes with the next call.
    pub fn advance(&mut self, input: &[u8]) -> Result<Advance, BodyError> {
        // Spans hold 32 bits; whoever passes more gets the rest with the next call.
        let input = input.get(..u32::MAX as usize).unwrap_or(input);
        match &mut self.state {
            State::Done => Ok(self.advanced(0, 0, 0)),
            State::Failed(error) => Err(*error),
            State::UntilClose => Ok(self.advanced(0, input.len(), input.len())),
            State::Length(left) => {
                let len = take(left, input.len());
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok(self.advanced(0, len, len))
            }
            State::Chunked(_) => self.advance_chunked(input),
        }
    }

    fn advance_chunked(&mut self, input: &[u8]) -> Result<Advance, BodyError> {
        let State::Chunked(chunked) = &mut self.state else { return Ok(self.advanced(0, 0, 0)) };
        let start = match chunked.read_framing(input) {
            Ok(start) => start,
            Err(error) => {
                self.state = State::Failed(error);
                return Err(error);
            }
        };
        let rest = input.get(start..).unwrap_or_default();
        let end = start + chunked.take_data(rest.len());
        // The framing behind the content in the same go, so that the end of the body shows together with its last byte.
        let mut consumed = end;
        match chunked.read_framing(input.get(end..).unwrap_or_default()) {
            Ok(len) => consumed += len,
            Err(error) => {
                self.state = State::Failed(error);
                return Ok(self.advanced(start, end, end));
            }
        }
        if chunked.is_at_end() {
            self.state = State::Done;
        }
        Ok(self.advanced(start, end, consumed))
    }

    fn advanced(&self, start: usize, end: usize, consumed: usize) -> Advance {
        Advance { content: Span::new(start, end), consumed, done: self.is_done() }
    }

    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The peer closed: Ok only where that ends the body properly (until-close framing, or already done).
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Failed(error) => Err(error),
            State::Length(_) | State::Chunked(_) => {
                self.state = State::Failed(BodyError::Truncated);
                Err(BodyError::Truncated)
            }
        }
    }
}

/// Takes at most `available` bytes off `left`; how many.
pub(super) fn take(left: &mut u64, available: usize) -> usize {
    let taken = (*left).min(available as u64);
    *left -= taken;
    taken as usize
}
