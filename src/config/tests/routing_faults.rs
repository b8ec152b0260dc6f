//! The exact words of what is wrong with documents about routing, with their lines.

use super::*;

const ACCOUNTS: &str = "type: provider-account/openai
name: openai
base_url: http://h
integrations: [{name: gpt4}]
---
";

/// A rule in a document of its own: it begins on line 9, its targets on line 10.
fn with_rule(rule: &str, targets: &str) -> String {
    format!(
        "{ACCOUNTS}type: gateway-load-balancing-config\nname: lb\nrules:\n  - {{id: r, {rule},\n    \
         load_balance_targets: [{targets}]}}\n"
    )
}

#[test]
fn faults_of_targets_say_where_what_and_what_was_expected() {
    let of = |kind: &str, rest: &str| with_rule(&format!("type: {kind}"), &format!("{{target: openai/gpt4, {rest}}}"));
    let priority = |rest: &str| of("priority-based-routing", rest);
    let latency = |target: &str| with_rule("type: latency-based-routing", target);
    let weight = |targets: &str| with_rule("type: weight-based-routing", targets);
    let golden: Vec<(String, &str)> = vec![
        (
            priority("weight: 5"),
            "`weight` has no place in a target of priority-based-routing: it is for weight-based-routing",
        ),
        (
            of("latency-based-routing", "priority: 5"),
            "`priority` has no place in a target of latency-based-routing: it is for priority-based-routing",
        ),
        (
            of("slo-routing, ttft_p95_ms: 5", "sla_cutoff: {time_to_first_token_ms: 1}"),
            "`sla_cutoff` has no place in a target of slo-routing: it is for priority-based-routing and cost-based-routing",
        ),
        (
            priority("timeuot_ms: 5"),
            "unknown key `timeuot_ms` in a target of priority-based-routing; expected `target`, `retry_config`, \
             `fallback_status_codes`, `fallback_candidate`, `override_params`, `headers_override`, `timeout_ms`, \
             `ttft_timeout_ms`, `metadata_match`, `priority` or `sla_cutoff`; did you mean `timeout_ms`?",
        ),
        (
            latency("{target: openai/gpt5}"),
            "`target`: account `openai` has no integration named `gpt5`; did you mean `gpt4`?",
        ),
        (latency("{target: opnai/gpt4}"), "`target`: no provider account is named `opnai`; did you mean `openai`?"),
        (latency("{target: gpt4}"), "`target`: expected `ACCOUNT/MODEL`, a model of a provider account"),
        (latency("{}"), "a target of latency-based-routing lacks its key `target`"),
        (latency(""), "`load_balance_targets`: expected from 1 to 64 targets"),
        (
            latency(&vec!["{target: openai/gpt4}"; 65].join(", ")),
            "`load_balance_targets`: expected from 1 to 64 targets",
        ),
        (weight("{target: openai/gpt4}"), "a target of weight-based-routing lacks its key `weight`"),
        (weight("{target: openai/gpt4, weight: 101}"), "`weight`: expected a whole number from 0 to 100"),
        (weight("{target: openai/gpt4, weight: 0}"), "`load_balance_targets`: expected weights with a sum above 0"),
        (priority("priority: high"), "`priority`: expected a whole number from 0 to 1000000"),
        (
            priority("sla_cutoff: {}"),
            "sla_cutoff has none of its keys; expected `time_per_output_token_ms` or `time_to_first_token_ms`",
        ),
        (priority("retry_config: {delay: 5}"), "retry_config lacks its key `attempts`"),
        (priority("retry_config: {attempts: 11}"), "`attempts`: expected a whole number from 0 to 10"),
        (priority("retry_config: {attempts: 1, delay: 10001}"), "`delay`: expected a whole number from 0 to 10000"),
        (
            priority("retry_config: {attempts: 1, on_status: [429]}"),
            "unknown key `on_status` in retry_config; expected `attempts`, `delay` or `on_status_codes`",
        ),
        (priority("fallback_candidate: maybe"), "`fallback_candidate`: expected `true` or `false`"),
        (priority("timeout_ms: 0"), "`timeout_ms`: expected a whole number from 1 to 86400000"),
        (priority("metadata_match: [a]"), "`metadata_match`: expected a mapping, found a list"),
        (
            priority("override_params: {model: x}"),
            "`override_params`: `model` may not be set here: the target decides it",
        ),
        (
            priority("override_params: {stream: true}"),
            "`override_params`: `stream` may not be set here: the caller decides it",
        ),
        (
            priority("override_params: {a: [{b: .5}]}"),
            "`override_params`: expected numbers as JSON spells them, such as `0.5`; quotes make it a text",
        ),
        (priority("override_params: x"), "`override_params`: expected a mapping, found a single value"),
        (
            priority("headers_override: {set: {Authorization: x}}"),
            "`set`: `authorization` is written by Sluice itself and may not be set here",
        ),
        (
            priority("headers_override: {set: {x-api-key: swordfish}}"),
            "`x-api-key`: a secret is never written inline; expected `${env:NAME}` or `${file:/path}` in its place",
        ),
        (
            priority("headers_override: {remove: [Content-Length]}"),
            "`remove`: `content-length` is written by Sluice itself and may not be removed here",
        ),
        (priority("headers_override: {remove: [\"a b\"]}"), "`remove`: expected a header name (RFC 9110 5.1)"),
        (priority("headers_override: {remove: [a, A]}"), "`remove`: `a` is given twice"),
        (
            priority("headers_override: {set: {a: b}, remove: [a]}"),
            "`remove`: `a` is set as well; what is set replaces the caller's own",
        ),
    ];
    for (text, expected) in golden {
        assert_eq!(refused(&text, &[]), [format!("test.yaml:10: {expected}")], "{text}");
    }
}

