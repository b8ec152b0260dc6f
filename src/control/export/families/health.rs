//! Health of targets and regions, and the probes of accounts. What rules name and nobody has complained of is healthy.

use super::Kind::{Counter, Gauge};
use super::Value::{Float, Int};
use super::{Emit, Family, Read, text};

const fn family(name: &'static str, unit: &'static str, kind: super::Kind, help: &'static str, read: Read) -> Family {
    Family { name, prometheus: None, help, unit, kind, read }
}

fn each(key: &str, states: &[(Box<str>, bool)], emit: &mut Emit<'_>) {
    for (name, healthy) in states {
        emit(&[text(key, name)], Int(u64::from(*healthy)));
    }
}

pub static FAMILIES: &[Family] = &[
    family(
        "sluice.target.healthy",
        "",
        Gauge,
        "Whether a target that rules name is in the rotation: 1, or 0 from when it fails until a request succeeds there.",
        Read::View(|view, emit| each("target_model", &view.health.targets, emit)),
    ),
    family(
        "sluice.region.healthy",
        "",
        Gauge,
        "The same for a provider's region, or its host.",
        Read::View(|view, emit| each("region", &view.health.regions, emit)),
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
