//! Where requests go: the documents `gateway-load-balancing-config`, `gateway-fallback-config` and
//! `provider-account/virtual-model`, as policy and data plane read them (spec "seed" 2.1, 2.3, 2.4).
//!
//! Candidates and fallbacks name targets by their index in [`Routing::targets`], so that a shard keeps what it knows of a
//! target (health, latency, use) in a plain list beside it.

mod called;
mod candidate;
mod change;
mod codes;
mod matching;
mod model_config;
mod names;
mod places;
mod read;
mod rule;
mod shown;

use std::sync::Arc;

use serde_json::Value;

#[cfg(test)]
pub(super) use codes::OF_UPSTREAM;
pub(super) use names::VirtualNames;
pub(super) use read::Documents;
pub(super) use shown::show;

use super::secret::Secret;
use super::snapshot::Account;
use crate::telemetry::{ErrorClass, Target};

/// Candidates of one rule are kept in a mask of this many bits.
pub const CANDIDATES_MAX: usize = 64;

/// All of it. Empty when no document says anything.
#[derive(Clone, Default)]
pub struct Routing {
    /// The rules of all load-balancing documents, in their order: the first whose `when` matches decides.
    pub rules: Vec<Rule>,
    /// Those of all fallback documents, the same way.
    pub fallbacks: Vec<FallbackRule>,
    pub virtual_models: Vec<VirtualModel>,
    /// Every target that a rule names, once.
    pub targets: Vec<RouteTarget>,
    /// The names of all regions, each once.
    pub regions: Vec<Box<str>>,
}

impl Routing {
    /// Makes the `Arc`s that requests clone anew, those of the accounts' models where they are one of them.
    pub(super) fn own(&mut self, accounts: &[Account]) {
        for one in &mut self.targets {
            let Some(account) = accounts.get(one.account) else { continue };
            one.target = account.models.get(&*one.target.model).cloned().unwrap_or_else(|| {
                // Where the mock of this process is, is known only now.
                let (host, port) = (account.upstream.host.as_str().into(), account.upstream.port);
                Arc::new(Target { host, port, ..Target::clone(&one.target) })
            });
        }
        let ids = self.rules.iter_mut().map(|rule| &mut rule.id);
        let ids = ids.chain(self.fallbacks.iter_mut().map(|rule| &mut rule.id));
        for id in ids.chain(self.virtual_models.iter_mut().map(|model| &mut model.rule.id)) {
            *id = Arc::from(&**id);
        }
    }
}

/// A target that rules name.
#[derive(Clone)]
pub struct RouteTarget {
    /// Index into the snapshot's accounts.
    pub account: usize,
    pub target: Arc<Target>,
    /// Index into [`Routing::regions`]: `aws-bedrock/us-east-1`, or kind and authority where an account has no region.
    pub region: usize,
    /// `model_configs[].usage_limits`.
    pub usage_limits: Option<UsageLimits>,
    /// `model_configs[].failure_tolerance`.
    pub tolerance: Option<FailureTolerance>,
}

impl RoutingType {
    /// As the documents spell it.
    pub fn as_str(&self) -> &'static str {
        match self {
            RoutingType::Weight => "weight-based-routing",
            RoutingType::Latency => "latency-based-routing",
            RoutingType::Priority => "priority-based-routing",
            RoutingType::Cost => "cost-based-routing",
            RoutingType::Slo(_) => "slo-routing",
            RoutingType::LeastBusy => "least-busy-routing",
        }
    }
}

/// Above one of these the target gets no more for the rest of the minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UsageLimits {
    pub tokens_per_minute: Option<u64>,
    pub requests_per_minute: Option<u64>,
}

/// More failures than these within a minute make the target unhealthy for the cool-down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailureTolerance {
    pub allowed_failures_per_minute: u32,
    pub cooldown_ms: u64,
    pub on: Codes,
}

/// Which requests a rule is for. Fields are ANDed; an empty list does not filter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct When {
    pub subjects: Vec<Subject>,
    /// `account/model`, a virtual model's name, or `*`.
    pub models: Vec<String>,
    pub metadata: Vec<(String, String)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    Any,
    User(String),
    Team(String),
    VirtualAccount(String),
}

