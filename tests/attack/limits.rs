//! What is too long, too much or too large.

use super::*;

/// Scenario: a request line, a head, a number of fields and a Connection list over their limits.
/// Guarantees: 414 or 431 as soon as it shows; the head need not be complete.
#[test]
fn heads_are_bounded() {
    let line = format!("POST /v1/chat/completions?{} HTTP/1.1\r\n", "a".repeat(9000));
    let endless_line = format!("POST /v1/chat/completions?{}", "a".repeat(40_000));
    let field = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nx: {}", "a".repeat(40_000));
    let fields = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n{}\r\n", "x: y\r\n".repeat(101));
    let options = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: {}\r\n\r\n", "a,".repeat(40));
    all_refused(&[
        (line.as_bytes(), 414, "uri_too_long"),
        (endless_line.as_bytes(), 414, "uri_too_long"),
        (field.as_bytes(), 431, "head_too_large"),
        (fields.as_bytes(), 431, "too_many_fields"),
        (options.as_bytes(), 400, "invalid_connection"),
    ]);
}

/// Scenario: a body over `request_body_max`, announced by its length, in chunks, or in one chunk of an absurd size.
/// Guarantees: 413, before the body was read where its size is announced; nothing reaches the provider.
#[test]
fn bodies_are_bounded() {
    let json = "content-type: application/json\r\n";
    let length = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n{json}content-length: 70000\r\n\r\n");
    let chunks = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n{json}transfer-encoding: chunked\r\n\r\n{}",
        format!("2000\r\n{}\r\n", " ".repeat(0x2000)).repeat(64)
    );
    for driver in DRIVERS {
        let bench = Bench::new(driver, "limits: {request_body_max: 64KiB}\n");
        bench.refuses(length.as_bytes(), 413, "body_too_large");
        bench.refuses(chunks.as_bytes(), 413, "body_too_large");
        let just_fits = format!("{{\"model\":\"up/gpt\",\"pad\":\"{}\"}}", "x".repeat(65536 - 28));
        assert_eq!(just_fits.len(), 65536 - 1);
        let response = http::once(bench.gateway.address, PATH, &just_fits);
        assert_eq!(response.status, 200);
        assert!(bench.upstream.request().contains("xxxx"));
        bench.saw_nothing();
    }
}
