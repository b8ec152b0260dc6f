//! `telemetry:` and the environment, folded into one [`Telemetry`]. The document wins over a variable, a variable of
//! one signal over the general one; the switches that turn exports off win over everything.

use super::otlp::{self, Signal};
use super::read::{Fields, Reader};
use super::secret::is_token;
use super::snapshot::{OtlpTarget, Telemetry};

// Not OpenTelemetry's 2048, 512 and 5 s, which are 41 ms of traffic at 50k requests/s (spec "observability" 2.1).
const SPAN_QUEUE_MAX: u64 = 65_536;
const SPAN_BATCH_MAX: u64 = 4_096;
const SPAN_DELAY_MS: u64 = 1_000;
const METRIC_INTERVAL_MS: u64 = 60_000;
const SERVICE_NAME: &str = "sluice";
const LABEL: &str = "metadata keys of letters, digits and `_`, at most 64 of them";

/// `fields`: the mapping under `telemetry:`, when there is one.
pub(super) fn read(reader: &mut Reader<'_>, fields: Option<Fields<'_>>) -> Telemetry {
    let document = fields.map(|fields| otlp::read(reader, fields)).unwrap_or_default();
    let traces = otlp::target(reader, Signal::Traces, &document);
    let metrics = otlp::target(reader, Signal::Metrics, &document);
    let (service_name, resource_attributes) = resource(reader, fields, traces.is_some() || metrics.is_some());
    let metadata_labels = labels(reader, fields);
    let mut telemetry = Telemetry {
        traces,
        metrics,
        service_name,
        resource_attributes,
        metadata_labels,
        metric_interval_ms: METRIC_INTERVAL_MS,
        delta_temporality: false,
        span_delay_ms: SPAN_DELAY_MS,
        span_queue_max: SPAN_QUEUE_MAX as usize,
        span_batch_max: SPAN_BATCH_MAX as usize,
        sample_ratio: 1.0,
        parent_based: true,
    };
    // Variables of an export that is off are left alone: they may be meant for another program.
    if telemetry.traces.is_some() {
        spans(reader, &mut telemetry);
        sampler(reader, &mut telemetry);
    }
    if telemetry.metrics.is_some() {
        metrics_variables(reader, &mut telemetry);
    }
    telemetry
}

fn spans(reader: &mut Reader<'_>, telemetry: &mut Telemetry) {
    telemetry.span_delay_ms = number(reader, "OTEL_BSP_SCHEDULE_DELAY", 1, 600_000).unwrap_or(SPAN_DELAY_MS);
    let queue = number(reader, "OTEL_BSP_MAX_QUEUE_SIZE", 1, 1 << 24).unwrap_or(SPAN_QUEUE_MAX);
    let batch = number(reader, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, 1 << 20);
    if batch.is_some_and(|batch| batch > queue) {
        let message = "expected no more than OTEL_BSP_MAX_QUEUE_SIZE";
        reader.variable_fault("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", message);
    }
    telemetry.span_queue_max = queue as usize;
    telemetry.span_batch_max = batch.unwrap_or(SPAN_BATCH_MAX.min(queue)) as usize;
    limit_timeout(reader, "OTEL_BSP_EXPORT_TIMEOUT", telemetry.traces.as_mut());
}

fn metrics_variables(reader: &mut Reader<'_>, telemetry: &mut Telemetry) {
    let interval = number(reader, "OTEL_METRIC_EXPORT_INTERVAL", 100, 86_400_000);
    telemetry.metric_interval_ms = interval.unwrap_or(METRIC_INTERVAL_MS);
    limit_timeout(reader, "OTEL_METRIC_EXPORT_TIMEOUT", telemetry.metrics.as_mut());
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    match reader.env.get(name).map(|value| value.to_ascii_lowercase()).as_deref() {
        None | Some("cumulative") => {}
        // Low memory means delta wherever the instrument lets it: for counters and histograms, all we push.
        Some("delta" | "lowmemory") => telemetry.delta_temporality = true,
        Some(_) => reader.variable_fault(name, "expected `cumulative`, `delta` or `lowmemory`"),
    }
}

fn limit_timeout(reader: &mut Reader<'_>, name: &str, target: Option<&mut OtlpTarget>) {
    if let (Some(limit_ms), Some(target)) = (number(reader, name, 1, 600_000), target) {
        target.timeout_ms = target.timeout_ms.min(limit_ms);
    }
}

