//! What was measured, in words and as JSON.

use super::{Load, Measured, args::Args, stats::Hist};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write};

#[derive(Serialize)]
pub struct Report {
    pub load: LoadPart,
    pub targets: BTreeMap<&'static str, TargetPart>,
    /// What the gateway adds to the direct call, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_us: Option<Added>,
}

#[derive(Serialize)]
pub struct LoadPart {
    pub connections: usize,
    pub rate: Option<f64>,
    pub arrivals: Option<String>,
    pub stream: bool,
    pub threads: usize,
    pub body_bytes: usize,
    pub model: String,
}

#[derive(Serialize)]
pub struct TargetPart {
    pub url: String,
    pub seconds: f64,
    pub started: u64,
    pub well: u64,
    pub errors: BTreeMap<String, u64>,
    pub statuses: BTreeMap<u16, u64>,
    pub requests_per_s: f64,
    pub bytes_per_s: f64,
    pub events: u64,
    pub events_per_s: f64,
    pub events_per_read: f64,
    pub streams_complete: u64,
    pub total_us: Percentiles,
    pub ttft_us: Percentiles,
    pub gap_us: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessPart>,
}

#[derive(Serialize)]
pub struct ProcessPart {
    pub cpu_seconds: f64,
    pub cores_busy: f64,
    pub cpu_us_per_request: Option<f64>,
    pub cpu_us_per_event: Option<f64>,
    pub rss_first_bytes: u64,
    pub rss_last_bytes: u64,
    pub rss_peak_bytes: u64,
}

#[derive(Serialize, Default, Clone, Copy)]
pub struct Percentiles {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub p99_99: f64,
    pub max: f64,
}

#[derive(Serialize)]
pub struct Added {
    pub total: Percentiles,
    pub ttft: Percentiles,
    pub gap: Percentiles,
}

impl Percentiles {
    fn new(hist: &Hist) -> Percentiles {
        let at = |quantile: f64| hist.value_at_quantile(quantile) as f64 / 1e3;
        Percentiles {
            count: hist.len(),
            mean: hist.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: hist.max() as f64 / 1e3,
        }
    }

    fn minus(&self, other: &Percentiles) -> Percentiles {
        Percentiles {
            count: self.count.min(other.count),
            mean: self.mean - other.mean,
            p50: self.p50 - other.p50,
            p90: self.p90 - other.p90,
            p99: self.p99 - other.p99,
            p99_9: self.p99_9 - other.p99_9,
            p99_99: self.p99_99 - other.p99_99,
            max: self.max - other.max,
        }
    }

    fn row(&self, name: &str) -> String {
        let columns = [self.p50, self.p90, self.p99, self.p99_9, self.p99_99, self.max, self.mean];
        let cells: String = columns.iter().map(|us| format!("{:>11}", time(*us))).collect();
        format!("    {name:<10}{cells}\n")
    }
}

