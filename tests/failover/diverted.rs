//! Fallback rules know what cannot be used: a request does not wait for a target that is known to be out.

use serde_json::json;

use super::face::Face;
use super::{Failures, Stage, to};

fn document(id: &str, models: &str, fallbacks: &[String]) -> String {
    let fallbacks: Vec<String> = fallbacks.iter().map(|target| format!("{{target: {target}}}")).collect();
    format!(
        "---\ntype: gateway-fallback-config\nname: fallbacks\nrules:\n  - id: {id}\n    \
         when: {{models: [{models}], response_status_codes: [429, 503]}}\n    fallback_models: [{}]\n",
        fallbacks.join(", ")
    )
}

/// Scenario: a target that only a fallback rule is for fails three times, and so does the first that the rule names.
/// Guarantees: from then on neither is asked: header, row and metrics say from where to where and why, and call it no rescue.
#[test]
fn what_is_unhealthy_is_not_asked_first() {
    let mut stage = Stage::new();
    let targets = stage.targets(&[to("openai", "503", ""), to("openai", "503", ""), to("openai", "tokens=2", "")]);
    let [first, second, third] = [0, 1, 2].map(|at| targets.fqn(at));
    let live = stage.start("io_uring", &document("fb", &first, &[second.clone(), third.clone()]));
    for _ in 0..3 {
        assert_eq!(live.ask(Face::Chat, &first, false).said.status, 200);
    }
    let asked = [0, 1].map(|at| live.requests(&targets.targets[at]));
    let told = live.ask(Face::Chat, &first, false);
    let mut failures = Failures::default();
    failures.check("asked again", [0, 1].map(|at| live.requests(&targets.targets[at])), asked);
    failures.check("target", told.field("x-sluice-target"), third.as_str());
    failures.check("attempts", told.field("x-sluice-attempts"), "1");
    let moved = json!({"rule_id": "fb", "from": first, "target": third, "reason": "overloaded"});
    failures.check("header", told.applied(), json!({"fallback": moved}));
    let row = live.row(&told);
    let shown = json!([row["diverted_from"], row["diverted_why"], row["rescued_by"], row["attempts"][0]["reason"]]);
    failures.check("row", shown, json!([first, "overloaded", null, "fallback"]));
    let passed_over = json!([row["attempts"][0]["passed_over"], row["attempts"][0]["passed_over_why"]]);
    failures.check("row", passed_over, json!([2, "unhealthy"]));
    let [from, to] = [format!("from_model=\"{first}\""), format!("to_model=\"{third}\"")];
    let parts = ["ruleId=\"fb\"", &from, &to, "reason=\"overloaded\""];
    live.gateway.until("the move is counted", |_| live.metric("llm_gateway_fallback_requests_total", &parts) >= 1.0);
    failures.none();
}

/// Scenario: a target with `usage_limits` is called by its own name until they are reached; the fallback rule is for 429.
/// Guarantees: then its place is taken by the fallback; one that is full beats one that failed.
#[test]
fn what_is_used_up_is_not_asked_first() {
    let mut stage = Stage::new();
    let targets = stage.targets(&[to("openai", "tokens=2", ""), to("openai", "500,once", "")]);
    let [first, second] = [0, 1].map(|at| targets.fqn(at));
    let more = format!(
        "---\ntype: gateway-load-balancing-config\nname: limits\nmodel_configs:\n  \
         - {{model: {first}, usage_limits: {{requests_per_minute: 2}}}}\n{}",
        document("fb", &first, std::slice::from_ref(&second))
    );
    let live = stage.start("epoll", &more);
    let served: Vec<(u16, String)> = (0..4)
        .map(|_| {
            let told =
                live.ask_with(Face::Chat, &first, &Default::default(), "x-tfy-retry-config: {\"attempts\":0}\r\n");
            (told.said.status, told.field("x-sluice-target").to_owned())
        })
        .collect();
    let [first, second] = [(200, first), (200, second)];
    assert_eq!(served, [first.clone(), first.clone(), first, second]);
}

/// Scenario: all targets of a rule are out, and a fallback rule is for its name.
/// Guarantees: the fallback answers at the first attempt; the rule's choice and the move away from it are both told.
#[test]
fn a_rule_whose_targets_are_all_out_gives_way() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let rule = stage.rule("", &[to("openai", "503", once), to("openai", "503", once)]);
    let last = stage.targets(&[to("openai", "tokens=2", "")]);
    let live = stage.start("io_uring", &document("fb", &rule.model, &[last.fqn(0)]));
    for _ in 0..3 {
        assert_eq!(live.ask(Face::Chat, &rule.model, false).said.status, 200);
    }
    let told = live.ask(Face::Chat, &rule.model, false);
    assert_eq!((told.said.status, told.field("x-sluice-attempts")), (200, "1"), "{}", told.said.body);
    assert_eq!(told.applied()["fallback"]["rule_id"], "fb");
    assert_eq!(told.applied()["load_balancing"]["reason"], "priority");
    assert_eq!(told.applied()["fallback"]["from"], told.applied()["load_balancing"]["target"]);
    assert_eq!(live.row(&told)["rule"], "rule-0");
}

/// Scenario: the first fallback refuses the request itself, which no other target would take either.
/// Guarantees: that is the answer; the next fallback is not asked.
#[test]
fn a_request_that_is_at_fault_is_not_passed_down_the_list() {
    let mut stage = Stage::new();
    let targets =
        stage.targets(&[to("openai", "503", ""), to("openai", "status=400", ""), to("openai", "tokens=2", "")]);
    let [first, second, third] = [0, 1, 2].map(|at| targets.fqn(at));
    let live = stage.start("io_uring", &document("fb", &first, &[second.clone(), third]));
    let told = live.ask(Face::Chat, &first, false);
    assert_eq!((told.said.status, told.field("x-sluice-target")), (400, second.as_str()), "{}", told.said.body);
    assert_eq!(live.requests(&targets.targets[2]), 0);
}
