//! Simulated traffic: what many choices come to when providers are slow, full, out or dear. Seeded; no clock.

use super::sticky;
use super::testing::{FOR_EVER, NOW, Provider, USUAL, World};
use crate::config::{RoutingType, Slo};
use crate::telemetry::{Obstacle, PassedOver};

/// Within so many percent of all requests.
fn near(shares: &[usize], wanted_percent: &[usize], off_percent: usize) {
    let all: usize = shares.iter().sum();
    for (got, wanted) in shares.iter().zip(wanted_percent) {
        assert!((got * 100).abs_diff(wanted * all) <= off_percent * all, "{shares:?} {wanted_percent:?}");
    }
}

#[test]
fn weights_hold_also_while_a_target_is_out_and_after_it() {
    let mut world = World::new(RoutingType::Weight, 4).weights(&[50, 30, 20, 0]);
    near(&world.shares(10_000, 10), &[50, 30, 20, 0], 2);
    world.down(0, FOR_EVER);
    near(&world.shares(10_000, 10), &[0, 60, 40, 0], 2);
    world.up(0);
    near(&world.shares(10_000, 10), &[50, 30, 20, 0], 2);
}

#[test]
fn how_often_a_weighted_target_was_passed_over_is_its_share() {
    let mut world = World::new(RoutingType::Weight, 3).weights(&[50, 30, 20]);
    world.down(0, FOR_EVER);
    let passed_over = (0..10_000).filter(|_| world.first().passed_over.is_some()).count();
    assert!(passed_over.abs_diff(5_000) <= 200, "{passed_over}");
}

#[test]
fn sessions_stay_move_while_their_target_is_out_and_return() {
    let mut world = World::new(RoutingType::Weight, 4).weights(&[40, 30, 20, 10]);
    let places = |world: &mut World| -> Vec<usize> {
        let place = |id: u64| {
            world.session = Some(sticky::session(&[&id.to_le_bytes()], 3_600, NOW));
            world.first().candidate
        };
        (0..5_000).map(place).collect()
    };
    let before = places(&mut world);
    let share = |of: &[usize], at| of.iter().filter(|place| **place == at).count();
    near(&[0, 1, 2, 3].map(|at| share(&before, at)), &[40, 30, 20, 10], 2);
    assert_eq!(places(&mut world), before);
    world.down(1, FOR_EVER);
    let during = places(&mut world);
    for (was, is) in before.iter().zip(&during) {
        assert!(if *was == 1 { *is != 1 } else { was == is }, "{was} {is}");
    }
    // What was its own is spread by the weights of the others.
    near(&[0, 2, 3].map(|at| share(&during, at)), &[57, 29, 14], 2);
    world.up(1);
    assert_eq!(places(&mut world), before);
}

#[test]
fn latency_routing_moves_to_the_faster_target() {
    let mut world = World::new(RoutingType::Latency, 3);
    world.providers[0] = Provider { token_ms: 40, noise_percent: 30, ..USUAL };
    world.providers[1] = Provider { token_ms: 15, noise_percent: 30, ..USUAL };
    world.providers[2] = Provider { token_ms: 60, noise_percent: 30, ..USUAL };
    let shares = world.shares(1_000, 100);
    assert!(shares[0] >= 3 && shares[2] >= 3, "each was tried: {shares:?}");
    assert!(shares[1] >= 980, "{shares:?}");
    // It becomes the slowest: its last hundred calls tell, and the next best takes over.
    world.providers[1].token_ms = 100;
    world.shares(200, 100);
    near(&world.shares(1_000, 100), &[100, 0, 0], 1);
}

#[test]
fn latency_routing_does_not_flap_between_targets_that_are_nearly_as_fast() {
    let mut world = World::new(RoutingType::Latency, 3);
    for (at, token_ms) in [100, 105, 110].into_iter().enumerate() {
        world.providers[at] = Provider { token_ms, noise_percent: 40, ..USUAL };
    }
    for _ in 0..10 {
        // Every thousand in itself: nobody is left out for a while.
        near(&world.shares(1_000, 50), &[33, 33, 33], 6);
    }
}

