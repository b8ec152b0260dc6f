use std::convert::Infallible;
use std::io::Read;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::{OtlpProtocol, OtlpTarget, Secret};
use crate::control::export::fixture;
use crate::control::export::view::SignalStats;
use crate::telemetry::fixture::{refused, stream};

const PACE: Pace =
    Pace { first: Duration::from_millis(2), longest: Duration::from_millis(4), total: Duration::from_secs(20) };

/// How the sink answers one request.
enum Reply {
    Raw(Vec<u8>),
    /// Closes the connection without an answer.
    Close,
    /// Never answers.
    Silence,
}

fn reply(status: &str, headers: &str, body: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Reply::Raw([head.as_bytes(), body].concat())
}

/// Head and body of each request.
type Seen<Head, Body> = Arc<Mutex<Vec<(Head, Body)>>>;

struct Sink {
    url: String,
    seen: Seen<String, Vec<u8>>,
}

impl Sink {
    /// Answers by the script, then with 200.
    async fn start(script: Vec<Reply>) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script.into_iter()));
        let for_task = seen.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, script.clone(), for_task.clone()));
            }
        });
        Sink { url, seen }
    }

    fn seen(&self) -> Vec<(String, Vec<u8>)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut socket: TcpStream, script: Arc<Mutex<std::vec::IntoIter<Reply>>>, seen: Seen<String, Vec<u8>>) {
    let mut held = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if socket.read_buf(&mut held).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8(held.drain(..end).collect()).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        while held.len() < length {
            if socket.read_buf(&mut held).await.unwrap_or(0) == 0 {
                return;
            }
        }
        seen.lock().unwrap().push((head, held.drain(..length).collect()));
        let next = script.lock().unwrap().next();
        match next.unwrap_or_else(|| reply("200 OK", "", b"")) {
            Reply::Raw(bytes) => socket.write_all(&bytes).await.unwrap(),
            Reply::Close => return,
            Reply::Silence => std::future::pending().await,
        }
    }
}

fn to(url: &str) -> OtlpTarget {
    OtlpTarget {
        url: url.into(),
        protocol: OtlpProtocol::HttpProtobuf,
        headers: vec![("authorization".into(), Secret::new("Bearer s3cret".into()))],
        gzip: false,
        timeout_ms: 10_000,
        ca: None,
        identity: None,
    }
}

fn traces(target: OtlpTarget) -> Telemetry {
    Telemetry { traces: Some(target), ..fixture::telemetry() }
}

fn exporter(telemetry: &Telemetry) -> Exporter {
    Exporter::with_pace(telemetry, PACE).unwrap()
}

/// Lets the exporter work until its numbers satisfy `done`.
async fn settled(exporter: &Exporter, done: impl Fn(SignalStats) -> bool) -> SignalStats {
    let wait = async {
        while !done(exporter.stats().traces) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{:?}", exporter.stats()));
    exporter.stats().traces
}

/// Exports one stream, whose record makes two spans, against a script.
async fn one_batch(script: Vec<Reply>) -> (SignalStats, Vec<(String, Vec<u8>)>) {
    let sink = Sink::start(script).await;
    let mut exporter = exporter(&traces(to(&sink.url)));
    exporter.record(&stream());
    let stats = settled(&exporter, |stats| stats.queued == 0).await;
    (stats, sink.seen())
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

fn span_count(request: &[u8]) -> usize {
    let request = ExportTraceServiceRequest::decode(request).unwrap();
    request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len()).sum()
}

#[tokio::test]
async fn a_gzip_batch_arrives_whole_with_its_headers() {
    let sink = Sink::start(vec![]).await;
    let mut exporter = exporter(&traces(OtlpTarget { gzip: true, ..to(&sink.url) }));
    exporter.record(&stream());
    exporter.record(&refused());
    exporter.shutdown(Duration::from_secs(20)).await;
    let seen = sink.seen();
    assert_eq!(seen.len(), 1, "one batch");
    let head = &seen[0].0;
    for line in [
        "post /v1/traces http/1.1",
        "content-type: application/x-protobuf",
        "content-encoding: gzip",
        "authorization: bearer s3cret",
        "user-agent: sluice/",
    ] {
        assert!(head.lines().any(|known| known.starts_with(line)), "{line} in {head}");
    }
    assert_eq!(span_count(&gunzip(&seen[0].1)), 3);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_bytes() {
    let script = vec![reply("503 Busy", "", b""), reply("429 Slow", "retry-after: 0\r\n", b""), Reply::Close];
    let (stats, seen) = one_batch(script).await;
    assert_eq!((stats.exported, stats.retried, stats.dropped.refused), (2, 3, 0));
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|request| request.1 == seen[0].1));
}

