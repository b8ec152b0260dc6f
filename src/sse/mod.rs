//! Server-sent events, found in received bytes where they lie (WHATWG HTML 9.2.6). The same bytes are forwarded, so
//! nothing is decoded and nothing is copied, but an event that is split over two reads.
//!
//! Called by the data plane for every read of a stream; never allocates per event in the steady state. Each byte of a
//! stream belongs to exactly one [`Event`]: blocks that carry no data (comments, stray blank lines) are events without
//! data, so that a keep-alive is forwarded at once.

#[cfg(test)]
mod tests;

use std::ops::Range;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One block of lines up to and with its blank line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// Of the last `event:` field; empty without one.
    pub name: &'a [u8],
    /// Of a single `data:` line: a slice of the input. Several are joined by `\n` in the scanner's buffer.
    pub data: &'a [u8],
    /// All bytes of the event with its terminator.
    pub raw: &'a [u8],
    /// Offset in the fed slice just past this event.
    pub end: usize,
    /// Began in an earlier slice.
    pub carried: bool,
}

/// An event grew over the limit. The stream cannot be read further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventTooLong {
    pub bytes_max: usize,
}

impl std::fmt::Display for EventTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an event is longer than {} bytes", self.bytes_max)
    }
}

impl std::error::Error for EventTooLong {}

/// Finds events. One per stream; holds the bytes of at most one incomplete event.
pub struct Scanner {
    event_bytes_max: usize,
    held: Vec<u8>,
    /// Where the end of `held` stands.
    tail: Tail,
    joined: Vec<u8>,
    /// An event was seen: a byte order mark may no longer come.
    begun: bool,
}

/// Where scanning stopped inside an event.
#[derive(Clone, Copy, Default)]
struct Tail {
    /// The line in progress has bytes.
    in_line: bool,
    /// The last byte was a CR that ended a line; an LF right after belongs to it.
    cr: bool,
    /// That line was blank: the event is complete but for the LF that may follow.
    blank: bool,
}

impl Scanner {
    pub fn new(event_bytes_max: usize) -> Self {
        Self { event_bytes_max, held: Vec::new(), tail: Tail::default(), joined: Vec::new(), begun: false }
    }

