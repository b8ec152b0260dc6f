//! The effective routing, for `sluice check`: YAML of the shape that is read, secrets as `***`.

use std::fmt::{Result, Write};

use super::{
    Candidate, Change, Codes, FallbackRule, Hedge, Routing, RoutingType, Rule, SessionIdentifier, Sticky, Subject,
};
use super::{RouteTarget, VirtualModel, When, called};
use crate::config::effective::{list, map, quoted, secrets};
use crate::config::snapshot::Account;

/// All rules of a kind are in one document, whichever they came from.
pub(in crate::config) fn show(out: &mut String, routing: &Routing, accounts: &[Account]) -> Result {
    let configured: Vec<&RouteTarget> =
        routing.targets.iter().filter(|one| one.usage_limits.is_some() || one.tolerance.is_some()).collect();
    if !routing.rules.is_empty() || !configured.is_empty() {
        writeln!(out, "---\ntype: gateway-load-balancing-config\nname: effective\nrules:")?;
        for one in &routing.rules {
            writeln!(out, "  - id: {}", quoted(&one.id))?;
            writeln!(out, "    when: {{{}}}", when(&one.when))?;
            names(out, routing, accounts, &one.when)?;
            rule(out, routing, one, "    ")?;
        }
        if routing.rules.is_empty() {
            out.truncate(out.len() - 1);
            writeln!(out, " []")?;
        }
        if !configured.is_empty() {
            writeln!(out, "model_configs:")?;
        }
        for target in configured {
            model_config(out, target)?;
        }
    }
    if !routing.fallbacks.is_empty() {
        writeln!(out, "---\ntype: gateway-fallback-config\nname: effective\nrules:")?;
    }
    for rule in &routing.fallbacks {
        fallback(out, routing, rule)?;
    }
    virtual_models(out, routing)
}

/// The names that are there to be called because the rule lists them: a misspelt model of an account would be one.
fn names(out: &mut String, routing: &Routing, accounts: &[Account], when: &When) -> Result {
    let is_virtual_model = |name: &str| routing.virtual_models.iter().any(|one| one.is_called(name));
    let is_other = |name: &str| name == "*" || called::is_model(accounts, name) || is_virtual_model(name);
    for name in when.models.iter().filter(|name| !is_other(name)) {
        match called::doubt(accounts, name) {
            doubt if doubt.is_empty() => writeln!(out, "    # virtual model, which no account has: {}", quoted(name))?,
            doubt => writeln!(out, "    # virtual model, which no account has: {}; {doubt}", quoted(name))?,
        }
    }
    Ok(())
}

fn rule(out: &mut String, routing: &Routing, rule: &Rule, indent: &str) -> Result {
    writeln!(out, "{indent}type: {}", rule.routing_type.as_str())?;
    if let RoutingType::Slo(slo) = rule.routing_type {
        for (key, value) in [("ttft_p95_ms", slo.ttft_p95_ms), ("itl_p95_ms", slo.itl_p95_ms)] {
            if let Some(value) = value {
                writeln!(out, "{indent}{key}: {value}")?;
            }
        }
    }
    if let Some(Sticky { ttl_s, identifiers }) = &rule.sticky {
        let identifiers = identifiers.iter().map(|one| match one {
            SessionIdentifier::Header(key) => format!("{{source: headers, key: {}}}", quoted(key)),
            SessionIdentifier::Metadata(key) => format!("{{source: metadata, key: {}}}", quoted(key)),
        });
        let identifiers = identifiers.collect::<Vec<_>>().join(", ");
        writeln!(out, "{indent}sticky_routing: {{ttl_seconds: {ttl_s}, session_identifiers: [{identifiers}]}}")?;
    }
    writeln!(out, "{indent}on_stream_failure: {}", rule.on_stream_failure.as_str())?;
    match rule.hedge {
        None => writeln!(out, "{indent}# hedge: none")?,
        Some(Hedge::AfterP95) => writeln!(out, "{indent}hedge: {{after: p95}}")?,
        Some(Hedge::AfterMs(ms)) => writeln!(out, "{indent}hedge: {{after_ms: {ms}}}")?,
    }
    writeln!(out, "{indent}load_balance_targets:")?;
    for one in &rule.candidates {
        candidate(out, routing, one, rule.routing_type, indent)?;
    }
    Ok(())
}

fn candidate(out: &mut String, routing: &Routing, one: &Candidate, of: RoutingType, indent: &str) -> Result {
    writeln!(out, "{indent}  - target: {}", quoted(fqn(routing, one)))?;
    let inner = format!("{indent}    ");
    match of {
        RoutingType::Weight => writeln!(out, "{inner}weight: {}", one.weight)?,
        RoutingType::Priority => writeln!(out, "{inner}priority: {}", one.priority)?,
        _ => {}
    }
    if let Some(sla) = one.sla {
        let keys = [
            ("time_per_output_token_ms", sla.time_per_output_token_ms),
            ("time_to_first_token_ms", sla.time_to_first_token_ms),
        ];
        writeln!(out, "{inner}sla_cutoff: {{{}}}", numbers(keys.map(|(key, value)| (key, value.map(u64::from)))))?;
    }
    let (retry, on) = (&one.retry, codes(", on_status_codes", &one.retry.on));
    write!(out, "{inner}retry_config: {{attempts: {}, delay: {}{on}}}", retry.attempts, retry.delay_ms)?;
    writeln!(out, "{}", if on.is_empty() { "  # on_status_codes: by what a failure means" } else { "" })?;
    match codes("fallback_status_codes", &one.fallback_on) {
        on if on.is_empty() => writeln!(out, "{inner}# fallback_status_codes: by what a failure means")?,
        on => writeln!(out, "{inner}{on}")?,
    }
    writeln!(out, "{inner}fallback_candidate: {}", one.takes_fallback)?;
    change(out, &one.change, &inner)?;
    for (key, value) in [("timeout_ms", one.timeout_ms), ("ttft_timeout_ms", one.ttft_timeout_ms)] {
        if let Some(value) = value {
            writeln!(out, "{inner}{key}: {value}")?;
        }
    }
    if !one.metadata_match.is_empty() {
        writeln!(out, "{inner}metadata_match: {}", pairs(&one.metadata_match))?;
    }
    Ok(())
}

