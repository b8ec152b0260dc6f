//! Where requests went and why: choices of rules, moves, retries, hedges, rescues, and what those cost.

use crate::telemetry::totals::{ByRule, ByTarget, Routed};
use crate::telemetry::{ErrorClass, path::Rescue};

use super::Kind::{Counter, Histogram};
use super::Value::{Float, Int};
use super::{Family, Label, Read, gateway, histogram, text};

const PICO_PER_USD: f64 = 1e12;
const RULE: &str = "ruleId";
const TARGET: &str = "target_model";

/// Of a rule's first choice.
pub fn balanced_labels<'a>(series: &'a Routed, metadata_keys: &'a [String], over_budget: bool) -> Vec<Label<'a>> {
    let mut labels = gateway::caller_labels(&series.caller, metadata_keys, over_budget);
    labels.extend([text(RULE, &series.labels.rule), text(TARGET, &series.labels.to)]);
    labels
}

/// Of a move from one target to another.
pub fn fallback_labels<'a>(series: &'a Routed, metadata_keys: &'a [String], over_budget: bool) -> Vec<Label<'a>> {
    let mut labels = gateway::caller_labels(&series.caller, metadata_keys, over_budget);
    let Routed { labels: own, .. } = series;
    let own = [text(RULE, &own.rule), text("from_model", &own.from), text("to_model", &own.to)];
    labels.extend(own);
    labels.push(text("reason", series.labels.reason));
    labels
}

pub fn rule_labels(series: &ByRule) -> [Label<'_>; 1] {
    [text(RULE, &series.rule)]
}

pub fn target_labels(series: &ByTarget) -> [Label<'_>; 1] {
    [text(TARGET, &series.target)]
}

fn how(rescue: Rescue) -> Label<'static> {
    text("how", rescue.as_str())
}

fn usd(pico_usd: i64, emit: &mut super::Emit<'_>) {
    if pico_usd != 0 {
        emit(&[], Float(pico_usd as f64 / PICO_PER_USD));
    }
}

const fn family(name: &'static str, unit: &'static str, kind: super::Kind, help: &'static str, read: Read) -> Family {
    Family { name, prometheus: None, help, unit, kind, read }
}

pub static FAMILIES: &[Family] = &[
    Family {
        name: "llm_gateway_load_balanced_requests_total",
        prometheus: Some("llm_gateway_load_balanced_requests_total"),
        help: "Model requests for which a routing rule chose the target, by the target it chose first.",
        unit: "{request}",
        kind: Counter,
        read: Read::Balanced(|series, emit| emit(&[], Int(series.count))),
    },
    Family {
        name: "llm_gateway_fallback_requests_total",
        prometheus: Some("llm_gateway_fallback_requests_total"),
        help: "Moves of a model request to another target, by what the one before had failed with.",
        unit: "{move}",
        kind: Counter,
        read: Read::Fallback(|series, emit| emit(&[], Int(series.count))),
    },
    family(
        "sluice.attempt.retries",
        "{attempt}",
        Counter,
        "Attempts made once more on the same target, by what the one before had failed with.",
        Read::Target(|series, emit| {
            for (error, &count) in series.retries.iter() {
                emit(&[text("reason", error.map_or("", ErrorClass::as_str))], Int(count));
            }
        }),
    ),
    family(
        "sluice.failed_attempt.cost_usd",
        "USD",
        Counter,
        "Cost in USD of attempts that failed before another one was delivered; hedges are not in it.",
        Read::Target(|series, emit| usd(series.failed_cost_pico_usd, emit)),
    ),
    family(
        "sluice.hedges",
        "{attempt}",
        Counter,
        "Second attempts made because the first was late, and whether theirs was the answer delivered.",
        Read::Rule(|series, emit| {
            for (result, count) in [("won", series.hedges_won), ("lost", series.hedges_lost)] {
                if count > 0 {
                    emit(&[text("result", result)], Int(count));
                }
            }
        }),
    ),
    family(
        "sluice.hedge.cost_usd",
        "USD",
        Counter,
        "Cost in USD of attempts that lost against the other one of a hedge.",
        Read::Rule(|series, emit| usd(series.hedge_cost_pico_usd, emit)),
    ),
    family(
        "sluice.stream.rescues",
        "{attempt}",
        Counter,
        "Attempts to finish a stream that had broken off after bytes had reached the client.",
        Read::Rule(|series, emit| {
            for ((how, served), &count) in series.stream_rescues.iter() {
                let result = if served { "served" } else { "failed" };
                emit(&[text("how", how), text("result", result)], Int(count));
            }
        }),
    ),
    family(
        "sluice.rescued_requests",
        "{request}",
        Counter,
        "Model requests that were served though an attempt had failed, by what saved them.",
        Read::Rule(|series, emit| {
            for (rescue, added) in series.rescued.iter() {
                emit(&[how(rescue)], Int(added.count()));
            }
        }),
    ),
    family(
        "sluice.failover.added",
        "s",
        Histogram,
        "Of rescued requests, from the begin of the first attempt to that of the one that served; of a stream, from its break.",
        Read::Rule(|series, emit| {
            for (rescue, added) in series.rescued.iter() {
                histogram(emit, &[how(rescue)], added);
            }
        }),
    ),
];
