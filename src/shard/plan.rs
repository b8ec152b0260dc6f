//! Where a request may go, from one attempt to the next: what was tried, what is left, and what becomes of a failure.
//! Between the data plane, which has the request, and policy/route, which decides.

use super::admit::{Admitted, BodySpan, Identified, refuse_model};
use super::attempt::{Waits, estimate};
use super::buffers::Held;
use super::client::Client;
use super::pick::{From, Lead, Pick, caller, choose_of, eligible, find, obstacle, pick_of, session_of};
use super::request::{Refusal, Request};
use super::settings::Settings;
use crate::config::{Candidate, Codes, OnStreamFailure, Retry, Routing, RoutingType, Rule, Snapshot};
use crate::json::RequestScan;
use crate::policy::resolve::Unresolved;
use crate::policy::route::judge::{Failure, Standing, Then, falls_back, judge};
use crate::policy::route::when::{self, RuleAt};
use crate::runtime::Buf;
use crate::telemetry::{AttemptReason, Diverted, PassedOver, Route, Target};

/// Output tokens that an answer is taken to have where nothing bounds it, for its cost.
const OUTPUT_TOKENS_EXPECTED: u64 = 512;

/// A request that may go out, as often as it has to.
pub struct Plan {
    /// Head and body as they came.
    pub bytes: Buf,
    pub body: BodySpan,
    pub scan: RequestScan,
    pub settings: Settings,
    /// The rule that decides; none where the name is a target's own.
    rule: Option<RuleAt>,
    /// The model as it was asked for.
    model: String,
    /// One bit per candidate of the rule: may serve this and was not tried.
    eligible: u64,
    session: Option<u64>,
    /// The fallback rule that was come to.
    fallback: Option<usize>,
    /// What the name or its rule leads to, where a fallback rule had something better at once.
    spare: Option<Box<Pick>>,
    /// Of `Routing::targets`, those tried.
    tried: Vec<usize>,
    /// Retries on the present target.
    retries: u32,
    identified: Identified,
    held: Held,
}

/// Decides where the request goes first.
pub fn route(admitted: Admitted, request: &mut Request, client: &mut Client) -> Result<(Plan, Pick), Refusal> {
    let (mut plan, pick) = lead(admitted, client.received(), request)?;
    plan.bytes = client.take_request(std::mem::take(&mut request.in_inbox), request.record().stream);
    Ok((plan, pick))
}

/// The same for an upload, whose body is not kept: it can go elsewhere only as long as nothing of it has gone out. `head`:
/// as it was received.
pub fn route_upload(
    identified: Identified,
    model: String,
    head: &[u8],
    request: &mut Request,
) -> Result<(Plan, Pick), Refusal> {
    let held = request.shard.memory.hold();
    let (body, scan) = (BodySpan { start: 0, len: 0 }, RequestScan::default());
    lead(Admitted { identified, body, scan, model, held }, head, request)
}

fn lead(admitted: Admitted, received: &[u8], request: &mut Request) -> Result<(Plan, Pick), Refusal> {
    let Admitted { identified, body, scan, model, held } = admitted;
    let settings = Settings::read(request, received)?;
    let lead = find(&identified, request, &model)?;
    let rule = match &lead {
        Lead::Rule(rule) => Some(*rule),
        Lead::Direct(_) => None,
    };
    let session = rule.and_then(|rule| session_of(rule, request, received));
    let mut plan = Plan {
        bytes: Buf::from_content(Vec::new()),
        body,
        scan,
        settings,
        rule,
        model,
        eligible: 0,
        session,
        fallback: None,
        spare: None,
        tried: Vec::new(),
        retries: 0,
        identified,
        held,
    };
    let pick = match lead {
        Lead::Direct(pick) => pick,
        Lead::Rule(rule) => plan.first(rule, request)?,
    };
    let pick = plan.or_better(pick, request);
    plan.take(&pick);
    Ok((plan, pick))
}

impl Plan {
    fn first(&mut self, rule_at: RuleAt, request: &mut Request) -> Result<Pick, Refusal> {
        let snapshot = request.snapshot.clone();
        self.eligible = eligible(rule_at, &self.identified, request, &snapshot, &self.model)?;
        request.record().routing = rule_at
            .of(&snapshot.routing)
            .map(|rule| Route { rule: rule.id.clone(), routing_type: rule.routing_type.as_str() });
        self.of_rule(false, request, &snapshot).ok_or_else(|| refuse_model(&self.model, Unresolved::Unknown))
    }

