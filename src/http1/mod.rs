//! HTTP/1.1 heads and bodies: strict parsing, framing and re-framing of bytes somebody else reads and writes.
//!
//! Called by the shard for both sides of the proxy: [`parse_request`] for clients, [`parse_response`] for providers,
//! [`BodyDecoder`] for either body, and the functions of `write` for what we send. It must never do I/O, keep a
//! peer's bytes, guess what a malformed message meant, or hand out a body length that two parsers could read
//! differently: what is ambiguous is refused (RFC 9112 section 11.2). The rules of that are numbered; `tests` has a
//! test for each, which says what it demands, and `attacks` a case for each known class of attack.
//!
//! Heads are parsed here and not by httparse, because every place where httparse is lenient (bare LF, several empty
//! lines first, any byte in the target) would need a second pass to refuse; everything accepted here httparse accepts
//! too, and a property test says so.

mod body;
mod chunked;
mod error;
mod field;
mod framing;
mod lines;
mod name;
mod request;
mod response;
mod target;
mod write;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use body::{Advance, BodyDecoder};
pub use error::{BodyError, HeadError, ResponseError};
pub use field::Field;
pub use framing::{RequestBody, ResponseBody};
pub use name::Name;
pub use request::{Method, RequestHead, parse_request};
pub use response::{ResponseHead, parse_response};
pub use write::{CHUNK_END, ChunkHead, LAST_CHUNK, chunk_head, forward_fields, push_field, write_status_line};

/// Byte range in the buffer that was parsed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// Positions come from a window of at most `u32::MAX` bytes, so they fit.
    fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// The bytes, or nothing when `buf` is not the buffer this span was made from.
    pub fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// What a head may cost. Exceeding one is refused as soon as it is seen, before the head is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// The request or status line; fields are bounded by `head_bytes_max` alone.
    pub line_bytes_max: usize,
    /// The whole head with its line ends and the empty line.
    pub head_bytes_max: usize,
    pub fields_max: usize,
}
