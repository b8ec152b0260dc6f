//! Reads an answer while it passes: decodes its framing in place, finds its events, folds its usage. What is left in
//! the buffer afterwards is exactly what the client gets.

use super::progress::Progress;
use super::state::Shard;
use super::translate::Back;
use crate::dialect::{Frames, Mark, Reading, Translation, Wire};
use crate::http1::{BodyDecoder, ResponseHead};
use crate::meter::Usage;
use crate::runtime::Buf;
use crate::sse::Scanner;
use crate::telemetry::ErrorClass;

/// An event that is not complete by then is passed on unread from there on.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// A unary body is kept up to this for its usage, which may stand at its end.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Complete,
    Broken(ErrorClass),
}

pub struct Reader {
    pub(super) wire: Wire,
    decoder: BodyDecoder,
    pub(super) source: Source,
    pub(super) is_stream: bool,
    pub(super) ok: bool,
    pub reading: Reading,
    hide_usage: bool,
    /// The beginning of an event whose end has not come: clients get whole events only, so that an answer that breaks
    /// off can still end with an event that says so.
    tail: Vec<u8>,
    /// A unary body, kept for its usage or its error.
    pub(super) kept: Vec<u8>,
    pub(super) too_large: bool,
    /// The unary body came whole and has been read where it lay.
    read: bool,
    /// Bytes came after the end, or were still owed then: the connection is not used again.
    pub talked_on: bool,
    /// Makes the client's answer, where the provider's is in another dialect.
    pub(super) back: Option<Back>,
    /// What it made of one read.
    pub(super) made: Vec<u8>,
    pub(super) input_estimate: u64,
    /// Follows a stream that passes as it is, so that another target can go on with it.
    pub(super) track: Option<Box<Translation>>,
    /// What attempts before this one have used for the same answer: the client is told the sum.
    pub prior: Option<Box<Usage>>,
}

/// Where events are found.
pub(super) enum Source {
    /// Nowhere: a unary body, or one that cannot be read.
    None,
    Sse(Scanner),
    Frames(Frames),
}

/// What is to be read, and how.
pub struct Answer<'a> {
    pub wire: Wire,
    pub back: Option<Back>,
    pub head: &'a ResponseHead,
    pub decoder: BodyDecoder,
    pub content: Content,
    /// Not compressed.
    pub readable: bool,
    pub hide_usage: bool,
    pub input_estimate: u64,
    pub track: Option<Box<Translation>>,
    pub prior: Option<Box<Usage>>,
}

/// The kind of a body, from its content type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    Sse,
    /// AWS event-stream frames.
    Frames,
    Json,
    Other,
}

impl Content {
    pub fn is_stream(self) -> bool {
        matches!(self, Content::Sse | Content::Frames)
    }
}

impl Reader {
    #[inline]
    pub fn new(answer: Answer<'_>, reading: Reading) -> Self {
        let source = match answer.content {
            Content::Sse if answer.readable => Source::Sse(Scanner::new(EVENT_BYTES_MAX)),
            Content::Frames if answer.readable => Source::Frames(Frames::default()),
            _ => Source::None,
        };
        Self {
            wire: answer.wire,
            decoder: answer.decoder,
            source,
            is_stream: answer.content.is_stream(),
            ok: answer.head.status < 300,
            reading,
            hide_usage: answer.hide_usage,
            tail: Vec::new(),
            kept: Vec::new(),
            // A body that cannot be read is not worth keeping.
            too_large: !answer.readable,
            read: false,
            talked_on: false,
            back: answer.back,
            made: Vec::new(),
            input_estimate: answer.input_estimate,
            track: answer.track,
            prior: answer.prior,
        }
    }

    /// The client has this much of the answer already, and gets none of it again.
    pub fn catches_up(&self) -> bool {
        matches!(&self.back, Some(Back::Chat(translation)) if !translation.caught_up())
    }

    /// What attempts before this one have used.
    pub fn prior(&self) -> Usage {
        self.prior.as_deref().copied().unwrap_or_default()
    }

