//! The buffer that travels into the kernel and back.
//!
//! Bytes live between `start` and `end`. There is room before `start` for a chunk's size line and after the end for
//! its CRLF, so that received content is framed where it lies and goes out in one send, without a copy.

use monoio::buf::{IoBuf, IoBufMut};

/// Owned bytes with a window. Receives append after the window, sends take from its front.
pub struct Buf {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buf {
    /// Room before the content: a chunk's size line is at most 16 hex digits and CRLF.
    pub const HEADROOM: usize = 24;
    /// Room after the content that receives never fill: CRLF and the last chunk.
    pub const TAILROOM: usize = 8;

    /// An empty buffer that can receive `content` bytes.
    pub fn with_room(content: usize) -> Self {
        Self::from_storage(vec![0; content + Self::HEADROOM + Self::TAILROOM])
    }

    /// Reuses storage; what it held is gone. Storage too small for any content is replaced.
    pub fn from_storage(mut bytes: Vec<u8>) -> Self {
        if bytes.len() <= Self::HEADROOM + Self::TAILROOM {
            bytes.resize(Self::HEADROOM + Self::TAILROOM + 1, 0);
        }
        Self { bytes, start: Self::HEADROOM, end: Self::HEADROOM }
    }

    /// A buffer whose content is all of `bytes`, to be sent. It has no room around it.
    pub fn from_content(bytes: Vec<u8>) -> Self {
        let end = bytes.len();
        Self { bytes, start: 0, end }
    }

    pub fn into_storage(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn content(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or(&[])
    }

    pub fn content_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or(&mut [])
    }

    pub fn len(&self) -> usize {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How much the next receive may bring.
    pub fn room(&self) -> usize {
        self.bytes.len().saturating_sub(self.end + Self::TAILROOM)
    }

    /// Drops `count` bytes from the front.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Keeps the first `count` bytes.
    pub fn truncate(&mut self, count: usize) {
        self.end = self.end.min(self.start + count);
    }

    /// Undoes sends: the window begins again at `len` bytes before its end.
    pub fn rewind(&mut self, len: usize) {
        debug_assert!(len <= self.end);
        self.start = self.end.saturating_sub(len);
    }

    /// Forgets the content.
    pub fn clear(&mut self) {
        self.start = Self::HEADROOM.min(self.bytes.len());
        self.end = self.start;
    }

    /// Appends, growing as needed.
    pub fn extend(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        if end + Self::TAILROOM > self.bytes.len() {
            self.bytes.resize((end + Self::TAILROOM).next_power_of_two(), 0);
        }
        self.bytes[self.end..end].copy_from_slice(bytes);
        self.end = end;
    }

    /// Makes room for at least `more` received bytes. What was consumed makes room first: the window of a connection
    /// whose client never stops pipelining moves on forever.
    pub fn reserve(&mut self, more: usize) {
        if self.start > Self::HEADROOM {
            self.bytes.copy_within(self.start..self.end, Self::HEADROOM);
            self.end -= self.start - Self::HEADROOM;
            self.start = Self::HEADROOM;
        }
        let needed = self.end + more + Self::TAILROOM;
        if needed > self.bytes.len() {
            self.bytes.resize(needed, 0);
        }
    }

    /// Puts `head` right before the content. False, and nothing done, when there is no room.
    pub fn prepend(&mut self, head: &[u8]) -> bool {
        let Some(start) = self.start.checked_sub(head.len()) else { return false };
        self.bytes[start..self.start].copy_from_slice(head);
        self.start = start;
        true
    }
}

// SAFETY: the storage is on the heap and is neither moved nor resized while the kernel holds the buffer, because the
// buffer itself is owned by the operation for that time; `bytes_init` bytes from `read_ptr` lie within it.
unsafe impl IoBuf for Buf {
    fn read_ptr(&self) -> *const u8 {
        self.content().as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above; `room()` bytes from `end` lie within the storage and are initialised (zeroed or older content).
unsafe impl IoBufMut for Buf {
    fn write_ptr(&mut self) -> *mut u8 {
        self.bytes[self.end..].as_mut_ptr()
    }

    fn bytes_total(&mut self) -> usize {
        self.room()
    }

    unsafe fn set_init(&mut self, received: usize) {
        debug_assert!(received <= self.room());
        self.end += received;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_framed_where_it_lies() {
        let mut buf = Buf::with_room(64);
        buf.extend(b"hello");
        assert!(buf.prepend(b"5\r\n"));
        buf.extend(b"\r\n");
        assert_eq!(buf.content(), b"5\r\nhello\r\n");
    }

    #[test]
    fn growing_keeps_what_is_there() {
        let mut buf = Buf::with_room(4);
        buf.extend(b"abcd");
        buf.extend(&[b'x'; 1000]);
        assert_eq!(buf.len(), 1004);
        buf.consume(4);
        assert!(buf.content().iter().all(|&byte| byte == b'x'));
        buf.rewind(1004);
        assert_eq!(&buf.content()[..4], b"abcd");
    }

    #[test]
    fn what_was_consumed_is_used_again() {
        let mut buf = Buf::with_room(64);
        let capacity = buf.capacity();
        for turn in 0..1000_u16 {
            buf.reserve(16);
            buf.extend(&turn.to_be_bytes());
            assert_eq!(buf.len() % 2, 0);
            if turn >= 4 {
                assert_eq!(buf.content()[..2], (turn - 4).to_be_bytes());
                buf.consume(2);
            }
        }
        assert_eq!((buf.len(), buf.capacity()), (8, capacity));
    }

    #[test]
    fn a_head_without_room_is_refused() {
        let mut buf = Buf::from_content(b"body".to_vec());
        assert!(!buf.prepend(b"x"));
        assert_eq!(buf.content(), b"body");
    }
}
