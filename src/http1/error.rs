//! Why bytes were refused. None of these holds a byte of the peer, so all of them can be logged.

use std::fmt;

/// A refused request head: answer with `status` and close, the rest of that connection means nothing any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadError {
    pub status: u16,
    /// Stable, snake_case.
    pub code: &'static str,
    /// One sentence saying what was expected.
    pub message: &'static str,
}

impl HeadError {
    pub(super) const fn new(status: u16, code: &'static str, message: &'static str) -> HeadError {
        HeadError { status, code, message }
    }

    pub(super) const fn bad(code: &'static str, message: &'static str) -> HeadError {
        HeadError::new(400, code, message)
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl std::error::Error for HeadError {}

/// A malformed answer of an upstream: its connection is closed, and the client gets 502 where its head is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseError {
    /// The head as a whole is larger than its limit.
    HeadTooLarge,
    TooManyFields,
    StatusLine,
    /// Says what was expected of the field section.
    Field(&'static str),
    ContentLength,
    TransferEncoding,
    /// A 101 that nobody asked for: Upgrade is never forwarded (rules 14 and 23).
    UnaskedUpgrade,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResponseError::HeadTooLarge => "The response head is larger than the limit.",
            ResponseError::TooManyFields => "The response has more header fields than the limit.",
            ResponseError::StatusLine => "The response does not start with a valid HTTP/1.x status line.",
            ResponseError::Field(expected) => expected,
            ResponseError::ContentLength => "Content-Length of the response is not one decimal number.",
            ResponseError::TransferEncoding => "Transfer-Encoding of the response is not exactly chunked.",
            ResponseError::UnaskedUpgrade => "The response switches protocols, which was not asked for.",
        })
    }
}

impl std::error::Error for ResponseError {}

/// Why a body ended before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyError {
    ChunkSize,
    ChunkExtension,
    ChunkExtensionTooLarge,
    ChunkEnd,
    Trailer,
    TrailerTooLarge,
    /// The peer closed before the end of the body.
    Truncated,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyError::ChunkSize => "A chunk does not start with 1 to 16 hexadecimal digits and CRLF.",
            BodyError::ChunkExtension => "A chunk extension is not ;name or ;name=value ended by CRLF.",
            BodyError::ChunkExtensionTooLarge => "The chunk extensions are larger than the limit.",
            BodyError::ChunkEnd => "The data of a chunk is not followed by CRLF.",
            BodyError::Trailer => "A trailer line is not a header field ended by CRLF.",
            BodyError::TrailerTooLarge => "The trailers are larger than the limit.",
            BodyError::Truncated => "The connection was closed before the end of the body.",
        })
    }
}

impl std::error::Error for BodyError {}
