//! What /metrics shows: the first stream at once, under the right labels, in both formats, and never other numbers than
//! the rows.

mod common;

use std::collections::BTreeMap;

use common::http::{self, Connection, chat};
use common::promtool::{self, promtool};
use common::python::{python, venv};
use common::{DRIVERS, Gateway, MOCK, PATIENCE, config};
use serde_json::Value;

const METADATA: &str = "x-tfy-metadata: {\"customer_id\":\"acme\",\"other\":\"not-a-label\"}\r\n";

fn streamed(gateway: &Gateway, fields: &str) {
    let mut connection = Connection::open(gateway.address);
    let body = chat("mock/mock:tokens=7", true);
    connection.send(http::post("/v1/chat/completions", &body, fields).as_bytes());
    let answer = connection.response();
    assert_eq!((answer.status, answer.events().last().map(String::as_str)), (200, Some("[DONE]")));
}

/// Scenario: somebody starts the gateway, streams one answer and looks at /metrics.
/// Guarantees: its tokens, its first token and its gaps are there, under the labels dashboards query.
#[test]
fn after_the_first_stream_its_tokens_are_shown() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        streamed(&gateway, "");
        gateway.rows("", 1);
        let labels = "{model_name=\"mock/mock:tokens=7\",tenant_name=\"default\",username=\"anonymous\"}";
        assert_eq!(gateway.metric(&format!("llm_gateway_output_tokens{labels}")), 7.0);
        assert!(gateway.metric(&format!("llm_gateway_input_tokens{labels}")) > 0.0);
        assert_eq!(gateway.metric(&format!("llm_gateway_first_token_latency_ms_count{labels}")), 1.0);
        assert_eq!(gateway.metric(&format!("llm_gateway_inter_token_latency_ms_count{labels}")), 1.0);
        assert_eq!(gateway.metric("gen_ai_client_inference_time_per_output_chunk_seconds_count{"), 6.0);
        let shown = if driver == "epoll" { "driver=\"epoll\"" } else { "driver=\"" };
        assert!(gateway.admin("/metrics").text().contains(shown));
    }
}

/// Scenario: metadata keys are made labels, in the document or by LLM_GATEWAY_METADATA_LOGGING_KEYS.
/// Guarantees: each listed key is the label llm_gateway_metadata_<key>; a key that is not listed never becomes one.
#[test]
fn listed_metadata_becomes_labels() {
    let document = "telemetry: {metadata_labels: [customer_id, request_type]}\n";
    let variable = [("LLM_GATEWAY_METADATA_LOGGING_KEYS", "[\"customer_id\",\"request_type\"]")];
    for (document, environment) in [(document, &[][..]), ("", &variable[..])] {
        let gateway = Gateway::start_with("io_uring", &config(&format!("{document}{MOCK}")), environment);
        streamed(&gateway, METADATA);
        streamed(&gateway, &METADATA.replace("x-tfy-", "x-sluice-"));
        gateway.rows("", 2);
        let labels = "model_name=\"mock/mock:tokens=7\",tenant_name=\"default\",username=\"anonymous\",\
                      llm_gateway_metadata_customer_id=\"acme\",llm_gateway_metadata_request_type=\"\"";
        let scrape = gateway.admin("/metrics").text();
        assert_eq!(gateway.metric(&format!("llm_gateway_output_tokens{{{labels}}}")), 14.0, "{scrape}");
        assert!(!gateway.admin("/metrics").text().contains("not-a-label"));
        assert_eq!(gateway.rows("", 2)[0]["metadata"]["other"], "not-a-label");
    }
}

