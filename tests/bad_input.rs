//! What callers get wrong, and how they are told: in the dialect of their path, with a code, a sentence and the id of
//! the one record that was made of it.

mod common;

use common::http::{self, Connection, Response, chat, post};
use common::upstream::{Upstream, json};
use common::{DRIVERS, Gateway, MOCK, account, config};
use sha2::{Digest, Sha256};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// The error in the shape of the path: its code, type and message.
fn error_of(path: &str, response: &Response) -> (String, String, String) {
    let body = response.json();
    let id = response.field("x-request-id").expect("a request id").to_owned();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_else(|| panic!("no text: {body}")).to_owned();
    if path.starts_with(MESSAGES) {
        assert_eq!((&body["type"], &body["request_id"]), (&"error".into(), &id.into()), "{body}");
    } else {
        assert_eq!(
            (&body["error"]["request_id"], &body["error"]["param"]),
            (&id.into(), &serde_json::Value::Null),
            "{body}"
        );
    }
    assert_eq!(response.field("content-type"), Some("application/json"));
    assert!(response.field("traceparent").is_some() && response.field("date").is_some());
    let error = &body["error"];
    (text(&error["code"]), text(&error["type"]), text(&error["message"]))
}

/// Scenario: bodies that are no JSON, no object, have no model, a model of another type, two models, or nothing at all.
/// Guarantees: 400 with a code on every JSON path, one record for each, and the connection goes on.
#[test]
fn bodies_that_are_no_requests() {
    let bodies = [
        ("{\"model\":\"mock/mock\"", "invalid_json"),
        ("{\"model\":\"mock/mock\",}", "invalid_json"),
        ("{\"model\":\"mock/mock\"} x", "invalid_json"),
        ("{'model':'mock/mock'}", "invalid_json"),
        ("{\"model\":\"mock/mock\",\"x\":01}", "invalid_json"),
        ("{\"model\":\"mo\nck/mock\"}", "invalid_json"),
        ("{\"model\":\"mock/mock\",\"x\":\"\\ud800\\q\"}", "invalid_json"),
        ("not json", "invalid_json"),
        ("[]", "invalid_json"),
        ("null", "invalid_json"),
        ("\"mock/mock\"", "invalid_json"),
        ("{}", "missing_model"),
        ("{\"messages\":[{\"model\":\"mock/mock\"}]}", "missing_model"),
        ("{\"Model\":\"mock/mock\"}", "missing_model"),
        ("", "empty_body"),
    ];
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        let paths = [CHAT, MESSAGES, "/v1/responses", "/v1/embeddings"];
        for path in paths {
            let mut connection = Connection::open(gateway.address);
            for (body, code) in bodies {
                let response = connection.post(path, body);
                let (found, kind, message) = error_of(path, &response);
                assert_eq!((response.status, found.as_str()), (400, code), "{path} {body}: {message}");
                assert_eq!(kind, "invalid_request_error");
            }
            for body in ["{\"model\":5}", "{\"model\":null}", "{\"model\":[\"mock/mock\"]}", "{\"model\":\"\"}"] {
                let response = connection.post(path, body);
                assert!(matches!(response.status, 400 | 404), "{path} {body}: {}", response.text());
            }
            assert_eq!(connection.post(CHAT, &chat("mock/mock:tokens=1", false)).status, 200);
        }
        let refused = gateway.rows("outcome=refused", (bodies.len() + 4) * paths.len());
        assert_eq!(refused.len(), (bodies.len() + 4) * paths.len());
        assert!(refused.iter().all(|row| row["attempts"].as_array().is_some_and(Vec::is_empty)));
    }
}

