//! A connection to a provider, for the time of one exchange.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use super::buffers::{ANSWER_BYTES, PARKED_BYTES};
use super::pool::{Idle, Open};
use super::state::Shard;
use super::watch::Deadline;
use crate::config::{self, Limits};
use crate::runtime::{Buf, Connecting};
use crate::telemetry::ErrorClass;
use crate::tls::Stream;

pub struct Upstream {
    pub stream: Stream,
    /// Bytes received and not consumed; `None` while a receive is posted with it.
    pub inbox: Option<Buf>,
    /// The request's bytes, given back by a send that has ended.
    pub unsent: Option<Buf>,
    pub reused: bool,
    born_ms: u64,
    pool: usize,
    open: Open,
}

pub enum ConnectError {
    Failed(ErrorClass),
    /// The shard's bound on upstream connections is reached.
    TooMany,
}

impl Upstream {
    pub fn received(&self) -> &[u8] {
        self.inbox.as_ref().map_or(&[], Buf::content)
    }

    pub fn consume(&mut self, count: usize) {
        if let Some(inbox) = &mut self.inbox {
            inbox.consume(count);
        }
    }

    /// Posts a receive unless one is. A full inbox grows: only heads are gathered here, and they are bounded.
    pub fn post_receive(&mut self, shard: &Shard) {
        if self.stream.is_receiving() {
            return;
        }
        let mut inbox = self.inbox.take().unwrap_or_else(|| shard.buffers.take(ANSWER_BYTES));
        if inbox.room() == 0 {
            inbox.reserve(inbox.len().max(PARKED_BYTES));
        }
        self.stream.post_receive(inbox);
    }

    /// The request's bytes from a connection that has failed, so that they can go out on another one.
    pub async fn take_back(&mut self) -> Option<Buf> {
        if self.stream.is_sending() {
            self.stream.shutdown();
            self.stream.watch_send();
            let (_, buf) = poll_fn(|cx| self.stream.poll_send(cx)).await;
            self.unsent = Some(buf);
        }
        self.unsent.take()
    }

    /// Back to the pool: the exchange is complete and both sides keep the connection.
    pub fn keep(mut self, shard: &Shard, limits: &Limits) {
        if !self.stream.is_receiving() {
            let mut inbox = match self.inbox.take() {
                Some(inbox) if inbox.capacity() == PARKED_BYTES => inbox,
                other => {
                    if let Some(other) = other {
                        shard.buffers.give(other);
                    }
                    shard.buffers.take(PARKED_BYTES)
                }
            };
            inbox.clear();
            self.stream.post_receive(inbox);
        }
        let now_ms = shard.watch.now_ms();
        shard.pools.give(self.pool, Idle::new(self.stream, self.born_ms, self.open), now_ms, limits);
    }
}

/// A quiet connection from the pool, else a new one to one of the host's addresses.
pub async fn connect(
    shard: &Rc<Shard>,
    deadline: &Deadline,
    upstream: &config::Upstream,
    limits: &Limits,
    fresh_only: bool,
) -> Result<Upstream, ConnectError> {
    let pool = shard.pools.of(upstream);
    if !fresh_only {
        let taken = shard.pools.take(pool);
        shard.count(|counters| counters.upstream_idle_closed += taken.closed);
        if let Some(Idle { stream, born_ms, open, .. }) = taken.connection {
            shard.count(|counters| counters.upstream_reuses += 1);
            return Ok(Upstream { stream, inbox: None, unsent: None, reused: true, born_ms, pool, open });
        }
    }
    if shard.pools.open() >= limits.upstream_per_shard_max {
        return Err(ConnectError::TooMany);
    }
    let open = shard.pools.open_one();
    // Boxed: most attempts find a connection in the pool.
    let stream = match Box::pin(connect_any(shard, deadline, upstream, limits)).await {
        Ok(stream) => stream,
        Err(error) => {
            shard.count(|counters| counters.upstream_connect_failures += 1);
            return Err(error);
        }
    };
    shard.count(|counters| counters.upstream_connects += 1);
    let born_ms = shard.watch.now_ms();
    Ok(Upstream { stream, inbox: None, unsent: None, reused: false, born_ms, pool, open })
}

/// Tries each address once, all within one deadline.
async fn connect_any(
    shard: &Rc<Shard>,
    deadline: &Deadline,
    upstream: &config::Upstream,
    limits: &Limits,
) -> Result<Stream, ConnectError> {
    deadline.set_ms(limits.upstream_connect_ms);
    let mut last = ConnectError::Failed(ErrorClass::Resolve);
    for address in addresses(shard, upstream) {
        let mut connecting = Connecting::start(address);
        let connected = poll_fn(|cx| {
            if let Poll::Ready(result) = connecting.poll(cx) {
                return Poll::Ready(result.map_err(|_| ConnectError::Failed(ErrorClass::Connect)));
            }
            waiting(deadline, cx)
        })
        .await;
        match connected {
            Ok(conn) => return handshake(conn, deadline, upstream, limits).await,
            Err(error @ ConnectError::Failed(ErrorClass::Connect)) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

async fn handshake(
    conn: crate::runtime::Conn,
    deadline: &Deadline,
    upstream: &config::Upstream,
    limits: &Limits,
) -> Result<Stream, ConnectError> {
    let Some(tls) = &upstream.tls else { return Ok(Stream::Plain(conn)) };
    let failed = |_| ConnectError::Failed(ErrorClass::Tls);
    let mut stream = Stream::client(conn, tls.clone(), &upstream.host).map_err(failed)?;
    deadline.set_ms(limits.tls_handshake_ms);
    poll_fn(|cx| {
        if let Poll::Ready(result) = stream.poll_handshake(cx) {
            return Poll::Ready(result.map_err(failed));
        }
        waiting(deadline, cx)
    })
    .await?;
    Ok(stream)
}

/// What else can end the wait for a connection.
fn waiting<T>(deadline: &Deadline, cx: &std::task::Context<'_>) -> Poll<Result<T, ConnectError>> {
    if deadline.expired(cx) {
        return Poll::Ready(Err(ConnectError::Failed(ErrorClass::ConnectTimeout)));
    }
    Poll::Pending
}

/// The control core resolves names; literal addresses need nobody. One new connection after another begins with
/// another address.
fn addresses(shard: &Shard, upstream: &config::Upstream) -> Vec<SocketAddr> {
    if let Ok(ip) = upstream.host.trim_matches(['[', ']']).parse() {
        return vec![SocketAddr::new(ip, upstream.port)];
    }
    let known = shard.addresses.borrow();
    let Some(ips) = known.get(upstream.host.as_str()) else { return Vec::new() };
    let first = shard.pools.open() % ips.len().max(1);
    ips.iter().cycle().skip(first).take(ips.len()).map(|ip| SocketAddr::new(ip.ip(), upstream.port)).collect()
}