/// Scenario: a reload changes which metadata keys are labels.
/// Guarantees: what was counted before keeps its labels and its numbers, what comes after has the new ones.
#[test]
fn labels_changed_by_a_reload_lose_nothing() {
    let gateway = Gateway::start("epoll", &config(&format!("telemetry: {{metadata_labels: [customer_id]}}\n{MOCK}")));
    streamed(&gateway, METADATA);
    let file = gateway.dir.join("sluice.yaml");
    let text = std::fs::read_to_string(&file).expect("the config");
    std::fs::write(&file, text.replace("[customer_id]", "[other]")).expect("the config is written");
    gateway.signal("HUP");
    let deadline = std::time::Instant::now() + PATIENCE;
    while gateway.metric("sluice_config_epoch") < 2.0 {
        assert!(std::time::Instant::now() < deadline, "{}", gateway.log());
    }
    streamed(&gateway, METADATA);
    gateway.rows("", 2);
    let scrape = gateway.admin("/metrics").text();
    let sums = |label: &str| by_label(&scrape, "llm_gateway_output_tokens", &format!("llm_gateway_metadata_{label}"));
    assert_eq!(sums("customer_id"), [("acme".to_owned(), 7.0), (String::new(), 7.0)].into());
    assert_eq!(sums("other"), [("not-a-label".to_owned(), 7.0), (String::new(), 7.0)].into());
}

