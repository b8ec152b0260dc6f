//! Fields that end at this hop, and attempts to have others removed.

use super::*;

/// Scenario: `Connection` names fields that frame, authenticate or describe the request.
/// Guarantees: refused: removing them would change what the provider sees.
#[test]
fn connection_may_not_name_what_matters() {
    let names = [
        "host",
        "content-length",
        "transfer-encoding",
        "authorization",
        "x-api-key",
        "content-type",
        "traceparent",
        "x-tfy-metadata",
        "x-sluice-hop",
        "anthropic-version",
        "cookie",
        "x-forwarded-for",
    ];
    let raw: Vec<Vec<u8>> = names
        .iter()
        .map(|name| {
            format!("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: close, {name}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        })
        .collect();
    let cases: Vec<(&[u8], u16, &str)> = raw.iter().map(|raw| (raw.as_slice(), 400, "invalid_connection")).collect();
    all_refused(&cases);
}

/// Scenario: a request full of hop-by-hop fields, those named by Connection, underscores, cookies and the gateway's own.
/// Guarantees: none of them reaches the provider; end-to-end fields do, as they were.
#[test]
fn hop_by_hop_fields_stay_here() {
    for driver in DRIVERS {
        let bench = Bench::new(driver, "");
        let fields = "Connection: keep-alive, X-Custom\r\nX-Custom: secret\r\nKeep-Alive: timeout=5\r\n\
                      Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nproxy-other: a\r\n\
                      TE: trailers\r\nTrailer: X-T\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\nx_api_key: k\r\n\
                      Cookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n\
                      X-Sluice-Hop: 1\r\nX-Sluice-Anything: a\r\nx-tfy-metadata: {\"a\":\"b\"}\r\nVia: 1.1 x\r\n\
                      Accept-Encoding: gzip\r\nX-End-To-End:   kept \r\nOpenAI-Beta: assistants=v2\r\n";
        let seen = bench.forwards(http::post(PATH, &chat("up/gpt", false), fields).as_bytes());
        let head = seen.split("\r\n\r\n").next().unwrap_or_default();
        let names: Vec<String> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, _)| name.to_ascii_lowercase())
            .filter(|name| name != "http2-settings")
            .collect();
        let want = [
            "host",
            "content-type",
            "x-end-to-end",
            "openai-beta",
            "accept-encoding",
            "traceparent",
            "x-sluice-hop",
            "content-length",
        ];
        assert_eq!(names, want, "{seen}");
        assert!(head.contains("X-End-To-End: kept\r\n"), "{seen}");
        assert!(head.contains("accept-encoding: identity\r\n"), "{seen}");
        assert!(head.contains("x-sluice-hop: 2\r\n"), "{seen}");
    }
}

/// Scenario: a request that has passed four gateways already.
/// Guarantees: the loop ends here.
#[test]
fn loops_end() {
    for driver in DRIVERS {
        let bench = Bench::new(driver, "");
        let mut connection = Connection::open(bench.gateway.address);
        connection.send(http::post(PATH, &chat("up/gpt", false), "x-sluice-hop: 4\r\n").as_bytes());
        let response = connection.response();
        assert_eq!((response.status, response.json()["error"]["code"].as_str()), (508, Some("loop_detected")));
        bench.saw_nothing();
    }
}
