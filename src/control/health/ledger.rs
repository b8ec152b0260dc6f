//! The verdict that holds on every target and region that rules name. Pure: time comes in, what is to be logged comes out.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::config::Routing;
use crate::policy::route::health::{Scope, Verdict};

/// One target or region has one line in so long, however often it changes.
pub const LINE_EVERY_MS: u64 = 10_000;

#[derive(Default)]
pub struct Ledger {
    /// Every scope that the configuration names, whether or not anybody said something of it.
    known: HashMap<Scope, Entry>,
    /// Targets' changes since the start by target, what it became, and why. Kept when a target leaves the configuration:
    /// a counter never shrinks.
    changes: BTreeMap<(Box<str>, &'static str, &'static str), u64>,
    /// Some entry has a line to write.
    unsaid: bool,
}

/// What is known of one target or region; before anybody said something, that it is healthy.
#[derive(Clone, Default)]
pub struct Entry {
    pub verdict: Verdict,
    /// Who said so.
    pub by: Option<By>,
    /// Of the last change between healthy and unhealthy; unix milliseconds, 0 before the first.
    pub since_ms: u64,
    /// Between healthy and unhealthy; a longer cool-down is none.
    pub changes: u64,
    said_ms: Option<u64>,
    unsaid: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Shard(usize),
    Probe,
}

/// What holds at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Healthy,
    /// The cool-down lasts.
    Unhealthy,
    /// It is over, and nothing was heard since: the next request tries it.
    HalfOpen,
}

/// A line for the log.
pub struct Line {
    pub scope: Scope,
    pub entry: Entry,
}

impl Ledger {
    /// For another configuration: what it does not name is forgotten.
    pub fn follow(&mut self, routing: &Routing) {
        let targets = routing.targets.iter().map(|one| Scope::Target(one.target.fqn.clone()));
        let regions = routing.regions.iter().map(|name| Scope::Region(name.clone()));
        let named: HashSet<Scope> = targets.chain(regions).collect();
        self.known.retain(|scope, _| named.contains(scope));
        for scope in named {
            self.known.entry(scope).or_default();
        }
    }

    /// Takes in what somebody found. False: the configuration names no such thing (any more), so it concerns nobody.
    pub fn take(&mut self, scope: &Scope, verdict: Verdict, by: By, now_ms: u64) -> bool {
        let Some(entry) = self.known.get_mut(scope) else { return false };
        let changed = is_healthy(&entry.verdict) != is_healthy(&verdict);
        // Of two cool-downs the longer one holds, as on the shards.
        if changed || until_ms(&verdict) >= until_ms(&entry.verdict) {
            (entry.verdict, entry.by) = (verdict, Some(by));
        }
        if changed {
            entry.since_ms = now_ms;
            entry.changes += 1;
            entry.unsaid = true;
            self.unsaid = true;
            if let Scope::Target(fqn) = scope {
                let key = (fqn.clone(), became(&verdict), why(&verdict));
                *self.changes.entry(key).or_default() += 1;
            }
        }
        true
    }

    pub fn get(&self, scope: &Scope) -> Option<&Entry> {
        self.known.get(scope)
    }

    /// What a shard that knows nothing must hear.
    pub fn unhealthy(&self) -> impl Iterator<Item = (&Scope, &Entry)> {
        self.known.iter().filter(|(_, entry)| !entry.is_healthy())
    }

    /// Targets' changes: the target, `healthy` or `unhealthy`, why (empty for healthy), how often.
    pub fn changes(&self) -> impl Iterator<Item = (&str, &'static str, &'static str, u64)> {
        self.changes.iter().map(|((target, to, reason), &count)| (&**target, *to, *reason, count))
    }

    /// Changes to be logged now. One that comes too soon after the last line of its scope waits; its line then tells the
    /// state of that moment.
    pub fn lines(&mut self, now_ms: u64) -> Vec<Line> {
        let mut lines = Vec::new();
        if !std::mem::take(&mut self.unsaid) {
            return lines;
        }
        for (scope, entry) in self.known.iter_mut().filter(|(_, entry)| entry.unsaid) {
            if entry.said_ms.is_some_and(|said| now_ms.saturating_sub(said) < LINE_EVERY_MS) {
                self.unsaid = true;
                continue;
            }
            entry.unsaid = false;
            entry.said_ms = Some(now_ms);
            lines.push(Line { scope: scope.clone(), entry: entry.clone() });
        }
        lines
    }
}

impl Line {
    pub fn write(&self, now_ms: u64) {
        let Entry { changes, by, .. } = self.entry;
        let by = by.map(|by| by.to_string()).unwrap_or_default();
        let (what, name) = match &self.scope {
            Scope::Target(fqn) => ("target", fqn),
            Scope::Region(name) => ("region", name),
        };
        match self.entry.verdict {
            Verdict::Healthy => tracing::info!(%name, by, changes, "the {what} is healthy again"),
            Verdict::Unhealthy { until_ms, why, .. } => {
                let (reason, for_ms) = (why.as_str(), until_ms.saturating_sub(now_ms));
                tracing::warn!(%name, reason, for_ms, by, changes, "the {what} is unhealthy");
            }
        }
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            By::Shard(shard) => write!(out, "shard {shard}"),
            By::Probe => out.write_str("probe"),
        }
    }
}

