//! Response heads of upstreams. More patient than requests only where RFC 9112 lets the recipient of a response be:
//! - whitespace between name and colon is taken out (5.1 asks a proxy to);
//! - a status line without the space before an empty reason is read (4 lets trailing whitespace be ignored);
//! - Content-Length repeated with the same value counts once (6.3 rule 5);
//! - Content-Length beside Transfer-Encoding loses, and the connection is not used again (6.3 rule 3).
//!
//! Bare LF and folded lines are refused: the RFC allows either choice, and no provider sends them.

use super::field::{BARE_LF, Sender, find, parse_fields};
use super::framing::{Connection, TransferCoding, content_length};
use super::lines::{BareLf, Lines, is_value, members};
use super::{Field, HeadLimits, Method, Name, ResponseBody, ResponseError, Span};

/// A response head. Spans point into the buffer it was parsed from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResponseHead {
    /// 100 to 599. Below 200 it is interim: another head follows it.
    pub status: u16,
    pub fields: Vec<Field>,
    pub body: ResponseBody,
    /// The connection may carry another request once the body ended.
    pub keep_alive: bool,
    /// Where the body, or after an interim response the next head, starts.
    pub head_bytes: usize,
}

impl ResponseHead {
    /// The first field of that name.
    pub fn find(&self, name: Name) -> Option<&Field> {
        find(&self.fields, name)
    }

    pub fn value<'a>(&self, name: Name, buf: &'a [u8]) -> Option<&'a [u8]> {
        self.find(name).map(|field| field.value.of(buf))
    }
}

const BAD_CONNECTION: &str = "Connection must be a list of at most 32 tokens.";

/// Parses the head at the front of `buf`, the answer to a request of `request_method`. None: it needs more bytes.
/// Interim responses are heads of their own, for the caller to count and skip; 101 is an error, for nothing here asks
/// to switch protocols.
pub fn parse_response(
    buf: &[u8],
    request_method: Method,
    limits: &HeadLimits,
) -> Result<Option<ResponseHead>, ResponseError> {
    let mut lines = Lines::new(buf, limits);
    let Some(line) = lines.next()? else {
        let is_too_long = lines.rest().len() > limits.line_bytes_max.saturating_add(1);
        return if lines.is_full || is_too_long { Err(ResponseError::HeadTooLarge) } else { Ok(None) };
    };
    if line.len() > limits.line_bytes_max {
        return Err(ResponseError::HeadTooLarge);
    }
    let (status, http10) = parse_line(line, lines.window)?;
    let Some(fields) = parse_fields(&mut lines, limits, Sender::Upstream)? else { return Ok(None) };
    let facts = Facts::of(&fields, lines.window)?;
    let (body, is_reusable) = facts.body(status, http10, request_method)?;
    let keep_alive = is_reusable && facts.connection.keep_alive(http10);
    Ok(Some(ResponseHead { status, fields, body, keep_alive, head_bytes: lines.at }))
}

/// `HTTP/1.x SP 3DIGIT [SP reason]`; the reason is dropped (rule 24).
fn parse_line(line: Span, buf: &[u8]) -> Result<(u16, bool), ResponseError> {
    let (version, rest) = line.of(buf).split_at_checked(9).ok_or(ResponseError::StatusLine)?;
    let http10 = match version {
        b"HTTP/1.1 " => false,
        b"HTTP/1.0 " => true,
        _ => return Err(ResponseError::StatusLine),
    };
    let (code, reason) = rest.split_at_checked(3).ok_or(ResponseError::StatusLine)?;
    let [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] = code else { return Err(ResponseError::StatusLine) };
    if !matches!(reason, [] | [b' ', ..]) || !is_value(reason) {
        return Err(ResponseError::StatusLine);
    }
    let digit = |byte: &u8| u16::from(byte - b'0');
    match digit(a) * 100 + digit(b) * 10 + digit(c) {
        101 => Err(ResponseError::UnaskedUpgrade),
        status => Ok((status, http10)),
    }
}

struct Facts {
    length: Option<u64>,
    coding: TransferCoding,
    connection: Connection,
}

impl Facts {
    fn of(fields: &[Field], buf: &[u8]) -> Result<Facts, ResponseError> {
        let mut facts = Facts { length: None, coding: TransferCoding::Absent, connection: Connection::default() };
        for field in fields {
            let value = field.value.of(buf);
            match field.name {
                Name::ContentLength => facts.take_length(value)?,
                Name::TransferEncoding => facts.coding = facts.coding.and(value),
                Name::Connection => facts.connection.add(value).map_err(|_| ResponseError::Field(BAD_CONNECTION))?,
                _ => {}
            }
        }
        Ok(facts)
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        for member in members(value) {
            let length = content_length(member).ok_or(ResponseError::ContentLength)?;
            if *self.length.get_or_insert(length) != length {
                return Err(ResponseError::ContentLength);
            }
        }
        Ok(())
    }

    /// RFC 9112 6.3, and whether the end of the body is certain enough to use the connection again.
    fn body(&self, status: u16, http10: bool, method: Method) -> Result<(ResponseBody, bool), ResponseError> {
        if method == Method::Head || status == 304 {
            return Ok((ResponseBody::None, true));
        }
        if matches!(status, 100..=199 | 204) {
            // Such a response must not announce a body; one that does may well send it (queue poisoning).
            let announces = self.coding != TransferCoding::Absent || self.length.is_some_and(|length| length > 0);
            return Ok((ResponseBody::None, !announces));
        }
        Ok(match (self.coding, self.length) {
            (TransferCoding::Malformed | TransferCoding::Unsupported, _) => {
                return Err(ResponseError::TransferEncoding);
            }
            // On HTTP/1.0 the field is a sign of faulty framing: process, then close (RFC 9112 6.1).
            (TransferCoding::Chunked, length) => (ResponseBody::Chunked, length.is_none() && !http10),
            (TransferCoding::Absent, Some(length)) => (ResponseBody::Length(length), true),
            (TransferCoding::Absent, None) => (ResponseBody::UntilClose, false),
        })
    }
}

impl From<BareLf> for ResponseError {
    fn from(_: BareLf) -> ResponseError {
        ResponseError::Field(BARE_LF)
    }
}
