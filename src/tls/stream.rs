//! A connection as the data plane sees it, with TLS or without: the same posts and polls as [`Conn`].
//!
//! TLS is rustls' buffered API: ciphertext is fed from a received buffer, plaintext taken out, records collected into
//! one owned buffer per send. A peer that closes without `close_notify` is an error, never an end: otherwise a
//! truncated body would look whole.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use crate::runtime::{Buf, Conn};

/// Ciphertext received at a time; a full record is 16 KiB and arrives in several reads where it is rare.
const CIPHER_BYTES: usize = 4 * 1024;
/// Plaintext encrypted ahead of the socket.
const PLAIN_AHEAD_BYTES: usize = 64 * 1024;

pub enum Stream {
    Plain(Conn),
    Tls(Box<Session>),
}

pub struct Session {
    conn: Conn,
    tls: Connection,
    /// Where the posted receive wants its plaintext.
    wanted: Option<Buf>,
    /// Ciphertext received and not yet taken by rustls.
    cipher: Option<Buf>,
    /// What the posted send has not encrypted yet, and its length at first.
    sending: Option<(Buf, usize)>,
    ended: bool,
}

impl Stream {
    pub fn server(conn: Conn, config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::Tls(Session::new(conn, tls.into())))
    }

    pub fn client(conn: Conn, config: Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self::Tls(Session::new(conn, tls.into())))
    }

    /// Ready when the handshake is done; at once without TLS.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(session) => session.poll_handshake(cx),
        }
    }

    /// See [`Conn::post_receive`].
    pub fn post_receive(&mut self, buf: Buf) {
        match self {
            Stream::Plain(conn) => conn.post_receive(buf),
            Stream::Tls(session) => session.wanted = Some(buf),
        }
    }

    pub fn is_receiving(&self) -> bool {
        match self {
            Stream::Plain(conn) => conn.is_receiving(),
            Stream::Tls(session) => session.wanted.is_some(),
        }
    }

    /// See [`Conn::poll_receive`].
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<(io::Result<usize>, Buf)> {
        match self {
            Stream::Plain(conn) => conn.poll_receive(cx),
            Stream::Tls(session) => session.poll_receive(cx),
        }
    }

    /// See [`Conn::try_receive`].
    pub fn try_receive(&mut self) -> Option<(io::Result<usize>, Buf)> {
        match self.poll_receive(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(completion) => Some(completion),
            Poll::Pending => None,
        }
    }

    /// See [`Conn::post_send`].
    pub fn post_send(&mut self, buf: Buf) {
        match self {
            Stream::Plain(conn) => conn.post_send(buf),
            Stream::Tls(session) => {
                let len = buf.len();
                session.sending = Some((buf, len));
            }
        }
    }

    /// See [`Conn::post_send_lazily`]. TLS has more to do when a send completes.
    pub fn post_send_lazily(&mut self, buf: Buf) {
        match self {
            Stream::Plain(conn) => conn.post_send_lazily(buf),
            Stream::Tls(_) => self.post_send(buf),
        }
    }

    /// See [`Conn::watch_send`].
    pub fn watch_send(&mut self) {
        if let Stream::Plain(conn) = self {
            conn.watch_send();
        }
    }

    pub fn is_sending(&self) -> bool {
        match self {
            Stream::Plain(conn) => conn.is_sending(),
            Stream::Tls(session) => session.sending.is_some(),
        }
    }

    /// See [`Conn::poll_send`].
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<(io::Result<usize>, Buf)> {
        match self {
            Stream::Plain(conn) => conn.poll_send(cx),
            Stream::Tls(session) => session.poll_send(cx),
        }
    }

    /// Says that nothing more will be sent: `close_notify` and the end of the sending side. Ready when the socket has it.
    pub fn poll_end_sending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stream::Tls(session) = self {
            session.tls.send_close_notify();
            if session.poll_flush(cx).is_pending() {
                return Poll::Pending;
            }
        }
        // A send still under way would be cut off by the shutdown; dropping the connection ends it in any case.
        if !self.conn().is_sending() {
            self.conn().shutdown(Shutdown::Write);
        }
        Poll::Ready(())
    }

    /// Ends both directions at once, without a word: what is under way completes with an error or an end.
    pub fn shutdown(&self) {
        self.conn().shutdown(Shutdown::Both);
    }

    /// Resets the connection: the peer must not take what it has for the whole.
    pub fn reset(&self) {
        self.conn().reset();
    }

    fn conn(&self) -> &Conn {
        match self {
            Stream::Plain(conn) => conn,
            Stream::Tls(session) => &session.conn,
        }
    }
}

