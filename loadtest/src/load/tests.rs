//! The generator against the provider of this crate: what is reported is what happened.

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn provider() -> String {
    let addr = crate::mock::spawn("127.0.0.1:0".parse().expect("address")).expect("starts");
    format!("http://{addr}/v1")
}

fn args(url: &str, more: &str) -> Args {
    let line = format!("load --url {url} --warmup 0s --duration 300ms --connections 4 --model mock/mock-fast {more}");
    Cli::try_parse_from(line.split_whitespace()).expect("understood").args
}

/// One slice of the first target.
fn slice(args: &Args) -> Stats {
    let (load, targets) = args.plan().expect("valid");
    let origin = Instant::now();
    let window = Window {
        origin,
        begin: origin + args.warmup + load.ramp,
        end: origin + args.warmup + load.ramp + args.duration,
    };
    run_slice(&load, &targets[0], window, None, &Arc::default(), &ProgressBar::hidden()).expect("runs").0
}

#[test]
fn closed_loop_counts_every_answer_once() {
    let stats = slice(&args(&provider(), "--threads 2"));
    assert!(stats.clean(), "{:?}", stats.errors);
    assert_eq!(stats.well, stats.started);
    assert_eq!(stats.statuses.get(&200), Some(&stats.well));
    assert_eq!(stats.total.len(), stats.well);
    assert!(stats.done_within <= stats.well && stats.bytes_within > 0);
    assert_eq!(stats.timeline.values().map(|b| b.done).sum::<u64>(), stats.done_within);
}

#[test]
fn streams_are_taken_apart_into_events() {
    let scenario = "--header x-mock-scenario:tokens=5 --streams 3";
    let line = format!("load --url {} --warmup 0s --duration 300ms {scenario}", provider());
    let stats = slice(&Cli::try_parse_from(line.split_whitespace()).expect("understood").args);
    assert!(stats.clean(), "{:?}", stats.errors);
    assert_eq!(stats.streams_complete, stats.well);
    assert_eq!(stats.ttft.len(), stats.well);
    // Role, five tokens, finish, [DONE]: seven gaps each, but for those after the end of the window.
    assert!(stats.gap.len() <= stats.well * 7 && stats.gap.len() > (stats.well - 4) * 7);
    assert!(stats.total.min() > 0);
}

#[test]
fn open_loop_measures_from_the_intended_start() {
    // One connection and 20 ms for each answer serve 50 of 200 requests per second: the queue grows, and so must the latency.
    let line = format!(
        "load --url {} --warmup 0s --duration 500ms --connections 1 --rate 200 --arrivals constant --header x-mock-scenario:ttft=20",
        provider()
    );
    let stats = slice(&Cli::try_parse_from(line.split_whitespace()).expect("understood").args);
    assert_eq!(stats.started, 100);
    assert!(stats.well == 100, "{:?}", stats.errors);
    assert!(stats.total.max() > 1_000_000_000, "the last one waited for the others: {} ns", stats.total.max());
}

#[test]
fn errors_are_counted_by_kind() {
    let url = provider();
    for (scenario, kind) in [
        ("503", "status 503"),
        ("close", "closed before an answer"),
        ("reset", "connectionreset"),
        ("shortlen", "truncated"),
        ("cut@2", "truncated"),
        ("badchunk@2", "malformed chunk"),
        ("noterm", "stream without terminator"),
        ("errevent@2", "error event"),
    ] {
        let stream = if ["503", "close", "reset", "shortlen"].contains(&scenario) { "" } else { "--stream" };
        let stats = slice(&args(&url, &format!("--header x-mock-scenario:{scenario} {stream}")));
        assert_eq!(stats.well, 0, "{scenario}");
        assert!(stats.errors.len() == 1 && stats.errors.contains_key(kind), "{scenario}: {:?}", stats.errors);
    }
    let stats = slice(&args(&url, "--header x-mock-scenario:silence --timeout 100ms"));
    assert!(stats.errors.contains_key("timeout"), "{:?}", stats.errors);
}

#[test]
fn two_targets_are_compared_and_the_reports_hold_them() {
    let url = provider();
    let args = args(&url, &format!("--direct {url} --slice 100ms --stream --pid {}", std::process::id()));
    let (load, targets) = args.plan().expect("valid");
    let measured: Vec<Measured> = targets
        .into_iter()
        .map(|target| {
            let origin = Instant::now();
            let window = Window { origin, begin: origin, end: origin + args.slice };
            let (stats, usage) =
                run_slice(&load, &target, window, args.pid, &Arc::default(), &ProgressBar::hidden()).expect("runs");
            Measured { target, stats, elapsed: args.slice, usage }
        })
        .collect();
    let report = report::Report::new(&args, &load, &measured);
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
    assert!(json["targets"]["gateway"]["process"]["cpu_us_per_event"].as_f64().is_some_and(|us| us > 0.0));
    assert!(json["targets"]["gateway"]["process"]["rss_peak_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20));
    assert!(json["targets"]["direct"]["process"].is_null() && json["added_us"]["gap"]["p99"].is_number());
    assert!(report.text().contains("added by the gateway"));
    let html = html::page(&report, &measured);
    assert_eq!(html.matches("<svg").count(), 5);
    assert!(!html.contains("NaN") && !html.contains("http-equiv") && !html.contains("<script"));
    let body = |i: usize| String::from_utf8_lossy(&measured[i].target.request).into_owned();
    assert!(body(0).contains("\"mock/mock-fast\"") && body(1).contains("\"mock-fast\""));
}

#[test]
fn other_machines_are_left_alone_unless_named() {
    let refused =
        |line: &str| Cli::try_parse_from(line.split_whitespace()).expect("understood").args.plan().map(|_| ());
    assert!(refused("load --url http://192.0.2.1:80").expect_err("refused").contains("--allow-remote"));
    assert!(refused("load --url http://192.0.2.1:80 --allow-remote").is_ok());
    assert!(refused("load --url https://127.0.0.1").is_err());
    assert!(refused("load --url http://127.0.0.1 --rate 0").is_err());
    assert!(refused("load --url http://127.0.0.1 --threads 4 --connections 2").is_err());
    assert_eq!(run(Cli::try_parse_from(["load", "--url", "ftp://x"]).expect("understood").args), 2);
}

#[test]
fn times_are_read_as_people_write_them() {
    let ms = |text: &str| args::duration(text).map(|d| d.as_millis());
    assert_eq!([ms("10s"), ms("250ms"), ms("2m"), ms("1.5")], [Ok(10_000), Ok(250), Ok(120_000), Ok(1500)]);
    for bad in ["", "s", "10 days", "-1s", "NaN"] {
        assert!(args::duration(bad).is_err(), "{bad}");
    }
}
