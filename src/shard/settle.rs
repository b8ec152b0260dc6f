//! The end of an attempt: what was used, what went wrong, and the record's last fields.

use super::request::{Entry, Request};
use crate::config::Api;
use crate::dialect::Reading;
use crate::mesh::Up;
use crate::meter::{self, Family, Usage, UsageSource};
use crate::provider::classify;
use crate::runtime::{sleep_ms, spawn};
use crate::telemetry::ErrorClass;

/// The class of an answer that is itself an error.
pub fn error_of(api: Api, status: u16, body: &[u8]) -> Option<ErrorClass> {
    (status >= 400).then(|| classify(api, status, body))
}

/// Puts the usage into the record: as reported, else counted from what was delivered, else estimated.
pub fn usage(request: &mut Request, reading: &mut Reading, family: Family, text_bytes: u64, status: u16) {
    let record = request.record();
    record.finish_reason = reading.finish_reason.take();
    record.response_id = reading.response_id.take();
    record.response_model = reading.response_model.take();
    if status >= 300 {
        return;
    }
    let input_estimate = meter::estimate_tokens_of_bytes(text_bytes);
    if reading.usage.source != UsageSource::Reported && reading.delivered.needs_tokenizer(family) {
        return count_later(request, std::mem::take(reading), input_estimate);
    }
    set(record, reading.settle(input_estimate));
}

fn set(record: &mut crate::telemetry::Record, usage: Usage) {
    record.usage = usage;
    if let Some(attempt) = record.attempts.last_mut() {
        attempt.usage = usage;
    }
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