impl Session {
    fn new(conn: Conn, mut tls: Connection) -> Box<Self> {
        tls.set_buffer_limit(Some(PLAIN_AHEAD_BYTES));
        Box::new(Self { conn, tls, wanted: None, cipher: None, sending: None, ended: false })
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let flushed = self.poll_flush(cx)?;
            if !self.tls.is_handshaking() {
                return flushed.map(Ok);
            }
            match self.poll_ciphertext(cx)? {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<(io::Result<usize>, Buf)> {
        let Some(mut buf) = self.wanted.take() else { return Poll::Pending };
        loop {
            match self.take_plaintext(&mut buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready((result, buf)),
            }
            let step = self.poll_ciphertext(cx);
            // Answers of the protocol itself: key updates, alerts.
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready((Err(error), buf));
            }
            match step {
                Ok(Poll::Ready(true)) => {}
                Ok(Poll::Ready(false)) => return Poll::Ready((Err(io::ErrorKind::UnexpectedEof.into()), buf)),
                Ok(Poll::Pending) => {
                    self.wanted = Some(buf);
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready((Err(error), buf)),
            }
        }
    }

    /// Decrypted bytes into `buf`; `Ok(0)` after the peer's `close_notify`.
    fn take_plaintext(&mut self, buf: &mut Buf) -> io::Result<usize> {
        let mut chunk = [0_u8; 4096];
        let limit = buf.room().min(chunk.len());
        let count = self.tls.reader().read(&mut chunk[..limit])?;
        buf.extend(&chunk[..count]);
        Ok(count)
    }

    /// One step of reading: feeds rustls what has arrived. False when the peer has closed.
    fn poll_ciphertext(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<bool>> {
        if self.cipher.as_ref().is_none_or(Buf::is_empty) {
            if self.ended {
                return Ok(Poll::Ready(false));
            }
            if !self.conn.is_receiving() {
                let mut buf = self.cipher.take().unwrap_or_else(|| Buf::with_room(CIPHER_BYTES));
                buf.clear();
                self.conn.post_receive(buf);
            }
            let Poll::Ready((result, buf)) = self.conn.poll_receive(cx) else { return Ok(Poll::Pending) };
            self.cipher = Some(buf);
            if result? == 0 {
                self.ended = true;
                return Ok(Poll::Ready(false));
            }
        }
        if let Some(cipher) = &mut self.cipher {
            let taken = self.tls.read_tls(&mut cipher.content())?;
            cipher.consume(taken);
        }
        if let Err(error) = self.tls.process_new_packets() {
            // The alert that says why goes out if the socket takes it at once.
            let _ = self.poll_flush(cx);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(Poll::Ready(true))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<(io::Result<usize>, Buf)> {
        loop {
            let Some((buf, len)) = &mut self.sending else { return Poll::Pending };
            let len = *len;
            let mut failed = None;
            if !buf.is_empty() {
                match self.tls.writer().write(buf.content()) {
                    Ok(taken) => buf.consume(taken),
                    Err(error) => failed = Some(error),
                }
            }
            let flushed = match failed {
                Some(error) => Poll::Ready(Err(error)),
                None => self.poll_flush(cx),
            };
            match flushed {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => {
                    let done = result.is_err() || self.sending.as_ref().is_none_or(|(buf, _)| buf.is_empty());
                    if done && let Some((buf, _)) = self.sending.take() {
                        return Poll::Ready((result.map(|()| len), buf));
                    }
                }
            }
        }
    }

    /// Ready when rustls has nothing left to send and the socket has taken it all.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.conn.is_sending() {
                let Poll::Ready((result, _)) = self.conn.poll_send(cx) else { return Poll::Pending };
                if let Err(error) = result {
                    return Poll::Ready(Err(error));
                }
            }
            if !self.tls.wants_write() {
                return Poll::Ready(Ok(()));
            }
            let mut records = Vec::with_capacity(CIPHER_BYTES);
            while self.tls.wants_write() {
                if let Err(error) = self.tls.write_tls(&mut records) {
                    return Poll::Ready(Err(error));
                }
            }
            self.conn.post_send(Buf::from_content(records));
        }
    }
}
