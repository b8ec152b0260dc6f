//! Accepting, and handing over what another shard should serve.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::conn;
use super::state::Shard;
use crate::mesh::{LogLevel, Up};
use crate::runtime::{Accepted, Conn, Listener, sleep_ms};

/// Accepts until stopped, then takes what the kernel had accepted already.
pub async fn run(shard: Rc<Shard>, listener: Listener) {
    const RETRY_MS: u64 = 50;
    let turn = Cell::new(shard.index);
    loop {
        // Above 95 % of the bound even new connections wait (spec "dataplane" 3.5).
        while shard.memory.held_bytes() > shard.snapshot().limits.shard_buffer_bytes_max / 100 * 95 {
            sleep_ms(RETRY_MS).await;
        }
        match listener.accept().await {
            None => break,
            Some(Ok(accepted)) => place(&shard, accepted, &turn),
            Some(Err(error)) => {
                // Out of descriptors, most likely: waiting is all that helps.
                shard.log(LogLevel::Warn, format!("accept failed: {error}"));
                sleep_ms(RETRY_MS).await;
            }
        }
    }
    for fd in listener.drain_backlog() {
        shard.count(|counters| counters.connections_accepted += 1);
        adopt(&shard, fd);
    }
}

/// Here, or on the less busy of two others when this shard is clearly busier (HAProxy's choice of two).
fn place(shard: &Rc<Shard>, accepted: Accepted, turn: &Cell<usize>) {
    shard.count(|counters| counters.connections_accepted += 1);
    match less_busy(shard, turn) {
        Some(other) => {
            shard.count(|counters| counters.connections_handed_over += 1);
            if let Some(promised) = shard.promised.get(other) {
                promised.set(promised.get() + 1);
            }
            shard.send(Up::HandOver { shard: other, socket: accepted.into_fd() });
        }
        None => {
            let peer = accepted.peer;
            conn::start(shard, accepted.into_conn(), peer);
        }
    }
}

fn less_busy(shard: &Shard, turn: &Cell<usize>) -> Option<usize> {
    let shards = shard.loads.len();
    if shards < 2 {
        return None;
    }
    let first = (turn.get() + 1) % shards;
    let second = (first + 1) % shards;
    turn.set(second);
    let (load, other) = [first, second]
        .into_iter()
        .filter(|&other| other != shard.index)
        .filter_map(|other| Some((shard.loads.get(other)?.get() + shard.promised.get(other)?.get(), other)))
        .min()?;
    let own = shard.connections.get();
    (own * 4 > u64::from(load) * 5 + 16).then_some(other)
}

/// Serves a socket that was accepted elsewhere.
pub fn adopt(shard: &Rc<Shard>, fd: OwnedFd) {
    let stream = std::net::TcpStream::from(fd);
    let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let peer = stream.peer_addr().unwrap_or(unknown);
    match Conn::from_fd(stream.into()) {
        Ok(conn) => conn::start(shard, conn, peer),
        Err(error) => shard.log(LogLevel::Warn, format!("a socket could not be taken over: {error}")),
    }
}
