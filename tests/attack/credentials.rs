//! The caller's key and the gateway's own.

use super::*;

/// Scenario: a credential or a content type is there twice.
/// Guarantees: refused: two parsers could each take another one.
#[test]
fn singletons_are_single() {
    let names = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "content-type"];
    let raw: Vec<Vec<u8>> = names
        .iter()
        .map(|name| {
            let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n";
            format!("{head}{name}: Bearer a\r\n{}: Bearer b\r\ncontent-length: 0\r\n\r\n", name.to_uppercase())
                .into_bytes()
        })
        .collect();
    let cases: Vec<(&[u8], u16, &str)> = raw.iter().map(|raw| (raw.as_slice(), 400, "duplicate_field")).collect();
    all_refused(&cases);
}

/// Scenario: the client sends every kind of credential; the account has a key and headers of its own, one of which the
/// client sends too.
/// Guarantees: the provider sees the account's key and headers once each, and none of the client's.
#[test]
fn the_callers_key_never_leaves() {
    for driver in DRIVERS {
        let upstream = Upstream::always(json(ANSWER));
        let account = format!(
            "{}auth_data: {{type: api-key, api_key: \"${{env:UP_KEY}}\"}}\nheaders: {{x-team: gateway}}\n",
            account(upstream.address)
        );
        let gateway = Gateway::start_with(driver, &config(&account), &[("UP_KEY", "sk-provider-1")]);
        let fields = "authorization: Bearer sk-client\r\nx-api-key: sk-client\r\napi-key: sk-client\r\n\
                      x-goog-api-key: sk-client\r\nOpenAI-Organization: org-client\r\nX-Team: client\r\n";
        let mut connection = Connection::open(gateway.address);
        connection.send(http::post(PATH, &chat("up/gpt", false), fields).as_bytes());
        assert_eq!(connection.response().status, 200);
        let seen = upstream.request();
        assert!(!seen.contains("client"), "{seen}");
        assert_eq!(seen.matches("authorization: Bearer sk-provider-1\r\n").count(), 1, "{seen}");
        assert_eq!(seen.to_lowercase().matches("x-team: gateway\r\n").count(), 1, "{seen}");
        assert!(!gateway.log().contains("sk-provider-1"));
    }
}
