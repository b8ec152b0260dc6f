//! 1xx answers from a provider: swallowed, within bounds.

use super::*;

/// Scenario: a few interim answers before the real one; then, for another request, nothing but interim answers.
/// Guarantees: the client sees the real answer only; a storm ends in 502.
#[test]
fn interim_answers_are_swallowed_within_bounds() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            while let Some(request) = peer.request() {
                let count = if request.contains("storm") { 2000 } else { 5 };
                for _ in 0..count {
                    if !peer.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n") {
                        return;
                    }
                }
                peer.send(&json(ANSWER));
            }
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let mut connection = Connection::open(gateway.address);
        connection.send(http::post(PATH, &chat("up/gpt", false), "").as_bytes());
        let response = connection.any_response(false);
        assert_eq!((response.status, response.text(), response.field("link")), (200, ANSWER.to_owned(), None));
        let response = connection.post(PATH, &chat("up/storm", false));
        assert_eq!((response.status, response.json()["error"]["code"].as_str()), (502, Some("upstream_protocol")));
        assert_eq!(connection.post(PATH, &chat("up/gpt", false)).status, 200);
    }
}
