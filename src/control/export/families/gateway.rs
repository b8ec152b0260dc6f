//! The `llm_gateway_*` families under the exact names dashboards already query, whatever the naming rules say.

use crate::telemetry::totals::{Caller, Gateway, OTHER};

use super::Kind::{Counter, Histogram};
use super::Value::{Float, Int};
use super::{Family, Label, Read, histogram, text};

const PICO_PER_USD: f64 = 1e12;

/// There is one tenant until there are more.
const TENANT: &str = "default";

pub fn labels<'a>(series: &'a Gateway, metadata_keys: &'a [String], over_budget: bool) -> Vec<Label<'a>> {
    caller_labels(&series.caller, metadata_keys, over_budget)
}

/// What every family of a model request begins with; room for four more.
pub fn caller_labels<'a>(caller: &'a Caller, metadata_keys: &'a [String], over_budget: bool) -> Vec<Label<'a>> {
    let mut labels = Vec::with_capacity(7 + metadata_keys.len());
    labels.push(text("model_name", &caller.model));
    labels.push(text("tenant_name", TENANT));
    labels.push(text("username", &caller.username));
    for (at, key) in metadata_keys.iter().enumerate() {
        labels.push(text(key, if over_budget { OTHER } else { caller.metadata_at(at) }));
    }
    labels
}

const fn exact(name: &'static str, unit: &'static str, kind: super::Kind, help: &'static str, read: Read) -> Family {
    Family { name, prometheus: Some(name), help, unit, kind, read }
}

pub static FAMILIES: &[Family] = &[
    exact(
        "llm_gateway_input_tokens",
        "{token}",
        Counter,
        "Input tokens, cached ones included.",
        Read::Gateway(|series, emit| emit(&[], Int(series.input_tokens))),
    ),
    exact(
        "llm_gateway_output_tokens",
        "{token}",
        Counter,
        "Output tokens, reasoning included.",
        Read::Gateway(|series, emit| emit(&[], Int(series.output_tokens))),
    ),
    exact(
        "llm_gateway_request_cost",
        "USD",
        Counter,
        "Cost in USD of the requests whose price is known, all their attempts together.",
        Read::Gateway(|series, emit| {
            if series.priced > 0 {
                emit(&[], Float(series.cost_pico_usd as f64 / PICO_PER_USD));
            }
        }),
    ),
    exact(
        "llm_gateway_requests_total",
        "{request}",
        Counter,
        "Model requests, refused ones included.",
        Read::Gateway(|series, emit| emit(&[], Int(series.requests))),
    ),
    exact(
        "llm_gateway_request_processing_ms",
        "ms",
        Histogram,
        "Milliseconds from the first byte of a model request to the last byte of its answer.",
        Read::Gateway(|series, emit| histogram(emit, &[], &series.processing)),
    ),
    exact(
        "llm_gateway_first_token_latency_ms",
        "ms",
        Histogram,
        "Milliseconds from the first byte of a streaming request to its first token.",
        Read::Gateway(|series, emit| histogram(emit, &[], &series.first_token)),
    ),
    exact(
        "llm_gateway_inter_token_latency_ms",
        "ms",
        Histogram,
        "Mean milliseconds between the tokens of a stream, one observation per stream.",
        Read::Gateway(|series, emit| histogram(emit, &[], &series.inter_token)),
    ),
    exact(
        "llm_gateway_request_model_inference_failure",
        "{request}",
        Counter,
        "Model requests that failed in the end.",
        Read::Gateway(|series, emit| {
            for (code, &count) in series.failures.iter() {
                emit(&[text("error_code", code)], Int(count));
            }
        }),
    ),
    exact(
        "llm_gateway_config_parsing_failures",
        "{failure}",
        Counter,
        "Configurations refused at load or reload.",
        Read::View(|view, emit| emit(&[], Int(view.control.config_parsing_failures))),
    ),
];