/// `OTEL_TRACES_SAMPLER` and its argument, the ratio.
fn sampler(reader: &mut Reader<'_>, telemetry: &mut Telemetry) {
    let name = "OTEL_TRACES_SAMPLER";
    let (parent_based, ratio) = match reader.env.get(name).as_deref() {
        None | Some("parentbased_always_on") => (true, 1.0),
        Some("parentbased_always_off") => (true, 0.0),
        Some("parentbased_traceidratio") => (true, sampler_ratio(reader)),
        Some("always_on") => (false, 1.0),
        Some("always_off") => (false, 0.0),
        Some("traceidratio") => (false, sampler_ratio(reader)),
        Some(_) => {
            let known = "`always_on`, `always_off` or `traceidratio`, each also with `parentbased_` in front";
            reader.variable_fault(name, &format!("expected {known}"));
            (true, 1.0)
        }
    };
    (telemetry.parent_based, telemetry.sample_ratio) = (parent_based, ratio);
}

fn sampler_ratio(reader: &mut Reader<'_>) -> f64 {
    let name = "OTEL_TRACES_SAMPLER_ARG";
    let Some(text) = reader.env.get(name) else { return 1.0 };
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
        _ => {
            reader.variable_fault(name, "expected a number from 0 to 1");
            1.0
        }
    }
}

/// A whole number in a variable; `None` when unset or wrong, and then its fault is noted.
pub(super) fn number(reader: &mut Reader<'_>, name: &str, low: u64, high: u64) -> Option<u64> {
    let text = reader.env.get(name)?;
    match text.parse() {
        Ok(number) if (low..=high).contains(&number) => Some(number),
        _ => {
            reader.variable_fault(name, &format!("expected a whole number from {low} to {high}"));
            None
        }
    }
}

/// Service name and the other attributes of the resource, in the order they are given.
fn resource(reader: &mut Reader<'_>, fields: Option<Fields<'_>>, exports: bool) -> (String, Vec<(String, String)>) {
    let mut attributes: Vec<(String, String)> = Vec::new();
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    if let Some(text) = reader.env.get(name) {
        match pairs(&text) {
            Some(pairs) => attributes = pairs,
            None if exports => reader.variable_fault(name, PAIRS),
            None => {}
        }
    }
    let mut service_name = reader.env.get("OTEL_SERVICE_NAME");
    if let Some(fields) = fields {
        if let Some(name) = reader.text(fields, "service_name") {
            service_name = Some(name.to_owned());
        }
        if let Some(map) =
            fields.get("resource_attributes").and_then(|node| reader.open_fields(node, "resource_attributes"))
        {
            for entry in map.entries() {
                let Some(value) = reader.scalar(&entry.value, "resource_attributes", "a string") else { continue };
                attributes.retain(|(known, _)| *known != entry.key);
                attributes.push((entry.key.clone(), value.to_owned()));
            }
        }
    }
    let named = attributes.iter().position(|(key, _)| key == "service.name").map(|at| attributes.remove(at).1);
    (service_name.or(named).unwrap_or_else(|| SERVICE_NAME.to_owned()), attributes)
}

fn labels(reader: &mut Reader<'_>, fields: Option<Fields<'_>>) -> Vec<String> {
    if let Some(fields) = fields.filter(|fields| fields.get("metadata_labels").is_some()) {
        return reader.names(fields, "metadata_labels", LABEL, is_label);
    }
    let name = "LLM_GATEWAY_METADATA_LOGGING_KEYS";
    let Some(text) = reader.env.get(name) else { return Vec::new() };
    match serde_json::from_str::<Vec<String>>(&text) {
        Ok(labels) if labels.iter().all(|label| is_label(label)) => {
            let mut distinct: Vec<String> = Vec::new();
            for label in labels {
                if !distinct.contains(&label) {
                    distinct.push(label);
                }
            }
            distinct
        }
        _ => {
            reader.variable_fault(name, &format!("expected a JSON array of {LABEL}, such as [\"customer_id\"]"));
            Vec::new()
        }
    }
}

/// What may follow `llm_gateway_metadata_` in the name of a Prometheus label.
fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

pub(super) const PAIRS: &str = "expected `KEY=VALUE,KEY=VALUE` with values percent-encoded where needed";

/// `k1=v1,k2=v2` with percent-encoded values: W3C baggage without properties (OTLP exporter, "Specifying headers").
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (key, value) = item.split_once('=')?;
        let key = key.trim();
        if !is_token(key) {
            return None;
        }
        pairs.push((key.to_owned(), percent_decoded(value.trim())?));
    }
    Some(pairs)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        bytes.push((digit()? << 4 | digit()?) as u8);
    }
    String::from_utf8(bytes).ok()
}
