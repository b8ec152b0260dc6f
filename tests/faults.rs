//! What goes wrong between the gateway and a provider, and what the client is told: never less than the truth.

mod common;

use common::http::{self, Connection, Response, chat};
use common::upstream::{SSE_HEAD, Upstream, chunk, delta, json};
use common::{DRIVERS, Gateway, MOCK, account, config};

const CHAT: &str = "/v1/chat/completions";
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;

/// A request for `model` on this path, streamed or not.
fn ask(path: &str, model: &str, stream: bool) -> String {
    match path {
        "/v1/responses" => format!("{{\"model\":\"{model}\",\"stream\":{stream},\"input\":\"Hello there\"}}"),
        "/v1/messages" => format!(
            "{{\"model\":\"{model}\",\"stream\":{stream},\"max_tokens\":100,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello there\"}}]}}"
        ),
        _ => chat(model, stream),
    }
}

/// The last event of a stream says that it broke off, in the shape of the path.
fn ends_with_an_error(path: &str, response: &Response, code: &str) {
    let text = response.text();
    assert!(!response.complete, "{path}: the truncated stream has a proper end: {text}");
    let events = response.events();
    let last: serde_json::Value =
        serde_json::from_str(events.last().unwrap_or_else(|| panic!("{path}: no event: {text}"))).expect("JSON");
    let id = response.field("x-request-id").expect("an id");
    match path {
        "/v1/messages" => {
            assert_eq!((&last["type"], &last["error"]["code"]), (&"error".into(), &code.into()), "{text}");
            assert_eq!(last["request_id"], id);
        }
        "/v1/responses" => {
            assert_eq!(last["type"], "response.failed", "{text}");
            assert_eq!(last["response"]["error"]["code"], code);
            let error: serde_json::Value = serde_json::from_str(&events[events.len() - 2]).expect("JSON");
            assert_eq!((&error["type"], &error["code"]), (&"error".into(), &code.into()), "{text}");
        }
        _ => {
            assert_eq!(last["error"]["code"], code, "{text}");
            assert_eq!(last["error"]["request_id"], id);
            assert!(!text.contains("[DONE]"), "{text}");
        }
    }
    assert_eq!(text.matches(id).count(), 1, "one error event: {text}");
}

/// Scenario: streams of all three dialects are cut (FIN), reset, stalled, broken in their framing, or end without their
/// terminator, after some tokens.
/// Guarantees: the client gets the whole events so far, one error event in its dialect, and no proper end; the record
/// says truncated, and its usage is never zero.
#[test]
fn a_broken_stream_says_so() {
    let faults = [
        ("cut@5", "upstream_truncated", "truncated"),
        ("rst@5", "upstream_truncated", "truncated"),
        ("stall@5", "upstream_stalled", "idle_timeout"),
        ("badchunk@5", "upstream_protocol", "protocol"),
        ("noterm", "upstream_truncated", "truncated"),
    ];
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(&format!("limits: {{stream_idle_ms: 600}}\n{MOCK}")));
        for path in [CHAT, "/v1/messages", "/v1/responses"] {
            for (fault, code, class) in faults {
                if fault == "noterm" && path != "/v1/responses" {
                    // A finish reason has been seen: the answer is complete.
                    continue;
                }
                let response =
                    http::once(gateway.address, path, &ask(path, &format!("mock/mock:tokens=20,gap=2,{fault}"), true));
                assert_eq!(response.status, 200, "{}", response.text());
                ends_with_an_error(path, &response, code);
                let id = response.field("x-request-id").expect("an id");
                let row = gateway.row(id);
                assert_eq!(
                    (&row["outcome"], &row["attempts"][0]["error"]),
                    (&"truncated".into(), &class.into()),
                    "{path} {fault}: {row}"
                );
                let output = row["usage"]["output_tokens"].as_u64().expect("usage");
                assert!(output >= 1, "{path} {fault}: {row}");
                assert_ne!(row["usage"]["source"], "none", "{path} {fault}: {row}");
            }
        }
    }
}

