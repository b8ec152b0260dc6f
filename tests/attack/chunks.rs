//! Chunked bodies: sizes, extensions, terminators, trailers.

use super::*;

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

/// Scenario: chunk sizes and line ends that parsers disagree on.
/// Guarantees: 400, the connection closes, the provider sees nothing.
#[test]
fn odd_chunks_are_refused() {
    let bodies = [
        "\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "2\r{}\r\n0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}xx0\r\n\r\n",
        "2_0\r\n{}\r\n0\r\n\r\n",
        "g\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2;\n\r\n{}\r\n0\r\n\r\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n",
        "2;a\rb\r\n{}\r\n0\r\n\r\n",
        "2;a=\"\n\"\r\n{}\r\n0\r\n\r\n",
        "2;=x\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nx: y\n\r\n",
        "2\r\n{}\r\n0\r\n folded\r\n\r\n",
    ];
    let raw: Vec<Vec<u8>> = bodies.iter().map(|body| format!("{HEAD}{body}").into_bytes()).collect();
    let cases: Vec<(&[u8], u16, &str)> = raw.iter().map(|raw| (raw.as_slice(), 400, "invalid_body_framing")).collect();
    all_refused(&cases);
}

/// Scenario: extensions and trailers without end.
/// Guarantees: both are bounded.
#[test]
fn what_is_dropped_is_bounded() {
    let extension = format!("{HEAD}2;a={}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(8192));
    let trailers = format!("{HEAD}2\r\n{{}}\r\n0\r\nx: {}\r\n\r\n", "x".repeat(16 * 1024));
    let many = format!("{HEAD}{}", "1;a=b\r\n \r\n".repeat(4000));
    all_refused(&[
        (extension.as_bytes(), 400, "invalid_body_framing"),
        (trailers.as_bytes(), 400, "invalid_body_framing"),
        (many.as_bytes(), 400, "invalid_body_framing"),
    ]);
}

/// Scenario: a valid chunked body with an extension, a trailer that names framing and credentials, and a request
/// pipelined behind it.
/// Guarantees: the provider sees one length, no chunk, no trailer; the request behind is the next one.
#[test]
fn chunks_are_framed_anew() {
    for driver in DRIVERS {
        let bench = Bench::new(driver, "");
        let body = chat("up/gpt", false);
        let (one, two) = body.split_at(20);
        let mut raw = format!(
            "{HEAD}{:X};name=\"va;lue\"\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\ncontent-length: 5\r\nauthorization: Bearer x\r\n\r\n",
            one.len(),
            two.len()
        );
        raw.push_str(&http::post(PATH, &chat("up/next", false), ""));
        let mut connection = Connection::open(bench.gateway.address);
        // Byte by byte: no split changes the meaning.
        for byte in raw.as_bytes() {
            connection.send(&[*byte]);
        }
        assert_eq!(connection.response().status, 200);
        assert_eq!(connection.response().status, 200);
        let seen = bench.upstream.request();
        assert!(seen.ends_with(&format!("\r\n\r\n{}", body.replace("up/gpt", "gpt"))), "{seen}");
        assert!(!seen.contains("authorization") && !seen.contains("transfer-encoding"), "{seen}");
        assert_eq!(seen.matches("content-length").count(), 1);
        assert!(bench.upstream.request().contains("\"model\":\"next\""));
        assert_eq!(bench.upstream.requests_so_far(), Vec::<String>::new());
    }
}
