//! What requests used and cost, by everybody who says so: rows, spans, metrics. A sum that two of them see differently is
//! a bill that nobody can check.

use std::net::SocketAddr;
use std::sync::Mutex;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::Value;

use super::common::upstream::Upstream;
use super::{Failures, Live};

/// Takes spans as they leave.
pub struct Sink {
    address: SocketAddr,
    /// With the spans that were taken so far.
    upstream: Mutex<(Upstream, Vec<Span>)>,
}

impl Sink {
    /// Spans leave at once, and nothing else does.
    pub const ENVIRONMENT: [(&str, &str); 2] = [("OTEL_BSP_SCHEDULE_DELAY", "1"), ("OTEL_METRICS_EXPORTER", "none")];

    pub fn start() -> Self {
        let taken = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        let upstream = Upstream::always(taken);
        Self { address: upstream.address, upstream: Mutex::new((upstream, Vec::new())) }
    }

    /// For the configuration's first document.
    pub fn config(&self) -> String {
        format!("telemetry: {{otlp: {{endpoint: \"http://{}\"}}}}\n", self.address)
    }

    /// The span that a row's attempt names, once it is there.
    pub fn span(&self, attempt: &Value) -> Span {
        let id = attempt["span_id"].as_str().expect("an id");
        let (upstream, spans) = &mut *self.upstream.lock().expect("spans");
        loop {
            let hex = |span: &Span| span.span_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            if let Some(found) = spans.iter().find(|span| hex(span) == id) {
                return found.clone();
            }
            let request = upstream.request_bytes();
            let body = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
            let request = ExportTraceServiceRequest::decode(&request[body..]).expect("an OTLP request");
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.extend(scopes.flat_map(|scope| scope.spans));
        }
    }
}

/// An attribute as text: `hedge_lost`, `0.25`, `7`; empty where it is not there.
pub fn attribute(span: &Span, key: &str) -> String {
    let pair = span.attributes.iter().find(|pair| pair.key == key);
    match pair.and_then(|pair| pair.value.as_ref()?.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::DoubleValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// Whether all that happened on this gateway, which are these rows, has one bill: each attempt's in its row and its span,
/// a request's as the sum of its attempts, and the metrics as the sum of all.
pub fn agree(live: &Live, sink: &Sink, rows: &[Value], failures: &mut Failures) {
    let attempts: Vec<(&Value, bool)> = rows
        .iter()
        .flat_map(|row| {
            let attempts = row["attempts"].as_array().expect("attempts");
            attempts.iter().enumerate().map(|(at, attempt)| (attempt, at + 1 == attempts.len()))
        })
        .collect();
    for row in rows {
        let cost: f64 = row["attempts"].as_array().expect("attempts").iter().map(|one| number(&one["cost_usd"])).sum();
        failures.holds(&format!("the request costs what its attempts do: {row}"), near(number(&row["cost_usd"]), cost));
    }
    for (attempt, _) in &attempts {
        let span = sink.span(attempt);
        let as_number = |key: &str| attribute(&span, key).parse::<f64>().unwrap_or_default();
        for (key, of_span) in
            [("input_tokens", "gen_ai.usage.input_tokens"), ("output_tokens", "gen_ai.usage.output_tokens")]
        {
            failures.check(&format!("{key} of {attempt}"), as_number(of_span), number(&attempt["usage"][key]));
        }
        let cost = as_number("sluice.cost_usd");
        failures.holds(&format!("{cost} of {attempt}"), near(cost, number(&attempt["cost_usd"])));
    }
    let lost = |attempt: &Value| attempt["error"] == "hedge_lost";
    let cost_of = |which: &dyn Fn(&Value, bool) -> bool| -> f64 {
        let those = attempts.iter().filter(|(attempt, last)| which(attempt, *last));
        those.map(|(attempt, _)| number(&attempt["cost_usd"])).sum()
    };
    let used = |key: &str| attempts.iter().map(|(attempt, _)| number(&attempt["usage"][key])).sum::<f64>();
    let delivered = |key: &str| rows.iter().map(|row| number(&row["usage"][key])).sum::<f64>();
    let all = cost_of(&|_, _| true);
    let expected = [
        ("llm_gateway_request_cost", all),
        ("sluice_attempt_cost_usd_total", all),
        ("sluice_failed_attempt_cost_usd_total", cost_of(&|attempt, last| !last && !lost(attempt))),
        ("sluice_hedge_cost_usd_total", cost_of(&|attempt, _| lost(attempt))),
        ("gen_ai_client_inference_usage_input_tokens_total", used("input_tokens")),
        ("gen_ai_client_inference_usage_output_tokens_total", used("output_tokens")),
        ("llm_gateway_input_tokens", delivered("input_tokens")),
        ("llm_gateway_output_tokens", delivered("output_tokens")),
    ];
    live.gateway
        .until("all of it is in the metrics", |_| live.metric("sluice_attempts_total", &[]) >= attempts.len() as f64);
    for (name, want) in expected {
        let found = live.metric(name, &[]);
        failures.holds(&format!("{name}: {found} instead of {want}"), near(found, want));
    }
}
