//! Host: exactly one, and nothing but a host.

use super::*;

/// Scenario: no Host, two, an empty one, one with a path, user, space, comma or control byte.
/// Guarantees: refused, whatever the target says.
#[test]
fn one_host_and_nothing_else_in_it() {
    let bad = "invalid_host";
    all_refused(&[
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400, "duplicate_field"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nHOST: b\r\n\r\n", 400, "duplicate_field"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: \r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: a/b\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: u@a\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: a b\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: a, b\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: a:b\r\n\r\n", 400, bad),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: a:123456\r\n\r\n", 400, bad),
        (b"POST http:///v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n", 400, bad),
        (b"POST http://u:p@a/v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n", 400, bad),
    ]);
}

/// Scenario: an absolute target whose host differs from Host, and a Host of the client's choosing.
/// Guarantees: the provider sees its own host only, and a target in origin form.
#[test]
fn the_provider_sees_its_own_host() {
    for driver in DRIVERS {
        let bench = Bench::new(driver, "");
        let body = chat("up/gpt", false);
        let fields = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let raw =
            format!("POST http://evil.example/v1/chat/completions?a=b HTTP/1.1\r\nhost: other.example\r\n{fields}");
        let seen = bench.forwards(raw.as_bytes());
        let want = format!("POST /v1/chat/completions?a=b HTTP/1.1\r\nhost: {}\r\n", bench.upstream.address);
        assert!(seen.starts_with(&want), "{seen}");
        assert!(!seen.contains("example"), "{seen}");
    }
}
