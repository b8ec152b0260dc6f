use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use prost::Message;

use super::*;
use crate::control::export::fixture::telemetry;
use crate::control::export::otlp::Resource;
use crate::telemetry::fixture;

/// Our bytes as any collector reads them.
fn spans(record: &Record) -> Vec<Span> {
    let mut items = Vec::new();
    encode_record(record, &mut items);
    let request = Resource::new(&telemetry()).request(&items);
    let request = ExportTraceServiceRequest::decode(&*request).unwrap();
    let [resource] = &request.resource_spans[..] else { panic!("one resource") };
    let attributes = shown(&resource.resource.as_ref().unwrap().attributes);
    assert!(attributes.contains(&"service.name=gate".into()) && attributes.contains(&"region=eu".into()));
    let [scope] = &resource.scope_spans[..] else { panic!("one scope") };
    assert_eq!(scope.scope.as_ref().unwrap().name, "sluice");
    assert_eq!(scope.spans.len(), count(record));
    scope.spans.clone()
}

fn show(value: &AnyValue) -> String {
    match value.value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(flag) => flag.to_string(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => format!("{number:?}"),
        Value::ArrayValue(array) => format!("{:?}", array.values.iter().map(show).collect::<Vec<_>>()),
        other => panic!("{other:?}"),
    }
}

fn shown(attributes: &[KeyValue]) -> Vec<String> {
    let mut all: Vec<String> =
        attributes.iter().map(|pair| format!("{}={}", pair.key, show(pair.value.as_ref().unwrap()))).collect();
    all.sort();
    all
}

fn status_of(span: &Span) -> StatusCode {
    span.status.as_ref().map_or(StatusCode::Unset, |status| status.code())
}

#[test]
fn a_served_stream_is_a_server_span_and_a_client_span() {
    let spans = spans(&fixture::stream());
    let (server, client) = (&spans[0], &spans[1]);

    assert_eq!(server.name, "POST /v1/chat/completions");
    assert_eq!(server.kind(), SpanKind::Server);
    assert_eq!((&*server.trace_id, &*server.span_id), (&b"0123456789abcdef"[..], &b"serverid"[..]));
    assert_eq!((&*server.parent_span_id, &*server.trace_state), (&b"callerid"[..], "vendor=1"));
    assert_eq!(server.start_time_unix_nano, fixture::START_UNIX_NS);
    assert_eq!(server.end_time_unix_nano - server.start_time_unix_nano, 901_000_000);
    assert_eq!((server.flags, status_of(server)), (0x301, StatusCode::Unset));
    assert_eq!(
        shown(&server.attributes),
        [
            "client.address=10.1.2.3",
            "client.port=5555",
            "http.request.body.size=1024",
            "http.request.method=POST",
            "http.response.body.size=4096",
            "http.response.status_code=200",
            "http.route=/v1/chat/completions",
            "sluice.admit_us=40",
            "sluice.attempts=1",
            "sluice.face=chat_completions",
            "sluice.key.id=k1",
            "sluice.metadata.customer_id=acme",
            "sluice.metadata.environment=prod",
            "sluice.model.requested=gpt-4o-mini",
            "sluice.outcome=served",
            "sluice.principal=virtualaccount:support-bot",
            "sluice.request.id=req_01990000000000010000000000000007",
            "sluice.shard=1",
            "sluice.stream=true",
            "sluice.target=openai-main/gpt-4o-mini",
            "sluice.teams=[\"support\", \"night\"]",
            "sluice.time_to_first_token=0.25",
            "url.path=/v1/chat/completions",
            "url.scheme=http",
        ]
    );

    assert_eq!(client.name, "chat gpt-4o-mini");
    assert_eq!(client.kind(), SpanKind::Client);
    assert_eq!((&client.trace_id, &client.parent_span_id), (&server.trace_id, &server.span_id));
    assert_eq!(client.start_time_unix_nano, fixture::START_UNIX_NS + 40_000);
    assert_eq!(client.end_time_unix_nano, fixture::START_UNIX_NS + 900_000_000);
    assert_eq!((client.flags, status_of(client)), (0x101, StatusCode::Unset));
    assert_eq!(
        shown(&client.attributes),
        [
            "gen_ai.operation.name=chat",
            "gen_ai.provider.name=openai",
            "gen_ai.request.max_tokens=256",
            "gen_ai.request.model=gpt-4o-mini",
            "gen_ai.request.stream=true",
            "gen_ai.response.finish_reasons=[\"stop\"]",
            "gen_ai.response.id=chatcmpl-1",
            "gen_ai.response.model=gpt-4o-mini-2024-07-18",
            "gen_ai.response.time_to_first_chunk=0.24996",
            "gen_ai.usage.cache_read.input_tokens=100",
            "gen_ai.usage.input_tokens=120",
            "gen_ai.usage.output_tokens=41",
            "gen_ai.usage.reasoning.output_tokens=16",
            "http.request.method=POST",
            "http.response.status_code=200",
            "openai.api.type=chat_completions",
            "server.address=api.openai.com",
            "server.port=443",
            "sluice.attempt.connection_reused=true",
            "sluice.attempt.index=0",
            "sluice.attempt.reason=direct",
            "sluice.attempt.target=openai-main/gpt-4o-mini",
            "sluice.cost.source=public",
            "sluice.cost_usd=4.26e-5",
            "sluice.stream.chunks=4",
            "sluice.stream.gap.max=0.03",
            "sluice.stream.gap.mean=0.02",
            "sluice.usage.source=reported",
        ]
    );
}

