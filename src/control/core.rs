//! The loop: rings, events, what is due. One owner of all state, so nothing here is locked.

use std::io;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::admin::{Admin, Ask, Readiness, ShardReadiness};
use super::collect::{Collect, Finished, Waiter};
use super::credentials::Credentials;
use super::export::{ControlCounters, Exporter, MetricsView, ProcessStats, ShardView, prometheus};
use super::health::Health;
use super::prices::Schedule;
use super::reload::{Source, Watch};
use super::shards::{ShardLink, State};
use super::store::{Rows, Store};
use super::{Event, Mock, Setup, Signal, dns, systemd};
use crate::config::{Secret, Snapshot};
use crate::mesh::Down;
use crate::runtime::{Quiet, give_back_memory};
use crate::telemetry::totals::Totals;

const EVENTS_WAITING_MAX: usize = 256;
/// Pauses between two looks at the rings: while somebody waits for totals, while records flow, and at most.
const PAUSE_HURRY: Duration = Duration::from_millis(1);
/// Many records: they are taken while they are still in the cache.
const PAUSE_FULL: Duration = Duration::from_millis(4);
const PAUSE_BUSY: Duration = Duration::from_millis(20);
const FULL_RECORDS: usize = 64;
const PAUSE_IDLE: Duration = Duration::from_millis(50);
/// Turns that empty a full ring.
const FULL_RING_TURNS: usize = 8;
/// Shards cut what is open at the end of the drain; one that says nothing so long after is not waited for.
const DRAIN_GRACE: Duration = Duration::from_secs(10);
/// What the receiver of the last spans and metrics may take.
pub const FLUSH_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Starting,
    Serving,
    Draining { give_up: Instant },
}

pub struct Core {
    pub shards: Vec<ShardLink>,
    pub snapshot: Snapshot,
    pub phase: Phase,
    pub exit_code: u8,
    pub totals: Totals,
    pub collect: Collect,
    pub exporter: Exporter,
    pub store: Store,
    /// Of this turn, on their way to the store.
    pub rows: Rows,
    pub counters: ControlCounters,
    pub tokenizers: SyncSender<()>,
    pub mock: Mock,
    pub source: std::sync::Arc<Source>,
    pub watch: Option<Watch>,
    pub loading: bool,
    /// Something changed while a configuration was being loaded, or before the shards served.
    pub load_again: bool,
    pub names: dns::Table,
    pub credentials: Credentials,
    pub health: Health,
    pub resolving: bool,
    pub resolve_at: Instant,
    pub events: mpsc::Receiver<Event>,
    pub sender: mpsc::Sender<Event>,
    pub prices: Schedule,
    pub admin_token: watch::Sender<Option<Secret>>,
    push_at: Instant,
    heartbeat: Option<(Duration, Instant)>,
    pause: Duration,
    burst: Burst,
    greeting: Option<String>,
}

impl Core {
    /// Inside the runtime.
    pub fn begin(setup: Setup) -> io::Result<Self> {
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        listen_to_signals(&sender)?;
        let snapshot = setup.snapshot;
        let (admin_token, token) = watch::channel(snapshot.process.admin_token.clone());
        setup.admin.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(setup.admin)?;
        let router = Admin::new(sender.clone(), token).router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let now = Instant::now();
        let telemetry = &snapshot.process.telemetry;
        let mut core = Self {
            shards: setup.ends.into_iter().map(|end| ShardLink::new(end, snapshot.epoch)).collect(),
            phase: Phase::Starting,
            exit_code: 0,
            totals: Totals::default(),
            collect: Collect::default(),
            exporter: Exporter::start(telemetry).map_err(io::Error::other)?,
            store: setup.store,
            rows: Rows::new(),
            counters: ControlCounters { config_reloads: 1, config_epoch: snapshot.epoch, ..Default::default() },
            tokenizers: tokenizer_loader()?,
            mock: setup.mock,
            source: setup.source.into(),
            watch: None,
            loading: false,
            load_again: false,
            names: dns::Table::new(&setup.addresses),
            credentials: Credentials::default(),
            health: Health::default(),
            resolving: false,
            resolve_at: now + dns::EVERY,
            events,
            sender,
            prices: Schedule::default(),
            admin_token,
            push_at: now + Duration::from_millis(telemetry.metric_interval_ms),
            heartbeat: systemd::heartbeat_every().map(|every| (every, now + every)),
            pause: PAUSE_HURRY,
            burst: Burst { quiet: Quiet::default(), records: 0, since: now },
            greeting: setup.greeting,
            snapshot,
        };
        core.plan_lookup(now);
        core.watch_files();
        let news = core.credentials.follow(&core.snapshot, &core.source, &core.sender);
        core.push_credentials(news);
        core.prices.plan(&core.snapshot.process.prices, now);
        core.follow_health();
        Ok(core)
    }

