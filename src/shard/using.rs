//! An attempt as routing sees it: that a target is in use, and what came of it. Dropping it ends the use, on any way out.

use std::rc::Rc;
use std::sync::Arc;

use super::pick::Pick;
use super::request::Request;
use super::state::Shard;
use crate::config::{Routing, Snapshot};
use crate::mesh::Up;
use crate::meter::Usage;
use crate::policy::route::health::{Ended, Health, Scope, Verdict};
use crate::policy::route::latency::Answered;
use crate::policy::route::{State, States};
use crate::telemetry::{ErrorClass, Target};

/// One attempt at a target that rules name; nothing where none does.
pub struct Using {
    shard: Rc<Shard>,
    snapshot: Rc<Snapshot>,
    target: Arc<Target>,
    /// Index into `Routing::targets`.
    known: Option<usize>,
    /// Unix milliseconds.
    began_ms: u64,
    /// Health has heard of it.
    told: bool,
    over: bool,
}

impl Using {
    /// Where the target is half-open, this is its trial, be it a retry or a target that was named.
    pub fn begin(request: &Request, pick: &Pick, input_tokens: u64) -> Self {
        let using = Self {
            shard: request.shard.clone(),
            snapshot: request.snapshot.clone(),
            target: pick.target.clone(),
            known: pick.known,
            began_ms: request.shard.unix_ms(),
            told: false,
            over: false,
        };
        if let Some(at) = pick.known {
            let routing = &using.snapshot.routing;
            using.shard.with_states(&using.snapshot, |states| states.begin(routing, at, using.began_ms));
        }
        using.state(|state| {
            state.in_flight += 1;
            state.usage.add(using.began_ms, 1, input_tokens);
        });
        using
    }

    /// Whether anybody wants to know what came of it.
    pub fn is_heard(&self) -> bool {
        self.known.is_some()
    }

    /// The answer has begun. A target, or a region, that is being tried again need not wait for its end.
    pub fn answers(&mut self) {
        if self.told {
            return;
        }
        let region = self.known.and_then(|at| self.snapshot.routing.targets.get(at)).map(|target| target.region);
        let region = region.and_then(|at| self.region(at, |health| health.verdict()));
        let target = self.state(|state| state.health.verdict());
        if [target, region].into_iter().flatten().any(|verdict| verdict != Verdict::Healthy) {
            self.tell(None, 200, None);
        }
    }

    /// What came of it. `usage`: of an answer that was delivered.
    pub fn ended(
        &mut self,
        request: &mut Request,
        error: Option<ErrorClass>,
        status: u16,
        hint_ms: Option<u64>,
        usage: Usage,
    ) {
        if self.known.is_none() || std::mem::replace(&mut self.over, true) {
            return;
        }
        // A client that leaves says nothing of the target.
        if !matches!(error, Some(ErrorClass::ClientGone | ErrorClass::ClientStalled | ErrorClass::HedgeLost))
            && (error.is_some() || !self.told)
        {
            self.tell(error, status, hint_ms);
        }
        let now_ms = self.shard.unix_ms();
        let answered = if error.is_none() && status < 300 { answered(request, now_ms, &usage) } else { None };
        self.state(|state| {
            state.usage.add(now_ms, 0, usage.output);
            if let Some(answered) = &answered {
                state.latency.observe(answered);
            }
        });
    }

    fn tell(&mut self, error: Option<ErrorClass>, status: u16, hint_ms: Option<u64>) {
        self.told = true;
        let now_ms = self.shard.unix_ms();
        let ended = Ended { now_ms, duration_ms: now_ms.saturating_sub(self.began_ms), error, status, hint_ms };
        let snapshot = self.snapshot.clone();
        let known = self.known.and_then(|at| snapshot.routing.targets.get(at));
        let tolerance = known.and_then(|known| known.tolerance.as_ref());
        let verdict = self.state(|state| state.health.observe(&ended, tolerance)).flatten();
        if let Some(verdict) = verdict {
            self.shard.send(Up::Verdict(Box::new((Scope::Target(self.target.fqn.clone()), verdict))));
        }
        let Some((region, name)) =
            known.and_then(|known| Some((known.region, snapshot.routing.regions.get(known.region)?)))
        else {
            return;
        };
        let verdict = self.region(region, |health| health.observe_region(&ended)).flatten();
        if let Some(verdict) = verdict {
            self.shard.send(Up::Verdict(Box::new((Scope::Region(name.clone()), verdict))));
        }
    }

    /// A reload may have moved it.
    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut states = self.shard.states.borrow_mut();
        let States { targets, .. } = &mut *states;
        let at = self.known?;
        let at = match targets.get(at) {
            Some(state) if state.fqn == self.target.fqn => at,
            _ => targets.iter().position(|state| state.fqn == self.target.fqn)?,
        };
        targets.get_mut(at).map(with)
    }

    fn region<T>(&self, at: usize, with: impl FnOnce(&mut Health) -> T) -> Option<T> {
        let same = |now: &Routing| now.regions.get(at) == self.snapshot.routing.regions.get(at);
        if !same(&self.shard.snapshot().routing) {
            return None;
        }
        self.shard.states.borrow_mut().regions.get_mut(at).map(with)
    }
}

/// How fast it was.
fn answered(request: &mut Request, now_ms: u64, usage: &Usage) -> Option<Answered> {
    let record = request.record();
    let (first_ns, last_ns) = (record.first_token_ns?, record.last_token_ns?);
    let attempt = record.attempts.last()?;
    let whole_ns = last_ns.saturating_sub(attempt.start_ns);
    let generating_ns = if record.stream { last_ns.saturating_sub(first_ns) } else { whole_ns };
    Some(Answered {
        now_ms,
        ttft_us: record.stream.then(|| first_ns.saturating_sub(attempt.start_ns) / 1000),
        generating_us: generating_ns / 1000,
        output_tokens: usage.output,
        gaps: record.gaps,
    })
}

impl Drop for Using {
    fn drop(&mut self) {
        let told = self.told;
        self.state(|state| {
            state.in_flight = state.in_flight.saturating_sub(1);
            if !told {
                state.health.release(self.began_ms);
            }
        });
        let known = self.known.and_then(|at| self.snapshot.routing.targets.get(at));
        if let (Some(known), false) = (known, told) {
            self.region(known.region, |health| health.release(self.began_ms));
        }
    }
}
