//! The commands beside `serve`, as processes: what they print, write and answer with. And what the README says to type.

mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::python::{both, python, venv};
use common::{DRIVERS, Gateway, MOCK, config, fresh_dir};
use serde_json::Value;

fn sluice(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    sluice(arguments).output().expect("sluice runs")
}

fn check(text: &str, environment: &[(&str, &str)]) -> Output {
    let dir = fresh_dir("check");
    std::fs::write(dir.join("a.yaml"), text).expect("written");
    let mut command = sluice(&["check", "--config", "a.yaml"]);
    let output = command.current_dir(&dir).envs(environment.iter().copied()).output().expect("sluice runs");
    let _ = std::fs::remove_dir_all(dir);
    output
}

/// Scenario: a sound configuration with secrets is checked.
/// Guarantees: exit 0; what is in force is printed, defaults included; no secret is.
#[test]
fn check_prints_what_is_in_force_without_secrets() {
    let text = "type: sluice\nname: main\nauth: required\n---\ntype: provider-account/openai\nname: up\n\
                auth_data: {type: api-key, api_key: \"${env:UP_KEY}\"}\n---\ntype: virtual-account\nname: bot\n\
                tokens: [{id: k1, value: \"${env:BOT_TOKEN}\"}]\npermissions: [{resource_fqn: up/*}]\n";
    let output = check(text, &[("UP_KEY", "sk-very-secret"), ("BOT_TOKEN", "bot-very-secret")]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let printed = both(&output);
    assert!(!printed.contains("very-secret"), "{printed}");
    for part in ["***", "127.0.0.1:8080", "https://api.openai.com", "up/*", "upstream_connect_ms: 3000"] {
        assert!(printed.contains(part), "{part} is not in:\n{printed}");
    }
}

/// Scenario: a configuration with several faults is checked, and served.
/// Guarantees: exit 1; every fault is named with file and line, all at once.
#[test]
fn check_names_every_fault_with_its_line() {
    let text = "type: sluice\nname: main\nlistn: 127.0.0.1:1\nshards: many\n---\ntype: provider-account/openai\nname: up\n\
                auth_data: {type: api-key, api_key: sk-inline}\n";
    let output = check(text, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = both(&output);
    for place in ["a.yaml:3: ", "a.yaml:4: ", "a.yaml:8: "] {
        assert!(said.contains(place), "{place} is not in:\n{said}");
    }
    assert!(!said.contains("sk-inline"), "{said}");
    assert_eq!(run(&["serve", "--config", "no-such-file.yaml"]).status.code(), Some(1));
}

/// Scenario: the shipped configurations are checked.
/// Guarantees: they are sound.
#[test]
fn shipped_configurations_are_sound() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for entry in config.read_dir().expect("config/").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut command = sluice(&["check", "--config", path.to_str().expect("UTF-8")]);
        for variable in text.split("${env:").skip(1).filter_map(|rest| rest.split_once('}')) {
            command.env(variable.0, "a-value-for-this-test");
        }
        let output = command.output().expect("sluice runs");
        assert!(output.status.success(), "{}: {}", path.display(), both(&output));
    }
}

/// `sluice mock` on a free port, ended with the test.
struct Mock(Child, SocketAddr);