    pub async fn serve(mut self) -> io::Result<u8> {
        loop {
            let taken = self.turn();
            let now = Instant::now();
            self.due(now);
            self.burst.add(taken.records, now);
            if self.is_over(now) {
                break;
            }
            self.pause = match () {
                () if self.collect.is_running() || self.phase == Phase::Starting => PAUSE_HURRY,
                () if taken.records >= FULL_RECORDS => PAUSE_FULL,
                // Sockets and verdicts go from shard to shard through here.
                () if self.shards.len() > 1 => PAUSE_FULL,
                () if taken.records > 0 => PAUSE_BUSY,
                () => (self.pause.max(PAUSE_BUSY) * 2).min(PAUSE_IDLE),
            };
            let pause = async {
                // A ring that still holds something has its next turn at once, after whoever else is ready.
                match taken.more {
                    true => tokio::task::yield_now().await,
                    false => tokio::time::sleep(self.pause).await,
                }
            };
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.on(event),
                () = pause => {}
            }
        }
        self.finish().await
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Admin(ask) => self.on_ask(ask),
            Event::Signal(Signal::Hangup) | Event::FilesChanged => self.load(),
            Event::Signal(signal) => self.on_stop(signal),
            Event::Loaded(loaded) => self.on_loaded(loaded),
            Event::Resolved(answers) => self.on_resolved(answers),
            Event::Credential { keeper, fetched } => {
                let news = self.credentials.take(keeper, fetched);
                self.push_credentials(news);
            }
            Event::PricesRenewed(renewed) => self.on_prices_renewed(renewed),
            Event::Probed(probed) => self.on_probed(probed),
        }
    }

    fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Alive(reply) => drop(reply.send(())),
            Ask::Ready(reply) => drop(reply.send(self.readiness())),
            Ask::Metrics(format, reply) => self.collect.want(Waiter::Scrape(format, reply)),
            Ask::Requests(filter, reply) => {
                // What ended before the question is in the answer: at most the rings' content, whatever still flows in.
                for _ in 0..FULL_RING_TURNS {
                    if !self.turn().more {
                        break;
                    }
                }
                self.store.query(filter, reply);
            }
            Ask::Targets(reply) => {
                self.turn();
                let _ = reply.send(self.show_targets());
            }
            Ask::GiveUp => self.store.interrupt_query(),
        }
    }

    fn readiness(&self) -> Readiness {
        let shards = self.shards.iter().enumerate().map(|(shard, link)| ShardReadiness {
            shard,
            state: link.state.as_str(),
            driver: link.driver.map(|driver| driver.as_str()),
            why: link.why.as_deref().map(str::to_owned),
            epoch: link.epoch,
        });
        Readiness {
            ready: self.phase == Phase::Serving,
            draining: matches!(self.phase, Phase::Draining { .. }),
            epoch: self.snapshot.epoch,
            shards: shards.collect(),
        }
    }

    /// What the clock asks for.
    fn due(&mut self, now: Instant) {
        if self.phase == Phase::Starting && self.shards.iter().all(|link| link.state == State::Serving) {
            self.started();
        }
        if now >= self.push_at {
            self.push_at = now + Duration::from_millis(self.snapshot.process.telemetry.metric_interval_ms.max(100));
            if self.snapshot.process.telemetry.metrics.is_some() {
                self.collect.want(Waiter::Push);
            }
        }
        if let Some((every, at)) = self.heartbeat.filter(|&(_, at)| now >= at) {
            self.heartbeat = Some((every, at.max(now) + every));
            self.collect.want(Waiter::Heartbeat);
        }
        if now >= self.resolve_at {
            self.resolve();
        }
        self.renew_prices_when_due(now);
        self.probe_when_due(now);
        self.report_health();
        let alive: Vec<bool> = self.shards.iter().map(|link| !link.state.is_over()).collect();
        if let Some(sequence) = self.collect.begin(now, alive.into_iter()) {
            self.shards.iter_mut().for_each(|link| link.send(Down::Collect { sequence }));
        }
        if let Some(finished) = self.collect.finish(now) {
            self.collected(finished);
        }
    }

    fn started(&mut self) {
        self.phase = Phase::Serving;
        for (shard, link) in self.shards.iter().enumerate() {
            let driver = link.driver.map_or("", |driver| driver.as_str());
            match link.why.as_deref() {
                Some(why) => tracing::warn!(shard, driver, why, "serving without io_uring"),
                None => tracing::info!(shard, driver, "serving"),
            }
        }
        systemd::ready();
        if std::mem::take(&mut self.load_again) {
            self.load();
        }
        if let Some(greeting) = self.greeting.take() {
            eprintln!("{greeting}");
        }
    }

    /// Every shard has sent what it counted, or is named as silent.
    fn collected(&mut self, finished: Finished) {
        for shard in &finished.silent {
            tracing::warn!(shard, "the shard did not send its totals in time");
        }
        for waiter in finished.waiters {
            match waiter {
                Waiter::Scrape(format, reply) => {
                    let mut page = String::new();
                    self.with_view(|_, view| prometheus::render(view, format, &mut page));
                    let _ = reply.send(page);
                }
                Waiter::Push => self.with_view(Exporter::metrics),
                Waiter::Heartbeat if finished.silent.is_empty() => systemd::alive(),
                Waiter::Heartbeat => {}
            }
        }
    }

    /// Shows all numbers of this moment to `act`, and lends it the exporter beside them.
    pub fn with_view<T>(&mut self, act: impl FnOnce(&mut Exporter, &MetricsView<'_>) -> T) -> T {
        let links = self.shards.iter().enumerate();
        let shards: Vec<ShardView> = links
            .map(|(shard, link)| ShardView { shard, driver: link.driver, counters: link.counters.clone() })
            .collect();
        let (rows_written, rows_dropped) = (self.store.rows_written(), self.store.rows_lost());
        let view = MetricsView {
            totals: &self.totals,
            shards: &shards,
            process: ProcessStats::read(),
            export: self.exporter.stats(),
            control: ControlCounters { rows_written, rows_dropped, ..self.counters },
            health: self.health.view(&self.snapshot.routing),
            telemetry: &self.snapshot.process.telemetry,
        };
        act(&mut self.exporter, &view)
    }

    /// The first signal lets open streams finish, the second does not.
    fn on_stop(&mut self, signal: Signal) {
        if matches!(self.phase, Phase::Draining { .. }) {
            self.store.remove_temporary();
            exit_at_once(signal);
        }
        tracing::info!(?signal, "draining: a second signal ends at once");
        self.drain();
    }

    pub fn drain(&mut self) {
        if matches!(self.phase, Phase::Draining { .. }) {
            return;
        }
        let within_ms = self.snapshot.limits.drain_ms;
        let give_up = Instant::now() + Duration::from_millis(within_ms) + DRAIN_GRACE;
        self.phase = Phase::Draining { give_up };
        self.watch = None;
        systemd::stopping();
        self.shards.iter_mut().for_each(|link| link.send(Down::Drain { within_ms }));
    }

    fn is_over(&mut self, now: Instant) -> bool {
        let Phase::Draining { give_up } = self.phase else { return false };
        if self.shards.iter().all(|link| link.state.is_over()) {
            return true;
        }
        if now >= give_up {
            tracing::error!("a shard did not stop in time");
            self.exit_code = 1;
        }
        now >= give_up
    }

    /// The last numbers and rows go out.
    async fn finish(mut self) -> io::Result<u8> {
        self.with_view(Exporter::metrics);
        let signal = tokio::select! {
            () = self.exporter.shutdown(FLUSH_WITHIN) => None,
            signal = next_stop(&mut self.events) => Some(signal),
        };
        if let Some(signal) = signal {
            self.store.remove_temporary();
            exit_at_once(signal);
        }
        self.store.close();
        tracing::info!("stopped");
        Ok(self.exit_code)
    }
}

