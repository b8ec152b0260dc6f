//! How long a body is and whether the connection lives on: the fields two parsers must never read differently.

use super::lines::{is_token, members};
use super::name::Name;

/// How the body of a request is framed (RFC 9112 6.3). A request without either field has none (rule 10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestBody {
    None,
    Length(u64),
    Chunked,
}

/// How the body of a response is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseBody {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// 1*DIGIT, at most 19 of them, so it fits (rule 9): no sign, space, underscore, list or other base.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |length, byte| match byte {
        b'0'..=b'9' => length.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// What the members of all Transfer-Encoding lines, in order, amount to (rule 8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TransferCoding {
    /// No such field.
    Absent,
    /// Exactly one member, `chunked`.
    Chunked,
    /// Well formed, but with a coding we do not decode.
    Unsupported,
    /// An empty member, a parameter on `chunked`, or `chunked` anywhere but once at the end.
    Malformed,
}

impl TransferCoding {
    /// Takes in another line.
    pub fn and(self, value: &[u8]) -> TransferCoding {
        members(value).fold(self, TransferCoding::and_member)
    }

    fn and_member(self, member: &[u8]) -> TransferCoding {
        let coding = member.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next().unwrap_or_default();
        let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        match self {
            _ if !is_token(coding) => TransferCoding::Malformed,
            _ if is_chunked && coding.len() != member.len() => TransferCoding::Malformed,
            TransferCoding::Malformed | TransferCoding::Chunked => TransferCoding::Malformed,
            TransferCoding::Absent if is_chunked => TransferCoding::Chunked,
            // `gzip, chunked` and `gzip` alike: nothing here decodes gzip.
            TransferCoding::Absent | TransferCoding::Unsupported => TransferCoding::Unsupported,
        }
    }
}

/// What the Connection lines say.
#[derive(Clone, Copy, Default)]
pub(super) struct Connection {
    close: bool,
    keep_alive: bool,
    options: usize,
    /// It names a field the gateway acts on, which a request must not do (rule 13).
    pub names_protected: bool,
}

/// Every option is looked for among the fields when they are forwarded, so their number is bounded.
const CONNECTION_OPTIONS_MAX: usize = 32;

/// An option that is not a token, or too many of them.
pub(super) struct BadConnection;

impl Connection {
    /// Takes in another line. Empty members are skipped, as RFC 9110 5.6.1 asks.
    pub fn add(&mut self, value: &[u8]) -> Result<(), BadConnection> {
        for option in members(value).filter(|option| !option.is_empty()) {
            self.options += 1;
            if self.options > CONNECTION_OPTIONS_MAX || !is_token(option) {
                return Err(BadConnection);
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else {
                self.names_protected |= !Name::of(option).may_be_connection_option();
            }
        }
        Ok(())
    }

    /// RFC 9112 9.3.
    pub fn keep_alive(&self, http10: bool) -> bool {
        !self.close && (!http10 || self.keep_alive)
    }
}
