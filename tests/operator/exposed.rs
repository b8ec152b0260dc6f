//! What a gateway shows in /metrics after everything has happened to it once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;

use crate::common::http::{self, Connection, Response, chat};
use crate::common::upstream::{Upstream, json};
use crate::common::{Gateway, MOCK, config};

/// One metric: its type, and the values each of its labels was seen with.
#[derive(Debug, Default)]
pub struct Metric {
    pub kind: String,
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

pub struct Exposed {
    pub metrics: BTreeMap<String, Metric>,
    /// Fields of the answer to a request that was failed over.
    pub fields: BTreeSet<String>,
}

/// Accounts: name, kind, and what the simulated provider does in them.
const ACCOUNTS: [(&str, &str, &str); 11] = [
    ("good", "openai", "tokens=9,in=100,cached=40,reasoning=2"),
    ("plain", "openai", "tokens=9"),
    ("other", "openai", "tokens=9,other-words"),
    ("cut", "openai", "tokens=9,gap=2,cut@4"),
    ("broken", "openai", "500"),
    ("busy", "openai", "503"),
    ("late", "openai", "tokens=9,late=20000"),
    ("slow", "openai", "tokens=9,late=300"),
    ("key", "openai", "401"),
    ("forbidden", "anthropic", "403"),
    ("spent", "openai", "insufficient_quota"),
];

const RULES: [(&str, &str, [&str; 2]); 5] = [
    ("moves", "", ["broken", "good"]),
    ("again", "on_stream_failure: restart", ["cut", "plain"]),
    ("diverges", "on_stream_failure: restart", ["cut", "other"]),
    ("hedged", "hedge: {after_ms: 50}", ["late", "plain"]),
    ("needless", "hedge: {after_ms: 50}", ["slow", "late"]),
];

/// Wrote into the provider's cache, which the simulated one never does.
const CACHED: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hi"}],
"stop_reason":"end_turn","usage":{"input_tokens":3,"cache_creation_input_tokens":5,"cache_read_input_tokens":0,"output_tokens":1}}"#;

pub fn exposed() -> &'static Exposed {
    static EXPOSED: OnceLock<Exposed> = OnceLock::new();
    EXPOSED.get_or_init(expose)
}

fn documents(mock: SocketAddr, claude: SocketAddr) -> String {
    let mut text =
        String::from("telemetry: {metadata_labels: [customer_id], otlp: {endpoint: \"http://127.0.0.1:9\"}}\n");
    for (at, (name, kind, scenario)) in ACCOUNTS.into_iter().enumerate() {
        // Each at an address of its own: an address is what fails as a whole.
        let address = format!("127.0.9.{}:{}", at + 1, mock.port());
        let path = if kind == "openai" { "/v1" } else { "" };
        let check = if name == "good" { "health_check: {interval_ms: 100}\n" } else { "" };
        let _ = write!(
            text,
            "---\ntype: provider-account/{kind}\nname: {name}\nbase_url: http://{address}{path}\n{check}integrations:\n  \
             - {{name: m, model_id: \"{name}:{scenario}\", cost: {{metric: per_1000_tokens, value: {{input: 1, output: 2}}}}}}\n"
        );
    }
    // Nobody listens there, which its health check finds.
    text.push_str("---\ntype: provider-account/openai\nname: gone\nbase_url: http://127.0.9.100:9\nhealth_check: {interval_ms: 100}\n");
    let _ = write!(text, "---\ntype: provider-account/anthropic\nname: claude\nbase_url: http://{claude}\n{MOCK}");
    text.push_str("---\ntype: gateway-load-balancing-config\nname: rules\nrules:\n");
    for (id, more, targets) in RULES {
        let _ =
            write!(text, "  - id: {id}\n    type: priority-based-routing\n    when: {{models: [{id}]}}\n    {more}\n");
        text.push_str("    load_balance_targets:\n");
        for (at, account) in targets.into_iter().enumerate() {
            let retry = "retry_config: {attempts: 1, delay: 1}";
            let _ = writeln!(text, "      - {{target: {account}/m, priority: {at}, {retry}}}");
        }
    }
    text.push_str("      - {target: gone/m, priority: 2, sla_cutoff: {time_to_first_token_ms: 60000}}\n");
    // One that is retried for as long as there are retries.
    text.push_str(
        "  - id: hopeless\n    type: priority-based-routing\n    when: {models: [hopeless]}\n    load_balance_targets:\n      \
         - {target: busy/m, priority: 0, retry_config: {attempts: 5, delay: 1}}\nmodel_configs:\n  \
         - {model: busy/m, failure_tolerance: {allowed_failures_per_minute: 100000, cooldown_period_minutes: 1}}\n",
    );
    text
}

