//! Spans and metrics leave the gateway over OTLP: a real collector decodes them, a scripted one misbehaves.

mod common;

use common::collector::{Collector, Span};
use common::http::{self, Connection, chat};
use common::python::venv;
use common::upstream::{Upstream, json};
use common::{DRIVERS, Gateway, MOCK, account, config};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

const CALLERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

/// Spans leave at once.
const PROMPT: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "1");

fn traced(flags: &str) -> String {
    format!("traceparent: 00-{CALLERS_TRACE}-{CALLERS_SPAN}-{flags}\r\ntracestate: vendor=1\r\n")
}

fn otlp(endpoint: impl std::fmt::Display, more: &str) -> String {
    format!("telemetry: {{otlp: {{endpoint: \"http://{endpoint}\"{more}}}}}\n")
}

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;

/// Scenario: requests that are served, streamed, refused, limited and cut go through a gateway that exports to rotel.
/// Guarantees: the collector decodes one SERVER span per request and below it one CLIENT span per attempt, the
/// caller's trace goes on to the provider, tokens are on CLIENT spans only, and the pushed totals are their sum.
#[test]
fn a_real_collector_decodes_one_server_span_per_request() {
    let Some(venv) = venv() else { return };
    for (driver, protocol) in DRIVERS.into_iter().zip(["http/protobuf", "grpc"]) {
        let collector = Collector::start(venv);
        let endpoint = if protocol == "grpc" { collector.grpc } else { collector.http };
        let upstream = Upstream::always(json(ANSWER));
        let otlp = otlp(endpoint, &format!(", protocol: {protocol}, compression: gzip"));
        let up = format!("{}integrations: [{{name: gpt}}]\n", account(upstream.address));
        let mut gateway = Gateway::start(driver, &config(&format!("{otlp}{MOCK}{up}")));

        let mut connection = Connection::open(gateway.address);
        connection.send(http::post("/v1/chat/completions", &chat("up/gpt", false), &traced("01")).as_bytes());
        assert_eq!(connection.response().status, 200);
        let sent_on = upstream.request();
        let models = ["mock/mock:tokens=5", "mock/mock:tokens=9,gap=2,cut@3", "mock/mock:429", "nowhere/model"];
        for (model, stream) in models.into_iter().flat_map(|model| [(model, false), (model, true)]) {
            http::once(gateway.address, "/v1/chat/completions", &chat(model, stream));
        }
        gateway.signal("TERM");
        assert!(gateway.wait().success());

        // 9 requests; the two refused ones have no attempt.
        let seen = collector.seen(|seen| {
            seen.spans.len() >= 16 && seen.points.iter().any(|point| point.metric == "process.start_time")
        });
        let (servers, clients): (Vec<Span>, Vec<Span>) = seen.spans.into_iter().partition(|span| span.server);
        assert_eq!((servers.len(), clients.len()), (9, 7), "{protocol}");
        for client in &clients {
            let parent = servers.iter().find(|server| server.id == client.parent).expect("a SERVER span above it");
            assert_eq!(parent.trace, client.trace);
            assert!(client.name.starts_with("chat "), "{}", client.name);
            let counted = client.int("gen_ai.usage.output_tokens").is_some();
            assert!(counted || client.attributes.iter().any(|known| known.starts_with("error.type")), "{client:?}");
        }
        for server in &servers {
            assert_eq!(server.name, "POST /v1/chat/completions");
            assert!(!server.attributes.iter().any(|known| known.starts_with("gen_ai.usage")), "{server:?}");
        }
        let continued = servers.iter().find(|server| server.trace == CALLERS_TRACE).expect("the caller's trace");
        assert_eq!(continued.parent, CALLERS_SPAN);
        let attempt = clients.iter().find(|client| client.parent == continued.id).expect("its attempt");
        assert!(sent_on.contains(&format!("traceparent: 00-{CALLERS_TRACE}-{}-01\r\n", attempt.id)), "{sent_on}");
        assert!(sent_on.contains("tracestate: vendor=1\r\n"), "{sent_on}");
        assert!(servers.iter().all(|server| server.trace == CALLERS_TRACE || server.parent.is_empty()));
        let ended = |outcome: &str| servers.iter().filter(|server| server.has(outcome)).count();
        // A cut body is no answer, a cut stream half of one.
        let cut = (ended("sluice.outcome: Str(truncated)"), ended("sluice.outcome: Str(failed)"));
        assert_eq!(cut, (1, 1));

        let output: u64 = clients.iter().filter_map(|client| client.int("gen_ai.usage.output_tokens")).sum();
        let pushed = seen.points.iter().filter(|point| point.metric == "llm_gateway_output_tokens");
        assert_eq!(pushed.map(|point| point.value.parse::<u64>().expect("a count")).sum::<u64>(), output);
        let resource = &continued.resource;
        assert!(resource.contains(&"service.name: Str(sluice)".to_owned()), "{resource:?}");
        assert!(seen.points.iter().all(|point| point.resource == *resource), "one resource for both signals");
    }
}

