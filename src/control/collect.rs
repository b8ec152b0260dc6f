//! Asking every shard for its totals, for a scrape, a push or a heartbeat.
//!
//! Whoever asks while an answer is under way waits for the next one: the shards may have swapped their totals before
//! the thing he wants to see happened.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::export::prometheus::Format;

/// A shard that has not answered by then is reported and left out; what it sends later is merged when it comes. Long, for
/// on an overloaded machine a page without a shard's numbers is worse than a late one; scrapers wait for ten seconds.
pub const DEADLINE: Duration = Duration::from_secs(2);

pub enum Waiter {
    Scrape(Format, oneshot::Sender<String>),
    Push,
    Heartbeat,
}

#[derive(Default)]
pub struct Collect {
    sequence: u64,
    running: Option<Running>,
    next: Vec<Waiter>,
}

struct Running {
    deadline: Instant,
    /// By shard: still to answer.
    silent: Vec<bool>,
    waiters: Vec<Waiter>,
}

/// A round that is over.
pub struct Finished {
    pub waiters: Vec<Waiter>,
    /// Shards that did not answer in time.
    pub silent: Vec<usize>,
}

impl Collect {
    /// A waiter for the next round.
    pub fn want(&mut self, waiter: Waiter) {
        self.next.push(waiter);
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Begins a round if one is wanted and none runs: the sequence to send to every shard that is `alive`.
    pub fn begin(&mut self, now: Instant, alive: impl Iterator<Item = bool>) -> Option<u64> {
        if self.running.is_some() || self.next.is_empty() {
            return None;
        }
        self.sequence += 1;
        let waiters = std::mem::take(&mut self.next);
        self.running = Some(Running { deadline: now + DEADLINE, silent: alive.collect(), waiters });
        Some(self.sequence)
    }

    pub fn answered(&mut self, shard: usize, sequence: u64) {
        if sequence == self.sequence {
            self.gone(shard);
        }
    }

    /// The shard will not answer any more.
    pub fn gone(&mut self, shard: usize) {
        if let Some(silent) = self.running.as_mut().and_then(|running| running.silent.get_mut(shard)) {
            *silent = false;
        }
    }

    /// The round, when all have answered or time is up.
    pub fn finish(&mut self, now: Instant) -> Option<Finished> {
        let over = |running: &mut Running| now >= running.deadline || !running.silent.contains(&true);
        let running = self.running.take_if(over)?;
        let silent = running.silent.iter().enumerate().filter(|&(_, &silent)| silent).map(|(shard, _)| shard);
        Some(Finished { silent: silent.collect(), waiters: running.waiters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_ends_with_the_last_answer_and_names_who_is_silent_at_the_deadline() {
        let now = Instant::now();
        let mut collect = Collect::default();
        assert_eq!(collect.begin(now, [true, true].into_iter()), None, "nobody asked");
        collect.want(Waiter::Push);
        assert_eq!(collect.begin(now, [true, true].into_iter()), Some(1));
        collect.want(Waiter::Heartbeat);
        assert_eq!(collect.begin(now, [true, true].into_iter()), None, "one at a time");
        collect.answered(0, 1);
        assert!(collect.finish(now).is_none());
        collect.answered(1, 1);
        let finished = collect.finish(now).expect("all answered");
        assert!(finished.silent.is_empty() && finished.waiters.len() == 1, "the later waiter is not among them");

        assert_eq!(collect.begin(now, [true, true].into_iter()), Some(2));
        collect.answered(0, 1);
        assert!(collect.finish(now).is_none(), "an answer to the round before does not count");
        collect.answered(1, 2);
        assert_eq!(collect.finish(now + DEADLINE).expect("time is up").silent, [0]);
    }

    #[test]
    fn a_shard_that_is_gone_is_not_waited_for() {
        let now = Instant::now();
        let mut collect = Collect::default();
        collect.want(Waiter::Push);
        collect.begin(now, [false, true].into_iter());
        assert!(collect.finish(now).is_none());
        collect.gone(1);
        assert!(collect.finish(now).is_some());
    }
}
