//! What whole-binary tests share: a gateway in a process of its own, a raw HTTP client, and a scripted provider that
//! remembers every byte it saw. Nothing sleeps: everything waits for the event itself, with one generous bound.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod collector;
pub mod http;
pub mod promtool;
pub mod providers;
pub mod python;
pub mod upstream;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The bound on every wait. Reached only when the thing waited for never happens.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Both drivers serve the same tests.
pub const DRIVERS: [&str; 2] = ["io_uring", "epoll"];

#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

/// A running `sluice` with a folder of its own.
pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub dir: PathBuf,
    log: Arc<Lines>,
}

/// A fresh folder that nobody else uses.
pub fn fresh_dir(name: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("sluice-test-{}-{number}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a temporary folder");
    dir
}

/// The `type: sluice` document most tests want: any free ports, no key, rows under the test's own folder. `more` is
/// appended to it, and may begin further documents.
pub fn config(more: &str) -> String {
    format!(
        "type: sluice\nname: test\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\nauth: none\nshards: 1\n\
         storage: {{dir: DIR/store, retention_days: 30, max_bytes: 1GiB}}\nlog: {{format: json}}\n{more}"
    )
}

/// An account `up` of the OpenAI kind at this address.
pub fn account(address: SocketAddr) -> String {
    format!("---\ntype: provider-account/openai\nname: up\nbase_url: http://{address}/v1\n")
}

/// An account `claude` of the Anthropic kind at this address.
pub fn anthropic_account(address: SocketAddr) -> String {
    format!("---\ntype: provider-account/anthropic\nname: claude\nbase_url: http://{address}\n")
}

/// The account of the simulated provider.
pub const MOCK: &str = "---\ntype: provider-account/mock\nname: mock\n";

impl Gateway {
    /// `DIR` in the configuration stands for the test's own folder.
    pub fn start(driver: &str, config: &str) -> Self {
        Self::start_with(driver, config, &[])
    }

    pub fn start_with(driver: &str, config: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_in(fresh_dir(driver), driver, config, environment)
    }

    /// In a folder that an earlier gateway has used.
    pub fn start_in(dir: PathBuf, driver: &str, config: &str, environment: &[(&str, &str)]) -> Self {
        let file = dir.join("sluice.yaml");
        std::fs::write(&file, config.replace("DIR", &dir.to_string_lossy())).expect("the config is written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.arg("serve").arg("--config").arg(&file).env_remove("RUST_LOG");
        for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OTEL_EXPORTER_OTLP_ENDPOINT", "ENABLE_OTEL_TRACING"] {
            command.env_remove(name);
        }
        if driver == "epoll" {
            command.env("SLUICE_DRIVER", "epoll");
        }
        command.envs(environment.iter().copied());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("sluice starts");
        let log = Arc::new(Lines::default());
        let stderr = child.stderr.take().expect("stderr is piped");
        let writer = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writer.lines.lock().expect("log").push(line);
                writer.changed.notify_all();
            }
        });
        let unset = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut gateway = Self { child, address: unset, admin: unset, dir, log };
        gateway.admin = address_in(&gateway.wait_for_log("\"admin listening\""));
        gateway.address = address_in(&gateway.wait_for_log("\"listening\""));
        // Said once, on whichever driver.
        gateway.wait_for_log("\"driver\":");
        gateway
    }

    /// The first log line, past or to come, that has `part` in it.
    pub fn wait_for_log(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().expect("log");
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no log line with {part}; the log is:\n{}", lines.join("\n"));
            lines = self.log.changed.wait_timeout(lines, left).expect("log").0;
        }
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.lines.lock().expect("log").join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    /// Ends it without a word, as a crash would. What it leaves behind is in the folder.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().expect("a process");
        self.child.wait().expect("a process");
        std::mem::take(&mut self.dir)
    }

    /// Replaces the configuration's file, as editors do.
    pub fn rewrite(&self, config: &str) {
        let new = self.dir.join("sluice.yaml.new");
        std::fs::write(&new, config.replace("DIR", &self.dir.to_string_lossy())).expect("the config is written");
        std::fs::rename(new, self.dir.join("sluice.yaml")).expect("renamed");
    }

    /// Asks until it is so.
    pub fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so(self) {
            assert!(Instant::now() < deadline, "never so: {what}; the log is:\n{}", self.log());
            std::thread::yield_now();
        }
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "sluice does not end; its log is:\n{}", self.log());
            std::thread::yield_now();
        }
    }

    /// GET on the admin listener.
    pub fn admin(&self, path: &str) -> http::Response {
        let mut connection = http::Connection::open(self.admin);
        connection.send(format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").as_bytes());
        connection.response()
    }

    /// The rows that match a filter, asked for until there are `count` of them: rows are written a moment after the answer.
    pub fn rows(&self, filter: &str, count: usize) -> Vec<serde_json::Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.admin(&format!("/api/v1/requests?{filter}"));
            assert_eq!(found.status, 200, "{}", found.text());
            let rows = found.json()["requests"].as_array().expect("rows").clone();
            if rows.len() >= count {
                return rows;
            }
            assert!(Instant::now() < deadline, "{} of {count} rows for {filter}", rows.len());
            std::thread::yield_now();
        }
    }

    /// The row of one request, once it is there.
    pub fn row(&self, id: &str) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.admin(&format!("/api/v1/requests/{id}"));
            if found.status == 200 {
                return found.json();
            }
            assert!(Instant::now() < deadline, "no row of {id}: {} {}", found.status, found.text());
            std::thread::yield_now();
        }
    }

    /// Memory the process has resident.
    pub fn memory_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// The value of a Prometheus sample, by the beginning of its line (name and labels).
    pub fn metric(&self, sample: &str) -> f64 {
        let body = self.admin("/metrics").text();
        body.lines()
            .filter(|line| line.starts_with(sample))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn address_in(line: &str) -> SocketAddr {
    let line: serde_json::Value = serde_json::from_str(line).expect("a JSON log line");
    line["address"].as_str().and_then(|address| address.parse().ok()).expect("an address")
}

/// The folder of recorded provider traffic, where there is one.
pub fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("SLUICE_SHARED").map(PathBuf::from);
    let dir = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    dir.is_dir().then_some(dir)
}
