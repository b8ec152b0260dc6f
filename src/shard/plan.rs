//! Where a request may go: the rule that decides, what was tried, and what is next. Between the data plane, which has the
//! request, and policy/route, which decides.

use std::rc::Rc;
use std::sync::Arc;

use super::admit::{Admitted, BodySpan, Identified, refuse_model, refuse_permission, shortened};
use super::attempt::{Waits, estimate};
use super::buffers::Held;
use super::client::Client;
use super::request::{Refusal, Request};
use super::settings::Settings;
use crate::config::{Candidate, Change, Codes, OnStreamFailure, Retry, RoutingType, Rule, SessionIdentifier, Snapshot};
use crate::dialect::Wire;
use crate::json::RequestScan;
use crate::policy::identity::permits_name;
use crate::policy::resolve::{Resolved, Unresolved, resolve};
use crate::policy::route::choose::{self, Ask, Choice};
use crate::policy::route::judge::{Failure, Standing, Then, falls_back, judge};
use crate::policy::route::when::Caller;
use crate::policy::route::{sticky, when};
use crate::policy::spoken::{Spoken, spoken};
use crate::runtime::Buf;
use crate::telemetry::{AttemptReason, Face, Route, Target};

/// Output tokens that an answer is taken to have where nothing bounds it, for its cost.
const OUTPUT_TOKENS_EXPECTED: u64 = 512;

/// A request that may go out, as often as it has to.
pub struct Plan {
    /// Head and body as they came.
    pub bytes: Buf,
    pub body: BodySpan,
    pub scan: RequestScan,
    pub settings: Settings,
    way: Way,
    /// The model as it was asked for.
    model: String,
    /// One bit per candidate of the rule: may serve this and was not tried.
    eligible: u64,
    session: Option<u64>,
    /// The fallback rule that was come to, and its next candidate.
    fallback: Option<(usize, usize)>,
    /// Of `Routing::targets`, those tried.
    tried: Vec<usize>,
    /// Retries on the present target.
    retries: u32,
    identified: Identified,
    _held: Held,
}

/// What decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The name is a target's own.
    Direct,
    /// Index into `Routing::rules`.
    Rule(usize),
    /// Index into `Routing::virtual_models`.
    Virtual(usize),
}

/// One target of a plan.
#[derive(Clone)]
pub struct Pick {
    /// Index into the snapshot's accounts.
    pub account: usize,
    pub target: Arc<Target>,
    pub spoken: Spoken,
    pub reason: AttemptReason,
    pub passed_over: u8,
    /// Waited before it.
    pub waited_ms: u64,
    /// Index into `Routing::targets`, where a rule names it.
    pub known: Option<usize>,
    from: From,
}

/// Whose settings hold.
#[derive(Clone, Copy)]
enum From {
    Direct,
    Rule(Way, usize),
    /// Rule and candidate.
    Fallback(usize, usize),
}

impl Way {
    fn rule(self, snapshot: &Snapshot) -> Option<&Rule> {
        match self {
            Way::Direct => None,
            Way::Rule(at) => snapshot.routing.rules.get(at),
            Way::Virtual(at) => snapshot.routing.virtual_models.get(at).map(|model| &model.rule),
        }
    }
}

impl Pick {
    /// The same target, chosen for another reason.
    pub fn because(self, reason: AttemptReason) -> Self {
        Self { reason, ..self }
    }

    /// The same target once more, after a wait.
    pub fn again(self, waited_ms: u64) -> Self {
        Self { reason: AttemptReason::Retry, waited_ms, passed_over: 0, ..self }
    }

    pub fn candidate<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Candidate> {
        match self.from {
            From::Direct => None,
            From::Rule(way, at) => way.rule(snapshot)?.candidates.get(at),
            From::Fallback(rule, at) => snapshot.routing.fallbacks.get(rule)?.candidates.get(at),
        }
    }

    /// What it is spoken to in, for a client's call of this face.
    pub fn wire(&self, face: Face) -> Wire {
        match self.spoken {
            Spoken::Translated(wire) => wire,
            _ => Wire::of(face),
        }
    }

    pub fn change<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Change> {
        self.candidate(snapshot).map(|candidate| &candidate.change)
    }
}

