//! One named case per known class of attack that reaches the codec: the bytes, and what becomes of them.
//! The classes of HTTP/2 and those of whole connections (pool reuse, slow readers) are tested elsewhere.

use super::tests::{LIMITS, decode, decode_chunked, request, response};
use super::*;

#[track_caller]
fn refused(lines: &str) -> u16 {
    request(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")).expect_err("must be refused").0
}

/// Front reads Content-Length, back reads Transfer-Encoding.
#[test]
fn cl_te() {
    assert_eq!(refused("Content-Length: 13\r\nTransfer-Encoding: chunked"), 400);
}

/// Front reads Transfer-Encoding, back reads Content-Length.
#[test]
fn te_cl() {
    assert_eq!(refused("Transfer-Encoding: chunked\r\nContent-Length: 3"), 400);
}

/// Both read Transfer-Encoding, and one of them is made not to see it.
#[test]
fn te_te_obfuscated() {
    for lines in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: \"chunked\"",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "Transfer-Encoding\r\n: chunked",
        "Transfer-Encoding:\r\n chunked",
        " Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\0",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunk\u{212a}ed",
    ] {
        assert!(matches!(refused(lines), 400 | 501), "{lines:?}");
    }
    // An unknown name is no framing, and it is not passed on for another parser to take for one.
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n";
    let (parsed, mut out) = (request(head).expect("valid"), Vec::new());
    forward_fields(&parsed.fields, head.as_bytes(), &mut out, |_, _| false);
    assert_eq!((parsed.body, out), (RequestBody::None, Vec::new()));
}

/// A body whose length the back end ignores.
#[test]
fn cl_0_and_te_0() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for framing in ["Content-Length: 30", "Transfer-Encoding: chunked"] {
            let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
            assert_eq!(request(&head).expect_err("must be refused").0, 400, "{head:?}");
        }
    }
}

/// A length the front takes for zero and the back does not.
#[test]
fn zero_cl() {
    for lines in [
        "Content-Length: +5",
        "Content-Length: 5 ,5",
        "Content-Length: 0, 5",
        "Content-Length:\x0b5",
        "Content-Length : 5",
        "\tContent-Length: 5",
        "Content-Length:\r\n 5",
        "Content-Length: 18446744073709551621",
        "Content-Length: 0\r\nContent-Length: 5",
    ] {
        assert_eq!(refused(lines), 400, "{lines:?}");
    }
}

/// HTTP/2 towards a cleartext port that speaks HTTP/1.1 only.
#[test]
fn h2c_upgrade_and_preface() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n";
    let (parsed, mut out) = (request(head).expect("served as HTTP/1.1"), Vec::new());
    forward_fields(&parsed.fields, head.as_bytes(), &mut out, |_, _| false);
    assert!(out.is_empty(), "nothing of the upgrade is passed on");
    assert_eq!(request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect_err("must be refused").0, 505);
}

/// Where an extension ends, one parser sees a line end and another does not (CVE-2025-55315 and its family).
#[test]
fn chunk_extension_terminator_confusion() {
    for body in [
        "2;\nxx\r\n0\r\n\r\n",
        "2;a\nxx\r\n0\r\n\r\n",
        "2;a\rxx\r\n0\r\n\r\n",
        "2;a=\"\r\n0\r\n\r\n\"\r\nxx\r\n0\r\n\r\n",
        "2;\r\nxx\r\n0\r\n\r\n",
        "2\nxx\r\n0\r\n\r\n",
        "2\rxx\r\n0\r\n\r\n",
        "2\r\nxx\n0\r\n\r\n",
        "2\r\nxxyy0\r\n\r\n",
    ] {
        assert!(decode_chunked(body).is_err(), "{body:?}");
    }
}

/// Sizes that wrap, or that only some parsers take for numbers; an empty size line that reads as the last chunk.
#[test]
fn chunk_size_confusion() {
    for size in ["", "0x2", "+2", "2 ", " 2", "2_", "10000000000000002", "\u{ff12}", "-0", ";a"] {
        assert!(decode_chunked(&format!("{size}\r\nxx\r\n0\r\n\r\n")).is_err(), "{size:?}");
    }
    let (content, end) = decode(BodyDecoder::request(RequestBody::Chunked, 0), b"ffffffffffffffff\r\nxx\r\n0\r\n\r\n");
    assert_eq!((content.len(), end), (9, Err(BodyError::Truncated)), "a size is not wrapped, its data is awaited");
}

