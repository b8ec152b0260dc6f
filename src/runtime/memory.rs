//! Giving memory back to the system after a burst.

/// Notices when a burst of requests is over. Told at every tick how many have ended in it.
#[derive(Default)]
pub struct Quiet {
    /// Something has ended since memory was last given back.
    used: bool,
    calm_ticks: u32,
    ticks_since: u32,
}

impl Quiet {
    /// Ticks of 50 ms.
    const CALM_TICKS: u32 = 2;
    /// Not more often than once a second.
    const REST_TICKS: u32 = 20;
    const BUSY_REQUESTS: u64 = 5;

    /// True once, a tenth of a second after many requests were followed by few.
    pub fn begins(&mut self, finished: u64) -> bool {
        self.ticks_since = self.ticks_since.saturating_add(1);
        if finished >= Self::BUSY_REQUESTS {
            (self.used, self.calm_ticks) = (true, 0);
            return false;
        }
        self.calm_ticks += 1;
        let begins = self.used && self.calm_ticks >= Self::CALM_TICKS && self.ticks_since >= Self::REST_TICKS;
        if begins {
            *self = Self::default();
        }
        begins
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
    fn quiet_begins_once_after_a_burst_and_not_more_than_once_a_second() {
        let mut quiet = Quiet::default();
        let mut ticks = |finished: u64, count: usize| (0..count).filter(|_| quiet.begins(finished)).count();
        assert_eq!(ticks(0, 100), 0, "nothing has happened");
        assert_eq!(ticks(500, 30), 0, "busy");
        assert_eq!(ticks(0, 2), 1, "calm for a tenth of a second");
        assert_eq!(ticks(0, 100), 0, "said already");
        assert_eq!(ticks(500, 1) + ticks(0, 100), 1);
        assert_eq!((0..10).map(|_| ticks(500, 1) + ticks(0, 3)).sum::<usize>(), 2, "forty ticks are two seconds");
    }
}
