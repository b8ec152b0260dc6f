//! Deadlines of everything that waits. A request passes five to seven of them; here each costs one store. A tick wakes
//! the tasks whose deadline has passed, and a task looks at its own deadline whenever it is polled.
//!
//! Coarse on purpose: a deadline is never early, and late by at most two ticks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

pub const TICK_MS: u64 = 50;
const NEVER: u64 = u64::MAX;

struct Entry {
    at_ms: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// All deadlines of one shard.
#[derive(Default)]
pub struct Watch {
    now_ms: Cell<u64>,
    entries: RefCell<Vec<Rc<Entry>>>,
}

/// The one deadline of one task. A clone is the same one.
#[derive(Clone)]
pub struct Deadline {
    entry: Rc<Entry>,
    watch: Rc<Watch>,
}

impl Watch {
    /// Milliseconds since the shard began, as of the last tick.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    pub fn deadline(self: &Rc<Self>) -> Deadline {
        let entry = Rc::new(Entry { at_ms: Cell::new(NEVER), waker: RefCell::new(None) });
        self.entries.borrow_mut().push(entry.clone());
        Deadline { entry, watch: self.clone() }
    }

    /// Moves the clock, wakes whoever is late, forgets those that are gone.
    pub fn tick(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
        self.entries.borrow_mut().retain(|entry| {
            if entry.at_ms.get() <= now_ms {
                wake(entry);
            }
            Rc::strong_count(entry) > 1
        });
    }

    /// Every deadline has passed, and passes again at each call.
    pub fn expire_all(&self) {
        for entry in self.entries.borrow().iter() {
            entry.at_ms.set(0);
            wake(entry);
        }
    }

    /// Wakes every task once: something they all look at has changed.
    pub fn wake_all(&self) {
        for entry in self.entries.borrow().iter() {
            wake(entry);
        }
    }
}

fn wake(entry: &Entry) {
    if let Some(waker) = entry.waker.borrow().as_ref() {
        waker.wake_by_ref();
    }
}

impl Deadline {
    /// From now on, late after this long.
    pub fn set_ms(&self, after_ms: u64) {
        self.entry.at_ms.set(self.after_ms(after_ms));
    }

    /// Late at this reading of the shard's clock: `now_ms` plus a wait, as from [`Deadline::after_ms`].
    pub fn set_at_ms(&self, at_ms: u64) {
        self.entry.at_ms.set(at_ms);
    }

    /// The reading of the shard's clock that is surely this long from now.
    pub fn after_ms(&self, wait_ms: u64) -> u64 {
        self.watch.now_ms().saturating_add(wait_ms).saturating_add(TICK_MS)
    }

    /// Milliseconds since the shard began, as of the last tick.
    pub fn now_ms(&self) -> u64 {
        self.watch.now_ms()
    }

    /// Whether it has passed. When it has not, the task of `cx` is the one to wake.
    pub fn expired(&self, cx: &Context<'_>) -> bool {
        if self.entry.at_ms.get() <= self.watch.now_ms() {
            return true;
        }
        let mut waker = self.entry.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early_and_at_most_two_ticks_late() {
        let watch = Rc::new(Watch::default());
        let deadline = watch.deadline();
        let cx = Context::from_waker(Waker::noop());
        watch.tick(1_000);
        deadline.set_ms(100);
        watch.tick(1_100);
        assert!(!deadline.expired(&cx), "the clock may have been almost a tick behind when it was set");
        watch.tick(1_150);
        assert!(deadline.expired(&cx));
    }

    #[test]
    fn what_is_dropped_is_forgotten() {
        let watch = Rc::new(Watch::default());
        drop(watch.deadline());
        let kept = watch.deadline();
        watch.tick(1);
        assert_eq!(watch.entries.borrow().len(), 1);
        drop(kept);
    }
}
