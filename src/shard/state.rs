//! What all tasks of one shard share. It lives on one thread: `Rc` and cells, no lock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ahash::AHashMap;
use rtrb::Producer;

use super::buffers::{Buffers, Memory};
use super::pool::Pools;
use super::watch::Watch;
use crate::config::{Routing, Snapshot};
use crate::mesh::{Load, LogLevel, LogLine, Up};
use crate::policy::route::States;
use crate::policy::route::backoff::Budget;
use crate::provider::Fetched;
use crate::telemetry::totals::{ShardCounters, Totals};
use crate::telemetry::{Principal, Record, RequestId, Target};

/// Ring slots that records leave free for everything that must not be lost.
const RESERVED_SLOTS: usize = 64;
/// Names passed on to accounts that list none; past this the cache starts over.
const PASSED_ON_MAX: usize = 4096;

/// Targets of model names that no account lists, by account and name.
type PassedOn = AHashMap<(usize, Box<str>), Arc<Target>>;

pub struct Shard {
    pub index: usize,
    snapshot: RefCell<Rc<Snapshot>>,
    pub clock: Clock,
    pub watch: Rc<Watch>,
    pub buffers: Buffers,
    pub memory: Memory,
    pub pools: Pools,
    pub totals: RefCell<Totals>,
    pub addresses: RefCell<AHashMap<Box<str>, Vec<SocketAddr>>>,
    /// By account, as the control core fetched them last.
    pub credentials: RefCell<AHashMap<Box<str>, Fetched>>,
    pub connections: Cell<u64>,
    pub requests: Cell<u64>,
    /// Requests that ended since this was last looked at.
    pub finished: Cell<u64>,
    pub draining: Cell<bool>,
    pub anonymous: Arc<Principal>,
    pub loads: Arc<[Load]>,
    /// Sockets handed to each other shard in this tick: its own count does not show them yet.
    pub promised: Box<[Cell<u32>]>,
    /// What is known of the targets that rules name.
    pub states: RefCell<States>,
    /// Of retries and hedges.
    pub budget: RefCell<Budget>,
    passed_on: RefCell<PassedOn>,
    up: RefCell<Producer<Up>>,
    /// What found the ring full and may not be lost.
    waiting: RefCell<VecDeque<Up>>,
    ids: Ids,
}

/// The sequence of totals that nobody asked for.
pub const UNASKED: u64 = 0;

impl Shard {
    pub fn new(index: usize, snapshot: Snapshot, up: Producer<Up>, loads: Arc<[Load]>) -> Self {
        let totals = Totals::new(&snapshot.process.telemetry.metadata_labels);
        let mut states = States::default();
        states.apply(&Routing::default(), &snapshot.routing);
        Self {
            index,
            snapshot: RefCell::new(Rc::new(snapshot)),
            clock: Clock::new(),
            watch: Rc::default(),
            buffers: Buffers::default(),
            memory: Memory::default(),
            pools: Pools::default(),
            totals: RefCell::new(totals),
            addresses: RefCell::default(),
            credentials: RefCell::default(),
            connections: Cell::new(0),
            requests: Cell::new(0),
            finished: Cell::new(0),
            draining: Cell::new(false),
            anonymous: Arc::new(Principal {
                subject: "anonymous".into(),
                name: "anonymous".into(),
                teams: Vec::new(),
                key_id: "".into(),
            }),
            promised: loads.iter().map(|_| Cell::new(0)).collect(),
            loads,
            states: RefCell::new(states),
            budget: RefCell::default(),
            passed_on: RefCell::default(),
            up: RefCell::new(up),
            waiting: RefCell::default(),
            ids: Ids::new(index),
        }
    }

    /// The configuration in force. A request keeps the one it began with.
    pub fn snapshot(&self) -> Rc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    pub fn apply(&self, snapshot: Snapshot) {
        let epoch = snapshot.epoch;
        self.pools.apply(&snapshot);
        self.passed_on.borrow_mut().clear();
        self.states.borrow_mut().apply(&self.snapshot().routing, &snapshot.routing);
        let before = self.snapshot.replace(Rc::new(snapshot));
        let labels = &self.snapshot().process.telemetry.metadata_labels;
        if before.process.telemetry.metadata_labels != *labels {
            // What was counted under the old labels leaves with them: a key that is not listed any more is no label.
            let counted = self.totals.replace(Totals::new(labels));
            self.send_totals(UNASKED, counted);
        }
        self.send(Up::Applied { epoch });
    }

