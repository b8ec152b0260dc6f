//! Response heads and their framing: rules 20 and 21.

use super::*;

#[test]
fn rule_20_a_response_is_framed_by_status_then_transfer_encoding_then_length() {
    let framing = |status: u16, lines: &str, method| {
        response(&format!("HTTP/1.1 {status} X\r\n{lines}\r\n\r\n"), method).map(|head| (head.body, head.keep_alive))
    };
    let (length, chunked) = ("Content-Length: 5", "Transfer-Encoding: chunked");
    assert_eq!(framing(200, length, Method::Post), Ok((ResponseBody::Length(5), true)));
    assert_eq!(framing(200, chunked, Method::Post), Ok((ResponseBody::Chunked, true)));
    assert_eq!(framing(200, "A: b", Method::Post), Ok((ResponseBody::UntilClose, false)));
    assert_eq!(framing(200, length, Method::Head), Ok((ResponseBody::None, true)));
    assert_eq!(framing(304, length, Method::Get), Ok((ResponseBody::None, true)));
    assert_eq!(framing(204, "A: b", Method::Get), Ok((ResponseBody::None, true)));
    assert_eq!(framing(100, "A: b", Method::Get), Ok((ResponseBody::None, true)));
    assert_eq!(framing(204, length, Method::Get), Ok((ResponseBody::None, false)), "a body may follow all the same");
    assert_eq!(framing(103, chunked, Method::Get), Ok((ResponseBody::None, false)));
    let both = format!("{length}\r\n{chunked}");
    assert_eq!(framing(200, &both, Method::Post), Ok((ResponseBody::Chunked, false)));
    assert_eq!(
        framing(200, "Content-Length: 5\r\nConnection: Close", Method::Get),
        Ok((ResponseBody::Length(5), false))
    );
}

#[test]
fn rule_21_a_malformed_response_is_an_error_and_a_short_one_never_done() {
    let framing =
        |lines: &str| response(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n"), Method::Post).map(|head| head.body);
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: x",
        "Content-Length:",
        "Content-Length: 5,",
    ] {
        assert_eq!(framing(lines), Err(ResponseError::ContentLength), "{lines}");
    }
    for lines in ["Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5, 5"] {
        assert_eq!(framing(lines), Ok(ResponseBody::Length(5)), "{lines}");
    }
    for lines in
        ["Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: identity"]
    {
        assert_eq!(framing(lines), Err(ResponseError::TransferEncoding), "{lines}");
    }
    for (body, input) in [(ResponseBody::Length(5), "hell"), (ResponseBody::Chunked, "4\r\nhell\r\n0\r\n")] {
        let decoded = decode(BodyDecoder::response(body, 100), input.as_bytes());
        assert_eq!(decoded, (b"hell".to_vec(), Err(BodyError::Truncated)), "{input}");
    }
    let until_close = decode(BodyDecoder::response(ResponseBody::UntilClose, 100), b"hell");
    assert_eq!(until_close, (b"hell".to_vec(), Ok(4)));
}

#[test]
fn responses_are_read_with_the_patience_the_rfc_asks_for() {
    let head = "HTTP/1.1 200\r\nContent-Length : 5\r\nX-Y \t:z\r\n\r\n";
    let parsed = response(head, Method::Get).unwrap();
    assert_eq!((parsed.status, parsed.body), (200, ResponseBody::Length(5)));
    assert_eq!(parsed.fields[1].name_span.of(head.as_bytes()), b"X-Y");
    for line in [
        "HTTP/1.1 200OK",
        "HTTP/1.1 20",
        "HTTP/1.1 2000",
        "HTTP/1.1  200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.1 099 A",
        "HTTP/1.1 600 A",
        "ICY 200 OK",
        "",
        "HTTP/1.1 200 \0",
    ] {
        assert_eq!(response(&format!("{line}\r\n\r\n"), Method::Get), Err(ResponseError::StatusLine), "{line}");
    }
    for lines in ["A: b\n", "A: b\r\n c", "A: \0", ": b", "A b: c"] {
        let result = response(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n"), Method::Get);
        assert!(matches!(result, Err(ResponseError::Field(_))), "{lines}");
    }
}
