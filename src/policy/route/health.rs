//! Whether a target, or a region, can be used now. A circuit breaker: healthy until failures say otherwise, then left alone
//! for a cool-down, then half-open: one real request at a time is let through, and the first that succeeds ends it.
//!
//! One [`Health`] per target and per region on each shard; what changes is a [`Verdict`], which the other shards apply.
//! [`choose`](super::choose) asks and begins, the data plane tells how attempts ended. Time is unix milliseconds.

use super::codes::listed;
pub use super::ended::Ended;
use super::ended::Says;
pub use super::verdict::{Scope, Verdict};
use super::window::Window;
use crate::config::FailureTolerance;
use crate::telemetry::ErrorClass;

/// Failures in a row that make a target, or a region, unhealthy, when all of them came within [`ROW_MS_MAX`].
const ROW: usize = 3;
const REGION_ROW: usize = 5;
const ROW_MS_MAX: u64 = 120_000;
/// So does every second one of at least so many attempts within ten seconds.
const RATE_ATTEMPTS_MIN: u32 = 10;
/// A trial of which nothing was heard for so long is no longer waited for.
const TRIAL_MS_MAX: u64 = 60_000;
/// Answers that were under way when a cool-down began lengthen it in no smaller steps: each is a message to all shards.
const LONGER_MS_MIN: u64 = 1000;
/// Shards read the clock milliseconds apart. What is further ahead was written before the clock was set back.
const CLOCK_MS_MAX: u64 = 1000;

/// Of one target or region, as one shard sees it and as it was told.
#[derive(Debug, Default)]
pub struct Health {
    verdict: Verdict,
    /// When the trial began that is under way.
    trial_ms: Option<u64>,
    /// When the attempt began whose success ended the last outage: failures of older ones belong to that outage.
    well_ms: u64,
    /// That outage, as long as nothing else went well: a trial that began to answer may still break off.
    outage: Verdict,
    /// Failures with no success between them: how many, and when the latest were, newest first.
    row: u32,
    row_ms: [u64; REGION_ROW],
    attempts: Window<10>,
    failures: Window<10>,
    /// Those that `failure_tolerance` counts.
    untolerated: Window<60>,
}

impl Health {
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether a request may go there now; does not begin a half-open trial ([`Health::begin`] does).
    pub fn admits(&self, now_ms: u64) -> bool {
        match self.verdict {
            Verdict::Healthy => true,
            Verdict::Unhealthy { since_ms, until_ms, .. } => {
                let is_over = until_ms <= now_ms || is_ahead(since_ms, now_ms);
                is_over && self.trial_ms.is_none_or(|began_ms| now_ms.abs_diff(began_ms) >= TRIAL_MS_MAX)
            }
        }
    }

    /// Why no request may go there now.
    pub fn obstacle(&self, now_ms: u64) -> Option<ErrorClass> {
        match self.verdict {
            Verdict::Unhealthy { why, .. } if !self.admits(now_ms) => Some(why),
            _ => None,
        }
    }

    /// A request goes there. Where nothing is better it may go there unadmitted.
    pub fn begin(&mut self, now_ms: u64) {
        if self.verdict != Verdict::Healthy && self.admits(now_ms) {
            self.trial_ms = Some(now_ms);
        }
    }

    /// What came of it. A new verdict is for the other shards as well.
    pub fn observe(&mut self, ended: &Ended, tolerance: Option<&FailureTolerance>) -> Option<Verdict> {
        let tolerance = |class| tolerance.filter(|rule| listed(&rule.on, class, ended.status).unwrap_or(true));
        self.ended(ended, ended.of_target(), ended.wish_ms(), |health, class| match tolerance(class) {
            // Whoever says how many of these are tolerated means it: they are not counted by the rules below as well.
            Some(rule) => health.is_intolerable(ended.now_ms, rule).then_some(rule.cooldown_ms),
            None => (health.is_row(ROW, ended.now_ms) || health.is_rate(ended.now_ms)).then(|| ended.cooldown_ms(0)),
        })
    }

    /// The same for a region: only what says something about the whole of it counts.
    pub fn observe_region(&mut self, ended: &Ended) -> Option<Verdict> {
        self.ended(ended, ended.of_region(), None, |health, _| {
            health.is_row(REGION_ROW, ended.now_ms).then(|| ended.cooldown_ms(0))
        })
    }

    /// An attempt that began then ended and says nothing (its client left): where it was the trial, that is free again.
    /// Others, older ones or those that went there unadmitted, are none of it.
    pub fn release(&mut self, began_ms: u64) {
        self.trial_ms = self.trial_ms.filter(|&trial_ms| trial_ms != began_ms);
    }

    /// What another shard, or an active probe, found. It goes no further from here.
    pub fn apply(&mut self, verdict: Verdict) {
        match (self.verdict, verdict) {
            (_, Verdict::Healthy) => self.recover(),
            (Verdict::Healthy, _) => self.verdict = verdict,
            (
                Verdict::Unhealthy { since_ms, until_ms: own_ms, failures: own_failures, cooldowns: own, .. },
                Verdict::Unhealthy { until_ms, why, failures, cooldowns, .. },
            ) if until_ms > own_ms => {
                let (failures, cooldowns) = (failures.max(own_failures), cooldowns.max(own));
                // The same outage goes on: a trial that began here within it still counts.
                self.verdict = Verdict::Unhealthy { since_ms, until_ms, why, failures, cooldowns };
            }
            _ => {}
        }
    }

