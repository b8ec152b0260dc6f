//! A connect that may be given up without losing its socket.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use monoio::net::TcpStream;

use super::Conn;

#[derive(Default)]
struct Shared {
    result: Option<io::Result<TcpStream>>,
    waker: Option<Waker>,
}

/// A connect under way. It runs in a task of its own: dropping this gives up waiting, and the task closes what comes.
pub struct Connecting(Rc<RefCell<Shared>>);

impl Connecting {
    pub fn start(address: SocketAddr) -> Self {
        let shared = Rc::new(RefCell::new(Shared::default()));
        let theirs = shared.clone();
        monoio::spawn(async move {
            let result = TcpStream::connect_addr(address).await;
            let mut shared = theirs.borrow_mut();
            shared.result = Some(result);
            if let Some(waker) = shared.waker.take() {
                waker.wake();
            }
        });
        Self(shared)
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Conn>> {
        let mut shared = self.0.borrow_mut();
        match shared.result.take() {
            Some(result) => Poll::Ready(result.map(Conn::new)),
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
