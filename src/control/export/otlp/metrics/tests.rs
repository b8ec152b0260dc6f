use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value as Number};
use prost::Message;

use super::*;
use crate::control::export::fixture::{shards, telemetry, totals, view};
use crate::control::export::otlp::Resource;
use crate::telemetry::totals::{SERIES_PER_FAMILY_MAX, Totals};
use crate::telemetry::{Record, fixture};

const START: u64 = 1_000;

/// Our bytes as any collector reads them.
fn export(encoder: &mut Encoder, totals: &Totals, now: u64) -> Vec<Metric> {
    let (shards, telemetry) = (shards(), telemetry());
    let encoded = encoder.encode(&view(totals, &shards, &telemetry), now);
    let request = Resource::new(&telemetry).request(&encoded.items);
    let request = ExportMetricsServiceRequest::decode(&*request).unwrap();
    let metrics = request.resource_metrics[0].scope_metrics[0].metrics.clone();
    let points: usize = metrics.iter().map(|metric| points(metric).len()).sum();
    assert_eq!(points as u64, encoded.points);
    metrics
}

#[derive(Debug, PartialEq, Clone)]
struct Point {
    start: u64,
    time: u64,
    number: f64,
    buckets: Vec<u64>,
    bounds: Vec<f64>,
}

/// By their attributes.
fn points(metric: &Metric) -> BTreeMap<String, Point> {
    let numbers = |points: &[opentelemetry_proto::tonic::metrics::v1::NumberDataPoint]| {
        let point = |point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint| {
            let number = match point.value.unwrap() {
                Number::AsInt(number) => number as f64,
                Number::AsDouble(number) => number,
            };
            let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
            (shown(&point.attributes), Point { start, time, number, buckets: vec![], bounds: vec![] })
        };
        points.iter().map(point).collect()
    };
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => numbers(&gauge.data_points),
        Data::Sum(sum) => {
            assert!(sum.is_monotonic);
            numbers(&sum.data_points)
        }
        Data::Histogram(histogram) => {
            let point = |point: &opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| {
                assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                let point_of = Point {
                    start: point.start_time_unix_nano,
                    time: point.time_unix_nano,
                    number: point.sum.unwrap(),
                    buckets: point.bucket_counts.clone(),
                    bounds: point.explicit_bounds.clone(),
                };
                (shown(&point.attributes), point_of)
            };
            histogram.data_points.iter().map(point).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn shown(attributes: &[KeyValue]) -> String {
    let show = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        Any::StringValue(text) => format!("{}={text}", pair.key),
        Any::IntValue(number) => format!("{}={number}", pair.key),
        Any::BoolValue(flag) => format!("{}={flag}", pair.key),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn named<'m>(metrics: &'m [Metric], name: &str) -> &'m Metric {
    let mut all = metrics.iter().filter(|metric| metric.name == name);
    let metric = all.next().unwrap_or_else(|| panic!("{name} is missing"));
    assert!(all.next().is_none(), "{name} twice");
    metric
}

fn temporality(metric: &Metric) -> i32 {
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => sum.aggregation_temporality,
        Data::Histogram(histogram) => histogram.aggregation_temporality,
        _ => 0,
    }
}

const CLIENT: &str = "gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=gpt-4o-mini \
                      gen_ai.response.model=gpt-4o-mini-2024-07-18 server.address=api.openai.com server.port=443";

#[test]
fn cumulative_points_begin_at_the_start_and_carry_the_conventions_names() {
    let mut encoder = Encoder::new(false, START);
    let totals = totals(&[fixture::stream(), fixture::cancelled(), fixture::refused()]);
    for now in [2_000, 3_000] {
        let metrics = export(&mut encoder, &totals, now);
        assert!(metrics.iter().all(|metric| matches!(temporality(metric), 0 | 2)));
        let tokens = named(&metrics, "gen_ai.client.inference.usage.input_tokens");
        assert_eq!((&*tokens.unit, tokens.description.is_empty()), ("{token}", false));
        let point = &points(tokens)[&format!("{CLIENT} gen_ai.token.modality=text")];
        assert_eq!((point.start, point.time, point.number), (START, now, 240.0));

        let duration = named(&metrics, "gen_ai.client.inference.duration");
        assert_eq!(duration.unit, "s");
        let point = &points(duration)[CLIENT];
        assert_eq!((point.number, point.buckets.iter().sum::<u64>()), (1.79992, 2));
        assert_eq!((point.bounds[0], point.bounds[13]), (0.01, 81.92));

        let server = points(named(&metrics, "gen_ai.server.request.duration"));
        assert!(server.contains_key("gen_ai.operation.name=chat error.type=invalid_api_key"), "{server:?}");
        assert_eq!(points(named(&metrics, "llm_gateway_request_cost")).values().next().unwrap().number, 8.52e-5);
        assert_eq!(points(named(&metrics, "process.cpu.time"))[""].number, 1.5);
    }
}

