//! AWS event-stream framing (`application/vnd.amazon.eventstream`): frames -> events, as if they had come as SSE.
//!
//! Here a frame's end is found and its lengths are bounded; the library checks both checksums and reads the headers.
//! The data plane calls it for every read of such a stream. It must never hand on a frame whose checksum does not fit.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;

use crate::json::escape_into;
use crate::sse::Event;

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// The prelude and the checksum at the end.
const OVERHEAD_BYTES: usize = 16;
/// What AWS allows is less; beyond this the lengths are garbage.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The bytes are no frames: a CRC that does not fit, lengths that contradict each other, a frame over the bound. The
/// stream cannot be read further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadFrame(pub String);

impl std::fmt::Display for BadFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not an event-stream frame: {}", self.0)
    }
}

impl std::error::Error for BadFrame {}

/// Finds frames. One per stream; holds the bytes of at most one incomplete frame.
#[derive(Default)]
pub struct Frames {
    held: Vec<u8>,
    /// What an error frame says in its headers, as a payload.
    said: Vec<u8>,
}

impl Frames {
    /// Calls `on_event` for every frame that ends in `bytes`; keeps the rest. The event's name is that of the
    /// `:event-type` or `:exception-type` header, its data the payload. A frame whose `:message-type` is `error` has
    /// no payload: it is an event `error` with the data `{"code","message"}`. So is an exception whose type does not
    /// end with `Exception`, and no event is left out: [`is_failure`] tells them from events by their names alone.
    pub fn feed(&mut self, bytes: &[u8], mut on_event: impl FnMut(Event<'_>)) -> Result<(), BadFrame> {
        let mut at = 0;
        if !self.held.is_empty() {
            // Its length first, then all of it.
            for _ in 0..2 {
                let wanted = frame_len(&self.held)?.unwrap_or(PRELUDE_BYTES).saturating_sub(self.held.len());
                let taken = wanted.min(bytes.len() - at);
                self.held.extend_from_slice(bytes.get(at..at + taken).unwrap_or_default());
                at += taken;
            }
            if frame_len(&self.held)? != Some(self.held.len()) {
                return Ok(());
            }
            let held = std::mem::take(&mut self.held);
            let done = self.emit(&held, at, true, &mut on_event);
            self.held = held;
            self.held.clear();
            done?;
        }
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match frame_len(rest)?.and_then(|len| rest.get(..len)) {
                Some(raw) => {
                    at += raw.len();
                    self.emit(raw, at, false, &mut on_event)?;
                }
                None => {
                    self.held.extend_from_slice(rest);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Bytes of a frame whose end has not come.
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// A whole frame.
    fn emit(
        &mut self,
        raw: &[u8],
        end: usize,
        carried: bool,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), BadFrame> {
        let mut rest = raw;
        let message = read_message_from(&mut rest).map_err(|error| BadFrame(error.to_string()))?;
        let header = |name: &str| header(&message, name);
        let payload = message.payload();
        let kind = header(":message-type");
        let (name, data): (&[u8], &[u8]) = match (kind, header(":exception-type")) {
            ("event", _) => (header(":event-type").as_bytes(), payload),
            ("exception", name) if name.ends_with("Exception") && !payload.is_empty() => (name.as_bytes(), payload),
            ("exception", name) if name.ends_with("Exception") => (name.as_bytes(), b"{}"),
            ("exception", code) => (b"error", self.say(code, &String::from_utf8_lossy(payload))),
            ("error", _) => (b"error", self.say(header(":error-code"), header(":error-message"))),
            _ => return Err(BadFrame("its `:message-type` is no event, exception or error".to_owned())),
        };
        on_event(Event { name, data, raw, end, carried });
        Ok(())
    }

    fn say(&mut self, code: &str, message: &str) -> &[u8] {
        self.said.clear();
        self.said.extend_from_slice(b"{\"code\":\"");
        escape_into(code, &mut self.said);
        self.said.extend_from_slice(b"\",\"message\":\"");
        escape_into(message, &mut self.said);
        self.said.extend_from_slice(b"\"}");
        &self.said
    }
}

/// Whether the name of an event is that of an exception or error.
pub(super) fn is_failure(name: &[u8]) -> bool {
    name.ends_with(b"Exception") || name == b"error"
}

/// A string header; empty when it is not there.
fn header<'a>(message: &'a Message, name: &str) -> &'a str {
    let found = message.headers().iter().find(|header| header.name().as_str() == name);
    found.and_then(|header| header.value().as_string().ok()).map_or("", |value| value.as_str())
}

/// The length of the frame that begins here, once its prelude is there. While the frame is not whole its lengths are
/// believed only by their checksum: a broken length would have the stream wait for bytes that never come.
fn frame_len(bytes: &[u8]) -> Result<Option<usize>, BadFrame> {
    let word = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word));
    let (Some(total), Some(headers), Some(checksum)) = (word(0), word(4), word(8)) else { return Ok(None) };
    let (len, headers) = (total as usize, headers as usize);
    if len < OVERHEAD_BYTES {
        return Err(BadFrame(format!("its length of {len} bytes is below the {OVERHEAD_BYTES} of an empty one")));
    }
    if len > FRAME_BYTES_MAX {
        return Err(BadFrame(format!("its length of {len} bytes is over the bound of {FRAME_BYTES_MAX}")));
    }
    if headers > len - OVERHEAD_BYTES {
        return Err(BadFrame(format!("its {headers} bytes of headers do not fit into its {len} bytes")));
    }
    if bytes.len() < len {
        let mut crc = flate2::Crc::new();
        crc.update(bytes.get(..8).unwrap_or_default());
        if crc.sum() != checksum {
            return Err(BadFrame("the checksum of its lengths does not fit".to_owned()));
        }
    }
    Ok(Some(len))
}
