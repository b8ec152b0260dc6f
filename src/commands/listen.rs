//! Listening sockets: one per shard and address, all open before any of them serves, so that the kernel spreads
//! connections over the full set from the first one on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

const BACKLOG: i32 = 4096;

/// By shard; and the addresses, in their order, with the port that was chosen where 0 was asked for.
pub fn bind(addresses: &[SocketAddr], shards: usize) -> io::Result<(Vec<Vec<TcpListener>>, Vec<SocketAddr>)> {
    let mut by_shard: Vec<Vec<TcpListener>> = (0..shards).map(|_| Vec::new()).collect();
    let mut bound = Vec::with_capacity(addresses.len());
    for &address in addresses {
        // SO_REUSEPORT would let this process join another one's group without a word: ask for the address alone first.
        let probe = open(address, false).map_err(|error| about(address, &error))?;
        let address = probe.local_addr()?;
        drop(probe);
        for listeners in &mut by_shard {
            listeners.push(open(address, true).map_err(|error| about(address, &error))?);
        }
        bound.push(address);
    }
    Ok((by_shard, bound))
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // `[::]` beside `0.0.0.0` is two listeners, as the configuration says.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn about(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

pub fn bind_admin(address: SocketAddr) -> io::Result<TcpListener> {
    open(address, false).map_err(|error| about(address, &error))
}

/// Every connection is a descriptor: takes what the hard limit allows.
pub fn raise_descriptor_limit() {
    // SAFETY: both calls get a pointer to this one struct.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_listens_on_the_same_port() {
        let (by_shard, bound) = bind(&[([127, 0, 0, 1], 0).into()], 3).expect("binds");
        assert_ne!(bound[0].port(), 0);
        assert!(by_shard.iter().flatten().all(|listener| listener.local_addr().expect("bound") == bound[0]));
        assert_eq!(by_shard.iter().flatten().count(), 3);
    }

    #[test]
    fn an_address_in_use_is_an_error_even_when_the_other_one_shares() {
        let (_held, bound) = bind(&[([127, 0, 0, 1], 0).into()], 1).expect("binds");
        assert!(bind(&bound, 1).expect_err("in use").to_string().contains("cannot listen on"));
    }
}
