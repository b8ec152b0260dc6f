//! Document and environment, and who wins.

use super::*;

fn telemetry(document: &str, variables: &[(&str, &str)]) -> Telemetry {
    accepted(&format!("type: sluice\nname: a\n{document}\n"), variables).process.telemetry
}

fn url(target: &Option<OtlpTarget>) -> Option<&str> {
    target.as_ref().map(|target| target.url.as_str())
}

#[test]
fn nothing_is_pushed_unless_asked_for() {
    let found = telemetry("", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"), ("OTEL_BSP_SCHEDULE_DELAY", "x")]);
    assert!(found.traces.is_none() && found.metrics.is_none());
    assert_eq!(found.service_name, "sluice");
}

#[test]
fn the_switches_push_to_localhost() {
    let found = telemetry("", &[("ENABLE_OTEL_TRACING", "true")]);
    assert_eq!((url(&found.traces), url(&found.metrics)), (Some("http://localhost:4318/v1/traces"), None));
    let found = telemetry("", &[("ENABLE_OTEL_METRICS", "True"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert_eq!((url(&found.traces), url(&found.metrics)), (None, Some("http://localhost:4317")));
}

#[test]
fn the_general_endpoint_is_a_base_and_a_signals_own_is_used_as_it_is() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://metrics.example/api/v1/otlp/v1/metrics"),
    ];
    let found = telemetry("", &variables);
    assert_eq!(url(&found.traces), Some("http://collector:4318/base/v1/traces"));
    assert_eq!(url(&found.metrics), Some("https://metrics.example/api/v1/otlp/v1/metrics"));
    let found = telemetry("", &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318")]);
    assert_eq!((url(&found.traces), url(&found.metrics)), (Some("http://c:4318/"), None));
}

#[test]
fn a_grpc_endpoint_without_a_scheme_is_tls_unless_it_is_said_to_be_insecure() {
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    assert_eq!(url(&telemetry("", &[grpc, endpoint]).traces), Some("https://collector:4317"));
    let variables = [grpc, endpoint, ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true")];
    let found = telemetry("", &variables);
    let both = (url(&found.traces), url(&found.metrics));
    assert_eq!(both, (Some("http://collector:4317"), Some("https://collector:4317")));
}

#[test]
fn a_client_certificate_comes_with_its_key() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318");
    let certificate = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file);
    let found = telemetry("", &[endpoint, certificate, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", file)]);
    assert_eq!(found.traces.expect("pushed").identity, Some((file.into(), file.into())));
    let faults = refused("type: sluice\nname: a\n", &[endpoint, certificate]);
    let expected =
        "environment: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: expected `OTEL_EXPORTER_OTLP_CLIENT_KEY` beside it";
    assert_eq!(faults, [expected]);
}

#[test]
fn the_document_wins_over_variables_key_by_key() {
    let document = "telemetry: {otlp: {endpoint: \"http://doc:4318\", compression: none}, service_name: doc, \
                    resource_attributes: {team: doc}, metadata_labels: [doc]}";
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://env:1/x"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1500"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20abc, x-tenant = t1"),
        ("OTEL_SERVICE_NAME", "env"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=env,service.name=attr,zone=a%2Cb"),
        ("LLM_GATEWAY_METADATA_LOGGING_KEYS", "[\"env\"]"),
    ];
    let found = telemetry(document, &variables);
    let (traces, metrics) = (found.traces.expect("pushed"), found.metrics.expect("pushed"));
    assert_eq!(traces.url, "http://doc:4318/v1/traces");
    assert!(!traces.gzip);
    assert_eq!((traces.timeout_ms, metrics.timeout_ms), (2500, 1500));
    let headers: Vec<(&str, &str)> = traces.headers.iter().map(|(k, v)| (k.as_str(), v.expose())).collect();
    assert_eq!(headers, [("authorization", "Bearer abc"), ("x-tenant", "t1")]);
    assert_eq!((found.service_name.as_str(), found.metadata_labels), ("doc", vec!["doc".to_owned()]));
    let attributes = [("zone", "a,b"), ("team", "doc")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(found.resource_attributes, attributes);
}

#[test]
fn what_turns_exports_off_wins_over_everything() {
    let document = "telemetry: {otlp: {endpoint: \"http://doc:4318\"}}";
    let found = telemetry(document, &[("OTEL_SDK_DISABLED", "true")]);
    assert!(found.traces.is_none() && found.metrics.is_none());
    let found = telemetry(document, &[("ENABLE_OTEL_TRACING", "false")]);
    assert!(found.traces.is_none() && found.metrics.is_some());
    let found = telemetry(document, &[("OTEL_METRICS_EXPORTER", "prometheus"), ("OTEL_TRACES_EXPORTER", "otlp")]);
    assert!(found.traces.is_some() && found.metrics.is_none());
}

#[test]
fn batches_samplers_and_temporality_follow_their_variables() {
    let plain = telemetry("", &[("ENABLE_OTEL_TRACING", "true"), ("ENABLE_OTEL_METRICS", "true")]);
    assert_eq!((plain.span_queue_max, plain.span_batch_max, plain.span_delay_ms), (65_536, 4_096, 1_000));
    assert_eq!((plain.sample_ratio, plain.parent_based), (1.0, true));
    assert_eq!((plain.metric_interval_ms, plain.delta_temporality), (60_000, false));
    let variables = [
        ("ENABLE_OTEL_TRACING", "true"),
        ("ENABLE_OTEL_METRICS", "true"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "4000"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "15000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
    ];
    let found = telemetry("", &variables);
    // A batch never larger than the queue.
    assert_eq!((found.span_queue_max, found.span_batch_max, found.span_delay_ms), (1000, 1000, 200));
    assert_eq!((found.sample_ratio, found.parent_based), (0.25, false));
    assert_eq!((found.metric_interval_ms, found.delta_temporality), (15_000, true));
    assert_eq!(found.traces.expect("pushed").timeout_ms, 4000);
    assert_eq!(found.metrics.expect("pushed").timeout_ms, 10_000);
}

#[test]
fn the_metadata_keys_of_the_environment_become_labels() {
    let found = telemetry("", &[("LLM_GATEWAY_METADATA_LOGGING_KEYS", "[\"customer_id\",\"request_type\"]")]);
    assert_eq!(found.metadata_labels, ["customer_id", "request_type"]);
}

#[test]
fn faults_in_variables_name_them_and_hold_no_value() {
    let on = ("ENABLE_OTEL_TRACING", "true");
    let golden = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "expected `http/protobuf` or `grpc` (`http/json` is not served)"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "swordfish", "expected `gzip` or `none`"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "swordfish", "expected a whole number from 1 to 600000"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "swordfish",
            "expected `KEY=VALUE,KEY=VALUE` with values percent-encoded where needed",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "a=%0d%0aswordfish",
            "expected `KEY=VALUE,KEY=VALUE` with values percent-encoded where needed",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "swordfish:4317",
            "expected `http://HOST[:PORT][/PATH]` or `https://...`, without user, query or fragment",
        ),
        ("OTEL_TRACES_EXPORTER", "zipkin", "expected `otlp` or `none`"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", ""),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999", "expected no more than OTEL_BSP_MAX_QUEUE_SIZE"),
        (
            "LLM_GATEWAY_METADATA_LOGGING_KEYS",
            "customer_id",
            "expected a JSON array of metadata keys of letters, digits and `_`, at most 64 of them, such as [\"customer_id\"]",
        ),
    ];
    for (name, value, message) in golden {
        let faults = refused("", &[on, (name, value)]);
        // An argument without a sampler that takes one is not judged.
        let expected: Vec<String> =
            if message.is_empty() { Vec::new() } else { vec![format!("environment: {name}: {message}")] };
        assert_eq!(faults, expected);
    }
}
