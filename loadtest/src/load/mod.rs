//! The load generator: closed loop, or open loop with latency measured from the moment a request should have started, so that a
//! server that stalls cannot hide it. JSON and server-sent events; optionally a second target, interleaved in the same run, to say
//! what the first one adds; optionally the gateway's CPU time and memory, read from the kernel.

mod args;
mod client;
mod html;
mod process;
mod report;
mod schedule;
mod slots;
mod sse;
mod stats;
mod target;
#[cfg(test)]
mod tests;
mod worker;

pub use args::Args;

use args::Arrivals;
use indicatif::{ProgressBar, ProgressStyle};
use process::Usage;
use stats::Stats;
use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};
use target::Target;

/// How the requests of a run are made, the same for every target.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    /// Requests per second over all threads; without it every connection asks as soon as it is answered.
    pub rate: Option<f64>,
    pub arrivals: Arrivals,
    /// Over which the connections start.
    pub ramp: Duration,
    pub timeout: Duration,
    pub threads: usize,
}

/// When a slice is measured. `origin` is the start of the whole run.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub origin: Instant,
    pub begin: Instant,
    pub end: Instant,
}

/// Read by the progress bar while the threads work.
#[derive(Default)]
pub struct Live {
    pub done: AtomicU64,
    pub events: AtomicU64,
    pub errors: AtomicU64,
}

/// All that was measured of one target.
pub struct Measured {
    pub target: Target,
    pub stats: Stats,
    /// Measured time, the sum of the slices.
    pub elapsed: Duration,
    pub usage: Usage,
}

/// Runs as told and prints what was measured. The value is for the process to exit with: 0 when every request was answered well,
/// 1 when some were not, 2 when the run could not be made.
pub fn run(args: Args) -> i32 {
    match args.plan().and_then(|plan| measure(&args, plan)) {
        Ok(clean) => !clean as i32,
        Err(words) => {
            eprintln!("{words}");
            2
        }
    }
}

fn measure(args: &Args, (load, targets): (Load, Vec<Target>)) -> Result<bool, String> {
    let origin = Instant::now();
    let interleaved = targets.len() > 1;
    let slice = if interleaved { args.slice.min(args.duration) } else { args.duration };
    let rounds = (args.duration.as_secs_f64() / slice.as_secs_f64()).round().max(1.0) as u32;
    let live = Arc::new(Live::default());
    let bar = progress(rounds * targets.len() as u32, slice);
    let mut measured: Vec<Measured> = targets
        .into_iter()
        .map(|target| Measured { target, stats: Stats::new(), elapsed: Duration::ZERO, usage: Usage::default() })
        .collect();
    for round in 0..rounds {
        for (index, one) in measured.iter_mut().enumerate() {
            // The first slice warms the target up; the others only their connections.
            let warmup = if round == 0 { args.warmup } else { args.warmup.min(Duration::from_millis(200)) };
            // The pid is the first target's.
            let pid = args.pid.filter(|_| index == 0);
            let begin = Instant::now() + warmup + load.ramp;
            let window = Window { origin, begin, end: begin + slice };
            let (stats, usage) = run_slice(&load, &one.target, window, pid, &live, &bar)?;
            one.stats.merge(&stats);
            one.usage.merge(&usage);
            one.elapsed += slice;
        }
    }
    bar.finish_and_clear();
    let report = report::Report::new(args, &load, &measured);
    let json_on_stdout = args.json.as_ref().is_some_and(|path| path.as_os_str() == "-");
    if json_on_stdout {
        eprint!("{}", report.text());
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    let write = |path: &Option<std::path::PathBuf>, what: &dyn Fn() -> String| match path {
        Some(path) => std::fs::write(path, what()).map_err(|error| format!("{}: {error}", path.display())),
        None => Ok(()),
    };
    if !json_on_stdout {
        write(&args.json, &|| report.json())?;
    }
    write(&args.html, &|| html::page(&report, &measured))?;
    Ok(measured.iter().all(|one| one.stats.clean()))
}

fn run_slice(
    load: &Load,
    target: &Target,
    window: Window,
    pid: Option<u32>,
    live: &Arc<Live>,
    bar: &ProgressBar,
) -> Result<(Stats, Usage), String> {
    let (sender, receiver) = channel();
    for thread in 0..load.threads {
        let (load, target, live, sender) = (*load, target.clone(), live.clone(), sender.clone());
        let builder = thread::Builder::new().name(format!("load-{thread}"));
        let work = move || {
            let _ = sender.send(worker::run(&load, &target, window, thread, &live));
        };
        builder.spawn(work).map_err(|error| format!("no thread: {error}"))?;
    }
    drop(sender);
    let (mut stats, mut usage) = (Stats::new(), Usage::default());
    let mut sampler = process::Sampler::new(pid, window);
    loop {
        match receiver.recv_timeout(sampler.next_in()) {
            Ok(result) => stats.merge(&result.map_err(|error| format!("no runtime: {error}"))?),
            Err(RecvTimeoutError::Timeout) => {
                sampler.sample(&mut usage);
                tick(bar, live, window);
            }
            Err(RecvTimeoutError::Disconnected) => {
                sampler.sample(&mut usage);
                return Ok((stats, usage));
            }
        }
    }
}

/// Nothing is drawn where nobody watches.
fn progress(slices: u32, slice: Duration) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(slices as u64 * slice.as_millis() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {percent:>3}%  {msg}") {
        bar.set_style(style);
    }
    bar
}

fn tick(bar: &ProgressBar, live: &Live, window: Window) {
    let get = |n: &AtomicU64| n.load(Relaxed);
    bar.set_message(format!(
        "{} answered, {} events, {} errors",
        get(&live.done),
        get(&live.events),
        get(&live.errors)
    ));
    let now = Instant::now();
    if now > window.begin && now < window.end {
        bar.inc(process::TICK.as_millis() as u64);
    }
}
