//! The command line of `sluice load`, and what it means.

use super::{Load, target::Target};
use std::{path::PathBuf, time::Duration};

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    Constant,
    Poisson,
}

#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// What to load: http://HOST:PORT, with the path when it is not /v1/chat/completions.
    #[arg(long)]
    pub url: String,
    /// The provider behind it, loaded in turns with --url in the same run: the difference is what the gateway adds.
    #[arg(long, value_name = "URL")]
    pub direct: Option<String>,
    /// Requests per second (open loop). Without it: closed loop over --connections.
    #[arg(long)]
    pub rate: Option<f64>,
    #[arg(long, value_enum, default_value = "poisson")]
    pub arrivals: Arrivals,
    /// Keep-alive connections over all threads [default: 32, with --rate 128].
    #[arg(long)]
    pub connections: Option<usize>,
    /// This many streams open at any time: --stream --connections N.
    #[arg(long, value_name = "N", conflicts_with = "connections")]
    pub streams: Option<usize>,
    /// Time over which the connections start.
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub ramp: Duration,
    /// Ask for server-sent events.
    #[arg(long)]
    pub stream: bool,
    #[arg(long, default_value = "mock/mock-fast")]
    pub model: String,
    /// The model's name at --direct [default: --model without the account].
    #[arg(long, value_name = "MODEL")]
    pub direct_model: Option<String>,
    /// Another request header, `name: value`; repeatable.
    #[arg(long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// Sent as the bearer token, to both targets.
    #[arg(long)]
    pub key: Option<String>,
    /// Size of the request body.
    #[arg(long, default_value_t = 1024)]
    pub body_bytes: usize,
    /// Measured time, for each target.
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub duration: Duration,
    #[arg(long, value_parser = duration, default_value = "1s")]
    pub warmup: Duration,
    /// How long each target is loaded before the other has its turn.
    #[arg(long, value_parser = duration, default_value = "1s")]
    pub slice: Duration,
    /// After this a request counts as failed.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub timeout: Duration,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// The gateway's process: its CPU time and memory, with all its threads and children, are reported.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Write the report as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as one HTML page.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Load a host that is not this one.
    #[arg(long)]
    pub allow_remote: bool,
}

const CONNECTIONS_MAX: usize = 100_000;
const BODY_BYTES_MAX: usize = 64 << 20;

impl Args {
    pub(super) fn plan(&self) -> Result<(Load, Vec<Target>), String> {
        let stream = self.stream || self.streams.is_some();
        let connections = self.streams.or(self.connections).unwrap_or(if self.rate.is_some() { 128 } else { 32 });
        let threads = self.threads as usize;
        if connections < threads || connections > CONNECTIONS_MAX {
            return Err(format!("--connections: {threads} (one per thread) to {CONNECTIONS_MAX}"));
        }
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1e7)) {
            return Err("--rate: more than 0, at most 10000000".to_owned());
        }
        if self.body_bytes > BODY_BYTES_MAX {
            return Err(format!("--body-bytes: at most {BODY_BYTES_MAX}"));
        }
        if self.duration.is_zero() || self.slice.is_zero() {
            return Err("--duration and --slice: more than 0".to_owned());
        }
        let target = |name: &'static str, url: &str, model: &str| {
            let target = Target::new(name, url, model, stream, self)?;
            if !target.addr.ip().is_loopback() && !self.allow_remote {
                return Err(format!("{url} is not this machine; --allow-remote if it is yours to load"));
            }
            Ok(target)
        };
        let mut targets = vec![target("gateway", &self.url, &self.model)?];
        if let Some(direct) = &self.direct {
            let bare = self.model.split_once('/').map_or(self.model.as_str(), |(_, model)| model);
            targets.push(target("direct", direct, self.direct_model.as_deref().unwrap_or(bare))?);
        }
        let load = Load {
            connections,
            rate: self.rate,
            arrivals: self.arrivals,
            ramp: self.ramp,
            timeout: self.timeout,
            threads,
        };
        Ok((load, targets))
    }
}

/// `10s`, `500ms`, `2m`, or seconds without a unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a time such as 10s, 500ms or 2m".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "expected a time such as 10s, 500ms or 2m".to_owned())?;
    let total = number * seconds;
    if !(0.0..=86_400.0).contains(&total) {
        return Err("expected at most a day".to_owned());
    }
    Ok(Duration::from_secs_f64(total))
}