/// Scenario: a body names its model twice: one that is allowed and one that is not.
/// Guarantees: what is checked is what is called: the provider never sees a model that was not checked.
#[test]
fn two_models_are_never_two_readings() {
    for driver in DRIVERS {
        let upstream = Upstream::always(json("{}"));
        let gateway = Gateway::start(driver, &config(&account(upstream.address)));
        for body in [
            "{\"model\":\"up/one\",\"model\":\"up/two\"}",
            "{\"model\":\"up/one\",\"mod\\u0065l\":\"up/two\"}",
            "{\"mod\\u0065l\":\"up/one\",\"model\":\"up/two\"}",
        ] {
            let response = http::once(gateway.address, CHAT, body);
            assert_eq!(response.status, 400, "{body}: {} {:?}", response.text(), upstream.requests_so_far());
        }
        assert_eq!(upstream.requests_so_far(), Vec::<String>::new());
    }
}

/// Scenario: models and paths that do not belong together, or to nobody.
/// Guarantees: 404 says how models are named; 400 says which path to call.
#[test]
fn models_nobody_serves() {
    for driver in DRIVERS {
        let upstream = Upstream::always(json("{}"));
        let anthropic = format!(
            "{}integrations: [{{name: claude-x, type: integration/model/anthropic, model_id: claude-x}}]\n",
            common::anthropic_account(upstream.address)
        );
        let two =
            format!("{}{}", account(upstream.address), account(upstream.address).replace("name: up", "name: down"));
        let listed = two
            .replace("/v1\n", "/v1\nintegrations: [{name: shared, type: integration/model/openai, model_id: gpt}]\n");
        let gateway = Gateway::start(driver, &config(&format!("{listed}{anthropic}")));
        let cases = [
            (CHAT, "nobody/gpt", 404, "model_not_found", "account/model"),
            (CHAT, "gpt-nobody", 404, "model_not_found", "account/model"),
            (CHAT, "up/other", 404, "model_not_found", "GET /v1/models"),
            (CHAT, "shared", 404, "model_ambiguous", "down/shared"),
            ("/v1/embeddings", "claude/claude-x", 400, "wrong_api", "nothing behind this path"),
            ("/v1/rerank", "claude-x", 400, "wrong_api", "nothing behind this path"),
            (MESSAGES, "nobody/x", 404, "model_not_found", "account/model"),
            ("/v1/messages/count_tokens", "nobody/x", 404, "model_not_found", "account/model"),
        ];
        for (path, model, status, code, says) in cases {
            let response = http::once(gateway.address, path, &chat(model, false));
            let (found, _, message) = error_of(path, &response);
            assert_eq!((response.status, found.as_str()), (status, code), "{path} {model}: {message}");
            assert!(message.contains(says), "{message}");
        }
        let long = http::once(gateway.address, CHAT, &chat(&"x".repeat(100_000), false));
        assert_eq!(long.status, 404);
        assert!(long.body.len() < 2048, "the name is not echoed whole");
        assert_eq!(upstream.requests_so_far(), Vec::<String>::new());
        gateway.rows("outcome=refused", cases.len() + 1);
    }
}

/// Scenario: metadata that is no JSON object of strings, has too many keys or values that are too long; and good metadata.
/// Guarantees: 400 says what is wrong; the good one is in the record.
#[test]
fn metadata_is_an_object_of_strings() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        let many: String = (0..65).map(|n| format!("\"k{n}\":\"v\",")).collect();
        let bad = [
            "not json".to_owned(),
            "[]".to_owned(),
            "{\"a\":5}".to_owned(),
            "{\"a\":{\"b\":\"c\"}}".to_owned(),
            format!("{{{}}}", many.trim_end_matches(',')),
            format!("{{\"a\":\"{}\"}}", "x".repeat(129)),
        ];
        let mut connection = Connection::open(gateway.address);
        for value in &bad {
            let request = post(CHAT, &chat("mock/mock:tokens=1", false), &format!("x-tfy-metadata: {value}\r\n"));
            connection.send(request.as_bytes());
            let response = connection.response();
            assert_eq!((response.status, error_of(CHAT, &response).0.as_str()), (400, "invalid_metadata"), "{value}");
            // The body of what is refused on its head is not read: another connection goes on.
            connection = Connection::open(gateway.address);
        }
        let request = post(CHAT, &chat("mock/mock:tokens=1", false), "x-sluice-metadata: {\"team\":\"a b\"}\r\n");
        connection.send(request.as_bytes());
        let response = connection.response();
        assert_eq!(response.status, 200);
        assert_eq!(gateway.row(response.field("x-request-id").expect("an id"))["metadata"]["team"], "a b");
    }
}