fn change(out: &mut String, change: &Change, indent: &str) -> Result {
    if !change.params.is_empty() {
        // JSON is YAML.
        let params = change.params.iter().map(|(key, value)| match change.params_hidden.contains(key) {
            true => format!("{}: \"***\"", quoted(key)),
            false => format!("{}: {value}", quoted(key)),
        });
        let params: Vec<String> = params.collect();
        writeln!(out, "{indent}override_params: {{{}}}", params.join(", "))?;
    }
    if !change.headers_set.is_empty() || !change.headers_remove.is_empty() {
        let (set, remove) = (secrets(&change.headers_set), list(&change.headers_remove));
        writeln!(out, "{indent}headers_override: {{set: {set}, remove: {remove}}}")?;
    }
    Ok(())
}

fn model_config(out: &mut String, target: &RouteTarget) -> Result {
    writeln!(out, "  - model: {}", quoted(&target.target.fqn))?;
    if let Some(limits) = target.usage_limits {
        let keys =
            [("tokens_per_minute", limits.tokens_per_minute), ("requests_per_minute", limits.requests_per_minute)];
        writeln!(out, "    usage_limits: {{{}}}", numbers(keys))?;
    }
    if let Some(tolerance) = &target.tolerance {
        let on = codes(", failure_status_codes", &tolerance.on);
        let (allowed, minutes) = (tolerance.allowed_failures_per_minute, tolerance.cooldown_ms / 60_000);
        write!(out, "    failure_tolerance: {{allowed_failures_per_minute: {allowed}, ")?;
        writeln!(out, "cooldown_period_minutes: {minutes}{on}}}")?;
    }
    Ok(())
}

fn fallback(out: &mut String, routing: &Routing, rule: &FallbackRule) -> Result {
    writeln!(out, "  - id: {}", quoted(&rule.id))?;
    let statuses: Vec<String> = rule.statuses.iter().map(u16::to_string).collect();
    let statuses = format!("response_status_codes: [{}]", statuses.join(", "));
    let filters = when(&rule.when);
    let comma = if filters.is_empty() { "" } else { ", " };
    writeln!(out, "    when: {{{filters}{comma}{statuses}}}\n    fallback_models:")?;
    for one in &rule.candidates {
        writeln!(out, "      - target: {}", quoted(fqn(routing, one)))?;
        change(out, &one.change, "        ")?;
    }
    Ok(())
}

/// Those of a group follow each other, as they were read.
fn virtual_models(out: &mut String, routing: &Routing) -> Result {
    let mut before = None;
    for VirtualModel { name, slug, model_types, rule: own } in &routing.virtual_models {
        let (group, name) = name.split_once('/').unwrap_or(("", name));
        if before != Some(group) {
            writeln!(out, "---\ntype: provider-account/virtual-model\nname: {}\nintegrations:", quoted(group))?;
            before = Some(group);
        }
        writeln!(out, "  - name: {}\n    type: integration/model/virtual", quoted(name))?;
        if let Some(slug) = slug {
            writeln!(out, "    slug: {}", quoted(slug))?;
        }
        writeln!(out, "    model_types: {}\n    routing_config:", list(model_types))?;
        rule(out, routing, own, "      ")?;
    }
    Ok(())
}

fn fqn<'r>(routing: &'r Routing, candidate: &Candidate) -> &'r str {
    routing.targets.get(candidate.target).map_or("", |one| &one.target.fqn)
}

/// Without its braces; nothing when it matches everything.
fn when(when: &When) -> String {
    let mut parts = Vec::new();
    if !when.subjects.is_empty() {
        let subjects = when.subjects.iter().map(|subject| match subject {
            Subject::Any => "*".to_owned(),
            Subject::User(name) => format!("user:{name}"),
            Subject::Team(name) => format!("team:{name}"),
            Subject::VirtualAccount(name) => format!("virtualaccount:{name}"),
        });
        parts.push(format!("subjects: {}", list(&subjects.collect::<Vec<_>>())));
    }
    if !when.models.is_empty() {
        parts.push(format!("models: {}", list(&when.models)));
    }
    if !when.metadata.is_empty() {
        parts.push(format!("metadata: {}", pairs(&when.metadata)));
    }
    parts.join(", ")
}

/// `key: [..]`; nothing where no list was given.
fn codes(key: &str, codes: &Codes) -> String {
    let Codes::Listed { statuses, classes } = codes else { return String::new() };
    let statuses = statuses.iter().map(u16::to_string);
    let all: Vec<String> = statuses.chain(classes.iter().map(|class| class.as_str().to_owned())).collect();
    format!("{key}: {}", list(&all))
}

fn numbers<const N: usize>(pairs: [(&str, Option<u64>); N]) -> String {
    let set = pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", value?)));
    set.collect::<Vec<_>>().join(", ")
}

fn pairs(pairs: &[(String, String)]) -> String {
    map(pairs.iter().map(|(key, value)| (key, value.as_str())))
}
