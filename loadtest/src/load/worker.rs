//! One thread of load: its runtime, its connections, its loop.

use super::{
    Live, Load, Window,
    client::{Answer, Client, Failure, Progress},
    schedule::{Schedule, Timer},
    slots::Slots,
    stats::{Stats, nanos},
    target::Target,
};
use crate::{dist::Rng, rt::Rt};
use monoio::time;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

/// After the measured time, open requests have this long to end by themselves.
const DRAIN: Duration = Duration::from_secs(5);
const WATCH: Duration = Duration::from_millis(100);

/// What the connections of a thread share.
struct Run {
    addr: SocketAddr,
    stream: bool,
    request: Rc<Vec<u8>>,
    window: Window,
    stats: RefCell<Stats>,
    slots: Slots,
    queue: Queue,
    active: Cell<usize>,
}

pub fn run(load: &Load, target: &Target, window: Window, thread: usize, live: &Live) -> io::Result<Stats> {
    let connections = (load.connections + thread) / load.threads;
    let mut rt = Rt::new(4096)?;
    rt.block_on(async {
        let run = Rc::new(Run {
            addr: target.addr,
            stream: target.stream,
            request: target.shared_request(),
            window,
            stats: RefCell::new(Stats::new()),
            slots: Slots::new(connections),
            queue: Queue::default(),
            active: Cell::new(connections),
        });
        let begun = Instant::now();
        for index in 0..connections {
            let (run, open_loop) = (run.clone(), load.rate.is_some());
            let wait = load.ramp.mul_f64(index as f64 / connections as f64);
            monoio::spawn(async move {
                time::sleep_until(time::Instant::from_std(begun + wait)).await;
                if open_loop {
                    run.open(index).await
                } else {
                    run.closed(index).await
                }
                run.active.set(run.active.get() - 1);
            });
        }
        if let Some(rate) = load.rate {
            let (run, load) = (run.clone(), *load);
            monoio::spawn(async move {
                let rate = rate / load.threads as f64;
                let offset = thread as f64 / load.threads as f64;
                // A thread that comes late to its first start is late, and measured so.
                let start = (begun + load.ramp).min(run.window.begin);
                let schedule = Schedule::new(start, rate, load.arrivals, offset, Rng::from_clock());
                run.dispatch(schedule).await;
            });
        }
        run.watch(load.timeout, live).await;
        let stats = std::mem::replace(&mut *run.stats.borrow_mut(), Stats::new());
        Ok(stats)
    })
}

impl Run {
    /// Until every connection is done; ends what takes too long.
    async fn watch(&self, timeout: Duration, live: &Live) {
        let (mut done, mut events, mut errors) = (0, 0, 0);
        while self.active.get() > 0 {
            time::sleep(WATCH).await;
            let draining = Instant::now() > self.window.end + DRAIN.min(timeout);
            self.slots.give_up(if draining { Duration::ZERO } else { timeout });
            let stats = self.stats.borrow();
            let failed = stats.errors.values().sum::<u64>();
            live.done.fetch_add(stats.done_within - done, Relaxed);
            live.events.fetch_add(stats.events_within - events, Relaxed);
            live.errors.fetch_add(failed - errors, Relaxed);
            (done, events, errors) = (stats.done_within, stats.events_within, failed);
        }
    }

    /// Asks again as soon as it is answered.
    async fn closed(&self, index: usize) {
        let mut client = None;
        while Instant::now() < self.window.end {
            self.one(index, &mut client, Instant::now()).await;
        }
        self.slots.closed(index);
    }

    /// Asks when the schedule says so.
    async fn open(&self, index: usize) {
        let mut client = Client::connect(self.addr).await.ok();
        if let Some(client) = &client {
            self.slots.opened(index, client.fd());
        }
        while let Some(intended) = self.queue.next().await {
            self.one(index, &mut client, intended).await;
        }
        self.slots.closed(index);
    }

    /// Puts starts into the queue at their time, until the end of the window.
    async fn dispatch(&self, mut schedule: Schedule) {
        if let Ok(timer) = Timer::new() {
            while schedule.peek() < self.window.end {
                if timer.until(schedule.peek()).await.is_err() {
                    break;
                }
                while schedule.peek() <= Instant::now() && schedule.peek() < self.window.end {
                    self.queue.push(schedule.peek());
                    schedule.advance();
                }
            }
        } else {
            self.stats.borrow_mut().error("no timer".to_owned());
        }
        self.queue.close();
    }

