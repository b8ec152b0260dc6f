//! Which target a request goes to, and what becomes of it when that one fails. Pure: what is known of targets is a list
//! beside [`Routing::targets`](crate::config::Routing), time and chance come in as numbers.
//!
//! A shard keeps one [`States`] and asks [`choose`] for every attempt, tells it what came of it, and asks
//! [`judge`](judge::judge) what to do after a failure. Nothing here may allocate for a choice, or know a clock.

pub mod backoff;
pub mod choose;
#[cfg(test)]
mod choose_tests;
mod codes;
mod ended;
pub mod headers;
pub mod health;
pub mod judge;
pub mod latency;
mod rank;
mod rolling;
mod sketch;
pub mod slow;
pub mod sticky;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod traffic_tests;
pub mod usage;
mod verdict;
pub mod when;
mod window;

use health::{Health, Scope, Verdict};
use latency::Latency;
use usage::Usage;

use crate::config::Routing;
use crate::telemetry::{ErrorClass, Obstacle};

/// What a shard knows of all targets and regions that rules name.
#[derive(Default)]
pub struct States {
    pub targets: Vec<State>,
    /// Beside `Routing::regions`.
    pub regions: Vec<Health>,
    /// Those that are too slow for their rules.
    slow: slow::Found,
}

/// What a shard knows of one target.
#[derive(Default)]
pub struct State {
    /// `account/model`: a reload finds it again by this.
    pub fqn: Box<str>,
    /// Of that: [`sticky::target`].
    pub hash: u64,
    pub health: Health,
    pub latency: Latency,
    pub usage: Usage,
    /// Attempts under way on this shard.
    pub in_flight: u32,
}

impl State {
    pub fn new(fqn: &str) -> Self {
        Self { fqn: fqn.into(), hash: sticky::target(fqn), ..Self::default() }
    }
}

impl States {
    /// For another configuration: what is known of targets that stay is kept.
    pub fn apply(&mut self, before: &Routing, routing: &Routing) {
        let mut targets = std::mem::take(&mut self.targets);
        for target in &routing.targets {
            let fqn = &target.target.fqn;
            let known = targets.iter_mut().find(|state| state.fqn == *fqn).map(std::mem::take);
            self.targets.push(known.unwrap_or_else(|| State::new(fqn)));
        }
        self.slow.reset(routing);
        let mut regions = std::mem::take(&mut self.regions);
        for name in &routing.regions {
            let at = before.regions.iter().position(|known| known == name);
            self.regions.push(at.and_then(|at| regions.get_mut(at)).map(std::mem::take).unwrap_or_default());
        }
    }

    /// Whether target and region can be used now. `at`: index into `Routing::targets`.
    pub fn admits(&self, routing: &Routing, at: usize, now_ms: u64) -> bool {
        let region = routing.targets.get(at).and_then(|target| self.regions.get(target.region));
        let target = self.targets.get(at).map(|state| &state.health);
        [target, region].into_iter().flatten().all(|health| health.admits(now_ms))
    }

    /// An attempt goes there, whatever led to it: a choice, a name, a fallback rule, or that it is asked once more. Where
    /// target or region are half-open, it is their trial.
    pub fn begin(&mut self, routing: &Routing, at: usize, now_ms: u64) {
        let region = routing.targets.get(at).and_then(|target| self.regions.get_mut(target.region));
        let target = self.targets.get_mut(at).map(|state| &mut state.health);
        [target, region].into_iter().flatten().for_each(|health| health.begin(now_ms));
    }

    /// Why the target cannot be used now, and the failure that it would be: what made it or its region unhealthy, or that
    /// its usage limits are reached. `shards` is how many the process has.
    pub fn obstacle(
        &mut self,
        routing: &Routing,
        at: usize,
        shards: u64,
        now_ms: u64,
    ) -> Option<(Obstacle, ErrorClass)> {
        let target = routing.targets.get(at)?;
        let state = self.targets.get_mut(at)?;
        let healths = [Some(&state.health), self.regions.get(target.region)];
        let unhealthy = healths.into_iter().flatten().find_map(|health| health.obstacle(now_ms));
        unhealthy.map(|class| (Obstacle::Unhealthy, class)).or_else(|| {
            let limits = target.usage_limits.as_ref()?;
            (!state.usage.within(limits, shards, now_ms)).then_some((Obstacle::Limit, ErrorClass::RateLimited))
        })
    }

    /// What another shard, or an active probe, found.
    pub fn apply_verdict(&mut self, routing: &Routing, scope: &Scope, verdict: Verdict) {
        let health = match scope {
            Scope::Target(fqn) => {
                self.targets.iter_mut().find(|state| state.fqn == *fqn).map(|state| &mut state.health)
            }
            Scope::Region(name) => {
                let at = routing.regions.iter().position(|known| known == name);
                at.and_then(|at| self.regions.get_mut(at))
            }
        };
        if let Some(health) = health {
            health.apply(verdict);
        }
    }
}
