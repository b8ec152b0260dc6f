//! rotel, an OpenTelemetry collector, in a process of its own: what it decoded is read back from what it prints.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::PATIENCE;

pub struct Collector {
    child: Child,
    lines: Receiver<String>,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
}

/// As the collector shows it. Attributes are `key: Type(value)` without the indentation.
#[derive(Debug, Default, Clone)]
pub struct Span {
    pub trace: String,
    pub parent: String,
    pub id: String,
    pub name: String,
    pub server: bool,
    pub attributes: Vec<String>,
    pub resource: Vec<String>,
}

#[derive(Debug, Default, Clone)]
pub struct Point {
    pub metric: String,
    pub attributes: Vec<String>,
    pub value: String,
    pub resource: Vec<String>,
}

#[derive(Default)]
pub struct Seen {
    pub spans: Vec<Span>,
    pub points: Vec<Point>,
}

impl Span {
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|known| known == attribute)
    }

    pub fn int(&self, key: &str) -> Option<u64> {
        let known = self.attributes.iter().find_map(|known| known.strip_prefix(key)?.strip_prefix(": Int("))?;
        known.strip_suffix(')')?.parse().ok()
    }
}

impl Collector {
    pub fn start(venv: &Path) -> Self {
        // A free port may be taken by another before the collector has it: then the next ones are tried.
        (0..10).find_map(|_| Self::try_start(venv)).expect("a collector on free ports")
    }

    fn try_start(venv: &Path) -> Option<Self> {
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let (grpc, http) = (free(), free());
        let package = venv.join("lib").read_dir().ok()?.flatten().next()?.path().join("site-packages/rotel");
        let mut command = Command::new(package.join("rotel-agent"));
        command.args(["start", "--exporter", "blackhole", "--debug-log", "traces", "--debug-log", "metrics"]);
        command.args(["--debug-log-verbosity", "detailed"]);
        command.arg("--otlp-grpc-endpoint").arg(grpc.to_string()).arg("--otlp-http-endpoint").arg(http.to_string());
        let child = command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("rotel runs");
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut collector = Self { child, lines, grpc, http };
        let deadline = Instant::now() + PATIENCE;
        while ![grpc, http].iter().all(|address| TcpStream::connect(address).is_ok()) {
            if collector.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return None;
            }
            assert!(Instant::now() < deadline, "the collector does not listen");
            std::thread::yield_now();
        }
        Some(collector)
    }

    /// What it has decoded, once `enough` says that nothing more is to come.
    pub fn seen(&self, enough: impl Fn(&Seen) -> bool) -> Seen {
        let mut text = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = read(&text);
            if enough(&seen) {
                return seen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("the collector decoded {} spans and {} points only", seen.spans.len(), seen.points.len());
            };
            text.push(line);
            text.extend(self.lines.try_iter());
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(lines: &[String]) -> Seen {
    let mut seen = Seen::default();
    let (mut resource, mut metric) = (Vec::new(), String::new());
    #[derive(PartialEq)]
    enum Inside {
        Resource,
        Span,
        Metric,
        Point,
    }
    let mut inside = Inside::Resource;
    for line in lines {
        let line = line.trim();
        let field = |name: &str| {
            line.strip_prefix(name)
                .and_then(|rest| rest.trim_start().strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        let attribute = line.strip_prefix("-> ");
        if line.starts_with("ResourceSpans #") || line.starts_with("ResourceMetrics #") {
            (inside, resource) = (Inside::Resource, Vec::new());
        } else if line.starts_with("Span #") {
            inside = Inside::Span;
            seen.spans.push(Span { resource: resource.clone(), ..Span::default() });
        } else if line.starts_with("Metric #") {
            inside = Inside::Metric;
        } else if line.starts_with("NumberDataPoints #") || line.starts_with("HistogramDataPoints #") {
            inside = Inside::Point;
            seen.points.push(Point { metric: metric.clone(), resource: resource.clone(), ..Point::default() });
        } else if let (Inside::Resource, Some(attribute)) = (&inside, attribute) {
            resource.push(attribute.to_owned());
        } else if let (Inside::Metric, Some(name)) = (&inside, attribute.and_then(|line| line.strip_prefix("Name: "))) {
            metric = name.to_owned();
        } else if inside == Inside::Span
            && let Some(span) = seen.spans.last_mut()
        {
            match attribute {
                Some(attribute) => span.attributes.push(attribute.to_owned()),
                None => {
                    let known = [
                        ("Trace ID", &mut span.trace),
                        ("Parent ID", &mut span.parent),
                        ("ID", &mut span.id),
                        ("Name", &mut span.name),
                    ];
                    for (name, place) in known {
                        if let Some(value) = field(name) {
                            *place = value;
                        }
                    }
                    span.server |= field("Kind").is_some_and(|kind| kind == "SPAN_KIND_SERVER");
                }
            }
        } else if inside == Inside::Point
            && let Some(point) = seen.points.last_mut()
        {
            match (attribute, field("Value")) {
                (Some(attribute), _) => point.attributes.push(attribute.to_owned()),
                (None, Some(value)) => point.value = value,
                _ => {}
            }
        }
    }
    seen
}
