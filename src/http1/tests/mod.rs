//! One test per rule against request smuggling that a codec can break, under its number, and what the rules do not say.
//! Rule 25 (loops) and the parts of 14 to 23 that need a connection belong to the shard.

mod bodies;
mod requests;
mod responses;
mod writing;

use super::*;

pub(in crate::http1) const LIMITS: HeadLimits =
    HeadLimits { line_bytes_max: 8192, head_bytes_max: 32 * 1024, fields_max: 100 };

/// The head of a complete request, or the code it is refused with.
pub(in crate::http1) fn request(head: &str) -> Result<RequestHead, (u16, &'static str)> {
    match parse_request(head.as_bytes(), &LIMITS) {
        Ok(Some(head)) => Ok(head),
        Ok(None) => panic!("the head is incomplete"),
        Err(error) => Err((error.status, error.code)),
    }
}

pub(in crate::http1) fn response(head: &str, method: Method) -> Result<ResponseHead, ResponseError> {
    parse_response(head.as_bytes(), method, &LIMITS).map(|head| head.expect("the head is incomplete"))
}

/// Everything a decoder finds in `input`: the content, and where it stopped or why.
pub(in crate::http1) fn decode(mut decoder: BodyDecoder, input: &[u8]) -> (Vec<u8>, Result<usize, BodyError>) {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        match decoder.advance(&input[at..]) {
            Ok(advance) => {
                content.extend_from_slice(advance.content.of(&input[at..]));
                at += advance.consumed;
                if advance.done {
                    return (content, Ok(at));
                }
                if advance.consumed == 0 {
                    return (content, decoder.end_of_input().map(|()| at));
                }
            }
            Err(error) => return (content, Err(error)),
        }
    }
}

pub(in crate::http1) fn decode_chunked(input: &str) -> Result<String, BodyError> {
    let (content, end) = decode(BodyDecoder::request(RequestBody::Chunked, 4096), input.as_bytes());
    end.map(|_| String::from_utf8_lossy(&content).into_owned())
}

#[track_caller]
pub(super) fn refused(status: u16, code: &str, heads: &[&str]) {
    for head in heads {
        assert_eq!(request(head).map(|_| ()), Err((status, code)), "{head:?}");
    }
}

#[test]
fn a_span_of_another_buffer_is_empty() {
    assert_eq!(Span::new(3, 9).of(b"short"), b"");
    let backwards = Span { start: 5, end: 2 };
    assert_eq!((backwards.of(b"short"), backwards.len(), backwards.is_empty()), (&b""[..], 0, true));
}