    /// Calls `on_event` for every event that ends in `bytes`; keeps the rest.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8], mut on_event: impl FnMut(Event<'_>)) -> Result<(), EventTooLong> {
        let mut at = 0;
        if !self.held.is_empty() {
            let found = event_end(&mut self.tail, bytes, |_| {});
            let taken = found.unwrap_or(bytes.len());
            self.check_length(self.held.len() + taken)?;
            self.held.extend_from_slice(bytes.get(..taken).unwrap_or_default());
            if found.is_none() {
                return Ok(());
            }
            self.emit_held(taken, &mut on_event);
            at = taken;
        }
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (mut tail, mut fields) = (Tail::default(), Fields::default());
            let found = event_end(&mut tail, rest, |line| fields.line(rest, line, self.begun, &mut self.joined));
            self.check_length(found.unwrap_or(rest.len()))?;
            let Some(raw) = found.and_then(|end| rest.get(..end)) else {
                self.held.extend_from_slice(rest);
                self.tail = tail;
                break;
            };
            self.begun = true;
            at += raw.len();
            on_event(fields.event(raw, &self.joined, at, false));
        }
        Ok(())
    }

    /// The bytes of the incomplete event held so far.
    pub fn pending(&self) -> &[u8] {
        &self.held
    }

    /// The end of the stream: an event without its blank line still counts (unlike in a browser; some servers never
    /// send the last one). Whether its payload is whole is for its reader to judge.
    pub fn finish(&mut self, mut on_event: impl FnMut(Event<'_>)) {
        if !self.held.is_empty() {
            self.emit_held(0, &mut on_event);
        }
    }

    fn check_length(&mut self, bytes: usize) -> Result<(), EventTooLong> {
        if bytes > self.event_bytes_max {
            return Err(EventTooLong { bytes_max: self.event_bytes_max });
        }
        Ok(())
    }

    #[cold]
    fn emit_held(&mut self, end: usize, on_event: &mut impl FnMut(Event<'_>)) {
        let held = std::mem::take(&mut self.held);
        let (mut tail, mut fields) = (Tail::default(), Fields::default());
        let mut lines_end = 0;
        event_end(&mut tail, &held, |line| {
            lines_end = line.end;
            fields.line(&held, line, self.begun, &mut self.joined);
        });
        // A last line that nothing ended.
        if tail.in_line {
            let rest = held.get(lines_end..).unwrap_or_default();
            let start = rest.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            fields.line(&held, lines_end + start..held.len(), self.begun, &mut self.joined);
        }
        self.begun = true;
        on_event(fields.event(&held, &self.joined, end, true));
        self.held = held;
        self.held.clear();
        self.tail = Tail::default();
    }
}

/// Offset just past the blank line that ends the event whose lines `bytes` continue, after the state `tail`; calls
/// `on_line` with each line that begins in `bytes`, without its end. `None` leaves the state for the next slice.
#[inline]
fn event_end(tail: &mut Tail, bytes: &[u8], mut on_line: impl FnMut(Range<usize>)) -> Option<usize> {
    let mut at = 0;
    if tail.cr {
        let &first = bytes.first()?;
        tail.cr = false;
        if first == b'\n' {
            at = 1;
        }
        if tail.blank {
            return Some(at);
        }
    }
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        // Every other line of most streams is blank: not worth a search.
        let found = if rest.first() == Some(&b'\n') { Some(0) } else { memchr::memchr2(b'\n', b'\r', rest) };
        let Some(len) = found else {
            tail.in_line |= !rest.is_empty();
            return None;
        };
        let end = at + len;
        let blank = len == 0 && !tail.in_line;
        if !blank {
            on_line(at..end);
        }
        tail.in_line = false;
        let mut next = end + 1;
        if bytes.get(end) == Some(&b'\r') {
            match bytes.get(next) {
                Some(b'\n') => next += 1,
                Some(_) => {}
                None => {
                    (tail.cr, tail.blank) = (true, blank);
                    return None;
                }
            }
        }
        if blank {
            return Some(next);
        }
        at = next;
    }
}

/// The fields of one event, by their place in its bytes.
#[derive(Default)]
struct Fields {
    name: Range<usize>,
    data: Range<usize>,
    data_lines: u32,
    lines: u32,
}

impl Fields {
    #[inline]
    fn line(&mut self, bytes: &[u8], line: Range<usize>, begun: bool, joined: &mut Vec<u8>) {
        let Range { mut start, end } = line;
        let mut text = bytes.get(start..end).unwrap_or_default();
        self.lines += 1;
        if !begun
            && self.lines == 1
            && let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK)
        {
            start += BYTE_ORDER_MARK.len();
            text = rest;
        }
        if let Some(rest) = text.strip_prefix(b"data") {
            let Some(skip) = value_offset(rest) else { return };
            self.data(bytes, start + 4 + skip..end, joined);
        } else if let Some(rest) = text.strip_prefix(b"event") {
            let Some(skip) = value_offset(rest) else { return };
            self.name = start + 5 + skip..end;
        }
    }

    #[inline]
    fn data(&mut self, bytes: &[u8], value: Range<usize>, joined: &mut Vec<u8>) {
        self.data_lines += 1;
        if self.data_lines == 1 {
            self.data = value;
            return;
        }
        if self.data_lines == 2 {
            joined.clear();
            joined.extend_from_slice(bytes.get(self.data.clone()).unwrap_or_default());
        }
        joined.push(b'\n');
        joined.extend_from_slice(bytes.get(value).unwrap_or_default());
    }

    #[inline]
    fn event<'a>(&self, raw: &'a [u8], joined: &'a [u8], end: usize, carried: bool) -> Event<'a> {
        let data = if self.data_lines > 1 { joined } else { raw.get(self.data.clone()).unwrap_or_default() };
        Event { name: raw.get(self.name.clone()).unwrap_or_default(), data, raw, end, carried }
    }
}

/// Where the value begins after a field's name: past the colon and one space. `None`: the name goes on.
#[inline]
fn value_offset(after_name: &[u8]) -> Option<usize> {
    match after_name {
        [] => Some(0),
        [b':', b' ', ..] => Some(2),
        [b':', ..] => Some(1),
        _ => None,
    }
}