#[tokio::test]
async fn what_cannot_pass_is_dropped_and_counted() {
    for status in ["400 Bad Request", "401 Unauthorized", "500 Internal Server Error"] {
        let (stats, seen) = one_batch(vec![reply(status, "retry-after: 0\r\n", b"")]).await;
        assert_eq!((stats.exported, stats.retried, stats.dropped.refused, seen.len()), (0, 0, 2, 1), "{status}");
    }
}

#[tokio::test]
async fn a_partial_success_is_never_tried_again() {
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "too old".into() };
    let body = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let (stats, seen) = one_batch(vec![reply("200 OK", "", &body)]).await;
    assert_eq!((stats.exported, stats.rejected, stats.retried, seen.len()), (1, 1, 0, 1));
}

#[tokio::test]
async fn a_receiver_that_stays_down_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    drop(listener);
    let mut exporter =
        Exporter::with_pace(&traces(to(&url)), Pace { total: Duration::from_millis(10), ..PACE }).unwrap();
    exporter.record(&stream());
    let stats = settled(&exporter, |stats| stats.queued == 0).await;
    assert_eq!((stats.exported, stats.dropped.gave_up), (0, 2));
}

#[tokio::test]
async fn a_full_queue_drops_the_newest_and_counts() {
    let sink = Sink::start(vec![]).await;
    let mut exporter = exporter(&Telemetry { span_queue_max: 5, ..traces(to(&sink.url)) });
    for _ in 0..4 {
        exporter.record(&stream());
    }
    assert_eq!((exporter.stats().traces.queued, exporter.stats().traces.dropped.queue_full), (4, 4));
    let stats = settled(&exporter, |stats| stats.queued == 0).await;
    assert_eq!(stats.exported, 4);
    // What was sent makes room again.
    exporter.record(&stream());
    settled(&exporter, |stats| stats.exported == 6).await;
}

#[tokio::test]
async fn batches_are_cut_by_count_and_sent_side_by_side() {
    let sink = Sink::start((0..3).map(|_| Reply::Silence).collect()).await;
    let mut exporter = exporter(&Telemetry { span_batch_max: 4, span_delay_ms: 60_000, ..traces(to(&sink.url)) });
    for _ in 0..8 {
        exporter.record(&stream());
    }
    // Three requests hang; the fourth goes past them.
    let stats = settled(&exporter, |stats| stats.exported == 4).await;
    assert_eq!(stats.queued, 12);
    assert!(sink.seen().iter().all(|request| span_count(&request.1) == 4));
}

