//! What a rule changes of a request on its way to a target, and what it leaves alone.

use serde_json::json;

use super::common::http::{Connection, post};
use super::common::upstream::{Upstream, json as answer};
use super::common::{DRIVERS, Gateway, account, config};
use super::face::{Ask, Face};
use super::stage::{Stage, to};

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;
/// As no serializer writes it.
const BODY: &str = "{ \"model\" : \"chat\",\n\t\"unknown\": [1.00, 1e2, null,{}], \"temperature\" : 0.70 ,\"messages\":[{\"role\":\"user\", \"content\":\"h\\u00e9\"}],\"seed\":12345678901234567890123,\"top_p\":1.0}";

/// Scenario: a rule overrides parameters, some of which the client sent, and sets and removes headers.
/// Guarantees: the provider sees what the rule says in their places, and every other byte of the body as it came; a header
/// that is set is there once, one that is removed is not.
#[test]
fn what_a_rule_overrides_is_all_that_changes() {
    let rules = "---\ntype: gateway-load-balancing-config\nname: rules\nrules:\n  - id: r\n    type: priority-based-routing\n    \
                 when: {models: [chat]}\n    load_balance_targets:\n      - target: up/gpt-x\n        \
                 override_params: {temperature: 0.20, top_p: 1e-1}\n        \
                 headers_override: {set: {x-team: blue, X-Extra: \"a b\"}, remove: [X-Debug]}\n";
    for driver in DRIVERS {
        let upstream = Upstream::always(answer(ANSWER));
        let gateway = Gateway::start(driver, &config(&format!("{}{rules}", account(upstream.address))));
        let mut connection = Connection::open(gateway.address);
        let fields = "x-debug: 1\r\nX-Team: red\r\nx-kept: yes\r\n";
        connection.send(post("/v1/chat/completions", BODY, fields).as_bytes());
        assert_eq!(connection.response().status, 200);
        let seen = upstream.request();
        let (head, body) = seen.split_once("\r\n\r\n").expect("a head");
        let expected =
            BODY.replace("\"chat\"", "\"gpt-x\"").replace("0.70", "0.20").replace("\"top_p\":1.0", "\"top_p\":1e-1");
        assert_eq!(body, expected);
        let fields: Vec<(String, &str)> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let named =
            |name: &str| fields.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(named("x-team"), ["blue"]);
        assert_eq!((named("x-extra"), named("x-kept"), named("x-debug")), (vec!["a b"], vec!["yes"], vec![]));
    }
}

/// Scenario: the rule sets a parameter that the client did not send.
/// Guarantees: it joins the others, of which each byte stays.
#[test]
fn what_a_rule_adds_joins_the_rest() {
    let rules = "---\ntype: gateway-load-balancing-config\nname: rules\nrules:\n  - id: r\n    type: priority-based-routing\n    \
                 when: {models: [chat]}\n    load_balance_targets:\n      - target: up/chat\n        \
                 override_params: {max_tokens: 7, stop: [\"a\", \"b\"]}\n";
    let upstream = Upstream::always(answer(ANSWER));
    let gateway = Gateway::start("io_uring", &config(&format!("{}{rules}", account(upstream.address))));
    let mut connection = Connection::open(gateway.address);
    assert_eq!(connection.post("/v1/chat/completions", BODY).status, 200);
    let seen = upstream.request();
    let (_, body) = seen.split_once("\r\n\r\n").expect("a head");
    let inner = BODY.trim_start_matches('{').trim_end_matches('}').trim();
    assert!(body.contains(inner), "{body}");
    let value: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&value["max_tokens"], &value["stop"]), (&json!(7), &json!(["a", "b"])));
    assert_eq!(value.as_object().expect("an object").len(), 8);
}

/// Scenario: overrides meet a translation, a retry on the next target, and the target of a fallback.
/// Guarantees: each target sees its own overrides and none of another's, in its own dialect.
#[test]
fn each_target_has_its_own_overrides() {
    let mut stage = Stage::new();
    let first = to("openai", "500", "retry_config: {attempts: 0}, override_params: {temperature: 0.1}");
    let second = to("anthropic", "tokens=3", "override_params: {temperature: 0.3, max_tokens: 77}");
    let rule = stage.rule("", &[first, second]);
    let live = stage.start("io_uring", "");
    for stream in [false, true] {
        let ask = Ask { stream, more: json!({"temperature": 0.9}), ..Ask::default() };
        let told = live.ask_with(Face::Chat, &rule.model, &ask, "");
        assert!(told.said.ended, "{}", told.said.body);
        let bodies = [0, 1].map(|at| live.seen(&rule.targets[at]).calls.last().expect("a call")["body"].clone());
        assert_eq!(bodies[0]["temperature"].to_string(), "0.1", "{bodies:?}");
        assert_eq!(bodies[1]["temperature"].to_string(), "0.3", "{bodies:?}");
        assert_eq!((&bodies[0]["max_tokens"], &bodies[1]["max_tokens"]), (&json!(null), &json!(77)), "{bodies:?}");
    }
}