#[test]
fn lists_of_failures_hold_statuses_and_known_classes() {
    for key in ["fallback_status_codes", "on_status_codes"] {
        for (list, start, end) in [
            ("[200]", "expected a status from 400 to 599, `resolve`, `connect`, ", "or `server_error`"),
            ("[\"600\"]", "expected a status from 400 to 599, ", "or `server_error`"),
            ("[context_lenght]", "expected a status from 400 to 599, ", "; did you mean `context_length`?"),
            ("[client_gone]", "expected a status from 400 to 599, ", "or `server_error`"),
            ("[5xx]", "expected a status from 400 to 599, ", "or `server_error`"),
            ("[429, \"429\"]", "`429` is given twice", ""),
            ("[overloaded, overloaded]", "`overloaded` is given twice", ""),
            ("[[429]]", "expected a status from 400 to 599, or the name of a class", "found a list"),
            ("429", "expected a list", "found a single value"),
        ] {
            let key_value = match key {
                "on_status_codes" => format!("retry_config: {{attempts: 1, {key}: {list}}}"),
                _ => format!("{key}: {list}"),
            };
            let text = with_rule("type: latency-based-routing", &format!("{{target: openai/gpt4, {key_value}}}"));
            let faults = refused(&text, &[]);
            let [fault] = faults.as_slice() else { panic!("{list}: {faults:?}") };
            assert!(fault.starts_with(&format!("test.yaml:10: `{key}`: {start}")), "{fault}");
            assert!(fault.ends_with(end), "{fault}");
        }
    }
}