#[tokio::test]
async fn shutting_down_ends_at_its_deadline() {
    let sink = Sink::start(vec![Reply::Silence]).await;
    let mut exporter = exporter(&Telemetry { span_delay_ms: 60_000, ..traces(to(&sink.url)) });
    exporter.record(&stream());
    exporter.shutdown(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn an_unsampled_trace_is_not_exported() {
    let sink = Sink::start(vec![]).await;
    let mut exporter = exporter(&traces(to(&sink.url)));
    let mut record = stream();
    record.trace.flags = 0;
    exporter.record(&record);
    assert_eq!(exporter.stats().traces.queued, 0);
    exporter.shutdown(Duration::from_secs(20)).await;
    assert!(sink.seen().is_empty(), "no empty envelope is sent");
}

#[tokio::test]
async fn metrics_are_pushed_and_the_last_state_survives_shutdown() {
    let sink = Sink::start(vec![]).await;
    let telemetry = Telemetry { metrics: Some(to(&sink.url)), ..fixture::telemetry() };
    let mut exporter = exporter(&telemetry);
    let shards = fixture::shards();
    let mut totals = fixture::totals(&[stream()]);
    exporter.metrics(&fixture::view(&totals, &shards, &telemetry));
    totals.observe(&stream());
    exporter.metrics(&fixture::view(&totals, &shards, &telemetry));
    exporter.shutdown(Duration::from_secs(20)).await;
    let seen = sink.seen();
    let last = ExportMetricsServiceRequest::decode(&*seen.last().unwrap().1).unwrap();
    let metrics = &last.resource_metrics[0].scope_metrics[0].metrics;
    let requests = metrics.iter().find(|metric| metric.name == "llm_gateway_requests_total").unwrap();
    assert!(format!("{requests:?}").contains("AsInt(2)"), "{requests:?}");
}

#[tokio::test]
async fn without_targets_nothing_happens() {
    let telemetry = fixture::telemetry();
    let mut exporter = Exporter::start(&telemetry).unwrap();
    exporter.record(&stream());
    exporter.metrics(&fixture::view(&fixture::totals(&[]), &[], &telemetry));
    assert_eq!(exporter.stats(), ExportStats::default());
    exporter.shutdown(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_without_showing_secrets() {
    let why = |target: OtlpTarget| Exporter::start(&traces(target)).err().unwrap();
    assert!(why(to("ftp://127.0.0.1/")).contains("http://"));
    assert!(why(to("not a url")).contains("not a URL"));
    let target = to("http://127.0.0.1:1");
    let headers = vec![("x-key".into(), Secret::new("s3cret\n".into()))];
    let said = why(OtlpTarget { headers, ..target.clone() });
    assert!(said.contains("x-key") && !said.contains("s3cret"), "{said}");
    assert!(why(OtlpTarget { ca: Some("/nonexistent/ca.pem".into()), ..target.clone() }).contains("ca.pem"));
    let identity = Some(("/nonexistent/own.pem".into(), "/nonexistent/own.key".into()));
    assert!(why(OtlpTarget { identity, ..target }).contains("own.pem"));
}

/// A gRPC server as small as can be: takes unary calls, answers with the next status in its trailers.
async fn grpc_sink(statuses: Vec<u32>) -> (String, Seen<hyper::http::request::Parts, Bytes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let (for_task, statuses) = (seen.clone(), Arc::new(Mutex::new(statuses.into_iter())));
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let answer = move |request: Request<Incoming>| {
            let (seen, statuses) = (for_task.clone(), statuses.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                seen.lock().unwrap().push((head, body));
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", statuses.lock().unwrap().next().unwrap_or(0).into());
                let empty = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async move { Some(Ok(trailers)) });
                Ok::<_, Infallible>(Response::builder().header("content-type", "application/grpc").body(empty).unwrap())
            }
        };
        let service = hyper::service::service_fn(answer);
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(socket), service)
            .await;
    });
    (url, seen)
}

#[tokio::test]
async fn grpc_is_a_unary_call_judged_by_its_trailers() {
    // UNAVAILABLE passes, then OK; INVALID_ARGUMENT does not.
    let (url, seen) = grpc_sink(vec![14, 0, 3]).await;
    let target = OtlpTarget { protocol: OtlpProtocol::Grpc, gzip: true, ..to(&url) };
    let mut exporter = exporter(&traces(target));
    exporter.record(&stream());
    let stats = settled(&exporter, |stats| stats.queued == 0).await;
    assert_eq!((stats.exported, stats.retried), (2, 1));
    exporter.record(&stream());
    let stats = settled(&exporter, |stats| stats.queued == 0).await;
    assert_eq!((stats.exported, stats.retried, stats.dropped.refused), (2, 1, 2));

    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    let (head, body) = &seen[0];
    assert_eq!(head.uri.path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-encoding", "gzip"),
        ("grpc-timeout", "10000m"),
        ("authorization", "Bearer s3cret"),
    ] {
        assert_eq!(head.headers[name], value);
    }
    assert_eq!(body[0], 1, "compressed");
    assert_eq!(u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize, body.len() - 5);
    assert_eq!(span_count(&gunzip(&body[5..])), 2);
}