/// The spans in an OTLP request over HTTP, uncompressed.
fn spans(request: &[u8]) -> ExportTraceServiceRequest {
    let body = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    ExportTraceServiceRequest::decode(&request[body..]).expect("an OTLP request")
}

fn count(request: &ExportTraceServiceRequest, kind: SpanKind) -> usize {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans).filter(|span| span.kind == kind as i32).count()
}

fn taken() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n".to_vec()
}

/// Waits for a metric to have this value.
fn until_metric(gateway: &Gateway, sample: &str, value: f64) {
    let deadline = std::time::Instant::now() + common::PATIENCE;
    while gateway.metric(sample) != value {
        assert!(std::time::Instant::now() < deadline, "{sample} is {}, not {value}", gateway.metric(sample));
        std::thread::yield_now();
    }
}

/// Scenario: the receiver answers 503 with Retry-After, then 200.
/// Guarantees: the same bytes are sent again, nothing is lost, and the counters say so.
#[test]
fn a_busy_receiver_is_tried_again() {
    for driver in DRIVERS {
        let sink = Upstream::start(|peer| {
            if peer.request().is_some() {
                peer.send(b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n");
            }
            while peer.request().is_some() && peer.send(&taken()) {}
        });
        let config = config(&format!("{}{MOCK}", otlp(sink.address, "")));
        let gateway = Gateway::start_with(driver, &config, &[PROMPT, ("OTEL_METRICS_EXPORTER", "none")]);
        http::once(gateway.address, "/v1/chat/completions", &chat("mock/mock:tokens=1", false));
        let (first, second) = (sink.request_bytes(), sink.request_bytes());
        assert_eq!(first, second);
        let request = spans(&second);
        assert_eq!((count(&request, SpanKind::Server), count(&request, SpanKind::Client)), (1, 1));
        until_metric(&gateway, "sluice_otlp_exported_total{signal=\"traces\"", 2.0);
        assert_eq!(gateway.metric("sluice_otlp_retried_total{signal=\"traces\"}"), 1.0);
        assert_eq!(gateway.metric("sluice_otlp_dropped_total{"), 0.0);
    }
}

/// Scenario: the receiver refuses a request with 400, and takes another only in part.
/// Guarantees: neither is sent again; what was lost is counted, by reason.
#[test]
fn what_a_receiver_refuses_is_dropped_and_counted() {
    let sink = Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.send(b"HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n");
        }
        // ExportTraceServiceResponse{partial_success: {rejected_spans: 1}}
        if peer.request().is_some() {
            peer.send(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 4\r\n\r\n\x0a\x02\x08\x01",
            );
        }
        peer.until_closed();
    });
    let config = config(&format!("{}{MOCK}", otlp(sink.address, "")));
    let gateway = Gateway::start_with("io_uring", &config, &[PROMPT, ("OTEL_METRICS_EXPORTER", "none")]);
    http::once(gateway.address, "/v1/chat/completions", &chat("mock/mock:tokens=1", false));
    until_metric(&gateway, "sluice_otlp_dropped_total{signal=\"traces\",reason=\"refused\"}", 2.0);
    http::once(gateway.address, "/v1/chat/completions", &chat("mock/mock:tokens=1", false));
    until_metric(&gateway, "sluice_otlp_rejected_total{signal=\"traces\"}", 1.0);
    assert_eq!(gateway.metric("sluice_otlp_exported_total{signal=\"traces\"}"), 1.0);
    assert_eq!(sink.request().matches("POST /v1/traces").count(), 1);
    assert_eq!((sink.requests_so_far().len(), gateway.metric("sluice_otlp_retried_total{")), (1, 0.0));
}

