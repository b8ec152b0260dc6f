//! The control core's side of the rings: one [`ShardLink`] per shard, what is known of it, and what waits to be sent.

use std::collections::VecDeque;

use crate::config::Snapshot;
use crate::mesh::{ControlEnd, Down, Up};
use crate::runtime::Driver;
use crate::telemetry::totals::ShardCounters;

/// Messages taken from one ring before the next one, and the rest of the core, get their turn.
pub const BATCH: usize = 2048;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Starting,
    Serving,
    Stopped,
    Failed,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Serving => "serving",
            State::Stopped => "stopped",
            State::Failed => "failed",
        }
    }

    /// The thread has ended, or is about to.
    pub fn is_over(self) -> bool {
        matches!(self, State::Stopped | State::Failed)
    }
}

pub struct ShardLink {
    end: ControlEnd,
    /// Found the ring full: sent before anything newer, as soon as there is room.
    backlog: VecDeque<Down>,
    pub state: State,
    pub driver: Option<Driver>,
    /// Why it does not run on io_uring.
    pub why: Option<Box<str>>,
    /// The configuration in force there.
    pub epoch: u64,
    /// Since its start.
    pub counters: ShardCounters,
}

impl ShardLink {
    pub fn new(end: ControlEnd, epoch: u64) -> Self {
        let counters = ShardCounters::default();
        let backlog = VecDeque::new();
        Self { end, backlog, state: State::Starting, driver: None, why: None, epoch, counters }
    }

    /// Sends in order, and wakes the shard.
    pub fn send(&mut self, message: Down) {
        if self.state.is_over() {
            return;
        }
        self.backlog.push_back(message);
        self.flush();
    }

    /// Sends what found the ring full.
    pub fn flush(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        while let Some(message) = self.backlog.pop_front() {
            if let Err(rtrb::PushError::Full(message)) = self.end.down.push(message) {
                self.backlog.push_front(message);
                break;
            }
        }
        self.end.doorbell.ring();
    }

    pub fn receive(&mut self) -> Option<Up> {
        self.end.up.pop().ok()
    }

    /// The thread is gone and everything it sent has been read.
    pub fn is_abandoned(&self) -> bool {
        self.end.up.is_abandoned() && self.end.up.is_empty()
    }

    pub fn send_snapshot(&mut self, snapshot: &Snapshot) {
        self.send(Down::Snapshot(Box::new(snapshot.for_shard())));
    }
}
