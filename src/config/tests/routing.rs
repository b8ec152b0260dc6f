//! Documents about routing: what every key comes to.

use super::*;
use crate::config::routing::OF_UPSTREAM;
use crate::telemetry::ErrorClass;

/// Accounts that list their models, and one that passes any on.
const ACCOUNTS: &str = "
type: provider-account/openai
name: openai
auth_data: {type: api-key, api_key: \"${env:K}\"}
integrations: [{name: gpt4, model_id: gpt-4}, {name: mini}]
---
type: provider-account/azure-openai
name: azure
azure_endpoint: https://r.openai.azure.com
auth_data: {type: api-key, api_key: \"${env:K}\"}
integrations: [{name: gpt4}]
---
type: provider-account/aws-bedrock
name: bedrock
region: us-east-1
auth_data: {type: api-key, api_key: \"${env:K}\"}
---
type: provider-account/anthropic
name: claude
auth_data: {type: api-key, api_key: \"${env:K}\"}
---
";

/// What the accounts and these documents come to.
fn routing(documents: &str) -> Routing {
    accepted(&format!("{ACCOUNTS}{documents}"), &[("K", "open-sesame")]).routing
}

/// One rule, given by what follows its `id`.
fn rule(rest: &str) -> Rule {
    let text = format!("type: gateway-load-balancing-config\nname: lb\nrules:\n  - {{id: r, {rest}}}\n");
    routing(&text).rules.remove(0)
}

fn candidate(rest: &str) -> Candidate {
    let rest = format!("{{target: openai/gpt4, {rest}}}");
    rule(&format!("type: priority-based-routing, load_balance_targets: [{rest}]")).candidates.remove(0)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn listed(statuses: &[u16], classes: &[ErrorClass]) -> Codes {
    Codes::Listed { statuses: statuses.to_vec(), classes: classes.to_vec() }
}

#[test]
fn a_target_with_nothing_said_has_the_defaults_of_the_format() {
    let one = candidate("");
    assert_eq!((one.target, one.weight, one.priority, one.takes_fallback), (0, 0, 0, true));
    assert_eq!(one.retry, Retry { attempts: 2, delay_ms: 100, on: Codes::ByClass });
    assert_eq!((one.sla, one.fallback_on, one.timeout_ms, one.ttft_timeout_ms), (None, Codes::ByClass, None, None));
    assert!(one.change.params.is_empty() && one.change.headers_set.is_empty() && one.metadata_match.is_empty());
}

#[test]
fn every_key_of_a_target_lands_in_its_field() {
    let one = candidate(
        "priority: 3, sla_cutoff: {time_per_output_token_ms: 50, time_to_first_token_ms: 900}, \
         retry_config: {attempts: 4, delay: 250, on_status_codes: [\"429\", 500, overloaded]}, \
         fallback_status_codes: [401, \"503\", context_length, content_filter], fallback_candidate: false, \
         timeout_ms: 20000, ttft_timeout_ms: 1500, metadata_match: {region: eu, tier: gold}, \
         headers_override: {set: {X-Team: \"of ${env:K}\", X-Plain: b}, remove: [X-Debug]}",
    );
    assert_eq!((one.priority, one.takes_fallback), (3, false));
    let sla = SlaCutoff { time_per_output_token_ms: Some(50), time_to_first_token_ms: Some(900) };
    assert_eq!(one.sla, Some(sla));
    let on = listed(&[429, 500], &[ErrorClass::Overloaded]);
    assert_eq!(one.retry, Retry { attempts: 4, delay_ms: 250, on });
    assert_eq!(one.fallback_on, listed(&[401, 503], &[ErrorClass::ContextLength, ErrorClass::ContentFilter]));
    assert_eq!((one.timeout_ms, one.ttft_timeout_ms), (Some(20_000), Some(1500)));
    assert_eq!(one.metadata_match, pairs(&[("region", "eu"), ("tier", "gold")]));
    let set: Vec<(&str, &str)> =
        one.change.headers_set.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(set, [("x-team", "of open-sesame"), ("x-plain", "b")]);
    assert_eq!(one.change.headers_remove, ["x-debug"]);
}

#[test]
fn an_empty_list_of_failures_is_not_the_default_one() {
    let one = candidate("retry_config: {attempts: 0, on_status_codes: []}, fallback_status_codes: []");
    assert_eq!((one.retry.attempts, one.retry.on, one.fallback_on), (0, listed(&[], &[]), listed(&[], &[])));
}

#[test]
fn every_class_of_an_upstreams_failures_can_be_listed() {
    let names: Vec<&str> = OF_UPSTREAM.iter().map(|class| class.as_str()).collect();
    let one = candidate(&format!("fallback_status_codes: [{}]", names.join(", ")));
    assert_eq!(one.fallback_on, listed(&[], &OF_UPSTREAM));
}

#[test]
fn override_params_are_any_json_with_numbers_as_they_are_spelled() {
    let one = candidate(
        "override_params: {temperature: 0.20, max_tokens: 1000000000000000000000, seed: -0, top_p: 1e-1, \
         stop: [a, \"5\", 5], user: ~, logprobs: true, note: 2024-10-21, reasoning: {effort: low, nested: {a: []}}}",
    );
    let shown: Vec<String> = one.change.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let expected = [
        "temperature=0.20",
        "max_tokens=1000000000000000000000",
        "seed=-0",
        "top_p=1e-1",
        "stop=[\"a\",\"5\",5]",
        "user=null",
        "logprobs=true",
        "note=\"2024-10-21\"",
        "reasoning={\"effort\":\"low\",\"nested\":{\"a\":[]}}",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn each_type_has_its_own_keys() {
    let targets = "load_balance_targets: [{target: openai/gpt4}, {target: azure/gpt4}]";
    let weighted = "load_balance_targets: [{target: openai/gpt4, weight: 0}, {target: azure/gpt4, weight: 70}]";
    let slo = |ttft_p95_ms, itl_p95_ms| RoutingType::Slo(Slo { ttft_p95_ms, itl_p95_ms });
    for (text, expected) in [
        (format!("type: weight-based-routing, {weighted}"), RoutingType::Weight),
        (format!("type: latency-based-routing, {targets}"), RoutingType::Latency),
        (format!("type: priority-based-routing, {targets}"), RoutingType::Priority),
        (format!("type: cost-based-routing, {targets}"), RoutingType::Cost),
        (format!("type: least-busy-routing, {targets}"), RoutingType::LeastBusy),
        (format!("type: slo-routing, ttft_p95_ms: 800, {targets}"), slo(Some(800), None)),
        (format!("type: slo-routing, ttft_p95_ms: 800, itl_p95_ms: 40, {targets}"), slo(Some(800), Some(40))),
    ] {
        let rule = rule(&text);
        assert_eq!((rule.routing_type, rule.candidates.len(), &*rule.id), (expected, 2, "r"), "{text}");
        assert_eq!((rule.when, rule.sticky), (When::default(), None), "{text}");
        assert_eq!((rule.on_stream_failure, rule.hedge), (OnStreamFailure::Error, None), "{text}");
        assert!(text.contains(expected.as_str()));
    }
    let cost = "type: cost-based-routing, load_balance_targets: [{target: openai/gpt4, \
                sla_cutoff: {time_to_first_token_ms: 700}}]";
    let sla = SlaCutoff { time_per_output_token_ms: None, time_to_first_token_ms: Some(700) };
    assert_eq!(rule(cost).candidates[0].sla, Some(sla));
}

#[test]
fn rules_may_stick_hedge_and_rescue() {
    let targets = "load_balance_targets: [{target: openai/gpt4, weight: 1}]";
    let text = "sticky_routing: {ttl_seconds: 3600, session_identifiers: [{source: headers, key: X-Session}, \
                {source: metadata, key: user}]}, on_stream_failure: continue, hedge: {after: p95}";
    let one = rule(&format!("type: weight-based-routing, {text}, {targets}"));
    let identifiers =
        vec![SessionIdentifier::Header("x-session".to_owned()), SessionIdentifier::Metadata("user".to_owned())];
    assert_eq!(one.sticky, Some(Sticky { ttl_s: 3600, identifiers }));
    assert_eq!((one.on_stream_failure, one.hedge), (OnStreamFailure::Continue, Some(Hedge::AfterP95)));
    let text = "on_stream_failure: restart, hedge: {after_ms: 400}";
    let one = rule(&format!("type: weight-based-routing, {text}, {targets}"));
    assert_eq!((one.on_stream_failure, one.hedge), (OnStreamFailure::Restart, Some(Hedge::AfterMs(400))));
}

#[test]
fn when_reads_subjects_models_and_metadata() {
    let text = "type: latency-based-routing, load_balance_targets: [{target: openai/gpt4}], when: ";
    let whole = "{subjects: [\"user:a@b.c\", \"team:t\", \"virtualaccount:v\", \"virtual-account:w\", \"*\"], \
                 models: [chat, openai/gpt4, \"*\"], metadata: {env: dev}}";
    let subjects = vec![
        Subject::User("a@b.c".to_owned()),
        Subject::Team("t".to_owned()),
        Subject::VirtualAccount("v".to_owned()),
        Subject::VirtualAccount("w".to_owned()),
        Subject::Any,
    ];
    let models = ["chat", "openai/gpt4", "*"].map(str::to_owned).to_vec();
    let expected = When { subjects, models, metadata: pairs(&[("env", "dev")]) };
    assert_eq!(rule(&format!("{text}{whole}")).when, expected);
    assert_eq!(rule(&format!("{text}{{}}")).when, When::default());
}

#[test]
fn targets_are_kept_once_with_their_account_and_region() {
    let text = "type: gateway-load-balancing-config
name: a
rules:
  - {id: one, type: latency-based-routing, load_balance_targets: [{target: azure/gpt4}, {target: openai/gpt4}]}
---
type: gateway-load-balancing-config
name: b
rules:
  - {id: two, type: latency-based-routing, load_balance_targets: [{target: openai/gpt4}, {target: bedrock/m:0}]}
model_configs:
  - model: openai/gpt4
    usage_limits: {tokens_per_minute: 50000, requests_per_minute: 1000}
  - model: claude/any
    failure_tolerance: {allowed_failures_per_minute: 3, cooldown_period_minutes: 5, failure_status_codes: [429, \"500\"]}
";
    let snapshot = accepted(&format!("{ACCOUNTS}{text}"), &[("K", "k")]);
    let routing = &snapshot.routing;
    let ids: Vec<&str> = routing.rules.iter().map(|rule| &*rule.id).collect();
    assert_eq!(ids, ["one", "two"]);
    let fqns: Vec<&str> = routing.targets.iter().map(|one| &*one.target.fqn).collect();
    assert_eq!(fqns, ["azure/gpt4", "openai/gpt4", "bedrock/m:0", "claude/any"]);
    let of = |rule: usize| routing.rules[rule].candidates.iter().map(|one| one.target).collect::<Vec<_>>();
    assert_eq!((of(0), of(1)), (vec![0, 1], vec![1, 2]));
    for one in &routing.targets {
        assert_eq!(snapshot.accounts[one.account].name, *one.target.account);
    }
    assert_eq!(&*routing.targets[1].target.model_id, "gpt-4");
    let regions: Vec<&str> = routing.targets.iter().map(|one| &*routing.regions[one.region]).collect();
    let expected = [
        "azure-openai/r.openai.azure.com",
        "openai/api.openai.com",
        "aws-bedrock/us-east-1",
        "anthropic/api.anthropic.com",
    ];
    assert_eq!(regions, expected);
    let limits = UsageLimits { tokens_per_minute: Some(50_000), requests_per_minute: Some(1000) };
    assert_eq!((routing.targets[1].usage_limits, &routing.targets[1].tolerance), (Some(limits), &None));
    let on = listed(&[429, 500], &[]);
    let tolerance = FailureTolerance { allowed_failures_per_minute: 3, cooldown_ms: 300_000, on };
    assert_eq!(routing.targets[3].tolerance.as_ref(), Some(&tolerance));
    assert_eq!(routing.targets[0].usage_limits, None);
}

#[test]
fn two_accounts_at_one_place_share_its_region() {
    let account = |name: &str| format!("type: provider-account/ollama\nname: {name}\n---\n");
    let text = format!(
        "{}{}type: gateway-load-balancing-config\nname: a\nrules:\n  - {{id: r, type: least-busy-routing, \
         load_balance_targets: [{{target: a/m}}, {{target: b/m}}]}}",
        account("a"),
        account("b")
    );
    let routing = accepted(&text, &[]).routing;
    assert_eq!(routing.regions.iter().map(|name| &**name).collect::<Vec<_>>(), ["ollama/127.0.0.1:11434"]);
    assert!(routing.targets.iter().all(|one| one.region == 0));
}

#[test]
fn fallback_rules_have_their_statuses_and_their_models_in_order() {
    let text = "name: fallback-config
type: gateway-fallback-config
rules:
  - id: gpt4-to-azure
    when:
      models: [openai/gpt4]
      metadata: {environment: production}
      response_status_codes: [429, 500, \"502\", 503]
    fallback_models:
      - target: azure/gpt4
        override_params: {temperature: 0.2}
      - {target: claude/claude-sonnet-5, headers_override: {remove: [x-debug]}}
";
    let routing = routing(text);
    let [rule] = routing.fallbacks.as_slice() else { panic!("one rule") };
    assert_eq!((&*rule.id, rule.statuses.as_slice()), ("gpt4-to-azure", &[429, 500, 502, 503][..]));
    assert_eq!(rule.when.metadata, pairs(&[("environment", "production")]));
    let fqns: Vec<&str> = rule.candidates.iter().map(|one| &*routing.targets[one.target].target.fqn).collect();
    assert_eq!(fqns, ["azure/gpt4", "claude/claude-sonnet-5"]);
    assert_eq!(rule.candidates[0].change.params[0].1.to_string(), "0.2");
    assert_eq!(rule.candidates[1].change.headers_remove, ["x-debug"]);
    assert!(rule.candidates.iter().all(|one| one.takes_fallback && one.retry == Retry::default()));
}

const VIRTUAL: &str = "type: provider-account/virtual-model
name: house
integrations:
  - name: chat
    type: integration/model/virtual
    slug: house-chat
    model_types: [chat]
    routing_config:
      type: weight-based-routing
      sticky_routing: {ttl_seconds: 60, session_identifiers: [{source: headers, key: x-s}]}
      load_balance_targets: [{target: openai/gpt4, weight: 30}, {target: azure/gpt4, weight: 70}]
  - {name: cheap, routing_config: {type: cost-based-routing, load_balance_targets: [{target: claude/a}]}}
---
";

#[test]
fn a_fallback_rule_is_for_targets_that_are_known_and_for_names_of_other_rules() {
    let text = format!(
        "type: gateway-load-balancing-config
name: a
rules: [{{id: r, type: latency-based-routing, when: {{models: [best]}}, load_balance_targets: [{{target: openai/mini}}]}}]
---
type: gateway-fallback-config
name: f
rules:
  - {{id: f, when: {{models: [best, house/chat, house-chat, gpt4, openai/gpt4, claude/x, \"*\"], response_status_codes: [500]}},
     fallback_models: [{{target: azure/gpt4}}]}}
---
{VIRTUAL}"
    );
    let routing = routing(&text);
    let targets: Vec<&str> = routing.targets.iter().map(|one| &*one.target.fqn).collect();
    // So that their health is, before a request has to find out again.
    assert!(targets.starts_with(&["openai/mini", "openai/gpt4", "claude/x", "azure/gpt4"]), "{targets:?}");
    assert_eq!(routing.fallbacks[0].when.models.len(), 7);
}

#[test]
fn virtual_models_have_a_name_a_slug_and_a_rule() {
    let routing = routing(VIRTUAL);
    let [chat, cheap] = routing.virtual_models.as_slice() else { panic!("two models") };
    assert_eq!((chat.name.as_str(), chat.slug.as_deref()), ("house/chat", Some("house-chat")));
    assert_eq!((chat.model_types.as_slice(), &*chat.rule.id), (&["chat".to_owned()][..], "house/chat"));
    assert_eq!((chat.rule.routing_type, chat.rule.candidates[1].weight), (RoutingType::Weight, 70));
    assert!(chat.rule.sticky.is_some() && chat.rule.when == When::default());
    assert_eq!((cheap.name.as_str(), &cheap.slug, cheap.rule.routing_type), ("house/cheap", &None, RoutingType::Cost));
}

#[test]
fn permissions_may_name_virtual_models() {
    let text = "type: gateway-load-balancing-config
name: a
rules: [{id: r, type: latency-based-routing, when: {models: [best]}, load_balance_targets: [{target: openai/gpt4}]}]
---
type: virtual-account
name: bot
permissions:
  - {resource_fqn: house/chat}
  - {resource_fqn: house-chat}
  - {resource_fqn: \"house/*\"}
  - {resource_fqn: best}
  - {resource_fqn: openai/gpt4}
";
    let snapshot = accepted(&format!("{ACCOUNTS}{VIRTUAL}{text}"), &[("K", "k")]);
    let expected = ["house/chat", "house-chat", "house/*", "best", "openai/gpt4"];
    assert_eq!(snapshot.virtual_accounts[0].permissions, expected);
}

#[test]
fn shards_share_no_reference_count_of_a_rule_or_target() {
    let text = "type: gateway-load-balancing-config\nname: a\nrules: [{id: r, type: latency-based-routing, \
                load_balance_targets: [{target: openai/gpt4}, {target: claude/any}]}]";
    let snapshot = accepted(&format!("{ACCOUNTS}{text}"), &[("K", "k")]);
    let copy = snapshot.for_shard();
    for (ours, theirs) in snapshot.routing.targets.iter().zip(&copy.routing.targets) {
        assert_eq!(ours.target, theirs.target);
        assert!(!std::sync::Arc::ptr_eq(&ours.target, &theirs.target));
    }
    // Where the mock of this process is, is known after the rules were read.
    let mut placed = snapshot.clone();
    placed.accounts[3].upstream.port = 4711;
    assert_eq!(placed.for_shard().routing.targets[1].target.port, 4711);
    // A listed model is one target, whether a rule or its own name led to it.
    let listed = &copy.accounts[0].models["gpt4"];
    assert!(std::sync::Arc::ptr_eq(listed, &copy.routing.targets[0].target));
    assert!(!std::sync::Arc::ptr_eq(&snapshot.routing.rules[0].id, &copy.routing.rules[0].id));
}

#[test]
fn the_effective_routing_shows_all_of_it_but_its_secrets() {
    let text = "type: gateway-load-balancing-config
name: a
rules:
  - id: r
    type: weight-based-routing
    when: {subjects: [\"virtual-account:v\"], models: [\"*\"], metadata: {env: \"true\"}}
    hedge: {after_ms: 5}
    sticky_routing: {ttl_seconds: 60, session_identifiers: [{source: headers, key: X-S}]}
    load_balance_targets:
      - {target: openai/gpt4, weight: 30, timeout_ms: 7, ttft_timeout_ms: 6, metadata_match: {a: \"1\"},
         headers_override: {set: {x-key: \"Bearer ${env:K}\"}, remove: [x-b]},
         override_params: {temperature: 0.20, note: \"a: #b\\n\", nested: {list: [1, {}]}},
         retry_config: {attempts: 1, on_status_codes: [429, overloaded]}, fallback_status_codes: []}
---
type: gateway-load-balancing-config
name: b
rules: []
model_configs:
  - model: claude/any
    usage_limits: {tokens_per_minute: 9}
    failure_tolerance: {allowed_failures_per_minute: 3, cooldown_period_minutes: 5}
---
type: gateway-fallback-config
name: f
rules:
  - {id: f, when: {response_status_codes: [500]}, fallback_models: [{target: claude/x, override_params: {a: null}}]}
---
";
    let snapshot = accepted(&format!("{ACCOUNTS}{text}{VIRTUAL}"), &[("K", "open-sesame")]);
    let shown = print_effective(&snapshot);
    assert!(!shown.contains("open-sesame"), "{shown}");
    for part in [
        "when: {subjects: [\"virtualaccount:v\"], models: [\"*\"], metadata: {env: \"true\"}}\n",
        "    hedge: {after_ms: 5}\n",
        "sticky_routing: {ttl_seconds: 60, session_identifiers: [{source: headers, key: x-s}]}\n",
        "        weight: 30\n",
        "        retry_config: {attempts: 1, delay: 100, on_status_codes: [\"429\", overloaded]}\n",
        "        fallback_status_codes: []\n",
        "override_params: {temperature: 0.20, note: \"a: #b\\n\", nested: {\"list\":[1,{}]}}\n",
        "headers_override: {set: {x-key: \"***\"}, remove: [x-b]}\n",
        "        timeout_ms: 7\n        ttft_timeout_ms: 6\n        metadata_match: {a: \"1\"}\n",
        "  - model: claude/any\n    usage_limits: {tokens_per_minute: 9}\n",
        "failure_tolerance: {allowed_failures_per_minute: 3, cooldown_period_minutes: 5}\n",
        "    when: {response_status_codes: [500]}\n    fallback_models:\n      - target: claude/x\n",
        "    slug: house-chat\n    model_types: [chat]\n    routing_config:\n      type: weight-based-routing\n",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let with_secrets =
        shown.replace("api_key: \"***\"", "api_key: \"${env:K}\"").replace("x-key: \"***\"", "x-key: \"${env:K}\"");
    assert_eq!(print_effective(&accepted(&with_secrets, &[("K", "k")])), shown);
}
