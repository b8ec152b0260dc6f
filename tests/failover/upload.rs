//! Uploads pass through as they come and are kept nowhere: another target is asked as long as nothing of one has gone out.

use serde_json::{Value, json};

use super::common::http::{Connection, Response};
use super::stage::REFUSES;
use super::{Failures, Live, Stage, all, to};

/// A recording of this many bytes, with a length or in chunks.
fn upload(live: &Live, model: &str, bytes: usize, chunked: bool) -> Response {
    let part = "content-disposition: form-data; name=";
    let mut body =
        format!("--b\r\n{part}\"model\"\r\n\r\n{model}\r\n--b\r\n{part}\"file\"; filename=\"a.wav\"\r\n\r\n");
    body.extend(std::iter::repeat_n('x', bytes));
    body.push_str("\r\n--b--\r\n");
    let framing =
        if chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {}", body.len()) };
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: g\r\ncontent-type: multipart/form-data; boundary=b\r\n{framing}\r\n\r\n"
    );
    let mut connection = Connection::open(live.gateway.address);
    connection.send(head.as_bytes());
    match chunked {
        false => connection.send(body.as_bytes()),
        true => {
            body.as_bytes().chunks(9999).for_each(|piece| {
                connection.send(format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)).as_bytes());
            });
            connection.send(b"0\r\n\r\n");
        }
    }
    connection.response()
}

/// Scenario: uploads, small and large, to a rule whose first targets refuse connections; to such a target by its own name,
/// which a fallback rule is for; and where nobody takes the connection.
/// Guarantees: whoever takes the connection gets the whole upload, once, and its answer is the client's; headers, row and
/// metrics tell of the move as for any request. With nobody left it is a 502.
#[test]
fn an_upload_goes_on_from_a_refused_connection() {
    let mut stage = Stage::new();
    let (refuses, serves) = (to("openai", REFUSES, ""), to("openai", "tokens=3", ""));
    let mut document = "---\ntype: gateway-fallback-config\nname: fb\nrules:\n".to_owned();
    let mut cases = Vec::new();
    // Each with targets of its own: what refuses three times is not asked first again.
    for (bytes, chunked) in [(10, false), (10, true), (3 << 20, false), (3 << 20, true)] {
        let id = format!("rule-{}", cases.len() / 2);
        let rule = stage.rule("", &[refuses.clone(), refuses.clone(), serves.clone()]);
        cases.push((bytes, chunked, rule.model.clone(), rule.targets[2].clone(), id));
        let alone = stage.targets(&[refuses.clone(), serves.clone()]);
        let id = format!("fallback-{}", cases.len());
        document += &format!(
            "  - {{id: {id}, when: {{models: [{}], response_status_codes: [502]}}, fallback_models: [{{target: {}}}]}}\n",
            alone.fqn(0),
            alone.fqn(1)
        );
        cases.push((bytes, chunked, alone.fqn(0), alone.targets[1].clone(), id));
    }
    let nobody = stage.rule("", &[refuses.clone(), refuses]);
    let live = stage.start("io_uring", &document);
    all(&cases, |(bytes, chunked, model, target, rule_id), failures| {
        let response = upload(&live, model, *bytes, *chunked);
        let what = format!("{model} {bytes} chunked={chunked} {}", response.text());
        let served = (response.status, response.field("x-sluice-target").unwrap_or_default());
        failures.check(&what, served, (200, &*format!("{target}/m")));
        let applied: Value =
            serde_json::from_str(response.field("x-tfy-applied-configurations").unwrap_or("{}")).unwrap_or_default();
        failures.check(&what, &applied["fallback"]["rule_id"], &json!(rule_id));
        failures.check(&what, live.requests(target), 1);
        let row = live.gateway.row(response.field("x-request-id").unwrap_or_default());
        let errors: Vec<&Value> = row["attempts"].as_array().into_iter().flatten().map(|one| &one["error"]).collect();
        failures.check(&what, errors.first(), Some(&&json!("connect")));
        failures.check(&what, errors.last(), Some(&&Value::Null));
    });
    let response = upload(&live, &nobody.model, 10, false);
    assert_eq!(response.status, 502, "{}", response.text());
}

/// Scenario: the target takes the upload, and then answers 503, resets, or says nothing more; there is another one.
/// Guarantees: the upload is not sent again: the failure is the client's, and the other target sees nothing.
#[test]
fn an_upload_that_has_gone_out_is_not_sent_again() {
    let mut stage = Stage::new();
    let cases: Vec<_> = [("503", 503), ("reset", 502), ("close", 502)]
        .into_iter()
        .map(|(words, status)| (stage.rule("", &[to("openai", words, ""), to("openai", "tokens=3", "")]), status))
        .collect();
    let live = stage.start("epoll", "");
    let mut failures = Failures::default();
    for (rule, status) in cases {
        let response = upload(&live, &rule.model, 1 << 20, false);
        failures.check(&format!("{} {}", rule.model, response.text()), response.status, status);
        failures.check(&rule.targets[1], live.requests(&rule.targets[1]), 0);
    }
    failures.none();
}
