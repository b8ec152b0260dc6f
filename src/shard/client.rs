//! A client's connection between and during requests.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::buffers::{EVENT_BYTES, PARKED_BYTES};
use super::state::Shard;
use super::watch::Deadline;
use crate::runtime::Buf;
use crate::tls::Stream;

/// How long a closing connection is kept for what is under way.
const LINGER_MS: u64 = 1_000;

pub struct Client {
    pub shard: Rc<Shard>,
    pub stream: Stream,
    /// Bytes received and not consumed; `None` while a receive is posted with it.
    pub inbox: Option<Buf>,
    pub deadline: Deadline,
    pub peer: SocketAddr,
    /// The peer has ended its side, or the connection has failed.
    pub gone: bool,
}

/// Why waiting for the client's bytes ended without any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoBytes {
    Gone,
    Expired,
    /// The shard drains and nothing has begun.
    Draining,
}

impl Client {
    pub fn new(shard: Rc<Shard>, stream: Stream, peer: SocketAddr) -> Self {
        let deadline = shard.watch.deadline();
        let inbox = Some(shard.buffers.take(PARKED_BYTES));
        Self { shard, stream, inbox, deadline, peer, gone: false }
    }

    /// What was received and not consumed.
    pub fn received(&self) -> &[u8] {
        self.inbox.as_ref().map_or(&[], Buf::content)
    }

    /// Posts a receive that appends to what is there. A full inbox grows by as much as it holds.
    pub fn post_receive(&mut self) {
        let Some(mut inbox) = self.inbox.take() else { return };
        if inbox.room() == 0 {
            inbox.reserve(inbox.len().max(PARKED_BYTES));
        }
        self.stream.post_receive(inbox);
    }

    /// Waits until more bytes have come.
    pub async fn receive(&mut self) -> Result<(), NoBytes> {
        self.await_receive(false).await
    }

    /// The same while nothing has begun: a drain ends the wait.
    pub async fn receive_idle(&mut self) -> Result<(), NoBytes> {
        self.await_receive(true).await
    }

    async fn await_receive(&mut self, idle: bool) -> Result<(), NoBytes> {
        self.post_receive();
        poll_fn(|cx| {
            if let Poll::Ready((result, buf)) = self.stream.poll_receive(cx) {
                self.inbox = Some(buf);
                return Poll::Ready(match result {
                    Ok(count) if count > 0 => Ok(()),
                    _ => {
                        self.gone = true;
                        Err(NoBytes::Gone)
                    }
                });
            }
            if self.deadline.expired(cx) {
                return Poll::Ready(Err(NoBytes::Expired));
            }
            if idle && self.shard.draining.get() {
                return Poll::Ready(Err(NoBytes::Draining));
            }
            Poll::Pending
        })
        .await
    }

    /// Drops `count` bytes from the front. An inbox that is empty again shrinks to its parked size.
    pub fn consume(&mut self, count: usize) {
        let Some(inbox) = &mut self.inbox else { return };
        inbox.consume(count);
        if inbox.is_empty() {
            inbox.clear();
            if inbox.capacity() > PARKED_BYTES
                && let Some(large) = self.inbox.replace(self.shard.buffers.take(PARKED_BYTES))
            {
                self.shard.buffers.give(large);
            }
        }
    }

    /// Watches for the client to leave, or for its next request, while the present one is served. Does nothing while
    /// bytes of a further request wait already: they are read when their turn comes.
    pub fn watch(&mut self) {
        if !self.gone && self.inbox.as_ref().is_some_and(Buf::is_empty) {
            self.post_receive();
        }
    }

    /// Takes the request that lies at the front of the inbox out of it, `len` bytes long: it is kept for as long as it may
    /// have to be sent again, while the inbox takes what comes next: nothing for as long as a stream lasts. It is copied only
    /// where more lies behind it.
    pub fn take_request(&mut self, len: usize, is_stream: bool) -> Buf {
        let buffers = &self.shard.buffers;
        let Some(inbox) = &mut self.inbox else { return buffers.take(0) };
        if inbox.len() > len {
            let mut request = buffers.take(Buf::HEADROOM + Buf::TAILROOM + len);
            request.extend(inbox.content().get(..len).unwrap_or(&[]));
            self.consume(len);
            return request;
        }
        std::mem::replace(inbox, buffers.take(if is_stream { EVENT_BYTES } else { PARKED_BYTES }))
    }

    /// Waits for `work` while the client is there; `None` once it is not.
    pub async fn or_gone<T>(&mut self, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            if self.poll_gone(cx) { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// One look at what [`Client::watch`] posted: true once the client is gone.
    pub fn poll_gone(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        if let Poll::Ready((result, buf)) = self.stream.poll_receive(cx) {
            self.inbox = Some(buf);
            self.gone |= !matches!(result, Ok(count) if count > 0);
        }
        self.gone
    }

    /// Sends all of `buf`, within the time a client that reads at the slowest allowed rate would take.
    pub async fn send(&mut self, buf: Buf) -> io::Result<()> {
        self.deadline.set_ms(send_ms(buf.len(), self.shard.snapshot().limits.client_bytes_per_s_min));
        self.stream.post_send(buf);
        let (result, buf) = poll_fn(|cx| {
            if let Poll::Ready((result, buf)) = self.stream.poll_send(cx) {
                return Poll::Ready((result.map(|_| ()), Some(buf)));
            }
            if self.deadline.expired(cx) {
                return Poll::Ready((Err(io::ErrorKind::TimedOut.into()), None));
            }
            Poll::Pending
        })
        .await;
        if let Some(buf) = buf {
            self.shard.buffers.give(buf);
        }
        self.gone |= result.is_err();
        result
    }

    /// Says that nothing more will be sent. Dropping a connection at once could take the last word of TLS with it.
    pub async fn end_sending(&mut self) {
        self.deadline.set_ms(LINGER_MS);
        poll_fn(|cx| match self.stream.poll_end_sending(cx) {
            Poll::Pending if !self.deadline.expired(cx) => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
    }

    /// Closes after a last answer the client may not have read yet: what it still sends is read and dropped for a
    /// moment, because closing on unread bytes would reset the connection and take the answer with it.
    pub async fn linger(&mut self) {
        const LINGER_BYTES_MAX: usize = 1 << 20;
        self.end_sending().await;
        self.deadline.set_ms(LINGER_MS);
        let mut dropped = 0;
        while !self.gone && dropped < LINGER_BYTES_MAX {
            if let Some(inbox) = &mut self.inbox {
                dropped += inbox.len();
                inbox.clear();
            }
            if self.receive().await.is_err() {
                return;
            }
        }
    }
}

/// How long sending this much may take.
pub fn send_ms(bytes: usize, bytes_per_s_min: u64) -> u64 {
    const SEND_MS_MIN: u64 = 10_000;
    (bytes as u64).saturating_mul(1000).checked_div(bytes_per_s_min).unwrap_or(0).max(SEND_MS_MIN)
}
