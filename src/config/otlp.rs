//! Where each signal is pushed: `telemetry.otlp` and the `OTEL_EXPORTER_OTLP_*` variables (OpenTelemetry, OTLP
//! exporter configuration).

use std::path::PathBuf;

use super::read::{Fields, Reader};
use super::secret::is_field_value;
use super::snapshot::{OtlpProtocol, OtlpTarget, Secret};
use super::telemetry::{PAIRS, number, pairs};
use super::url::{self, Url};

const TIMEOUT_MS: u64 = 10_000;
const TIMEOUT_MS_MAX: u64 = 600_000;
/// The exporter writes these itself.
const OWNED_HEADERS: [&str; 7] =
    ["host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "te"];

#[derive(Clone, Copy)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    /// As in `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    fn upper(self) -> &'static str {
        match self {
            Signal::Traces => "TRACES",
            Signal::Metrics => "METRICS",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Signal::Traces => "/v1/traces",
            Signal::Metrics => "/v1/metrics",
        }
    }

    fn switch(self) -> &'static str {
        match self {
            Signal::Traces => "ENABLE_OTEL_TRACING",
            Signal::Metrics => "ENABLE_OTEL_METRICS",
        }
    }
}

/// What the document says; `None` where it leaves the word to the environment.
#[derive(Default)]
pub(super) struct Document {
    endpoint: Option<Url>,
    protocol: Option<OtlpProtocol>,
    headers: Option<Vec<(String, Secret)>>,
    gzip: Option<bool>,
    timeout_ms: Option<u64>,
    ca: Option<PathBuf>,
}

/// `telemetry.otlp`.
pub(super) fn read(reader: &mut Reader<'_>, telemetry: Fields<'_>) -> Document {
    let keys = ["endpoint", "protocol", "headers", "compression", "timeout_ms", "ca"];
    let Some(fields) = reader.map(telemetry, "otlp", &keys) else { return Document::default() };
    let endpoint = reader.url(fields, "endpoint");
    let protocols = [("http/protobuf", OtlpProtocol::HttpProtobuf), ("grpc", OtlpProtocol::Grpc)];
    let protocol = reader.choice(fields, "protocol", &protocols);
    if let Some(url) = &endpoint {
        let line = fields.line_of("endpoint");
        if protocol == Some(OtlpProtocol::Grpc) && !matches!(url.path.as_str(), "" | "/") {
            reader.fault(line, "`endpoint`: expected no path, for gRPC has its own");
        } else if url.path.ends_with("/v1/traces") || url.path.ends_with("/v1/metrics") {
            reader
                .fault(line, "`endpoint`: expected the collector's base URL; `/v1/traces` and `/v1/metrics` are added");
        }
    }
    let ca = reader.path(fields, "ca");
    if let Some(path) = &ca {
        readable(path).unwrap_or_else(|message| reader.fault(fields.line_of("ca"), format!("`ca`: {message}")));
        reader.depends_on(path);
    }
    Document {
        endpoint,
        protocol,
        headers: reader.headers(fields, "headers", &OWNED_HEADERS),
        gzip: reader.choice(fields, "compression", &[("gzip", true), ("none", false)]),
        timeout_ms: reader.number(fields, "timeout_ms", 1..=TIMEOUT_MS_MAX),
        ca,
    }
}

fn readable(path: &PathBuf) -> Result<(), String> {
    std::fs::File::open(path).map(|_| ()).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Where `signal` goes, or `None` when it is not pushed.
pub(super) fn target(reader: &mut Reader<'_>, signal: Signal, document: &Document) -> Option<OtlpTarget> {
    let wanted = wanted(reader, signal)?;
    let variable = |reader: &Reader<'_>, what: &str| {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.upper());
        let general = format!("OTEL_EXPORTER_OTLP_{what}");
        [own, general].into_iter().find_map(|name| reader.env.get(&name).map(|value| (name, value)))
    };
    let endpoint = variable(reader, "ENDPOINT");
    if document.endpoint.is_none() && endpoint.is_none() && !wanted {
        return None;
    }
    let protocol = document.protocol.or_else(|| protocol(reader, variable(reader, "PROTOCOL")));
    let protocol = protocol.unwrap_or(OtlpProtocol::HttpProtobuf);
    let url = match (&document.endpoint, endpoint) {
        (Some(base), _) => below(base, protocol, signal),
        (None, Some((name, text))) => from_variable(reader, &name, &text, protocol, signal)?,
        (None, None) => default_url(protocol, signal),
    };
    let headers = match &document.headers {
        Some(headers) => headers.clone(),
        None => variable(reader, "HEADERS").and_then(|found| headers(reader, found)).unwrap_or_default(),
    };
    let gzip = document.gzip.or_else(|| match variable(reader, "COMPRESSION") {
        None => None,
        Some((_, text)) if text == "gzip" || text == "none" => Some(text == "gzip"),
        Some((name, _)) => {
            reader.variable_fault(&name, "expected `gzip` or `none`");
            None
        }
    });
    let timeout_ms = document.timeout_ms.or_else(|| {
        let (name, _) = variable(reader, "TIMEOUT")?;
        number(reader, &name, 1, TIMEOUT_MS_MAX)
    });
    let ca = document.ca.clone().or_else(|| {
        let (name, path) = variable(reader, "CERTIFICATE")?;
        let path = PathBuf::from(path);
        readable(&path).unwrap_or_else(|message| reader.variable_fault(&name, &message));
        reader.depends_on(&path);
        Some(path)
    });
    let identity = identity(reader, variable(reader, "CLIENT_CERTIFICATE"), variable(reader, "CLIENT_KEY"));
    let timeout_ms = timeout_ms.unwrap_or(TIMEOUT_MS);
    Some(OtlpTarget { url, protocol, headers, gzip: gzip.unwrap_or(false), timeout_ms, ca, identity })
}

