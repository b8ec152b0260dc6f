//! Counts of the last seconds.

/// Of the last `SECONDS`, in buckets of one second: what is counted falls out up to a second early.
#[derive(Debug)]
pub struct Window<const SECONDS: usize> {
    counts: [u32; SECONDS],
    /// Unix seconds of the newest bucket.
    second: u64,
}

impl<const SECONDS: usize> Default for Window<SECONDS> {
    fn default() -> Self {
        Self { counts: [0; SECONDS], second: 0 }
    }
}

impl<const SECONDS: usize> Window<SECONDS> {
    pub fn add(&mut self, now_ms: u64) {
        self.advance(now_ms);
        if let Some(count) = self.counts.get_mut((self.second % SECONDS as u64) as usize) {
            *count = count.saturating_add(1);
        }
    }

    pub fn sum(&mut self, now_ms: u64) -> u32 {
        self.advance(now_ms);
        self.counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    fn advance(&mut self, now_ms: u64) {
        let second = now_ms / 1000;
        // A clock that was set back by more than the window leaves nothing to compare with.
        if second.abs_diff(self.second) >= SECONDS as u64 {
            self.counts = [0; SECONDS];
            self.second = second;
        }
        while self.second < second {
            self.second += 1;
            if let Some(count) = self.counts.get_mut((self.second % SECONDS as u64) as usize) {
                *count = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_not_counted() {
        let mut window = Window::<10>::default();
        for now_ms in [500, 1500, 1600, 9900] {
            window.add(now_ms);
        }
        for (now_ms, sum) in [(9999, 4), (10_000, 3), (11_000, 1), (5000, 1), (18_999, 1), (19_000, 0)] {
            assert_eq!(window.sum(now_ms), sum, "{now_ms}");
        }
        window.add(1_000_000);
        assert_eq!(window.sum(1_000_000), 1);
        assert_eq!(window.sum(100_000), 0, "the clock was set back");
    }
}
