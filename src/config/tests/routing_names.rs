//! Names under `when.models`: what can only be misspelt is refused, and what becomes a name to call is shown.

use super::*;

/// An account, and a virtual model of one target.
fn with(more: &str) -> String {
    format!(
        "type: provider-account/openai\nname: openai\nbase_url: http://h\nintegrations: [{{name: gpt-4o}}, {{name: meta/llama}}]\n---\n\
         type: provider-account/virtual-model\nname: house\nintegrations: [{{name: assistant, slug: helper, \
         routing_config: {{type: latency-based-routing, load_balance_targets: [{{target: openai/gpt-4o}}]}}}}]\n---\n{more}"
    )
}

/// The rule is on line 13.
fn rule(models: &str) -> String {
    with(&format!(
        "type: gateway-load-balancing-config\nname: lb\nrules:\n  - {{id: r, type: latency-based-routing, \
         when: {{models: [{models}]}}, load_balance_targets: [{{target: openai/gpt-4o}}]}}\n"
    ))
}

fn fallback(models: &str) -> String {
    let rule = rule("chat");
    format!(
        "{rule}---\ntype: gateway-fallback-config\nname: fb\nrules:\n  - {{id: f, when: {{models: [{models}], \
         response_status_codes: [500]}}, fallback_models: [{{target: openai/gpt-4o}}]}}\n"
    )
}

#[test]
fn a_model_that_its_account_has_not_is_a_fault() {
    for (models, fault) in [
        ("openai/gpt-4", "account `openai` has no integration named `gpt-4`; did you mean `gpt-4o`?"),
        ("chat, openai/", "account `openai` has no integration named ``"),
        (
            "house/asistant",
            "the virtual models of `house` have none that is called `house/asistant`; did you mean `house/assistant`?",
        ),
    ] {
        assert_eq!(refused(&rule(models), &[]), [format!("test.yaml:13: `models`: {fault}")], "{models}");
        assert_eq!(refused(&fallback(models), &[]), [format!("test.yaml:18: `models`: {fault}")], "{models}");
    }
}

#[test]
fn a_fallback_is_for_what_can_be_called() {
    for models in ["openai/gpt-4o", "gpt-4o", "meta/llama", "house/assistant", "helper", "chat", "\"*\""] {
        accepted(&fallback(models), &[]);
    }
    let fault =
        "test.yaml:18: `models`: nothing is called `chatt`: neither an account nor a rule has it; did you mean `chat`?";
    assert_eq!(refused(&fallback("chatt"), &[]), [fault]);
    let any = "---\ntype: provider-account/openai\nname: any\nbase_url: http://h\n";
    accepted(&format!("{}{any}", fallback("chatt, any/chatt")), &[]);
}

/// A name of no account is one to call, whatever it looks like, and `sluice check` says which these are.
#[test]
fn names_to_call_are_shown() {
    let shown = print_effective(&accepted(
        &rule("chat, gpt-4o, openai/gpt-4o, meta/llama, house/assistant, helper, opnai/gpt-4o, org/model"),
        &[],
    ));
    let names: Vec<&str> = shown.lines().filter_map(|line| line.trim().strip_prefix("# virtual model")).collect();
    assert_eq!(
        names,
        [
            ", which no account has: chat",
            ", which no account has: opnai/gpt-4o; no provider account is named `opnai`; did you mean `openai`?",
            ", which no account has: org/model; no provider account is named `org`",
        ]
    );
    assert!(!print_effective(&accepted(&rule("\"*\""), &[])).contains("# virtual model"));
}
