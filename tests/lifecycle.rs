//! Start, reload, drain, crash: what is open is finished, what was written stays.

mod common;

use std::net::TcpStream;

use common::http::{Connection, chat, once, post};
use common::upstream::{Peer, SSE_HEAD, Upstream, chunk, delta};
use common::{DRIVERS, Gateway, MOCK, account, config};

const CHAT: &str = "/v1/chat/completions";

/// A provider whose streams go on when the test says so.
fn held_stream() -> (Upstream, std::sync::mpsc::Sender<()>) {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |peer: &mut Peer| {
        while peer.request().is_some() {
            peer.send(SSE_HEAD);
            peer.send(&chunk(&delta("first")));
            let _ = gone.lock().expect("lock").recv();
            peer.send(&chunk(&delta("last").replace("null", "\"stop\"")));
            peer.send(&chunk("data: [DONE]\n\n"));
            peer.send(b"0\r\n\r\n");
        }
    });
    (upstream, go)
}

/// Scenario: SIGTERM while a stream is open and another connection is idle.
/// Guarantees: the stream is finished, the idle connection closed, new connections are refused, the row is stored, exit 0.
#[test]
fn a_drain_finishes_what_is_open() {
    for driver in DRIVERS {
        let (upstream, go) = held_stream();
        let mut gateway = Gateway::start(driver, &config(&format!("{MOCK}{}", account(upstream.address))));
        let mut idle = Connection::open(gateway.address);
        assert_eq!(idle.post(CHAT, &chat("mock/mock:tokens=1", false)).status, 200);
        let mut streaming = Connection::open(gateway.address);
        streaming.send(post(CHAT, &chat("up/gpt", true), "").as_bytes());
        streaming.wait_for("first");
        gateway.signal("TERM");
        assert!(idle.is_closed());
        while TcpStream::connect(gateway.address).is_ok() {
            std::thread::yield_now();
        }
        go.send(()).expect("the provider listens");
        let response = streaming.response();
        assert!(response.complete && response.text().ends_with("data: [DONE]\n\n"), "{}", response.text());
        assert!(streaming.is_closed(), "no further request on it");
        assert_eq!(gateway.wait().code(), Some(0), "{}", gateway.log());
        let id = response.field("x-request-id").expect("an id").to_owned();
        let again = Gateway::start_in(gateway.kill(), driver, &config(MOCK), &[]);
        assert_eq!(again.row(&id)["outcome"], "served");
    }
}

/// Scenario: SIGTERM while a stream stays open for longer than `drain_ms`.
/// Guarantees: it ends with an error event and without a proper end; the row says so; exit 0.
#[test]
fn a_drain_does_not_wait_forever() {
    for driver in DRIVERS {
        let (upstream, _go) = held_stream();
        let mut gateway =
            Gateway::start(driver, &config(&format!("limits: {{drain_ms: 100}}\n{}", account(upstream.address))));
        let mut streaming = Connection::open(gateway.address);
        streaming.send(post(CHAT, &chat("up/gpt", true), "").as_bytes());
        streaming.wait_for("first");
        gateway.signal("TERM");
        let response = streaming.response();
        assert!(!response.complete && response.text().contains("\"error\""), "{}", response.text());
        assert_eq!(gateway.wait().code(), Some(0), "{}", gateway.log());
        let again = Gateway::start_in(gateway.kill(), driver, &config(MOCK), &[]);
        assert_eq!(again.row(response.field("x-request-id").expect("an id"))["outcome"], "truncated");
    }
}

