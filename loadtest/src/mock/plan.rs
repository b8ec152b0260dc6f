//! An answer, built once as the bytes that go on the wire and played as often as it is asked for.

use super::scenario::{Fault, Scenario};
use memchr::memmem;

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
    /// What is sent for an event that is broken; empty: an SSE event whose JSON is cut off.
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
        let chunked = scenario.fault != Some(Fault::ShortLen);
        if chunked {
            plan.head(200, content_type, headers, "transfer-encoding: chunked");
        } else {
            let all = events.open.iter().chain(&events.tokens).chain(&events.finish).chain(&events.term);
            let stated = all.map(Vec::len).sum::<usize>() + 100;
            plan.head(200, content_type, headers, &format!("content-length: {stated}"));
            plan.end = End::Fin;
        }
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
        plan.seal()
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
                events.finish.push(std::mem::take(&mut events.error));
                events.term = None;
            }
            Fault::BadEvent(n) => {
                let at = events.tokens.len().min(n as usize);
                let bad = std::mem::take(&mut events.bad);
                let cut_off = || b"data: {\"choices\":[{\"index\":0,\n\n".to_vec();
                events.tokens.insert(at, if bad.is_empty() { cut_off() } else { bad });
            }
            Fault::EndEarly(n) => {
                keep(n);
                events.term = None;
            }
            Fault::NoTerm => events.term = None,
            _ => {}
        }
        self.end != End::KeepAlive
    }

    fn head(&mut self, status: u16, content_type: &str, headers: Headers, framing: &str) {
        let mut head = format!("HTTP/1.1 {status} {}\r\ncontent-type: {content_type}\r\n{framing}\r\n", reason(status));
        for (name, value) in headers {
            // A model's name may hold anything; what is not visible ASCII stays out of the head.
            let value: String = value.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
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
        !self.stream && self.end == End::KeepAlive && !s.drip && s.ttft.is_zero() && s.gap.is_zero() && s.head.is_none()
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
