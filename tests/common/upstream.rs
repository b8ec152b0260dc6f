//! A provider in the hands of the test: what each connection does is a closure, what it saw is kept byte for byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::PATIENCE;

/// One accepted connection.
pub struct Peer {
    pub stream: TcpStream,
    /// How many connections came before this one.
    pub number: usize,
    read: Vec<u8>,
    seen: Sender<Vec<u8>>,
    tls: Option<Box<rustls::ServerConnection>>,
}

pub struct Upstream {
    pub address: SocketAddr,
    seen: Receiver<Vec<u8>>,
}

impl Upstream {
    /// Runs `serve` for each connection, on a thread of its own.
    pub fn start(serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::start_as(None, serve)
    }

    /// The same over TLS. `serve` begins with the handshake.
    pub fn start_tls(config: Arc<rustls::ServerConfig>, serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::start_as(Some(config), serve)
    }

    fn start_as(config: Option<Arc<rustls::ServerConfig>>, serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let (sender, seen) = channel();
        let serve = std::sync::Arc::new(serve);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let (serve, seen, config) = (serve.clone(), sender.clone(), config.clone());
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let _ = stream.set_nodelay(true);
                    let tls = config.map(|config| Box::new(rustls::ServerConnection::new(config).expect("TLS")));
                    serve(&mut Peer { stream, number, read: Vec::new(), seen, tls });
                });
            }
        });
        Self { address, seen }
    }

    /// Answers every request of every connection with these bytes.
    pub fn always(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |peer| while peer.request().is_some() && peer.send(&answer) {})
    }

    /// The next request seen, whole: head and body as they came.
    pub fn request(&self) -> String {
        let bytes = self.seen.recv_timeout(PATIENCE).expect("a request reaches the provider");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The same as bytes.
    pub fn request_bytes(&self) -> Vec<u8> {
        self.seen.recv_timeout(PATIENCE).expect("a request reaches the provider")
    }

    /// What has been seen and not asked for yet; never waits.
    pub fn requests_so_far(&self) -> Vec<String> {
        self.seen.try_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }
}

impl Peer {
    /// Reads one request as its framing says; `None` at the end of the connection.
    pub fn request(&mut self) -> Option<String> {
        let head_end = self.head()?;
        let head = String::from_utf8_lossy(&self.read[..head_end]).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |value| value.trim().parse().expect("a length"));
        let mut end = head_end + length;
        if head.contains("\r\ntransfer-encoding: chunked\r\n") {
            loop {
                let line_end = loop {
                    match self.read[end..].windows(2).position(|window| window == b"\r\n") {
                        Some(at) => break end + at,
                        None => self.fill()?,
                    }
                };
                let size = std::str::from_utf8(&self.read[end..line_end]).expect("an ASCII chunk size");
                let size = usize::from_str_radix(size, 16).expect("a chunk size");
                end = line_end + 2 + size + 2;
                while self.read.len() < end {
                    self.fill()?;
                }
                if size == 0 {
                    break;
                }
            }
        }
        while self.read.len() < end {
            self.fill()?;
        }
        let request: Vec<u8> = self.read.drain(..end).collect();
        let text = String::from_utf8_lossy(&request).into_owned();
        let _ = self.seen.send(request);
        Some(text)
    }

    /// Waits for a head without taking it: where it ends.
    pub fn head(&mut self) -> Option<usize> {
        loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                return Some(at + 4);
            }
            self.fill()?;
        }
    }

    /// Sends an end in place of the rest: a reset, so that nobody takes what came for the whole.
    pub fn reset(&self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
    }

    /// One more read; `None` at the end of the connection.
    pub fn fill(&mut self) -> Option<()> {
        let mut chunk = [0; 16 * 1024];
        let read = match &mut self.tls {
            None => self.stream.read(&mut chunk),
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut self.stream).read(&mut chunk),
        };
        match read {
            Ok(count) if count > 0 => {
                self.read.extend_from_slice(&chunk[..count]);
                Some(())
            }
            _ => None,
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match &mut self.tls {
            None => self.stream.write_all(bytes).is_ok(),
            Some(tls) => {
                let mut stream = rustls::Stream::new(tls.as_mut(), &mut self.stream);
                stream.write_all(bytes).and_then(|()| stream.flush()).is_ok()
            }
        }
    }

    /// Ends a TLS connection as TLS does; without it the end of the stream is a truncation.
    pub fn close_notify(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        tls.send_close_notify();
        let _ = tls.complete_io(&mut self.stream);
    }

    /// Waits until the other side has closed, without reading: the socket's error says so.
    pub fn wait_for_close(&mut self) {
        let mut poll = libc::pollfd { fd: self.stream.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
        let patience_ms = PATIENCE.as_millis() as i32;
        // SAFETY: one entry, which lives across the call.
        unsafe { libc::poll(&raw mut poll, 1, patience_ms) };
    }

    /// Waits until the other side has closed.
    pub fn until_closed(&mut self) {
        while self.fill().is_some() {}
    }
}

/// A unary JSON answer.
pub fn json(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

pub const SSE_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// One chunk of a chunked body.
pub fn chunk(content: &str) -> Vec<u8> {
    format!("{:x}\r\n{content}\r\n", content.len()).into_bytes()
}

/// A chat stream's event with a piece of text.
pub fn delta(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}
