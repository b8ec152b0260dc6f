//! One connection: requests read and answered in order, pipelined or not.

use super::{
    Ctx,
    plan::Plan,
    play::{self, After, Played},
    request::{self, BODY_BYTES_MAX, Framing, Head, Refused},
    route::{self, View},
    seen::{Begun, Outcome},
    stats,
};
use crate::http::Chunked;
use monoio::{
    buf::IoBufMut,
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::TcpStream,
};
use std::{io, ops::Range, rc::Rc, time::Instant};

/// What waits in an idle connection, and the least that is read at once.
const READ_BYTES: usize = 4096;
/// Buffers larger than this are given back when a request is over.
const KEEP_BYTES: usize = 64 * 1024;
/// Answers to pipelined requests are gathered up to here.
const OUT_BYTES: usize = 64 * 1024;

pub struct Conn {
    pub stream: TcpStream,
    /// What was received and not consumed is `read[start..]`.
    read: Vec<u8>,
    start: usize,
    /// A chunked body, decoded.
    decoded: Vec<u8>,
    pub out: Vec<u8>,
}

/// A request that lies whole in the buffer, all spans relative to `Conn::start`.
struct Request {
    head: Head,
    len: usize,
    body: Body,
}

enum Body {
    InPlace(Range<usize>),
    Decoded,
}

pub async fn serve(stream: TcpStream, ctx: Rc<Ctx>) {
    let _ = stream.set_nodelay(true);
    let mut conn =
        Conn { stream, read: Vec::with_capacity(READ_BYTES), start: 0, decoded: Vec::new(), out: Vec::new() };
    // Errors are the client's leaving; there is nobody to tell.
    let _ = conn.run(&ctx).await;
}

impl Conn {
    async fn run(&mut self, ctx: &Rc<Ctx>) -> io::Result<()> {
        loop {
            let request = match self.next().await? {
                Ok(Some(request)) => request,
                Ok(None) => return self.flush().await,
                Err(refused) => {
                    let plan = route::refusal(&refused);
                    play::play(self, &plan, Instant::now(), ctx).await;
                    return Ok(());
                }
            };
            stats::add(&ctx.stats.requests, 1);
            let plan = self.plan(&request, ctx);
            let begun = self.begun(&request, &plan, ctx);
            self.start += request.len;
            let played = self.answer(&plan, ctx).await;
            if let Some(begun) = begun {
                ctx.seen.end(begun, played.outcome, played.tokens);
            }
            if let After::Close = played.after {
                return Ok(());
            }
            if request.head.close {
                return self.flush().await;
            }
            self.trim();
        }
    }

    async fn answer(&mut self, plan: &Plan, ctx: &Ctx) -> Played {
        let instant = plan.instant();
        if instant {
            plan.copy(0, plan.bytes.len(), &ctx.next_id(), &mut self.out);
        }
        let hold = instant && self.out.len() <= OUT_BYTES;
        match if hold { Ok(()) } else { self.flush().await } {
            Err(_) => Played { after: After::Close, outcome: Outcome::HungUp, tokens: 0 },
            Ok(()) if instant => Played { after: After::KeepAlive, outcome: Outcome::Answered, tokens: 0 },
            Ok(()) => play::play(self, plan, Instant::now(), ctx).await,
        }
    }

    fn plan(&self, request: &Request, ctx: &Ctx) -> Rc<Plan> {
        ctx.plan(&self.view(request))
    }

    fn begun<'a>(&self, request: &Request, plan: &'a Plan, ctx: &Ctx) -> Option<Begun<'a>> {
        let name = plan.named.as_ref()?;
        let view = self.view(request);
        Some(ctx.seen.begin(name, view.target(), view.body, plan.faulty))
    }

    fn view<'a>(&'a self, request: &'a Request) -> View<'a> {
        let bytes = self.read.get(self.start..).unwrap_or_default();
        let body = match &request.body {
            Body::InPlace(span) => bytes.get(span.clone()).unwrap_or_default(),
            Body::Decoded => &self.decoded,
        };
        View { head: &request.head, bytes, body }
    }

    /// The next whole request, or `None` when the client is done.
    async fn next(&mut self) -> io::Result<Result<Option<Request>, Refused>> {
        let head = loop {
            match request::parse(self.pending()) {
                Ok(Some(head)) => break head,
                Ok(None) => {}
                Err(refused) => return Ok(Err(refused)),
            }
            if !self.fill().await? {
                return Ok(Ok(None));
            }
        };
        if head.expect_continue && self.pending().len() == head.len {
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.flush().await?;
        }
        match head.framing {
            Framing::Length(body) => {
                let len = head.len + body;
                while self.pending().len() < len {
                    self.read.reserve((len - self.pending().len()).min(KEEP_BYTES));
                    if !self.fill().await? {
                        return Ok(Ok(None));
                    }
                }
                let body = Body::InPlace(head.len..len);
                Ok(Ok(Some(Request { head, len, body })))
            }
            Framing::Chunked => self.chunked(head).await,
        }
    }

    async fn chunked(&mut self, head: Head) -> io::Result<Result<Option<Request>, Refused>> {
        let mut decoder = Chunked::new();
        let mut len = head.len;
        self.decoded.clear();
        loop {
            let fresh = self.read.get(self.start + len..).unwrap_or_default();
            let decoded = &mut self.decoded;
            match decoder.feed(fresh, |slice| decoded.extend_from_slice(slice)) {
                Ok(used) => len += used,
                Err(_) => return Ok(Err(Refused(400, "malformed chunk"))),
            }
            if decoder.done() {
                return Ok(Ok(Some(Request { head, len, body: Body::Decoded })));
            }
            if self.decoded.len() > BODY_BYTES_MAX {
                return Ok(Err(Refused(413, "body too large")));
            }
            if !self.fill().await? {
                return Ok(Ok(None));
            }
        }
    }

    pub fn pending(&self) -> &[u8] {
        self.read.get(self.start..).unwrap_or_default()
    }

    /// Sends what waits to be sent, then reads more. False at the end of the input.
    async fn fill(&mut self) -> io::Result<bool> {
        self.flush().await?;
        if self.start > 0 {
            self.read.drain(..self.start);
            self.start = 0;
        }
        if self.read.capacity() - self.read.len() < READ_BYTES / 4 {
            self.read.reserve(READ_BYTES);
        }
        let read = std::mem::take(&mut self.read);
        let (len, capacity) = (read.len(), read.capacity());
        let (result, slice) = self.stream.read(read.slice_mut(len..capacity)).await;
        self.read = slice.into_inner();
        Ok(result? > 0)
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(&mut self.out);
        let (result, out) = self.stream.write_all(out).await;
        self.out = out;
        self.out.clear();
        result.map(|_| ())
    }

    fn trim(&mut self) {
        if self.pending().is_empty() && self.read.capacity() > KEEP_BYTES {
            self.read = Vec::with_capacity(READ_BYTES);
            self.start = 0;
        }
        if self.decoded.capacity() > KEEP_BYTES {
            self.decoded = Vec::new();
        }
        if self.out.is_empty() && self.out.capacity() > KEEP_BYTES {
            self.out = Vec::new();
        }
    }
}
