//! The data plane: one of these per core, with its own listener, connections, pool, buffers and totals. A request lives
//! and dies on one shard; the control core is reached through the mesh only.
//!
//! Called by the start-up code, which gives each shard a thread. Must never: take a lock, touch a map that another
//! thread can see, block, resolve a name, write a file, or log to a terminal.

mod accept;
mod admit;
mod answer;
mod attempt;
mod attempts;
mod buffers;
mod client;
mod conn;
mod exchange;
mod failure;
mod head;
mod hedge;
mod incoming;
mod pick;
mod plan;
mod pool;
mod progress;
mod proof;
mod pump;
mod reader;
mod relay;
mod request;
mod rescue;
mod respond;
mod serve;
mod settings;
mod settle;
mod state;
mod text;
mod trace;
mod translate;
mod translated;
mod tried;
mod upload;
mod upstream;
mod using;
mod watch;

use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use rtrb::Consumer;

use crate::config::Snapshot;
use crate::mesh::{Down, LogLevel, ShardEnd, Up};
use crate::runtime::{self, Bell, Driver, Listener, Quiet, StopAccepting, sleep_ms};
use state::Shard;
use watch::TICK_MS;

/// What a shard is made of.
pub struct Spec {
    pub index: usize,
    /// The processor to stay on; `None` leaves it to the scheduler.
    pub cpu: Option<usize>,
    pub listeners: Vec<TcpListener>,
    pub snapshot: Box<Snapshot>,
    /// Host names of accounts and their addresses, as far as they are known.
    pub addresses: Vec<(Box<str>, Vec<SocketAddr>)>,
    pub end: ShardEnd,
    pub force_epoll: bool,
}

/// Serves until drained. Blocks; reports through its ring.
pub fn run(spec: Spec) {
    let Spec { index, cpu, listeners, snapshot, addresses, end, force_epoll } = spec;
    let ShardEnd { up, down, doorbell, loads } = end;
    let shard = Rc::new(Shard::new(index, *snapshot, up, loads));
    if let Some(cpu) = cpu
        && let Err(error) = runtime::pin_to(cpu)
    {
        shard.log(LogLevel::Warn, format!("shard {index} could not be pinned to processor {cpu}: {error}"));
    }
    shard.addresses.borrow_mut().extend(addresses);
    let main =
        Main { shard: shard.clone(), down: RefCell::new(down), stops: RefCell::default(), cut_at_ms: Cell::new(None) };
    let ran = runtime::run(force_epoll, |driver, why| main.serve(driver, why, listeners, doorbell));
    if let Err(error) | Ok(Err(error)) = ran {
        shard.send(Up::Failed(format!("shard {index}: {error}").into()));
    }
}

struct Main {
    shard: Rc<Shard>,
    down: RefCell<Consumer<Down>>,
    stops: RefCell<Vec<StopAccepting>>,
    /// When a drain stops waiting.
    cut_at_ms: Cell<Option<u64>>,
}

impl Main {
    async fn serve(
        self,
        driver: Driver,
        why: Option<String>,
        listeners: Vec<TcpListener>,
        doorbell: crate::mesh::DoorbellEnd,
    ) -> std::io::Result<()> {
        let main = Rc::new(self);
        let bell = Bell::new(doorbell.socket.try_clone()?)?;
        for listener in listeners {
            let (listener, stop) = Listener::new(listener)?;
            main.stops.borrow_mut().push(stop);
            let shard = main.shard.clone();
            let panics = shard.clone();
            runtime::spawn(accept::run(shard, listener), move || panics.count(|counters| counters.panics += 1));
        }
        main.shard.send(Up::Started { driver, why: why.map(Into::into) });
        let answering = main.clone();
        runtime::spawn(async move { answering.answer(bell, doorbell).await }, || {});
        main.tick_until_drained().await;
        Ok(())
    }

    /// Hurried messages: the other side rings for them.
    async fn answer(&self, mut bell: Bell, end: crate::mesh::DoorbellEnd) {
        while bell.rung().await.is_ok() {
            end.answered();
            self.take_messages();
        }
    }

    async fn tick_until_drained(&self) {
        const SWEEP_TICKS: u64 = 1000 / TICK_MS;
        let shard = &self.shard;
        let mut ticks = 0_u64;
        let mut quiet = Quiet::default();
        loop {
            sleep_ms(TICK_MS).await;
            ticks += 1;
            let now_ms = shard.clock.now_ns() / 1_000_000;
            shard.watch.tick(now_ms);
            self.take_messages();
            shard.flush();
            shard.promised.iter().for_each(|promised| promised.set(0));
            if quiet.begins(shard.finished.replace(0)) {
                shard.buffers.let_go();
                runtime::give_back_memory();
            }
            if ticks.is_multiple_of(SWEEP_TICKS) {
                shard.clock.anchor();
                let closed = shard.pools.sweep(now_ms, &shard.snapshot().limits);
                shard.count(|counters| counters.upstream_idle_closed += closed);
                shard.look_for_slow();
            }
            if shard.draining.get() && self.is_drained(now_ms) {
                break;
            }
        }
        shard.pools.close_all();
        shard.collect(state::UNASKED);
        shard.send(Up::Stopped);
        while !shard.flush() {
            sleep_ms(TICK_MS).await;
        }
    }

    fn is_drained(&self, now_ms: u64) -> bool {
        const CUT_MS: u64 = 5_000;
        let shard = &self.shard;
        if shard.connections.get() == 0 && shard.requests.get() == 0 {
            return true;
        }
        let Some(cut_at_ms) = self.cut_at_ms.get() else { return false };
        if now_ms >= cut_at_ms {
            // Every wait ends now: streams with an error event, the rest with a close.
            shard.watch.expire_all();
        }
        now_ms >= cut_at_ms + CUT_MS
    }

    fn take_messages(&self) {
        // Bounded per turn: connections must not wait for a long queue.
        const MESSAGES_PER_TURN: usize = 128;
        for _ in 0..MESSAGES_PER_TURN {
            let message = self.down.borrow_mut().pop();
            let Ok(message) = message else { return };
            self.take(message);
        }
    }

    fn take(&self, message: Down) {
        let shard = &self.shard;
        match message {
            Down::Snapshot(snapshot) => shard.apply(*snapshot),
            Down::Addresses { host, addresses } => {
                shard.addresses.borrow_mut().insert(host, addresses);
            }
            Down::Credential { account, fetched } => {
                shard.credentials.borrow_mut().insert(account, *fetched);
            }
            Down::Verdict(verdict) => {
                let (scope, verdict) = *verdict;
                shard.states.borrow_mut().apply_verdict(&shard.snapshot().routing, &scope, verdict);
            }
            Down::Collect { sequence } => shard.collect(sequence),
            Down::Connection(socket) => accept::adopt(shard, socket),
            Down::Drain { within_ms } => {
                let now_ms = shard.clock.now_ns() / 1_000_000;
                self.cut_at_ms.set(Some(now_ms.saturating_add(within_ms)));
                shard.draining.set(true);
                for stop in self.stops.borrow_mut().iter_mut() {
                    stop.stop();
                }
                shard.pools.close_all();
                shard.watch.wake_all();
            }
        }
    }
}