impl Entry {
    pub fn is_healthy(&self) -> bool {
        is_healthy(&self.verdict)
    }

    /// A verdict outlasts its cool-down until a request has shown how things are: then it says no more than that nobody
    /// knows.
    pub fn state(&self, now_ms: u64) -> State {
        match self.verdict {
            Verdict::Healthy => State::Healthy,
            Verdict::Unhealthy { until_ms, .. } if now_ms < until_ms => State::Unhealthy,
            Verdict::Unhealthy { .. } => State::HalfOpen,
        }
    }
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Healthy => "healthy",
            State::Unhealthy => "unhealthy",
            State::HalfOpen => "half_open",
        }
    }
}

fn is_healthy(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Healthy)
}

fn until_ms(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Healthy => 0,
        Verdict::Unhealthy { until_ms, .. } => *until_ms,
    }
}

fn became(verdict: &Verdict) -> &'static str {
    if is_healthy(verdict) { "healthy" } else { "unhealthy" }
}

fn why(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "",
        Verdict::Unhealthy { why, .. } => why.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::routing;
    use crate::telemetry::ErrorClass;

    const DOWN: Verdict = Verdict::unhealthy(1000, 5000, ErrorClass::Server);

    fn target(fqn: &str) -> Scope {
        Scope::Target(fqn.into())
    }

    fn ledger(targets: &[&str]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.follow(&routing(targets));
        ledger
    }

    #[test]
    fn the_newest_verdict_stands_and_a_longer_cool_down_is_no_change() {
        let mut ledger = ledger(&["a/m", "b/m"]);
        let longer = Verdict::unhealthy(1000, 9000, ErrorClass::Connect);
        assert!(ledger.take(&target("a/m"), DOWN, By::Shard(0), 1000));
        assert!(ledger.take(&target("a/m"), longer, By::Shard(1), 2000));
        let entry = ledger.get(&target("a/m")).expect("named");
        assert_eq!((entry.verdict, entry.by, entry.since_ms, entry.changes), (longer, Some(By::Shard(1)), 1000, 1));
        assert!(ledger.take(&target("a/m"), DOWN, By::Shard(2), 2500));
        assert_eq!(ledger.get(&target("a/m")).expect("named").verdict, longer, "a shorter one says nothing");
        assert_eq!(ledger.unhealthy().count(), 1, "nobody said anything of the other");
        ledger.take(&target("a/m"), Verdict::Healthy, By::Shard(1), 3000);
        assert_eq!(ledger.unhealthy().count(), 0);
        let changes: Vec<_> = ledger.changes().collect();
        assert_eq!(changes, [("a/m", "healthy", "", 1), ("a/m", "unhealthy", "server_error", 1)]);
    }

    #[test]
    fn what_no_rule_names_is_forgotten_and_not_taken() {
        let mut ledger = ledger(&["a/m", "b/m"]);
        ledger.take(&target("a/m"), DOWN, By::Shard(0), 1000);
        ledger.take(&target("b/m"), DOWN, By::Shard(0), 1000);
        ledger.follow(&routing(&["b/m", "c/m"]));
        assert!(!ledger.take(&target("a/m"), DOWN, By::Shard(0), 2000), "a shard that has not heard of it yet");
        assert!(ledger.get(&target("a/m")).is_none());
        assert!(ledger.get(&target("b/m")).is_some_and(|entry| entry.verdict == DOWN), "it stays named");
        ledger.follow(&routing(&["a/m"]));
        assert!(ledger.get(&target("a/m")).is_some_and(Entry::is_healthy), "it begins anew");
        assert_eq!(ledger.changes().count(), 2, "what was counted stays counted");
    }

    #[test]
    fn a_flapping_target_has_a_line_now_and_then_and_its_last_state_is_told() {
        let mut ledger = ledger(&["a/m"]);
        let mut lines = Vec::new();
        for at in 0..100u64 {
            let verdict = if at % 2 == 0 { DOWN } else { Verdict::Healthy };
            ledger.take(&target("a/m"), verdict, By::Shard(0), at * 100);
            lines.extend(ledger.lines(at * 100).into_iter().map(|line| (at, line.entry.verdict, line.entry.changes)));
        }
        assert_eq!(lines, [(0, DOWN, 1)], "ten seconds are not over");
        assert!(ledger.lines(9_999).is_empty());
        let line = ledger.lines(10_000).pop().expect("its time has come");
        assert_eq!((line.entry.verdict, line.entry.changes), (Verdict::Healthy, 100));
        assert!(ledger.lines(60_000).is_empty(), "once");
    }
}