    /// What is known of the targets of a request's own configuration. One that began before a reload may have others at
    /// the same places: for what is left of it nothing is known of any.
    pub fn with_states<T>(&self, snapshot: &Snapshot, with: impl FnOnce(&mut States) -> T) -> T {
        if self.snapshot.borrow().epoch == snapshot.epoch {
            return with(&mut self.states.borrow_mut());
        }
        let mut unknown = States::default();
        unknown.apply(&Routing::default(), &snapshot.routing);
        with(&mut unknown)
    }

    pub fn count(&self, add: impl FnOnce(&mut ShardCounters)) {
        add(&mut self.totals.borrow_mut().counters);
    }

    /// The labels of a model name that is passed on as it came; `None` where the account has no place for it.
    pub fn passed_on(&self, snapshot: &Snapshot, account_index: usize, model: &str) -> Option<Arc<Target>> {
        let account = snapshot.accounts.get(account_index)?;
        let mut cache = self.passed_on.borrow_mut();
        if let Some(target) = cache.get(&(account_index, model) as &dyn PassedOnKey) {
            return Some(target.clone());
        }
        account.paths.check_model(model).ok()?;
        if cache.len() >= PASSED_ON_MAX {
            cache.clear();
        }
        let target = Arc::new(account.target(model, model));
        cache.insert((account_index, model.into()), target.clone());
        Some(target)
    }

    /// Pushes a finished record: its totals always count, its row and spans only while the ring has room.
    pub fn push_record(&self, record: Box<Record>) {
        self.finished.set(self.finished.get() + 1);
        let mut totals = self.totals.borrow_mut();
        totals.observe(&record);
        let mut up = self.up.borrow_mut();
        if up.slots() > RESERVED_SLOTS && up.push(Up::Record(record)).is_ok() {
            return;
        }
        totals.counters.records_dropped += 1;
    }

    /// Sends what must arrive: later, and in order, where the ring is full.
    pub fn send(&self, message: Up) {
        self.waiting.borrow_mut().push_back(message);
        self.flush();
    }

    /// True when nothing waits any more.
    pub fn flush(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let mut up = self.up.borrow_mut();
        while let Some(message) = waiting.pop_front() {
            if let Err(rtrb::PushError::Full(message)) = up.push(message) {
                waiting.push_front(message);
                return false;
            }
        }
        true
    }

    /// Tells which targets are too slow for a rule, where that has changed.
    pub fn look_for_slow(&self) {
        let slow = self.states.borrow_mut().look_for_slow(&self.snapshot.borrow().routing, self.unix_ms());
        if let Some(slow) = slow {
            self.send(Up::Slow(slow));
        }
    }

    pub fn log(&self, level: LogLevel, message: String) {
        self.send(Up::Log(Box::new(LogLine { level, message })));
    }

    /// Swaps in empty totals and sends the full ones.
    pub fn collect(&self, sequence: u64) {
        let totals = self.totals.borrow_mut().take();
        self.send_totals(sequence, totals);
    }

    fn send_totals(&self, sequence: u64, mut totals: Totals) {
        let counters = &mut totals.counters;
        counters.connections_open = self.connections.get();
        counters.requests_active = self.requests.get();
        counters.upstream_idle = self.pools.idle() as u64;
        counters.upstream_open = self.pools.open() as u64;
        counters.buffer_bytes = self.memory.held_bytes() as u64;
        self.send(Up::Totals { sequence, totals: Box::new(totals) });
    }

    /// `start_unix_ns` is when the request began.
    pub fn next_request_id(&self, start_unix_ns: u64) -> RequestId {
        self.ids.request(start_unix_ns / 1_000_000)
    }

    /// Uniform.
    pub fn random(&self) -> u64 {
        self.ids.next()
    }

    /// Unix milliseconds, as of the latest reading of the clock: with requests under way the last step of one, and never
    /// older than a tick.
    pub fn unix_ms(&self) -> u64 {
        self.clock.unix_ns_at(self.clock.latest_ns()) / 1_000_000
    }

    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        self.ids.bytes()
    }
}

/// Lets the cache be asked with a borrowed name.
trait PassedOnKey {
    fn key(&self) -> (usize, &str);
}

impl PassedOnKey for (usize, Box<str>) {
    fn key(&self) -> (usize, &str) {
        (self.0, &self.1)
    }
}

impl PassedOnKey for (usize, &str) {
    fn key(&self) -> (usize, &str) {
        *self
    }
}