/// Scrapes in OpenMetrics, as Prometheus asks for it.
fn openmetrics(gateway: &Gateway) -> String {
    let mut connection = Connection::open(gateway.admin);
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    connection.send(
        format!("GET /metrics HTTP/1.1\r\nhost: admin\r\naccept: {accept}\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    let answer = connection.response();
    assert!(answer.field("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    answer.text()
}

fn some_of_everything(gateway: &Gateway) {
    streamed(gateway, METADATA);
    let models =
        ["mock/mock:tokens=3", "mock/mock:429", "mock/mock:tokens=9,cut@3", "mock/mock:reset", "no-such-model"];
    for (model, stream) in models.into_iter().flat_map(|model| [(model, false), (model, true)]) {
        http::once(gateway.address, "/v1/chat/completions", &chat(model, stream));
    }
    http::once(gateway.address, "/v1/embeddings", r#"{"model":"mock/text-embedding-3-small","input":"water"}"#);
    http::once(gateway.address, "/v1/odd\\path", "{}");
    http::once(gateway.address, "/v1/chat/completions", &chat("mock/\\\"quoted\\\\\\n\u{e9}", false));
    gateway.rows("", 14);
}

/// Scenario: after requests of every kind, promtool and the strict OpenMetrics parser of prometheus_client read /metrics.
/// Guarantees: both accept it; promtool's only remarks are the names that dashboards depend on.
#[test]
fn both_formats_are_accepted_by_those_who_wrote_them() {
    const KNOWN: [&str; 4] = [
        "llm_gateway_input_tokens counter metrics should have \"_total\" suffix",
        "llm_gateway_output_tokens counter metrics should have \"_total\" suffix",
        "metric names should not contain abbreviated units",
        // `ruleId`, which dashboards ask for by that name.
        "label names should be written in 'snake_case' not 'camelCase'",
    ];
    let otlp = "telemetry: {metadata_labels: [customer_id], otlp: {endpoint: \"http://127.0.0.1:9\"}}\n";
    let gateway = Gateway::start("io_uring", &config(&format!("{otlp}{MOCK}")));
    some_of_everything(&gateway);
    if let Some(found) = promtool::run(promtool(&["check", "metrics"]), &gateway.admin("/metrics").text()) {
        let counters = |line: &str| {
            line.starts_with("llm_gateway_") && line.ends_with("counter metrics should have \"_total\" suffix")
        };
        let known = |line: &str| counters(line) || KNOWN.iter().any(|known| line.contains(known));
        assert!(matches!(found.code, Some(0 | 3)) && found.said.lines().all(known), "{:?}\n{}", found.code, found.said);
    }
    let Some(venv) = venv() else { return };
    let mut parser = python(venv);
    parser.args(["-c", "import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as read; families = list(read(sys.stdin.read())); assert len(families) > 20, families"]);
    let found = promtool::run(parser, &openmetrics(&gateway)).expect("python runs");
    assert_eq!(found.code, Some(0), "{}", found.said);
}

/// Samples of a family, added up by one label.
fn by_label(scrape: &str, family: &str, label: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in scrape.lines().filter(|line| line.starts_with(&format!("{family}{{"))) {
        let (labels, value) = line.rsplit_once("} ").expect("a sample");
        let (_, rest) = labels.split_once(&format!("{label}=\"")).expect("the label");
        let (name, _) = rest.split_once('"').expect("a label value");
        *sums.entry(name.to_owned()).or_default() += value.parse::<f64>().expect("a number");
    }
    sums.retain(|_, sum| *sum != 0.0);
    sums
}

fn sum_rows<'a>(
    rows: &[Value],
    key: impl Fn(&Value) -> Option<String> + 'a,
    of: impl Fn(&Value) -> f64,
) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for row in rows {
        if let Some(key) = key(row) {
            *sums.entry(key).or_default() += of(row);
        }
    }
    sums.retain(|_, sum| *sum != 0.0);
    sums
}

/// A client that leaves in the middle of its stream.
fn leave(gateway: &Gateway) {
    let mut connection = Connection::open(gateway.address);
    connection.send(http::post("/v1/chat/completions", &chat("mock/mock:tokens=4000,gap=5", true), "").as_bytes());
    connection.wait_for("gate");
}

/// Scenario: 200 requests on two shards: served, streamed, refused, limited, cut, reset, malformed, and left by their
/// clients.
/// Guarantees: every request has its row, and what /metrics counts is what the rows add up to, by model, by outcome,
/// by how the usage is known.
#[test]
fn totals_are_the_sum_of_the_rows() {
    const ROUNDS: usize = 20;
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK).replace("shards: 1", "shards: 2"));
        let once = |path: &str, body: &str| http::once(gateway.address, path, body);
        std::thread::scope(|scope| {
            for _ in 0..ROUNDS {
                scope.spawn(|| {
                    once("/v1/chat/completions", &chat("mock/mock:tokens=3", false));
                    once("/v1/chat/completions", &chat("mock/mock:tokens=5,gap=1", true));
                    once("/v1/chat/completions", &chat("mock/mock:tokens=5,nousage", true));
                    once("/v1/chat/completions", &chat("mock/mock:tokens=9,cut@4", true));
                    once("/v1/chat/completions", &chat("mock/mock:429", false));
                    once("/v1/chat/completions", &chat("mock/mock:reset", false));
                    once("/v1/chat/completions", &chat("no-such-model", false));
                    once("/v1/chat/completions", "{\"model\":");
                    once("/v1/embeddings", r#"{"model":"mock/text-embedding-3-small","input":"one two"}"#);
                    leave(&gateway);
                });
            }
        });
        let rows = gateway.rows("limit=1000", 10 * ROUNDS);
        assert_eq!(rows.len(), 10 * ROUNDS);
        let scrape = gateway.admin("/metrics").text();
        let model = |row: &Value| row["model"].as_str().filter(|model| !model.is_empty()).map(str::to_owned);
        let text = |row: &Value, key: &str| row[key].as_str().map(str::to_owned);
        for (family, key) in
            [("llm_gateway_output_tokens", "output_tokens"), ("llm_gateway_input_tokens", "input_tokens")]
        {
            let expected = sum_rows(&rows, model, |row| row["usage"][key].as_f64().expect("a count"));
            assert_eq!(by_label(&scrape, family, "model_name"), expected, "{family}");
        }
        let one = |_: &Value| 1.0;
        let outcomes = sum_rows(&rows, |row| text(row, "outcome"), one);
        assert_eq!(by_label(&scrape, "sluice_requests_total", "outcome"), outcomes);
        let rounds = ROUNDS as f64;
        let expected = [("cancelled", 1.0), ("failed", 1.0), ("refused", 2.0), ("served", 5.0), ("truncated", 1.0)];
        assert_eq!(outcomes, expected.map(|(outcome, count)| (outcome.to_owned(), count * rounds)).into());
        let attempts: usize = rows.iter().map(|row| row["attempts"].as_array().expect("attempts").len()).sum();
        assert_eq!(gateway.metric("sluice_attempts_total{"), attempts as f64);
        assert_eq!(gateway.metric("http_server_request_duration_seconds_count{"), rows.len() as f64);
        assert_eq!(gateway.metric("sluice_rows_written_total"), rows.len() as f64);
        assert_eq!(gateway.metric("sluice_rows_dropped_total"), 0.0);
        // What was delivered before the client left or the provider broke off is counted, and said to be.
        for row in rows.iter().filter(|row| row["outcome"] == "cancelled" || row["outcome"] == "truncated") {
            assert!(row["usage"]["output_tokens"].as_u64() > Some(0), "{row}");
            assert!(matches!(row["usage"]["source"].as_str(), Some("counted" | "estimated")), "{row}");
        }
    }
}
