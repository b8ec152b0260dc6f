//! Request heads. Stricter than RFC 9112 wherever it leaves a choice; the rules are those of `tests/requests.rs`.

use super::field::{BARE_LF, FieldFault, Sender, find, parse_fields};
use super::framing::{Connection, TransferCoding, content_length};
use super::lines::{BareLf, Lines, is_token_byte};
use super::target::{Target, check_authority, parse_target};
use super::{Field, HeadError, HeadLimits, Name, RequestBody, Span};

/// The methods the gateway tells apart. Case matters (RFC 9110 9.1): `get` is [`Method::Other`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Other,
}

impl Method {
    fn of(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"PATCH" => Method::Patch,
            b"DELETE" => Method::Delete,
            b"OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }

    /// A body on one of these is a smuggling attempt far more often than a request (rule 10).
    fn takes_no_body(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Delete | Method::Options)
    }
}

/// A request head that passed every rule. Spans point into the buffer it was parsed from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestHead {
    pub method: Method,
    pub method_span: Span,
    /// Path only, of an origin-form or absolute-form target; `*` for `OPTIONS *`.
    pub path: Span,
    pub query: Option<Span>,
    /// The authority of an absolute-form target, else the value of Host. Empty only on HTTP/1.0.
    pub authority: Span,
    pub http10: bool,
    pub fields: Vec<Field>,
    /// `Length(0)` where the client said so, `None` where it said nothing.
    pub body: RequestBody,
    /// The client lets the connection live on after this request.
    pub keep_alive: bool,
    /// A body comes only after we send `100 Continue`.
    pub expect_continue: bool,
    /// Where the body starts.
    pub head_bytes: usize,
}

impl RequestHead {
    /// The first field of that name.
    pub fn find(&self, name: Name) -> Option<&Field> {
        find(&self.fields, name)
    }

    pub fn value<'a>(&self, name: Name, buf: &'a [u8]) -> Option<&'a [u8]> {
        self.find(name).map(|field| field.value.of(buf))
    }
}

const REQUEST_LINE: HeadError = HeadError::bad(
    "invalid_request_line",
    "The request must start with a method, a target and HTTP/1.1, separated by single spaces.",
);
const VERSION: HeadError =
    HeadError::new(505, "version_not_supported", "The version of the request must be HTTP/1.1 or HTTP/1.0.");
const URI_TOO_LONG: HeadError =
    HeadError::new(414, "uri_too_long", "The request line must be shorter than the configured limit.");
const NO_HOST: HeadError = HeadError::bad("invalid_host", "The request must have a Host header.");
const BAD_LENGTH: HeadError =
    HeadError::bad("invalid_content_length", "Content-Length must be one decimal number of at most 19 digits.");
const BAD_CODING: HeadError =
    HeadError::bad("invalid_transfer_encoding", "Transfer-Encoding must be chunked, once and without parameters.");
const UNSUPPORTED_CODING: HeadError =
    HeadError::new(501, "unsupported_transfer_encoding", "The only transfer coding understood is chunked.");
const CODING_ON_HTTP10: HeadError =
    HeadError::bad("invalid_transfer_encoding", "A request of HTTP/1.0 must not have Transfer-Encoding.");
const TWO_FRAMINGS: HeadError = HeadError::bad(
    "conflicting_framing",
    "The request must have Content-Length or Transfer-Encoding, but not both of them.",
);
const BODY_NOT_ALLOWED: HeadError =
    HeadError::bad("body_not_allowed", "A GET, HEAD, DELETE or OPTIONS request must not have a body.");
const DUPLICATE: HeadError = HeadError::bad(
    "duplicate_field",
    "Host, Content-Type, Content-Length, Authorization and API key headers must not be repeated.",
);
const BAD_CONNECTION: HeadError =
    HeadError::bad("invalid_connection", "Connection must be a list of at most 32 header names, close or keep-alive.");
const PROTECTED_OPTION: HeadError = HeadError::bad(
    "invalid_connection",
    "Connection must not name a header that frames, authenticates or describes the request.",
);
const EXPECTATION: HeadError =
    HeadError::new(417, "expectation_failed", "The only expectation understood is 100-continue.");

/// Parses the head at the front of `buf`. None: it is valid so far and needs more bytes; call again with the same
/// bytes and more behind them. A head over a limit is refused as soon as that shows.
pub fn parse_request(buf: &[u8], limits: &HeadLimits) -> Result<Option<RequestHead>, HeadError> {
    let mut lines = Lines::new(buf, limits);
    let Some(line) = first_line(&mut lines, limits)? else {
        return if lines.is_full { Err(FieldFault::TooLarge.into()) } else { Ok(None) };
    };
    let start = parse_line(lines.window, line)?;
    let Some(fields) = parse_fields(&mut lines, limits, Sender::Client)? else { return Ok(None) };
    let facts = Facts::of(&fields, lines.window, start.http10)?;
    let body = facts.body(&start)?;
    if facts.connection.names_protected {
        return Err(PROTECTED_OPTION);
    }
    if facts.host.is_none() && !start.http10 {
        return Err(NO_HOST);
    }
    Ok(Some(RequestHead {
        method: start.method,
        method_span: start.method_span,
        path: start.target.path,
        query: start.target.query,
        authority: start.target.authority.or(facts.host).unwrap_or_default(),
        http10: start.http10,
        body,
        keep_alive: facts.connection.keep_alive(start.http10),
        // MUST be ignored on HTTP/1.0, and means nothing without a body (RFC 9110 10.1.1).
        expect_continue: facts.expects_continue
            && !start.http10
            && !matches!(body, RequestBody::None | RequestBody::Length(0)),
        head_bytes: lines.at,
        fields,
    }))
}