#[test]
fn faults_of_rules_say_where_what_and_what_was_expected() {
    let of = |rest: &str| with_rule(rest, "{target: openai/gpt4}");
    let latency = |rest: &str| of(&format!("type: latency-based-routing, {rest}"));
    let weight =
        |rest: &str| with_rule(&format!("type: weight-based-routing, {rest}"), "{target: openai/gpt4, weight: 1}");
    let golden: Vec<(String, &str)> = vec![
        (of("when: {}"), "a rule lacks its key `type`"),
        (
            of("type: random-routing"),
            "`type`: expected `weight-based-routing`, `latency-based-routing`, `priority-based-routing`, \
             `cost-based-routing`, `slo-routing` or `least-busy-routing`",
        ),
        (
            of("type: wieght-based-routing"),
            "`type`: expected `weight-based-routing`, `latency-based-routing`, `priority-based-routing`, \
             `cost-based-routing`, `slo-routing` or `least-busy-routing`; did you mean `weight-based-routing`?",
        ),
        (
            latency("sticky_routing: {ttl_seconds: 5, session_identifiers: [{source: metadata, key: a}]}"),
            "`sticky_routing` has no place in a rule of type latency-based-routing: it is for weight-based-routing",
        ),
        (
            latency("ttft_p95_ms: 5"),
            "`ttft_p95_ms` has no place in a rule of type latency-based-routing: it is for slo-routing",
        ),
        (
            of("type: slo-routing"),
            "a rule of type slo-routing has none of its keys; expected `ttft_p95_ms` or `itl_p95_ms`",
        ),
        (of("type: slo-routing, itl_p95_ms: 0"), "`itl_p95_ms`: expected a whole number from 1 to 86400000"),
        (
            latency("wen: {}"),
            "unknown key `wen` in a rule of type latency-based-routing; expected `type`, `load_balance_targets`, \
             `on_stream_failure`, `hedge`, `id` or `when`; did you mean `when`?",
        ),
        (latency("on_stream_failure: retry"), "`on_stream_failure`: expected `error`, `continue` or `restart`"),
        (latency("hedge: {}"), "`hedge` has either `after: p95` or `after_ms`"),
        (latency("hedge: {after: p95, after_ms: 1}"), "`hedge` has either `after: p95` or `after_ms`"),
        (latency("hedge: {after: p99}"), "`after`: expected `p95`"),
        (latency("hedge: {after_ms: 0}"), "`after_ms`: expected a whole number from 1 to 86400000"),
        (
            latency("when: {subject: []}"),
            "unknown key `subject` in when; expected `subjects`, `models` or `metadata`; did you mean `subjects`?",
        ),
        (
            latency("when: {subjects: [usr:a]}"),
            "`subjects`: expected `user:NAME`, `team:NAME`, `virtualaccount:NAME`, `virtual-account:NAME` or `*`; \
             did you mean `user`?",
        ),
        (
            latency("when: {subjects: [\"virtualaccount:a\", \"virtual-account:a\"]}"),
            "`subjects`: the same subject is given twice",
        ),
        (
            latency("when: {models: [\"a b\"]}"),
            "`models`: expected a model name: visible characters without spaces, at most 256, and no `*` among them; or \
             `*` alone",
        ),
        (
            latency("when: {models: [\"gpt-*\"]}"),
            "`models`: expected a model name: visible characters without spaces, at most 256, and no `*` among them; or \
             `*` alone",
        ),
        (
            latency("when: {metadata: {a: [b]}}"),
            "`metadata`: expected a string of at most 128 characters, found a list",
        ),
        (weight("sticky_routing: {ttl_seconds: 5}"), "sticky_routing lacks its key `session_identifiers`"),
        (
            weight("sticky_routing: {ttl_seconds: 5, session_identifiers: []}"),
            "`session_identifiers`: expected at least one",
        ),
        (
            weight("sticky_routing: {ttl_seconds: 0, session_identifiers: [{source: metadata, key: a}]}"),
            "`ttl_seconds`: expected a whole number from 1 to 31622400",
        ),
        (
            weight("sticky_routing: {ttl_seconds: 5, session_identifiers: [{source: cookies, key: a}]}"),
            "`source`: expected `headers` or `metadata`",
        ),
        (
            weight("sticky_routing: {ttl_seconds: 5, session_identifiers: [{source: headers, key: a b}]}"),
            "`key`: expected a header name (RFC 9110 5.1)",
        ),
        (
            weight(
                "sticky_routing: {ttl_seconds: 5, session_identifiers: [{source: headers, key: a}, {source: headers, key: A}]}",
            ),
            "`session_identifiers`: the same one is given twice",
        ),
    ];
    for (text, expected) in golden {
        assert_eq!(refused(&text, &[]), [format!("test.yaml:9: {expected}")], "{text}");
    }
}

