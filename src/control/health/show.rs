//! Health as it is shown: `/api/v1/targets` and the metrics.

use super::ledger::{Entry, State};
use super::probe::Probe;
use super::{Health, unix_ms};
use crate::config::Routing;
use crate::control::admin::{ProbeState, RegionState, TargetState, Targets, VerdictState};
use crate::control::clock::rfc3339;
use crate::control::core::Core;
use crate::control::export::{HealthView, ProbeView, ScopeView};
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
            slow_for: health.slow.rules(routing, index),
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
        let now_ms = unix_ms();
        let view =
            |name: &str, scope: fn(Box<str>) -> Scope| scope_view(name, self.ledger.get(&scope(name.into())), now_ms);
        let targets = routing.targets.iter().map(|one| view(&one.target.fqn, Scope::Target));
        HealthView {
            targets: targets.collect(),
            regions: routing.regions.iter().map(|name| view(name, Scope::Region)).collect(),
            slow: self.slow.view(routing),
            verdicts: self.ledger.changes().map(|(target, to, why, count)| (target.into(), to, why, count)).collect(),
            probes: self.probes.iter().map(probe_view).collect(),
        }
    }

    fn state(&self, scope: &Scope, now_ms: u64) -> VerdictState {
        let entry = self.ledger.get(scope).cloned().unwrap_or_default();
        let (why, until_ms, failures) = match entry.verdict {
            Verdict::Healthy => (None, None, 0),
            Verdict::Unhealthy { until_ms, why, failures, .. } => (Some(why), Some(until_ms), failures),
        };
        VerdictState {
            verdict: entry.state(now_ms).as_str(),
            why: why.map(|why| why.as_str()),
            since: (entry.changes > 0).then(|| time(entry.since_ms)),
            until: until_ms.map(time),
            failures,
            by: entry.by.map(|by| by.to_string()),
            changes: entry.changes,
        }
    }
}

/// What nobody has said anything of is healthy.
fn scope_view(name: &str, entry: Option<&Entry>, now_ms: u64) -> ScopeView {
    let state = entry.map_or(State::Healthy, |entry| entry.state(now_ms));
    let cooldown_end_ms = entry.and_then(|entry| match entry.verdict {
        Verdict::Healthy => None,
        Verdict::Unhealthy { until_ms, .. } => Some(until_ms),
    });
    ScopeView {
        name: name.into(),
        healthy: state == State::Healthy,
        half_open: state == State::HalfOpen,
        cooldown_end_ms,
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