impl<'a> std::borrow::Borrow<dyn PassedOnKey + 'a> for (usize, Box<str>) {
    fn borrow(&self) -> &(dyn PassedOnKey + 'a) {
        self
    }
}

impl std::hash::Hash for dyn PassedOnKey + '_ {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialEq for dyn PassedOnKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn PassedOnKey + '_ {}

/// Monotonic time with a wall-clock anchor that is renewed now and then.
pub struct Clock {
    origin: Instant,
    /// Wall-clock time of the origin.
    origin_unix_ns: Cell<u64>,
    latest_ns: Cell<u64>,
}

impl Clock {
    fn new() -> Self {
        let clock = Self { origin: Instant::now(), origin_unix_ns: Cell::new(0), latest_ns: Cell::new(0) };
        clock.anchor();
        clock
    }

    /// Follows corrections of the wall clock.
    pub fn anchor(&self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.origin_unix_ns.set((unix.as_nanos() as u64).saturating_sub(self.now_ns()));
    }

    /// Nanoseconds since the shard began. A reading takes as long as a hundred instructions.
    pub fn now_ns(&self) -> u64 {
        let now_ns = self.origin.elapsed().as_nanos() as u64;
        self.latest_ns.set(now_ns);
        now_ns
    }

    /// The latest reading of it. The present, where one was taken since this task was woken.
    pub fn latest_ns(&self) -> u64 {
        self.latest_ns.get()
    }

    pub fn unix_ns(&self) -> u64 {
        self.origin_unix_ns.get() + self.now_ns()
    }

    /// The wall-clock time of a reading of [`Clock::now_ns`].
    pub fn unix_ns_at(&self, now_ns: u64) -> u64 {
        self.origin_unix_ns.get() + now_ns
    }
}

impl Clock {
    /// For the `date` field (RFC 9110 6.6.1).
    pub fn http_date(&self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_nanos(self.unix_ns()))
    }
}

/// Ids that never repeat between shards and restarts: a random seed, a counter, a mixer (splitmix64).
struct Ids {
    shard: u16,
    state: Cell<u64>,
}

impl Ids {
    fn new(shard: usize) -> Self {
        let mut seed = [0_u8; 8];
        // SAFETY: the kernel writes at most the length given. Without entropy the clock still separates processes.
        let got = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
        let mut state = u64::from_ne_bytes(seed);
        if got != seed.len() as isize {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            state = unix.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32);
        }
        Self { shard: shard as u16, state: Cell::new(state ^ (shard as u64)) }
    }

    fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn request(&self, unix_ms: u64) -> RequestId {
        let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
        RequestId(time | (u128::from(self.shard) << 64) | u128::from(self.next()))
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_ne_bytes()[..chunk.len()]);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, RouteTarget, embedded};
    use crate::policy::route::health::{Scope, Verdict};
    use crate::telemetry::{ErrorClass, fixture};

    fn snapshot(epoch: u64, targets: &[&str]) -> Snapshot {
        let mut snapshot = embedded(&Env::of(&[])).expect("the embedded configuration");
        snapshot.epoch = epoch;
        let target = |name: &&str| RouteTarget {
            account: 0,
            target: fixture::target(name, "m"),
            region: 0,
            usage_limits: None,
            tolerance: None,
        };
        snapshot.routing.regions = vec!["there".into()];
        snapshot.routing.targets = targets.iter().map(target).collect();
        snapshot
    }

    /// Scenario: a request began before a reload by which another target stands where its own one stood.
    /// Guarantees: what is known of that other one is not taken for its own, nor changed by it.
    #[test]
    fn a_request_knows_the_targets_of_its_own_configuration() {
        let (up, _down) = rtrb::RingBuffer::new(64);
        let before = snapshot(1, &["a", "b"]);
        let shard = Shard::new(0, before.clone(), up, Arc::from([]));
        let after = snapshot(2, &["b", "a"]);
        shard.apply(after.clone());
        let down = Verdict::unhealthy(0, u64::MAX, ErrorClass::Connect);
        shard.states.borrow_mut().apply_verdict(&after.routing, &Scope::Target("b/m".into()), down);
        let admits =
            |snapshot: &Snapshot, at| shard.with_states(snapshot, |states| states.admits(&snapshot.routing, at, 1));
        assert_eq!((admits(&after, 0), admits(&after, 1)), (false, true));
        assert_eq!((admits(&before, 0), admits(&before, 1)), (true, true), "of the old configuration nothing is known");
        shard.with_states(&before, |states| states.targets[0].health.apply(down));
        assert!(admits(&after, 1), "and nothing of what it does is kept");
    }
}
