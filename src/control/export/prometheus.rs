//! `/metrics`: Prometheus text 0.0.4 and OpenMetrics 1.0, from one walk over the families.
//!
//! Five `llm_gateway_*` counters are named without `_total` by contract. OpenMetrics allows no such counter, so there
//! their type is `unknown`: the sample keeps its exact name and every Prometheus stores it as before.

use std::fmt::Write;

use super::families::{self, Family, Kind, Label, LabelValue, Sink, Value};
use super::view::MetricsView;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Text004,
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// OpenMetrics when the `Accept` field weighs it at least as high as plain text (RFC 9110 12.5.1).
pub fn negotiate(accept: Option<&str>) -> Format {
    let (mut open, mut text) = (0.0, 0.0);
    for range in accept.unwrap_or("").split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or("").to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        match media.as_str() {
            "application/openmetrics-text" => open = f64::max(open, quality),
            "text/plain" | "text/*" | "*/*" => text = f64::max(text, quality),
            _ => {}
        }
    }
    if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text004 }
}

/// Writes all families of `view` behind what `out` holds.
pub fn render(view: &MetricsView<'_>, format: Format, out: &mut String) {
    let mut page = Page { out, format, name: String::new(), labels: String::new() };
    families::walk(view, &mut page);
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
}

struct Page<'a> {
    out: &'a mut String,
    format: Format,
    name: String,
    /// Of the point being written, without braces.
    labels: String,
}

impl Sink for Page<'_> {
    fn family(&mut self, family: &'static Family) {
        self.name = family.prometheus_name().into_owned();
        let (name, kind) = declared(&self.name, family.kind, self.format);
        let help = family.help;
        // Writing to a String cannot fail.
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn point(&mut self, labels: &[Label<'_>], extra: &[Label<'_>], _over_budget: bool, value: Value<'_>) {
        self.labels.clear();
        for label in labels.iter().chain(extra) {
            write_label(&mut self.labels, label);
        }
        match value {
            Value::Int(value) => self.sample("", format_args!("{value}")),
            Value::Float(value) => self.sample("", format_args!("{value:?}")),
            Value::Histogram(histogram) => {
                let mut seen = 0;
                let uppers = histogram.uppers().map(Some).chain([None]);
                for (upper, count) in uppers.zip(histogram.counts()) {
                    seen += count;
                    self.bucket(upper, seen);
                }
                self.sample("_sum", format_args!("{:?}", histogram.sum()));
                self.sample("_count", format_args!("{seen}"));
            }
        }
    }
}

impl Page<'_> {
    fn sample(&mut self, suffix: &str, value: std::fmt::Arguments<'_>) {
        let (name, labels) = (&self.name, &self.labels);
        let _ = match labels.is_empty() {
            true => writeln!(self.out, "{name}{suffix} {value}"),
            false => writeln!(self.out, "{name}{suffix}{{{labels}}} {value}"),
        };
    }

    fn bucket(&mut self, upper: Option<f64>, count: u64) {
        let (name, labels) = (&self.name, &self.labels);
        let comma = if labels.is_empty() { "" } else { "," };
        let _ = match upper {
            Some(upper) => writeln!(self.out, "{name}_bucket{{{labels}{comma}le=\"{upper:?}\"}} {count}"),
            None => writeln!(self.out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}"),
        };
    }
}

/// Name and type of a family's comment lines: OpenMetrics names a counter without its `_total`.
fn declared(name: &str, kind: Kind, format: Format) -> (&str, &'static str) {
    match (kind, format) {
        (Kind::Gauge, _) => (name, "gauge"),
        (Kind::Histogram, _) => (name, "histogram"),
        (Kind::Counter, Format::Text004) => (name, "counter"),
        (Kind::Counter, Format::OpenMetrics) => match name.strip_suffix("_total") {
            Some(stem) => (stem, "counter"),
            None => (name, "unknown"),
        },
    }
}

fn write_label(out: &mut String, label: &Label<'_>) {
    if !out.is_empty() {
        out.push(',');
    }
    out.extend(label.key.chars().map(|c| if c == '.' { '_' } else { c }));
    out.push_str("=\"");
    match label.value {
        LabelValue::Number(value) => {
            let _ = write!(out, "{value}");
        }
        LabelValue::Text(value) => {
            for c in value.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '"' => out.push_str("\\\""),
                    '\n' => out.push_str("\\n"),
                    c => out.push(c),
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