#[test]
fn a_refusal_is_a_server_span_without_error_status() {
    let spans = spans(&fixture::refused());
    assert!(spans[0].parent_span_id.is_empty());
    assert_eq!((spans[0].flags, status_of(&spans[0])), (0x101, StatusCode::Unset));
    assert_eq!(
        shown(&spans[0].attributes),
        [
            "http.request.body.size=1024",
            "http.request.method=POST",
            "http.response.body.size=4096",
            "http.response.status_code=401",
            "http.route=/v1/chat/completions",
            "sluice.attempts=0",
            "sluice.error.code=invalid_api_key",
            "sluice.face=chat_completions",
            "sluice.outcome=refused",
            "sluice.request.id=req_01990000000000010000000000000007",
            "sluice.shard=1",
            "url.path=/v1/chat/completions",
            "url.scheme=http",
        ]
    );
}

#[test]
fn each_failed_attempt_is_an_error_on_its_own_span() {
    let spans = spans(&fixture::failed_attempts());
    assert_eq!(spans.iter().map(status_of).collect::<Vec<_>>(), [StatusCode::Error; 3]);
    assert!(spans.iter().all(|span| span.status.as_ref().unwrap().message.is_empty()));
    let has = |at: usize, attribute: &str| shown(&spans[at].attributes).iter().any(|known| known == attribute);
    assert!(has(0, "error.type=overloaded") && has(0, "sluice.attempts=2"));
    assert!(has(1, "error.type=disconnected") && !has(1, "http.request.resend_count=0"));
    assert!(has(2, "error.type=overloaded") && has(2, "http.request.resend_count=1"));
    assert!(has(2, "sluice.attempt.reason=reuse_race") && has(2, "http.response.status_code=503"));
    assert!(!shown(&spans[1].attributes).iter().any(|known| known.starts_with("http.response.status_code")));
    assert!(spans.iter().all(|span| !shown(&span.attributes).iter().any(|known| known.starts_with("gen_ai.usage."))));
}

#[test]
fn a_saved_request_is_no_error_though_an_attempt_was() {
    let mut record = fixture::failed_attempts();
    record.status = 200;
    record.attempts[1].status = 200;
    record.attempts[1].error = None;
    let statuses: Vec<_> = spans(&record).iter().map(status_of).collect();
    assert_eq!(statuses, [StatusCode::Unset, StatusCode::Error, StatusCode::Unset]);
}

