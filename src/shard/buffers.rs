//! The shard's buffers, by size class, used again and again so that a request allocates none in the steady state; and
//! the count of bytes that requests hold, which bounds what a shard takes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::runtime::Buf;

/// An idle connection waits with this much: most heads fit, and a thousand idle connections cost 2 MiB.
pub const PARKED_BYTES: usize = 2 * 1024;
/// A stream begins with this, and goes up a class whenever a receive fills what it has.
pub const STREAM_BYTES: usize = 4 * 1024;
pub const LARGEST_BYTES: usize = 64 * 1024;
const CLASSES: [usize; 4] = [PARKED_BYTES, STREAM_BYTES, 16 * 1024, LARGEST_BYTES];
/// Kept per class while unused.
const SPARE: [usize; 4] = [256, 256, 64, 32];

#[derive(Default)]
pub struct Buffers {
    spare: [RefCell<Vec<Vec<u8>>>; 4],
}

impl Buffers {
    /// A buffer of the smallest class with this much storage; larger than the largest class is made to measure.
    pub fn take(&self, storage_bytes: usize) -> Buf {
        let mut storage = self.take_vec(storage_bytes);
        // What was in it before may stay: a buffer shows only what was received into it.
        storage.resize(storage.capacity(), 0);
        Buf::from_storage(storage)
    }

    /// The same, as an empty vector to write a head into.
    pub fn take_vec(&self, capacity_bytes: usize) -> Vec<u8> {
        match CLASSES.iter().position(|&class| capacity_bytes <= class) {
            Some(class) => match self.spare[class].borrow_mut().pop() {
                Some(storage) => storage,
                None => Vec::with_capacity(CLASSES[class]),
            },
            None => Vec::with_capacity(capacity_bytes),
        }
    }

    pub fn give(&self, buf: Buf) {
        let mut storage = buf.into_storage();
        // Buffers that have grown or were made to measure are not kept.
        if let Some(class) = CLASSES.iter().position(|&class| storage.capacity() == class) {
            let mut spare = self.spare[class].borrow_mut();
            if spare.len() < SPARE[class] {
                storage.clear();
                spare.push(storage);
            }
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
        buffers.give(buffers.take(STREAM_BYTES));
        assert_eq!(buffers.spare[1].borrow().len(), 1);
        buffers.give(buffers.take(1 << 20));
        assert_eq!(buffers.spare.iter().map(|spare| spare.borrow().len()).sum::<usize>(), 1);
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