/// Microseconds as people write them.
fn time(us: f64) -> String {
    match us.abs() {
        a if a < 1e3 => format!("{us:.0} us"),
        a if a < 1e6 => format!("{:.2} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

impl Report {
    pub fn new(args: &Args, load: &Load, measured: &[Measured]) -> Report {
        let stream = measured.iter().any(|one| one.target.stream);
        let targets: BTreeMap<_, _> =
            measured.iter().map(|one| (one.target.name, TargetPart::new(one, args.pid))).collect();
        let added_us = match (targets.get("gateway"), targets.get("direct")) {
            (Some(gateway), Some(direct)) => Some(Added {
                total: gateway.total_us.minus(&direct.total_us),
                ttft: gateway.ttft_us.minus(&direct.ttft_us),
                gap: gateway.gap_us.minus(&direct.gap_us),
            }),
            _ => None,
        };
        let load = LoadPart {
            connections: load.connections,
            rate: load.rate,
            arrivals: load.rate.map(|_| format!("{:?}", load.arrivals).to_lowercase()),
            stream,
            threads: load.threads,
            body_bytes: args.body_bytes,
            model: args.model.clone(),
        };
        Report { load, targets, added_us }
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        let load = &self.load;
        let how = match load.rate {
            Some(rate) => format!("open loop, {rate} requests/s ({})", load.arrivals.as_deref().unwrap_or_default()),
            None => "closed loop".to_owned(),
        };
        let what = if load.stream { "event streams" } else { "JSON" };
        let _ = writeln!(
            out,
            "{what}, {how}, {} connections, {}-byte body, model {}",
            load.connections, load.body_bytes, load.model
        );
        for (name, target) in &self.targets {
            target.text(name, load.stream, &mut out);
        }
        if let Some(added) = &self.added_us {
            out.push_str("added by the gateway\n");
            out.push_str(&added.total.row("total"));
            if load.stream {
                out.push_str(&added.ttft.row("ttft"));
                out.push_str(&added.gap.row("gap"));
            }
        }
        out
    }
}

impl TargetPart {
    fn new(one: &Measured, pid: Option<u32>) -> TargetPart {
        let (stats, seconds) = (&one.stats, one.elapsed.as_secs_f64());
        let usage = &one.usage;
        let per = |n: u64| (n > 0).then(|| usage.cpu_ns as f64 / 1e3 / n as f64);
        let process = pid.filter(|_| one.target.name == "gateway").map(|_| ProcessPart {
            cpu_seconds: usage.cpu_ns as f64 / 1e9,
            cores_busy: usage.cpu_ns as f64 / 1e9 / seconds,
            cpu_us_per_request: per(stats.done_within),
            cpu_us_per_event: per(stats.events_within),
            rss_first_bytes: usage.rss_first,
            rss_last_bytes: usage.rss_last,
            rss_peak_bytes: usage.rss_peak,
        });
        TargetPart {
            url: one.target.url.clone(),
            seconds,
            started: stats.started,
            well: stats.well,
            errors: stats.errors.clone(),
            statuses: stats.statuses.clone(),
            requests_per_s: stats.done_within as f64 / seconds,
            bytes_per_s: stats.bytes_within as f64 / seconds,
            events: stats.events_within,
            events_per_s: stats.events_within as f64 / seconds,
            events_per_read: stats.events_within as f64 / stats.reads_within.max(1) as f64,
            streams_complete: stats.streams_complete,
            total_us: Percentiles::new(&stats.total),
            ttft_us: Percentiles::new(&stats.ttft),
            gap_us: Percentiles::new(&stats.gap),
            process,
        }
    }

    fn text(&self, name: &str, stream: bool, out: &mut String) {
        let _ = writeln!(out, "{name} {}", self.url);
        let _ = writeln!(
            out,
            "    {:.0} requests/s, {} of {} answered well in {:.1} s, {:.1} MB/s",
            self.requests_per_s,
            self.well,
            self.started,
            self.seconds,
            self.bytes_per_s / 1e6
        );
        if stream {
            let _ = writeln!(
                out,
                "    {:.0} events/s, {:.1} per read, {} streams complete",
                self.events_per_s, self.events_per_read, self.streams_complete
            );
        }
        for (kind, n) in &self.errors {
            let _ = writeln!(out, "    ERROR {kind}: {n}");
        }
        let header: String =
            ["p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"].iter().map(|name| format!("{name:>11}")).collect();
        let _ = writeln!(out, "    {:<10}{header}", "");
        out.push_str(&self.total_us.row("total"));
        if stream {
            out.push_str(&self.ttft_us.row("ttft"));
            out.push_str(&self.gap_us.row("gap"));
        }
        if let Some(process) = &self.process {
            let mb = |bytes: u64| bytes as f64 / 1e6;
            let us = |value: Option<f64>| value.map_or("-".to_owned(), |us| format!("{us:.2} us"));
            let _ = writeln!(
                out,
                "    CPU {:.2} cores, {} per request{}; memory {:.1} MB, at most {:.1} MB",
                process.cores_busy,
                us(process.cpu_us_per_request),
                if stream { format!(", {} per event", us(process.cpu_us_per_event)) } else { String::new() },
                mb(process.rss_last_bytes),
                mb(process.rss_peak_bytes)
            );
        }
    }
}
