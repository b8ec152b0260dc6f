//! Line ends, folds, names and values: where one parser sees one line and another two.

use super::all_refused;

/// Scenario: bare LF, bare CR, NUL, folds, spaces and bad names in a head.
/// Guarantees: the whole head is refused.
#[test]
fn a_head_is_made_of_clean_lines() {
    let bad = "invalid_head";
    all_refused(&[
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\ncontent-length: 0\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\nhost: g\r\ncontent-length: 0\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 0\n\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx: a\r\n b\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx: a\r\n\tb\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\n host: g\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx : a\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n: a\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx: a\0b\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx: a\rb: c\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx\xc3\xa9: a\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx(y): a\r\n\r\n", 400, bad),
    ]);
}

/// Scenario: request lines that are none.
/// Guarantees: refused with what a request line looks like; other versions are 505.
#[test]
fn a_request_line_has_three_parts() {
    let bad = "invalid_request_line";
    all_refused(&[
        (b"POST  /v1/chat/completions HTTP/1.1\r\nhost: g\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions  HTTP/1.1\r\nhost: g\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1 \r\nhost: g\r\n\r\n", 400, bad),
        (b"POST\t/v1/chat/completions HTTP/1.1\r\nhost: g\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions\r\nhost: g\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions http/1.1\r\nhost: g\r\n\r\n", 400, bad),
        (b"\r\n\r\nPOST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n\r\n", 400, bad),
        (b"PO ST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/2.0\r\nhost: g\r\n\r\n", 505, "version_not_supported"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, bad),
    ]);
}
