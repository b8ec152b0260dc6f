//! Choices one by one: who is eligible, who comes first, who last.

use proptest::prelude::*;

use super::choose::{Ask, Choice, choose};
use super::health::Verdict;
use super::testing::{FOR_EVER, NOW, World};
use crate::config::{Routing, RoutingType, Slo};
use crate::telemetry::{AttemptReason, ErrorClass, Obstacle, PassedOver};

const SLO: RoutingType = RoutingType::Slo(Slo { ttft_p95_ms: Some(500), itl_p95_ms: None });
const ALL: [RoutingType; 6] =
    [RoutingType::Weight, RoutingType::Latency, RoutingType::Priority, RoutingType::Cost, SLO, RoutingType::LeastBusy];

/// So many, of which the first has this against it.
fn over(count: u8, why: Obstacle) -> Option<PassedOver> {
    Some(PassedOver { count, why })
}

#[test]
fn every_type_tries_every_eligible_candidate_once_and_unavailable_ones_last() {
    for routing_type in ALL {
        let mut world = World::new(routing_type, 5);
        world.down(0, FOR_EVER);
        world.down(3, FOR_EVER);
        for _ in 0..50 {
            let order = world.order();
            let (usable, rest) = order.split_at(3);
            let sorted = |part: &[usize]| {
                let mut part = part.to_vec();
                part.sort_unstable();
                part
            };
            assert_eq!((sorted(usable), sorted(rest)), (vec![1, 2, 4], vec![0, 3]), "{routing_type:?}");
        }
        assert_eq!(world.ask(0, false), None, "{routing_type:?}");
        // Bits beyond the candidates are nobody's.
        assert_eq!(world.ask(1 << 63, false), None, "{routing_type:?}");
        assert!(world.ask(0b01001, false).is_some(), "{routing_type:?}");
    }
}

#[test]
fn what_cannot_be_used_says_why() {
    let mut world = World::new(RoutingType::Priority, 2).limits(1, Some(2), None);
    let now_ms = world.now_ms;
    let obstacle = |world: &mut World, at, now_ms| world.states.obstacle(&world.routing, at, 1, now_ms);
    assert_eq!([0, 1, 2].map(|at| obstacle(&mut world, at, now_ms)), [None; 3]);
    world.down(0, now_ms + 1000);
    (0..2).for_each(|_| world.answer(1));
    let both = [0, 1].map(|at| obstacle(&mut world, at, now_ms));
    assert_eq!(
        both,
        [Some((Obstacle::Unhealthy, ErrorClass::Server)), Some((Obstacle::Limit, ErrorClass::RateLimited))]
    );
    let half_open_ms = now_ms + 1000;
    assert_eq!(obstacle(&mut world, 0, half_open_ms), None);
    world.states.targets[0].health.begin(half_open_ms);
    assert_eq!(
        obstacle(&mut world, 0, half_open_ms),
        Some((Obstacle::Unhealthy, ErrorClass::Server)),
        "one trial at a time"
    );
    world.up(0);
    world.states.regions[0].apply(Verdict::unhealthy(0, FOR_EVER, ErrorClass::Connect));
    assert_eq!(obstacle(&mut world, 0, now_ms), Some((Obstacle::Unhealthy, ErrorClass::Connect)));
}

#[test]
fn a_choice_depends_on_nothing_but_what_it_was_asked() {
    for routing_type in ALL {
        let run = || {
            let mut world = World::new(routing_type, 20).prices(&[Some((1, 2)); 20]);
            (0..100).map(|_| world.serve(500)).collect::<Vec<_>>()
        };
        assert_eq!(run(), run(), "{routing_type:?}");
    }
}

