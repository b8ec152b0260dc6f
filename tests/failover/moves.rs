//! A routing rule and a fallback rule act on one request: every move is the doing of the rule that named its target.

use serde_json::{Value, json};

use super::face::Face;
use super::{Failures, Stage, to};

/// Scenario: both targets of a rule fail, and so does the first that a fallback rule names.
/// Guarantees: metrics, row and headers book each of the three moves on its own rule.
#[test]
fn every_move_is_booked_on_the_rule_that_made_it() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let rule = stage.rule("", &[to("openai", "500", once), to("openai", "503", once)]);
    let more = stage.targets(&[to("openai", "status=503,first=9", ""), to("openai", "tokens=2", "")]);
    let document = format!(
        "---\ntype: gateway-fallback-config\nname: fallbacks\nrules:\n  - id: last-resort\n    \
         when: {{models: [{}], response_status_codes: [503]}}\n    \
         fallback_models: [{{target: {}, override_params: {{temperature: 0.5}}}}, {{target: {}}}]\n",
        rule.model,
        more.fqn(0),
        more.fqn(1)
    );
    let live = stage.start("io_uring", &document);
    let told = live.ask(Face::Chat, &rule.model, false);
    assert_eq!((told.said.status, told.field("x-sluice-target")), (200, &*more.fqn(1)), "{}", told.said.body);

    let mut failures = Failures::default();
    let moves = [
        ("rule-0", rule.fqn(0), rule.fqn(1)),
        ("last-resort", rule.fqn(1), more.fqn(0)),
        ("last-resort", more.fqn(0), more.fqn(1)),
    ];
    let applied = told.applied();
    let shown = |(id, from, to): &(&str, String, String)| json!([id, from, to]);
    let of = |one: &Value| json!([one["rule_id"], one["from"], one["target"]]);
    let named: Vec<Value> = applied["moves"].as_array().expect("moves").iter().map(of).collect();
    failures.check("header", named, moves.iter().map(shown).collect());
    failures.check("header", of(&applied["fallback"]), shown(&moves[2]));

    let moved = |parts: &[&str]| live.metric("llm_gateway_fallback_requests_total", parts);
    live.gateway.until("the moves are counted", |_| moved(&[]) == 3.0);
    for (id, from, to) in &moves {
        let parts = [format!("ruleId=\"{id}\""), format!("from_model=\"{from}\""), format!("to_model=\"{to}\"")];
        failures.check(&format!("{parts:?}"), moved(&parts.each_ref().map(String::as_str)), 1.0);
    }
    let row = live.row(&told);
    let attempts = row["attempts"].as_array().expect("attempts");
    let by_fallback_rule: Vec<bool> = attempts.iter().map(|one| one["by_fallback_rule"] == true).collect();
    failures.check("row", by_fallback_rule.first_chunk(), Some(&[false, false, true]));
    failures.check("row", by_fallback_rule.last(), Some(&true));
    failures.none();
}