/// Scenario: one collector is not there, another takes a request and never answers.
/// Guarantees: requests are served all the same, each has its row and its count, and the gateway ends when told to.
#[test]
fn an_unreachable_collector_never_delays_a_request() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let silent = Upstream::start(|peer| {
        peer.request();
        peer.until_closed();
    });
    for (driver, endpoint) in DRIVERS.into_iter().zip([closed, silent.address]) {
        let config = config(&format!("{}{MOCK}", otlp(endpoint, "")));
        let mut gateway = Gateway::start_with(driver, &config, &[PROMPT]);
        for _ in 0..50 {
            let answer = http::once(gateway.address, "/v1/chat/completions", &chat("mock/mock:tokens=2", true));
            assert_eq!((answer.status, answer.complete), (200, true));
        }
        assert_eq!(gateway.rows("", 50).len(), 50);
        assert_eq!(gateway.metric("llm_gateway_output_tokens{"), 100.0, "{driver} {}", gateway.log());
        assert_eq!(gateway.metric("sluice_otlp_exported_total{signal=\"traces\"}"), 0.0);
        gateway.signal("TERM");
        assert!(gateway.wait().success());
    }
}

/// Scenario: only variables say where spans and metrics go and how.
/// Guarantees: each is honoured: switches, the endpoint of a signal as it is, headers, names of the service.
#[test]
fn the_environment_directs_the_export() {
    let (traces, metrics) = (Upstream::always(taken()), Upstream::always(taken()));
    let environment = [
        PROMPT,
        ("ENABLE_OTEL_TRACING", "true"),
        ("ENABLE_OTEL_METRICS", "true"),
        ("OTEL_SERVICE_NAME", "front-door"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("http://{}/intake/traces", traces.address)),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Authorization=Bearer%20secret-token,x-team=gate"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &format!("http://{}/intake/metrics", metrics.address)),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "Authorization=Bearer%20other-token"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ];
    let gateway = Gateway::start_with("io_uring", &config(MOCK), &environment);
    http::once(gateway.address, "/v1/chat/completions", &chat("mock/mock:tokens=1", false));
    let request = traces.request_bytes();
    let head = String::from_utf8_lossy(&request).into_owned();
    assert!(head.starts_with("POST /intake/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer secret-token\r\n") && head.contains("x-team: gate\r\n"), "{head}");
    let resource = format!("{:?}", spans(&request).resource_spans[0].resource);
    assert!(resource.contains("front-door") && resource.contains("deployment.environment.name"), "{resource}");
    let request = metrics.request();
    assert!(request.starts_with("POST /intake/metrics HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer other-token\r\n"), "{request}");
    assert!(!gateway.log().contains("secret-token"));
}

/// Scenario: the switch says false though an endpoint is given; a caller's trace is not sampled.
/// Guarantees: no span leaves, while rows and counts are as ever.
#[test]
fn what_is_not_exported_is_still_counted() {
    for (flags, switch) in [("01", "false"), ("00", "true")] {
        let sink = Upstream::always(taken());
        let environment = [PROMPT, ("ENABLE_OTEL_TRACING", switch), ("OTEL_METRICS_EXPORTER", "none")];
        let config = config(&format!("{}{MOCK}", otlp(sink.address, "")));
        let mut gateway = Gateway::start_with("io_uring", &config, &environment);
        let mut connection = Connection::open(gateway.address);
        let body = chat("mock/mock:tokens=3", false);
        connection.send(http::post("/v1/chat/completions", &body, &traced(flags)).as_bytes());
        assert_eq!(connection.response().status, 200);
        assert_eq!(gateway.rows(&format!("trace_id={CALLERS_TRACE}"), 1)[0]["usage"]["output_tokens"], 3);
        assert_eq!(gateway.metric("llm_gateway_output_tokens{"), 3.0);
        gateway.signal("TERM");
        assert!(gateway.wait().success());
        assert_eq!(sink.requests_so_far().len(), 0, "flags {flags}, switch {switch}");
    }
}