    /// One request from its intended start to its record.
    async fn one(&self, index: usize, client: &mut Option<Client>, intended: Instant) {
        self.slots.asked(index, Instant::now());
        if client.as_ref().is_none_or(|c| !c.reusable) {
            self.slots.closed(index);
            *client = None;
            match Client::connect(self.addr).await {
                Ok(fresh) => {
                    self.slots.opened(index, fresh.fd());
                    *client = Some(fresh);
                }
                Err(error) => {
                    self.record(intended, Err(Failure::Io(error)), false);
                    // A refused connection is no reason to spin.
                    time::sleep(Duration::from_millis(5)).await;
                    return;
                }
            }
        }
        let Some(connection) = client.as_mut() else { return };
        let mut last = None;
        let result =
            connection.exchange(self.request.clone(), |progress| self.progress(intended, &mut last, progress)).await;
        let given_up = self.slots.answered(index);
        self.record(intended, result, given_up);
    }

    fn within(&self, at: Instant) -> bool {
        at >= self.window.begin && at < self.window.end
    }

    fn progress(&self, intended: Instant, last: &mut Option<Instant>, progress: Progress) {
        let mut stats = self.stats.borrow_mut();
        let within = self.within(progress.at);
        if within {
            stats.bytes_within += progress.bytes;
            stats.reads_within += 1;
            stats.events_within += progress.events;
        }
        if progress.events == 0 {
            return;
        }
        match last.replace(progress.at) {
            None if self.within(intended) => {
                let ttft = progress.at.saturating_duration_since(intended);
                stats.ttft.saturating_record(nanos(ttft));
                stats.bucket(&self.window, progress.at).latency.saturating_record(ttft.as_micros() as u64);
            }
            None => {}
            Some(before) if within => stats.gap.saturating_record(nanos(progress.at - before)),
            Some(_) => {}
        }
        if within {
            if progress.events > 1 {
                stats.gap.saturating_record_n(0, progress.events - 1);
            }
            stats.bucket(&self.window, progress.at).events += progress.events;
        }
    }

    fn record(&self, intended: Instant, result: Result<Answer, Failure>, given_up: bool) {
        let mut stats = self.stats.borrow_mut();
        let at = result.as_ref().map_or_else(|_| Instant::now(), |answer| answer.at);
        let (counted, within) = (self.within(intended), self.within(at));
        let error = match &result {
            // Cut off at the end of the run: what it had delivered is counted, the request is not.
            Err(_) if given_up && at > self.window.end => return,
            Err(_) if given_up => Some("timeout".to_owned()),
            Err(failure) => Some(failure.kind()),
            Ok(answer) if !(200..300).contains(&answer.status) => Some(format!("status {}", answer.status)),
            Ok(answer) => match &answer.scanner {
                Some(scanner) if scanner.error => Some("error event".to_owned()),
                Some(scanner) if !scanner.terminated => Some("stream without terminator".to_owned()),
                None if self.stream => Some("not a stream".to_owned()),
                _ => None,
            },
        };
        if within {
            stats.done_within += error.is_none() as u64;
            let bucket = stats.bucket(&self.window, at);
            bucket.done += error.is_none() as u64;
            bucket.errors += error.is_some() as u64;
        }
        if !counted {
            return;
        }
        stats.started += 1;
        if let Ok(answer) = &result {
            *stats.statuses.entry(answer.status).or_default() += 1;
        }
        match error {
            Some(kind) => stats.error(kind),
            None => {
                let total = at.saturating_duration_since(intended);
                stats.well += 1;
                stats.streams_complete += self.stream as u64;
                stats.total.saturating_record(nanos(total));
                if !self.stream {
                    stats.bucket(&self.window, at).latency.saturating_record(total.as_micros() as u64);
                }
            }
        }
    }
}

/// Starts that are due, and the connections that wait for one. The connection that became idle last is used first.
#[derive(Default)]
struct Queue {
    due: RefCell<VecDeque<Instant>>,
    idle: RefCell<Vec<Waker>>,
    closed: Cell<bool>,
}

impl Queue {
    fn push(&self, start: Instant) {
        self.due.borrow_mut().push_back(start);
        let waker = self.idle.borrow_mut().pop();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn close(&self) {
        self.closed.set(true);
        for waker in self.idle.take() {
            waker.wake();
        }
    }

    /// `None` when there will be no more.
    async fn next(&self) -> Option<Instant> {
        std::future::poll_fn(|cx| {
            if let Some(start) = self.due.borrow_mut().pop_front() {
                return Poll::Ready(Some(start));
            }
            if self.closed.get() {
                return Poll::Ready(None);
            }
            self.idle.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}
