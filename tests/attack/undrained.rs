//! A body that was not read before its answer is never read as the next request.

use super::*;

/// Scenario: a request is refused on its head (bad path, method, encoding) while its body, which is a whole request, follows.
/// Guarantees: one answer, then the end: the body is never a request.
#[test]
fn an_unread_body_is_not_a_request() {
    let hidden = http::post(PATH, &chat("up/hidden", false), "");
    let body = format!("content-length: {}\r\n\r\n{hidden}", hidden.len());
    let path = format!("POST /v1/nothing HTTP/1.1\r\nhost: g\r\n{body}");
    let method = format!("PUT /v1/chat/completions HTTP/1.1\r\nhost: g\r\n{body}");
    let encoding = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-encoding: gzip\r\n{body}");
    let multipart = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: g\r\ncontent-type: multipart/form-data; boundary=b\r\n{body}"
    );
    all_refused(&[
        (path.as_bytes(), 404, "unknown_path"),
        (method.as_bytes(), 405, "method_not_allowed"),
        (encoding.as_bytes(), 415, "unsupported_content_encoding"),
        (multipart.as_bytes(), 400, "missing_model"),
    ]);
}

/// Scenario: the provider answers an upload before it has read it and keeps its connection; then another request comes.
/// Guarantees: that connection is not used again: what it would read next is the rest of the first body.
#[test]
fn a_half_sent_body_ends_its_upstream_connection() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            if peer.number == 0 {
                peer.head();
                peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
                // Keeps reading: whatever comes is what a second request would be mixed with.
            }
            while peer.request().is_some() && peer.send(&json(ANSWER)) {}
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let mut connection = Connection::open(gateway.address);
        let part = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nup/whisper\r\n--b\r\n";
        connection.send(
            format!("POST /v1/audio/transcriptions HTTP/1.1\r\nhost: g\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 100000\r\n\r\n{part}")
                .as_bytes(),
        );
        let response = connection.response();
        assert_eq!((response.status, response.field("connection")), (400, Some("close")));
        let response = http::once(gateway.address, PATH, &chat("up/gpt", false));
        assert_eq!((response.status, response.text()), (200, ANSWER.to_owned()));
        assert!(upstream.request().starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    }
}

/// Scenario: the same with a JSON body larger than the sockets hold: the provider answers after the head and reads no more.
/// Guarantees: the answer arrives; the connection with the unsent rest is not used again.
#[test]
fn an_unsent_body_ends_its_upstream_connection() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            if peer.number == 0 {
                peer.head();
                peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
                peer.wait_for_close();
                return;
            }
            while peer.request().is_some() && peer.send(&json(ANSWER)) {}
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let large = format!("{{\"model\":\"up/gpt\",\"pad\":\"{}\"}}", "x".repeat(16 << 20));
        let mut connection = Connection::open(gateway.address);
        assert_eq!(connection.post(PATH, &large).status, 400);
        let response = connection.post(PATH, &chat("up/gpt", false));
        assert_eq!((response.status, response.text()), (200, ANSWER.to_owned()));
        assert!(upstream.request().ends_with(&chat("gpt", false)));
    }
}

/// Scenario: the provider begins its answer before it has the whole request, then reads the rest and finishes.
/// Guarantees: the request goes on while the answer passes: both arrive whole.
#[test]
fn a_request_goes_on_while_its_answer_passes() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            peer.head();
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{");
            peer.request();
            peer.send(b"}");
            while peer.request().is_some() && peer.send(&json(ANSWER)) {}
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let large = format!("{{\"model\":\"up/gpt\",\"pad\":\"{}\"}}", "x".repeat(16 << 20));
        let mut connection = Connection::open(gateway.address);
        let response = connection.post(PATH, &large);
        assert_eq!((response.status, response.text().as_str(), response.complete), (200, "{}", true));
        assert!(upstream.request().ends_with(&large.replace("up/gpt", "gpt")));
    }
}
