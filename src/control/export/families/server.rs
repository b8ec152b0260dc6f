//! What callers see: `gen_ai.server.*` per model request, `http.server.*` and our own count per request of any kind.

use crate::telemetry::totals::{Http, Server};

use super::Kind::{Counter, Histogram};
use super::Value::Int;
use super::{Family, Label, Read, histogram, number, text};

pub fn labels(series: &Server) -> [Label<'_>; 4] {
    let labels = &series.labels;
    [
        text("gen_ai.operation.name", labels.operation),
        text("gen_ai.provider.name", &labels.provider),
        text("gen_ai.request.model", &labels.request_model),
        text("gen_ai.response.model", &labels.response_model),
    ]
}

fn http_duration(series: &Http, emit: &mut super::Emit<'_>) {
    let labels = &series.labels;
    for (error, duration) in series.by_error.iter() {
        let extra = [
            text("http.request.method", labels.method),
            text("http.route", labels.route),
            number("http.response.status_code", labels.status.into()),
            text("error.type", error.unwrap_or("")),
        ];
        histogram(emit, &extra, duration);
    }
}

fn requests(series: &Http, emit: &mut super::Emit<'_>) {
    let labels = &series.labels;
    for (outcome, &count) in series.outcomes.iter() {
        let extra = [
            text("face", labels.face.as_str()),
            text("method", labels.method),
            text("route", labels.route),
            number("status", labels.status.into()),
            text("outcome", outcome.as_str()),
        ];
        emit(&extra, Int(count));
    }
}

pub static FAMILIES: &[Family] = &[
    Family {
        name: "gen_ai.server.request.duration",
        prometheus: None,
        help: "Duration of a model request as its caller sees it.",
        unit: "s",
        kind: Histogram,
        read: Read::Server(|series, emit| {
            for (error, duration) in series.by_error.iter() {
                histogram(emit, &[text("error.type", error.unwrap_or(""))], duration);
            }
        }),
    },
    Family {
        name: "gen_ai.server.time_to_first_token",
        prometheus: None,
        help: "From the first byte of a streaming request to its first token; successes only.",
        unit: "s",
        kind: Histogram,
        read: Read::Server(|series, emit| histogram(emit, &[], &series.first_token)),
    },
    Family {
        name: "gen_ai.server.time_per_output_token",
        prometheus: None,
        help: "Mean time per token after the first; successes only.",
        unit: "s",
        kind: Histogram,
        read: Read::Server(|series, emit| histogram(emit, &[], &series.per_token)),
    },
    Family {
        name: "http.server.request.duration",
        prometheus: None,
        help: "Duration of a request as its caller sees it.",
        unit: "s",
        kind: Histogram,
        read: Read::Http(http_duration),
    },
    Family {
        name: "sluice.requests",
        prometheus: None,
        help: "Requests by the API called, the status sent and how they ended.",
        unit: "{request}",
        kind: Counter,
        read: Read::Http(requests),
    },
];
