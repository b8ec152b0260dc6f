//! What holds however requests, other shards and time come between each other.

use proptest::prelude::*;

use super::*;
use crate::telemetry::ErrorClass::*;

const T: u64 = 1_700_000_000_000;
const HINT_MS_MAX: u64 = crate::provider::HINT_MS_MAX;

#[derive(Clone, Debug)]
enum Step {
    /// A request comes; it goes there if that is allowed.
    Ask,
    /// There is no other target for it.
    Named,
    /// One of those under way ends, or its client leaves.
    End {
        which: usize,
        error: Option<ErrorClass>,
        hint_ms: Option<u64>,
    },
    Leave {
        which: usize,
    },
    /// Another shard says that it is well, or will not be for so long.
    Told {
        rest_ms: Option<u64>,
    },
    Wait {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let classes = prop::sample::select(vec![
        Connect,
        Disconnected,
        FirstByteTimeout,
        Server,
        Auth,
        RateLimited,
        Overloaded,
        QuotaExhausted,
        BadRequest,
        ContentFilter,
    ]);
    let hint_ms = prop::option::weighted(0.3, 0u64..HINT_MS_MAX * 2);
    let error = prop::option::weighted(0.6, classes);
    prop_oneof![
        8 => Just(Step::Ask),
        2 => Just(Step::Named),
        8 => (any::<usize>(), error, hint_ms).prop_map(|(which, error, hint_ms)| Step::End { which, error, hint_ms }),
        1 => any::<usize>().prop_map(|which| Step::Leave { which }),
        1 => prop::option::of(0u64..100_000).prop_map(|rest_ms| Step::Told { rest_ms }),
        4 => prop_oneof![0u64..100, 0u64..5000, 0u64..700_000].prop_map(|ms| Step::Wait { ms }),
    ]
}

#[derive(Default)]
struct World {
    health: Health,
    now_ms: u64,
    /// When each began.
    under_way: Vec<u64>,
    /// Trials of this outage that nothing was heard of.
    trials: Vec<u64>,
}

impl World {
    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let before = self.health.verdict();
        self.now_ms += 1;
        match *step {
            Step::Ask | Step::Named if self.health.admits(self.now_ms) => self.begin(before)?,
            Step::Ask => {}
            Step::Named => {
                self.health.begin(self.now_ms);
                self.under_way.push(self.now_ms);
            }
            Step::End { which, error, hint_ms } => {
                let Some(began_ms) = self.take_one(which) else { return Ok(()) };
                self.end(began_ms, error, hint_ms, before)?;
            }
            Step::Leave { which } => {
                if let Some(began_ms) = self.take_one(which) {
                    self.health.release(began_ms);
                    prop_assert_eq!(self.health.verdict(), before);
                }
            }
            Step::Told { rest_ms: None } => self.health.apply(Verdict::Healthy),
            Step::Told { rest_ms: Some(ms) } => {
                self.health.apply(Verdict::unhealthy(self.now_ms, self.now_ms + ms, Server));
                let kept = until_ms(before).unwrap_or_default().max(self.now_ms + ms);
                prop_assert_eq!(until_ms(self.health.verdict()), Some(kept), "never shortened");
            }
            Step::Wait { ms } => self.now_ms += ms,
        }
        if self.health.verdict() == Verdict::Healthy {
            self.trials.clear();
        }
        Ok(())
    }

    fn begin(&mut self, before: Verdict) -> Result<(), TestCaseError> {
        self.health.begin(self.now_ms);
        self.under_way.push(self.now_ms);
        if before != Verdict::Healthy {
            let now_ms = self.now_ms;
            self.trials.retain(|began_ms| began_ms + TRIAL_MS_MAX > now_ms);
            prop_assert!(self.trials.is_empty(), "one at a time: {:?} {now_ms}", self.trials);
            prop_assert!(!self.health.admits(now_ms));
            self.trials.push(now_ms);
        }
        Ok(())
    }

