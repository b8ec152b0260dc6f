//! The keys of `limits:`, each with its bounds.

use std::ops::RangeInclusive;

use super::error::{did_you_mean, one_of};
use super::read::{Reader, shown, shown_bytes};
use super::snapshot::Limits;
use super::tree::Node;

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Bytes,
    /// Milliseconds and counts.
    Plain,
}

struct Key {
    name: &'static str,
    unit: Unit,
    range: RangeInclusive<u64>,
    field: fn(&mut Limits) -> Field<'_>,
}

enum Field<'l> {
    Wide(&'l mut u64),
    Size(&'l mut usize),
    Narrow(&'l mut u32),
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

macro_rules! key {
    ($name:literal, $unit:ident, $range:expr, $kind:ident, $field:ident) => {
        Key { name: $name, unit: Unit::$unit, range: $range, field: |limits| Field::$kind(&mut limits.$field) }
    };
}

/// A size may also be written with the field's whole name, `head_bytes_max` for `head_max`.
const KEYS: [Key; 23] = [
    // RFC 9112 3: at least 8000 octets.
    key!("request_line_max", Bytes, 8000..=65536, Size, request_line_bytes_max),
    key!("head_max", Bytes, 8192..=1 << 20, Size, head_bytes_max),
    key!("fields_max", Plain, 16..=1000, Size, fields_max),
    key!("request_body_max", Bytes, 1024..=1 << 30, Wide, request_body_bytes_max),
    key!("trailer_max", Bytes, 0..=65536, Size, trailer_bytes_max),
    key!("informational_max", Plain, 0..=100, Narrow, informational_max),
    key!("head_ms", Plain, 1..=DAY_MS, Wide, head_ms),
    key!("body_idle_ms", Plain, 1..=DAY_MS, Wide, body_idle_ms),
    key!("keep_alive_idle_ms", Plain, 1..=DAY_MS, Wide, keep_alive_idle_ms),
    key!("requests_per_connection_max", Plain, 1..=1 << 40, Wide, requests_per_connection_max),
    key!("tls_handshake_ms", Plain, 1..=DAY_MS, Wide, tls_handshake_ms),
    key!("upstream_connect_ms", Plain, 1..=DAY_MS, Wide, upstream_connect_ms),
    key!("upstream_first_byte_ms", Plain, 1..=DAY_MS, Wide, upstream_first_byte_ms),
    key!("stream_idle_ms", Plain, 1..=DAY_MS, Wide, stream_idle_ms),
    key!("total_ms", Plain, 1..=DAY_MS, Wide, total_ms),
    key!("client_bytes_per_s_min", Bytes, 1..=1 << 30, Wide, client_bytes_per_s_min),
    key!("client_pending_max", Bytes, 4096..=1 << 30, Size, client_pending_bytes_max),
    key!("shard_buffer_max", Bytes, 1 << 20..=1 << 40, Size, shard_buffer_bytes_max),
    key!("upstream_idle_ms", Plain, 1..=DAY_MS, Wide, upstream_idle_ms),
    key!("upstream_idle_per_host_max", Plain, 0..=1 << 20, Size, upstream_idle_per_host_max),
    key!("upstream_per_shard_max", Plain, 1..=1 << 20, Size, upstream_per_shard_max),
    key!("upstream_max_age_ms", Plain, 1..=DAY_MS, Wide, upstream_max_age_ms),
    key!("drain_ms", Plain, 0..=DAY_MS, Wide, drain_ms),
];

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Limits {
    let mut limits = Limits::default();
    let Some(fields) = reader.open_fields(node, "limits") else { return limits };
    let mut given: Vec<(&str, &str)> = Vec::new();
    for entry in fields.entries() {
        let short = entry.key.replace("_bytes_max", "_max");
        let Some(key) = KEYS.iter().find(|key| key.name == short) else {
            let names = || KEYS.iter().map(|key| key.name);
            let (hint, list) = (did_you_mean(&short, names()), one_of(names()));
            reader.fault(entry.line, format!("unknown key `{}` in limits; expected {list}{hint}", shown(&entry.key)));
            continue;
        };
        if given.iter().any(|(name, written)| *name == key.name && *written != entry.key) {
            reader.fault(entry.line, format!("`{}` is given twice, under two names", key.name));
        }
        given.push((key.name, &entry.key));
        let value = match key.unit {
            Unit::Bytes => reader.bytes(fields, &entry.key, key.range.clone()),
            Unit::Plain => reader.number(fields, &entry.key, key.range.clone()),
        };
        match (value, (key.field)(&mut limits)) {
            (Some(value), Field::Wide(field)) => *field = value,
            // The ranges fit the fields: this is a 64-bit program and the one narrow field ends at 100.
            (Some(value), Field::Size(field)) => *field = value as usize,
            (Some(value), Field::Narrow(field)) => *field = value as u32,
            (None, _) => {}
        }
    }
    limits
}

/// Key and value of every limit, as they would be written.
pub(super) fn shown_limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let mut limits = *limits;
    let mut lines = Vec::new();
    for key in &KEYS {
        let value = match (key.field)(&mut limits) {
            Field::Wide(field) => *field,
            Field::Size(field) => *field as u64,
            Field::Narrow(field) => u64::from(*field),
        };
        let text = if key.unit == Unit::Bytes { shown_bytes(value) } else { value.to_string() };
        lines.push((key.name, text));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_bounds() {
        let mut limits = Limits::default();
        for key in &KEYS {
            let value = match (key.field)(&mut limits) {
                Field::Wide(field) => *field,
                Field::Size(field) => *field as u64,
                Field::Narrow(field) => u64::from(*field),
            };
            assert!(key.range.contains(&value), "{}", key.name);
        }
    }
}
