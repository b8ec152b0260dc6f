//! Bodies from a provider that end in two places, or go on after their end.

use super::*;
use common::upstream::Peer;

/// The bytes the first connection answers with; every further one answers properly.
fn first_answer(driver: &str, bytes: &'static [u8]) -> Bench {
    let upstream = Upstream::start(move |peer: &mut Peer| {
        if peer.number == 0 {
            peer.request();
            peer.send(bytes);
            peer.until_closed();
        }
        while peer.request().is_some() && peer.send(&json(ANSWER)) {}
    });
    let gateway = Gateway::start(driver, &config(&account(upstream.address)));
    Bench { upstream, gateway }
}

/// Scenario: an answer with Content-Length and chunks, with bytes behind its end, a 204 that announces a body.
/// Guarantees: the client gets one well-framed answer, and the next request goes out on another connection.
#[test]
fn doubtful_ends_are_not_reused() {
    let cases: [(&[u8], u16, &str); 5] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, "{}"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", 200, "{}"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nevil", 200, "{}"),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nevil", 204, ""),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}", 200, "{}"),
    ];
    for driver in DRIVERS {
        for (bytes, status, body) in cases {
            let bench = first_answer(driver, bytes);
            let mut connection = Connection::open(bench.gateway.address);
            let response = connection.post(PATH, &chat("up/gpt", false));
            assert_eq!((response.status, response.text().as_str()), (status, body));
            assert!(response.field("content-length").is_none() || response.field("transfer-encoding").is_none());
            let response = connection.post(PATH, &chat("up/gpt", false));
            assert_eq!((response.status, response.text()), (200, ANSWER.to_owned()));
            assert_eq!(bench.gateway.metric("sluice_upstream_connects_total"), 2.0);
        }
    }
}

/// Scenario: lengths and codings of an answer that cannot be trusted.
/// Guarantees: 502: no body is better than a guessed one.
#[test]
fn untrusted_framing_is_a_bad_gateway() {
    let heads: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2, 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n{}",
    ];
    for driver in DRIVERS {
        let upstream = Upstream::start(move |peer: &mut Peer| {
            if peer.request().is_some() {
                peer.send(heads[peer.number]);
                peer.until_closed();
            }
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        for _ in heads {
            let response = http::once(gateway.address, PATH, &chat("up/gpt", false));
            assert_eq!((response.status, response.json()["error"]["code"].as_str()), (502, Some("upstream_protocol")));
        }
    }
}
