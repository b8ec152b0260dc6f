//! Heads from a provider that try to become two, or to speak in the gateway's name.

use super::*;

/// Scenario: provider heads with bare CR or LF, NUL, folds, bad names, bad status lines.
/// Guarantees: 502 from the gateway, in its own words; not a byte of the provider's is passed on.
#[test]
fn broken_heads_are_a_bad_gateway() {
    let heads: [&[u8]; 13] = [
        b"HTTP/1.1 200 OK\r\nx: a\nset-cookie: b\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx: a\rset-cookie: b\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\nx: a\ncontent-length: 2\n\n{}",
        b"HTTP/1.1 200 OK\r\nx(: a\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 O\x01K\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 999 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/2 200\r\ncontent-length: 2\r\n\r\n{}",
        b"ICY 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"{\"error\": \"plain text\"}\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ];
    for driver in DRIVERS {
        let upstream = Upstream::start(move |peer| {
            if peer.request().is_some() {
                peer.send(heads[peer.number]);
                peer.until_closed();
            }
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let mut connection = Connection::open(gateway.address);
        for head in heads {
            let response = connection.post(PATH, &chat("up/gpt", false));
            let shown = String::from_utf8_lossy(head);
            let error = response.json()["error"].clone();
            assert_eq!((response.status, error["code"].as_str()), (502, Some("upstream_protocol")), "{shown:?}");
            assert_eq!((response.field("x"), response.field("set-cookie")), (None, None), "{shown:?}");
            is_identified(&response, &error);
        }
        let rows = gateway.rows("", heads.len());
        assert!(rows.iter().all(|row| row["outcome"] == "failed"), "{rows:?}");
    }
}

/// Scenario: a provider sends the gateway's own fields, hop-by-hop fields, cookies and rate limits.
/// Guarantees: the client sees the gateway's own values only, once each.
#[test]
fn a_provider_does_not_speak_for_the_gateway() {
    for driver in DRIVERS {
        let upstream = Upstream::always(
            &b"HTTP/1.1 200 Fine, thanks\r\nX-Request-Id: theirs\r\nX-Sluice-Target: evil/m\r\nx-sluice-attempts: 9\r\n\
               x-tfy-resolved-model: evil\r\nTraceparent: 00-x\r\nSet-Cookie: a=b\r\nConnection: keep-alive, X-Hop\r\n\
               X-Hop: a\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\nTrailer: x\r\nUpgrade: h2c\r\n\
               x-ratelimit-remaining-requests: 5\r\nRetry-After: 5\r\nX-Kept: yes\r\ncontent-type: application/json\r\n\
               content-length: 2\r\n\r\n{}"[..],
        );
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let response = http::once(gateway.address, PATH, &chat("up/gpt", false));
        assert_eq!((response.status, response.text().as_str()), (200, "{}"));
        let mut names: Vec<String> = response.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        let want = [
            "content-length",
            "content-type",
            "server-timing",
            "traceparent",
            "x-kept",
            "x-request-id",
            "x-sluice-attempts",
            "x-sluice-target",
            "x-tfy-resolved-model",
            "x-upstream-request-id",
        ];
        assert_eq!(names, want);
        assert_eq!(response.field("x-sluice-target"), Some("up/gpt"));
        assert_eq!(response.field("x-upstream-request-id"), Some("theirs"));
    }
}
