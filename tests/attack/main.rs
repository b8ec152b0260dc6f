//! Attacks on the border between two parsers, one file per class: the client's answer and the exact bytes the provider
//! saw. What is refused reaches no provider, and nothing behind it on the connection is read as a request.

#[path = "../common/mod.rs"]
mod common;

mod chunks;
mod cl_te;
mod credentials;
mod expectations;
mod forms;
mod hop_by_hop;
mod host;
mod interim;
mod limits;
mod lines;
mod response_framing;
mod response_splitting;
mod target;
mod te_te;
mod undrained;
mod unsolicited;

use common::http::{self, Connection, Response, chat};
use common::upstream::{Upstream, json};
use common::{DRIVERS, Gateway, account, config};

const PATH: &str = "/v1/chat/completions";
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;

struct Bench {
    upstream: Upstream,
    gateway: Gateway,
}

impl Bench {
    /// A provider that answers everything, behind a gateway with further lines in its `type: sluice` document.
    fn new(driver: &str, more: &str) -> Self {
        let upstream = Upstream::always(json(ANSWER));
        let gateway = Gateway::start(driver, &config(&format!("{more}{}", account(upstream.address))));
        Self { upstream, gateway }
    }

    /// Sends `raw` with a whole request behind it. One refusal comes back, the connection closes, nobody reads on.
    fn refuses(&self, raw: &[u8], status: u16, code: &str) {
        let shown = String::from_utf8_lossy(&raw[..raw.len().min(400)]).into_owned();
        let mut connection = Connection::open(self.gateway.address);
        connection.try_send(raw);
        connection.try_send(http::post(PATH, &chat("up/smuggled", false), "").as_bytes());
        let response = connection.response();
        let error = response.json()["error"].clone();
        assert_eq!((response.status, error["code"].as_str()), (status, Some(code)), "{shown:?}: {}", response.text());
        assert_eq!(response.field("connection"), Some("close"), "{shown:?}");
        is_identified(&response, &error);
        assert!(connection.is_closed(), "{shown:?}: more than one answer");
    }

    /// The provider has seen nothing but this one request, sent now.
    fn saw_nothing(&self) {
        let response = http::once(self.gateway.address, PATH, &chat("up/witness", false));
        assert_eq!(response.status, 200, "{}", response.text());
        let seen = self.upstream.request();
        assert!(seen.contains("\"model\":\"witness\""), "the provider saw: {seen}");
        assert_eq!(self.upstream.requests_so_far(), Vec::<String>::new());
    }

    /// Sends `raw`, which is fine. What the provider saw.
    fn forwards(&self, raw: &[u8]) -> String {
        let mut connection = Connection::open(self.gateway.address);
        connection.send(raw);
        let response = connection.response();
        assert_eq!((response.status, response.text()), (200, ANSWER.to_owned()), "{}", String::from_utf8_lossy(raw));
        self.upstream.request()
    }
}

/// The error names the request: the id in the body is the one in the head.
fn is_identified(response: &Response, error: &serde_json::Value) {
    let id = response.field("x-request-id").expect("a request id");
    assert!(id.starts_with("req_") && id.len() == 36, "{id}");
    assert_eq!(error["request_id"].as_str(), Some(id));
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
}

/// Each input is refused with this, and reaches nobody.
fn all_refused(cases: &[(&[u8], u16, &str)]) {
    for driver in DRIVERS {
        let bench = Bench::new(driver, "");
        for (raw, status, code) in cases {
            bench.refuses(raw, *status, code);
        }
        bench.saw_nothing();
        let rows = bench.gateway.rows("", cases.len() + 1);
        assert_eq!(rows.iter().filter(|row| row["outcome"] == "refused").count(), cases.len(), "one record for each");
    }
}