    /// What knows how much of a stream the client has.
    pub fn take_translation(&mut self) -> Option<Box<Translation>> {
        match self.back.take() {
            Some(Back::Chat(translation)) => Some(translation),
            other => {
                self.back = other;
                self.track.take()
            }
        }
    }

    /// A unary body as far as it was kept.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Bytes kept for reading.
    pub fn held_bytes(&self) -> usize {
        self.kept.capacity() + self.tail.capacity() + self.made.capacity()
    }

    /// Takes what was received. `now_ns` is since the request's start.
    pub fn process(&mut self, buf: &mut Buf, progress: &mut Progress, shard: &Shard, now_ns: u64) -> Option<End> {
        let framing = self.decode(buf);
        if self.back.is_some() {
            if let Err(error) = self.translate(buf, progress, now_ns) {
                return Some(End::Broken(error));
            }
        } else if self.is_stream {
            if let Err(error) = self.scan(buf, progress, shard, now_ns) {
                return Some(End::Broken(error));
            }
        } else {
            if self.ok && !buf.is_empty() {
                progress.piece(now_ns);
            }
            let whole = self.ok && framing.is_ok() && self.decoder.is_done() && self.kept.is_empty();
            if whole && !self.too_large {
                self.wire.read_body(buf.content(), &mut self.reading);
                self.read = true;
            } else {
                self.keep(buf.content());
            }
        }
        match framing {
            Err(()) => Some(End::Broken(ErrorClass::Protocol)),
            Ok(()) if self.decoder.is_done() => Some(self.finish(buf, progress, now_ns)),
            Ok(()) => None,
        }
    }

    /// The provider has closed, or the connection has failed.
    pub fn end_of_input(&mut self, failed: bool, buf: &mut Buf, progress: &mut Progress, now_ns: u64) -> End {
        if failed || self.decoder.end_of_input().is_err() {
            // A stream that has said its end has said all, whatever its framing still owes.
            if !self.is_stream || !self.reading.terminated || self.reading.error.is_some() {
                return End::Broken(ErrorClass::Truncated);
            }
            self.talked_on = true;
        }
        self.finish(buf, progress, now_ns)
    }

    /// Content runs are moved together, so that several small chunks leave as one.
    fn decode(&mut self, buf: &mut Buf) -> Result<(), ()> {
        let bytes = buf.content_mut();
        let (mut read, mut start, mut end) = (0, 0, 0);
        let mut result = Ok(());
        while !self.decoder.is_done() {
            let Ok(step) = self.decoder.advance(bytes.get(read..).unwrap_or(&[])) else {
                result = Err(());
                break;
            };
            let (from, len) = (read + step.content.start as usize, step.content.len());
            if len > 0 && end == 0 {
                (start, end) = (from, from + len);
            } else if len > 0 {
                bytes.copy_within(from..from + len, end);
                end += len;
            }
            read += step.consumed;
            if step.consumed == 0 {
                break;
            }
        }
        self.talked_on |= self.decoder.is_done() && read < bytes.len();
        buf.truncate(end);
        buf.consume(start);
        result
    }

