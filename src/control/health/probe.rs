//! Active probes: the accounts that want one are asked now and then whether they are there. What they find is about the
//! region: that the provider answers at all, not that a model works.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ask::{self, Answer};
use super::ledger::{By, Entry};
use super::unix_ms;
use crate::config::{HealthCheck, Snapshot};
use crate::control::Event;
use crate::control::core::{Core, Phase};
use crate::control::credentials::{Credentials, random};
use crate::policy::route::health::{Scope, Verdict};

/// So many failures in a row say that a provider is not there.
const FAILURES: u32 = 2;
/// One that failed is asked sooner: whether it is down, and later whether it is back, should not take long to be known.
const AGAIN_MS: u64 = 2000;
/// No provider is asked more often, whatever is configured.
const INTERVAL_MS_MIN: u64 = 100;

#[derive(Default)]
pub struct Probes {
    set: Vec<Probe>,
    next_id: u64,
}

/// The probe of one account.
pub struct Probe {
    /// What comes back to another was asked of an endpoint that is not this any more.
    id: u64,
    pub account: Box<str>,
    pub check: HealthCheck,
    authority: String,
    /// `None`: no rule names the account, so nobody needs a verdict.
    region: Option<Box<str>>,
    pub at: Instant,
    /// The one under way: there is never a second.
    running: Option<Running>,
    pub in_a_row: u32,
    pub failures: u64,
    pub last: Option<Last>,
}

/// Ends with its value.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub struct Last {
    pub at_ms: u64,
    pub took: Duration,
    /// The status, or what went wrong.
    pub answer: Result<u16, String>,
}

/// A probe came back.
pub struct Probed {
    id: u64,
    took: Duration,
    answer: Answer,
}

impl Probes {
    /// For another configuration. A probe whose account and settings stay goes on; the others begin anew, spread over their
    /// interval.
    pub fn follow(&mut self, snapshot: &Snapshot, now: Instant) {
        let mut before = std::mem::take(&mut self.set);
        let routing = &snapshot.routing;
        for (index, account) in snapshot.accounts.iter().enumerate() {
            let Some(check) = &account.health_check else { continue };
            let routed = routing.targets.iter().find(|one| one.account == index);
            let region = routed.and_then(|one| routing.regions.get(one.region)).cloned();
            let known = before.iter().position(|probe| *probe.account == *account.name);
            let known = known.map(|at| before.swap_remove(at));
            let failures = known.as_ref().map_or(0, |probe| probe.failures);
            let same = |probe: &Probe| probe.check == *check && probe.authority == account.upstream.authority;
            let probe = known.filter(same).unwrap_or_else(|| Probe {
                id: self.next_id,
                account: account.name.as_str().into(),
                check: check.clone(),
                authority: account.upstream.authority.clone(),
                region: None,
                at: now + Duration::from_millis(random() % interval_ms(check)),
                running: None,
                in_a_row: 0,
                failures,
                last: None,
            });
            self.next_id += 1;
            self.set.push(Probe { region, ..probe });
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Probe> {
        self.set.iter()
    }

    /// Begins with those whose time has come.
    pub fn begin(
        &mut self,
        snapshot: &Snapshot,
        credentials: &Credentials,
        events: &mpsc::Sender<Event>,
        now: Instant,
    ) {
        for probe in self.set.iter_mut().filter(|probe| probe.running.is_none() && probe.at <= now) {
            probe.at = now + Duration::from_millis(interval_ms(&probe.check));
            let Some(account) = snapshot.accounts.iter().find(|account| *account.name == *probe.account) else {
                continue;
            };
            let within = Duration::from_millis(probe.check.timeout_ms);
            let asking = ask::ask(account, &probe.check.path, credentials.get(&account.name), within);
            let (id, events) = (probe.id, events.clone());
            let task = tokio::spawn(async move {
                let begun = Instant::now();
                let answer = asking.await;
                let _ = events.send(Event::Probed(Probed { id, took: begun.elapsed(), answer })).await;
            });
            probe.running = Some(Running(task.abort_handle()));
        }
    }

    /// What came of one: a verdict about its region. Two accounts of one region may both be asked; the region is there as
    /// long as one of them answers.
    pub fn take(&mut self, probed: Probed, now: Instant, now_ms: u64) -> Option<(Box<str>, Verdict)> {
        let Probed { id, took, answer } = probed;
        let probe = self.set.iter_mut().find(|probe| probe.id == id)?;
        probe.running = None;
        let region = probe.region.clone();
        let Err((class, message)) = answer else {
            probe.in_a_row = 0;
            probe.last = Some(Last { at_ms: now_ms, took, answer: answer.map_err(|(_, message)| message) });
            return Some((region?, Verdict::Healthy));
        };
        probe.in_a_row = probe.in_a_row.saturating_add(1);
        probe.failures += 1;
        let again_ms = interval_ms(&probe.check).min(AGAIN_MS);
        probe.at = probe.at.min(now + Duration::from_millis(again_ms));
        tracing::debug!(account = %probe.account, error = message, "the health check failed");
        probe.last = Some(Last { at_ms: now_ms, took, answer: Err(message) });
        let class = class?;
        // Holds until the second probe from now: the first says so again if it is still so.
        let until_ms = now_ms + 2 * again_ms.max(probe.check.timeout_ms);
        let region = region?;
        let down = |probe: &Probe| probe.region.as_ref() != Some(&region) || probe.in_a_row >= FAILURES;
        self.set.iter().all(down).then_some((region, Verdict::unhealthy(now_ms, until_ms, class)))
    }
}

impl Core {
    pub fn probe_when_due(&mut self, now: Instant) {
        if self.phase == Phase::Serving {
            self.health.probes.begin(&self.snapshot, &self.credentials, &self.sender, now);
        }
    }

    pub fn on_probed(&mut self, probed: Probed) {
        let Some((region, verdict)) = self.health.probes.take(probed, Instant::now(), unix_ms()) else { return };
        let scope = Scope::Region(region);
        // It takes back what it said itself. What requests found (that no answer comes, though the provider is there)
        // only a request disproves.
        let said_so = |entry: &Entry| entry.by == Some(By::Probe) && !entry.is_healthy();
        if verdict != Verdict::Healthy || self.health.ledger.get(&scope).is_some_and(said_so) {
            self.take_verdict(By::Probe, scope, verdict);
        }
    }
}

fn interval_ms(check: &HealthCheck) -> u64 {
    check.interval_ms.max(INTERVAL_MS_MIN)
}