#[test]
fn only_those_that_take_fallbacks_get_them() {
    for routing_type in ALL {
        let mut world = World::new(routing_type, 3);
        world.candidates[1].takes_fallback = false;
        let first: Vec<usize> = (0..100).map(|_| world.ask(0b010, false).expect("it").candidate).collect();
        assert!(first.iter().all(|at| *at == 1), "{routing_type:?}");
        assert_eq!(world.ask(0b010, true), None, "{routing_type:?}");
        for _ in 0..20 {
            assert_ne!(world.ask(0b111, true).expect("another").candidate, 1, "{routing_type:?}");
        }
    }
}

#[test]
fn weight_zero_is_for_what_fails_elsewhere() {
    let mut world = World::new(RoutingType::Weight, 3).weights(&[60, 40, 0]);
    for _ in 0..200 {
        assert_ne!(world.first().candidate, 2);
        assert_eq!(world.order().pop(), Some(2));
    }
    // While nobody else is well it does stand in: it beats those that will fail.
    world.down(0, FOR_EVER);
    assert_eq!(world.first().candidate, 1);
    world.down(1, FOR_EVER);
    assert_eq!(world.first(), Choice { candidate: 2, passed_over: over(2, Obstacle::Unhealthy) });
    world.candidates[2].takes_fallback = false;
    assert!(world.order().iter().all(|at| *at != 2));
}

#[test]
fn priority_takes_the_lowest_number_and_equal_ones_by_chance() {
    let mut world = World::new(RoutingType::Priority, 4).priorities(&[2, 0, 1, 1]);
    let orders: Vec<Vec<usize>> = (0..200).map(|_| world.order()).collect();
    assert!(orders.iter().all(|order| *order == [1, 2, 3, 0] || *order == [1, 3, 2, 0]));
    let swapped = orders.iter().filter(|order| **order == [1, 3, 2, 0]).count();
    assert!((60..140).contains(&swapped), "{swapped}");
    world.down(1, FOR_EVER);
    let choice = world.first();
    assert_eq!(choice.passed_over, over(1, Obstacle::Unhealthy));
    for at in [0, 2, 3] {
        world.down(at, FOR_EVER);
    }
    assert_eq!(world.first(), Choice { candidate: 1, passed_over: None });
}

#[test]
fn the_unavailable_come_by_how_much_can_be_hoped_for() {
    let mut world =
        World::new(RoutingType::Priority, 3).priorities(&[0, 1, 2]).limits(1, Some(0), None).sla(2, Some(100), None);
    world.down(0, FOR_EVER);
    (0..3).for_each(|_| world.answer(2));
    // Slow, over its limit, unhealthy.
    assert_eq!(world.order(), [2, 1, 0]);
    assert_eq!(world.ask(0b110, false), Some(Choice { candidate: 2, passed_over: over(1, Obstacle::Limit) }));
    assert_eq!(world.first(), Choice { candidate: 2, passed_over: over(2, Obstacle::Unhealthy) });
}

#[test]
fn cost_takes_the_cheapest_for_this_request() {
    let prices = [None, Some((10, 10)), Some((1, 30)), Some((20, 1))];
    let mut world = World::new(RoutingType::Cost, 4).prices(&prices);
    for (tokens, order) in
        [((1_000, 1_000), [1, 3, 2, 0]), ((10_000, 100), [2, 1, 3, 0]), ((100, 10_000), [3, 1, 2, 0])]
    {
        world.tokens = tokens;
        assert_eq!(world.order(), order, "{tokens:?}");
    }
    world.down(3, FOR_EVER);
    assert_eq!(world.first(), Choice { candidate: 1, passed_over: over(1, Obstacle::Unhealthy) });
    // Nothing known, or nothing different: as listed.
    assert_eq!(World::new(RoutingType::Cost, 3).order(), [0, 1, 2]);
    assert_eq!(World::new(RoutingType::Cost, 3).prices(&[Some((1, 2)); 3]).order(), [0, 1, 2]);
}