impl Mock {
    fn start() -> Self {
        let mut command = sluice(&["mock", "--listen", "127.0.0.1:0"]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("sluice mock starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("stderr")).read_line(&mut line).expect("a line");
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once('/')).expect("an address").0;
        Self(child, address.parse().expect("an address"))
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn load(arguments: &[&str]) -> Value {
    let fixed =
        ["load", "--json", "-", "--duration", "1s", "--slice", "500ms", "--warmup", "100ms", "--connections", "4"];
    let output = run(&[&fixed, arguments].concat());
    assert!(output.status.success(), "{}", both(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What cannot be otherwise in any sound measurement.
fn assert_sane(part: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("a number in {part}"));
    assert!(number(&part["well"]) > 0.0 && number(&part["requests_per_s"]) > 0.0, "{part}");
    assert_eq!(part["errors"], serde_json::json!({}));
    for name in ["total_us", "ttft_us", "gap_us"] {
        let of = |key: &str| number(&part[name][key]);
        let ascending = ["p50", "p90", "p99", "p99_9", "p99_99", "max"].map(of);
        assert!(ascending.is_sorted(), "{name} of {part}");
    }
}

/// Scenario: the load generator measures a gateway and the provider behind it, both in processes of their own.
/// Guarantees: JSON and streams, closed and open loop, all answered well; sane percentiles; what the gateway adds, its
/// CPU time and memory; a report in one file that fetches nothing.
#[test]
fn load_measures_a_gateway_beside_its_provider() {
    let mock = Mock::start();
    let account = format!("---\ntype: provider-account/mock\nname: mock\nbase_url: http://{}/v1\n", mock.1);
    let gateway = Gateway::start("io_uring", &config(&account));
    let (url, direct) = (format!("http://{}", gateway.address), format!("http://{}", mock.1));
    let pid = gateway.pid().to_string();
    let page = gateway.dir.join("report.html");

    let report = load(&["--url", &url, "--direct", &direct, "--pid", &pid, "--html", page.to_str().expect("UTF-8")]);
    let targets = &report["targets"];
    assert_sane(&targets["gateway"]);
    assert_sane(&targets["direct"]);
    assert!(report["added_us"]["total"]["p50"].is_number(), "{report}");
    let process = &targets["gateway"]["process"];
    assert!(process["cpu_us_per_request"].as_f64() > Some(0.0), "{process}");
    assert!(process["rss_peak_bytes"].as_u64() > Some(1 << 20), "{process}");
    let statuses = targets["gateway"]["statuses"].as_object().expect("statuses");
    assert_eq!(statuses.keys().collect::<Vec<_>>(), ["200"]);
    assert_fetches_nothing(&std::fs::read_to_string(page).expect("the report"));

    let report = load(&["--url", &url, "--stream", "--model", "mock/mock:tokens=20,gap=1"]);
    let streams = &report["targets"]["gateway"];
    assert_sane(streams);
    assert!(streams["streams_complete"].as_u64() > Some(0), "{streams}");
    assert!(streams["gap_us"]["count"].as_u64() > streams["ttft_us"]["count"].as_u64(), "{streams}");

    let report = load(&["--url", &url, "--rate", "200", "--arrivals", "constant"]);
    assert_sane(&report["targets"]["gateway"]);
    assert_eq!(report["load"]["rate"], 200.0);
}

/// Nothing in the page names another place to load from.
fn assert_fetches_nothing(page: &str) {
    assert!(page.contains("<html") && page.contains("p99"), "a report");
    for part in ["src=\"http", "href=\"http", "url(http", "@import", "src='http", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(part), "the report has {part}");
    }
    let named: Vec<&str> =
        page.split("http").skip(1).filter(|rest| rest.starts_with("://") || rest.starts_with("s://")).collect();
    for rest in named {
        let known = rest.starts_with("://127.0.0.1:") || rest.starts_with("://www.w3.org/");
        assert!(known, "the report names http{}", rest.chars().take(60).collect::<String>());
    }
}

/// Scenario: load is put on what refuses or is not there.
/// Guarantees: failures are counted by kind and the exit code says so; a host that is not this machine is refused.
#[test]
fn load_says_what_failed() {
    let gateway = Gateway::start("epoll", &config(MOCK));
    let url = format!("http://{}", gateway.address);
    let output = run(&[
        "load",
        "--url",
        &url,
        "--model",
        "mock/mock:503",
        "--duration",
        "300ms",
        "--warmup",
        "0s",
        "--json",
        "-",
    ]);
    assert!(!output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(report["targets"]["gateway"]["statuses"]["503"].as_u64() > Some(0), "{report}");
    assert!(!run(&["load", "--url", "http://192.0.2.1:80"]).status.success());
}

/// The first fenced block of the README in this language.
fn readme_block(language: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    let (_, rest) = readme.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("a {language} block"));
    rest.split_once("```").expect("its end").0.to_owned()
}

fn with_ports(text: &str, gateway: &Gateway) -> String {
    let text = text.replace("127.0.0.1:8080", &gateway.address.to_string());
    text.replace("127.0.0.1:8081", &gateway.admin.to_string())
}

/// Scenario: somebody copies the README's curl and then its Python program.
/// Guarantees: both stream an answer, as they stand.
#[test]
fn what_the_readme_says_to_type_works() {
    for driver in DRIVERS {
        let gateway = Gateway::start(driver, &config(MOCK));
        let curl = with_ports(&readme_block("bash"), &gateway);
        match Command::new("bash").args(["-euc", &curl]).stdin(Stdio::null()).output() {
            Ok(output) if output.status.code() != Some(127) => {
                let said = both(&output);
                assert!(output.status.success() && said.contains("data: [DONE]"), "{curl}\n{said}");
                gateway.rows("", 1);
            }
            _ => eprintln!("skipped: curl is not on the PATH"),
        }
        let Some(venv) = venv() else { return };
        let program = with_ports(&readme_block("python"), &gateway);
        let output = python(venv).args(["-c", &program]).output().expect("python runs");
        assert!(output.status.success() && !output.stdout.is_empty(), "{program}\n{}", both(&output));
        let row = &gateway.rows("limit=1", 1)[0];
        assert_eq!((&row["stream"], &row["outcome"]), (&Value::Bool(true), &Value::from("served")), "{row}");
    }
}