    /// While a target cannot be used, a fallback rule for the failure that it would be decides at once, if it names one that
    /// can be.
    fn or_better(&mut self, pick: Pick, request: &mut Request) -> Pick {
        let snapshot = request.snapshot.clone();
        if snapshot.routing.fallbacks.is_empty() {
            return pick;
        }
        let Some((obstacle, class)) = obstacle(&pick, request, &snapshot) else { return pick };
        let failure = Failure { class, status: 0, hint_ms: None, forbids_retry: false, unsent: true };
        let rule = self.fallback_rule(Then::Next, &failure, &pick, request, &snapshot.routing);
        let Some(better) = rule.and_then(|rule| self.of_fallback(rule, true, request, &snapshot)) else { return pick };
        request.record().diverted = Some(Diverted { from: pick.target.clone(), reason: pick.reason, why: class });
        self.spare = Some(Box::new(pick.because(AttemptReason::Fallback)));
        let others = better.passed_over.map_or(0, |others| others.count);
        Pick { passed_over: Some(PassedOver { count: others.saturating_add(1), why: obstacle }), ..better }
    }

    /// The candidates that a failure elsewhere may bring it to.
    fn left(&self, rule: &Rule) -> u64 {
        let takes = |candidate: &Candidate| candidate.takes_fallback && !self.tried.contains(&candidate.target);
        let taken = rule.candidates.iter().enumerate().filter(|(_, candidate)| takes(candidate));
        taken.fold(0, |mask, (at, _)| mask | 1 << at) & self.eligible
    }

    /// The rule's next candidate.
    fn of_rule(&mut self, is_fallback: bool, request: &mut Request, snapshot: &Snapshot) -> Option<Pick> {
        let (at, pick) = self.chosen(is_fallback, request, snapshot)?;
        self.eligible &= !(1 << at);
        if is_fallback {
            self.take(&pick);
        }
        Some(pick)
    }

    /// The same, and its place; it is not taken yet.
    fn chosen(&self, is_fallback: bool, request: &mut Request, snapshot: &Snapshot) -> Option<(usize, Pick)> {
        let rule_at = self.rule?;
        let rule = rule_at.of(&snapshot.routing)?;
        let eligible = if is_fallback { self.left(rule) } else { self.eligible };
        let tokens = match rule.routing_type {
            RoutingType::Cost | RoutingType::Slo(_) => self.tokens(),
            _ => (0, 0),
        };
        choose_of(rule_at, eligible, is_fallback, self.session, tokens, request, snapshot)
    }

    fn tokens(&self) -> (u64, u64) {
        let input = crate::meter::estimate(&self.scan);
        (input, self.scan.max_tokens.unwrap_or(OUTPUT_TOKENS_EXPECTED).min(OUTPUT_TOKENS_EXPECTED))
    }

    fn take(&mut self, pick: &Pick) {
        self.retries = 0;
        self.tried.extend(pick.known);
    }

    /// Another target after a failure, if there is one.
    pub fn next(&mut self, then: Then, failure: &Failure, failed: &Pick, request: &mut Request) -> Option<Pick> {
        let snapshot = request.snapshot.clone();
        if then == Then::Next
            && self.fallback.is_none()
            && let Some(pick) = self.of_rule(true, request, &snapshot)
        {
            return Some(pick);
        }
        let pick = self
            .fallback_rule(then, failure, failed, request, &snapshot.routing)
            .and_then(|rule| self.of_fallback(rule, false, request, &snapshot));
        let pick = pick.or_else(|| self.spare.take().filter(|_| then == Then::Next).map(|spare| *spare))?;
        self.take(&pick);
        Some(pick)
    }

    /// The fallback rule that is for this failure. One that was come to stays, for all failures that others may do better at.
    fn fallback_rule(
        &self,
        then: Then,
        failure: &Failure,
        failed: &Pick,
        request: &mut Request,
        routing: &Routing,
    ) -> Option<usize> {
        let Some(at) = self.fallback else {
            let names = [self.model.as_str(), &failed.target.fqn];
            return when::fallback_for(routing, caller(request), &names, failure);
        };
        let rule = routing.fallbacks.get(at)?;
        (then == Then::Next || falls_back(failure, &rule.statuses)).then_some(at)
    }

    /// Another target of the rule beside one that is late: only one that can be used, and the others stay for failures.
    pub fn beside(&mut self, request: &mut Request) -> Option<Pick> {
        let snapshot = request.snapshot.clone();
        if self.fallback.is_some() {
            return None;
        }
        let (at, pick) = self.chosen(true, request, &snapshot)?;
        if obstacle(&pick, request, &snapshot).is_some() {
            return None;
        }
        self.eligible &= !(1 << at);
        self.take(&pick);
        Some(pick)
    }

    /// Another target in place of one that was not tried: of the rule, or of the fallback rule that was come to.
    pub fn instead(&mut self, request: &mut Request) -> Option<Pick> {
        let snapshot = request.snapshot.clone();
        let Some(rule) = self.fallback else { return self.of_rule(true, request, &snapshot) };
        let pick =
            self.of_fallback(rule, false, request, &snapshot).or_else(|| self.spare.take().map(|spare| *spare))?;
        self.take(&pick);
        Some(pick)
    }

