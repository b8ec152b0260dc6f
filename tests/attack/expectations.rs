//! `Expect`: answered here, never forwarded.

use super::*;

/// Scenario: expectations other than 100-continue.
/// Guarantees: 417, and the body is not waited for.
#[test]
fn other_expectations_fail() {
    all_refused(&[
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nexpect: 200-ok\r\ncontent-length: 5\r\n\r\n",
            417,
            "expectation_failed",
        ),
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nexpect: 100-continue, x\r\ncontent-length: 5\r\n\r\n",
            417,
            "expectation_failed",
        ),
    ]);
}

/// Scenario: a client waits for 100 before it sends its body, another announces a body that is too large, a third has
/// no valid path.
/// Guarantees: 100 comes before the body and only where the body is wanted; the provider never sees the field.
#[test]
fn continue_is_said_here() {
    for driver in DRIVERS {
        let bench = Bench::new(driver, "limits: {request_body_max: 64KiB}\n");
        let body = chat("up/gpt", false);
        let head = |path: &str, length: usize| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\nexpect: 100-Continue\r\ncontent-length: {length}\r\n\r\n"
            )
        };
        let mut connection = Connection::open(bench.gateway.address);
        connection.send(head(PATH, body.len()).as_bytes());
        assert_eq!(connection.any_response(false).status, 100);
        connection.send(body.as_bytes());
        assert_eq!(connection.any_response(false).status, 200);
        let seen = bench.upstream.request();
        assert!(!seen.to_lowercase().contains("expect"), "{seen}");
        // The same connection goes on.
        assert_eq!(connection.post(PATH, &body).status, 200);
        bench.upstream.request();
        for (path, length, status) in [(PATH, 70_000, 413), ("/v1/nothing", 10, 404)] {
            let mut connection = Connection::open(bench.gateway.address);
            connection.send(head(path, length).as_bytes());
            assert_eq!(connection.any_response(false).status, status);
            assert!(connection.is_closed());
        }
        bench.saw_nothing();
    }
}
