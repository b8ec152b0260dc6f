//! One target for a request, and why it: what a model's name leads to, which candidates of a rule may serve the request,
//! and the choice among them, which is policy/route's.

use std::borrow::Cow;
use std::sync::Arc;

use super::admit::{Identified, refuse_model, refuse_permission, shortened};
use super::request::{Refusal, Request};
use crate::config::{Candidate, Change, SessionIdentifier, Snapshot};
use crate::dialect::Wire;
use crate::http1::Field;
use crate::policy::identity::permits_name;
use crate::policy::resolve::{Resolved, Unresolved, resolve};
use crate::policy::route::choose::{Ask, choose};
use crate::policy::route::when::{Caller, RuleAt};
use crate::policy::route::{sticky, when};
use crate::policy::spoken::{Spoken, spoken};
use crate::telemetry::{AttemptReason, ErrorClass, Face, Obstacle, PassedOver, Target};

/// What a model's name leads to.
pub enum Lead {
    /// A rule, whose candidates it may go to.
    Rule(RuleAt),
    /// The one target that it names.
    Direct(Pick),
}

/// One target of a plan.
#[derive(Clone)]
pub struct Pick {
    /// Index into the snapshot's accounts.
    pub account: usize,
    pub target: Arc<Target>,
    pub spoken: Spoken,
    pub reason: AttemptReason,
    pub passed_over: Option<PassedOver>,
    /// Waited before it.
    pub waited_ms: u64,
    /// Index into `Routing::targets`, where a rule names it.
    pub known: Option<usize>,
    pub from: From,
}

/// Whose settings hold.
#[derive(Clone, Copy)]
pub enum From {
    Direct,
    Rule(RuleAt, usize),
    /// Rule and candidate.
    Fallback(usize, usize),
}

impl Pick {
    /// The same target, chosen for another reason.
    pub fn because(self, reason: AttemptReason) -> Self {
        Self { reason, ..self }
    }

    /// The same target once more, after a wait.
    pub fn again(self, waited_ms: u64) -> Self {
        Self { reason: AttemptReason::Retry, waited_ms, passed_over: None, ..self }
    }

