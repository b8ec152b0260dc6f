//! The end of an attempt: what was used, what went wrong, and the record's last fields.

use super::attempt::InputEstimate;
use super::request::{Entry, Request};
use crate::config::Api;
use crate::dialect::Reading;
use crate::mesh::Up;
use crate::meter::{self, Charge, Family, Usage, UsageSource};
use crate::provider::classify_named;
use crate::runtime::{sleep_ms, spawn};
use crate::telemetry::{ErrorClass, Record};

/// The class of an answer that is itself an error. `name`: what a header calls it, if one does.
pub fn error_of(api: Api, status: u16, name: &str, body: &[u8]) -> Option<ErrorClass> {
    (status >= 400).then(|| classify_named(api, status, name.as_bytes(), body))
}

/// Puts the usage and its cost into the record: as reported, else counted from what was delivered, else estimated.
pub fn usage(request: &mut Request, reading: &mut Reading, family: Family, input: InputEstimate, status: u16) {
    let record = request.record();
    record.finish_reason = reading.finish_reason.take();
    record.response_id = reading.response_id.take();
    record.response_model = reading.response_model.take();
    if status >= 300 {
        return;
    }
    if reading.usage.source != UsageSource::Reported && reading.delivered.needs_tokenizer(family) {
        return count_later(request, std::mem::take(reading), input.tokens);
    }
    let usage = reading.settle(input.tokens);
    if usage.source == UsageSource::Reported
        && let Some(attempt) = record.attempts.last()
    {
        attempt.target.learned.observe(input.base, usage.input, input.has_tools);
    }
    if set(record, usage).is_some_and(|charge| charge.drifts()) {
        request.shard.count(|counters| counters.cost_drifts += 1);
    }
}

/// Of what the provider has reported until now.
pub fn cost_so_far(request: &mut Request, reading: &Reading) -> Option<i64> {
    let record = request.record();
    if reading.usage.source != UsageSource::Reported {
        return None;
    }
    let unix_s = record.start_unix_ns / 1_000_000_000;
    record.attempts.last()?.target.pricing.as_ref()?.cost(&reading.usage, unix_s)
}

fn set(record: &mut Record, usage: Usage) -> Option<Charge> {
    record.usage = usage;
    let unix_s = record.start_unix_ns / 1_000_000_000;
    let attempt = record.attempts.last_mut()?;
    attempt.usage = usage;
    let charge = attempt.target.pricing.as_ref().and_then(|pricing| pricing.charge(&usage, unix_s));
    attempt.cost_pico_usd = charge.map(|charge| charge.pico_usd);
    attempt.cost_source = charge.map(|charge| charge.source);
    record.cost_pico_usd = attempt.cost_pico_usd;
    charge
}

/// The tokenizers are large and loaded only when a count is first needed, off this core. The client has its answer by
/// now; its record waits for the count, for a bounded time.
fn count_later(request: &mut Request, mut reading: Reading, input_estimate: u64) {
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
        set(late.record(), reading.settle(input_estimate));
    };
    spawn(count, || {});
}
