//! A request until it has an answer: one target after another, until one answers or nothing is left to try. Decisions are
//! policy/route's; what is sent is attempt.rs's; here is their order.

use std::pin::pin;

use super::attempt;
use super::client::Client;
use super::exchange::{self, Begun, Seen};
use super::hedge::{self, Raced};
use super::pick::Pick;
use super::plan::Plan;
use super::request::{Next, Request, Stop};
use super::rescue::Rescue;
use super::settle;
use super::tried::Tried;
use super::{answer, relay};
use crate::meter::Usage;
use crate::policy::route::judge::Then;
use crate::runtime::{boxed, sleep_ms};
use crate::telemetry::ErrorClass;

pub async fn run(plan: &mut Plan, mut pick: Pick, request: &mut Request, client: &mut Client) -> Result<Next, Stop> {
    request.shard.budget.borrow_mut().deposit(request.shard.unix_ms());
    loop {
        // Boxed, so that a stream does not carry what only its beginning needs.
        let mut tried = boxed(|| attempt(plan, &mut pick, request, client)).await?;
        let Some(failure) = tried.failure(request) else {
            return Ok(deliver(&mut tried, Some(plan), request, client).await);
        };
        if !plan.settings.cut_off(failure.class) {
            tried.using.ended(request, Some(failure.class), failure.status, failure.hint_ms, Usage::default());
        }
        let next = match plan.judge(&failure, &tried.pick, request) {
            Then::Retry { wait_ms } => {
                relay::close(&mut tried, failure.class, request);
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
                relay::close(&mut tried, failure.class, request);
                pick = next;
            }
            None => return give_up(&mut tried, failure.class, request, client).await,
        }
    }
}

/// One attempt, or two beside each other.
async fn attempt(plan: &mut Plan, pick: &mut Pick, request: &mut Request, client: &mut Client) -> Result<Tried, Stop> {
    let mut out = attempt::prepared(plan, pick, request).await?;
    let hedge_ms = hedge::wait_ms(plan, pick, request);
    let (tried, about) = Tried::begin(pick, &out, request);
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

/// What can be sent only once: its answer, or its failure, is the client's.
pub async fn answer_once(tried: &mut Tried, request: &mut Request, client: &mut Client) -> Result<Next, Stop> {
    let Some(failure) = tried.failure(request) else { return Ok(deliver(tried, None, request, client).await) };
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
