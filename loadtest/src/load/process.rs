//! CPU time and memory of a process with all its threads and children, as the kernel accounts them.

use super::Window;
use std::{
    collections::{HashMap, HashSet},
    fs,
    time::{Duration, Instant},
};

/// How often memory is looked at and the progress bar moves.
pub const TICK: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub cpu_ns: u64,
    pub rss_first: u64,
    pub rss_last: u64,
    pub rss_peak: u64,
}

impl Usage {
    pub fn merge(&mut self, later: &Usage) {
        self.cpu_ns += later.cpu_ns;
        self.rss_first = if self.rss_first == 0 { later.rss_first } else { self.rss_first };
        self.rss_last = later.rss_last;
        self.rss_peak = self.rss_peak.max(later.rss_peak);
    }
}

/// Samples at the edges of a window, and memory in between.
pub struct Sampler {
    pid: Option<u32>,
    window: Window,
    at_begin: Option<u64>,
    at_end: Option<u64>,
}

impl Sampler {
    pub fn new(pid: Option<u32>, window: Window) -> Sampler {
        Sampler { pid, window, at_begin: None, at_end: None }
    }

    /// Until the next sample is due.
    pub fn next_in(&self) -> Duration {
        let edge = match (self.at_begin, self.at_end) {
            (None, _) => self.window.begin,
            (_, None) => self.window.end,
            _ => return TICK,
        };
        edge.saturating_duration_since(Instant::now()).min(TICK)
    }

    pub fn sample(&mut self, usage: &mut Usage) {
        let now = Instant::now();
        if now < self.window.begin || self.at_end.is_some() {
            return;
        }
        let pids = self.pid.map(tree).unwrap_or_default();
        if self.at_begin.is_none() {
            self.at_begin = Some(cpu_ns(&pids));
        } else if now >= self.window.end {
            let end = cpu_ns(&pids);
            self.at_end = Some(end);
            usage.cpu_ns = end.saturating_sub(self.at_begin.unwrap_or(end));
        }
        let rss = rss_bytes(&pids);
        usage.rss_first = if usage.rss_first == 0 { rss } else { usage.rss_first };
        usage.rss_last = rss;
        usage.rss_peak = usage.rss_peak.max(rss);
    }
}

/// The process and all that descend from it.
fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The command's name is in parentheses and may hold anything; state and parent follow the last one.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut seen, mut at) = (vec![root], HashSet::from([root]), 0);
    while let Some(pid) = found.get(at).copied() {
        found.extend(children.get(&pid).into_iter().flatten().copied().filter(|child| seen.insert(*child)));
        at += 1;
    }
    found
}

/// On-CPU time of every thread. It is exact where `utime` counts ticks.
fn cpu_ns(pids: &[u32]) -> u64 {
    let tasks = pids.iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
    let on_cpu = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.filter_map(on_cpu).sum()
}

fn rss_bytes(pids: &[u32]) -> u64 {
    let rss = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    pids.iter().filter_map(rss).sum::<u64>() * 1024
}
