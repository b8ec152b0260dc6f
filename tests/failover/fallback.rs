//! `gateway-fallback-config`: where requests go that failed at a target.

use serde_json::json;

use super::face::{Ask, Face};
use super::stage::{Stage, to};
use super::{Failures, Pair};
use crate::row::{ACROSS, SAME};

fn document(rules: &str) -> String {
    format!("---\ntype: gateway-fallback-config\nname: fallbacks\nrules:\n{rules}")
}

/// Scenario: a target that is asked for by its own name fails, with a status that a fallback rule lists; the first of its
/// targets fails as well.
/// Guarantees: they are tried in their order; the last one's answer is the client's, in its dialect; the rule is named.
#[test]
fn a_direct_target_falls_back_in_order() {
    let mut stage = Stage::new();
    let mut rules = String::new();
    let mut cases = Vec::new();
    for (at, Pair(face, first, second)) in SAME.into_iter().chain(ACROSS).enumerate() {
        let targets = [to(first, "503", ""), to(second, "500", ""), to(second, "tokens=5", "")];
        let route = stage.targets(&targets);
        // A member of the client's body, as its face spells it.
        let sampling = if face == Face::Gemini { "generationConfig: {temperature: 0.5}" } else { "temperature: 0.5" };
        rules += &format!(
            "  - id: fb-{at}\n    when: {{models: [{}], response_status_codes: [429, 503, 529]}}\n    fallback_models:\n      \
             - {{target: {}}}\n      - {{target: {}, override_params: {{{sampling}}}}}\n",
            route.fqn(0),
            route.fqn(1),
            route.fqn(2)
        );
        cases.push((face, route, format!("fb-{at}")));
    }
    let live = stage.start("io_uring", &document(&rules));
    super::all(&cases, |(face, route, id), failures| {
        for stream in [true, false] {
            let told = live.ask(*face, &route.fqn(0), stream);
            let what = format!("{face:?} stream={stream} {} {}", told.said.status, told.said.body);
            failures.check(&what, (told.said.ended, told.field("x-sluice-target")), (true, &*route.fqn(2)));
            failures.check(&what, told.applied()["fallback"]["rule_id"].as_str(), Some(&**id));
        }
        let body = &live.seen(&route.targets[2]).calls[0]["body"];
        let config = if body.get("generationConfig").is_some() { &body["generationConfig"] } else { body };
        failures.check(&format!("{face:?} {body}"), config["temperature"].to_string(), "0.5".to_owned());
    });
}

/// Scenario: failures that the fallback rule does not list; requests it is not for; no answer at all.
/// Guarantees: the failure is the client's; a connection that breaks counts as 502.
#[test]
fn a_fallback_is_for_what_it_lists() {
    let mut stage = Stage::new();
    let route = stage.targets(&[
        to("openai", "500", ""),
        to("openai", "reset", ""),
        to("openai", "content_filter", ""),
        to("openai", "503", ""),
        to("openai", "tokens=2", ""),
    ]);
    let rule = |id: &str, models: String, more: &str| {
        format!(
            "  - id: {id}\n    when: {{models: [{models}]{more}, response_status_codes: [400, 502, 503]}}\n    fallback_models: [{{target: {}}}]\n",
            route.fqn(4)
        )
    };
    let models = [0, 1, 2].map(|at| route.fqn(at)).join(", ");
    let rules = rule("any", models, "") + &rule("some", route.fqn(3), ", metadata: {env: prod}");
    let live = stage.start("epoll", &document(&rules));
    let mut failures = Failures::default();
    for (at, metadata, status) in
        [(0, "{}", 500), (1, "{}", 200), (2, "{}", 400), (3, "{\"env\":\"dev\"}", 503), (3, "{\"env\":\"prod\"}", 200)]
    {
        let fields = format!("x-tfy-metadata: {metadata}\r\n");
        let told = live.ask_with(Face::Chat, &route.fqn(at), &Ask::default(), &fields);
        failures.check(&format!("{at} {metadata} {}", told.said.body), told.said.status, status);
        let served = if status == 200 { 4 } else { at };
        failures.check(&format!("{at} {metadata}"), told.field("x-sluice-target"), &route.fqn(served));
    }
    failures.none();
}

/// Scenario: a rule has balanced over its targets, all of which failed; a fallback rule lists the failure.
/// Guarantees: the rule's own targets come first, each once, then the fallback's, without those tried before.
#[test]
fn a_fallback_follows_the_rules_own_targets() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let rule = stage.rule("", &[to("openai", "500", once), to("openai", "503", once)]);
    let last = stage.targets(&[to("openai", "tokens=2", "")]);
    let rules = format!(
        "  - id: fb\n    when: {{models: [{}], response_status_codes: [500, 503]}}\n    fallback_models: [{{target: {}}}, {{target: {}}}]\n",
        rule.model,
        rule.fqn(0),
        last.fqn(0)
    );
    let live = stage.start("io_uring", &document(&rules));
    let told = live.ask(Face::Chat, &rule.model, false);
    let row = live.row(&told);
    let tried: Vec<_> = row["attempts"].as_array().expect("attempts").iter().map(|one| one["target"].clone()).collect();
    assert_eq!(tried, [json!(rule.fqn(0)), json!(rule.fqn(1)), json!(last.fqn(0))], "{row}");
    assert_eq!(told.said.status, 200);
    assert_eq!(
        (&told.applied()["fallback"]["rule_id"], &told.applied()["load_balancing"]["rule_id"]),
        (&json!("fb"), &json!("rule-0"))
    );
}
