//! What we send: heads rebuilt line by line, bodies framed anew. No byte of a peer's framing is ever passed on
//! (rule 12), and no value of ours can end a line (rule 24).

use std::ops::Deref;

use super::lines::{is_token, is_value, members};
use super::{Field, Name};

/// Ends the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// Ends a chunked body. Only for a body that was received to its end: a truncated one must look truncated.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// `HEX CRLF`, the line in front of the data of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; 18],
    start: u8,
}

/// The line in front of `len` bytes of data. An empty chunk would end the body, so for 0 there is no such line: write
/// nothing then.
pub fn chunk_head(len: usize) -> ChunkHead {
    let mut bytes = [0u8; 18];
    let mut start = bytes.len();
    let mut left = len as u64;
    let mut put = |byte| {
        start -= 1;
        bytes[start] = byte;
    };
    if len > 0 {
        put(b'\n');
        put(b'\r');
    }
    while left > 0 {
        put(b"0123456789abcdef"[(left & 15) as usize]);
        left >>= 4;
    }
    ChunkHead { bytes, start: start as u8 }
}

impl Deref for ChunkHead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start as usize..).unwrap_or_default()
    }
}

impl AsRef<[u8]> for ChunkHead {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Appends the end-to-end fields of a head to `out` as `name: value CRLF`. Left out are hop-by-hop fields, Proxy-* and
/// those named by Connection (rule 13), the fields that frame the message (Content-Length, Transfer-Encoding, Expect,
/// Host, Trailer), names with an underscore (rule 17), and every field for which `drop` says true.
pub fn forward_fields(fields: &[Field], buf: &[u8], out: &mut Vec<u8>, drop: impl Fn(&Field, &[u8]) -> bool) {
    let has_options = fields.iter().any(|field| field.name == Name::Connection && names_fields(field.value.of(buf)));
    out.reserve(fields.iter().map(|field| field.name_span.len() + field.value.len() + 4).sum());
    for field in fields {
        let name = field.name_span.of(buf);
        if field.name.is_ours_to_write()
            || (!field.name.is_exactly_known() && is_never_forwarded(name))
            || (has_options && is_connection_option(fields, buf, name))
            || drop(field, buf)
        {
            continue;
        }
        if let Some(line) = canonical_line(field, buf) {
            out.extend_from_slice(line);
            continue;
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value.of(buf));
        out.extend_from_slice(b"\r\n");
    }
}

/// The field's own line, where it already stands the way we write it: nearly always.
#[inline]
fn canonical_line<'a>(field: &Field, buf: &'a [u8]) -> Option<&'a [u8]> {
    let line = buf.get(field.name_span.start as usize..(field.value.end as usize).checked_add(2)?)?;
    let before_value = line.get(field.name_span.len()..line.len().checked_sub(field.value.len() + 2)?)?;
    (before_value == b": " && line.ends_with(b"\r\n")).then_some(line)
}

/// A CGI-style receiver reads `x_api_key` and `x-api-key` as the same name.
fn is_never_forwarded(name: &[u8]) -> bool {
    name.contains(&b'_') || name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"proxy-"))
}

fn names_fields(connection: &[u8]) -> bool {
    members(connection)
        .any(|option| !option.eq_ignore_ascii_case(b"keep-alive") && !option.eq_ignore_ascii_case(b"close"))
}

fn is_connection_option(fields: &[Field], buf: &[u8], name: &[u8]) -> bool {
    fields
        .iter()
        .filter(|field| field.name == Name::Connection)
        .any(|field| members(field.value.of(buf)).any(|option| option.eq_ignore_ascii_case(name)))
}

/// Appends `name: value CRLF` and says true, or appends nothing and says false where the name is not a token or the
/// value has CR, LF, NUL or another control byte.
pub fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) -> bool {
    if !is_token(name.as_bytes()) || !is_value(value) {
        return false;
    }
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    true
}

/// Appends `HTTP/1.1 status reason CRLF`, with the standard reason for known codes and none for others. A number that
/// is no status code becomes 500.
pub fn write_status_line(out: &mut Vec<u8>, status: u16) {
    let status = if (100..=599).contains(&status) { status } else { 500 };
    let digit = |unit: u16| b'0' + (status / unit % 10) as u8;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 15, RFC 6585, and 529 as Anthropic uses it.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        529 => "Overloaded",
        _ => "",
    }
}
