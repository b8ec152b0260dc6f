//! Health as it is shown: `/api/v1/targets` and the metrics.

use super::ledger::Entry;
use super::probe::Probe;
use super::{Health, unix_ms};
use crate::config::Routing;
use crate::control::admin::{ProbeState, RegionState, TargetState, Targets, VerdictState};
use crate::control::clock::rfc3339;
use crate::control::core::Core;
use crate::control::export::{HealthView, ProbeView};
use crate::policy::route::health::{Scope, Verdict};

impl Core {
    pub fn show_targets(&self) -> Targets {
        let (routing, now_ms) = (&self.snapshot.routing, unix_ms());
        let health = &self.health;
        let region = |index: usize| routing.regions.get(index).map(|name| name.to_string());
        let targets = routing.targets.iter().enumerate().map(|(index, one)| TargetState {
            target: one.target.fqn.to_string(),
            account: one.target.account.to_string(),
            region: region(one.region).unwrap_or_default(),
            state: health.state(&Scope::Target(one.target.fqn.clone()), now_ms),
            rules: rules_with(routing, index),
            probe: health.probes.iter().find(|probe| probe.account == one.target.account).map(probe_state),
        });
        let regions = routing.regions.iter().map(|name| RegionState {
            region: name.to_string(),
            state: health.state(&Scope::Region(name.clone()), now_ms),
        });
        Targets { targets: targets.collect(), regions: regions.collect() }
    }
}

impl Health {
    pub fn view(&self, routing: &Routing) -> HealthView {
        let healthy = |scope: Scope| self.ledger.get(&scope).is_none_or(Entry::is_healthy);
        let targets = routing.targets.iter().map(|one| &one.target.fqn);
        HealthView {
            targets: targets.map(|fqn| (fqn.clone(), healthy(Scope::Target(fqn.clone())))).collect(),
            regions: routing.regions.iter().map(|name| (name.clone(), healthy(Scope::Region(name.clone())))).collect(),
            verdicts: self.ledger.changes().map(|(target, to, why, count)| (target.into(), to, why, count)).collect(),
            probes: self.probes.iter().map(probe_view).collect(),
        }
    }

    fn state(&self, scope: &Scope, now_ms: u64) -> VerdictState {
        let entry = self.ledger.get(scope).cloned().unwrap_or_default();
        let (verdict, why, until_ms, failures) = match entry.verdict {
            Verdict::Healthy => ("healthy", None, None, 0),
            Verdict::Unhealthy { until_ms, why, failures, .. } => {
                let verdict = if until_ms > now_ms { "unhealthy" } else { "half_open" };
                (verdict, Some(why), Some(until_ms), failures)
            }
        };
        VerdictState {
            verdict,
            why: why.map(|why| why.as_str()),
            since: (entry.changes > 0).then(|| time(entry.since_ms)),
            until: until_ms.map(time),
            failures,
            by: entry.by.map(|by| by.to_string()),
            changes: entry.changes,
        }
    }
}

/// Ids of the rules that have it as a candidate, virtual models and fallbacks among them.
fn rules_with(routing: &Routing, target: usize) -> Vec<String> {
    let rules = routing.rules.iter().map(|rule| (&rule.id, &rule.candidates));
    let models = routing.virtual_models.iter().map(|model| (&model.rule.id, &model.rule.candidates));
    let fallbacks = routing.fallbacks.iter().map(|rule| (&rule.id, &rule.candidates));
    let all = rules.chain(models).chain(fallbacks);
    let naming = all.filter(|(_, candidates)| candidates.iter().any(|candidate| candidate.target == target));
    naming.map(|(id, _)| id.to_string()).collect()
}

fn probe_state(probe: &Probe) -> ProbeState {
    let last = probe.last.as_ref();
    ProbeState {
        path: probe.check.path.clone(),
        interval_ms: probe.check.interval_ms,
        last: last.map(|last| time(last.at_ms)),
        duration_ms: last.map(|last| last.took.as_secs_f64() * 1e3),
        status: last.and_then(|last| last.answer.as_ref().ok().copied()),
        error: last.and_then(|last| last.answer.as_ref().err().cloned()),
        failures_in_a_row: probe.in_a_row,
    }
}

fn probe_view(probe: &Probe) -> ProbeView {
    let last_seconds = probe.last.as_ref().map(|last| last.took.as_secs_f64());
    ProbeView { account: probe.account.clone(), failures: probe.failures, last_seconds }
}

fn time(unix_ms: u64) -> String {
    rfc3339(unix_ms.saturating_mul(1_000_000))
}