/// The request line, after at most one empty line (rule 1).
fn first_line(lines: &mut Lines<'_>, limits: &HeadLimits) -> Result<Option<Span>, HeadError> {
    let mut line = lines.next()?;
    if line.is_some_and(Span::is_empty) {
        line = lines.next()?;
    }
    let Some(line) = line else {
        let part = lines.rest();
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        if part.len() > limits.line_bytes_max {
            return Err(URI_TOO_LONG);
        }
        // What is not HTTP at all, a TLS hello for one, may never send the LF we wait for.
        return if part.iter().all(|byte| (b' '..0x7f).contains(byte)) { Ok(None) } else { Err(REQUEST_LINE) };
    };
    if line.len() > limits.line_bytes_max {
        return Err(URI_TOO_LONG);
    }
    Ok(Some(line))
}

struct RequestLine {
    method: Method,
    method_span: Span,
    target: Target,
    http10: bool,
}

fn parse_line(buf: &[u8], line: Span) -> Result<RequestLine, HeadError> {
    let bytes = line.of(buf);
    let method_len = bytes.iter().position(|byte| !is_token_byte(*byte)).ok_or(REQUEST_LINE)?;
    let (method, rest) = bytes.split_at_checked(method_len).ok_or(REQUEST_LINE)?;
    let [b' ', rest @ ..] = rest else { return Err(REQUEST_LINE) };
    let target_len = memchr::memchr(b' ', rest).ok_or(REQUEST_LINE)?;
    let version = rest.get(target_len + 1..).unwrap_or_default();
    if method.is_empty() || target_len == 0 {
        return Err(REQUEST_LINE);
    }
    let http10 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(VERSION),
        _ => return Err(REQUEST_LINE),
    };
    let start = line.start as usize;
    let target_start = start + method_len + 1;
    let target = Span::new(target_start, target_start + target_len);
    Ok(RequestLine {
        method: Method::of(method),
        method_span: Span::new(start, start + method_len),
        target: parse_target(buf, target, Method::of(method), method)?,
        http10,
    })
}

/// What one pass over the fields tells about framing and connection.
struct Facts {
    host: Option<Span>,
    length: Option<u64>,
    coding: TransferCoding,
    connection: Connection,
    expects_continue: bool,
}

impl Facts {
    fn of(fields: &[Field], buf: &[u8], http10: bool) -> Result<Facts, HeadError> {
        let mut facts = Facts {
            host: None,
            length: None,
            coding: TransferCoding::Absent,
            connection: Connection::default(),
            expects_continue: false,
        };
        let mut seen = 0u64;
        for field in fields {
            let bit = 1u64 << (field.name as u8);
            if seen & bit != 0 && field.name.is_singleton() {
                return Err(DUPLICATE);
            }
            seen |= bit;
            facts.take(field, field.value.of(buf), http10)?;
        }
        Ok(facts)
    }

    fn take(&mut self, field: &Field, value: &[u8], http10: bool) -> Result<(), HeadError> {
        match field.name {
            Name::Host => {
                check_authority(value)?;
                self.host = Some(field.value);
            }
            Name::ContentLength => self.length = Some(content_length(value).ok_or(BAD_LENGTH)?),
            // The peer of an HTTP/1.0 client may not know the field and read another length (RFC 9112 6.1).
            Name::TransferEncoding if http10 => return Err(CODING_ON_HTTP10),
            Name::TransferEncoding => self.coding = self.coding.and(value),
            Name::Connection => self.connection.add(value).map_err(|_| BAD_CONNECTION)?,
            Name::Expect if value.eq_ignore_ascii_case(b"100-continue") => self.expects_continue = true,
            Name::Expect => return Err(EXPECTATION),
            _ => {}
        }
        Ok(())
    }

    fn body(&self, start: &RequestLine) -> Result<RequestBody, HeadError> {
        let body = match (self.coding, self.length) {
            (TransferCoding::Malformed, _) => return Err(BAD_CODING),
            (TransferCoding::Chunked | TransferCoding::Unsupported, Some(_)) => return Err(TWO_FRAMINGS),
            (TransferCoding::Unsupported, None) => return Err(UNSUPPORTED_CODING),
            (TransferCoding::Chunked, None) => RequestBody::Chunked,
            (TransferCoding::Absent, Some(length)) => RequestBody::Length(length),
            (TransferCoding::Absent, None) => RequestBody::None,
        };
        let is_empty = matches!(body, RequestBody::None | RequestBody::Length(0));
        if start.method.takes_no_body() && !is_empty { Err(BODY_NOT_ALLOWED) } else { Ok(body) }
    }
}

impl From<BareLf> for HeadError {
    fn from(_: BareLf) -> HeadError {
        HeadError::bad("invalid_head", BARE_LF)
    }
}
