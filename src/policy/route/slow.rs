//! Which candidates miss the SLA or the objective of their rule, as one shard measures them. Routing then avoids them though
//! they are healthy, so it must be seen from outside.
//!
//! A shard looks once a second: a choice pays nothing for it, and time alone can end it. What it finds is told whole, and
//! only when it has changed: what was told last is all that is true, whatever configuration it was found by.

use std::sync::Arc;

use super::rank::excess;
use super::{State, States};
use crate::config::{Candidate, Routing, RoutingType, Rule};
use crate::telemetry::Target;

/// A target that is too slow for a rule.
#[derive(Clone, Debug)]
pub struct SlowFor {
    pub target: Arc<Target>,
    /// The rule's id.
    pub rule: Arc<str>,
}

/// What was found last.
#[derive(Default)]
pub struct Found {
    /// One bit per candidate, of each of [`rules`].
    masks: Vec<u64>,
    /// What was told is about another configuration.
    outdated: bool,
}

impl Found {
    /// For another configuration, by which nothing was found yet.
    pub fn reset(&mut self, routing: &Routing) {
        self.outdated |= self.masks.iter().any(|mask| *mask != 0);
        self.masks.clear();
        self.masks.extend(rules(routing).map(|_| 0));
    }
}

impl States {
    /// All candidates that are too slow for their rules, when they are others than the last time.
    pub fn look_for_slow(&mut self, routing: &Routing, now_ms: u64) -> Option<Box<[SlowFor]>> {
        let Self { targets, slow, .. } = self;
        let mut changed = std::mem::take(&mut slow.outdated);
        for (rule, known) in rules(routing).zip(&mut slow.masks) {
            let mut mask = 0_u64;
            for (at, candidate) in rule.candidates.iter().enumerate() {
                let state = targets.get_mut(candidate.target);
                mask |= u64::from(state.is_some_and(|state| misses(rule, candidate, state, now_ms))) << at;
            }
            changed |= mask != *known;
            *known = mask;
        }
        changed.then(|| list(routing, &slow.masks))
    }
}

/// Those that have candidates with an SLA or an objective, and those that could.
pub fn rules(routing: &Routing) -> impl Iterator<Item = &Rule> {
    routing.rules.iter().chain(routing.virtual_models.iter().map(|model| &model.rule))
}

/// Whether the rule wants this candidate to be so fast.
pub fn is_timed(rule: &Rule, candidate: &Candidate) -> bool {
    candidate.sla.is_some() || matches!(rule.routing_type, RoutingType::Slo(_))
}

fn misses(rule: &Rule, candidate: &Candidate, state: &mut State, now_ms: u64) -> bool {
    candidate.sla.is_some_and(|sla| !state.latency.keeps(&sla, now_ms))
        || matches!(&rule.routing_type, RoutingType::Slo(slo) if excess(slo, &mut state.latency, now_ms) > 0)
}

fn list(routing: &Routing, masks: &[u64]) -> Box<[SlowFor]> {
    let slow = |rule: &Rule, candidate: &Candidate| {
        let target = routing.targets.get(candidate.target)?.target.clone();
        Some(SlowFor { target, rule: rule.id.clone() })
    };
    let of = |(rule, mask): (&'_ Rule, &u64)| {
        let named = rule.candidates.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
        named.filter_map(|(_, candidate)| slow(rule, candidate)).collect::<Vec<_>>()
    };
    rules(routing).zip(masks).flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::config::{OnStreamFailure, Slo, When};

    /// A rule over the world's candidates.
    fn rule(world: &World, id: &str) -> Rule {
        Rule {
            id: id.into(),
            when: When::default(),
            routing_type: world.routing_type,
            candidates: world.candidates.clone(),
            sticky: None,
            on_stream_failure: OnStreamFailure::Error,
            hedge: None,
        }
    }

    /// With these rules in force.
    fn apply(world: &mut World, rules: Vec<Rule>) {
        let mut routing = world.routing.clone();
        routing.rules = rules;
        world.states.apply(&world.routing, &routing);
        world.routing = routing;
    }

    fn look(world: &mut World) -> Option<Vec<(String, String)>> {
        let found = world.states.look_for_slow(&world.routing, world.now_ms)?;
        Some(found.iter().map(|one| (one.target.fqn.to_string(), one.rule.to_string())).collect())
    }

    fn slow(account: usize, rule: &str) -> (String, String) {
        (format!("account-{account}/model"), rule.into())
    }

    fn answer(world: &mut World, at: usize, times: usize, ttft_ms: u64) {
        world.providers[at].ttft_ms = ttft_ms;
        (0..times).for_each(|_| world.answer(at));
    }

    #[test]
    fn what_misses_its_sla_is_told_once_and_so_is_its_end() {
        let mut world = World::new(RoutingType::Priority, 3).sla(0, Some(100), None).sla(1, Some(1000), None);
        let strict = rule(&world, "strict");
        let mut lax = rule(&world, "lax");
        lax.candidates[0].sla = None;
        apply(&mut world, vec![lax, strict]);
        assert_eq!(look(&mut world), None, "nothing is known");
        answer(&mut world, 0, 2, 300);
        assert_eq!(look(&mut world), None, "too few answers");
        answer(&mut world, 0, 1, 300);
        answer(&mut world, 1, 3, 300);
        assert_eq!(
            look(&mut world),
            Some(vec![slow(0, "strict")]),
            "the other one may take a second, or what it likes"
        );
        assert_eq!(world.first().candidate, 1, "and so it is passed over");
        assert_eq!(look(&mut world), None, "it was told");
        answer(&mut world, 1, 30, 2000);
        assert_eq!(look(&mut world), Some(vec![slow(1, "lax"), slow(0, "strict"), slow(1, "strict")]), "all of it");
        answer(&mut world, 0, 30, 10);
        assert_eq!(look(&mut world), Some(vec![slow(1, "lax"), slow(1, "strict")]));
        world.now_ms += 190_000;
        assert_eq!(look(&mut world), Some(vec![]), "its answers are forgotten");
        assert_eq!(look(&mut world), None);
    }

    #[test]
    fn what_misses_an_objective_is_slow_too() {
        let slo = Slo { ttft_p95_ms: Some(100), itl_p95_ms: None };
        let mut world = World::new(RoutingType::Slo(slo), 2);
        let rules = vec![rule(&world, "objective")];
        apply(&mut world, rules);
        answer(&mut world, 0, 30, 300);
        answer(&mut world, 1, 30, 50);
        assert_eq!(look(&mut world), Some(vec![slow(0, "objective")]));
    }

    #[test]
    fn a_reload_is_told_where_it_changes_what_was_told() {
        let mut world = World::new(RoutingType::Priority, 2).sla(0, Some(100), None);
        let strict = rule(&world, "strict");
        apply(&mut world, vec![strict.clone()]);
        apply(&mut world, vec![strict.clone()]);
        assert_eq!(look(&mut world), None, "nothing had been told");
        answer(&mut world, 0, 3, 300);
        assert_eq!(look(&mut world), Some(vec![slow(0, "strict")]));
        let other = Rule { id: "other".into(), ..strict };
        apply(&mut world, vec![other]);
        assert_eq!(look(&mut world), Some(vec![slow(0, "other")]));
        apply(&mut world, vec![]);
        apply(&mut world, vec![]);
        assert_eq!(look(&mut world), Some(vec![]), "the rule is gone");
        assert_eq!(look(&mut world), None);
    }
}
