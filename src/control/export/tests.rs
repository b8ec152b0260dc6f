//! Metrics, rows and spans are made from one record each, so their sums are the same.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;
use serde_json::Value;
use tokio::sync::oneshot;

use super::fixture::{shards, telemetry, totals, view};
use super::otlp::{self, Resource};
use super::prometheus::{self, Format};
use crate::config::Storage;
use crate::control::store::{Filter, Store};
use crate::control::testing::TempDir;
use crate::telemetry::{Record, RequestId, fixture};

fn records() -> Vec<Record> {
    let all = [
        fixture::stream(),
        fixture::refused(),
        fixture::failed_attempts(),
        fixture::cancelled(),
        fixture::fallback(),
        fixture::hedged(),
        fixture::rescued(),
        fixture::fallback(),
        fixture::diverted(),
    ];
    let number = |(n, record)| Record { id: RequestId(1_700_000_000_000 << 80 | n as u128), ..record };
    all.into_iter().enumerate().map(number).collect()
}

/// What `/metrics` shows of these requests.
struct Scrape(String);

impl Scrape {
    fn of(records: &[Record]) -> Self {
        let (totals, shards, telemetry) = (totals(records), shards(), telemetry());
        let mut page = String::new();
        prometheus::render(&view(&totals, &shards, &telemetry), Format::Text004, &mut page);
        Self(page)
    }

    /// Over all label sets that hold `part`.
    fn sum(&self, name: &str, part: &str) -> f64 {
        let lines = self.0.lines().filter(|line| !line.starts_with('#') && line.contains(part));
        let named = lines.filter(|line| line.split(['{', ' ']).next() == Some(name));
        named.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

fn rows(records: &[Record]) -> Vec<Value> {
    let dir = TempDir::new();
    let storage = Storage { dir: Some(dir.path().to_owned()), retention_days: 36_500, max_bytes: 1 << 40 };
    let mut store = Store::open(&storage).expect("opens");
    store.push(records.iter().cloned().map(Box::new).collect());
    let (reply, answer) = oneshot::channel();
    store.query(Filter { limit: 100, ..Filter::default() }, reply);
    let page = answer.blocking_recv().expect("the store answers").expect("the query runs");
    store.close();
    page.requests.iter().map(|row| serde_json::to_value(row).expect("serializes")).collect()
}

fn spans(records: &[Record]) -> Vec<Span> {
    let mut items = Vec::new();
    records.iter().for_each(|record| otlp::spans::encode_record(record, &mut items));
    let request = Resource::new(&telemetry()).request(&items);
    let request = ExportTraceServiceRequest::decode(&*request).expect("decodes");
    request.resource_spans[0].scope_spans[0].spans.clone()
}

fn number(span: &Span, key: &str) -> f64 {
    let value =
        span.attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_ref()?.value.as_ref());
    match value {
        Some(Any::IntValue(number)) => *number as f64,
        Some(Any::DoubleValue(number)) => *number,
        _ => 0.0,
    }
}

fn near(what: &str, numbers: &[f64]) {
    let all_near = numbers.iter().all(|number| (number - numbers[0]).abs() < 1e-12);
    assert!(all_near && numbers[0] > 0.0, "{what}: {numbers:?}");
}

#[test]
fn metrics_rows_and_spans_have_the_same_sums() {
    let records = records();
    let (scrape, rows, spans) = (Scrape::of(&records), rows(&records), spans(&records));
    let (servers, clients): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span.kind() == SpanKind::Server);
    let attempts: Vec<&Value> = rows.iter().filter_map(|row| row["attempts"].as_array()).flatten().collect();
    let of_rows = |path: &str| rows.iter().filter_map(|row| row.pointer(path)?.as_f64()).sum::<f64>();
    let of_attempts = |path: &str| attempts.iter().filter_map(|row| row.pointer(path)?.as_f64()).sum::<f64>();
    let of_clients = |key: &str| clients.iter().map(|span| number(span, key)).sum::<f64>();

    let requests = scrape.sum("llm_gateway_requests_total", "");
    near("requests", &[requests, rows.len() as f64, servers.len() as f64, scrape.sum("sluice_requests_total", "")]);
    near("attempts", &[scrape.sum("sluice_attempts_total", ""), attempts.len() as f64, clients.len() as f64]);

    // To the caller counts what was delivered; to the provider what every attempt used.
    for (name, key) in [("input", "input_tokens"), ("output", "output_tokens")] {
        let delivered = scrape.sum(&format!("llm_gateway_{name}_tokens"), "");
        near(name, &[delivered, of_rows(&format!("/usage/{key}"))]);
        let used = scrape.sum(&format!("gen_ai_client_inference_usage_{key}_total"), "");
        near(name, &[used, of_attempts(&format!("/usage/{key}")), of_clients(&format!("gen_ai.usage.{key}"))]);
        assert!(used > delivered);
    }
    // Money is spent on every attempt, whoever looks.
    let spent = scrape.sum("llm_gateway_request_cost", "");
    let by_attempt = scrape.sum("sluice_attempt_cost_usd_total", "");
    near("cost", &[spent, by_attempt, of_rows("/cost_usd"), of_attempts("/cost_usd"), of_clients("sluice.cost_usd")]);
}

#[test]
fn metrics_rows_and_spans_tell_the_same_way() {
    let records = records();
    let (scrape, rows, spans) = (Scrape::of(&records), rows(&records), spans(&records));
    let reasons = |wanted: &str| {
        let attempts = rows.iter().filter_map(|row| row["attempts"].as_array()).flatten();
        attempts.filter(|attempt| attempt["reason"] == wanted).count() as f64
    };
    let events =
        |name: &str| spans.iter().flat_map(|span| &span.events).filter(|event| event.name == name).count() as f64;
    let have = |key: &str| rows.iter().filter(|row| !row[key].is_null()).count() as f64;
    let tagged =
        |key: &str| spans.iter().filter(|span| span.attributes.iter().any(|pair| pair.key == key)).count() as f64;

    let balanced = scrape.sum("llm_gateway_load_balanced_requests_total", "");
    near("routed", &[balanced, have("rule"), tagged("sluice.route.rule"), events("sluice.route")]);
    near("retries", &[scrape.sum("sluice_attempt_retries_total", ""), reasons("retry"), events("sluice.retry")]);
    let streams = scrape.sum("sluice_stream_rescues_total", "");
    near("streams", &[streams, reasons("continue") + reasons("restart"), events("sluice.rescue")]);
    let moves = scrape.sum("llm_gateway_fallback_requests_total", "");
    near("moves", &[moves, reasons("fallback") + streams, events("sluice.fallback") + events("sluice.rescue")]);
    near("hedges", &[scrape.sum("sluice_hedges_total", ""), reasons("hedge"), events("sluice.hedge")]);
    let rescued = scrape.sum("sluice_rescued_requests_total", "");
    let took = scrape.sum("sluice_failover_added_seconds_count", "");
    near("rescued", &[rescued, took, have("rescued_by"), tagged("sluice.rescued_by")]);
    for how in ["fallback", "stream"] {
        let shown = rows.iter().filter(|row| row["rescued_by"] == how).count() as f64;
        near(how, &[scrape.sum("sluice_rescued_requests_total", &format!("how=\"{how}\"")), shown]);
    }
}
