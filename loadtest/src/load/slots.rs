//! Which connection waits for an answer since when, so that a watchdog can end what takes too long. An answer is given up by
//! shutting its socket down: the pending read then returns by itself, and no buffer is taken from under the kernel.

use std::{
    cell::RefCell,
    os::fd::RawFd,
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Default)]
struct Slot {
    fd: Option<RawFd>,
    since: Option<Instant>,
    given_up: bool,
}

/// One per connection of a thread.
pub struct Slots(RefCell<Vec<Slot>>);

impl Slots {
    pub fn new(connections: usize) -> Slots {
        Slots(RefCell::new(vec![Slot::default(); connections]))
    }

    fn with<T: Default>(&self, index: usize, f: impl FnOnce(&mut Slot) -> T) -> T {
        self.0.borrow_mut().get_mut(index).map(f).unwrap_or_default()
    }

    pub fn opened(&self, index: usize, fd: RawFd) {
        self.with(index, |slot| slot.fd = Some(fd));
    }

    /// Must be called before the descriptor is closed: its number may be used again.
    pub fn closed(&self, index: usize) {
        self.with(index, |slot| slot.fd = None);
    }

    pub fn asked(&self, index: usize, at: Instant) {
        self.with(index, |slot| (slot.since, slot.given_up) = (Some(at), false));
    }

    /// True when the watchdog had given the answer up.
    pub fn answered(&self, index: usize) -> bool {
        self.with(index, |slot| {
            slot.since = None;
            std::mem::take(&mut slot.given_up)
        })
    }

    /// Gives up every answer that has been waited for at least `limit`.
    pub fn give_up(&self, limit: Duration) {
        let now = Instant::now();
        for slot in self.0.borrow_mut().iter_mut() {
            if let (Some(fd), Some(since)) = (slot.fd, slot.since)
                && !slot.given_up
                && now.saturating_duration_since(since) >= limit
            {
                slot.given_up = true;
                // SAFETY: no pointers; the descriptor is open until `closed` is called.
                unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
            }
        }
    }
}
