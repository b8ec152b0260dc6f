//! Health of targets and regions, as all shards together see it, and the probes that ask providers themselves.
//!
//! Called by the core's loop. A shard decides for itself (policy/route/health.rs) and says what changed; here that is
//! remembered and passed on, so that one shard's finding spares the others. Never decides where a request goes, and never
//! waits for a provider: a probe is a task that comes back as an [`Event`](super::Event).

mod ask;
mod ledger;
mod probe;
mod show;
mod slow;
#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use super::core::Core;
use super::shards::State;
use crate::mesh::Down;
use crate::policy::route::health::{Scope, Verdict};
use crate::policy::route::slow::SlowFor;

pub use ledger::By;
use ledger::Ledger;
pub use probe::Probed;
use probe::Probes;
use slow::Slow;

#[derive(Default)]
pub struct Health {
    ledger: Ledger,
    probes: Probes,
    slow: Slow,
}

impl Health {
    /// All that a shard finds too slow for a rule. It concerns nobody else: each routes by what it measures itself.
    pub fn take_slow(&mut self, shard: usize, slow: Box<[SlowFor]>) {
        self.slow.take(shard, slow);
    }
}

impl Core {
    /// A shard, or a probe, found something: it holds for all (other) shards.
    pub fn take_verdict(&mut self, by: By, scope: Scope, verdict: Verdict) {
        if !self.health.ledger.take(&scope, verdict, by, unix_ms()) {
            return;
        }
        for (shard, link) in self.shards.iter_mut().enumerate() {
            // One that starts is told everything when it has.
            if by != By::Shard(shard) && link.state == State::Serving {
                link.send(Down::Verdict(Box::new((scope.clone(), verdict))));
            }
        }
    }

    /// What is known goes to a shard that may not know it. One that goes on knows better what it said itself; one that
    /// is `new` does not.
    pub fn tell_verdicts(&mut self, shard: usize, new: bool) {
        let Some(link) = self.shards.get_mut(shard) else { return };
        let said_itself = |by| !new && by == Some(By::Shard(shard));
        for (scope, entry) in self.health.ledger.unhealthy().filter(|(_, entry)| !said_itself(entry.by)) {
            link.send(Down::Verdict(Box::new((scope.clone(), entry.verdict))));
        }
    }

    /// The configuration is a new one, and the shards have been sent it.
    pub fn follow_health(&mut self) {
        self.health.ledger.follow(&self.snapshot.routing);
        self.health.probes.follow(&self.snapshot, tokio::time::Instant::now());
        (0..self.shards.len()).for_each(|shard| self.tell_verdicts(shard, false));
    }

    /// Writes what has changed into the log, a bounded number of lines.
    pub fn report_health(&mut self) {
        let now_ms = unix_ms();
        self.health.ledger.lines(now_ms).iter().for_each(|line| line.write(now_ms));
        self.health.slow.lines(now_ms).iter().for_each(slow::Line::write);
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
