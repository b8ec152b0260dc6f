//! `gen_ai.client.*`: Sluice's calls to providers, one observation per attempt. Newest names of the conventions.

use crate::telemetry::ErrorClass;
use crate::telemetry::totals::{Client, Histogram};

use super::Kind::{Counter, Histogram as Histo};
use super::Value::{Float, Int};
use super::{Emit, Family, Label, Read, histogram, number, text};

pub fn labels(series: &Client) -> [Label<'_>; 6] {
    let labels = &series.labels;
    [
        text("gen_ai.operation.name", labels.operation),
        text("gen_ai.provider.name", &labels.provider),
        text("gen_ai.request.model", &labels.request_model),
        text("gen_ai.response.model", &labels.response_model),
        text("server.address", &labels.host),
        number("server.port", labels.port.into()),
    ]
}

const fn family(name: &'static str, unit: &'static str, kind: super::Kind, help: &'static str, read: Read) -> Family {
    Family { name, prometheus: None, help, unit, kind, read }
}

/// The old name of the duration stays for what is not inference.
fn is_inference(series: &Client) -> bool {
    matches!(series.labels.operation, "chat" | "text_completion" | "generate_content")
}

fn error_type(error: Option<ErrorClass>) -> Label<'static> {
    text("error.type", error.map_or("", ErrorClass::as_str))
}

fn durations(series: &Client, emit: &mut Emit<'_>) {
    for (error, sizes) in series.by_error.iter() {
        histogram(emit, &[error_type(error)], &sizes.duration);
    }
}

/// By modality; an attempt whose usage is not known still shows, as 0 of `unknown`.
fn modalities(series: &Client, text_tokens: u64, audio_tokens: u64, emit: &mut Emit<'_>) {
    const KEY: &str = "gen_ai.token.modality";
    if series.usage_known > 0 {
        emit(&[text(KEY, "text")], Int(text_tokens));
    }
    if audio_tokens > 0 {
        emit(&[text(KEY, "audio")], Int(audio_tokens));
    }
    if series.usage_unknown > 0 {
        emit(&[text(KEY, "unknown")], Int(0));
    }
}

fn counted(count: u64, emit: &mut Emit<'_>) {
    if count > 0 {
        emit(&[], Int(count));
    }
}

fn sizes(series: &Client, emit: &mut Emit<'_>, of: fn(&crate::telemetry::totals::ClientSizes) -> &Histogram) {
    for (error, sizes) in series.by_error.iter() {
        histogram(emit, &[error_type(error)], of(sizes));
    }
}

pub static FAMILIES: &[Family] = &[
    family(
        "gen_ai.client.inference.duration",
        "s",
        Histo,
        "Duration of one attempt at a provider.",
        Read::Client(|series, emit| {
            if is_inference(series) {
                durations(series, emit);
            }
        }),
    ),
    family(
        "gen_ai.client.operation.duration",
        "s",
        Histo,
        "Duration of one attempt that is not inference, such as embeddings.",
        Read::Client(|series, emit| {
            if !is_inference(series) {
                durations(series, emit);
            }
        }),
    ),
    family(
        "gen_ai.client.inference.time_to_first_chunk",
        "s",
        Histo,
        "From the start of a streaming attempt to its first chunk.",
        Read::Client(|series, emit| histogram(emit, &[], &series.first_chunk)),
    ),
    family(
        "gen_ai.client.inference.time_per_output_chunk",
        "s",
        Histo,
        "Gap before each chunk after the first.",
        Read::Client(|series, emit| histogram(emit, &[], &series.chunk_gaps)),
    ),
    family(
        "gen_ai.client.inference.usage.input_tokens",
        "{token}",
        Counter,
        "Input tokens, cached ones included.",
        Read::Client(|series, emit| modalities(series, series.input_text, series.input_audio, emit)),
    ),
    family(
        "gen_ai.client.inference.usage.output_tokens",
        "{token}",
        Counter,
        "Output tokens, reasoning included.",
        Read::Client(|series, emit| modalities(series, series.output_text, series.output_audio, emit)),
    ),
    family(
        "gen_ai.client.inference.usage.cache_read.input_tokens",
        "{token}",
        Counter,
        "Input tokens that were read from the provider's cache.",
        Read::Client(|series, emit| counted(series.cache_read, emit)),
    ),
    family(
        "gen_ai.client.inference.usage.cache_write.input_tokens",
        "{token}",
        Counter,
        "Input tokens that were written to the provider's cache.",
        Read::Client(|series, emit| counted(series.cache_write, emit)),
    ),
    family(
        "gen_ai.client.inference.usage.reasoning.output_tokens",
        "{token}",
        Counter,
        "Output tokens that were spent on reasoning.",
        Read::Client(|series, emit| counted(series.reasoning, emit)),
    ),
    family(
        "gen_ai.client.inference.operation.input_tokens",
        "{token}",
        Histo,
        "Input tokens of one attempt.",
        Read::Client(|series, emit| sizes(series, emit, |sizes| &sizes.input)),
    ),
    family(
        "gen_ai.client.inference.operation.output_tokens",
        "{token}",
        Histo,
        "Output tokens of one attempt.",
        Read::Client(|series, emit| sizes(series, emit, |sizes| &sizes.output)),
    ),
    family(
        "sluice.price.unknown",
        "{attempt}",
        Counter,
        "Attempts with usage for which no price is known: their cost is missing from every sum.",
        Read::Client(|series, emit| counted(series.price_unknown, emit)),
    ),
    family(
        "sluice.attempt.cost_usd",
        "USD",
        Counter,
        "Cost in USD of the attempts whose price is known.",
        Read::Client(|series, emit| {
            if series.priced > 0 {
                emit(&[], Float(series.cost_pico_usd as f64 / 1e12));
            }
        }),
    ),
];