    fn end(
        &mut self,
        began_ms: u64,
        error: Option<ErrorClass>,
        hint_ms: Option<u64>,
        before: Verdict,
    ) -> Result<(), TestCaseError> {
        let (now_ms, status) = (self.now_ms, if error.is_some() { 500 } else { 200 });
        let ended = Ended { now_ms, duration_ms: now_ms - began_ms, error, status, hint_ms };
        let said = self.health.observe(&ended, None);
        let verdict = self.health.verdict();
        prop_assert_eq!(said, (verdict != before).then_some(verdict), "only what is new is said");
        let Some(until_ms) = said.and_then(until_ms) else { return Ok(()) };
        let longest = if hint_ms.is_some() || error == Some(QuotaExhausted) { HINT_MS_MAX } else { 60_000 };
        prop_assert!(until_ms <= now_ms + longest, "{said:?} at {now_ms}");
        prop_assert!(until_ms > now_ms);
        Ok(())
    }

    fn take_one(&mut self, which: usize) -> Option<u64> {
        let at = which.checked_rem(self.under_way.len())?;
        let began_ms = self.under_way.remove(at);
        self.trials.retain(|&trial_ms| trial_ms != began_ms);
        Some(began_ms)
    }
}

fn until_ms(verdict: Verdict) -> Option<u64> {
    match verdict {
        Verdict::Healthy => None,
        Verdict::Unhealthy { until_ms, .. } => Some(until_ms),
    }
}

/// A provider that is down for a while behind a thousand requests per second, each of which goes elsewhere where it is not
/// admitted. How many attempts were made after the outage's first second, and how long after it the target was in use.
fn outage(down_ms: u64, attempt_ms: u64, class: ErrorClass) -> (u64, u64) {
    let mut health = Health::default();
    let mut ends = std::collections::VecDeque::new();
    let mut attempts = 0;
    for at_ms in 0.. {
        let now_ms = T + at_ms;
        while ends.front().is_some_and(|began_ms| began_ms + attempt_ms <= now_ms) {
            let began_ms = ends.pop_front().unwrap();
            let error = (began_ms < T + down_ms).then_some(class);
            let status = if error.is_some() { 503 } else { 200 };
            health.observe(&Ended { now_ms, duration_ms: now_ms - began_ms, error, status, hint_ms: None }, None);
        }
        if at_ms > down_ms && health.verdict() == Verdict::Healthy {
            return (attempts, at_ms - down_ms);
        }
        assert!(at_ms < down_ms + 600_000, "it never comes back");
        if health.admits(now_ms) {
            health.begin(now_ms);
            ends.push_back(now_ms);
            attempts += u64::from((1000..down_ms).contains(&at_ms));
        }
    }
    unreachable!()
}

proptest! {
    #[test]
    fn any_interleaving_keeps_the_rules_and_leads_back(steps in prop::collection::vec(step(), 1..300)) {
        let mut world = World { now_ms: T, ..World::default() };
        for step in &steps {
            world.take(step)?;
        }
        // The provider is well from here on, and what was under way is lost.
        world.now_ms += HINT_MS_MAX + TRIAL_MS_MAX;
        prop_assert!(world.health.admits(world.now_ms));
        world.health.begin(world.now_ms);
        let ended = Ended { now_ms: world.now_ms + 5, duration_ms: 5, error: None, status: 200, hint_ms: None };
        world.health.observe(&ended, None);
        prop_assert_eq!(world.health.verdict(), Verdict::Healthy);
    }

    #[test]
    fn in_an_outage_one_request_in_a_hundred_is_lost_to_it_and_it_is_back_within_five_seconds(
        down_ms in 3000u64..60_000,
        attempt_ms in 0u64..=400,
        class in prop::sample::select(vec![Connect, Disconnected, Server, Overloaded, RateLimited, Auth]),
    ) {
        let (attempts, back_ms) = outage(down_ms, attempt_ms, class);
        prop_assert!(attempts * 100 <= down_ms - 1000, "{attempts} attempts in {down_ms} ms");
        prop_assert!(back_ms <= 5000, "back after {back_ms} ms");
    }
}