#[test]
fn latency_routing_lets_a_new_target_gather_data() {
    let mut world = World::new(RoutingType::Latency, 3);
    world.down(2, FOR_EVER);
    near(&world.shares(1_000, 50), &[50, 50, 0], 6);
    world.up(2);
    world.providers[2].token_ms = 15;
    near(&world.shares(1_000, 50), &[0, 0, 100], 4);
    let mut slow = World::new(RoutingType::Latency, 2);
    slow.providers[1].token_ms = 200;
    assert_eq!(slow.shares(1_000, 50)[1], 3);
    // What is known of it is forgotten after 20 minutes: it gets another chance, since then it is fast.
    slow.providers[1].token_ms = 20;
    slow.now_ms += 20 * 60_000;
    near(&slow.shares(1_000, 50), &[50, 50], 6);
}

#[test]
fn priority_leaves_a_target_that_breaks_its_sla_until_it_is_forgotten() {
    let mut world = World::new(RoutingType::Priority, 2).priorities(&[0, 1]).sla(0, Some(800), None);
    assert_eq!(world.shares(100, 1_000), [100, 0]);
    world.providers[0].ttft_ms = 2_000;
    let shares = world.shares(150, 1_000);
    assert!(shares[0] < 90 && shares[1] > 60, "{shares:?}");
    let choice = world.first();
    assert_eq!((choice.candidate, choice.passed_over), (1, Some(PassedOver { count: 1, why: Obstacle::Sla })));
    // Three minutes later nothing is known: it is tried, and leaves at the third slow answer.
    world.now_ms += 180_000;
    assert_eq!(world.shares(50, 1_000), [3, 47]);
    world.providers[0].ttft_ms = 300;
    world.now_ms += 180_000;
    assert_eq!(world.shares(50, 1_000), [50, 0]);
}

#[test]
fn slo_takes_the_cheapest_that_keeps_the_objective() {
    let slo = Slo { ttft_p95_ms: Some(600), itl_p95_ms: Some(50) };
    let mut world = World::new(RoutingType::Slo(slo), 3).prices(&[Some((5, 15)), Some((1, 3)), Some((2, 6))]);
    assert_eq!(world.shares(100, 100), [0, 100, 0]);
    world.providers[1].token_ms = 90;
    world.shares(200, 100);
    assert_eq!(world.shares(100, 100), [0, 0, 100]);
    world.providers[2].ttft_ms = 900;
    world.shares(400, 100);
    assert_eq!(world.shares(100, 100), [100, 0, 0]);
    // Nobody keeps it: 60 ms of 50 is nearer than 900 ms of 600.
    world.providers[0].token_ms = 60;
    world.shares(2_000, 10);
    assert_eq!(world.shares(100, 100), [100, 0, 0]);
    // Ten minutes later it is forgotten: the cheapest is asked again.
    world.now_ms += 10 * 60_000;
    world.providers[1].token_ms = 20;
    assert_eq!(world.shares(100, 100), [0, 100, 0]);
}

#[test]
fn least_busy_evens_out_what_is_in_flight() {
    let mut world = World::new(RoutingType::LeastBusy, 3);
    // The second takes three times as long.
    let takes_ms = [300, 900, 300];
    let (mut open, mut shares) = (Vec::new(), [0_usize; 3]);
    for _ in 0..3_000 {
        let at = world.first().candidate;
        shares[at] += 1;
        world.states.targets[at].in_flight += 1;
        open.push((world.now_ms + takes_ms[at], at));
        world.now_ms += 10;
        open.retain(|(end_ms, at)| {
            let is_open = *end_ms > world.now_ms;
            world.states.targets[*at].in_flight -= u32::from(!is_open);
            is_open
        });
        let busy: Vec<u32> = world.states.targets.iter().map(|state| state.in_flight).collect();
        assert!(busy.iter().max().expect("some") - busy.iter().min().expect("some") <= 2, "{busy:?}");
    }
    near(&shares, &[43, 14, 43], 3);
}

