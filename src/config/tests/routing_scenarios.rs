//! The cases that the format's documentation names (spec "seed" 2.3), each as the document one would write for it.

use super::*;

const ACCOUNTS: &str = "
type: provider-account/mock
name: azure
---
type: provider-account/mock
name: openai
---
type: provider-account/mock
name: claude
---
";

/// What these rules come to; their document's head is added.
fn rules(rules: &str) -> Routing {
    accepted(&format!("{ACCOUNTS}type: gateway-load-balancing-config\nname: lb\nrules:\n{rules}"), &[]).routing
}

/// The names of a rule's targets, in their order.
fn targets(routing: &Routing, rule: usize) -> Vec<&str> {
    routing.rules[rule].candidates.iter().map(|one| &*routing.targets[one.target].target.fqn).collect()
}

#[test]
fn fallback_when_rate_limited() {
    let routing = rules(
        r#"
  - id: when-limited
    type: priority-based-routing
    when: {models: [azure/gpt4]}
    load_balance_targets:
      - {target: azure/gpt4, priority: 0, fallback_status_codes: ["429"]}
      - {target: openai/gpt4, priority: 1}
"#,
    );
    assert_eq!(targets(&routing, 0), ["azure/gpt4", "openai/gpt4"]);
    let [first, second] = routing.rules[0].candidates.as_slice() else { panic!("two") };
    assert_eq!(first.fallback_on, Codes::Listed { statuses: vec![429], classes: Vec::new() });
    assert_eq!((first.priority, second.priority, &second.fallback_on), (0, 1, &Codes::ByClass));
}

#[test]
fn canary() {
    let routing = rules(
        r#"
  - id: canary
    type: weight-based-routing
    when: {models: [gpt4]}
    load_balance_targets:
      - {target: azure/gpt4-v1, weight: 90}
      - {target: azure/gpt4-v2, weight: 10}
"#,
    );
    let weights: Vec<u32> = routing.rules[0].candidates.iter().map(|one| one.weight).collect();
    assert_eq!((targets(&routing, 0), weights), (vec!["azure/gpt4-v1", "azure/gpt4-v2"], vec![90, 10]));
}

#[test]
fn priority_failover() {
    let routing = rules(
        r#"
  - id: failover
    type: priority-based-routing
    when: {models: [gpt4]}
    load_balance_targets:
      - {target: azure/gpt4, priority: 0, sla_cutoff: {time_per_output_token_ms: 50}}
      - {target: openai/gpt4}
      - {target: claude/claude-sonnet-5, priority: 2, fallback_candidate: false}
"#,
    );
    let [first, second, third] = routing.rules[0].candidates.as_slice() else { panic!("three") };
    assert_eq!((first.priority, second.priority, third.priority), (0, 0, 2));
    assert!(first.sla.is_some() && second.takes_fallback && !third.takes_fallback);
}

#[test]
fn latency_optimization() {
    let routing = rules(
        r#"
  - id: fastest
    type: latency-based-routing
    when: {models: [gpt4]}
    load_balance_targets: [{target: azure/gpt4}, {target: openai/gpt4}]
"#,
    );
    assert_eq!(routing.rules[0].routing_type, RoutingType::Latency);
}

#[test]
fn environment_based() {
    let routing = rules(
        r#"
  - id: dev
    type: weight-based-routing
    when: {models: [gpt4], metadata: {environment: dev}}
    load_balance_targets: [{target: openai/gpt4-mini, weight: 100}]
  - id: prod
    type: weight-based-routing
    when: {models: [gpt4], metadata: {environment: prod}}
    load_balance_targets: [{target: azure/gpt4, weight: 100}]
"#,
    );
    let environment = |rule: usize| routing.rules[rule].when.metadata[0].1.as_str();
    assert_eq!((environment(0), environment(1)), ("dev", "prod"));
}

