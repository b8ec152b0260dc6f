//! One turn over the rings: every message of every shard finds its place.

use super::core::Core;
use super::health::By;
use super::log;
use super::shards::{BATCH, ShardLink, State};
use crate::mesh::{Down, Up};
use crate::telemetry::Record;

/// What a turn brought.
pub struct Taken {
    pub records: usize,
    /// A ring held more than its share of the turn.
    pub more: bool,
}

impl Core {
    pub fn turn(&mut self) -> Taken {
        let mut taken = Taken { records: 0, more: false };
        for shard in 0..self.shards.len() {
            let mut count = 0;
            while count < BATCH {
                let Some(message) = self.shards.get_mut(shard).and_then(|link| link.receive()) else { break };
                count += 1;
                taken.records += usize::from(matches!(message, Up::Record(_)));
                self.take(shard, message);
            }
            taken.more |= count == BATCH;
            // What found the ring full must not wait until the shard has nothing to say.
            self.link(shard, ShardLink::flush);
            if count == 0 {
                self.check(shard);
            }
        }
        if !self.rows.is_empty() {
            self.store.push(std::mem::take(&mut self.rows));
        }
        taken
    }

    fn take(&mut self, shard: usize, message: Up) {
        match message {
            Up::Record(record) => self.take_record(record),
            Up::Totals { sequence, totals } => {
                self.totals.merge(&totals);
                self.link(shard, |link| link.counters.absorb(&totals.counters));
                self.collect.answered(shard, sequence);
            }
            // One that is over closes the socket by dropping it, as it has closed its listener.
            Up::HandOver { shard: to, socket } => self.link(to, |link| link.send(Down::Connection(socket))),
            Up::Started { driver, why } => {
                self.link(shard, |link| {
                    link.driver = Some(driver);
                    link.why = why;
                    link.state = State::Serving;
                });
                self.tell_verdicts(shard, true);
            }
            Up::Applied { epoch } => {
                self.link(shard, |link| link.epoch = epoch);
                self.applied();
            }
            // Full: the loader has not begun with the last one, and will find what this one wants too.
            Up::NeedTokenizers => drop(self.tokenizers.try_send(())),
            Up::Verdict(verdict) => {
                let (scope, verdict) = *verdict;
                self.take_verdict(By::Shard(shard), scope, verdict);
            }
            Up::Slow(slow) => self.health.take_slow(shard, slow),
            Up::Log(line) => log::shard_line(shard, &line),
            Up::Stopped => self.over(shard, State::Stopped),
            Up::Failed(why) => self.failed(shard, &why),
        }
    }

    fn take_record(&mut self, record: Box<Record>) {
        self.exporter.record(&record);
        if self.snapshot.process.log.access {
            log::access(&record);
        }
        self.rows.push(record);
    }

    /// A shard whose thread ended without a word has failed.
    fn check(&mut self, shard: usize) {
        let Some(link) = self.shards.get(shard) else { return };
        if !link.state.is_over() && link.is_abandoned() {
            self.failed(shard, "its thread ended unexpectedly");
        }
    }

    /// The others finish what they have, then the process ends with an error: a supervisor starts it anew.
    fn failed(&mut self, shard: usize, why: &str) {
        tracing::error!(shard, why, "the shard failed");
        self.exit_code = 1;
        self.over(shard, State::Failed);
        self.drain();
    }

    fn over(&mut self, shard: usize, state: State) {
        self.link(shard, |link| link.state = state);
        self.collect.gone(shard);
        self.health.take_slow(shard, Box::default());
    }

    fn link(&mut self, shard: usize, act: impl FnOnce(&mut ShardLink)) {
        if let Some(link) = self.shards.get_mut(shard) {
            act(link);
        }
    }
}