/// The certificate this gateway shows, and its key: neither is of use alone.
fn identity(
    reader: &mut Reader<'_>,
    certificate: Option<(String, String)>,
    key: Option<(String, String)>,
) -> Option<(PathBuf, PathBuf)> {
    let (certificate, key) = match (certificate, key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (Some((name, _)), None) => {
            reader.variable_fault(&name, &format!("expected `{}` beside it", name.replace("_CERTIFICATE", "_KEY")));
            return None;
        }
        (None, Some((name, _))) => {
            reader.variable_fault(&name, &format!("expected `{}` beside it", name.replace("_KEY", "_CERTIFICATE")));
            return None;
        }
    };
    let mut file = |(name, path): (String, String)| {
        let path = PathBuf::from(path);
        readable(&path).unwrap_or_else(|message| reader.variable_fault(&name, &message));
        reader.depends_on(&path);
        path
    };
    Some((file(certificate), file(key)))
}

/// `None`: switched off. `Some(true)`: asked for even without an endpoint.
fn wanted(reader: &mut Reader<'_>, signal: Signal) -> Option<bool> {
    if reader.env.get("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    let name = format!("OTEL_{}_EXPORTER", signal.upper());
    match (reader.env.get(&name).as_deref(), signal) {
        (None | Some("otlp"), _) => {}
        // Prometheus scrapes /metrics, which is always there.
        (Some("none"), _) | (Some("prometheus"), Signal::Metrics) => return None,
        (Some(_), Signal::Traces) => reader.variable_fault(&name, "expected `otlp` or `none`"),
        (Some(_), Signal::Metrics) => reader.variable_fault(&name, "expected `otlp`, `prometheus` or `none`"),
    }
    match reader.env.get(signal.switch()).map(|text| text.to_ascii_lowercase()).as_deref() {
        None => Some(false),
        Some("true") => Some(true),
        Some("false") => None,
        Some(_) => {
            reader.variable_fault(signal.switch(), "expected `true` or `false`");
            None
        }
    }
}

fn protocol(reader: &mut Reader<'_>, found: Option<(String, String)>) -> Option<OtlpProtocol> {
    let (name, text) = found?;
    match text.as_str() {
        "http/protobuf" => Some(OtlpProtocol::HttpProtobuf),
        "grpc" => Some(OtlpProtocol::Grpc),
        _ => {
            reader.variable_fault(&name, "expected `http/protobuf` or `grpc` (`http/json` is not served)");
            None
        }
    }
}

/// For HTTP, `base` and the signal's path; gRPC has the path of its service and takes the origin only.
fn below(base: &Url, protocol: OtlpProtocol, signal: Signal) -> String {
    match protocol {
        OtlpProtocol::HttpProtobuf => format!("{}{}{}", base.origin(), base.path.trim_end_matches('/'), signal.path()),
        OtlpProtocol::Grpc => base.origin(),
    }
}

fn default_url(protocol: OtlpProtocol, signal: Signal) -> String {
    match protocol {
        OtlpProtocol::HttpProtobuf => format!("http://localhost:4318{}", signal.path()),
        OtlpProtocol::Grpc => "http://localhost:4317".to_owned(),
    }
}

/// A signal's own endpoint is used as it is, the general one is a base.
fn from_variable(
    reader: &mut Reader<'_>,
    name: &str,
    text: &str,
    protocol: OtlpProtocol,
    signal: Signal,
) -> Option<String> {
    // gRPC endpoints may come without a scheme: then `..._INSECURE` says whether TLS is left out (OTLP exporter spec).
    let bare = protocol == OtlpProtocol::Grpc && !text.contains("://");
    let scheme = if bare && insecure(reader, signal) { "http://" } else { "https://" };
    let Some(url) = (if bare { Url::parse(&format!("{scheme}{text}")) } else { Url::parse(text) }) else {
        reader.variable_fault(name, &format!("expected {}", url::EXPECTED));
        return None;
    };
    if name == "OTEL_EXPORTER_OTLP_ENDPOINT" || protocol == OtlpProtocol::Grpc {
        return Some(below(&url, protocol, signal));
    }
    let path = if url.path.is_empty() { "/" } else { &url.path };
    Some(format!("{}{path}", url.origin()))
}

fn insecure(reader: &Reader<'_>, signal: Signal) -> bool {
    let own = format!("OTEL_EXPORTER_OTLP_{}_INSECURE", signal.upper());
    let found = reader.env.get(&own).or_else(|| reader.env.get("OTEL_EXPORTER_OTLP_INSECURE"));
    found.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

fn headers(reader: &mut Reader<'_>, (name, text): (String, String)) -> Option<Vec<(String, Secret)>> {
    let sound = |pairs: &Vec<(String, String)>| pairs.iter().all(|(_, value)| is_field_value(value));
    let Some(pairs) = pairs(&text).filter(sound) else {
        reader.variable_fault(&name, PAIRS);
        return None;
    };
    let mut headers = Vec::new();
    for (key, value) in pairs {
        let key = key.to_ascii_lowercase();
        if OWNED_HEADERS.contains(&key.as_str()) {
            reader.variable_fault(&name, &format!("`{key}` is written by Sluice itself and may not be set here"));
        }
        headers.push((key, Secret::new(value)));
    }
    Some(headers)
}