#[test]
fn a_client_that_leaves_is_no_error() {
    let spans = spans(&fixture::cancelled());
    assert_eq!(spans.iter().map(status_of).collect::<Vec<_>>(), [StatusCode::Unset; 2]);
    let all: Vec<_> = spans.iter().flat_map(|span| shown(&span.attributes)).collect();
    assert!(!all.iter().any(|known| known.starts_with("error.type")));
    for expected in [
        "sluice.outcome=cancelled",
        "sluice.attempt.ended_by=client_gone",
        "gen_ai.usage.output_tokens=9",
        "sluice.usage.source=counted",
    ] {
        assert!(all.iter().any(|known| known == expected), "{expected}");
    }
}

#[test]
fn a_truncated_answer_says_error_where_its_reason_is_missing() {
    let record = Record { outcome: Outcome::Truncated, finish_reason: None, ..fixture::stream() };
    let spans = spans(&record);
    assert_eq!(status_of(&spans[0]), StatusCode::Error);
    assert!(shown(&spans[1].attributes).contains(&"gen_ai.response.finish_reasons=[\"error\"]".into()));
}

#[test]
fn usage_and_cost_are_on_client_spans_only() {
    for record in [fixture::stream(), fixture::cancelled(), fixture::hedged(), fixture::rescued()] {
        let server = &spans(&record)[0];
        let all = shown(&server.attributes);
        assert!(!all.iter().any(|known| known.contains("usage") || known.contains("cost")), "{all:?}");
    }
}

#[test]
fn long_and_odd_values_stay_whole() {
    let mut record = fixture::stream();
    record.method = "BREW".into();
    record.route = "";
    record.model_requested = "m".repeat(70_000).into();
    record.metadata = fixture::metadata(&[(&"ключ".repeat(40), "v")]);
    let spans = spans(&record);
    assert_eq!(spans[0].name, "HTTP");
    let all = shown(&spans[0].attributes);
    assert!(
        all.contains(&"http.request.method=_OTHER".into()) && all.contains(&"http.request.method_original=BREW".into())
    );
    assert!(all.contains(&format!("sluice.model.requested={}", "m".repeat(70_000))));
    // A name that long is cut, between characters.
    assert!(all.iter().any(|known| known.starts_with("sluice.metadata.ключ") && known.ends_with("=v")));
}

/// Name, milliseconds since the start, attributes.
fn events(span: &Span) -> Vec<(&str, u64, Vec<String>)> {
    let at = |event: &opentelemetry_proto::tonic::trace::v1::span::Event| {
        (event.time_unix_nano - fixture::START_UNIX_NS) / 1_000_000
    };
    span.events.iter().map(|event| (&*event.name, at(event), shown(&event.attributes))).collect()
}

fn statuses(spans: &[Span]) -> Vec<StatusCode> {
    spans.iter().map(status_of).collect()
}

fn has(span: &Span, attribute: &str) -> bool {
    shown(&span.attributes).iter().any(|known| known == attribute)
}

