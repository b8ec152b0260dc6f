//! The process as a whole: our own totals without a series, the control core, the exporter, the kernel's accounting.

use crate::control::export::view::{MetricsView, SignalStats};

use super::Kind::{Counter, Gauge, Histogram};
use super::Value::{Float, Int};
use super::{Emit, Family, Read, histogram, text};

const fn family(name: &'static str, unit: &'static str, kind: super::Kind, help: &'static str, read: Read) -> Family {
    Family { name, prometheus: None, help, unit, kind, read }
}

/// The names every Prometheus client library gives these.
const fn process(
    name: &'static str,
    prometheus: &'static str,
    unit: &'static str,
    kind: super::Kind,
    help: &'static str,
    read: Read,
) -> Family {
    Family { name, prometheus: Some(prometheus), help, unit, kind, read }
}

/// One point per signal that is exported.
fn per_signal(view: &MetricsView<'_>, emit: &mut Emit<'_>, of: fn(&SignalStats) -> u64) {
    for (signal, stats) in signals(view) {
        emit(&[text("signal", signal)], Int(of(stats)));
    }
}

fn signals<'v>(view: &'v MetricsView<'_>) -> impl Iterator<Item = (&'static str, &'v SignalStats)> {
    let traces = view.telemetry.traces.is_some().then_some(("traces", &view.export.traces));
    let metrics = view.telemetry.metrics.is_some().then_some(("metrics", &view.export.metrics));
    traces.into_iter().chain(metrics)
}

fn dropped(view: &MetricsView<'_>, emit: &mut Emit<'_>) {
    for (signal, stats) in signals(view) {
        for (reason, count) in stats.dropped.by_reason() {
            emit(&[text("signal", signal), text("reason", reason)], Int(count));
        }
    }
}

fn overflow(view: &MetricsView<'_>, emit: &mut Emit<'_>) {
    let totals = view.totals;
    let folded = [
        ("llm_gateway", totals.gateway.folded),
        ("gen_ai_client", totals.client.folded),
        ("gen_ai_server", totals.server.folded),
        ("http_server", totals.http.folded),
        ("load_balanced", totals.balanced.folded),
        ("fallback", totals.fallbacks.folded),
        ("routing_rule", totals.rules.folded),
        ("routing_target", totals.targets.folded),
    ];
    for (family, count) in folded {
        emit(&[text("family", family)], Int(count));
    }
}

pub static FAMILIES: &[Family] = &[
    family(
        "sluice.attempts",
        "{attempt}",
        Counter,
        "Attempts by why they were made and how they failed; an empty error is none.",
        Read::View(|view, emit| {
            for ((reason, error), &count) in view.totals.attempts.iter() {
                let error = error.map_or("", |class| class.as_str());
                emit(&[text("reason", reason.as_str()), text("error", error)], Int(count));
            }
        }),
    ),
    family(
        "sluice.overhead.duration",
        "s",
        Histogram,
        "Time in Sluice before the first attempt began.",
        Read::View(|view, emit| histogram(emit, &[], &view.totals.overhead)),
    ),
    family(
        "sluice.inter_token_gap",
        "s",
        Histogram,
        "Gap between two content events of a stream, every one.",
        Read::View(|view, emit| histogram(emit, &[], &view.totals.gaps)),
    ),
    family(
        "sluice.usage.source",
        "{request}",
        Counter,
        "Model requests by how their token usage is known.",
        Read::View(|view, emit| {
            for (source, &count) in view.totals.usage_sources.iter() {
                emit(&[text("source", source.as_str())], Int(count));
            }
        }),
    ),
    family(
        "sluice.metrics.overflow",
        "{observation}",
        Counter,
        "Observations that found the series budget spent and went into __other__.",
        Read::View(overflow),
    ),
    family(
        "sluice.config.reloads",
        "{reload}",
        Counter,
        "Configurations put in force, the first included.",
        Read::View(|view, emit| emit(&[], Int(view.control.config_reloads))),
    ),
    family(
        "sluice.config.epoch",
        "",
        Gauge,
        "The configuration in force, counted from 1.",
        Read::View(|view, emit| emit(&[], Int(view.control.config_epoch))),
    ),
    family(
        "sluice.price.refreshes",
        "{refresh}",
        Counter,
        "Renewals of the price table from its list.",
        Read::View(|view, emit| emit(&[], Int(view.control.price_refreshes))),
    ),
    family(
        "sluice.price.refresh.failures",
        "{refresh}",
        Counter,
        "Renewals that failed: the prices stayed as they were.",
        Read::View(|view, emit| emit(&[], Int(view.control.price_refresh_failures))),
    ),
    family(
        "sluice.rows.written",
        "{row}",
        Counter,
        "Request rows written to the store.",
        Read::View(|view, emit| emit(&[], Int(view.control.rows_written))),
    ),
    family(
        "sluice.rows.dropped",
        "{row}",
        Counter,
        "Request rows lost because the store could not keep up.",
        Read::View(|view, emit| emit(&[], Int(view.control.rows_dropped))),
    ),
    family(
        "sluice.otlp.exported",
        "{item}",
        Counter,
        "Spans or data points the receiver took.",
        Read::View(|view, emit| per_signal(view, emit, |stats| stats.exported)),
    ),
    family(
        "sluice.otlp.rejected",
        "{item}",
        Counter,
        "Spans or data points the receiver refused in a partial success.",
        Read::View(|view, emit| per_signal(view, emit, |stats| stats.rejected)),
    ),
    family(
        "sluice.otlp.retried",
        "{request}",
        Counter,
        "Export requests that were sent again.",
        Read::View(|view, emit| per_signal(view, emit, |stats| stats.retried)),
    ),
    family("sluice.otlp.dropped", "{item}", Counter, "Spans or data points lost, by reason.", Read::View(dropped)),
    family(
        "sluice.otlp.queue",
        "{item}",
        Gauge,
        "Spans or data points waiting or under way.",
        Read::View(|view, emit| per_signal(view, emit, |stats| stats.queued)),
    ),
    family(
        "sluice.build.info",
        "",
        Gauge,
        "What is running; always 1.",
        Read::View(|_, emit| emit(&[text("version", env!("CARGO_PKG_VERSION"))], Int(1))),
    ),
    process(
        "process.cpu.time",
        "process_cpu_seconds_total",
        "s",
        Counter,
        "User and system CPU time.",
        Read::View(|view, emit| emit(&[], Float(view.process.cpu_seconds))),
    ),
    process(
        "process.memory.usage",
        "process_resident_memory_bytes",
        "By",
        Gauge,
        "Resident memory.",
        Read::View(|view, emit| emit(&[], Int(view.process.resident_bytes))),
    ),
    process(
        "process.unix.file_descriptor.count",
        "process_open_fds",
        "{file_descriptor}",
        Gauge,
        "Open file descriptors.",
        Read::View(|view, emit| emit(&[], Int(view.process.open_fds))),
    ),
    process(
        "process.thread.count",
        "process_threads",
        "{thread}",
        Gauge,
        "Threads.",
        Read::View(|view, emit| emit(&[], Int(view.process.threads))),
    ),
    process(
        "process.start_time",
        "process_start_time_seconds",
        "s",
        Gauge,
        "Unix time at which the process started.",
        Read::View(|view, emit| emit(&[], Float(view.process.start_seconds))),
    ),
];