/// Scenario: a provider reports an error in the middle of a 200 stream and ends it properly.
/// Guarantees: the bytes pass as they came; the record says truncated.
#[test]
fn an_error_event_is_an_error() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        for path in [CHAT, "/v1/messages", "/v1/responses"] {
            let response = http::once(gateway.address, path, &ask(path, "mock/mock:tokens=20,errevent@5", true));
            assert!(response.complete, "{path}");
            assert!(response.text().contains("error"), "{path}: {}", response.text());
            let row = gateway.row(response.field("x-request-id").expect("an id"));
            assert_eq!(row["outcome"], "truncated", "{path}: {row}");
            assert!(row["usage"]["output_tokens"].as_u64() >= Some(1), "{path}: {row}");
        }
    }
}

/// Scenario: unary answers: shorter than their length, cut, reset; and one cut short by a length that is too small.
/// Guarantees: nothing of them is shown as an answer: 502, as nothing had reached the client.
#[test]
fn a_short_body_is_no_answer() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        for fault in ["shortlen", "cut@50", "rst@50", "cutlen"] {
            let response = http::once(gateway.address, CHAT, &chat(&format!("mock/mock:tokens=20,{fault}"), false));
            assert_eq!((response.status, response.complete), (502, true), "{fault}: {}", response.text());
            let row = gateway.row(response.field("x-request-id").expect("an id"));
            let class = if fault == "cutlen" { "protocol" } else { "truncated" };
            assert_eq!((&row["outcome"], &row["attempts"][0]["error"]), (&"failed".into(), &class.into()), "{row}");
        }
    }
}

/// Scenario: no answer at all: closed or reset without a byte, silence, a refused connection, a name that does not resolve.
/// Guarantees: 502 or 504 in the caller's dialect with a code of its own; the connection goes on.
#[test]
fn no_answer_is_a_bad_gateway() {
    for driver in DRIVERS {
        let refused = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
            listener.local_addr().expect("address")
        };
        let accounts = format!(
            "limits: {{upstream_first_byte_ms: 600}}\n{MOCK}{}---\ntype: provider-account/openai\nname: nowhere\nbase_url: http://nowhere.invalid/v1\n",
            account(refused)
        );
        let gateway = Gateway::start(driver, &config(&accounts));
        let cases = [
            ("mock/mock:close", 502, "upstream_disconnected"),
            ("mock/mock:reset", 502, "upstream_disconnected"),
            ("mock/mock:silence", 504, "upstream_timeout"),
            ("up/gpt", 502, "upstream_unreachable"),
            ("nowhere/gpt", 502, "upstream_unresolved"),
        ];
        let mut connection = Connection::open(gateway.address);
        for (model, status, code) in cases {
            for stream in [false, true] {
                let response = connection.post(CHAT, &chat(model, stream));
                let error = response.json()["error"].clone();
                assert_eq!((response.status, error["code"].as_str()), (status, Some(code)), "{model}");
                assert_eq!(error["request_id"].as_str(), response.field("x-request-id"));
            }
        }
        let response = connection.post("/v1/messages", &ask("/v1/messages", "mock/mock:close", true));
        assert_eq!((response.status, &response.json()["type"]), (502, &"error".into()));
        let rows = gateway.rows("", 2 * cases.len() + 1);
        assert!(rows.iter().all(|row| row["outcome"] == "failed"), "{rows:?}");
    }
}

/// Scenario: the provider answers 401 and 403, quoting the key it was sent.
/// Guarantees: the client sees neither the status nor the text: they are about the gateway's key, not the client's.
#[test]
fn a_refused_key_is_the_gateways_own_trouble() {
    for driver in DRIVERS {
        for status in ["401 Unauthorized", "403 Forbidden"] {
            let body = "{\"error\":{\"message\":\"Incorrect API key provided: sk-quoted\"}}";
            let upstream = Upstream::always(format!(
                "HTTP/1.1 {status}\r\nwww-authenticate: Bearer sk-quoted\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ));
            let gateway = Gateway::start(driver, &config(&account(upstream.address)));
            let response = http::once(gateway.address, CHAT, &chat("up/gpt", true));
            assert_eq!((response.status, response.json()["error"]["code"].as_str()), (502, Some("upstream_auth")));
            let everything = format!("{:?}{}{}", response.fields, response.text(), gateway.log());
            assert!(!everything.contains("quoted"), "{everything}");
        }
    }
}

/// Scenario: the provider closes its idle connection just as the next request arrives on it: the request is read, the
/// connection closed without an answer.
/// Guarantees: the request goes out once more on a fresh connection, whole, and the client sees the answer only.
#[test]
fn a_lost_race_is_run_again_once() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            peer.request();
            peer.send(&json(ANSWER));
            if peer.number == 0 {
                // The next request's first bytes, then the end.
                peer.fill();
                peer.reset();
                return;
            }
            while peer.request().is_some() && peer.send(&json(ANSWER)) {}
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let mut connection = Connection::open(gateway.address);
        assert_eq!(connection.post(CHAT, &chat("up/first", false)).status, 200);
        let body = format!("{{\"model\":\"up/second\",\"pad\":\"{}\"}}", "x".repeat(100_000));
        let response = connection.post(CHAT, &body);
        assert_eq!((response.status, response.text()), (200, ANSWER.to_owned()));
        assert!(upstream.request().contains("\"first\""));
        let second = upstream.request();
        assert!(second.ends_with(&body.replace("up/second", "second")));
        assert_eq!(upstream.requests_so_far(), Vec::<String>::new());
        let row = gateway.row(response.field("x-request-id").expect("an id"));
        assert_eq!(
            (&row["attempts"][0]["reason"], row["attempts"].as_array().map(Vec::len)),
            (&"reuse_race".into(), Some(1)),
            "{row}"
        );
    }
}

