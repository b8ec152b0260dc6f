//! A listening socket whose accepts always run to their end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use monoio::io::{CancelHandle, Canceller};
use monoio::net::{TcpListener, TcpStream};

use super::Conn;
use super::driver::is_epoll;

pub struct Listener {
    listener: TcpListener,
    fd: RawFd,
    cancel: CancelHandle,
}

/// Ends the accept of its [`Listener`].
pub struct StopAccepting(Option<Canceller>);

/// A connection just accepted, not yet bound to this thread.
pub struct Accepted {
    stream: TcpStream,
    pub peer: SocketAddr,
}

impl Accepted {
    pub fn into_conn(self) -> Conn {
        Conn::new(self.stream)
    }

    /// The bare socket, for another shard.
    pub fn into_fd(self) -> OwnedFd {
        // SAFETY: the stream gives up the descriptor, which is open and owned by nobody else.
        unsafe { OwnedFd::from_raw_fd(self.stream.into_raw_fd()) }
    }
}

impl Listener {
    pub fn new(listener: std::net::TcpListener) -> io::Result<(Self, StopAccepting)> {
        listener.set_nonblocking(is_epoll())?;
        let fd = listener.as_raw_fd();
        let listener = TcpListener::from_std(listener)?;
        let canceller = Canceller::new();
        let cancel = canceller.handle();
        Ok((Self { listener, fd, cancel }, StopAccepting(Some(canceller))))
    }

    /// The next connection; `None` once accepting was stopped.
    pub async fn accept(&self) -> Option<io::Result<Accepted>> {
        match self.listener.cancelable_accept(self.cancel.clone()).await {
            Ok((stream, peer)) => Some(Ok(Accepted { stream, peer })),
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// What the kernel had already accepted when accepting was stopped: closing the listener would reset it.
    pub fn drain_backlog(&self) -> Vec<OwnedFd> {
        let mut waiting = Vec::new();
        // SAFETY: the listener owns the descriptor; no address is asked for. Non-blocking from here on, so that the
        // last accept says EAGAIN.
        unsafe {
            let flags = libc::fcntl(self.fd, libc::F_GETFL);
            libc::fcntl(self.fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
            loop {
                let fd = libc::accept4(self.fd, std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC);
                if fd < 0 {
                    return waiting;
                }
                waiting.push(OwnedFd::from_raw_fd(fd));
            }
        }
    }
}

impl StopAccepting {
    pub fn stop(&mut self) {
        if let Some(canceller) = self.0.take() {
            canceller.cancel();
        }
    }
}
