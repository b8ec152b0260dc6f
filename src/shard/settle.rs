//! The end of an attempt: what was used, what went wrong, and the record's last fields.

use super::attempt::InputEstimate;
use super::exchange::Facts;
use super::request::{Entry, Request};
use crate::config::Api;
use crate::dialect::Reading;
use crate::mesh::Up;
use crate::meter::{self, Charge, Usage, UsageSource};
use crate::provider::classify_named;
use crate::runtime::{sleep_ms, spawn};
use crate::telemetry::{ErrorClass, Record};

/// The class of an answer that is itself an error. `name`: what a header calls it, if one does.
pub fn error_of(api: Api, status: u16, name: &str, body: &[u8]) -> Option<ErrorClass> {
    (status >= 400).then(|| classify_named(api, status, name.as_bytes(), body))
}

/// Puts the usage and its cost into the record: as reported, else counted from what was delivered, else estimated. What is
/// known of it by now.
///
/// `prior`: of attempts before it that delivered some of the same answer.
pub fn usage(request: &mut Request, reading: &mut Reading, facts: &Facts, prior: Usage) -> Usage {
    let Facts { family, input, .. } = *facts;
    let record = request.record();
    names(record, reading);
    record.usage = prior;
    if facts.head.status >= 300 {
        return Usage::default();
    }
    if reading.usage.source != UsageSource::Reported && reading.delivered.needs_tokenizer(family) {
        count_later(request, std::mem::take(reading), input.tokens, prior);
        return Usage::default();
    }
    let usage = reading.settle(input.tokens);
    if usage.source == UsageSource::Reported
        && let Some(attempt) = record.attempts.last()
    {
        attempt.target.learned.observe(input.base, usage.input, input.has_tools);
    }
    if usage.source == UsageSource::None && prior.source != UsageSource::None {
        return usage;
    }
    if set(record, usage, prior).is_some_and(|charge| charge.drifts()) {
        request.shard.count(|counters| counters.cost_drifts += 1);
    }
    usage
}

/// The same for an attempt whose answer another one replaces: what it used is billed all the same.
pub fn undelivered(request: &mut Request, at: usize, reading: &mut Reading, facts: &Facts) -> Usage {
    if facts.head.status >= 300 {
        return Usage::default();
    }
    let usage = reading.settle(facts.input.tokens);
    names(request.record(), reading);
    charge(request.record(), at, usage);
    usage
}

/// What the answer calls itself, by the last attempt that said so.
fn names(record: &mut Record, reading: &mut Reading) {
    record.finish_reason = reading.finish_reason.take();
    record.response_id = reading.response_id.take().or(record.response_id.take());
    record.response_model = reading.response_model.take().or(record.response_model.take());
}

/// And for one that was dropped before it said anything: its provider has read the input.
pub fn dropped(request: &mut Request, at: usize, input: InputEstimate) {
    let usage = Usage { input: input.tokens, source: UsageSource::Estimated, ..Usage::default() };
    charge(request.record(), at, usage);
}

/// Of what the provider has reported until now.
pub fn cost_so_far(request: &mut Request, reading: &Reading) -> Option<i64> {
    let record = request.record();
    if reading.usage.source != UsageSource::Reported {
        return None;
    }
    let unix_s = record.start_unix_ns / 1_000_000_000;
    let cost = record.attempts.last()?.target.pricing.as_ref()?.cost(&reading.usage, unix_s)?;
    Some(cost + record.cost_pico_usd.unwrap_or(0))
}

/// Of the attempt that was delivered.
fn set(record: &mut Record, usage: Usage, prior: Usage) -> Option<Charge> {
    record.usage = prior.plus(&usage);
    let last = record.attempts.len().checked_sub(1)?;
    charge(record, last, usage)
}

/// What an attempt used and cost; the request costs what all of them do.
fn charge(record: &mut Record, at: usize, usage: Usage) -> Option<Charge> {
    let unix_s = record.start_unix_ns / 1_000_000_000;
    let attempt = record.attempts.get_mut(at)?;
    attempt.usage = usage;
    let charge = attempt.target.pricing.as_ref().and_then(|pricing| pricing.charge(&usage, unix_s));
    attempt.cost_pico_usd = charge.map(|charge| charge.pico_usd);
    attempt.cost_source = charge.map(|charge| charge.source);
    record.cost_pico_usd = record.attempts.iter().filter_map(|attempt| attempt.cost_pico_usd).reduce(|a, b| a + b);
    charge
}

/// The tokenizers are large and loaded only when a count is first needed, off this core. The client has its answer by
/// now; its record waits for the count, for a bounded time.
fn count_later(request: &mut Request, mut reading: Reading, input_estimate: u64, prior: Usage) {
    const WAIT_MS: u64 = 20;
    const WAITS_MAX: u32 = 250;
    let mut late: Entry = request.detach();
    request.shard.send(Up::NeedTokenizers);
    let count = async move {
        for _ in 0..WAITS_MAX {
            if meter::tokenizers_loaded() {
                break;
            }
            sleep_ms(WAIT_MS).await;
        }
        set(late.record(), reading.settle(input_estimate), prior);
    };
    spawn(count, || {});
}
