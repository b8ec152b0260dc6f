//! Targets: routed on exactly the bytes that are forwarded.

use super::*;

/// Scenario: encoded line ends and NUL, controls, fragments, raw bytes, other forms.
/// Guarantees: refused before routing.
#[test]
fn targets_are_plain() {
    let bad = "invalid_target";
    let targets: [&[u8]; 14] = [
        b"/v1/chat/completions%0d%0ax:%20y",
        b"/v1/chat/completions%0A",
        b"/v1/%00/chat",
        b"/v1/chat/completions%",
        b"/v1/chat/completions%2",
        b"/v1/chat/completions%zz",
        b"/v1/chat/completions#x",
        b"/v1/chat/\x7f",
        b"/v1/chat/\xc3\xa9",
        b"/v1/chat\\completions\x01",
        b"v1/chat/completions",
        b"*",
        b"gateway:443",
        b"ftp://a/v1/chat/completions",
    ];
    let raw: Vec<Vec<u8>> = targets
        .iter()
        .map(|target| [b"POST ", *target, b" HTTP/1.1\r\nhost: g\r\ncontent-length: 0\r\n\r\n"].concat())
        .collect();
    let mut cases: Vec<(&[u8], u16, &str)> = raw.iter().map(|raw| (raw.as_slice(), 400, bad)).collect();
    cases.push((b"CONNECT up:443 HTTP/1.1\r\nhost: up:443\r\n\r\n", 400, bad));
    all_refused(&cases);
}

/// Scenario: other spellings of a served path.
/// Guarantees: nothing is decoded or folded on the way to the route: they are unknown paths.
#[test]
fn paths_are_not_normalised() {
    for driver in DRIVERS {
        let bench = Bench::new(driver, "");
        for path in [
            "/v1/chat/completions/",
            "//v1/chat/completions",
            "/v1/./chat/completions",
            "/v1/x/../chat/completions",
            "/v1/chat%2fcompletions",
            "/v1/chat/completion%73",
            "/V1/chat/completions",
            "/v1/chat/completions;a",
        ] {
            let response = http::once(bench.gateway.address, path, &chat("up/gpt", false));
            assert_eq!(
                (response.status, response.json()["error"]["code"].as_str()),
                (404, Some("unknown_path")),
                "{path}"
            );
        }
        bench.saw_nothing();
    }
}
