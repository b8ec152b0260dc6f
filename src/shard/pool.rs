//! Idle upstream connections, newest first, one stack for everything that decides who answers.
//!
//! An idle connection keeps a receive posted. Any byte or end that completes it while idle closes the connection, so
//! an answer nobody asked for can never be taken for the next one; when the connection is used again, that same
//! receive becomes the read of the answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::config::{Limits, Snapshot, Upstream};
use crate::tls::Stream;

/// Where connections go and how they are verified.
struct Key {
    host: Box<str>,
    port: u16,
    /// Address of the TLS configuration: accounts that verify alike share one.
    tls: usize,
}

impl Key {
    fn leads_to(&self, upstream: &Upstream) -> bool {
        self.port == upstream.port && self.tls == tls_identity(upstream) && *self.host == *upstream.host
    }
}

fn tls_identity(upstream: &Upstream) -> usize {
    upstream.tls.as_ref().map_or(0, |tls| Arc::as_ptr(tls) as usize)
}

/// A connection that can be used again.
pub struct Idle {
    pub stream: Stream,
    pub born_ms: u64,
    idle_since_ms: u64,
    /// Counts as open for as long as it lives.
    pub open: Open,
}

struct Pool {
    key: Key,
    idle: Vec<Idle>,
}

/// Counts one open upstream connection.
pub struct Open(Rc<Cell<usize>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// All pools of one shard.
#[derive(Default)]
pub struct Pools {
    pools: RefCell<Vec<Pool>>,
    open: Rc<Cell<usize>>,
}

/// What became of the connections looked at.
#[derive(Default)]
pub struct Taken {
    pub connection: Option<Idle>,
    /// Closed by the peer, or talking out of turn.
    pub closed: u64,
}

impl Pools {
    /// Closes what leads to hosts that are no longer configured; the rest is kept over a reload.
    pub fn apply(&self, snapshot: &Snapshot) {
        for pool in self.pools.borrow_mut().iter_mut() {
            if !snapshot.accounts.iter().any(|account| pool.key.leads_to(&account.upstream)) {
                pool.idle.clear();
            }
        }
    }

    /// The pool of an upstream. Its number stays true for as long as the shard lives.
    pub fn of(&self, upstream: &Upstream) -> usize {
        let mut pools = self.pools.borrow_mut();
        pools.iter().position(|pool| pool.key.leads_to(upstream)).unwrap_or_else(|| {
            let key = Key { host: upstream.host.as_str().into(), port: upstream.port, tls: tls_identity(upstream) };
            pools.push(Pool { key, idle: Vec::new() });
            pools.len() - 1
        })
    }

    pub fn open_one(&self) -> Open {
        self.open.set(self.open.get() + 1);
        Open(self.open.clone())
    }

    pub fn open(&self) -> usize {
        self.open.get()
    }

    pub fn idle(&self) -> usize {
        self.pools.borrow().iter().map(|pool| pool.idle.len()).sum()
    }

    /// The newest connection that is still quiet.
    pub fn take(&self, pool: usize) -> Taken {
        let mut taken = Taken::default();
        let mut pools = self.pools.borrow_mut();
        let Some(pool) = pools.get_mut(pool) else { return taken };
        while let Some(mut idle) = pool.idle.pop() {
            if idle.stream.try_receive().is_none() {
                taken.connection = Some(idle);
                break;
            }
            taken.closed += 1;
        }
        taken
    }

    /// Puts a connection back. It must have a receive posted. Where the stack is full it is closed.
    pub fn give(&self, pool: usize, mut idle: Idle, now_ms: u64, limits: &Limits) {
        debug_assert!(idle.stream.is_receiving());
        // Hands the receive to the driver; a connection that has already ended is not kept.
        if idle.stream.try_receive().is_some() || now_ms.saturating_sub(idle.born_ms) > limits.upstream_max_age_ms {
            return;
        }
        idle.idle_since_ms = now_ms;
        let mut pools = self.pools.borrow_mut();
        let Some(pool) = pools.get_mut(pool) else { return };
        if pool.idle.len() < limits.upstream_idle_per_host_max {
            pool.idle.push(idle);
        }
    }

    /// Closes what has ended or grown old. Called about once a second.
    pub fn sweep(&self, now_ms: u64, limits: &Limits) -> u64 {
        let mut closed = 0;
        for pool in self.pools.borrow_mut().iter_mut() {
            pool.idle.retain_mut(|idle| {
                let old = now_ms.saturating_sub(idle.idle_since_ms) > limits.upstream_idle_ms
                    || now_ms.saturating_sub(idle.born_ms) > limits.upstream_max_age_ms;
                let ended = idle.stream.try_receive().is_some();
                closed += u64::from(ended);
                !old && !ended
            });
        }
        closed
    }

    pub fn close_all(&self) {
        for pool in self.pools.borrow_mut().iter_mut() {
            pool.idle.clear();
        }
    }
}

impl Idle {
    pub fn new(stream: Stream, born_ms: u64, open: Open) -> Self {
        Self { stream, born_ms, idle_since_ms: born_ms, open }
    }
}