    /// The error ends the stream before the event that is one: nothing of that goes out.
    fn scan(&mut self, buf: &mut Buf, progress: &mut Progress, shard: &Shard, now_ns: u64) -> Result<(), ErrorClass> {
        let Source::Sse(scanner) = &mut self.source else { return Ok(()) };
        let (wire, hide, reading, track) = (self.wire, self.hide_usage, &mut self.reading, &mut self.track);
        let mut whole = 0;
        let mut cuts: Vec<(usize, usize)> = Vec::new();
        let mut drop_tail = false;
        let mut broken = Ok(());
        let fed = scanner.feed(buf.content(), |event| {
            if broken.is_err() {
                return;
            }
            let mark = wire.read_event(&event, reading);
            broken = ends(mark, reading, track.is_some());
            if broken.is_err() {
                return;
            }
            note(mark, progress, now_ns);
            if let Some(track) = track {
                track.follow(&event);
            }
            if hide && mark == Mark::UsageOnly {
                drop_tail |= event.carried;
                cuts.push((whole, event.end));
            }
            whole = event.end;
        });
        if fed.is_err() && broken.is_ok() {
            // Too long to hold back: from here on the bytes pass unread.
            self.source = Source::None;
            whole = buf.len();
        }
        if whole == 0 {
            match broken {
                Ok(()) => self.tail.extend_from_slice(buf.content()),
                Err(_) => self.tail.clear(),
            }
            buf.clear();
            return broken;
        }
        if drop_tail {
            self.tail.clear();
        }
        let rest = if broken.is_ok() { buf.content().get(whole..).unwrap_or(&[]).to_vec() } else { Vec::new() };
        buf.truncate(whole);
        for &(from, to) in cuts.iter().rev() {
            cut(buf, from, to);
        }
        if !self.tail.is_empty() {
            let mut joined = shard.buffers.take(Buf::HEADROOM + Buf::TAILROOM + self.tail.len() + buf.len());
            joined.extend(&self.tail);
            joined.extend(buf.content());
            shard.buffers.give(std::mem::replace(buf, joined));
        }
        self.tail = rest;
        broken
    }

    pub(super) fn keep(&mut self, content: &[u8]) {
        if self.too_large || self.kept.len() + content.len() > KEPT_BYTES_MAX {
            self.too_large = true;
            self.kept = Vec::new();
            return;
        }
        self.kept.extend_from_slice(content);
    }

    /// The framing is complete: is the answer?
    fn finish(&mut self, buf: &mut Buf, progress: &mut Progress, now_ns: u64) -> End {
        if self.back.is_some() {
            return self.finish_translated(buf, progress, now_ns);
        }
        if !self.is_stream {
            if self.ok && !self.read {
                self.wire.read_body(&self.kept, &mut self.reading);
            }
            return End::Complete;
        }
        let Source::Sse(scanner) = &mut self.source else { return End::Complete };
        let (wire, hide, reading, track) = (self.wire, self.hide_usage, &mut self.reading, &mut self.track);
        let mut hidden = false;
        let mut broken = Ok(());
        scanner.finish(|event| {
            let mark = wire.read_event(&event, reading);
            broken = ends(mark, reading, track.is_some());
            note(mark, progress, now_ns);
            if let Some(track) = track {
                track.follow(&event);
            }
            hidden |= hide && mark == Mark::UsageOnly;
        });
        if let Err(error) = broken {
            self.tail.clear();
            return End::Broken(error);
        }
        if !hidden {
            buf.extend(&self.tail);
        }
        self.tail.clear();
        if !self.ok || self.reading.error.is_some() {
            return End::Complete;
        }
        let end = self.stream_end();
        if end == End::Complete && !self.reading.terminated {
            // The answer is whole: its finish was seen, and its framing ended.
            buf.extend(self.wire.terminator());
        }
        end
    }

    /// Some servers leave out the terminator; a finish reason says as much. Neither is a truncation, however cleanly
    /// the connection ended (spec "providers" 0.8).
    pub(super) fn stream_end(&self) -> End {
        if self.reading.terminated || self.reading.finish_reason.is_some() {
            End::Complete
        } else {
            End::Broken(ErrorClass::Truncated)
        }
    }
}

/// Whether an event ends the stream: what is not JSON always does; an error does where another target may carry the
/// stream on, and is passed on elsewhere.
fn ends(mark: Mark, reading: &Reading, tracked: bool) -> Result<(), ErrorClass> {
    match mark {
        Mark::Malformed => Err(ErrorClass::Protocol),
        Mark::Error if tracked => Err(reading.error.unwrap_or(ErrorClass::StreamError)),
        _ => Ok(()),
    }
}

/// What an event says of how the answer goes.
pub(super) fn note(mark: Mark, progress: &mut Progress, now_ns: u64) {
    progress.events += 1;
    if mark == Mark::Content {
        progress.token(now_ns);
    }
}

/// Takes `from..to` out of the content.
fn cut(buf: &mut Buf, from: usize, to: usize) {
    let len = buf.len();
    buf.content_mut().copy_within(to..len, from);
    buf.truncate(len - (to - from));
}