/// A trailer that would replace what was authenticated or framed.
#[test]
fn trailer_injection() {
    let body = "2\r\nxx\r\n0\r\nAuthorization: Bearer other\r\nContent-Length: 9\r\nHost: b\r\n\r\n";
    assert_eq!(decode_chunked(body), Ok("xx".into()), "read and dropped");
}

#[test]
fn bare_lf() {
    let heads = ["GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n"];
    for head in heads {
        assert_eq!(request(head).expect_err("must be refused").0, 400, "{head:?}");
    }
}

#[test]
fn nul_and_obs_fold() {
    for lines in ["X: a\0b", "X\0: a", "X: a\r\n\tb", "X: a\r\n b: c", "\0"] {
        assert_eq!(refused(lines), 400, "{lines:?}");
    }
}

/// A tunnel opened before the upstream agreed to one, or without it having been asked (CVE-2026-2833).
#[test]
fn premature_tunnel() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /admin HTTP/1.1\r\n";
    let parsed = request(head).expect("an ordinary request");
    assert_eq!(parsed.body, RequestBody::None);
    assert_eq!(&head[parsed.head_bytes..], "GET /admin HTTP/1.1\r\n", "what follows is the next head, parsed like any");
    assert!(response("HTTP/1.1 101 Switching Protocols\r\n\r\n", Method::Get).is_err());
    assert_eq!(request("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").expect_err("must be refused").0, 400);
}

/// Transfer-Encoding from a peer that may not know it (the pingora set of 2026).
#[test]
fn http_1_0_with_transfer_encoding() {
    let head = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(request(head).expect_err("must be refused").0, 400);
    let head = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";
    assert!(!response(head, Method::Get).expect("read to its end").keep_alive, "and then closed");
}

/// The rest of a body taken for the next request (CVE-2025-4366): the decoder says where the body ends.
#[test]
fn undrained_body() {
    let mut decoder = BodyDecoder::request(RequestBody::Length(30), 0);
    let first = decoder.advance(b"GET /admin HTTP/1.1\r\n").expect("content");
    assert_eq!((first.consumed, first.done, decoder.is_done()), (21, false, false));
    let rest = decoder.advance(b"Host: a\r\n\r\nPOST / HTTP/1.1\r\n").expect("content");
    assert_eq!((rest.consumed, rest.done), (9, true));
}

/// A response that announces a body where there is none, or two lengths: its connection is not used again.
#[test]
fn response_queue_poisoning() {
    for head in [
        "HTTP/1.1 204 No Content\r\nContent-Length: 40\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 40\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert!(!response(head, Method::Post).expect("read").keep_alive, "{head:?}");
    }
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\n";
    assert_eq!(response(two, Method::Post), Err(ResponseError::ContentLength));
}

/// Hop-by-hop abuse: Connection used to strip what the gateway or the upstream relies on.
#[test]
fn connection_strips_a_security_header() {
    for option in ["authorization", "X-Api-Key", "content-type", "x-forwarded-for", "transfer-encoding", "x-request-id"]
    {
        assert_eq!(refused(&format!("Connection: close, {option}")), 400, "{option}");
    }
}

/// Two targets, hosts or keys, one for each parser.
#[test]
fn ambiguous_routing() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1 /b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%0d%0aHost:%20b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
    ] {
        assert_eq!(request(head).expect_err("must be refused").0, 400, "{head:?}");
    }
}

/// A head without end, in one line or in many, costs no more than its limits.
#[test]
fn floods() {
    let endless_line = format!("GET /{}", "a".repeat(8200));
    let endless_field = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(33 * 1024));
    let many_fields = format!("GET / HTTP/1.1\r\n{}", "a:\r\n".repeat(101));
    let many_options = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {}\r\n\r\n", "a,".repeat(1000));
    for (head, status) in [(endless_line, 414), (endless_field, 431), (many_fields, 431), (many_options, 400)] {
        let error = parse_request(head.as_bytes(), &LIMITS).expect_err("must be refused");
        assert_eq!(error.status, status);
    }
    assert!(parse_response("a".repeat(9000).as_bytes(), Method::Get, &LIMITS).is_err());
    let many_extensions = "1;a=b\r\nx\r\n".repeat(2000);
    assert_eq!(decode_chunked(&many_extensions), Err(BodyError::ChunkExtensionTooLarge));
}
