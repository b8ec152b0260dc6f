//! Log lines to stderr: for people when it is a terminal, JSON otherwise or by config. `RUST_LOG` says how much.
//!
//! Written by the control core and the threads beside it; a shard sends its lines over the ring.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::Log;
use crate::mesh::{LogLevel, LogLine};
use crate::telemetry::Record;

/// Once, at start. Lines before it are lost.
pub fn init(log: Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (tests) keeps the first subscriber.
    let _ = if log.json.unwrap_or(!terminal) {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        builder.with_ansi(terminal).with_target(false).try_init()
    };
}

pub fn shard_line(shard: usize, line: &LogLine) {
    let message = &line.message;
    match line.level {
        LogLevel::Error => tracing::error!(shard, "{message}"),
        LogLevel::Warn => tracing::warn!(shard, "{message}"),
        LogLevel::Info => tracing::info!(shard, "{message}"),
        LogLevel::Debug => tracing::debug!(shard, "{message}"),
    }
}

/// One line per request, when the config asks for it.
pub fn access(record: &Record) {
    let target = record.attempts.last().map_or("", |attempt| &attempt.target.fqn);
    let trace_id = format_args!("{:032x}", u128::from_be_bytes(record.trace.trace_id)).to_string();
    tracing::info!(
        target: "access",
        method = &*record.method,
        route = record.route,
        status = record.status,
        outcome = record.outcome.as_str(),
        model = &*record.model_requested,
        target_model = target,
        input_tokens = record.usage.input,
        output_tokens = record.usage.output,
        ms = record.duration_ns as f64 / 1e6,
        request_id = %record.id,
        trace_id,
        "request"
    );
}