/// Decides where the request goes first.
pub fn route(admitted: Admitted, request: &mut Request, client: &mut Client) -> Result<(Plan, Pick), Refusal> {
    let Admitted { identified, body, scan, model, held } = admitted;
    let settings = Settings::read(request, client.received())?;
    let (way, direct) = find(&identified, request, &model)?;
    let snapshot = request.snapshot.clone();
    let session = way.rule(&snapshot).and_then(|rule| session_of(rule, request, client.received()));
    let bytes = client.take_request(std::mem::take(&mut request.in_inbox));
    let mut plan = Plan {
        bytes,
        body,
        scan,
        settings,
        way,
        model,
        eligible: 0,
        session,
        fallback: None,
        tried: Vec::new(),
        retries: 0,
        identified,
        _held: held,
    };
    let pick = match direct {
        Some(pick) => pick,
        None => plan.first(request, &snapshot)?,
    };
    plan.take(&pick);
    Ok((plan, pick))
}

/// Where the model leads, for a request whose body is not kept.
pub fn target_of(
    identified: &Identified,
    request: &mut Request,
    received: &[u8],
    model: &str,
) -> Result<Pick, Refusal> {
    let (way, direct) = find(identified, request, model)?;
    if let Some(pick) = direct {
        return Ok(pick);
    }
    let snapshot = request.snapshot.clone();
    let Some(rule) = way.rule(&snapshot) else { return Err(refuse_model(model, Unresolved::Unknown)) };
    let eligible = eligible(rule, identified, request, &snapshot, model)?;
    let session = session_of(rule, request, received);
    choose_of(way, rule, eligible, false, session, (0, 0), request, &snapshot)
        .map(|(_, pick)| pick)
        .ok_or_else(|| refuse_model(model, Unresolved::Unknown))
}

/// The rule for a model, or the one target that it names.
fn find(identified: &Identified, request: &mut Request, model: &str) -> Result<(Way, Option<Pick>), Refusal> {
    let snapshot = request.snapshot.clone();
    let face = request.record().face;
    let found = resolve(&snapshot, face, model);
    let routing = &snapshot.routing;
    if !routing.rules.is_empty() || !routing.virtual_models.is_empty() {
        let full = found.as_ref().ok().map(|found| full_name(found));
        let names = [model, full.as_deref().unwrap_or(model)];
        let caller = caller(request);
        let rule = routing.rules.iter().position(|rule| when::matches(&rule.when, caller, &names)).map(Way::Rule);
        let virtual_model = || {
            let named = |one: &crate::config::VirtualModel| one.name == model || one.slug.as_deref() == Some(model);
            routing.virtual_models.iter().position(named).map(Way::Virtual)
        };
        if let Some(way) = rule.or_else(virtual_model) {
            return Ok((way, None));
        }
    }
    let found = found.map_err(|unresolved| refuse_model(model, unresolved))?;
    if !identified.may_use(&snapshot, &found.account.name, found.model) {
        return Err(refuse_permission(&format!("{}/{}", found.account.name, shortened(found.model))));
    }
    let target = match found.target {
        Some(target) => target.clone(),
        None => request
            .shard
            .passed_on(&snapshot, found.account_index, shortened(found.model))
            .ok_or_else(|| refuse_model(model, Unresolved::Unknown))?,
    };
    let known =
        routing.targets.iter().position(|one| Arc::ptr_eq(&one.target, &target) || one.target.fqn == target.fqn);
    let pick = Pick {
        account: found.account_index,
        target,
        spoken: found.spoken,
        reason: AttemptReason::Direct,
        passed_over: 0,
        waited_ms: 0,
        known,
        from: From::Direct,
    };
    Ok((Way::Direct, Some(pick)))
}

fn full_name(found: &Resolved<'_>) -> String {
    match found.target {
        Some(target) => target.fqn.to_string(),
        None => format!("{}/{}", found.account.name, found.model),
    }
}

fn caller(request: &mut Request) -> Caller<'_> {
    let record = request.record();
    Caller { principal: record.principal.as_deref(), metadata: record.metadata.as_deref().unwrap_or(&[]) }
}

/// The candidates that can serve this: they speak the face, are for this metadata, and the caller may use them.
fn eligible(
    rule: &Rule,
    identified: &Identified,
    request: &mut Request,
    snapshot: &Snapshot,
    model: &str,
) -> Result<u64, Refusal> {
    let face = request.record().face;
    // Who may use the name may use whatever is behind it.
    let all = identified.permissions(snapshot).is_none_or(|permissions| permits_name(permissions, model));
    let (mut mask, mut permitted, mut spoken_to) = (0_u64, false, false);
    let caller = caller(request);
    for (at, candidate) in rule.candidates.iter().enumerate() {
        let Some(known) = snapshot.routing.targets.get(candidate.target) else { continue };
        let Some(account) = snapshot.accounts.get(known.account) else { continue };
        if !all && !identified.may_use(snapshot, &account.name, &known.target.model) {
            continue;
        }
        permitted = true;
        if speaks(snapshot, candidate.target, face).is_none() {
            continue;
        }
        spoken_to = true;
        if caller.has_metadata(&candidate.metadata_match) {
            mask |= 1 << at;
        }
    }
    match (permitted, spoken_to, mask) {
        (false, ..) => Err(refuse_permission(shortened(model))),
        (_, false, _) => Err(refuse_model(model, Unresolved::WrongApi(rule.id.to_string()))),
        (_, _, 0) => Err(Refusal::new(
            400,
            "no_target_for_metadata",
            format!("No target behind `{}` is for requests with this metadata.", shortened(model)),
        )),
        _ => Ok(mask),
    }
}