fn expose() -> Exposed {
    let mock = loadtest::mock::spawn(SocketAddr::from(([0, 0, 0, 0], 0))).expect("the provider starts");
    let claude = Upstream::always(json(CACHED));
    let gateway = Gateway::start("io_uring", &config(&documents(mock, claude.address)));
    let asked = |model: &str, stream: bool| http::once(gateway.address, "/v1/chat/completions", &chat(model, stream));
    // Before hedges and retries have used up the budget of them.
    let moved = asked("moves", false);
    assert_eq!((moved.status, moved.field("x-sluice-attempts")), (200, Some("3")), "{}", moved.text());
    let mut requests = 1;
    for (id, _, _) in RULES {
        asked(id, true);
        requests += 1;
    }
    for (name, ..) in ACCOUNTS.iter().filter(|(name, ..)| !["late", "slow", "busy"].contains(name)) {
        for stream in [false, true] {
            asked(&format!("{name}/m"), stream);
            requests += 1;
        }
    }
    for model in
        ["mock/mock:tokens=3", "mock/mock:reset", "mock/mock:context_length", "claude/unpriced", "no-such-model"]
    {
        asked(model, false);
        requests += 1;
    }
    http::once(
        gateway.address,
        "/v1/messages",
        r#"{"model":"claude/claude-sonnet-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#,
    );
    http::once(gateway.address, "/v1/embeddings", r#"{"model":"mock/text-embedding-3-small","input":"water"}"#);
    // Refused.
    http::once(gateway.address, "/v1/chat/completions", "{");
    leave(&gateway);
    requests += 4;
    for _ in 0..20 {
        asked("hopeless", false);
        requests += 1;
    }
    gateway.rows("limit=1000", requests);
    let denied = || gateway.metric("sluice_retries_denied_total{");
    gateway.until("a retry is denied", |_| asked("hopeless", false).status == 503 && denied() > 0.0);
    let retries = denied();
    gateway.until("a hedge is denied", |_| asked("needless", true).status == 200 && denied() > retries);
    gateway.until("the account was probed", |gateway| gateway.metric("sluice_probe_duration_seconds{") > 0.0);
    gateway.until("the region fails", |gateway| {
        gateway.admin("/metrics").text().contains("sluice_region_cooldown_end_seconds{")
    });
    let page = gateway.admin("/metrics").text();
    Exposed { metrics: read(&page), fields: fields(&moved) }
}

/// A client that leaves in the middle of its stream.
fn leave(gateway: &Gateway) {
    let mut connection = Connection::open(gateway.address);
    connection.send(http::post("/v1/chat/completions", &chat("mock/mock:tokens=4000,gap=5", true), "").as_bytes());
    connection.wait_for("gate");
}

fn fields(response: &Response) -> BTreeSet<String> {
    response.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
}

fn read(page: &str) -> BTreeMap<String, Metric> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            current = name.to_owned();
            metrics.entry(current.clone()).or_default().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let metric = metrics.get_mut(&current).expect("its type comes first");
            let (series, _) = line.rsplit_once(' ').expect("a sample");
            let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
            for (label, value) in pairs(labels) {
                if label != "le" {
                    metric.labels.entry(label).or_default().insert(value);
                }
            }
        }
    }
    metrics
}

/// `a="x",b="y"`, where a value may hold what is between them.
pub fn pairs(labels: &str) -> Vec<(String, String)> {
    let (mut pairs, mut rest) = (Vec::new(), labels);
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut escaped = false;
        let end = after.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end else { break };
        pairs.push((name.trim_start_matches([',', ' ']).to_owned(), after[..end].to_owned()));
        rest = &after[end + 1..];
    }
    pairs
}

impl Exposed {
    /// The metric that a name of a query is of: a histogram has three names.
    pub fn of(&self, name: &str) -> Option<&Metric> {
        let stem = || ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let histogram = || self.metrics.get(stem()?).filter(|metric| metric.kind == "histogram");
        self.metrics.get(name).or_else(histogram)
    }
}