#[derive(Clone)]
pub struct Rule {
    /// In logs, metrics and headers. A virtual model's is its name.
    pub id: Arc<str>,
    pub when: When,
    pub routing_type: RoutingType,
    /// At least one, at most [`CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
    /// Weight-based routing only.
    pub sticky: Option<Sticky>,
    pub on_stream_failure: OnStreamFailure,
    pub hedge: Option<Hedge>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum RoutingType {
    Weight,
    Latency,
    Priority,
    /// `cost-based-routing`: the cheapest that is healthy and keeps its `sla_cutoff`.
    Cost,
    /// `slo-routing`.
    Slo(Slo),
    /// `least-busy-routing`: the fewest requests in flight.
    LeastBusy,
}

/// At least one is set.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Slo {
    pub ttft_p95_ms: Option<u32>,
    pub itl_p95_ms: Option<u32>,
}

#[derive(Clone)]
pub struct Candidate {
    /// Index into [`Routing::targets`].
    pub target: usize,
    /// Weight-based: relative; 0 is never chosen first.
    pub weight: u32,
    /// Priority-based: 0 is the highest.
    pub priority: u32,
    /// Priority-, cost-based.
    pub sla: Option<SlaCutoff>,
    pub retry: Retry,
    /// On which failures the next candidate is tried.
    pub fallback_on: Codes,
    /// Whether requests that failed elsewhere may come here.
    pub takes_fallback: bool,
    pub change: Change,
    /// For one attempt, from its begin to the end of its answer.
    pub timeout_ms: Option<u64>,
    /// From an attempt's begin to its first token.
    pub ttft_timeout_ms: Option<u64>,
    /// Only for requests whose metadata has all of these.
    pub metadata_match: Vec<(String, String)>,
}

/// How a request is changed for one target.
#[derive(Clone, Default)]
pub struct Change {
    /// `override_params`: members that replace or join those of the client's body, what references stand for in their
    /// places. Never `model` or `stream`.
    pub params: Vec<(String, Value)>,
    /// Those of them with a secret inside, which are not shown.
    pub params_hidden: Vec<String>,
    pub headers_set: Vec<(String, Secret)>,
    /// Lower case.
    pub headers_remove: Vec<String>,
}

/// A rolling mean above one of these makes the target unavailable to this rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlaCutoff {
    pub time_per_output_token_ms: Option<u32>,
    pub time_to_first_token_ms: Option<u32>,
}

/// Again on the same target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retry {
    /// After the first try.
    pub attempts: u32,
    /// Doubles with every retry; the wait is anywhere between 0 and that.
    pub delay_ms: u64,
    pub on: Codes,
}

impl Default for Retry {
    /// Spec "seed" 2.3.
    fn default() -> Self {
        Self { attempts: 2, delay_ms: 100, on: Codes::ByClass }
    }
}

/// A list of failures.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Codes {
    /// Nothing was listed: what the failure means decides.
    #[default]
    ByClass,
    /// Statuses, and classes of failures by their names (`context_length`).
    Listed { statuses: Vec<u16>, classes: Vec<ErrorClass> },
}

/// Requests with the same identifiers go to the same target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sticky {
    pub ttl_s: u64,
    pub identifiers: Vec<SessionIdentifier>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionIdentifier {
    /// A request header, lower case.
    Header(String),
    Metadata(String),
}

/// What becomes of a stream that breaks off after the client got some of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnStreamFailure {
    /// It ends with an error event.
    #[default]
    Error,
    /// Another target goes on from the text that was delivered; where it cannot, as `Restart`.
    Continue,
    /// Another target answers anew; the client gets what follows once all it has was said again, byte for byte.
    Restart,
}

impl OnStreamFailure {
    /// As the documents spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            OnStreamFailure::Error => "error",
            OnStreamFailure::Continue => "continue",
            OnStreamFailure::Restart => "restart",
        }
    }
}

/// A second target is asked when the first is late with its first token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hedge {
    /// Later than 95 % of its answers.
    AfterP95,
    AfterMs(u64),
}

#[derive(Clone)]
pub struct FallbackRule {
    pub id: Arc<str>,
    pub when: When,
    /// `when.response_status_codes`.
    pub statuses: Vec<u16>,
    /// In order.
    pub candidates: Vec<Candidate>,
}

/// A name that stands for several targets.
#[derive(Clone)]
pub struct VirtualModel {
    /// `group/name`.
    pub name: String,
    /// Usable instead.
    pub slug: Option<String>,
    pub model_types: Vec<String>,
    /// Its `when` is empty.
    pub rule: Rule,
}

impl VirtualModel {
    /// By its name, or by its slug.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.slug.as_deref() == Some(name)
    }
}