/// A thread that loads token tables when it is told to: a shard met a model whose tokenizer it lacks, and loading takes
/// tens of milliseconds.
fn tokenizer_loader() -> io::Result<SyncSender<()>> {
    let (sender, wanted) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("tokenizers".into())
        .spawn(move || wanted.into_iter().for_each(|()| crate::meter::load_tokenizers()))?;
    Ok(sender)
}

/// The next signal that asks for the end.
async fn next_stop(events: &mut mpsc::Receiver<Event>) -> Signal {
    loop {
        match events.recv().await {
            Some(Event::Signal(signal)) if signal != Signal::Hangup => return signal,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// 128 and the signal's number, as a shell has it.
fn exit_at_once(signal: Signal) -> ! {
    std::process::exit(if signal == Signal::Interrupt { 130 } else { 143 })
}

fn listen_to_signals(sender: &mpsc::Sender<Event>) -> io::Result<()> {
    let kinds = [
        (SignalKind::hangup(), Signal::Hangup),
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::terminate(), Signal::Terminate),
    ];
    for (kind, signal_sent) in kinds {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() && sender.send(Event::Signal(signal_sent)).await.is_ok() {}
        });
    }
    Ok(())
}

/// The tick that [`Quiet`] counts in.
const BURST_TICK: Duration = Duration::from_millis(50);

/// Records of the present tick, to know when a burst is over.
struct Burst {
    quiet: Quiet,
    records: u64,
    since: Instant,
}

impl Burst {
    fn add(&mut self, records: usize, now: Instant) {
        self.records += records as u64;
        if now.duration_since(self.since) < BURST_TICK {
            return;
        }
        if self.quiet.begins(std::mem::take(&mut self.records)) {
            give_back_memory();
            // SQLite's memory is the C library's.
            // SAFETY: trimming returns only what nobody uses.
            unsafe { libc::malloc_trim(0) };
        }
        self.since = now;
    }
}
