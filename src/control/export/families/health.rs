//! Health of targets and regions, and the probes of accounts. What rules name and nobody has complained of is healthy.
//!
//! A target that failed and gets no requests keeps its verdict, since nothing has disproved it: that its cool-down is over
//! is shown beside it, as a state and as a moment, so that an alert can tell "it fails" from "nobody has asked since".

use crate::control::export::view::ScopeView;

use super::Kind::{Counter, Gauge};
use super::Value::{Float, Int};
use super::{Emit, Family, Read, text};

const TARGET: &str = "target_model";
const REGION: &str = "region";

const fn family(name: &'static str, unit: &'static str, kind: super::Kind, help: &'static str, read: Read) -> Family {
    Family { name, prometheus: None, help, unit, kind, read }
}

fn each(key: &str, scopes: &[ScopeView], emit: &mut Emit<'_>, so: fn(&ScopeView) -> bool) {
    for scope in scopes {
        emit(&[text(key, &scope.name)], Int(u64::from(so(scope))));
    }
}

fn ends(key: &str, scopes: &[ScopeView], emit: &mut Emit<'_>) {
    for scope in scopes {
        if let Some(ms) = scope.cooldown_end_ms {
            emit(&[text(key, &scope.name)], Float(ms as f64 / 1e3));
        }
    }
}

pub static FAMILIES: &[Family] = &[
    family(
        "sluice.target.healthy",
        "",
        Gauge,
        "Whether a target that rules name is in the rotation: 1, or 0 from when it fails until a request succeeds there.",
        Read::View(|view, emit| each(TARGET, &view.health.targets, emit, |scope| scope.healthy)),
    ),
    family(
        "sluice.target.half_open",
        "",
        Gauge,
        "1 for a target that failed, whose cool-down is over, and that no request has tried since: the next one does.",
        Read::View(|view, emit| each(TARGET, &view.health.targets, emit, |scope| scope.half_open)),
    ),
    family(
        "sluice.target.cooldown_end",
        "s",
        Gauge,
        "Unix time, past or to come, at which the cool-down of a target ends; only of those that are not healthy.",
        Read::View(|view, emit| ends(TARGET, &view.health.targets, emit)),
    ),
    family(
        "sluice.target.slow",
        "",
        Gauge,
        "1 while a target misses the SLA or the objective of a rule on at least one shard, which passes it over there though it is healthy.",
        Read::View(|view, emit| {
            for (target, rule, slow) in &view.health.slow {
                emit(&[text(TARGET, target), text("ruleId", rule)], Int(u64::from(*slow)));
            }
        }),
    ),
    family(
        "sluice.region.healthy",
        "",
        Gauge,
        "The same as sluice_target_healthy for a provider's region, or its host: while it is 0, its targets are passed over.",
        Read::View(|view, emit| each(REGION, &view.health.regions, emit, |scope| scope.healthy)),
    ),
    family(
        "sluice.region.half_open",
        "",
        Gauge,
        "The same as sluice_target_half_open for a region.",
        Read::View(|view, emit| each(REGION, &view.health.regions, emit, |scope| scope.half_open)),
    ),
    family(
        "sluice.region.cooldown_end",
        "s",
        Gauge,
        "The same as sluice_target_cooldown_end_seconds for a region.",
        Read::View(|view, emit| ends(REGION, &view.health.regions, emit)),
    ),
    family(
        "sluice.target.verdicts",
        "{verdict}",
        Counter,
        "Changes of a target between healthy and unhealthy, by why; the reason is empty for healthy.",
        Read::View(|view, emit| {
            for (target, to, reason, count) in &view.health.verdicts {
                emit(&[text("target_model", target), text("to", to), text("reason", reason)], Int(*count));
            }
        }),
    ),
    family(
        "sluice.probe.failures",
        "{probe}",
        Counter,
        "Health checks of an account that had no answer in time, 429, or one of 500 and above.",
        Read::View(|view, emit| {
            for probe in &view.health.probes {
                emit(&[text("account", &probe.account)], Int(probe.failures));
            }
        }),
    ),
    family(
        "sluice.probe.duration",
        "s",
        Gauge,
        "How long the last health check of an account took.",
        Read::View(|view, emit| {
            for probe in &view.health.probes {
                if let Some(seconds) = probe.last_seconds {
                    emit(&[text("account", &probe.account)], Float(seconds));
                }
            }
        }),
    ),
];
