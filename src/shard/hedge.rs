//! A second target for a request whose first one is late (opt-in by rule). Whichever has an answer first serves it; the
//! other is dropped, and what it cost is accounted for.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use super::client::Client;
use super::exchange::{self, Begun, Nothing, Seen};
use super::pick::Pick;
use super::plan::Plan;
use super::request::Request;
use super::tried::Tried;
use super::{attempt, relay, settle};
use crate::config::Hedge;
use crate::meter::Usage;
use crate::runtime::sleep_ms;
use crate::telemetry::{AttemptReason, ErrorClass};

type Result = std::result::Result<Box<Begun>, Nothing>;

/// How a race ended.
pub enum Raced {
    /// There was none.
    Alone(Result),
    /// The first target was faster, or the last to fail.
    First { result: Result, hedge: Tried, hedge_error: Option<Failed> },
    /// The second one. `first`: what the first one had come to, if it had failed.
    Hedge { hedge: Box<Tried>, first: Option<Failed> },
}

/// The one that failed first, while the other one was still waited for.
pub struct Failed {
    result: Result,
    /// By a bound of the request's own, which says nothing of the target.
    cut_off: bool,
}

/// How long the first target is waited for; `None`: there is no second one.
pub fn wait_ms(plan: &Plan, pick: &Pick, request: &Request) -> Option<u64> {
    let rule = plan.rule(&request.snapshot)?;
    match rule.hedge? {
        Hedge::AfterMs(wait_ms) => Some(wait_ms),
        Hedge::AfterP95 => {
            let (at, now_ms) = (pick.known?, request.shard.unix_ms());
            let ttft_us = request
                .shard
                .with_states(&request.snapshot, |states| states.targets.get_mut(at)?.latency.ttft_p95_us(now_ms))?;
            Some(ttft_us.div_ceil(1000))
        }
    }
}

/// Waits for the first target, and for a second one once the first is late. `None`: the client has left.
pub async fn run(
    mut first: Pin<&mut impl Future<Output = Result>>,
    wait_ms: u64,
    plan: &mut Plan,
    request: &mut Request,
    client: &mut Client,
) -> Option<Raced> {
    let early = {
        let mut late = sleep_ms(wait_ms);
        let either = poll_fn(|cx| {
            if let Poll::Ready(result) = first.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            late.as_mut().poll(cx).map(|()| None)
        });
        client.or_gone(pin!(either)).await?
    };
    if let Some(result) = early {
        return Some(Raced::Alone(result));
    }
    let Some((pick, mut out)) = second(plan, request).await else {
        return client.or_gone(first).await.map(Raced::Alone);
    };
    let (mut hedge, about) = Tried::begin(&pick, &out, request);
    let mut seen = Seen::default();
    let deadline = request.shard.watch.deadline();
    let mut running = Box::pin(exchange::run(about, deadline, &mut out, &mut seen));
    let (mut first_failed, mut hedge_failed) = (None, None);
    let race = poll_fn(|cx| {
        if first_failed.is_none()
            && let Poll::Ready(result) = first.as_mut().poll(cx)
        {
            match failed(&result) {
                Some(error) if hedge_failed.is_none() => {
                    first_failed = Some(Failed { result, cut_off: plan.settings.cut_off(error) });
                }
                _ => return Poll::Ready((true, result)),
            }
        }
        if hedge_failed.is_none()
            && let Poll::Ready(result) = running.as_mut().poll(cx)
        {
            match failed(&result) {
                Some(error) if first_failed.is_none() => {
                    hedge_failed = Some(Failed { result, cut_off: plan.settings.cut_off(error) });
                }
                _ => return Poll::Ready((false, result)),
            }
        }
        Poll::Pending
    });
    let raced = client.or_gone(pin!(race)).await;
    drop(running);
    attempt::saw(request, hedge.at, seen);
    let (is_first, result) = raced?;
    Some(match is_first {
        true => Raced::First { result, hedge, hedge_error: hedge_failed },
        false => {
            hedge.result = result;
            Raced::Hedge { hedge: Box::new(hedge), first: first_failed }
        }
    })
}

async fn second(plan: &mut Plan, request: &mut Request) -> Option<(Pick, attempt::Outgoing)> {
    if !request.shard.budget.borrow().allows() {
        request.shard.count(|counters| counters.retries_denied += 1);
        return None;
    }
    let mut pick = plan.beside(request)?.because(AttemptReason::Hedge);
    let out = attempt::prepared(plan, &mut pick, request).await.ok()?;
    request.shard.budget.borrow_mut().withdraw();
    Some((pick, out))
}

fn failed(result: &Result) -> Option<ErrorClass> {
    match result {
        Ok(begun) => begun.failure,
        Err(nothing) => Some(nothing.error),
    }
}

/// The slower of two. One that has failed is a failed attempt as any other is; of one that has not, the provider has
/// worked on the request, as far as anybody knows.
pub fn lose(mut loser: Tried, failed: Option<Failed>, request: &mut Request) {
    let Some(Failed { result, cut_off }) = failed else {
        attempt::end_at(request, loser.at, Some(ErrorClass::HedgeLost));
        return settle::dropped(request, loser.at, loser.input);
    };
    loser.result = result;
    let Some(failure) = loser.failure(request) else { return };
    if !cut_off {
        loser.using.ended(request, Some(failure.class), failure.status, failure.hint_ms, Usage::default());
    }
    relay::close(&mut loser, failure.class, request);
}

/// The last attempt in the record is the one that answers.
pub fn put_last(at: usize, request: &mut Request) {
    let attempts = &mut request.record().attempts;
    let last = attempts.len().saturating_sub(1);
    if at < last {
        attempts.swap(at, last);
    }
}
