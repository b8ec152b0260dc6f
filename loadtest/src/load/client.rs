//! One keep-alive connection and one answer read from it.

use super::sse::Scanner;
use crate::http::Chunked;
use monoio::{
    buf::IoBufMut,
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::TcpStream,
};
use std::{io, net::SocketAddr, os::fd::AsRawFd, rc::Rc, time::Instant};

const READ_BYTES: usize = 16 * 1024;
const HEAD_BYTES_MAX: usize = 64 * 1024;

pub struct Client {
    stream: TcpStream,
    read: Vec<u8>,
    pub reusable: bool,
}

/// An answer that came to its end.
pub struct Answer {
    pub status: u16,
    pub scanner: Option<Scanner>,
    pub at: Instant,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub enum Failure {
    /// The connection was closed before the first byte, as servers may do with an idle one.
    ClosedBefore,
    /// After the first byte, before the end.
    Truncated,
    Malformed(&'static str),
    Io(io::Error),
}

impl Failure {
    pub fn kind(&self) -> String {
        match self {
            Failure::ClosedBefore => "closed before an answer".to_owned(),
            Failure::Truncated => "truncated".to_owned(),
            Failure::Malformed(what) => format!("malformed {what}"),
            Failure::Io(error) => format!("{:?}", error.kind()).to_lowercase(),
        }
    }
}

enum Framing {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

struct Head {
    len: usize,
    status: u16,
    framing: Framing,
    sse: bool,
    close: bool,
}

/// What one read brought: bytes and whole events.
pub struct Progress {
    pub at: Instant,
    pub bytes: u64,
    pub events: u64,
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_addr(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, read: Vec::with_capacity(READ_BYTES), reusable: true })
    }

    pub fn fd(&self) -> std::os::fd::RawFd {
        self.stream.as_raw_fd()
    }

    /// Sends the request and reads the answer to its end; `seen` hears of every read of the body.
    pub async fn exchange(&mut self, request: Rc<Vec<u8>>, mut seen: impl FnMut(Progress)) -> Result<Answer, Failure> {
        self.reusable = false;
        self.stream.write_all(request).await.0.map_err(Failure::Io)?;
        self.read.clear();
        let mut head = loop {
            if !self.fill().await? {
                return Err(if self.read.is_empty() { Failure::ClosedBefore } else { Failure::Truncated });
            }
            if let Some(head) = parse(&self.read)? {
                break head;
            }
        };
        let mut scanner = head.sse.then(Scanner::default);
        let mut start = head.len;
        loop {
            let at = Instant::now();
            let fresh = self.read.get(start..).unwrap_or_default();
            let events = scanner.as_mut();
            let (events, over) = consume(&mut head.framing, fresh, events)?;
            if !fresh.is_empty() {
                seen(Progress { at, bytes: fresh.len() as u64, events });
            }
            if over {
                self.reusable = !head.close;
                return Ok(Answer { status: head.status, scanner, at });
            }
            start = 0;
            self.read.clear();
            if !self.fill().await? {
                return match head.framing {
                    Framing::UntilClose => Ok(Answer { status: head.status, scanner, at: Instant::now() }),
                    _ => Err(Failure::Truncated),
                };
            }
        }
    }

    /// Appends what is there. False at the end of the input.
    async fn fill(&mut self) -> Result<bool, Failure> {
        if self.read.capacity() - self.read.len() < READ_BYTES / 4 {
            self.read.reserve(READ_BYTES);
        }
        let read = std::mem::take(&mut self.read);
        let (len, capacity) = (read.len(), read.capacity());
        let (result, slice) = self.stream.read(read.slice_mut(len..capacity)).await;
        self.read = slice.into_inner();
        Ok(result.map_err(Failure::Io)? > 0)
    }
}

/// Takes body bytes. Says how many events ended in them and whether the body did.
fn consume(framing: &mut Framing, bytes: &[u8], scanner: Option<&mut Scanner>) -> Result<(u64, bool), Failure> {
    let mut events = 0;
    let mut none = Scanner::default();
    let counts = scanner.is_some();
    let scanner = scanner.unwrap_or(&mut none);
    let mut take = |slice: &[u8]| {
        if counts {
            events += scanner.feed(slice);
        }
    };
    let over = match framing {
        Framing::UntilClose => {
            take(bytes);
            false
        }
        Framing::Length(left) if bytes.len() as u64 > *left => return Err(Failure::Malformed("length")),
        Framing::Length(left) => {
            take(bytes);
            *left -= bytes.len() as u64;
            *left == 0
        }
        Framing::Chunked(decoder) => {
            let used = decoder.feed(bytes, take).map_err(|_| Failure::Malformed("chunk"))?;
            if used < bytes.len() {
                return Err(Failure::Malformed("length"));
            }
            decoder.done()
        }
    };
    Ok((events, over))
}

fn parse(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
        _ => return Err(Failure::Malformed("head")),
    };
    let status = response.code.unwrap_or(0);
    let mut head = Head { len, status, framing: Framing::UntilClose, sse: false, close: false };
    let mut length = None;
    for header in response.headers.iter() {
        let (name, value) = (header.name, header.value);
        match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => head.close |= value.eq_ignore_ascii_case(b"close"),
            12 if name.eq_ignore_ascii_case("content-type") => head.sse = value.starts_with(b"text/event-stream"),
            14 if name.eq_ignore_ascii_case("content-length") => {
                let text = std::str::from_utf8(value).unwrap_or_default();
                length = Some(text.parse::<u64>().map_err(|_| Failure::Malformed("length"))?);
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Failure::Malformed("transfer coding"));
                }
                head.framing = Framing::Chunked(Chunked::new());
            }
            _ => {}
        }
    }
    match (&head.framing, length) {
        (Framing::Chunked(_), Some(_)) => return Err(Failure::Malformed("framing: two of them")),
        (Framing::UntilClose, Some(length)) => head.framing = Framing::Length(length),
        _ => {}
    }
    Ok(Some(head))
}