#[test]
fn user_proximity() {
    let routing = rules(
        r#"
  - id: near
    type: priority-based-routing
    when: {models: [gpt4]}
    load_balance_targets:
      - {target: azure/gpt4-eu, priority: 0, metadata_match: {region: eu}}
      - {target: azure/gpt4-us, priority: 0, metadata_match: {region: us}}
      - {target: openai/gpt4, priority: 1}
"#,
    );
    let near: Vec<usize> = routing.rules[0].candidates.iter().map(|one| one.metadata_match.len()).collect();
    assert_eq!(near, [1, 1, 0]);
}

#[test]
fn burst_spills_to_the_fastest_healthy_target() {
    let routing = rules(
        r#"
  - id: spill
    type: latency-based-routing
    when: {models: [gpt4]}
    load_balance_targets: [{target: azure/gpt4}, {target: openai/gpt4}, {target: claude/claude-sonnet-5}]
model_configs:
  - model: azure/gpt4
    usage_limits: {tokens_per_minute: 50000, requests_per_minute: 1000}
    failure_tolerance: {allowed_failures_per_minute: 3, cooldown_period_minutes: 5, failure_status_codes: [429, 500]}
"#,
    );
    let limited: Vec<bool> = routing.targets.iter().map(|one| one.usage_limits.is_some()).collect();
    assert_eq!(limited, [true, false, false]);
    assert_eq!(routing.targets[0].tolerance.as_ref().map(|one| one.cooldown_ms), Some(300_000));
}

#[test]
fn cost_weighted() {
    let routing = rules(
        r#"
  - id: mostly-cheap
    type: weight-based-routing
    when: {models: [summaries]}
    load_balance_targets:
      - {target: openai/gpt-4o-mini, weight: 80}
      - {target: azure/gpt-4o, weight: 20}
  - id: cheapest
    type: cost-based-routing
    when: {}
    load_balance_targets: [{target: openai/gpt-4o-mini}, {target: azure/gpt-4o}]
"#,
    );
    assert_eq!(routing.targets.len(), 2);
    assert_eq!(routing.rules[1].routing_type, RoutingType::Cost);
}

#[test]
fn advanced_fallback_and_retry() {
    let routing = rules(
        r#"
  - id: robust
    type: priority-based-routing
    when: {subjects: ["team:ml"], models: [gpt4]}
    load_balance_targets:
      - target: azure/gpt4
        priority: 0
        retry_config: {attempts: 3, delay: 500, on_status_codes: ["429", "500", "503"]}
        fallback_status_codes: ["429", "500", "502", "503"]
        override_params: {temperature: 0.7, max_tokens: 2000}
      - target: openai/gpt4
        priority: 1
        retry_config: {attempts: 1}
---
type: gateway-fallback-config
name: last
rules:
  - id: last-resort
    when: {models: [gpt4], response_status_codes: [500, 502, 503]}
    fallback_models: [{target: claude/claude-sonnet-5}]
"#,
    );
    let [first, second] = routing.rules[0].candidates.as_slice() else { panic!("two") };
    assert_eq!((first.retry.attempts, first.retry.delay_ms, first.change.params.len()), (3, 500, 2));
    assert_eq!(second.retry, Retry { attempts: 1, ..Retry::default() });
    assert_eq!(routing.fallbacks[0].candidates.len(), 1);
}

/// The routing example of the design.
#[test]
fn a_chain_behind_a_name_of_its_own() {
    let routing = rules(
        r#"
  - id: chat
    type: priority-based-routing               # weight-based-routing, latency-based-routing
    when: {models: [chat]}                     # a name that no account has is a virtual model
    load_balance_targets:
      - {target: openai/gpt-4o-mini, priority: 0, retry_config: {attempts: 2, delay: 100}, fallback_status_codes: ["429", "500", "503"]}
      - {target: claude/claude-sonnet-5, priority: 1}
"#,
    );
    assert_eq!(routing.rules[0].when.models, ["chat"]);
}
