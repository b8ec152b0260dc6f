//! What is shown of a target that failed and that nobody asks any more.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::common::http::{self, chat};
use crate::common::{Gateway, config};

fn documents(mock: SocketAddr) -> String {
    format!(
        "---\ntype: provider-account/openai\nname: one\nbase_url: http://{mock}/v1\nintegrations:\n  \
         - {{name: m, model_id: \"one:tokens=3,500,first=3\"}}\n\
         ---\ntype: gateway-load-balancing-config\nname: rules\nrules:\n  - id: chat\n    type: priority-based-routing\n    \
         when: {{models: [chat]}}\n    load_balance_targets:\n      - {{target: one/m, priority: 0, retry_config: {{attempts: 0}}}}\n"
    )
}

/// Verdict as the admin API has it; the gauges for healthy, half-open and the end of the cool-down.
fn shown(gateway: &Gateway) -> (String, f64, f64, f64) {
    let targets = gateway.admin("/api/v1/targets").json();
    let gauge = |name: &str| gateway.metric(&format!("{name}{{target_model=\"one/m\"}}"));
    let verdict = targets["targets"][0]["verdict"].as_str().unwrap_or_default().to_owned();
    let gauges = ["sluice_target_healthy", "sluice_target_half_open", "sluice_target_cooldown_end_seconds"].map(gauge);
    (verdict, gauges[0], gauges[1], gauges[2])
}

/// Scenario: a target fails three times, then there is no traffic; later one request comes.
/// Guarantees: it is shown as unhealthy only while its cool-down lasts, with the end ahead; then as half-open, with the
/// same end behind; and as healthy once that request has succeeded.
#[test]
fn a_failed_target_without_traffic_is_shown_as_half_open() {
    let mock = loadtest::mock::spawn(SocketAddr::from(([127, 0, 0, 1], 0))).expect("the provider starts");
    let gateway = Gateway::start("io_uring", &config(&documents(mock)));
    assert_eq!(shown(&gateway), ("healthy".to_owned(), 1.0, 0.0, 0.0));
    let asked = || http::once(gateway.address, "/v1/chat/completions", &chat("chat", false)).status;
    assert_eq!([asked(), asked(), asked()], [500; 3]);
    gateway.until("it is out of the rotation", |gateway| shown(gateway).1 == 0.0);
    // By now its cool-down may be over already: that is what is waited for.
    gateway.until("its cool-down is over", |gateway| shown(gateway).2 == 1.0);
    let (verdict, healthy, half_open, end) = shown(&gateway);
    assert_eq!((verdict.as_str(), healthy, half_open), ("half_open", 0.0, 1.0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    assert!(end <= now && now - end < 60.0, "{end} at {now}");
    assert_eq!(asked(), 200, "the trial");
    gateway.until("it is back", |gateway| shown(gateway) == ("healthy".to_owned(), 1.0, 0.0, 0.0));
}

/// The streams of `slow` are late three times, and then are not; `spare` never is.
fn with_sla(mock: SocketAddr) -> String {
    let account = |name: &str, words: &str| {
        format!(
            "---\ntype: provider-account/openai\nname: {name}\nbase_url: http://{mock}/v1\nintegrations:\n  \
             - {{name: m, model_id: \"{name}:tokens=3{words}\"}}\n"
        )
    };
    format!(
        "{}{}---\ntype: gateway-load-balancing-config\nname: rules\nrules:\n  - id: chat\n    \
         type: priority-based-routing\n    when: {{models: [chat]}}\n    load_balance_targets:\n      \
         - {{target: slow/m, priority: 0, sla_cutoff: {{time_to_first_token_ms: 300}}}}\n      \
         - {{target: spare/m, priority: 1}}\n",
        account("slow", ",late=1000,first=3"),
        account("spare", "")
    )
}

/// Scenario: the first target of a rule is healthy, and slower than the rule's SLA allows; later it is fast again.
/// Guarantees: it is shown why the rule passes it over, as long as it does, beside that it is healthy; and so it is in what
/// is said of each request.
#[test]
fn a_target_that_misses_its_sla_is_shown_as_slow_for_the_rule() {
    let mock = loadtest::mock::spawn(SocketAddr::from(([127, 0, 0, 1], 0))).expect("the provider starts");
    let gateway = Gateway::start("io_uring", &config(&with_sla(mock)));
    let answer = |model: &str| {
        let response = http::once(gateway.address, "/v1/chat/completions", &chat(model, true));
        assert_eq!(response.status, 200);
        response
    };
    let asked = |model: &str| answer(model).field("x-sluice-target").unwrap_or_default().to_owned();
    let shown = |gateway: &Gateway| {
        let target = gateway.admin("/api/v1/targets").json()["targets"][0].clone();
        let gauge = gateway.metric("sluice_target_slow{target_model=\"slow/m\",ruleId=\"chat\"}");
        (target["verdict"] == "healthy", target["slow_for"].clone(), gauge)
    };
    assert_eq!(shown(&gateway), (true, json!([]), 0.0));
    let late: Vec<String> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..3).map(|_| scope.spawn(|| asked("chat"))).collect();
        asking.into_iter().map(|one| one.join().expect("it is answered")).collect()
    });
    assert_eq!(late, ["slow/m"; 3]);
    gateway.until("it is shown as slow", |gateway| shown(gateway) == (true, json!(["chat"]), 1.0));
    let spared = answer("chat");
    assert_eq!(spared.field("x-sluice-target"), Some("spare/m"));
    let applied = spared.field("x-tfy-applied-configurations").unwrap_or_default();
    assert!(applied.contains("\"passed_over\":1,\"passed_over_why\":\"sla\""), "{applied}");
    let row = gateway.row(spared.field("x-request-id").expect("an id"));
    assert_eq!(row["attempts"][0]["passed_over_why"], "sla", "{row}");
    gateway.until("it is fast again", |gateway| {
        assert_eq!(asked("slow/m"), "slow/m", "by its own name");
        shown(gateway) == (true, json!([]), 0.0)
    });
    assert_eq!(asked("chat"), "slow/m");
}
