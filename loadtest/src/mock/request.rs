//! The head of a request, as spans of the buffer it lies in. Strict enough that a gateway's mistakes show as 400.

use std::ops::Range;

pub const HEAD_BYTES_MAX: usize = 64 * 1024;
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const HEADERS_MAX: usize = 96;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(usize),
    Chunked,
}

/// All spans are relative to the first byte of the head.
#[derive(Clone, Debug)]
pub struct Head {
    pub len: usize,
    pub method: Range<usize>,
    pub target: Range<usize>,
    pub framing: Framing,
    pub close: bool,
    pub expect_continue: bool,
    pub scenario: Option<Range<usize>>,
    pub echo: bool,
    pub key: Option<Range<usize>>,
    /// `anthropic-version` was sent: `/models` answers in that dialect.
    pub anthropic: bool,
    pub multipart: bool,
}

/// Why a head is refused: the status to answer and a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub u16, pub &'static str);

/// `None` when the head is not complete yet.
pub fn parse(bytes: &[u8]) -> Result<Option<Head>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES_MAX => return Err(Refused(431, "head too large")),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Refused(400, "malformed head")),
    };
    if request.version != Some(1) {
        return Err(Refused(505, "HTTP/1.1 is spoken here"));
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(Refused(400, "malformed head"));
    };
    let mut head = Head {
        len,
        method: span(bytes, method.as_bytes()),
        target: span(bytes, target.as_bytes()),
        framing: Framing::Length(0),
        close: false,
        expect_continue: false,
        scenario: None,
        echo: false,
        key: None,
        anthropic: false,
        multipart: false,
    };
    let (mut length, mut chunked, mut hosts) = (None, false, 0);
    for header in request.headers.iter() {
        let (name, value) = (header.name, header.value);
        // Lengths first: most headers are none of ours.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => hosts += 1,
            6 if name.eq_ignore_ascii_case("expect") => {
                head.expect_continue = value.eq_ignore_ascii_case(b"100-continue")
            }
            7 if name.eq_ignore_ascii_case("api-key") => head.key = Some(span(bytes, value)),
            9 if name.eq_ignore_ascii_case("x-api-key") => head.key = Some(span(bytes, value)),
            10 if name.eq_ignore_ascii_case("connection") => head.close |= contains(value, b"close"),
            11 if name.eq_ignore_ascii_case("x-mock-echo") => head.echo = value == b"1",
            12 if name.eq_ignore_ascii_case("content-type") => {
                head.multipart = starts_with(value, b"multipart/form-data")
            }
            13 if name.eq_ignore_ascii_case("authorization") => {
                let token = if starts_with(value, b"bearer ") { &value[7..] } else { value };
                head.key = Some(span(bytes, token));
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let stated = decimal(value).ok_or(Refused(400, "malformed Content-Length"))?;
                if length.is_some_and(|l| l != stated) {
                    return Err(Refused(400, "two Content-Lengths"));
                }
                length = Some(stated);
            }
            14 if name.eq_ignore_ascii_case("x-goog-api-key") => head.key = Some(span(bytes, value)),
            15 if name.eq_ignore_ascii_case("x-mock-scenario") => head.scenario = Some(span(bytes, value)),
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refused(400, "unknown Transfer-Encoding"));
                }
                chunked = true;
            }
            17 if name.eq_ignore_ascii_case("anthropic-version") => head.anthropic = true,
            _ => {}
        }
    }
    if hosts != 1 {
        return Err(Refused(400, "exactly one Host is needed"));
    }
    head.framing = match (chunked, length) {
        (true, Some(_)) => return Err(Refused(400, "Content-Length beside Transfer-Encoding")),
        (true, None) => Framing::Chunked,
        (false, Some(n)) if n > BODY_BYTES_MAX => return Err(Refused(413, "body too large")),
        (false, n) => Framing::Length(n.unwrap_or(0)),
    };
    Ok(Some(head))
}

/// Where `part`, which lies in `whole`, begins and ends.
fn span(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

fn decimal(value: &[u8]) -> Option<usize> {
    if value.is_empty() || value.len() > 15 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |n, digit| n * 10 + (digit - b'0') as usize))
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn contains(value: &[u8], token: &[u8]) -> bool {
    value.split(|b| *b == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_point_at_what_was_sent() {
        let wire = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k1\r\ncontent-length: 12\r\nX-Mock-Scenario: 429\r\n\r\nrest";
        let head = parse(wire).expect("well formed").expect("complete");
        assert_eq!(&wire[head.method.clone()], b"POST");
        assert_eq!(&wire[head.target.clone()], b"/v1/x");
        assert_eq!(&wire[head.key.clone().expect("key")], b"k1");
        assert_eq!(&wire[head.scenario.clone().expect("scenario")], b"429");
        assert_eq!(&wire[head.len..], b"rest");
        assert_eq!(head.framing, Framing::Length(12));
        for cut in 0..head.len {
            assert!(parse(&wire[..cut]).expect("no error").is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for headers in [
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +1\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Host: b\r\n",
        ] {
            let wire = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
            assert_eq!(parse(wire.as_bytes()).expect_err(headers).0, 400);
        }
    }
}