/// Scenario: SIGHUP with a good configuration while a stream is open; then one that does not parse, then one that
/// changes what needs a restart.
/// Guarantees: the new account serves and the stream goes on; the bad ones change nothing, are counted, and the log says where.
#[test]
fn a_reload_is_whole_or_nothing() {
    for driver in DRIVERS {
        let (upstream, go) = held_stream();
        let listed = "integrations: [{name: gpt, type: integration/model/openai, model_id: gpt}]\n";
        let first = config(&format!("{}{listed}", account(upstream.address)));
        let gateway = Gateway::start(driver, &first);
        let mut streaming = Connection::open(gateway.address);
        streaming.send(post(CHAT, &chat("up/gpt", true), "").as_bytes());
        streaming.wait_for("first");
        let ask = |model: &str| once(gateway.address, CHAT, &chat(model, false)).status;
        assert_eq!(ask("mock/mock:tokens=1"), 404);

        // The account of the open stream is gone, another one is there.
        gateway.rewrite(&config(MOCK));
        gateway.signal("HUP");
        gateway.until("the new account serves", |_| ask("mock/mock:tokens=1") == 200);
        assert_eq!(ask("up/gpt"), 404);
        go.send(()).expect("the provider listens");
        let response = streaming.response();
        assert!(response.complete && response.text().contains("last"), "{}", response.text());
        assert_eq!(streaming.post(CHAT, &chat("mock/mock:tokens=1", false)).status, 200, "the connection goes on");

        let failures = |gateway: &Gateway| gateway.metric("llm_gateway_config_parsing_failures");
        assert_eq!(failures(&gateway), 0.0);
        gateway.rewrite(&config(&format!("{MOCK}modle: x\n")));
        gateway.signal("HUP");
        gateway.until("the bad one is counted", |gateway| failures(gateway) >= 1.0);
        let line = config(MOCK).lines().count() + 1;
        gateway.wait_for_log(&format!("sluice.yaml:{line}:"));
        assert_eq!(ask("mock/mock:tokens=1"), 200);

        let counted = failures(&gateway);
        gateway.rewrite(&first.replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:1"));
        gateway.signal("HUP");
        gateway.until("the moved one is counted", |gateway| failures(gateway) > counted);
        gateway.wait_for_log("listen: changed, and that needs a restart");
        assert_eq!((ask("mock/mock:tokens=1"), ask("up/gpt")), (200, 404), "nothing of it is in force");
    }
}

/// Scenario: the file is replaced and nobody sends a signal.
/// Guarantees: the change is noticed and comes into force.
#[test]
fn a_changed_file_is_noticed() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        gateway.rewrite(&config(&MOCK.replace("name: mock", "name: other")));
        gateway.until("the new account serves", |gateway| {
            once(gateway.address, CHAT, &chat("other/mock:tokens=1", false)).status == 200
        });
        assert_eq!(once(gateway.address, CHAT, &chat("mock/mock:tokens=1", false)).status, 404);
    }
}

/// Scenario: kill -9 under load, then a restart on the same folder.
/// Guarantees: every row that could be read before can be read after.
#[test]
fn a_crash_loses_no_row_that_was_seen() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        let mut connection = Connection::open(gateway.address);
        for _ in 0..50 {
            assert_eq!(connection.post(CHAT, &chat("mock/mock:tokens=1", false)).status, 200);
        }
        let seen: Vec<String> = gateway.rows("", 20).iter().map(|row| row["id"].to_string()).collect();
        let again = Gateway::start_in(gateway.kill(), driver, &config(MOCK), &[]);
        let rows = again.rows("", seen.len());
        let ids: Vec<String> = rows.iter().map(|row| row["id"].to_string()).collect();
        assert!(seen.iter().all(|id| ids.contains(id)), "{} of {} are there", ids.len(), seen.len());
        // And it goes on from there.
        assert_eq!(once(again.address, CHAT, &chat("mock/mock:tokens=1", false)).status, 200);
        again.rows("", ids.len() + 1);
    }
}

/// Scenario: more requests than `requests_per_connection_max` on one connection, pipelined.
/// Guarantees: the last one is answered with `connection: close`, and what is behind it is not served.
#[test]
fn connections_serve_so_many_requests() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(&format!("limits: {{requests_per_connection_max: 3}}\n{MOCK}")));
        let mut connection = Connection::open(gateway.address);
        connection.send(post(CHAT, &chat("mock/mock:tokens=1", false), "").repeat(5).as_bytes());
        for number in 1..=3 {
            let response = connection.response();
            assert_eq!(response.field("connection"), (number == 3).then_some("close"));
        }
        assert!(connection.is_closed());
        gateway.rows("", 3);
        assert_eq!(gateway.metric("sluice_connections_accepted_total"), 1.0);
    }
}

/// Scenario: a client pipelines without ever pausing, far more than a buffer holds.
/// Guarantees: every request is answered in order, and the connection's memory stays what one request needs.
#[test]
fn endless_pipelining_costs_one_buffer() {
    const REQUESTS: usize = 3000;
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        let pad = "x".repeat(8000);
        // No scenario: the provider, in the same process, keeps bodies of calls that name one.
        let body = format!("{{\"model\":\"mock/mock-fast\",\"messages\":[],\"pad\":\"{pad}\"}}");
        let request = post(CHAT, &body, "");
        let mut connection = Connection::open(gateway.address);
        assert_eq!(connection.post(CHAT, &body).status, 200);
        let before = gateway.memory_bytes();
        let mut writer = connection.stream().try_clone().expect("a second handle");
        let writing = std::thread::spawn(move || {
            use std::io::Write;
            // Never at a border between two requests.
            let all = request.repeat(REQUESTS);
            all.as_bytes().chunks(50_001).all(|piece| writer.write_all(piece).is_ok())
        });
        for _ in 0..REQUESTS {
            assert_eq!(connection.response().status, 200);
        }
        assert!(writing.join().expect("the writer"));
        let grown = gateway.memory_bytes().saturating_sub(before);
        assert!(grown < 12 << 20, "{grown} bytes more, of {} sent", REQUESTS * 8200);
    }
}
