//! References to secrets in `override_params`: what they stand for is sent, and shown to nobody.

use super::*;
use serde_json::{Value, json};

fn with(params: &str) -> String {
    format!(
        "type: provider-account/openai\nname: openai\nbase_url: http://h\n---\n\
         type: gateway-load-balancing-config\nname: lb\nrules:\n  - id: r\n    type: latency-based-routing\n    \
         load_balance_targets:\n      - target: openai/m\n        override_params:\n{params}"
    )
}

fn read(params: &str, variables: &[(&str, &str)]) -> (Value, String) {
    let snapshot = accepted(&with(params), variables);
    let change = &snapshot.routing.rules[0].candidates[0].change;
    (Value::Object(change.params.iter().cloned().collect()), print_effective(&snapshot))
}

#[test]
fn references_are_replaced_at_any_depth_and_hidden() {
    let folder = Folder::new();
    let prompt = folder.write("prompt.txt", "Say \"swordfish\".\nThen stop.\n");
    let params = format!(
        "          user: tenant-${{env:TENANT}}-x\n          tools: [{{headers: {{authorization: \"Bearer ${{env:TENANT}}\"}}}}]\n          \
         system: ${{file:{}}}\n          max_tokens: ${{env:TOKENS}}\n          text: \"${{env:TOKENS}}\"\n          \
         temperature: 0.20\n          cost: $5\n",
        prompt.display()
    );
    let (sent, shown) = read(&params, &[("TENANT", "swordfish"), ("TOKENS", "17")]);
    assert_eq!(
        sent,
        json!({"user": "tenant-swordfish-x", "tools": [{"headers": {"authorization": "Bearer swordfish"}}],
            "system": "Say \"swordfish\".\nThen stop.", "max_tokens": 17, "text": "17", "temperature": serde_json::from_str::<Value>("0.20").expect("a number"), "cost": "$5"})
    );
    let line = shown.lines().find(|line| line.contains("override_params")).expect("it is shown");
    let expected = "override_params: {user: \"***\", tools: \"***\", system: \"***\", max_tokens: \"***\", text: \"***\", \
                    temperature: 0.20, cost: \"$5\"}";
    assert_eq!((line.trim(), shown.contains("swordfish")), (expected, false));
}

#[test]
fn references_that_lead_nowhere_are_faults() {
    let expected = "expected `${env:NAME}` or `${file:/path}`";
    for (param, fault) in [
        ("a: ${env:NONE}", "environment variable NONE is not set".to_owned()),
        ("a: [\"x ${file:/dev/null}\"]", "the secret is empty; expected a text".to_owned()),
        ("a: {b: \"${evn:KEY}\"}", expected.to_owned()),
        ("a: \"${env:KEY\"", format!("a reference lacks its `}}`; {expected}")),
        ("a: ${env:DOT}", "expected numbers as JSON spells them, such as `0.5`; quotes make it a text".to_owned()),
    ] {
        let variables = [("KEY", "swordfish"), ("DOT", ".5")];
        let found = refused(&with(&format!("          {param}\n")), &variables);
        assert_eq!(found, [format!("test.yaml:13: `override_params`: {fault}")], "{param}");
    }
}
