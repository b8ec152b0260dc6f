//! What a finished request costs: on the shard one `Totals::observe` (goal: under 300 ns), on the control core its
//! spans (under 1 us) and, per batch, gzip. Rendering `/metrics` is there because it stops the control core meanwhile.

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::config::Telemetry;
use sluice::control::export::otlp::spans::encode_record;
use sluice::control::export::prometheus::{Format, render};
use sluice::control::export::{ControlCounters, ExportStats, HealthView, MetricsView, ProcessStats};
use sluice::mesh::{Up, mesh};
use sluice::meter::{Usage, UsageSource};
use sluice::telemetry::totals::Totals;
use sluice::telemetry::{Attempt, AttemptReason, Face, Gaps, Outcome, Principal, Record, RequestId, Target, Trace};

/// From the shard into the ring; the other side drains it in batches, as the control core does.
fn push(criterion: &mut Criterion) {
    let (mut shards, mut controls) = mesh(1).expect("a socket pair");
    let (shard, control) = (&mut shards[0].up, &mut controls[0].up);
    let sample = record(0);
    criterion.bench_function("record push and pop", |bencher| {
        bencher.iter(|| {
            if shard.slots() < 64 {
                while control.pop().is_ok() {}
            }
            shard.push(Up::Record(Box::new(sample.clone()))).is_ok()
        });
    });
}

fn record(user: usize) -> Record {
    let usage = Usage { input: 1200, cache_read: 1000, output: 300, source: UsageSource::Reported, ..Usage::default() };
    let target = Target {
        account: "openai-main".into(),
        model: "gpt-4o-mini".into(),
        fqn: "openai-main/gpt-4o-mini".into(),
        model_id: "gpt-4o-mini".into(),
        provider: "openai".into(),
        host: "api.openai.com".into(),
        port: 443,
        family: sluice::meter::family("gpt-4o-mini"),
        pricing: None,
        learned: Default::default(),
    };
    let attempt = Attempt {
        target: Arc::new(target),
        reason: AttemptReason::Direct,
        by_fallback_rule: false,
        passed_over: None,
        waited_ns: 0,
        span_id: [2; 8],
        start_ns: 35_000,
        first_byte_ns: Some(200_000_000),
        end_ns: 4_000_000_000,
        status: 200,
        error: None,
        reused: true,
        usage,
        cost_pico_usd: Some(285_000_000),
        cost_source: None,
    };
    let principal = Principal {
        subject: format!("virtualaccount:support-bot-{user}").into(),
        name: format!("support-bot-{user}").into(),
        teams: vec!["support".into()],
        key_id: "k1".into(),
    };
    let metadata = vec![("customer_id".into(), format!("acme-{user}").into()), ("environment".into(), "prod".into())];
    let mut gaps = Gaps::default();
    (0..299u64).for_each(|at| gaps.add(10_000_000 + at * 10_000));
    Record {
        id: RequestId(0x0199_0000_0000_0001_0000_0000_0000_0007),
        shard: 0,
        trace: Trace { trace_id: [9; 16], span_id: [1; 8], parent_span_id: Some([3; 8]), flags: 1, state: None },
        start_unix_ns: 1_764_000_000_000_000_000,
        duration_ns: 4_000_100_000,
        face: Face::ChatCompletions,
        method: "POST".into(),
        route: "/v1/chat/completions",
        client: Some(([10, 1, 2, 3], 5555).into()),
        tls: false,
        principal: Some(Arc::new(principal)),
        metadata: Some(metadata.into()),
        model_requested: "openai-main/gpt-4o-mini".into(),
        stream: true,
        max_tokens: Some(1024),
        status: 200,
        outcome: Outcome::Served,
        error_code: None,
        routing: None,
        fallback_rule: None,
        diverted: None,
        attempts: vec![attempt],
        usage,
        cost_pico_usd: Some(285_000_000),
        finish_reason: Some("stop".into()),
        response_id: Some("chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT".into()),
        response_model: Some("gpt-4o-mini-2024-07-18".into()),
        first_token_ns: Some(250_000_000),
        last_token_ns: Some(3_990_000_000),
        chunks: 300,
        gaps,
        request_body_bytes: 5_000,
        response_body_bytes: 80_000,
        admit_ns: 35_000,
    }
}

fn telemetry() -> Telemetry {
    Telemetry {
        traces: None,
        metrics: None,
        service_name: "sluice".into(),
        resource_attributes: Vec::new(),
        metadata_labels: vec!["customer_id".into()],
        metric_interval_ms: 60_000,
        delta_temporality: false,
        span_delay_ms: 1_000,
        span_queue_max: 65_536,
        span_batch_max: 4_096,
        sample_ratio: 1.0,
        parent_based: true,
    }
}

fn observe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("observe");
    group.throughput(Throughput::Elements(1));
    for users in [1, 500] {
        let records: Vec<Record> = (0..users).map(record).collect();
        let mut totals = Totals::new(&telemetry().metadata_labels);
        let mut next = records.iter().cycle();
        group.bench_function(format!("a stream, {users} label sets"), |bench| {
            bench.iter(|| totals.observe(black_box(next.next().expect("records"))));
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let record = record(1);
    let mut batch = Vec::with_capacity(1 << 20);
    let mut group = criterion.benchmark_group("spans");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode a record, two spans", |bench| {
        bench.iter(|| {
            if batch.len() > 1_000_000 {
                batch.clear();
            }
            encode_record(black_box(&record), &mut batch);
        });
    });
    batch.clear();
    (0..512).for_each(|_| encode_record(&record, &mut batch));
    group.throughput(Throughput::Elements(512));
    group.bench_function("gzip level 1, 512 records", |bench| {
        bench.iter(|| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
            encoder.write_all(black_box(&batch)).expect("memory");
            encoder.finish().expect("memory").len()
        });
    });
    group.finish();
}

fn page(criterion: &mut Criterion) {
    let telemetry = telemetry();
    let mut totals = Totals::new(&telemetry.metadata_labels);
    (0..500).for_each(|user| totals.observe(&record(user)));
    let (process, export, control) = (ProcessStats::default(), ExportStats::default(), ControlCounters::default());
    let health = HealthView::default();
    let view = MetricsView { totals: &totals, shards: &[], process, export, control, health, telemetry: &telemetry };
    let mut out = String::new();
    criterion.bench_function("render /metrics, 500 label sets", |bench| {
        bench.iter(|| {
            out.clear();
            render(black_box(&view), Format::OpenMetrics, &mut out);
            out.len()
        });
    });
}

criterion_group!(benches, observe, encode, page, push);
criterion_main!(benches);
