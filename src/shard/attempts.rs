//! A request until it has an answer: one target after another, until one answers or nothing is left to try. Decisions are
//! policy/route's; what is sent is attempt.rs's; here is their order.

use std::pin::pin;

use super::attempt::{self, InputEstimate, Outgoing};
use super::client::Client;
use super::exchange::{self, Begun, Nothing, Seen};
use super::hedge::{self, Raced};
use super::pick::Pick;
use super::plan::Plan;
use super::request::{Next, Refusal, Request, Stop};
use super::rescue::Rescue;
use super::settle;
use super::using::Using;
use super::{answer, relay};
use crate::meter::Usage;
use crate::policy::route::judge::{Failure, Then};
use crate::runtime::{boxed, sleep_ms};
use crate::telemetry::ErrorClass;

/// An attempt that has come to its answer, or to nothing.
pub struct Tried {
    /// Its place in the record.
    pub at: usize,
    pub pick: Pick,
    pub using: Using,
    pub input: InputEstimate,
    pub result: Result<Box<Begun>, Nothing>,
}

pub async fn run(plan: &mut Plan, mut pick: Pick, request: &mut Request, client: &mut Client) -> Result<Next, Stop> {
    request.shard.budget.borrow_mut().deposit(request.shard.unix_ms());
    loop {
        // Boxed, so that a stream does not carry what only its beginning needs.
        let mut tried = boxed(|| attempt(plan, &mut pick, request, client)).await?;
        let Some(failure) = failure(&tried.result, request) else {
            return Ok(deliver(&mut tried, Some(plan), request, client).await);
        };
        if !plan.settings.cut_off(failure.class) {
            tried.using.ended(request, Some(failure.class), failure.status, failure.hint_ms, Usage::default());
        }
        let next = match plan.judge(&failure, &tried.pick, request) {
            Then::Retry { wait_ms } => {
                close(&mut tried, failure.class, request);
                if client.or_gone(sleep_ms(wait_ms).as_mut()).await.is_none() {
                    return Err(attempt::gone(request));
                }
                pick = tried.pick.again(wait_ms);
                continue;
            }
            then => plan.next(then, &failure, &tried.pick, request),
        };
        match next {
            Some(next) => {
                close(&mut tried, failure.class, request);
                pick = next;
            }
            None => return give_up(&mut tried, failure.class, request, client).await,
        }
    }
}

/// One attempt, or two beside each other.
async fn attempt(plan: &mut Plan, pick: &mut Pick, request: &mut Request, client: &mut Client) -> Result<Tried, Stop> {
    let mut out = prepared(plan, pick, request).await?;
    let hedge_ms = hedge::wait_ms(plan, pick, request);
    let (tried, about) = begin(pick, &out, request);
    plan.sent(request);
    client.watch();
    let mut seen = Seen::default();
    let raced = {
        let mut running = pin!(exchange::run(about, client.deadline.clone(), &mut out, &mut seen));
        match hedge_ms {
            None => client.or_gone(running.as_mut()).await.map(Raced::Alone),
            Some(wait_ms) => Box::pin(hedge::run(running.as_mut(), wait_ms, plan, request, client)).await,
        }
    };
    attempt::saw(request, tried.at, seen);
    let Some(raced) = raced else { return Err(attempt::gone(request)) };
    Ok(match raced {
        Raced::Alone(result) => Tried { result, ..tried },
        Raced::First { result, hedge, hedge_error } => {
            let last = hedge.at;
            hedge::lose(hedge, hedge_error, request);
            hedge::put_last(tried.at, request);
            Tried { at: last, result, ..tried }
        }
        Raced::Hedge { hedge, first } => {
            hedge::lose(tried, first, request);
            *hedge
        }
    })
}

/// A target that cannot be asked this is passed over: `pick` is the one that can.
pub async fn prepared(plan: &mut Plan, pick: &mut Pick, request: &mut Request) -> Result<Outgoing, Refusal> {
    let mut first: Option<Refusal> = None;
    loop {
        match attempt::prepare(plan, pick, request).await {
            Ok(mut out) => {
                attempt::track(plan, pick, &mut out, request);
                return Ok(out);
            }
            Err(refusal) => {
                let said = first.take().unwrap_or(refusal);
                let Some(next) = plan.instead(request) else { return Err(said) };
                first = Some(said);
                *pick = next.because(pick.reason);
            }
        }
    }
}

