//! An answer, built once as the bytes that go on the wire and played as often as it is asked for.

use super::scenario::{Fault, Scenario};
use memchr::memmem;
use std::rc::Rc;

/// Sixteen bytes that each answer replaces by its own number.
pub const ID: &str = "@@mock-id-here@@";

/// When a part is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Head,
    /// What a stream says before its first token, or the body of an answer that is not a stream.
    Open,
    Token,
    /// Finish, usage, terminator.
    Close,
}

/// What becomes of the connection after the last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    KeepAlive,
    Fin,
    Rst,
    /// Nothing more is sent until the client leaves.
    Stall,
}

#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug)]
pub struct Plan {
    pub bytes: Vec<u8>,
    pub parts: Vec<Part>,
    /// Where [`ID`] stands in `bytes`, ascending.
    pub ids: Vec<usize>,
    pub end: End,
    pub scenario: Scenario,
    pub stream: bool,
    pub tokens: u32,
    pub faulty: bool,
    /// Under which name [`super::seen`] keeps the calls that are answered by this.
    pub named: Option<Rc<str>>,
}

/// A stream before its framing: whole SSE events, or raw slices of a binary body.
#[derive(Default)]
pub struct Events {
    pub open: Vec<Vec<u8>>,
    pub tokens: Vec<Vec<u8>>,
    pub finish: Vec<Vec<u8>>,
    /// `[DONE]` and its kin.
    pub term: Option<Vec<u8>>,
    /// What the dialect sends when it fails in the middle.
    pub error: Vec<u8>,
    /// The same where nothing came before; empty: no difference.
    pub error_alone: Vec<u8>,
    /// What is sent for an event that is broken; empty: the event of a token with its JSON cut off.
    pub bad: Vec<u8>,
}

pub type Headers<'a> = &'a [(&'a str, &'a str)];

impl Plan {
    fn empty(scenario: &Scenario) -> Plan {
        Plan {
            bytes: Vec::new(),
            parts: Vec::new(),
            ids: Vec::new(),
            end: End::KeepAlive,
            scenario: scenario.clone(),
            stream: false,
            tokens: 0,
            faulty: scenario.fault.is_some(),
            named: None,
        }
    }

    /// No byte at all.
    pub fn mute(scenario: &Scenario, end: End) -> Plan {
        Plan { end, ..Plan::empty(scenario) }
    }

    pub fn unary(status: u16, content_type: &str, headers: Headers, body: &[u8], scenario: &Scenario) -> Plan {
        let mut plan = Plan::empty(scenario);
        let (mut stated, mut sent) = (body.len(), body.len());
        match scenario.fault {
            Some(Fault::ShortLen) => (stated, plan.end) = (stated + 100, End::Fin),
            Some(Fault::CutLen) => (stated, sent) = (stated / 2, stated / 2),
            Some(Fault::Excess) => stated /= 2,
            Some(Fault::Empty) => (stated, sent) = (0, 0),
            Some(Fault::OnlyHead(end)) => (sent, plan.end) = (0, end),
            Some(Fault::Cut(n)) => (sent, plan.end) = (sent.min(n as usize), End::Fin),
            Some(Fault::Rst(n)) => (sent, plan.end) = (sent.min(n as usize), End::Rst),
            Some(Fault::Stall(n)) => (sent, plan.end) = (sent.min(n as usize), End::Stall),
            _ => {}
        }
        plan.head(status, content_type, headers, &format!("content-length: {stated}"));
        plan.bytes.extend_from_slice(body.get(..sent).unwrap_or(body));
        plan.part(Kind::Open);
        plan.seal()
    }

    pub fn stream(content_type: &str, headers: Headers, mut events: Events, scenario: &Scenario) -> Plan {
        let mut plan = Plan { stream: true, ..Plan::empty(scenario) };
        let broken_off = plan.break_events(&mut events);
        plan.tokens = events.tokens.len() as u32;
        let all = events.open.iter().chain(&events.tokens).chain(&events.finish).chain(&events.term);
        let whole = all.map(Vec::len).sum::<usize>();
        let stated = match scenario.fault {
            Some(Fault::ShortLen) => Some(whole + 100),
            Some(Fault::CutLen | Fault::Excess) => Some(whole / 2),
            _ => None,
        };
        let chunked = stated.is_none();
        let framing = stated.map_or("transfer-encoding: chunked".to_owned(), |n| format!("content-length: {n}"));
        plan.head(200, content_type, headers, &framing);
        let kinds = [(Kind::Open, events.open), (Kind::Token, events.tokens), (Kind::Close, events.finish)];
        for (kind, event) in kinds.into_iter().flat_map(|(kind, list)| list.into_iter().map(move |e| (kind, e))) {
            plan.frame(&event, chunked);
            plan.part(kind);
        }
        match scenario.fault {
            Some(Fault::BadChunk(_)) => plan.bytes.extend_from_slice(b"zz\r\nnot a chunk\r\n"),
            _ if broken_off => {}
            _ => {
                if let Some(term) = &events.term {
                    plan.frame(term, chunked);
                }
                if chunked {
                    plan.bytes.extend_from_slice(b"0\r\n\r\n");
                }
            }
        }
        plan.part(Kind::Close);
        if let (Some(Fault::CutLen), Some(stated)) = (scenario.fault, stated) {
            plan.cut_body(stated);
        }
        plan.seal()
    }

    /// Leaves the head and so many bytes of the body.
    fn cut_body(&mut self, len: usize) {
        let end = self.parts.first().map_or(0, |head| head.end) + len;
        self.bytes.truncate(end);
        self.parts.retain(|part| part.start < end);
        for part in &mut self.parts {
            part.end = part.end.min(end);
        }
    }