/// Scenario: `auth: required`: no key, unknown keys, odd schemes, a key without a permission, and the right key in each
/// of the fields that SDKs use.
/// Guarantees: 401 or 403 in the caller's dialect before the body is looked at; nothing else opens the door.
#[test]
fn keys_open_what_they_may() {
    let digest = Sha256::digest(b"key-one");
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let people = format!(
        "---\ntype: virtual-account\nname: bot\nteams: [core]\nmetadata: {{environment: prod}}\ntokens: [{{id: k1, sha256: \"{hash}\"}}]\n\
         permissions: [{{resource_fqn: \"mock/mock:tokens=1\"}}]\n---\ntype: virtual-account\nname: nobody\ntokens: [{{id: k2, value: \"${{env:K2}}\"}}]\n"
    );
    for driver in DRIVERS {
        let with_auth = config(&format!("{MOCK}{people}")).replace("auth: none", "auth: required");
        let gateway = Gateway::start_with(driver, &with_auth, &[("K2", "key-two")]);
        let ask = |path: &str, fields: &str, model: &str| {
            let mut connection = Connection::open(gateway.address);
            connection.send(post(path, &chat(model, false), fields).as_bytes());
            connection.response()
        };
        let allowed = "mock/mock:tokens=1";
        for path in [CHAT, MESSAGES] {
            for (fields, status, code, kind) in [
                ("", 401, "missing_api_key", "authentication_error"),
                ("authorization: Bearer \r\n", 401, "missing_api_key", "authentication_error"),
                ("authorization: Basic a2V5LW9uZQ==\r\n", 401, "missing_api_key", "authentication_error"),
                ("authorization: key-one\r\n", 401, "missing_api_key", "authentication_error"),
                ("x-api-key: \r\n", 401, "missing_api_key", "authentication_error"),
                ("authorization: Bearer key-oneX\r\n", 401, "invalid_api_key", "authentication_error"),
                ("authorization: Bearer KEY-ONE\r\n", 401, "invalid_api_key", "authentication_error"),
                (
                    "authorization: Bearer wrong\r\nx-api-key: key-one\r\n",
                    401,
                    "invalid_api_key",
                    "authentication_error",
                ),
                ("authorization: Bearer key-two\r\n", 403, "model_not_allowed", "permi"),
            ] {
                let response = ask(path, fields, allowed);
                let (found, found_kind, message) = error_of(path, &response);
                assert_eq!((response.status, found.as_str()), (status, code), "{fields}");
                assert!(found_kind.starts_with(kind), "{found_kind}");
                assert!(!message.contains("key-"), "{message}");
            }
        }
        let response = ask(CHAT, "authorization: Bearer key-one\r\n", "mock/mock:tokens=2");
        assert_eq!((response.status, error_of(CHAT, &response).0.as_str()), (403, "model_not_allowed"));
        for fields in [
            "authorization: bearer  key-one\r\n",
            "x-api-key: key-one\r\n",
            "api-key: key-one\r\n",
            "x-goog-api-key: key-one\r\n",
        ] {
            let response =
                ask(CHAT, &format!("{fields}x-tfy-metadata: {{\"environment\":\"mine\",\"a\":\"b\"}}\r\n"), allowed);
            assert_eq!(response.status, 200, "{fields}: {}", response.text());
            let row = gateway.row(response.field("x-request-id").expect("an id"));
            assert_eq!(
                (&row["metadata"]["environment"], &row["metadata"]["a"]),
                (&"prod".into(), &"b".into()),
                "{row}"
            );
        }
        // The list of models needs a key too.
        let mut connection = Connection::open(gateway.address);
        connection.send(b"GET /v1/models HTTP/1.1\r\nhost: g\r\n\r\n");
        assert_eq!(connection.response().status, 401);
        connection.send(b"GET /v1/models HTTP/1.1\r\nhost: g\r\nauthorization: Bearer key-two\r\n\r\n");
        let response = connection.response();
        assert_eq!((response.status, response.json()["data"].as_array().map(Vec::len)), (200, Some(0)));
        assert!(!gateway.log().contains("key-"));
    }
}