#[test]
fn least_busy_takes_the_one_with_the_fewest_in_flight() {
    let mut world = World::new(RoutingType::LeastBusy, 4);
    for (at, in_flight) in [3, 1, 0, 1].into_iter().enumerate() {
        world.states.targets[at].in_flight = in_flight;
    }
    let orders: Vec<Vec<usize>> = (0..100).map(|_| world.order()).collect();
    assert!(orders.iter().all(|order| *order == [2, 1, 3, 0] || *order == [2, 3, 1, 0]));
    assert!(orders.iter().any(|order| *order != orders[0]));
    world.down(2, FOR_EVER);
    assert_eq!(world.first().passed_over, over(1, Obstacle::Unhealthy));
}

#[test]
fn a_region_that_is_out_takes_its_targets_with_it() {
    let mut world = World::new(RoutingType::Priority, 3).priorities(&[0, 1, 2]);
    world.routing.targets[1].region = 0;
    let unhealthy = super::health::Verdict::unhealthy(0, FOR_EVER, crate::telemetry::ErrorClass::Connect);
    world.states.regions[0].apply(unhealthy);
    assert_eq!(world.order(), [2, 0, 1]);
    assert_eq!(world.first(), Choice { candidate: 2, passed_over: over(2, Obstacle::Unhealthy) });
}

/// A half-open target and its region are for one attempt at a time, whatever led to it: a retry after a failure that says
/// nothing of the target, or a target that was named, is a trial like one that was chosen.
#[test]
fn every_attempt_at_a_half_open_target_is_its_trial() {
    use super::health::{Ended, Verdict};
    use crate::telemetry::ErrorClass::{BadRequest, Connect};
    let mut world = World::new(RoutingType::Priority, 2).priorities(&[0, 1]);
    for health in [&mut world.states.targets[0].health, &mut world.states.regions[0]] {
        health.apply(Verdict::unhealthy(0, NOW - 1, Connect));
    }
    assert_eq!((world.first().candidate, world.first().candidate), (0, 1), "it is chosen for one request");
    let refused = Ended { now_ms: NOW, duration_ms: 0, error: Some(BadRequest), status: 0, hint_ms: None };
    assert_eq!(world.states.targets[0].health.observe(&refused, None), None);
    assert_eq!(world.states.regions[0].observe_region(&refused), None);
    world.states.begin(&world.routing, 0, NOW);
    assert!(!world.states.targets[0].health.admits(NOW) && !world.states.regions[0].admits(NOW), "asked once more");
    assert_eq!(world.first().candidate, 1);
    world.states.targets[0].health.release(NOW);
    assert_eq!(world.first().candidate, 1, "the region waits as well");
    world.states.regions[0].release(NOW);
    assert_eq!(world.first().candidate, 0);
}

#[test]
fn a_target_that_is_listed_twice_has_both_its_weights() {
    let mut world = World::new(RoutingType::Weight, 3).weights(&[50, 30, 20]);
    world.candidates[1].target = 0;
    for (at, got) in world.shares(10_000, 1).into_iter().enumerate() {
        assert!(got.abs_diff([5_000, 3_000, 2_000][at]) <= 200, "{at} {got}");
    }
}

#[test]
fn the_reason_is_the_types_but_for_fallbacks_and_sessions() {
    let routing = Routing::default();
    let ask = |is_fallback, session| Ask {
        eligible: 1,
        is_fallback,
        now_ms: NOW,
        random: 0,
        session,
        tokens: (1, 1),
        shards: 1,
        routing: &routing,
    };
    let reasons = ALL.map(|routing_type| ask(false, None).reason(&routing_type));
    use AttemptReason::*;
    assert_eq!(reasons, [Weight, Latency, Priority, Cost, Slo, LeastBusy]);
    assert_eq!(ask(false, Some(1)).reason(&RoutingType::Weight), Sticky);
    assert_eq!(ask(true, Some(1)).reason(&RoutingType::Weight), Fallback);
}

/// How well a target is, and how fast.
type Kind = (u8, u64);