/// Scenario: a fresh connection is closed without an answer.
/// Guarantees: nothing is sent twice: the provider may have acted on it.
#[test]
fn a_fresh_connections_loss_is_not_repeated() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            peer.request();
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let response = http::once(gateway.address, CHAT, &chat("up/gpt", false));
        assert_eq!(response.status, 502);
        assert_eq!(upstream.requests_so_far().len(), 1);
    }
}

/// Scenario: a provider streams as fast as it can, far more than sockets hold, to a client that does not read yet.
/// Guarantees: the gateway stops reading the provider; what it holds stays small; once the client reads, all is there.
#[test]
fn a_slow_client_slows_the_provider() {
    const EVENTS: usize = 40_000;
    for driver in DRIVERS {
        let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = sent.clone();
        let event = chunk(&delta(&"x".repeat(1000)));
        let upstream = Upstream::start(move |peer| {
            peer.request();
            peer.send(SSE_HEAD);
            for _ in 0..EVENTS {
                if !peer.send(&event) {
                    return;
                }
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            peer.send(&chunk("data: [DONE]\n\n"));
            peer.send(b"0\r\n\r\n");
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        // What scraping itself takes is not what the stream takes.
        for _ in 0..100 {
            gateway.metric("sluice_buffer_bytes");
        }
        let before = gateway.memory_bytes();
        let mut connection = Connection::open(gateway.address);
        connection.send(http::post(CHAT, &chat("up/gpt", true), "").as_bytes());
        connection.wait_for("data: ");
        // Every socket on the way is full when the provider has not moved for many scrapes.
        let mut last = (0, 0);
        while last.1 < 50 {
            gateway.metric("sluice_upstream_connects_total");
            let now = sent.load(std::sync::atomic::Ordering::SeqCst);
            last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
        }
        assert!(last.0 < EVENTS, "the provider was not slowed down");
        let grown = gateway.memory_bytes().saturating_sub(before);
        assert!(grown < 12 << 20, "{grown} bytes more, of 44 MB streamed");
        assert!(gateway.metric("sluice_buffer_bytes") < (2 << 20) as f64);
        let response = connection.response();
        assert!(response.complete);
        assert_eq!(response.events().len(), EVENTS + 1);
    }
}

/// Scenario: the client leaves in the middle of a stream.
/// Guarantees: the provider's connection ends at once, so that it stops billing; the record says cancelled and counts
/// the tokens that were delivered.
#[test]
fn a_client_that_leaves_stops_the_provider() {
    for driver in DRIVERS {
        for abort in [false, true] {
            let (closed, is_closed) = std::sync::mpsc::channel::<()>();
            let upstream = Upstream::start(move |peer| {
                peer.request();
                peer.send(SSE_HEAD);
                for word in ["one", " two", " three"] {
                    peer.send(&chunk(&delta(word)));
                }
                peer.until_closed();
                let _ = closed.send(());
            });
            let gateway = Gateway::start(driver, &config(&account(upstream.address)));
            let mut connection = Connection::open(gateway.address);
            connection.send(http::post(CHAT, &chat("up/gpt-4o", true), "").as_bytes());
            connection.wait_for(" three");
            if abort {
                connection.reset_on_close();
            }
            drop(connection);
            is_closed.recv_timeout(common::PATIENCE).expect("the provider sees the end");
            let row = &gateway.rows("", 1)[0];
            assert_eq!(
                (&row["outcome"], &row["attempts"][0]["error"]),
                (&"cancelled".into(), &"client_gone".into()),
                "{row}"
            );
            assert_eq!(
                (&row["usage"]["output_tokens"], &row["usage"]["source"]),
                (&3.into(), &"counted".into()),
                "{row}"
            );
            assert!(row["usage"]["input_tokens"].as_u64() >= Some(1), "{row}");
        }
    }
}

/// Scenario: the client leaves before the provider has begun to answer.
/// Guarantees: the provider's connection ends; the record says cancelled.
#[test]
fn a_client_that_leaves_early_stops_the_provider_too() {
    for driver in DRIVERS {
        let (closed, is_closed) = std::sync::mpsc::channel::<()>();
        let upstream = Upstream::start(move |peer| {
            peer.request();
            peer.until_closed();
            let _ = closed.send(());
        });
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let mut connection = Connection::open(gateway.address);
        connection.send(http::post(CHAT, &chat("up/gpt", true), "").as_bytes());
        upstream.request();
        drop(connection);
        is_closed.recv_timeout(common::PATIENCE).expect("the provider sees the end");
        assert_eq!(gateway.rows("", 1)[0]["outcome"], "cancelled");
    }
}

/// Scenario: an HTTP/1.0 client, for whom the end of the connection is the end of the answer, and a stream that breaks off.
/// Guarantees: its connection is reset, never ended.
#[test]
fn an_old_client_can_tell_too() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        for (fault, whole) in [("cut@5", false), ("gap=0", true)] {
            let mut connection = Connection::open(gateway.address);
            let body = chat(&format!("mock/mock:tokens=20,{fault}"), true);
            connection.send(http::post(CHAT, &body, "").replace("HTTP/1.1", "HTTP/1.0").as_bytes());
            let (bytes, ended) = connection.until_end();
            assert_eq!(ended, whole, "{fault}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

/// Scenario: a stream goes on for longer than `total_ms`, to a client that reads and to one that does not.
/// Guarantees: the first gets one error event; the shard serves on while the other is stuck.
#[test]
fn an_endless_stream_ends() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(&format!("limits: {{total_ms: 2000}}\n{MOCK}")));
        let endless = chat("mock/mock:tokens=2000,gap=5", true);
        let response = http::once(gateway.address, CHAT, &endless);
        ends_with_an_error(CHAT, &response, "total_timeout");
        assert!(response.text().contains("the time it may take is over"), "{}", response.text());
        let mut stuck = Connection::open(gateway.address);
        stuck.send(http::post(CHAT, &chat("mock/mock:tokens=5000,size=1000", true), "").as_bytes());
        stuck.wait_for("data: ");
        let row = gateway.rows("outcome=truncated", 1);
        assert_eq!(row[0]["attempts"][0]["error"], "total_timeout");
        // Past the total of the one that is stuck: a shard that spins on it would not answer.
        let next = http::once(gateway.address, CHAT, &endless);
        ends_with_an_error(CHAT, &next, "total_timeout");
        let response = http::once(gateway.address, CHAT, &chat("mock/mock:tokens=2", false));
        assert_eq!(response.status, 200);
    }
}

/// Scenario: error statuses of a provider, rate limits among them.
/// Guarantees: they pass as they came, with Retry-After; the record names the class.
#[test]
fn errors_of_a_provider_pass() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        for (fault, status, class) in [
            ("429,retry_after=7", 429, "rate_limited"),
            ("503", 503, "overloaded"),
            ("500", 500, "server_error"),
            ("context_length", 400, "context_length"),
            ("content_filter", 400, "content_filter"),
            ("insufficient_quota", 429, "quota_exhausted"),
        ] {
            let response = http::once(gateway.address, CHAT, &chat(&format!("mock/mock:{fault}"), false));
            assert_eq!(response.status, status, "{fault}");
            if fault.contains("retry_after") {
                assert_eq!(response.field("retry-after"), Some("7"));
            }
            let row = gateway.row(response.field("x-request-id").expect("an id"));
            assert_eq!((&row["outcome"], &row["attempts"][0]["error"]), (&"served".into(), &class.into()), "{row}");
        }
    }
}