#[test]
fn faults_of_documents_say_where_what_and_what_was_expected() {
    let balancing = |rest: &str| format!("{ACCOUNTS}type: gateway-load-balancing-config\nname: lb\n{rest}\n");
    let fallback = |rest: &str| format!("{ACCOUNTS}type: gateway-fallback-config\nname: fb\n{rest}\n");
    let models = |rest: &str| format!("{ACCOUNTS}type: provider-account/virtual-model\nname: house\n{rest}\n");
    let rule = "type: latency-based-routing, load_balance_targets: [{target: openai/gpt4}]";
    let when = "when: {response_status_codes: [429]}";
    let golden: Vec<(String, &str)> = vec![
        (
            format!("{ACCOUNTS}type: gateway-load-balancing-config\nrules: []"),
            "6: a load balancing document lacks its key `name`",
        ),
        (balancing(""), "6: a load balancing document lacks its key `rules`"),
        (balancing("rules: {}"), "8: `rules`: expected a list, found a mapping"),
        (
            balancing("rule: []\nrules: []"),
            "8: unknown key `rule` in a load balancing document; expected `type`, `name`, `rules` or `model_configs`; \
             did you mean `rules`?",
        ),
        (balancing(&format!("rules:\n  - {{{rule}}}")), "9: a rule lacks its key `id`"),
        (
            balancing(&format!("rules:\n  - {{id: a b, {rule}}}")),
            "9: `id`: expected visible ASCII without spaces, at most 128 characters",
        ),
        (
            balancing(&format!(
                "rules:\n  - {{id: a, {rule}}}\n---\ntype: gateway-load-balancing-config\nname: b\nrules:\n  - {{id: a, {rule}}}"
            )),
            "14: `id`: another rule has this id; expected an id of its own",
        ),
        (balancing("rules:\n  - {id: a, type: cost-based-routing}"), "9: a rule lacks its key `load_balance_targets`"),
        (
            balancing("model_configs:\n  - {model: openai/gpt4}"),
            "9: an entry of `model_configs` has none of its keys; expected `usage_limits` or `failure_tolerance`",
        ),
        (
            balancing("model_configs:\n  - {model: openai/gpt5, usage_limits: {tokens_per_minute: 1}}"),
            "9: `model`: account `openai` has no integration named `gpt5`; did you mean `gpt4`?",
        ),
        (
            balancing("model_configs:\n  - {model: openai/gpt4, usage_limits: {}}"),
            "9: usage_limits has none of its keys; expected `tokens_per_minute` or `requests_per_minute`",
        ),
        (
            balancing("model_configs:\n  - {model: openai/gpt4, failure_tolerance: {cooldown_period_minutes: 1}}"),
            "9: failure_tolerance lacks its key `allowed_failures_per_minute`",
        ),
        (
            balancing(
                "model_configs:\n  - {model: openai/gpt4, usage_limits: {requests_per_minute: 1}}\n  - {model: openai/gpt4, usage_limits: {requests_per_minute: 1}}",
            ),
            "10: `model`: this model is configured already; expected all of it in one place",
        ),
        (
            fallback("rules:\n  - {id: a, when: {}, fallback_models: [{target: openai/gpt4}]}"),
            "9: `when` of a fallback rule lacks its key `response_status_codes`",
        ),
        (
            fallback(
                "rules:\n  - {id: a, when: {response_status_codes: []}, fallback_models: [{target: openai/gpt4}]}",
            ),
            "9: `response_status_codes`: expected at least one",
        ),
        (
            fallback(
                "rules:\n  - {id: a, when: {response_status_codes: [overloaded]}, fallback_models: [{target: openai/gpt4}]}",
            ),
            "9: `response_status_codes`: expected a status from 400 to 599",
        ),
        (fallback(&format!("rules:\n  - {{id: a, {when}}}")), "9: a fallback rule lacks its key `fallback_models`"),
        (
            fallback(&format!("rules:\n  - {{id: a, {when}, fallback_models: []}}")),
            "9: `fallback_models`: expected from 1 to 64 targets",
        ),
        (
            fallback(&format!("rules:\n  - {{id: a, {when}, fallback_models: [{{target: openai/gpt4, weight: 1}}]}}")),
            "9: unknown key `weight` in a fallback model; expected `target`, `override_params` or `headers_override`",
        ),
        (models(""), "6: a virtual model document lacks its key `integrations`"),
        (models("integrations: [{name: a}]"), "8: a virtual model lacks its key `routing_config`"),
        (
            models(&format!("integrations: [{{name: a, routing_config: {{id: x, {rule}}}}}]")),
            "8: `id` has no place in a virtual model's `routing_config` of type latency-based-routing: \
             the virtual model's name is its id",
        ),
        (
            models(&format!("integrations: [{{name: a, routing_config: {{when: {{}}, {rule}}}}}]")),
            "8: `when` has no place in a virtual model's `routing_config` of type latency-based-routing: \
             it is for whoever asks for the model",
        ),
        (
            models(&format!(
                "integrations:\n  - {{name: a, routing_config: {{{rule}}}}}\n  - {{name: a, routing_config: {{{rule}}}}}"
            )),
            "10: `name`: another virtual model has this name or slug; expected one of its own",
        ),
        (
            models(&format!(
                "integrations:\n  - {{name: a, slug: s, routing_config: {{{rule}}}}}\n  - {{name: b, slug: s, routing_config: {{{rule}}}}}"
            )),
            "10: `slug`: another virtual model has this name or slug; expected one of its own",
        ),
        (
            models(&format!("integrations: [{{name: a, type: integration/model/openai, routing_config: {{{rule}}}}}]")),
            "8: `type`: expected `integration/model/virtual`",
        ),
        (
            models("integrations: []\n---\ntype: provider-account/virtual-model\nname: house\nintegrations: []"),
            "11: `name`: another virtual model document has this name; expected a name of its own",
        ),
        (
            format!("{ACCOUNTS}type: provider-account/virtual-model\nname: openai\nintegrations: []"),
            "7: `name`: a provider account has this name; expected a name of its own",
        ),
        (
            models(&format!(
                "integrations:\n  - {{name: a, routing_config: {{{rule}}}}}\n  - {{name: b, routing_config: {{type: cost-based-routing, load_balance_targets: [{{target: house/a}}]}}}}"
            )),
            "10: `target`: this is a virtual model itself, and those do not nest; expected `ACCOUNT/MODEL`, \
             a model of a provider account",
        ),
        (
            models(
                "integrations: [{name: a, routing_config: {type: cost-based-routing, load_balance_targets: [{target: house/b}]}}]",
            ),
            "8: `target`: `house` has virtual models, and those do not nest; expected `ACCOUNT/MODEL`, \
             a model of a provider account",
        ),
    ];
    for (text, expected) in golden {
        assert_eq!(refused(&text, &[]), [format!("test.yaml:{expected}")], "{text}");
    }
}

