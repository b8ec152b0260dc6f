//! Giving memory back to the system after a burst.

/// Notices when a burst of requests is over.
#[derive(Default)]
pub struct Quiet {
    busy: bool,
}

impl Quiet {
    /// Told once a second how many requests ended in it; true once, when there are few after there were many.
    pub fn begins(&mut self, finished: u64) -> bool {
        const BUSY_REQUESTS: u64 = 100;
        let was_busy = std::mem::replace(&mut self.busy, finished >= BUSY_REQUESTS);
        was_busy && !self.busy
    }
}

/// Returns what this thread's heap no longer uses. For quiet moments: it takes tens of microseconds. Without it the
/// memory of a burst stays with the process until the next one.
pub fn give_back_memory() {
    // SAFETY: collecting touches only memory that nobody uses.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_begins_once_after_a_burst() {
        let mut quiet = Quiet::default();
        let said: Vec<bool> =
            [0, 5000, 5000, 3, 0, 200, 0].into_iter().map(|finished| quiet.begins(finished)).collect();
        assert_eq!(said, [false, false, false, true, false, false, true]);
    }
}
