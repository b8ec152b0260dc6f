//! The end of an attempt: what was used, what went wrong, and the record's last fields.

use super::reader::Reader;
use super::request::Request;
use crate::config::Api;
use crate::meter::{self, Family, Usage, UsageSource};
use crate::mesh::Up;
use crate::provider::classify;
use crate::runtime::sleep_ms;
use crate::telemetry::ErrorClass;

/// The class of an answer that is itself an error.
pub fn error_of(request: &mut Request, status: u16, body: &[u8]) -> Option<ErrorClass> {
    if status < 400 {
        return None;
    }
    let record = request.record();
    let account = record.attempts.last().map(|attempt| attempt.target.account.clone());
    let found = request.snapshot.accounts.iter().find(|known| account.as_deref() == Some(known.name.as_str()));
    Some(classify(found.map_or(Api::OpenAi, |known| known.api), status, body))
}

/// Puts the usage into the record: as reported, else counted from what was delivered, else estimated.
pub fn usage(request: &mut Request, reader: &mut Reader, text_bytes: u64, status: u16) {
    let reading = &mut reader.reading;
    let record = request.record();
    record.finish_reason = reading.finish_reason.take();
    record.response_id = reading.response_id.take();
    record.response_model = reading.response_model.take();
    if reading.usage.source == UsageSource::Reported || status >= 300 || reading.delivered.bytes() == 0 {
        set(request, reading.usage);
        return;
    }
    let family = request.record().attempts.last().map_or(Family::Unknown, |last| meter::family(&last.target.model_id));
    if reading.delivered.needs_tokenizer(family) {
        count_later(request, reader, text_bytes, family);
        return;
    }
    set(request, counted(reader, text_bytes, family));
}

fn counted(reader: &mut Reader, text_bytes: u64, family: Family) -> Usage {
    let (output, source) = reader.reading.delivered.tokens(family);
    // What the provider did say, such as the input at a stream's start, still holds.
    let reported = reader.reading.usage;
    let input = if reported.input > 0 { reported.input } else { meter::estimate_tokens(text_bytes) };
    Usage { input, output: reported.output.max(output), source, ..reported }
}

fn set(request: &mut Request, usage: Usage) {
    let record = request.record();
    record.usage = usage;
    if let Some(attempt) = record.attempts.last_mut() {
        attempt.usage = usage;
    }
}

/// The tokenizers are large and loaded only when a count is first needed, off this core. The client has its answer by
/// now; its record waits.
fn count_later(request: &mut Request, reader: &mut Reader, text_bytes: u64, family: Family) {
    const WAIT_MS: u64 = 20;
    const WAITS_MAX: u32 = 250;
    let mut delivered = std::mem::take(&mut reader.reading.delivered);
    let reported = reader.reading.usage;
    let Some(mut late) = request.detach() else { return };
    request.shard.send(Up::NeedTokenizers);
    let count = async move {
        for _ in 0..WAITS_MAX {
            if meter::tokenizers_loaded() {
                break;
            }
            sleep_ms(WAIT_MS).await;
        }
        let (output, source) = delivered.tokens(family);
        let input = if reported.input > 0 { reported.input } else { meter::estimate_tokens(text_bytes) };
        set(&mut late, Usage { input, output: reported.output.max(output), source, ..reported });
        late.settle();
    };
    crate::runtime::spawn(count, || {});
}
