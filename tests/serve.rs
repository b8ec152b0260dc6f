//! The gateway serves: requests of every kind pass through it unchanged but for what must change.

mod common;

use common::http::{self, Connection, chat};
use common::upstream::{Upstream, json};
use common::{DRIVERS, Gateway, MOCK, account, config};

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;

/// Scenario: a client sends a body with unknown fields, odd spacing and odd numbers to `up/gpt`.
/// Guarantees: the provider sees the same bytes but for the model's name; the client sees the provider's bytes.
#[test]
fn bodies_pass_unchanged_but_for_the_model() {
    for driver in DRIVERS {
        let upstream = Upstream::always(json(ANSWER));
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        let body = "{ \"zeta\":1.0e+2, \"model\" : \"up/gpt\",\n\t\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}] , \"big\":12345678901234567890123 }";
        let response = http::once(gateway.address, "/v1/chat/completions", body);
        assert_eq!((response.status, response.text()), (200, ANSWER.to_owned()));
        let seen = upstream.request();
        assert!(seen.ends_with(&body.replace("up/gpt", "gpt")), "{seen}");
        assert_eq!(response.field("x-sluice-target"), Some("up/gpt"));
        let row = &gateway.rows("", 1)[0];
        assert_eq!(row["usage"]["output_tokens"], 4);
        assert_eq!(row["usage"]["source"], "reported");
        assert_eq!(row["outcome"], "served");
    }
}

/// Scenario: three requests are pipelined on one connection.
/// Guarantees: three answers come back, in order, on the same connection, and one upstream connection served them.
#[test]
fn pipelined_requests_are_answered_in_order() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        let mut connection = Connection::open(gateway.address);
        let requests: String = (1..=3)
            .map(|n| http::post("/v1/chat/completions", &chat(&format!("mock/mock:tokens={n}"), false), ""))
            .collect();
        connection.send(requests.as_bytes());
        for n in 1..=3 {
            let response = connection.response();
            assert_eq!(response.status, 200, "{}", response.text());
            assert_eq!(response.json()["usage"]["completion_tokens"], n);
        }
        assert_eq!(gateway.metric("sluice_upstream_connects_total"), 1.0);
    }
}

/// Scenario: an integration says what its models do.
/// Guarantees: the list of models shows it, and says nothing for a model that says nothing.
#[test]
fn the_list_of_models_shows_their_types() {
    let more = "---\ntype: provider-account/openai\nname: up\nbase_url: http://127.0.0.1:9/v1\nintegrations:\n  \
                - {name: a, model_types: [chat, embedding]}\n  - {name: b}\n";
    let gateway = Gateway::start(DRIVERS[0], &config(more));
    let mut connection = Connection::open(gateway.address);
    connection.send(b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\n\r\n");
    let list = connection.response().json();
    assert_eq!(list["data"][0]["model_types"], serde_json::json!(["chat", "embedding"]));
    assert_eq!((list["data"][1]["id"].as_str(), list["data"][1].get("model_types")), (Some("up/b"), None));
}
