//! A client's connection from its first byte to its last: heads are read one after another, requests served in order.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use super::client::{Client, NoBytes};
use super::request::{Next, Refusal, head_limits};
use super::serve;
use super::state::Shard;
use crate::http1::{RequestHead, parse_request};
use crate::runtime::{Conn, boxed};
use crate::tls::Stream;

/// Counts one open client connection, for as long as it lives.
struct Counted(Rc<Shard>);

impl Counted {
    fn new(shard: Rc<Shard>) -> Self {
        shard.connections.set(shard.connections.get() + 1);
        let counted = Self(shard);
        counted.publish();
        counted
    }

    /// What the other shards see when they look for someone less busy.
    fn publish(&self) {
        if let Some(load) = self.0.loads.get(self.0.index) {
            load.set(self.0.connections.get() as u32);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.publish();
    }
}

/// Serves a connection on this shard, in a task of its own.
pub fn start(shard: &Rc<Shard>, conn: Conn, peer: SocketAddr) {
    let counted = Counted::new(shard.clone());
    let serving = shard.clone();
    let task = async move {
        // Dropped last: the connection counts until its end, a panic included.
        let _counted = counted;
        run(serving, conn, peer).await;
    };
    let shard = shard.clone();
    crate::runtime::spawn(task, move || shard.count(|counters| counters.panics += 1));
}

async fn run(shard: Rc<Shard>, conn: Conn, peer: SocketAddr) {
    // Whatever is not needed while the connection idles is boxed: ten thousand idle connections pay for every byte.
    let Some(mut client) = Box::pin(open(shard, conn, peer)).await else { return };
    let mut served = 0;
    loop {
        let (head, start_ns) = match next_head(&mut client).await {
            Ok(found) => found,
            Err(NoHead::Silent) => return,
            Err(NoHead::Refuse(refusal, start_ns)) => {
                client.shard.count(|counters| counters.protocol_errors += 1);
                Box::pin(serve::refuse_head(&mut client, refusal, start_ns)).await;
                return Box::pin(client.linger()).await;
            }
        };
        served += 1;
        let last = served >= client.shard.snapshot().limits.requests_per_connection_max;
        match boxed(|| serve::request(&mut client, head, start_ns, last)).await {
            Next::KeepAlive if !client.gone => {}
            Next::KeepAlive | Next::Abort => return client.stream.shutdown(),
            // Nothing but a reset: ending the connection first could be read as the end of the answer.
            Next::Reset => return client.stream.reset(),
            Next::Close => return client.end_sending().await,
            Next::Linger => return Box::pin(client.linger()).await,
        }
    }
}

async fn open(shard: Rc<Shard>, conn: Conn, peer: SocketAddr) -> Option<Client> {
    let snapshot = shard.snapshot();
    let Some(tls) = &snapshot.process.tls else { return Some(Client::new(shard, Stream::Plain(conn), peer)) };
    let mut client = Client::new(shard, Stream::server(conn, tls.clone()).ok()?, peer);
    client.deadline.set_ms(snapshot.limits.tls_handshake_ms);
    let shaken = poll_fn(|cx| {
        if let Poll::Ready(result) = client.stream.poll_handshake(cx) {
            return Poll::Ready(result);
        }
        if client.deadline.expired(cx) || client.shard.draining.get() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    })
    .await;
    if shaken.is_err() {
        client.shard.count(|counters| counters.tls_handshake_failures += 1);
        return None;
    }
    Some(client)
}

enum NoHead {
    /// Nothing had begun, or nobody is there to be told.
    Silent,
    Refuse(Refusal, u64),
}

/// The next request's head, and when its first byte was here.
async fn next_head(client: &mut Client) -> Result<(RequestHead, u64), NoHead> {
    let mut start_ns = None;
    client.deadline.set_ms(client.shard.snapshot().limits.keep_alive_idle_ms);
    loop {
        if !client.received().is_empty() {
            let begun_ns = *start_ns.get_or_insert_with(|| {
                // For the whole head, however slowly it drips.
                client.deadline.set_ms(client.shard.snapshot().limits.head_ms);
                client.shard.clock.now_ns()
            });
            match parse_request(client.received(), &head_limits(&client.shard.snapshot().limits)) {
                Ok(Some(head)) => return Ok((head, begun_ns)),
                Ok(None) => {}
                Err(error) => {
                    return Err(NoHead::Refuse(Refusal::new(error.status, error.code, error.message), begun_ns));
                }
            }
        }
        let waited = match start_ns {
            None => client.receive_idle().await,
            Some(_) => client.receive().await,
        };
        match (waited, start_ns) {
            (Ok(()), _) => {}
            (Err(NoBytes::Expired), Some(begun_ns)) => {
                let refusal = Refusal::new(408, "head_timeout", "The request's head did not arrive in time.");
                return Err(NoHead::Refuse(refusal, begun_ns));
            }
            (Err(_), _) => return Err(NoHead::Silent),
        }
    }
}
