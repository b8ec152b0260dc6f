//! The request target and the authority of a request (RFC 9112 3.2, RFC 3986), checked and cut, never decoded: the
//! request is routed on the very bytes that are forwarded (rule 18).

use std::net::Ipv6Addr;

use memchr::memchr;

use super::lines::byte_table;
use super::{HeadError, Method, Span};

pub(super) struct Target {
    pub path: Span,
    pub query: Option<Span>,
    /// Of an absolute-form target. It replaces Host (RFC 9112 3.2.2).
    pub authority: Option<Span>,
}

/// pchar and `/` (RFC 3986 3.3), and three bytes the URL standard of browsers leaves as they are.
const PATH: [bool; 256] = byte_table(b"-._~!$&'()*+,;=:@/%[]|");
/// The same and what that standard leaves as it is in a query. None of them is a delimiter of a head.
const QUERY: [bool; 256] = byte_table(b"-._~!$&'()*+,;=:@/%[]|?\\^`{}");

const BAD_TARGET: HeadError = HeadError::bad(
    "invalid_target",
    "The request target must be a path with an optional query, in ASCII and without spaces or a fragment.",
);
const BAD_ESCAPE: HeadError = HeadError::bad(
    "invalid_target",
    "Every % in the path must begin an escape of two hexadecimal digits other than %00, %0A and %0D.",
);
const NO_TUNNEL: HeadError =
    HeadError::bad("invalid_target", "The method must not be CONNECT: this is not a forward proxy.");
const BAD_AUTHORITY: HeadError =
    HeadError::bad("invalid_host", "The host must be a name or an IP address with an optional port, and nothing else.");

pub(super) fn parse_target(buf: &[u8], target: Span, method: Method, method_name: &[u8]) -> Result<Target, HeadError> {
    if method_name == b"CONNECT" {
        return Err(NO_TUNNEL);
    }
    match target.of(buf) {
        [b'/', ..] => cut(buf, target, None),
        b"*" if method == Method::Options => Ok(Target { path: target, query: None, authority: None }),
        bytes => absolute(buf, target, bytes),
    }
}

/// `http://authority[/path][?query]`
fn absolute(buf: &[u8], target: Span, bytes: &[u8]) -> Result<Target, HeadError> {
    let starts_with = |scheme: &[u8]| bytes.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let scheme_len = match () {
        () if starts_with(b"http://") => 7,
        () if starts_with(b"https://") => 8,
        () => return Err(BAD_TARGET),
    };
    let rest = bytes.get(scheme_len..).unwrap_or_default();
    let authority_len = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let start = target.start as usize + scheme_len;
    let authority = Span::new(start, start + authority_len);
    check_authority(authority.of(buf))?;
    let path = Span::new(start + authority_len, target.end as usize);
    if matches!(path.of(buf), [b'/', ..]) {
        return cut(buf, path, Some(authority));
    }
    // An empty path is sent on as `/` (RFC 9112 3.2.1); the last byte of the scheme is one to point at.
    let query = cut(buf, path, None)?.query;
    Ok(Target { path: Span::new(start - 1, start), query, authority: Some(authority) })
}

fn cut(buf: &[u8], target: Span, authority: Option<Span>) -> Result<Target, HeadError> {
    let bytes = target.of(buf);
    let (start, end) = (target.start as usize, target.end as usize);
    let path_len = memchr(b'?', bytes).unwrap_or(bytes.len());
    let (path, query) = bytes.split_at_checked(path_len).ok_or(BAD_TARGET)?;
    check_path(path)?;
    if !query.iter().all(|byte| QUERY[*byte as usize]) {
        return Err(BAD_TARGET);
    }
    Ok(Target {
        path: Span::new(start, start + path_len),
        query: (!query.is_empty()).then(|| Span::new(start + path_len + 1, end)),
        authority,
    })
}

fn check_path(path: &[u8]) -> Result<(), HeadError> {
    let mut has_escape = false;
    for byte in path {
        if !PATH[*byte as usize] {
            return Err(BAD_TARGET);
        }
        has_escape |= *byte == b'%';
    }
    if !has_escape {
        return Ok(());
    }
    for escaped in path.split(|byte| *byte == b'%').skip(1) {
        match escaped {
            [b'0', b'0' | b'a' | b'A' | b'd' | b'D', ..] => return Err(BAD_ESCAPE),
            [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return Err(BAD_ESCAPE),
        }
    }
    Ok(())
}

/// `host [":" port]`. Narrower than RFC 3986: no userinfo, no escapes, none of the sub-delims (a comma is what merged
/// Host lines look like), and no zone in an IPv6 address.
pub(super) fn check_authority(authority: &[u8]) -> Result<(), HeadError> {
    const NAME: [bool; 256] = byte_table(b"-._~");
    let port = match authority {
        [b'[', rest @ ..] => {
            let end = memchr(b']', rest).ok_or(BAD_AUTHORITY)?;
            let (address, rest) = rest.split_at_checked(end).ok_or(BAD_AUTHORITY)?;
            let address = std::str::from_utf8(address).map_err(|_| BAD_AUTHORITY)?;
            address.parse::<Ipv6Addr>().map_err(|_| BAD_AUTHORITY)?;
            rest.get(1..).unwrap_or_default()
        }
        _ => {
            let end = memchr(b':', authority).unwrap_or(authority.len());
            let (name, port) = authority.split_at_checked(end).ok_or(BAD_AUTHORITY)?;
            if name.is_empty() || !name.iter().all(|byte| NAME[*byte as usize]) {
                return Err(BAD_AUTHORITY);
            }
            port
        }
    };
    match port {
        [] => Ok(()),
        [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => Ok(()),
        _ => Err(BAD_AUTHORITY),
    }
}