#[test]
fn a_target_is_not_blamed_for_an_account_that_could_not_be_read() {
    let text = "type: provider-account/nonsense\nname: x\n---\ntype: gateway-load-balancing-config\nname: lb\n\
                rules: [{id: r, type: latency-based-routing, load_balance_targets: [{target: x/y}]}]\n---\n\
                type: gateway-fallback-config\nname: fb\nrules: [{id: r, fallback_models: [{target: x/y}], \
                when: {models: [x/z, y], response_status_codes: [429]}}]";
    assert_eq!(refused(text, &[]).len(), 1);
}

#[test]
fn a_model_that_has_no_place_in_an_accounts_urls_is_refused() {
    let text = "type: provider-account/google-vertex\nname: v\nproject: p\nlocation: global\n\
                auth_data: {type: default-chain}\n---\ntype: gateway-load-balancing-config\nname: lb\nrules:\n  \
                - {id: r, type: latency-based-routing, load_balance_targets: [{target: v/llama/3}]}";
    assert_eq!(refused(text, &[]), ["test.yaml:10: `target`: only Google's own models are served on Vertex"]);
}

#[test]
fn a_permission_may_not_name_a_virtual_model_that_is_none() {
    let text = format!(
        "{ACCOUNTS}type: gateway-load-balancing-config\nname: lb\nrules: [{{id: r, type: latency-based-routing, \
         when: {{models: [smart]}}, load_balance_targets: [{{target: openai/gpt4}}]}}]\n---\n\
         type: virtual-account\nname: a\npermissions: [{{resource_fqn: smrt}}]"
    );
    let expected = "test.yaml:12: `resource_fqn`: expected `ACCOUNT/MODEL`, `ACCOUNT/*`, `*` or the name of a virtual \
                    model; did you mean `smart`?";
    assert_eq!(refused(&text, &[]), [expected]);
}
