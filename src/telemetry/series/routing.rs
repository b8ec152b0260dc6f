//! Label sets of routing: what a rule chose, where requests moved on to, what was tried in vain.

use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;

use super::Caller;
use crate::telemetry::ErrorClass;
use crate::telemetry::bounds;
use crate::telemetry::histogram::{Absorb, Histogram, Tally};
use crate::telemetry::path::Rescue;
use crate::telemetry::store::{OTHER, Series};

/// The labels of a choice, or of a move, beside its caller's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RoutedLabels<S> {
    pub rule: S,
    /// The target that failed; empty where a rule chose the first one.
    pub from: S,
    pub to: S,
    pub reason: &'static str,
}

impl RoutedLabels<Box<str>> {
    pub fn borrow(&self) -> RoutedLabels<&str> {
        RoutedLabels { rule: &self.rule, from: &self.from, to: &self.to, reason: self.reason }
    }
}

impl RoutedLabels<&str> {
    pub fn own(&self) -> RoutedLabels<Box<str>> {
        RoutedLabels { rule: self.rule.into(), from: self.from.into(), to: self.to.into(), reason: self.reason }
    }
}

/// How often a rule chose a target, or one target took over from another. One store for each of both.
#[derive(Clone)]
pub struct Routed {
    pub caller: Caller,
    pub labels: RoutedLabels<Box<str>>,
    pub count: u64,
}

impl Absorb for Routed {
    fn absorb(&mut self, other: &Self) {
        self.count += other.count;
    }
}

impl Series for Routed {
    const FAMILIES: usize = 1;

    fn hash(&self, state: &RandomState) -> u64 {
        let mut hasher = state.build_hasher();
        self.labels.borrow().hash(&mut hasher);
        self.caller.hash_into(&mut hasher);
        hasher.finish()
    }

    fn same_labels(&self, other: &Self) -> bool {
        self.labels == other.labels && self.caller.is_same(&other.caller)
    }

    fn empty(&self) -> Self {
        Self { count: 0, ..self.clone() }
    }

    fn other() -> Self {
        let labels = RoutedLabels { rule: OTHER, from: OTHER, to: OTHER, reason: OTHER };
        Self { caller: Caller::other(), labels: labels.own(), count: 0 }
    }
}

/// What a rule's hedges and rescues came to.
#[derive(Clone)]
pub struct ByRule {
    /// Empty: no rule decided.
    pub rule: Box<str>,
    pub hedges_won: u64,
    pub hedges_lost: u64,
    /// Of the attempts that lost.
    pub hedge_cost_pico_usd: i64,
    /// By `continue` or `restart`, and whether it served.
    pub stream_rescues: Tally<(&'static str, bool), u64>,
    /// Of each request that was saved, what that took in nanoseconds.
    pub rescued: Tally<Rescue, Histogram>,
}

impl ByRule {
    pub fn new(rule: &str) -> Self {
        Self {
            rule: rule.into(),
            hedges_won: 0,
            hedges_lost: 0,
            hedge_cost_pico_usd: 0,
            stream_rescues: Tally::default(),
            rescued: Tally::default(),
        }
    }

    pub fn add_rescue(&mut self, how: Rescue, added_ns: u64) {
        self.rescued.at(how, || Histogram::new(&bounds::FAILOVER)).add(added_ns);
    }
}

impl Absorb for ByRule {
    fn absorb(&mut self, other: &Self) {
        self.hedges_won += other.hedges_won;
        self.hedges_lost += other.hedges_lost;
        self.hedge_cost_pico_usd += other.hedge_cost_pico_usd;
        self.stream_rescues.absorb(&other.stream_rescues);
        self.rescued.absorb(&other.rescued);
    }
}

impl Series for ByRule {
    const FAMILIES: usize = 5;

    fn hash(&self, state: &RandomState) -> u64 {
        state.hash_one(&*self.rule)
    }

    fn same_labels(&self, other: &Self) -> bool {
        self.rule == other.rule
    }

    fn empty(&self) -> Self {
        Self::new(&self.rule)
    }

    fn other() -> Self {
        Self::new(OTHER)
    }
}

/// What was tried at a target in vain, or once more.
#[derive(Clone)]
pub struct ByTarget {
    /// `account/model`.
    pub target: Box<str>,
    /// By what the attempt before had failed with.
    pub retries: Tally<Option<ErrorClass>, u64>,
    /// Of attempts that failed before another one was delivered.
    pub failed_cost_pico_usd: i64,
}

impl ByTarget {
    pub fn new(target: &str) -> Self {
        Self { target: target.into(), retries: Tally::default(), failed_cost_pico_usd: 0 }
    }
}

impl Absorb for ByTarget {
    fn absorb(&mut self, other: &Self) {
        self.retries.absorb(&other.retries);
        self.failed_cost_pico_usd += other.failed_cost_pico_usd;
    }
}

impl Series for ByTarget {
    const FAMILIES: usize = 2;

    fn hash(&self, state: &RandomState) -> u64 {
        state.hash_one(&*self.target)
    }

    fn same_labels(&self, other: &Self) -> bool {
        self.target == other.target
    }

    fn empty(&self) -> Self {
        Self::new(&self.target)
    }

    fn other() -> Self {
        Self::new(OTHER)
    }
}
