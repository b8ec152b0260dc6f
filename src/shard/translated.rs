//! Reading an answer that is translated: what comes is taken in whole, and what is left in the buffer is what was made of
//! it for the client. An error of the provider in the middle of its stream ends it here, in the client's own dialect.

use super::progress::Progress;
use super::reader::{End, Reader, Source, note};
use super::translate::Back;
use crate::dialect::Mark;
use crate::runtime::Buf;
use crate::sse::Event;
use crate::telemetry::ErrorClass;

impl Reader {
    /// What came becomes what the client gets for it. An error is the provider's, in the middle of its stream, or the
    /// end of what can be read.
    pub(super) fn translate(&mut self, buf: &mut Buf, progress: &mut Progress, now_ns: u64) -> Result<(), ErrorClass> {
        let translation = if self.is_stream && self.ok { self.back.as_mut().and_then(Back::stream) } else { None };
        let Some(translation) = translation else {
            if self.ok && !buf.is_empty() {
                progress.piece(now_ns);
            }
            self.keep(buf.content());
            buf.clear();
            // An error that is too long to be read has its status still.
            return if self.too_large && self.ok { Err(ErrorClass::Protocol) } else { Ok(()) };
        };
        let (wire, reading, made) = (self.wire, &mut self.reading, &mut self.made);
        let mut malformed = false;
        let on_event = |event: Event<'_>| {
            if reading.error.is_none() && !malformed {
                let mark = wire.read_event(&event, reading);
                malformed = mark == Mark::Malformed;
                note(mark, progress, now_ns);
                translation.event(&event, made);
            }
        };
        let read = match &mut self.source {
            Source::Sse(scanner) => scanner.feed(buf.content(), on_event).is_ok(),
            Source::Frames(frames) => frames.feed(buf.content(), on_event).is_ok(),
            Source::None => false,
        };
        buf.clear();
        buf.extend(made);
        made.clear();
        let diverged = matches!(&self.back, Some(Back::Chat(translation)) if translation.diverged());
        match self.reading.error {
            Some(error) => Err(error),
            None if diverged => Err(ErrorClass::Diverged),
            None if !read || malformed => Err(ErrorClass::Protocol),
            None => Ok(()),
        }
    }

    pub(super) fn finish_translated(&mut self, buf: &mut Buf, progress: &mut Progress, now_ns: u64) -> End {
        let Some(back) = &mut self.back else { return End::Complete };
        if !self.ok {
            return End::Complete;
        }
        if !self.is_stream {
            back.metered().unwrap_or(self.wire).read_body(&self.kept, &mut self.reading);
            if let Some(error) = self.reading.error {
                return End::Broken(error);
            }
            let usage = self.reading.settle(self.input_estimate);
            let written = self.reading.terminated && back.body(&self.kept, &usage, &mut self.made);
            buf.extend(&self.made);
            return if written { End::Complete } else { End::Broken(ErrorClass::Protocol) };
        }
        let Some(translation) = back.stream() else { return End::Broken(ErrorClass::Protocol) };
        let (wire, reading, made) = (self.wire, &mut self.reading, &mut self.made);
        let cut = match &mut self.source {
            Source::Sse(scanner) => {
                scanner.finish(|event| {
                    note(wire.read_event(&event, reading), progress, now_ns);
                    translation.event(&event, made);
                });
                false
            }
            Source::Frames(frames) => frames.held_bytes() > 0,
            Source::None => true,
        };
        if let Some(error) = self.reading.error {
            return End::Broken(error);
        }
        if self.catches_up() {
            return End::Broken(ErrorClass::Diverged);
        }
        if cut || self.stream_end() != End::Complete {
            return End::Broken(ErrorClass::Truncated);
        }
        let usage = self.prior().plus(&self.reading.settle(self.input_estimate));
        if let Some(translation) = self.back.as_mut().and_then(Back::stream) {
            translation.end(&usage, &mut self.made);
        }
        buf.extend(&self.made);
        self.made.clear();
        End::Complete
    }

    /// Of what the client gets.
    pub fn content_type(&mut self) -> &'static str {
        match self.back.as_mut().and_then(Back::stream) {
            Some(translation) => translation.content_type(),
            None => "application/json",
        }
    }

    /// Whether the client of a stream gets it as server-sent events.
    pub fn is_event_stream(&mut self) -> bool {
        self.back.as_mut().and_then(Back::stream).is_none_or(|translation| !translation.is_array())
    }

    /// What the provider said when it failed in the middle of a stream that is translated.
    pub fn stream_error(&mut self) -> Option<&str> {
        self.back.as_mut().and_then(Back::stream).and_then(|translation| translation.error())
    }
}