/// Scenario: methods and paths that are not served, HEAD and GET of the models, an old client.
/// Guarantees: 405 and 404 with what to do instead; HEAD has no body; HTTP/1.0 is answered and closed.
#[test]
fn methods_and_paths() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        let mut connection = Connection::open(gateway.address);
        for (line, status) in [
            ("GET /v1/chat/completions", 405),
            ("DELETE /v1/messages", 405),
            ("OPTIONS /v1/chat/completions", 405),
            ("BREW /v1/chat/completions", 405),
            ("post /v1/chat/completions", 405),
            ("POST /v1/models", 405),
            ("GET /", 404),
            ("GET /v1", 404),
            ("GET /v2/chat/completions", 404),
            ("OPTIONS *", 404),
        ] {
            connection.send(format!("{line} HTTP/1.1\r\nhost: g\r\n\r\n").as_bytes());
            let response = connection.response();
            assert_eq!(response.status, status, "{line}");
            let path = line.split(' ').nth(1).unwrap_or_default();
            assert!(!error_of(path, &response).2.is_empty());
        }
        connection.send(b"HEAD /v1/models HTTP/1.1\r\nhost: g\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: g\r\n\r\n");
        let head = connection.any_response(true);
        let got = connection.any_response(false);
        assert_eq!((head.status, got.status), (200, 200));
        assert_eq!(head.field("content-length"), got.field("content-length"));
        assert!(got.json()["data"].as_array().is_some_and(|models| !models.is_empty()));
        for fields in ["", "connection: keep-alive\r\n"] {
            let mut old = Connection::open(gateway.address);
            old.send(format!("GET /v1/models HTTP/1.0\r\n{fields}\r\n").as_bytes());
            assert_eq!(old.response().status, 200);
            assert!(old.is_closed());
        }
        let mut old = Connection::open(gateway.address);
        old.send(post(CHAT, &chat("mock/mock:tokens=3", true), "").replace("HTTP/1.1", "HTTP/1.0").as_bytes());
        let response = old.response();
        assert_eq!((response.status, response.field("transfer-encoding")), (200, None));
        assert!(response.text().ends_with("data: [DONE]\n\n"), "{}", response.text());
        gateway.rows("outcome=refused", 10);
    }
}

/// Scenario: a head or a body that stops half way, and one that never begins.
/// Guarantees: 408 with a code; an idle connection is closed without a word.
#[test]
fn what_does_not_come_is_not_waited_for() {
    for driver in DRIVERS {
        let limits = "limits: {head_ms: 400, body_idle_ms: 400, keep_alive_idle_ms: 400}\n";
        let gateway = Gateway::start(driver, &config(&format!("{limits}{MOCK}")));
        for (raw, code) in [
            ("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n", "head_timeout"),
            ("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 9\r\n\r\n{", "body_timeout"),
            (
                "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
                "body_timeout",
            ),
            (
                "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: g\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 9\r\n\r\n-",
                "body_timeout",
            ),
        ] {
            let mut connection = Connection::open(gateway.address);
            connection.send(raw.as_bytes());
            let response = connection.response();
            assert_eq!((response.status, error_of(CHAT, &response).0.as_str()), (408, code));
            assert!(connection.is_closed());
        }
        assert!(Connection::open(gateway.address).is_closed());
        gateway.rows("status=408", 4);
        let mut used = Connection::open(gateway.address);
        assert_eq!(used.post(CHAT, &chat("mock/mock:tokens=1", false)).status, 200);
        assert!(used.is_closed());
    }
}
