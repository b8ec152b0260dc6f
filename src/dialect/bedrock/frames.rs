//! AWS event-stream framing (`application/vnd.amazon.eventstream`): frames -> events, as if they had come as SSE.

use crate::sse::Event;

/// The bytes are no frames: a CRC that does not fit, lengths that contradict each other, a frame over the bound. The
/// stream cannot be read further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadFrame(pub String);

/// Finds frames. One per stream; holds the bytes of at most one incomplete frame.
#[derive(Default)]
pub struct Frames {}

impl Frames {
    /// Calls `on_event` for every frame that ends in `bytes`; keeps the rest. The event's name is that of the
    /// `:event-type` (or `:exception-type`, `:error-code`) header, its data the payload.
    pub fn feed(&mut self, _bytes: &[u8], _on_event: impl FnMut(Event<'_>)) -> Result<(), BadFrame> {
        Ok(())
    }

    /// Bytes of a frame whose end has not come.
    pub fn held_bytes(&self) -> usize {
        0
    }
}