#[test]
fn deltas_add_up_to_the_cumulative_value() {
    let (mut delta, mut cumulative) = (Encoder::new(true, START), Encoder::new(false, START));
    let mut totals = totals(&[fixture::stream()]);
    let first = export(&mut delta, &totals, 2_000);
    totals.observe(&fixture::stream());
    totals.observe(&fixture::failed_attempts());
    let second = export(&mut delta, &totals, 3_000);
    let whole = export(&mut cumulative, &totals, 3_000);
    assert!(first.iter().chain(&second).all(|metric| matches!(temporality(metric), 0 | 1)));
    for metric in whole.iter().filter(|metric| temporality(metric) == 2) {
        for (attributes, expected) in points(metric) {
            let of = |metrics: &[Metric]| {
                let metric = metrics.iter().find(|known| known.name == metric.name)?;
                points(metric).get(&attributes).cloned()
            };
            let (a, b) = (of(&first), of(&second));
            assert!(a.as_ref().is_none_or(|point| (point.start, point.time) == (START, 2_000)));
            assert!(b.as_ref().is_none_or(|point| (point.start, point.time) == (2_000, 3_000)));
            let sum: f64 = [&a, &b].into_iter().flatten().map(|point| point.number).sum();
            assert!((sum - expected.number).abs() < 1e-9, "{} {attributes}", metric.name);
            for at in 0..expected.buckets.len() {
                let sum: u64 = [&a, &b].into_iter().flatten().map(|point| point.buckets[at]).sum();
                assert_eq!(sum, expected.buckets[at], "{} {attributes}", metric.name);
            }
        }
    }
    let third = export(&mut delta, &totals, 4_000);
    assert!(third.iter().all(|metric| temporality(metric) == 0), "nothing new: gauges only");
}

#[test]
fn what_is_over_budget_has_the_overflow_attribute_alone() {
    let mut totals = Totals::new(&telemetry().metadata_labels);
    for at in 0..SERIES_PER_FAMILY_MAX + 3 {
        totals
            .observe(&Record { metadata: fixture::metadata(&[("customer_id", &at.to_string())]), ..fixture::stream() });
    }
    let metrics = export(&mut Encoder::new(false, START), &totals, 2_000);
    let requests = points(named(&metrics, "llm_gateway_requests_total"));
    assert_eq!(requests.len(), SERIES_PER_FAMILY_MAX + 1);
    assert_eq!(requests["otel.metric.overflow=true"].number, 3.0);
}

#[test]
fn routing_is_pushed_under_the_names_it_is_scraped_by() {
    let totals = totals(&[fixture::fallback(), fixture::hedged(), fixture::rescued()]);
    let metrics = export(&mut Encoder::new(false, START), &totals, 2_000);
    let moved = points(named(&metrics, "llm_gateway_fallback_requests_total"));
    let labels = "model_name=claude/claude-sonnet-5 tenant_name=default username=support-bot \
                  llm_gateway_metadata_customer_id=acme ruleId=last-resort from_model=openai-main/gpt-4o-mini \
                  to_model=claude/claude-sonnet-5 reason=overloaded";
    assert_eq!(moved[labels].number, 1.0, "{moved:?}");
    let balanced = points(named(&metrics, "llm_gateway_load_balanced_requests_total"));
    assert_eq!(balanced.values().map(|point| point.number).sum::<f64>(), 3.0);
    assert_eq!(points(named(&metrics, "sluice.hedge.cost_usd"))["ruleId=split"].number, 5e-5);
    assert_eq!(points(named(&metrics, "sluice.failover.added"))["ruleId=fast how=stream"].number, 0.021);
}