    /// `falls` says for how long a failure makes it unhealthy, if it does.
    fn ended(
        &mut self,
        ended: &Ended,
        says: Says,
        wish_ms: Option<u64>,
        falls: impl FnOnce(&mut Self, ErrorClass) -> Option<u64>,
    ) -> Option<Verdict> {
        let before = self.verdict;
        self.release(ended.began_ms());
        match says {
            Says::Well => self.succeeded(ended, wish_ms),
            Says::Failed(class) => self.failed(ended, class, wish_ms, falls),
            Says::Nothing => {}
        }
        (self.verdict != before).then_some(self.verdict)
    }

    fn succeeded(&mut self, ended: &Ended, wish_ms: Option<u64>) {
        match self.verdict {
            Verdict::Healthy => {
                self.attempts.add(ended.now_ms);
                self.row = 0;
                self.outage = Verdict::Healthy;
            }
            // A long stream that ends well during an outage says nothing about now.
            Verdict::Unhealthy { since_ms, .. } if ended.began_ms() < since_ms && !is_ahead(since_ms, ended.now_ms) => {
            }
            Verdict::Unhealthy { .. } => {
                let outage = self.verdict;
                self.recover();
                (self.well_ms, self.outage) = (ended.began_ms(), outage);
            }
        }
        if let Some(wish_ms) = wish_ms {
            self.rest(ended.now_ms, wish_ms, ErrorClass::RateLimited);
        }
    }

    fn failed(
        &mut self,
        ended: &Ended,
        class: ErrorClass,
        wish_ms: Option<u64>,
        falls: impl FnOnce(&mut Self, ErrorClass) -> Option<u64>,
    ) {
        let (now_ms, began_ms) = (ended.now_ms, ended.began_ms());
        if began_ms < self.well_ms && !is_ahead(self.well_ms, now_ms) {
            return;
        }
        // The very attempt by which it was thought to be back: it is the outage that goes on.
        let broke_off = self.verdict == Verdict::Healthy && began_ms == self.well_ms && self.outage != Verdict::Healthy;
        let known = if broke_off { std::mem::take(&mut self.outage) } else { self.verdict };
        match known {
            Verdict::Healthy => {
                self.count(now_ms);
                let rest_ms = falls(self, class).max(wish_ms);
                if let Some(rest_ms) = rest_ms {
                    self.rest(now_ms, rest_ms, class);
                }
            }
            // It began after the cool-down: the next step.
            Verdict::Unhealthy { since_ms, until_ms, failures, cooldowns, .. }
                if broke_off || until_ms <= began_ms || is_ahead(since_ms, now_ms) =>
            {
                let rest_ms = ended.cooldown_ms(cooldowns).max(wish_ms.unwrap_or_default());
                self.verdict = Verdict::Unhealthy {
                    since_ms: since_ms.min(now_ms),
                    until_ms: now_ms.saturating_add(rest_ms),
                    why: class,
                    failures: failures.saturating_add(1),
                    cooldowns: cooldowns.saturating_add(1),
                };
            }
            Verdict::Unhealthy { .. } => {
                if let Some(wish_ms) = wish_ms {
                    self.rest(now_ms, wish_ms, class);
                }
            }
        }
    }

    /// Left alone from now on, or for longer than it already is.
    fn rest(&mut self, now_ms: u64, rest_ms: u64, why: ErrorClass) {
        let ends_ms = now_ms.saturating_add(rest_ms);
        match &mut self.verdict {
            Verdict::Healthy => {
                let (since_ms, until_ms) = (now_ms, ends_ms);
                self.verdict = Verdict::Unhealthy { since_ms, until_ms, why, failures: self.row, cooldowns: 1 };
            }
            Verdict::Unhealthy { until_ms, why: known, .. } => {
                if until_ms.saturating_add(LONGER_MS_MIN) <= ends_ms {
                    (*until_ms, *known) = (ends_ms, why);
                }
            }
        }
    }

    fn recover(&mut self) {
        *self = Self { well_ms: self.well_ms, ..Self::default() };
    }

    fn count(&mut self, now_ms: u64) {
        self.attempts.add(now_ms);
        self.failures.add(now_ms);
        self.row = self.row.saturating_add(1);
        self.row_ms.rotate_right(1);
        self.row_ms[0] = now_ms;
    }

    fn is_row(&self, failures: usize, now_ms: u64) -> bool {
        let first_ms = self.row_ms.get(failures - 1).copied().unwrap_or_default();
        self.row as usize >= failures && now_ms.saturating_sub(first_ms) <= ROW_MS_MAX
    }

    fn is_rate(&mut self, now_ms: u64) -> bool {
        let attempts = self.attempts.sum(now_ms);
        attempts >= RATE_ATTEMPTS_MIN && self.failures.sum(now_ms).saturating_mul(2) >= attempts
    }

    fn is_intolerable(&mut self, now_ms: u64, rule: &FailureTolerance) -> bool {
        self.untolerated.add(now_ms);
        self.untolerated.sum(now_ms) > rule.allowed_failures_per_minute
    }
}

fn is_ahead(then_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_add(CLOCK_MS_MAX) < then_ms
}

#[cfg(test)]
#[path = "health_property_tests.rs"]
mod properties;
#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