fn speaks(snapshot: &Snapshot, target: usize, face: Face) -> Option<Spoken> {
    let known = snapshot.routing.targets.get(target)?;
    spoken(snapshot.accounts.get(known.account)?, &known.target.model, face)
}

fn pick_of(snapshot: &Snapshot, target: usize, face: Face, from: From) -> Option<Pick> {
    let known = snapshot.routing.targets.get(target)?;
    Some(Pick {
        account: known.account,
        target: known.target.clone(),
        spoken: speaks(snapshot, target, face)?,
        reason: AttemptReason::Fallback,
        passed_over: 0,
        waited_ms: 0,
        known: Some(target),
        from,
    })
}

#[expect(clippy::too_many_arguments)]
fn choose_of(
    way: Way,
    rule: &Rule,
    eligible: u64,
    is_fallback: bool,
    session: Option<u64>,
    tokens: (u64, u64),
    request: &mut Request,
    snapshot: &Snapshot,
) -> Option<(usize, Pick)> {
    let shard = &request.shard;
    let ask = Ask {
        eligible,
        is_fallback,
        now_ms: shard.unix_ms(),
        random: shard.random(),
        session,
        tokens,
        shards: shard.loads.len() as u64,
        routing: &snapshot.routing,
    };
    let chosen: Choice = choose::choose(&rule.routing_type, &rule.candidates, &mut shard.states.borrow_mut(), &ask)?;
    let face = request.record().face;
    let target = rule.candidates.get(chosen.candidate)?.target;
    let mut pick = pick_of(snapshot, target, face, From::Rule(way, chosen.candidate))?;
    pick.passed_over = chosen.passed_over;
    pick.reason = ask.reason(&rule.routing_type);
    Some((chosen.candidate, pick))
}

fn session_of(rule: &Rule, request: &mut Request, received: &[u8]) -> Option<u64> {
    let sticky = rule.sticky.as_ref()?;
    let mut values: Vec<Vec<u8>> = Vec::with_capacity(sticky.identifiers.len());
    for identifier in &sticky.identifiers {
        values.push(match identifier {
            SessionIdentifier::Header(name) => {
                let named =
                    |field: &&crate::http1::Field| field.name_span.of(received).eq_ignore_ascii_case(name.as_bytes());
                let field = request.head.fields.iter().find(named)?;
                field.value.of(received).to_vec()
            }
            SessionIdentifier::Metadata(key) => {
                let metadata = caller(request).metadata;
                metadata.iter().find(|(known, _)| **known == **key)?.1.as_bytes().to_vec()
            }
        });
    }
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    Some(sticky::session(&values, sticky.ttl_s, request.shard.unix_ms()))
}

impl Plan {
    fn first(&mut self, request: &mut Request, snapshot: &Rc<Snapshot>) -> Result<Pick, Refusal> {
        let Some(rule) = self.way.rule(snapshot) else { return Err(refuse_model(&self.model, Unresolved::Unknown)) };
        self.eligible = eligible(rule, &self.identified, request, snapshot, &self.model)?;
        request.record().routing = Some(Route { rule: rule.id.clone(), routing_type: rule.routing_type.as_str() });
        self.of_rule(false, request, snapshot).ok_or_else(|| refuse_model(&self.model, Unresolved::Unknown))
    }

    /// The rule's next candidate.
    fn of_rule(&mut self, is_fallback: bool, request: &mut Request, snapshot: &Rc<Snapshot>) -> Option<Pick> {
        let rule = self.way.rule(snapshot)?;
        let mut eligible = self.eligible;
        if is_fallback {
            for (at, candidate) in rule.candidates.iter().enumerate() {
                if !candidate.takes_fallback || self.tried.contains(&candidate.target) {
                    eligible &= !(1 << at);
                }
            }
        }
        let tokens = match rule.routing_type {
            RoutingType::Cost | RoutingType::Slo(_) => self.tokens(),
            _ => (0, 0),
        };
        let (at, pick) = choose_of(self.way, rule, eligible, is_fallback, self.session, tokens, request, snapshot)?;
        self.eligible &= !(1 << at);
        if is_fallback {
            self.take(&pick);
        }
        Some(pick)
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
        self.of_fallback(failure, failed, request, &snapshot)
    }