#[test]
fn a_fallback_tells_what_was_chosen_and_why_it_went_on() {
    let spans = spans(&fixture::fallback());
    assert_eq!(statuses(&spans), [StatusCode::Unset, StatusCode::Error, StatusCode::Error, StatusCode::Unset]);
    for attribute in [
        "sluice.route.rule=chat",
        "sluice.route.type=priority-based-routing",
        "sluice.fallback.rule=last-resort",
        "sluice.attempts=3",
        "sluice.rescued_by=fallback",
        "applied_loadbalance_rule_ids=[\"chat\"]",
    ] {
        assert!(has(&spans[0], attribute), "{attribute}");
    }
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let [route, retry, fallback] = &events(&spans[0])[..] else { panic!("three events") };
    let openai = "sluice.target=openai-main/gpt-4o-mini";
    assert_eq!((route.0, route.1), ("sluice.route", 1));
    assert_eq!(
        route.2,
        texts(&[
            "sluice.passed_over=1",
            "sluice.passed_over_why=sla",
            "sluice.reason=priority",
            "sluice.route.rule=chat",
            "sluice.route.type=priority-based-routing",
            openai
        ])
    );
    assert_eq!((retry.0, retry.1), ("sluice.retry", 100));
    assert_eq!(
        retry.2,
        texts(&["sluice.reason=rate_limited", "sluice.route.rule=chat", openai, "sluice.waited_ms=80.0"])
    );
    assert_eq!((fallback.0, fallback.1), ("sluice.fallback", 151));
    assert_eq!(
        fallback.2,
        texts(&[
            "sluice.from=openai-main/gpt-4o-mini",
            "sluice.reason=overloaded",
            "sluice.route.rule=last-resort",
            "sluice.target=claude/claude-sonnet-5"
        ])
    );
    assert!(has(&spans[1], "sluice.attempt.passed_over=1") && has(&spans[2], "sluice.attempt.waited_ms=80.0"));
    assert!(has(&spans[3], "sluice.attempt.reason=fallback") && has(&spans[3], "sluice.attempt.index=2"));
}

#[test]
fn a_request_that_was_diverted_tells_from_where_and_why() {
    let spans = spans(&fixture::diverted());
    let [route, fallback] = &events(&spans[0])[..] else { panic!("two events") };
    assert!(route.2.contains(&"sluice.target=openai-main/gpt-4o-mini".into()), "{route:?}");
    assert_eq!(fallback.0, "sluice.fallback");
    for attribute in [
        "sluice.from=openai-main/gpt-4o-mini",
        "sluice.passed_over=1",
        "sluice.passed_over_why=unhealthy",
        "sluice.reason=overloaded",
        "sluice.route.rule=last-resort",
        "sluice.target=claude/claude-sonnet-5",
    ] {
        assert!(fallback.2.iter().any(|known| known == attribute), "{attribute} {fallback:?}");
    }
    assert!(!has(&spans[0], "sluice.rescued_by=fallback"));
}

#[test]
fn the_loser_of_a_hedge_is_no_error_and_keeps_its_bill() {
    let spans = spans(&fixture::hedged());
    assert_eq!(statuses(&spans), [StatusCode::Unset; 3]);
    let [_, hedge] = &events(&spans[0])[..] else { panic!("two events") };
    assert_eq!((hedge.0, hedge.1), ("sluice.hedge", 200));
    assert!(hedge.2.contains(&"sluice.from=slow/gpt-4o-mini".into()) && !has(&spans[0], "sluice.rescued_by=hedge"));
    assert!(has(&spans[1], "sluice.attempt.ended_by=hedge_lost") && has(&spans[1], "gen_ai.usage.output_tokens=5"));
    assert!(has(&spans[1], "sluice.cost_usd=5e-5") && has(&spans[2], "sluice.attempt.reason=hedge"));
}

#[test]
fn a_rescued_stream_is_whole_and_tells_how_it_was_finished() {
    let spans = spans(&fixture::rescued());
    assert_eq!(statuses(&spans), [StatusCode::Unset, StatusCode::Error, StatusCode::Error, StatusCode::Unset]);
    let rescues: Vec<_> = events(&spans[0]).into_iter().filter(|event| event.0 == "sluice.rescue").collect();
    assert_eq!(rescues.iter().map(|event| event.1).collect::<Vec<_>>(), [501, 521]);
    assert!(rescues[0].2.contains(&"sluice.rescue.how=continue".into()), "{rescues:?}");
    assert!(rescues[1].2.contains(&"sluice.rescue.how=restart".into()), "{rescues:?}");
    assert!(has(&spans[0], "sluice.rescued_by=stream"));
}

#[test]
fn a_request_that_went_where_its_name_says_has_no_events() {
    for record in [fixture::stream(), fixture::refused(), fixture::failed_attempts(), fixture::cancelled()] {
        assert!(spans(&record).iter().all(|span| span.events.is_empty()));
    }
}