/// A world in which `kinds` say of each target whether it is well (0), slow, full or unhealthy.
fn of_kinds(routing_type: RoutingType, kinds: &[Kind]) -> World {
    let dollars: Vec<_> = kinds.iter().map(|(_, token_ms)| Some((*token_ms as i64, 1))).collect();
    let numbers: Vec<u32> = kinds.iter().map(|(_, token_ms)| *token_ms as u32 % 4).collect();
    let mut world = World::new(routing_type, kinds.len()).prices(&dollars).priorities(&numbers).weights(&numbers);
    for (at, (kind, token_ms)) in kinds.iter().enumerate() {
        world.providers[at].token_ms = *token_ms;
        (0..4 * (token_ms % 3)).for_each(|_| world.answer(at));
        world = match kind {
            1 => world.sla(at, None, Some(1)),
            2 => world.limits(at, Some(0), None),
            _ => world,
        };
        if *kind == 3 {
            world.down(at, FOR_EVER);
        }
    }
    world
}

/// What speaks against a target of this kind.
fn against(kind: u8) -> Option<Obstacle> {
    match kind {
        1 => Some(Obstacle::Sla),
        2 => Some(Obstacle::Limit),
        3 => Some(Obstacle::Unhealthy),
        _ => None,
    }
}

fn asked(world: &mut World, eligible: u64, random: u64) -> Option<Choice> {
    let World { now_ms, routing_type, candidates, routing, states, .. } = world;
    let (now_ms, tokens) = (*now_ms, (1_000, 200));
    let ask = Ask { eligible, is_fallback: false, now_ms, random, session: None, tokens, shards: 1, routing };
    choose(routing_type, candidates, states, &ask)
}

proptest! {
    /// The order that it would be if all were well, without those that are not; of those as a last resort the best.
    #[test]
    fn who_is_not_well_is_passed_over_and_nobody_else(
        kinds in prop::collection::vec((0_u8..4, 1_u64..40), 1..12),
        random: u64,
        eligible: u64,
    ) {
        let eligible = eligible & ((1 << kinds.len()) - 1);
        for routing_type in ALL {
            let well: Vec<Kind> = kinds.iter().map(|(_, token_ms)| (0, *token_ms)).collect();
            let (mut world, mut all_well) = (of_kinds(routing_type, &kinds), of_kinds(routing_type, &well));
            // Too little is known of those with no answers to call them slow.
            let hope = |at: usize| match kinds[at] {
                (1, token_ms) if token_ms % 3 == 0 || token_ms == 1 => 0,
                (kind, _) => kind,
            };
            let (mut order, mut left) = (Vec::new(), eligible);
            while let Some(choice) = asked(&mut all_well, left, random) {
                order.push(choice.candidate);
                left &= !(1 << choice.candidate);
            }
            prop_assert_eq!(order.len() as u32, eligible.count_ones());
            let choice = asked(&mut world, eligible, random);
            let best = order.iter().min_by_key(|at| hope(**at)).copied();
            if routing_type != RoutingType::Latency {
                let count = order.iter().take_while(|at| Some(**at) != best).count() as u8;
                let passed_over = order.first().filter(|_| count > 0).and_then(|at| over(count, against(hope(*at))?));
                prop_assert_eq!(choice, best.map(|candidate| Choice { candidate, passed_over }), "{:?}", routing_type);
                continue;
            }
            // Who is fast depends on who can be used.
            prop_assert_eq!(choice.map(|choice| hope(choice.candidate)), best.map(hope));
            let Some(choice) = choice else { continue };
            let mut ns = |at: usize| world.states.targets[at].latency.time_per_token_ns(NOW);
            let usable = order.iter().filter(|at| hope(**at) == hope(choice.candidate));
            let fastest = usable.filter_map(|at| ns(*at)).min();
            prop_assert!(ns(choice.candidate).zip(fastest).is_none_or(|(ns, fastest)| ns * 5 <= fastest * 6));
        }
    }
}
