//! The shard's buffers, by size class, used again and again so that a request allocates none in the steady state; and
//! the count of bytes that requests hold, which bounds what a shard takes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::runtime::{Buf, prefer_huge_page};

/// An idle connection waits with this much: most heads fit, and a thousand idle connections cost 2 MiB.
pub const PARKED_BYTES: usize = 2 * 1024;
/// A stream waits for its next event with this, and with as much for its client to leave. It goes up whenever a receive
/// fills what it has: a token every few milliseconds needs no more.
pub const EVENT_BYTES: usize = 512;
/// An answer begins with this: a head and most unary bodies fit.
pub const ANSWER_BYTES: usize = 2 * 1024;
pub const LARGEST_BYTES: usize = 64 * 1024;
const CLASSES: [usize; 5] = [EVENT_BYTES, PARKED_BYTES, 4 * 1024, 16 * 1024, LARGEST_BYTES];
/// Kept per class while unused.
const SPARE: [usize; 5] = [256, 256, 256, 64, 32];

#[derive(Default)]
pub struct Buffers {
    /// Zeroed once, full length: what a receive may fill.
    receive: Spare,
    /// Empty, with capacity: what a head is written into.
    write: Spare,
}

#[derive(Default)]
struct Spare([RefCell<Vec<Vec<u8>>>; CLASSES.len()]);

impl Spare {
    fn pop(&self, class: usize) -> Option<Vec<u8>> {
        self.0[class].borrow_mut().pop()
    }

    fn push(&self, class: usize, storage: Vec<u8>) {
        let mut spare = self.0[class].borrow_mut();
        if spare.len() < SPARE[class] {
            spare.push(storage);
        }
    }
}

impl Buffers {
    /// A buffer of the smallest class with this much storage; larger than the largest class is made to measure.
    pub fn take(&self, storage_bytes: usize) -> Buf {
        let storage = match CLASSES.iter().position(|&class| storage_bytes <= class) {
            Some(class) => self.receive.pop(class).unwrap_or_else(|| {
                let storage = vec![0; CLASSES[class]];
                prefer_huge_page(storage.as_ptr());
                storage
            }),
            None => vec![0; storage_bytes],
        };
        Buf::from_storage(storage)
    }

    /// The same, as an empty vector to write a head into.
    pub fn take_vec(&self, capacity_bytes: usize) -> Vec<u8> {
        match CLASSES.iter().position(|&class| capacity_bytes <= class) {
            Some(class) => self.write.pop(class).unwrap_or_else(|| Vec::with_capacity(CLASSES[class])),
            None => Vec::with_capacity(capacity_bytes),
        }
    }

    /// After a burst: what nobody uses goes back to the allocator, but for as much as a few requests need.
    pub fn let_go(&self) {
        const KEPT: usize = 8;
        for spare in self.receive.0.iter().chain(&self.write.0) {
            let mut spare = spare.borrow_mut();
            spare.truncate(KEPT);
            spare.shrink_to_fit();
        }
    }

    /// Buffers that have grown or were made to measure are not kept.
    pub fn give(&self, buf: Buf) {
        let mut storage = buf.into_storage();
        let Some(class) = CLASSES.iter().position(|&class| storage.capacity() == class) else { return };
        if storage.len() == CLASSES[class] {
            self.receive.push(class, storage);
        } else {
            storage.clear();
            self.write.push(class, storage);
        }
    }
}

/// Bytes that requests of this shard hold: bodies read whole, answers waiting for a slow client.
#[derive(Default, Clone)]
pub struct Memory(Rc<Cell<usize>>);

/// One request's share of [`Memory`]; given back when dropped.
pub struct Held {
    memory: Memory,
    bytes: usize,
}

impl Memory {
    pub fn held_bytes(&self) -> usize {
        self.0.get()
    }

    pub fn hold(&self) -> Held {
        Held { memory: self.clone(), bytes: 0 }
    }
}

impl Held {
    pub fn set(&mut self, bytes: usize) {
        let total = &self.memory.0;
        total.set(total.get() - self.bytes + bytes);
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_used_again_unless_it_was_made_to_measure() {
        let buffers = Buffers::default();
        let spare = |spare: &Spare| spare.0.iter().map(|class| class.borrow().len()).sum::<usize>();
        buffers.give(buffers.take(ANSWER_BYTES));
        let mut head = buffers.take_vec(100);
        head.extend_from_slice(b"HTTP/1.1 200 OK");
        buffers.give(Buf::from_content(head));
        buffers.give(buffers.take(1 << 20));
        assert_eq!((spare(&buffers.receive), spare(&buffers.write)), (1, 1));
        assert!(buffers.take(ANSWER_BYTES).is_empty() && buffers.take_vec(100).is_empty());
    }

    #[test]
    fn after_a_burst_a_few_are_kept() {
        let buffers = Buffers::default();
        let burst: Vec<Buf> = (0..200).map(|_| buffers.take(ANSWER_BYTES)).collect();
        burst.into_iter().for_each(|buf| buffers.give(buf));
        let kept = |buffers: &Buffers| buffers.receive.0.iter().map(|class| class.borrow().len()).sum::<usize>();
        assert_eq!(kept(&buffers), 200);
        buffers.let_go();
        assert_eq!(kept(&buffers), 8);
    }

    #[test]
    fn what_is_held_is_given_back_on_any_way_out() {
        let memory = Memory::default();
        let mut held = memory.hold();
        held.set(100);
        held.set(40);
        assert_eq!(memory.held_bytes(), 40);
        drop(held);
        assert_eq!(memory.held_bytes(), 0);
    }
}