/// Opens the attempt in the record and towards routing.
pub fn begin(pick: &Pick, out: &Outgoing, request: &mut Request) -> (Tried, exchange::About) {
    let using = Using::begin(request, pick, out.input.tokens);
    let at = attempt::begin(request, pick, out.span_id);
    let unsent = Nothing { error: ErrorClass::Internal, unsent: true };
    (Tried { at, pick: pick.clone(), using, input: out.input, result: Err(unsent) }, attempt::about(request))
}

/// Why it is no answer.
pub fn failure(result: &Result<Box<Begun>, Nothing>, request: &Request) -> Option<Failure> {
    let begun = match result {
        Err(Nothing { error, unsent }) => {
            let (class, unsent) = (*error, *unsent);
            return Some(Failure { class, status: 0, hint_ms: None, forbids_retry: false, unsent });
        }
        Ok(begun) => begun,
    };
    let class = begun.failure?;
    let hints = begun.facts.hints(&request.shard);
    Some(Failure {
        class,
        status: if begun.facts.head.status >= 400 { begun.facts.head.status } else { 0 },
        hint_ms: hints.wait_ms(begun.relay.said()),
        forbids_retry: hints.forbids_retry(),
        unsent: false,
    })
}

impl Tried {
    /// Takes its answer out of it, or why there is none.
    pub fn take(&mut self) -> Result<Box<Begun>, Nothing> {
        std::mem::replace(&mut self.result, Err(ErrorClass::Internal.into()))
    }
}

/// Ends a failed attempt that another one follows.
pub fn close(tried: &mut Tried, class: ErrorClass, request: &mut Request) {
    attempt::end_at(request, tried.at, Some(class));
    if let Ok(mut begun) = tried.take() {
        let Begun { relay, facts, .. } = &mut *begun;
        settle::undelivered(request, tried.at, &mut relay.reader.reading, facts);
        relay::release(begun, request, true);
    }
}

/// What can be sent only once: its answer, or its failure, is the client's.
pub async fn answer_once(tried: &mut Tried, request: &mut Request, client: &mut Client) -> Result<Next, Stop> {
    let Some(failure) = failure(&tried.result, request) else { return Ok(deliver(tried, None, request, client).await) };
    tried.using.ended(request, Some(failure.class), failure.status, failure.hint_ms, Usage::default());
    give_up(tried, failure.class, request, client).await
}

/// The client gets this failure.
async fn give_up(
    tried: &mut Tried,
    class: ErrorClass,
    request: &mut Request,
    client: &mut Client,
) -> Result<Next, Stop> {
    let begun = match &mut tried.result {
        Ok(begun) => begun,
        Err(nothing) => return Err(attempt::fail(request, *nothing)),
    };
    if let Some(refusal) = relay::refusal(begun, class, request) {
        let Begun { relay, facts, .. } = &mut **begun;
        settle::usage(request, &mut relay.reader.reading, facts, Usage::default());
        if let Ok(begun) = tried.take() {
            relay::release(begun, request, true);
        }
        return Ok(answer::refuse(request, client, refusal).await);
    }
    let keep_alive = relay::commit(begun, &tried.using, request);
    let delivered = begun.relay.pump(client).await;
    Ok(relay::finish(tried, delivered, keep_alive, request))
}

/// Passes the answer on, and sees that a stream that breaks off is carried on, or ends as what it is.
async fn deliver(tried: &mut Tried, plan: Option<&mut Plan>, request: &mut Request, client: &mut Client) -> Next {
    let Tried { using, result: Ok(begun), pick, .. } = tried else { return Next::Abort };
    using.answers();
    let keep_alive = relay::commit(begun, using, request);
    let mut plan = match plan {
        Some(plan) if plan.rescues(request).is_none() => {
            plan.give_back(request);
            None
        }
        plan => plan,
    };
    let mut delivered = begun.relay.pump(client).await;
    while delivered.is_ok() && begun.relay.is_broken() {
        let carried_on = match &mut plan {
            Some(plan) => {
                let rescue = Rescue { begun: &mut *begun, using: &mut *using, pick: &mut *pick, plan };
                Box::pin(rescue.run(request, client)).await
            }
            None => Ok(false),
        };
        match carried_on {
            Ok(true) => delivered = begun.relay.pump(client).await,
            Ok(false) => {
                begun.relay.say_broken(request.record().id);
                delivered = begun.relay.pump(client).await;
                break;
            }
            Err(error) => delivered = Err(error),
        }
    }
    relay::finish(tried, delivered, keep_alive, request)
}