    pub fn candidate<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Candidate> {
        match self.from {
            From::Direct => None,
            From::Rule(rule, at) => rule.of(&snapshot.routing)?.candidates.get(at),
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

/// The rule for a model, or the one target that it names.
pub fn find(identified: &Identified, request: &mut Request, model: &str) -> Result<Lead, Refusal> {
    let snapshot = request.snapshot.clone();
    let face = request.record().face;
    let found = resolve(&snapshot, face, model);
    let routing = &snapshot.routing;
    if !routing.rules.is_empty() || !routing.virtual_models.is_empty() {
        let full = found.as_ref().ok().map(full_name);
        let names = [model, full.as_deref().unwrap_or(model)];
        if let Some(rule) = when::rule_for(routing, caller(request), &names) {
            return Ok(Lead::Rule(rule));
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
        passed_over: None,
        waited_ms: 0,
        known,
        from: From::Direct,
    };
    Ok(Lead::Direct(pick))
}

fn full_name<'a>(found: &Resolved<'a>) -> Cow<'a, str> {
    match found.target {
        Some(target) => Cow::Borrowed(&target.fqn),
        None => Cow::Owned(format!("{}/{}", found.account.name, found.model)),
    }
}

pub fn caller(request: &mut Request) -> Caller<'_> {
    let record = request.record();
    Caller { principal: record.principal.as_deref(), metadata: record.metadata.as_deref().unwrap_or(&[]) }
}

/// The candidates that can serve this: they speak the face, are for this metadata, and the caller may use them.
pub fn eligible(
    rule_at: RuleAt,
    identified: &Identified,
    request: &mut Request,
    snapshot: &Snapshot,
    model: &str,
) -> Result<u64, Refusal> {
    let face = request.record().face;
    let routing = &snapshot.routing;
    let Some(rule) = rule_at.of(routing) else { return Err(refuse_model(model, Unresolved::Unknown)) };
    // Who may use the name, by whichever of its spellings, may use whatever is behind it.
    let virtual_model = match rule_at {
        RuleAt::Virtual(at) => routing.virtual_models.get(at),
        RuleAt::Rule(_) => None,
    };
    let spellings = virtual_model.into_iter().flat_map(|one| [Some(one.name.as_str()), one.slug.as_deref()]).flatten();
    let mut spellings = spellings.chain([model]);
    let permissions = identified.permissions(snapshot);
    let all = permissions.is_none_or(|permissions| spellings.any(|name| permits_name(permissions, name)));
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
        (_, false, _) => {
            let message = format!("None of the targets behind `{}` has anything behind this path.", shortened(model));
            Err(Refusal::new(400, "wrong_api", message))
        }
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

pub fn pick_of(snapshot: &Snapshot, target: usize, face: Face, from: From) -> Option<Pick> {
    let known = snapshot.routing.targets.get(target)?;
    Some(Pick {
        account: known.account,
        target: known.target.clone(),
        spoken: speaks(snapshot, target, face)?,
        reason: AttemptReason::Fallback,
        passed_over: None,
        waited_ms: 0,
        known: Some(target),
        from,
    })
}

/// Why its target cannot be used now, and the failure that it would be.
pub fn obstacle(pick: &Pick, request: &Request, snapshot: &Snapshot) -> Option<(Obstacle, ErrorClass)> {
    let (shard, at) = (&request.shard, pick.known?);
    let (shards, now_ms) = (shard.loads.len() as u64, shard.unix_ms());
    shard.with_states(snapshot, |states| states.obstacle(&snapshot.routing, at, shards, now_ms))
}

/// The next candidate of a rule.
pub fn choose_of(
    rule_at: RuleAt,
    eligible: u64,
    is_fallback: bool,
    session: Option<u64>,
    tokens: (u64, u64),
    request: &mut Request,
    snapshot: &Snapshot,
) -> Option<(usize, Pick)> {
    let shard = &request.shard;
    let rule = rule_at.of(&snapshot.routing)?;
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
    let chosen = shard.with_states(snapshot, |states| choose(&rule.routing_type, &rule.candidates, states, &ask))?;
    let face = request.record().face;
    let target = rule.candidates.get(chosen.candidate)?.target;
    let mut pick = pick_of(snapshot, target, face, From::Rule(rule_at, chosen.candidate))?;
    pick.passed_over = chosen.passed_over;
    pick.reason = ask.reason(&rule.routing_type);
    Some((chosen.candidate, pick))
}

pub fn session_of(rule: RuleAt, request: &mut Request, received: &[u8]) -> Option<u64> {
    let snapshot = request.snapshot.clone();
    let sticky = rule.of(&snapshot.routing)?.sticky.as_ref()?;
    let metadata = request.record().metadata.clone();
    let metadata = metadata.as_deref().unwrap_or(&[]);
    let value = |identifier: &SessionIdentifier| match identifier {
        SessionIdentifier::Header(name) => {
            let named = |field: &&Field| field.name_span.of(received).eq_ignore_ascii_case(name.as_bytes());
            request.head.fields.iter().find(named).map(|field| field.value.of(received))
        }
        SessionIdentifier::Metadata(key) => {
            metadata.iter().find(|(known, _)| **known == **key).map(|(_, value)| value.as_bytes())
        }
    };
    let values: Vec<&[u8]> =
        sticky.identifiers.iter().map(|identifier| value(identifier).unwrap_or_default()).collect();
    // Those that the request has are the session; without any it is none.
    let is_one = values.iter().any(|value| !value.is_empty());
    is_one.then(|| sticky::session(&values, sticky.ttl_s, request.shard.unix_ms()))
}