/// Spec "seed" 1.11, A: the primary has become dear and slow to start; 30 % move to another by weight.
#[test]
fn scenario_a_thirty_percent_move_by_weight() {
    let mut world = World::new(RoutingType::Weight, 2).weights(&[100, 0]).prices(&[Some((3, 15)), Some((1, 5))]);
    let cost = |world: &mut World| -> i64 {
        let shares = world.shares(10_000, 10);
        let usage = crate::meter::Usage {
            input: 1_000,
            output: 500,
            source: crate::meter::UsageSource::Reported,
            ..Default::default()
        };
        let of = |at: usize| world.routing.targets[at].target.pricing.as_ref().expect("a price").cost(&usage, 0);
        (0..2).map(|at| of(at).expect("known") * shares[at] as i64).sum::<i64>() / 1_000_000_000_000
    };
    // In USD: 10,000 conversations of 1,000 and 500 tokens.
    assert_eq!(cost(&mut world), 105);
    let mut moved = world.weights(&[70, 30]);
    let after = cost(&mut moved);
    assert!((82..=86).contains(&after), "{after}");
}

/// B: a provider throttles at the peak; traffic leaves it for as long as it says, and comes back.
#[test]
fn scenario_b_throttling_shifts_traffic_and_it_comes_back() {
    let mut world = World::new(RoutingType::Weight, 2).weights(&[80, 20]);
    near(&world.shares(5_000, 10), &[80, 20], 2);
    let until_ms = world.now_ms + 30_000;
    world.down(0, until_ms);
    near(&world.shares(2_000, 10), &[0, 100], 0);
    world.now_ms = until_ms;
    near(&world.shares(5_000, 10), &[80, 20], 2);
}

/// C: the first token comes in time, the others do not: the better streamer is preferred.
#[test]
fn scenario_c_latency_routing_prefers_the_better_streamer() {
    let mut world = World::new(RoutingType::Latency, 2);
    world.providers[0] = Provider { ttft_ms: 150, token_ms: 80, noise_percent: 20, ..USUAL };
    world.providers[1] = Provider { ttft_ms: 600, token_ms: 25, noise_percent: 20, ..USUAL };
    near(&world.shares(1_000, 100), &[0, 100], 1);
}

/// D: a batch job takes all that one target may be given: the rest spills to the next, until the minute is over.
#[test]
fn scenario_d_usage_limits_spill_to_the_next_target() {
    let mut world = World::new(RoutingType::Priority, 2).priorities(&[0, 1]).limits(0, Some(100), None).limits(
        1,
        None,
        Some(330_000),
    );
    // 10 a second for one minute; each has 1,100 tokens.
    let shares = world.shares(600, 100);
    assert_eq!(shares[0], 100 + 200, "the first is full, then the second at 300 requests: {shares:?}");
    world.now_ms += 65_000;
    assert_eq!(world.shares(100, 100), [100, 0]);
    assert_eq!(world.first().passed_over, Some(PassedOver { count: 1, why: Obstacle::Limit }));
}

/// A primary that fails and is well in turns, for a minute, under a hundred requests a second: what it got while it
/// failed, and how often traffic moved.
fn flapping(turn_ms: u64) -> (usize, usize) {
    let mut world = World::new(RoutingType::Priority, 2).priorities(&[0, 1]);
    let (mut met, mut moves, mut before) = (0, 0, 0);
    while world.now_ms < NOW + 60_000 {
        let mut at = world.first().candidate;
        if at == 0 && ((world.now_ms - NOW) / turn_ms).is_multiple_of(2) {
            met += 1;
            world.fail(0);
            let left = !1;
            at = world.ask(left, true).expect("the other one").candidate;
        }
        world.answer(at);
        moves += usize::from(at != before);
        before = at;
        world.now_ms += 10;
    }
    (met, moves)
}

#[test]
fn a_minute_of_flapping_costs_a_few_attempts_a_turn_and_two_moves() {
    for (turn_ms, met_per_turn) in [(500, 3), (1_000, 4), (2_000, 5), (5_000, 6), (15_000, 8)] {
        let turns = 60_000 / turn_ms as usize / 2;
        let (met, moves) = flapping(turn_ms);
        assert!(met >= turns.min(8), "{turn_ms}: it was tried again: {met} of 6000");
        assert!(met <= turns * met_per_turn, "{turn_ms}: {met} of 6000");
        // There and back, once per turn.
        assert!(moves <= 2 * turns + 1, "{turn_ms}: {moves} moves");
    }
}
