//! What is sent on: rules 12, 13, 14, 17, 23 and 24.

use super::*;

fn forwarded(head: &str) -> String {
    let fields = match parse_request(head.as_bytes(), &LIMITS) {
        Ok(Some(head)) => head.fields,
        other => panic!("{other:?}"),
    };
    let mut out = Vec::new();
    forward_fields(&fields, head.as_bytes(), &mut out, |_, _| false);
    String::from_utf8(out).expect("ASCII in, ASCII out")
}

#[test]
fn rule_12_bodies_are_framed_anew() {
    assert_eq!(&*chunk_head(1), b"1\r\n");
    assert_eq!(&*chunk_head(0x1234), b"1234\r\n");
    assert_eq!(&*chunk_head(usize::MAX), b"ffffffffffffffff\r\n");
    // An empty piece of content must not end the body.
    assert_eq!(&*chunk_head(0), b"");
}

#[test]
fn rule_13_hop_by_hop_fields_stay_here() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, keep-alive, te\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
                Proxy-Authorization: Basic x\r\nProxy-Connection: close\r\nproxy-anything: 1\r\nUpgrade: h2c\r\nTrailer: X\r\n\
                Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nX-Mine: 1\r\nconnection: x-other\r\nX-Other: 2\r\n\
                x_api_key: 3\r\nx-tfy_a: 4\r\nAccept:  */* \r\nX-Kept: 5\r\nCookie: a\r\nCookie: b\r\n\r\n";
    assert_eq!(forwarded(head), "Accept: */*\r\nX-Kept: 5\r\nCookie: a\r\nCookie: b\r\n");
    for option in
        ["host", "Content-Length", "authorization", "x-api-key", "traceparent", "x-tfy-metadata", "x-forwarded-for"]
    {
        refused(400, "invalid_connection", &[&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {option}\r\n\r\n")]);
    }
    for option in ["a b", "a;b", &"a,".repeat(33)] {
        refused(400, "invalid_connection", &[&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {option}\r\n\r\n")]);
    }
    assert!(request("GET / HTTP/1.1\r\nHost: a\r\nConnection: , keep-alive,, Upgrade, HTTP2-Settings\r\n\r\n").is_ok());
}

#[test]
fn rule_13_the_caller_may_drop_more() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: secret\r\nAccept: b\r\nX-C: d\r\n\r\n";
    let (parsed, mut out) = (request(head).unwrap(), b"start ".to_vec());
    forward_fields(&parsed.fields, head.as_bytes(), &mut out, |field, buf| {
        field.name == Name::Authorization || field.value.of(buf) == b"d"
    });
    assert_eq!(out, b"start Accept: b\r\n");
}

#[test]
fn rules_14_and_23_an_upgrade_is_neither_asked_for_nor_accepted() {
    assert_eq!(forwarded("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"), "");
    let switched = response("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", Method::Get);
    assert_eq!(switched, Err(ResponseError::UnaskedUpgrade));
}

#[test]
fn rule_17_what_must_be_single_is_single_and_underscores_are_not_passed_on() {
    for name in ["Authorization", "x-api-key", "Content-Type", "Api-Key", "X-Goog-Api-Key"] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: a\r\n{}: b\r\n\r\n", name.to_lowercase());
        refused(400, "duplicate_field", &[&head]);
    }
    assert!(request("GET / HTTP/1.1\r\nHost: a\r\nAccept: a\r\nAccept: b\r\nX-A: a\r\nX-A: b\r\n\r\n").is_ok());
    assert_eq!(forwarded("GET / HTTP/1.1\r\nHost: a\r\nx_api_key: a\r\nA-B: c\r\n\r\n"), "A-B: c\r\n");
}

#[test]
fn rule_24_nothing_we_write_breaks_out_of_its_line() {
    let mut out = Vec::new();
    for (name, value) in
        [("a", "b\r\nc: d"), ("a", "b\n"), ("a", "\0"), ("a\r\n", "b"), ("a:", "b"), ("", "b"), ("a b", "c")]
    {
        assert!(!push_field(&mut out, name, value.as_bytes()), "{name} {value}");
    }
    assert!(out.is_empty());
    assert!(push_field(&mut out, "x-request-id", b"1"));
    assert_eq!(out, b"x-request-id: 1\r\n");
    let kept = response("HTTP/1.1 200 O\u{e9}K fine\r\nA: b\r\n\r\n", Method::Get).unwrap();
    assert_eq!(kept.fields.len(), 1, "the reason is dropped");
}

#[test]
fn status_lines_have_the_standard_reason() {
    for (status, line) in
        [(200, "200 OK"), (429, "429 Too Many Requests"), (299, "299 "), (99, "500 Internal Server Error")]
    {
        let mut out = Vec::new();
        write_status_line(&mut out, status);
        assert_eq!(String::from_utf8(out).unwrap(), format!("HTTP/1.1 {line}\r\n"));
    }
}