    /// Another target for a stream that broke off; the same one, once, where no other is left and it may be tried again.
    pub fn carry_on(&mut self, failure: &Failure, failed: &Pick, request: &mut Request) -> Option<Pick> {
        if let Some(next) = self.next(Then::Next, failure, failed, request) {
            return Some(next);
        }
        let snapshot = request.snapshot.clone();
        let retry = self.settings.retry.as_ref().or(failed.candidate(&snapshot).map(|candidate| &candidate.retry))?;
        if self.retries >= retry.attempts.min(1) || !request.shard.budget.borrow().allows() {
            return None;
        }
        self.retries += 1;
        request.shard.budget.borrow_mut().withdraw();
        Some(failed.clone())
    }

    /// Another target of the rule in place of one that was not tried, or is late.
    pub fn instead(&mut self, request: &mut Request) -> Option<Pick> {
        let snapshot = request.snapshot.clone();
        self.of_rule(true, request, &snapshot)
    }

    /// Whether there is another target for it at all; does not go there.
    pub fn has_next(&self, request: &Request) -> bool {
        let snapshot = &request.snapshot;
        let takes = |rule: &Rule| {
            let mut left = rule.candidates.iter().enumerate().filter(|(at, _)| self.eligible & (1 << at) != 0);
            left.any(|(_, candidate)| candidate.takes_fallback && !self.tried.contains(&candidate.target))
        };
        self.fallback.is_none() && self.way.rule(snapshot).is_some_and(takes)
    }

    fn of_fallback(
        &mut self,
        failure: &Failure,
        failed: &Pick,
        request: &mut Request,
        snapshot: &Rc<Snapshot>,
    ) -> Option<Pick> {
        let routing = &snapshot.routing;
        let (rule_at, mut next) = match self.fallback {
            Some(found) => found,
            None => {
                let names = [self.model.as_str(), &failed.target.fqn];
                let caller = caller(request);
                let found = routing.fallbacks.iter().position(|rule| {
                    falls_back(failure, &rule.statuses) && when::matches(&rule.when, caller, &names)
                })?;
                (found, 0)
            }
        };
        let face = request.record().face;
        let rule = routing.fallbacks.get(rule_at)?;
        while let Some(candidate) = rule.candidates.get(next) {
            let from = From::Fallback(rule_at, next);
            next += 1;
            self.fallback = Some((rule_at, next));
            if self.tried.contains(&candidate.target) || !caller(request).has_metadata(&candidate.metadata_match) {
                continue;
            }
            if let Some(pick) = pick_of(snapshot, candidate.target, face, from) {
                request.record().fallback_rule = Some(rule.id.clone());
                self.take(&pick);
                return Some(pick);
            }
        }
        None
    }

    /// What becomes of the request after this failure.
    pub fn judge(&mut self, failure: &Failure, failed: &Pick, request: &mut Request) -> Then {
        let snapshot = request.snapshot.clone();
        let candidate = failed.candidate(&snapshot);
        let none = Retry { attempts: 0, ..Retry::default() };
        let retry = self.settings.retry.as_ref().or(candidate.map(|candidate| &candidate.retry)).unwrap_or(&none);
        let by_class = Codes::ByClass;
        let fallback_on = candidate.map_or(&by_class, |candidate| &candidate.fallback_on);
        let shard = request.shard.clone();
        let now_ms = shard.unix_ms();
        let healthy = failed
            .known
            .is_none_or(|at| shard.states.borrow().targets.get(at).is_none_or(|state| state.health.admits(now_ms)));
        let standing = Standing {
            retry,
            fallback_on,
            retries: self.retries,
            healthy,
            has_next: self.has_next(request),
            budget: shard.budget.borrow().allows(),
            random: shard.random(),
        };
        let then = judge(failure, &standing);
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
        let how = self.way.rule(&request.snapshot)?.on_stream_failure;
        (how != OnStreamFailure::Error && request.record().stream).then_some(how)
    }

    pub fn rule<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Rule> {
        self.way.rule(snapshot)
    }

    /// Lets go of the request's bytes when it can go out only once.
    pub fn sent(&mut self, request: &Request) {
        let again = self.settings.retry.is_some() || self.way != Way::Direct;
        if !again && request.snapshot.routing.fallbacks.is_empty() {
            let bytes = std::mem::replace(&mut self.bytes, request.shard.buffers.take(0));
            request.shard.buffers.give(bytes);
        }
    }

    /// Tokens of the input, by what is known of the target.
    pub fn input_tokens(&self, target: &Target) -> u64 {
        estimate(&self.scan, target).tokens
    }
}
