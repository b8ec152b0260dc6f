//! CL.TE, TE.CL, CL.0, 0.CL, TE.0: two framings, or one that two parsers read differently.

use super::all_refused;

/// Scenario: Content-Length and Transfer-Encoding together, in either order, with the second request inside either body.
/// Guarantees: 400, the connection closes, neither reading of the body reaches the provider.
#[test]
fn two_framings_are_one_too_many() {
    let two = "conflicting_framing";
    all_refused(&[
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG", 400, two),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n", 400, two),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n", 400, two),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ntransfer-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd", 400, two),
    ]);
}

/// Scenario: lengths that parsers disagree on: signs, lists, repeats, other bases, spaces, overflow.
/// Guarantees: each is 400 and ends the connection.
#[test]
fn a_length_is_one_decimal_number() {
    let bad = "invalid_content_length";
    let values = ["+5", "-5", "0x5", "5_0", "5 5", "5,5", "5;a", "5.0", "", "99999999999999999999", "1e1", "\u{665}"];
    let raw: Vec<Vec<u8>> = values
        .iter()
        .map(|value| {
            format!("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: {value}\r\n\r\nhello")
                .into_bytes()
        })
        .collect();
    let cases: Vec<(&[u8], u16, &str)> = raw.iter().map(|raw| (raw.as_slice(), 400, bad)).collect();
    all_refused(&cases);
    all_refused(&[
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
            400,
            "duplicate_field",
        ),
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\nContent-Length: 6\r\n\r\nhello",
            400,
            "duplicate_field",
        ),
    ]);
}

/// Scenario: a body on methods that have none, and HTTP/1.0 with chunks.
/// Guarantees: refused before the body could be read as a request.
#[test]
fn bodies_where_none_belongs() {
    all_refused(&[
        (b"GET /v1/models HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\n\r\nhello", 400, "body_not_allowed"),
        (b"GET /v1/models HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, "body_not_allowed"),
        (
            b"POST /v1/chat/completions HTTP/1.0\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "invalid_transfer_encoding",
        ),
    ]);
}
