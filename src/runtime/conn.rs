//! A connected socket with at most one receive and one send under way, both owned by it until they complete.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use monoio::io::{AsyncReadRent, AsyncWriteRent, Splitable};
use monoio::net::TcpStream;

use super::Buf;
use super::driver::is_epoll;

type Completion = (io::Result<usize>, Buf);

/// What a posted operation and its owner share: the buffer on its way in, the completion on its way out.
#[derive(Default)]
struct Slot {
    posted: Cell<Option<Buf>>,
    completed: Cell<Option<Completion>>,
}

impl Slot {
    async fn take_posted(&self) -> Buf {
        poll_fn(|_| match self.posted.take() {
            Some(buf) => Poll::Ready(buf),
            // Posting is always followed by a poll from the same owner, so nobody needs waking.
            None => Poll::Pending,
        })
        .await
    }
}

/// A loop that runs one operation after another for as long as the connection lives. It is allocated once, so an
/// operation costs no allocation, and it is never dropped while the connection may be used again.
struct Operations {
    slot: Rc<Slot>,
    engine: Pin<Box<dyn Future<Output = ()>>>,
    under_way: bool,
    /// Completing wakes nobody.
    lazy: bool,
}

impl Operations {
    fn new<F: Future<Output = ()> + 'static>(engine: impl FnOnce(Rc<Slot>) -> F) -> Self {
        let slot = Rc::new(Slot::default());
        Self { engine: Box::pin(engine(slot.clone())), slot, under_way: false, lazy: false }
    }

    fn post(&mut self, buf: Buf) {
        debug_assert!(!self.under_way, "one operation at a time");
        self.slot.posted.set(Some(buf));
        self.under_way = true;
        self.lazy = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        if !self.under_way {
            return Poll::Pending;
        }
        let _never_ends = match self.lazy {
            true => self.engine.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            false => self.engine.as_mut().poll(cx),
        };
        match self.slot.completed.take() {
            Some(completion) => {
                self.under_way = false;
                Poll::Ready(completion)
            }
            None => Poll::Pending,
        }
    }
}

/// A TCP connection. Dropping it closes the socket; operations under way are cancelled and their buffers freed when
/// the kernel lets go of them.
pub struct Conn {
    receive: Operations,
    send: Operations,
    fd: RawFd,
}

impl Conn {
    pub(super) fn new(stream: TcpStream) -> Self {
        // Small answers must not wait for an acknowledgement. Failing to set it costs latency only.
        let _ = stream.set_nodelay(true);
        let fd = stream.as_raw_fd();
        let (mut reader, mut writer) = stream.into_split();
        let receive = Operations::new(|slot| async move {
            loop {
                let buf = slot.take_posted().await;
                let completion = reader.read(buf).await;
                slot.completed.set(Some(completion));
            }
        });
        let send = Operations::new(|slot| async move {
            loop {
                let mut buf = slot.take_posted().await;
                let mut sent = 0;
                let result = loop {
                    if buf.is_empty() {
                        break Ok(sent);
                    }
                    let (result, returned) = writer.write(buf).await;
                    buf = returned;
                    match result {
                        Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                        Ok(count) => {
                            buf.consume(count);
                            sent += count;
                        }
                        Err(error) => break Err(error),
                    }
                };
                slot.completed.set(Some((result, buf)));
            }
        });
        Self { receive, send, fd }
    }

    /// Takes over a socket that another thread accepted.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let stream = std::net::TcpStream::from(fd);
        stream.set_nonblocking(is_epoll())?;
        Ok(Self::new(TcpStream::from_std(stream)?))
    }

    /// Starts a receive that appends to `buf`. There must be none under way and `buf` must have room.
    pub fn post_receive(&mut self, buf: Buf) {
        debug_assert!(buf.room() > 0);
        self.receive.post(buf);
    }

    pub fn is_receiving(&self) -> bool {
        self.receive.under_way
    }

    /// Ready when the posted receive has completed; `Ok(0)` is the peer's end of sending. Pending when none is posted.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<(io::Result<usize>, Buf)> {
        self.receive.poll(cx)
    }

    /// Looks whether the posted receive has completed, waking nobody when it has not. Also hands a receive that was just
    /// posted to the driver.
    pub fn try_receive(&mut self) -> Option<(io::Result<usize>, Buf)> {
        match self.receive.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(completion) => Some(completion),
            Poll::Pending => None,
        }
    }

    /// Starts to send all of `buf`. There must be no send under way. It leaves with everything else of this turn: sending
    /// at once, by a call of its own, was measured and costs a tenth more per request, or worse, because the peer wakes for each.
    pub fn post_send(&mut self, buf: Buf) {
        self.send.post(buf);
    }

    /// The same for an owner who will be woken by something else: that the send has completed is seen at its next poll. A
    /// small send into an empty socket completes at once, and waking for it would double the wake-ups of a stream. Should
    /// it not complete, [`Conn::watch_send`] must follow within a moment.
    pub fn post_send_lazily(&mut self, buf: Buf) {
        const LAZY_BYTES_MAX: usize = 4096;
        let small = buf.len() <= LAZY_BYTES_MAX;
        self.send.post(buf);
        self.send.lazy = small;
    }

    /// From its next poll on, the send under way wakes its owner.
    pub fn watch_send(&mut self) {
        self.send.lazy = false;
    }

    pub fn is_sending(&self) -> bool {
        self.send.under_way
    }

    /// Ready when everything is sent, or failed. The buffer comes back empty, or with what was not sent.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<(io::Result<usize>, Buf)> {
        self.send.poll(cx)
    }

    /// Ends both directions at once: what is under way completes with an error or an end.
    pub fn shutdown(&self, how: Shutdown) {
        let how = match how {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        };
        // SAFETY: the operations own the socket, so the descriptor is open as long as `self` is.
        unsafe { libc::shutdown(self.fd, how) };
    }

    /// Resets the connection now, so that the peer cannot take what it has for the whole. Lingering for no time would not
    /// do: monoio ends the sending side before it closes, and that end could be read first.
    pub fn reset(&self) {
        let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
        // SAFETY: as in `shutdown`; the address lives across the call and its size is given. Connecting to no address
        // is how a TCP socket is told to abort (connect(2), tcp_disconnect).
        unsafe { libc::connect(self.fd, &raw const nowhere, size_of::<libc::sockaddr>() as libc::socklen_t) };
    }
}

/// The shard's end of a doorbell, awaited on the shard's driver.
pub struct Bell {
    socket: monoio::net::UnixStream,
}

impl Bell {
    pub fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(is_epoll())?;
        Ok(Self { socket: monoio::net::UnixStream::from_std(socket)? })
    }

    /// Until the other side rings; an error when it is gone.
    pub async fn rung(&mut self) -> io::Result<()> {
        let (result, _) = self.socket.read(vec![0_u8; 64]).await;
        match result? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