    /// Changes the events as the fault wants them. True when the stream does not reach its end.
    fn break_events(&mut self, events: &mut Events) -> bool {
        let Some(fault) = self.scenario.fault else { return false };
        let mut keep = |n: u32| {
            events.tokens.truncate(n as usize);
            events.finish.clear();
        };
        match fault {
            Fault::Cut(n) | Fault::BadChunk(n) => {
                keep(n);
                self.end = End::Fin;
            }
            Fault::Rst(n) => {
                keep(n);
                self.end = End::Rst;
            }
            Fault::Stall(n) => {
                keep(n);
                self.end = End::Stall;
            }
            Fault::ErrEvent(n) => {
                keep(n);
                events.end_in_error();
            }
            Fault::ErrFirst => {
                events.open.clear();
                keep(0);
                events.end_in_error();
            }
            Fault::OnlyHead(end) => {
                *events = Events::default();
                self.end = end;
            }
            Fault::Empty => *events = Events::default(),
            Fault::ShortLen => self.end = End::Fin,
            Fault::BadEvent(n) => {
                let bad = events.broken(n);
                let at = events.tokens.len().min(n as usize);
                events.tokens.insert(at, bad);
            }
            Fault::BadToken(n) => {
                let bad = events.broken(n);
                match events.tokens.get_mut(n as usize) {
                    Some(token) => *token = bad,
                    None => events.tokens.push(bad),
                }
            }
            Fault::EndEarly(n) => {
                keep(n);
                events.term = None;
            }
            Fault::NoTerm => events.term = None,
            _ => {}
        }
        // Short of its Content-Length only, the stream itself is whole.
        self.end != End::KeepAlive && fault != Fault::ShortLen
    }

    fn head(&mut self, status: u16, content_type: &str, headers: Headers, framing: &str) {
        let mut head = format!("HTTP/1.1 {status} {}\r\ncontent-type: {content_type}\r\n{framing}\r\n", reason(status));
        for (name, value) in headers {
            // A model's name may hold anything; what is not visible ASCII stays out of the head.
            let value: String = value.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        for (name, value) in &self.scenario.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.bytes.extend_from_slice(head.as_bytes());
        self.part(Kind::Head);
    }

    fn frame(&mut self, payload: &[u8], chunked: bool) {
        // An empty chunk is the last one.
        if payload.is_empty() {
            return;
        }
        if chunked {
            self.bytes.extend_from_slice(format!("{:x}\r\n", payload.len()).as_bytes());
        }
        self.bytes.extend_from_slice(payload);
        if chunked {
            self.bytes.extend_from_slice(b"\r\n");
        }
    }

    /// What was added since the last part is one more; only tokens stay apart from their like.
    fn part(&mut self, kind: Kind) {
        let (start, end) = (self.parts.last().map_or(0, |part| part.end), self.bytes.len());
        match self.parts.last_mut() {
            _ if start == end => {}
            Some(last) if last.kind == kind && kind != Kind::Token => last.end = end,
            _ => self.parts.push(Part { kind, start, end }),
        }
    }

    fn seal(mut self) -> Plan {
        self.ids = memmem::find_iter(&self.bytes, ID.as_bytes()).collect();
        self
    }

    /// True when the whole answer can be written at once, behind others.
    pub fn instant(&self) -> bool {
        let s = &self.scenario;
        let dripping = s.drip || matches!(s.fault, Some(Fault::Drip { .. }));
        !self.stream
            && self.end == End::KeepAlive
            && !dripping
            && s.ttft.is_zero()
            && s.gap.is_zero()
            && s.head.is_none()
    }

    /// Appends the bytes from `start` to `end` with `id` in the place of [`ID`].
    pub fn copy(&self, start: usize, end: usize, id: &[u8; 16], out: &mut Vec<u8>) {
        let base = out.len();
        out.extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
        let first = self.ids.partition_point(|at| *at < start);
        for at in self.ids.iter().skip(first).take_while(|at| **at < end) {
            let at = base + at - start;
            if let Some(slot) = out.get_mut(at..at + ID.len()) {
                slot.copy_from_slice(id);
            }
        }
    }
}

impl Events {
    /// After the tokens that are left.
    fn end_in_error(&mut self) {
        let alone = self.open.is_empty() && self.tokens.is_empty() && !self.error_alone.is_empty();
        let error = if alone { &mut self.error_alone } else { &mut self.error };
        self.finish = vec![std::mem::take(error)];
        self.term = None;
    }

    /// An event that is none, made of token number `n` or the last one.
    fn broken(&self, n: u32) -> Vec<u8> {
        const NAME: &[u8] = b"data: ";
        if !self.bad.is_empty() {
            return self.bad.clone();
        }
        let token = self.tokens.get(n as usize).or(self.tokens.last()).map(Vec::as_slice).unwrap_or_default();
        let line_end: &[u8] = if token.ends_with(b"\r\n\r\n") { b"\r\n" } else { b"\n" };
        let gap = [line_end, line_end].concat();
        let said = token.trim_ascii_end();
        // The last of the events that come with a token is the token's own.
        let event = memmem::rfind(said, &gap).and_then(|at| said.get(at + gap.len()..)).unwrap_or(said);
        let Some(data) = memmem::find(event, NAME).map(|at| at + NAME.len()) else {
            return b"data: {\"choices\":[{\"index\":0,\n\n".to_vec();
        };
        let half = data + (event.len() - data) / 2;
        [event.get(..half).unwrap_or(event), &gap].concat()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        402 => "Payment Required",
        408 => "Request Timeout",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        529 => "Overloaded",
        _ => "Status",
    }
}
