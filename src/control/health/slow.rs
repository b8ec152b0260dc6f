//! Which targets are too slow for which rules, as the shards last said. Pure: time comes in, what is to be logged comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ledger::LINE_EVERY_MS;
use crate::config::Routing;
use crate::policy::route::slow::{SlowFor, is_timed, rules};

/// Target (`account/model`) and rule.
type Pair = (Box<str>, Arc<str>);

#[derive(Default)]
pub struct Slow {
    /// All that each of them says.
    shards: BTreeMap<usize, Box<[SlowFor]>>,
    /// What the log says, and since when in unix milliseconds.
    said: BTreeSet<Pair>,
    said_ms: u64,
    /// The log may say something else than the shards.
    unsaid: bool,
}

/// A line for the log.
pub struct Line {
    target: Box<str>,
    rule: Arc<str>,
    slow: bool,
}

impl Slow {
    pub fn take(&mut self, shard: usize, slow: Box<[SlowFor]>) {
        self.shards.insert(shard, slow);
        self.unsaid = true;
    }

    /// Ids of the rules that a target is too slow for, among those in force. `target`: index into `Routing::targets`.
    pub fn rules(&self, routing: &Routing, target: usize) -> Vec<String> {
        let Some(known) = routing.targets.get(target) else { return Vec::new() };
        let timed =
            rules(routing).filter(|rule| rule.candidates.iter().any(|one| one.target == target && is_timed(rule, one)));
        let slow: BTreeSet<&str> =
            timed.map(|rule| &*rule.id).filter(|rule| self.is_slow(&known.target.fqn, rule)).collect();
        slow.into_iter().map(Into::into).collect()
    }

    /// Every target and rule in force that could be too slow for it, and whether it is. Each pair is there once, however
    /// often the rules name it.
    pub fn view(&self, routing: &Routing) -> Vec<(Box<str>, Arc<str>, bool)> {
        let timed = rules(routing).flat_map(|rule| {
            let candidates = rule.candidates.iter().filter(|one| is_timed(rule, one));
            candidates.filter_map(|one| Some((routing.targets.get(one.target)?.target.fqn.clone(), rule.id.clone())))
        });
        let pairs: BTreeSet<Pair> = timed.collect();
        let with = |(target, rule): Pair| {
            let slow = self.is_slow(&target, &rule);
            (target, rule, slow)
        };
        pairs.into_iter().map(with).collect()
    }

    /// What has changed since the log last said something of it, which is some time ago.
    pub fn lines(&mut self, now_ms: u64) -> Vec<Line> {
        if !self.unsaid || now_ms.saturating_sub(self.said_ms) < LINE_EVERY_MS {
            return Vec::new();
        }
        self.unsaid = false;
        let slow: BTreeSet<Pair> = self.all().map(|one| (one.target.fqn.clone(), one.rule.clone())).collect();
        let changed = slow.symmetric_difference(&self.said);
        let line = |pair: &Pair| Line { target: pair.0.clone(), rule: pair.1.clone(), slow: slow.contains(pair) };
        let lines: Vec<Line> = changed.map(line).collect();
        if !lines.is_empty() {
            (self.said, self.said_ms) = (slow, now_ms);
        }
        lines
    }

    fn is_slow(&self, target: &str, rule: &str) -> bool {
        self.all().any(|one| *one.target.fqn == *target && *one.rule == *rule)
    }

    fn all(&self) -> impl Iterator<Item = &SlowFor> {
        self.shards.values().flatten()
    }
}

impl Line {
    pub fn write(&self) {
        let Line { target, rule, slow } = self;
        if *slow {
            tracing::warn!(name = %target, %rule, "the target is too slow for the rule, which passes it over");
        } else {
            tracing::info!(name = %target, %rule, "the target is fast enough for the rule again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::routing;

    /// As a shard says it.
    fn says(pairs: &[(&str, &str)]) -> Box<[SlowFor]> {
        let one = |(target, rule): &(&str, &str)| {
            let target = routing(&[target]).targets.remove(0).target;
            SlowFor { target, rule: (*rule).into() }
        };
        pairs.iter().map(one).collect()
    }

    fn lines(slow: &mut Slow, now_ms: u64) -> Vec<(String, String, bool)> {
        let told = |line: &Line| (line.target.to_string(), line.rule.to_string(), line.slow);
        slow.lines(now_ms).iter().map(told).collect()
    }

    #[test]
    fn a_target_is_slow_as_long_as_one_shard_says_so_and_the_log_says_it_once() {
        let mut slow = Slow::default();
        let line = |rule: &str, slow| ("a/m".to_owned(), rule.to_owned(), slow);
        slow.take(0, says(&[("a/m", "chat")]));
        assert_eq!(lines(&mut slow, 20_000), [line("chat", true)]);
        slow.take(1, says(&[("a/m", "chat"), ("a/m", "code")]));
        assert!(lines(&mut slow, 29_999).is_empty(), "too soon");
        slow.take(0, says(&[]));
        assert!(slow.is_slow("a/m", "chat") && slow.is_slow("a/m", "code") && !slow.is_slow("b/m", "chat"));
        assert_eq!(lines(&mut slow, 30_000), [line("code", true)], "the other one still says it");
        slow.take(1, says(&[("a/m", "code")]));
        assert!(!slow.is_slow("a/m", "chat"));
        slow.take(1, says(&[("a/m", "code"), ("a/m", "chat")]));
        assert!(lines(&mut slow, 40_000).is_empty(), "nothing has changed since");
        slow.take(1, says(&[]));
        assert_eq!(lines(&mut slow, 40_000), [line("chat", false), line("code", false)]);
    }
}