    /// Whether another target is left for it; does not go there.
    fn has_next(&self, failure: &Failure, failed: &Pick, request: &mut Request, snapshot: &Snapshot) -> bool {
        if self.fallback.is_none() && self.rule(snapshot).is_some_and(|rule| self.left(rule) != 0) {
            return true;
        }
        let routing = &snapshot.routing;
        let rule = self.fallback_rule(Then::Next, failure, failed, request, routing);
        let rule = rule.and_then(|rule| routing.fallbacks.get(rule));
        rule.is_some_and(|rule| rule.candidates.iter().any(|candidate| !self.tried.contains(&candidate.target)))
    }

    /// The next target of a fallback rule: the first that can be used, else the first.
    fn of_fallback(
        &mut self,
        rule_at: usize,
        only_usable: bool,
        request: &mut Request,
        snapshot: &Snapshot,
    ) -> Option<Pick> {
        let face = request.record().face;
        let rule = snapshot.routing.fallbacks.get(rule_at)?;
        let (mut first, mut passed_over) = (None, None);
        for (at, candidate) in rule.candidates.iter().enumerate() {
            if self.tried.contains(&candidate.target) {
                continue;
            }
            let Some(pick) = pick_of(snapshot, candidate.target, face, From::Fallback(rule_at, at)) else { continue };
            let Some((obstacle, _)) = obstacle(&pick, request, snapshot) else {
                first = Some(Pick { passed_over, ..pick });
                break;
            };
            passed_over = Some(PassedOver::after(passed_over, obstacle));
            if !only_usable {
                first.get_or_insert(pick);
            }
        }
        let pick = first?;
        self.fallback = Some(rule_at);
        request.record().fallback_rule = Some(rule.id.clone());
        Some(pick)
    }

    /// What becomes of the request after this failure.
    pub fn judge(&mut self, failure: &Failure, failed: &Pick, request: &mut Request) -> Then {
        let snapshot = request.snapshot.clone();
        let candidate = failed.candidate(&snapshot);
        let none = Retry { attempts: 0, ..Retry::default() };
        let retry = self.settings.retry.as_deref().or(candidate.map(|candidate| &candidate.retry)).unwrap_or(&none);
        let by_class = Codes::ByClass;
        let fallback_on = candidate.map_or(&by_class, |candidate| &candidate.fallback_on);
        let shard = request.shard.clone();
        let now_ms = shard.unix_ms();
        let healthy = failed
            .known
            .is_none_or(|at| shard.with_states(&snapshot, |states| states.admits(&snapshot.routing, at, now_ms)));
        let standing = Standing {
            retry,
            fallback_on,
            retries: self.retries,
            healthy,
            has_next: self.has_next(failure, failed, request, &snapshot),
            budget: shard.budget.borrow().allows(),
            random: shard.random(),
        };
        let then = judge(failure, &standing);
        let otherwise = || judge(failure, &Standing { budget: true, ..standing });
        if !standing.budget && matches!(otherwise(), Then::Retry { .. }) {
            shard.count(|counters| counters.retries_denied += 1);
        }
        if matches!(then, Then::Retry { .. }) {
            self.retries += 1;
            shard.budget.borrow_mut().withdraw();
        }
        then
    }

    pub fn waits(&self, pick: &Pick, snapshot: &Snapshot) -> Waits {
        let candidate = pick.candidate(snapshot);
        let of = |set: fn(&Candidate) -> Option<u64>| candidate.and_then(set);
        let total_ms = self.settings.timeout_ms.or(of(|candidate| candidate.timeout_ms));
        Waits {
            first_token_ms: self.settings.ttft_timeout_ms.or(of(|candidate| candidate.ttft_timeout_ms)),
            total_ms: total_ms.unwrap_or(u64::MAX).min(snapshot.limits.total_ms),
        }
    }

    /// How a stream is carried on that breaks off after the client got some of it; `None`: it is not.
    pub fn rescues(&self, request: &mut Request) -> Option<OnStreamFailure> {
        let how = self.rule(&request.snapshot)?.on_stream_failure;
        (how != OnStreamFailure::Error && request.record().stream).then_some(how)
    }

    pub fn rule<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Rule> {
        self.rule?.of(&snapshot.routing)
    }

    /// Lets go of the request's bytes when it can go out only once.
    pub fn sent(&mut self, request: &mut Request) {
        let again = self.settings.retry.is_some() || self.rule.is_some();
        if !again && request.snapshot.routing.fallbacks.is_empty() {
            self.give_back(request);
        }
    }

    /// Nothing more of it goes out.
    pub fn give_back(&mut self, request: &mut Request) {
        let bytes = std::mem::replace(&mut self.bytes, Buf::from_content(Vec::new()));
        request.shard.buffers.give(bytes);
        // They are spans of it.
        request.head.fields = Vec::new();
        self.held.set(0);
    }

    /// Tokens of the input, by what is known of the target.
    pub fn input_tokens(&self, target: &Target) -> u64 {
        estimate(&self.scan, target).tokens
    }
}
