//! What is counted, thread by thread and slice by slice, and merged at the end.

use super::Window;
use hdrhistogram::Histogram;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Nanoseconds up to an hour, to three digits.
pub type Hist = Histogram<u64>;

/// Of the timeline.
pub const BUCKET: Duration = Duration::from_millis(250);

pub struct Stats {
    /// From the intended start to the last byte.
    pub total: Hist,
    /// From the intended start to the first event.
    pub ttft: Hist,
    /// Between two events of a stream. Events that one read brings together are 0 apart.
    pub gap: Hist,
    /// Requests that should have started in the measured time, and how they ended.
    pub started: u64,
    pub well: u64,
    pub errors: BTreeMap<String, u64>,
    pub statuses: BTreeMap<u16, u64>,
    /// What fell into the measured time whenever it began: for rates and CPU per request.
    pub done_within: u64,
    pub events_within: u64,
    pub bytes_within: u64,
    pub reads_within: u64,
    pub streams_complete: u64,
    pub timeline: BTreeMap<u64, Bucket>,
}

/// A quarter of a second of the run.
pub struct Bucket {
    pub done: u64,
    pub events: u64,
    pub errors: u64,
    /// Microseconds: of the first event when streaming, of the whole answer otherwise.
    pub latency: Histogram<u32>,
}

impl Bucket {
    fn new() -> Bucket {
        let latency = Histogram::new_with_bounds(1, 3_600_000_000, 2).expect("the bounds are valid");
        Bucket { done: 0, events: 0, errors: 0, latency }
    }
}

fn histogram() -> Hist {
    Hist::new_with_bounds(1, 3_600_000_000_000, 3).expect("the bounds are valid")
}

pub fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().min(u64::MAX as u128) as u64
}

impl Stats {
    pub fn new() -> Stats {
        Stats {
            total: histogram(),
            ttft: histogram(),
            gap: histogram(),
            started: 0,
            well: 0,
            errors: BTreeMap::new(),
            statuses: BTreeMap::new(),
            done_within: 0,
            events_within: 0,
            bytes_within: 0,
            reads_within: 0,
            streams_complete: 0,
            timeline: BTreeMap::new(),
        }
    }

    pub fn bucket(&mut self, window: &Window, at: Instant) -> &mut Bucket {
        let index = at.saturating_duration_since(window.origin).as_millis() / BUCKET.as_millis();
        self.timeline.entry(index as u64).or_insert_with(Bucket::new)
    }

    pub fn error(&mut self, kind: String) {
        *self.errors.entry(kind).or_default() += 1;
    }

    pub fn clean(&self) -> bool {
        self.errors.is_empty() && self.well > 0
    }

    pub fn merge(&mut self, other: &Stats) {
        self.total += &other.total;
        self.ttft += &other.ttft;
        self.gap += &other.gap;
        self.started += other.started;
        self.well += other.well;
        self.done_within += other.done_within;
        self.events_within += other.events_within;
        self.bytes_within += other.bytes_within;
        self.reads_within += other.reads_within;
        self.streams_complete += other.streams_complete;
        for (kind, n) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += n;
        }
        for (status, n) in &other.statuses {
            *self.statuses.entry(*status).or_default() += n;
        }
        for (index, bucket) in &other.timeline {
            let mine = self.timeline.entry(*index).or_insert_with(Bucket::new);
            mine.done += bucket.done;
            mine.events += bucket.events;
            mine.errors += bucket.errors;
            mine.latency += &bucket.latency;
        }
    }
}
