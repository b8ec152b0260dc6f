//! When requests should start in an open loop, and a timer fine enough to keep to it: the runtime's own wheel turns in whole
//! milliseconds, which is more than a gateway adds.

use super::args::Arrivals;
use crate::dist::Rng;
use monoio::net::TcpStream;
use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

/// The starts of one thread's requests, in order, without end.
pub struct Schedule {
    next: Instant,
    /// Between two requests of this thread.
    mean: Duration,
    arrivals: Arrivals,
    rng: Rng,
}

impl Schedule {
    /// `rate` is this thread's share; `offset` in [0, 1) sets threads apart within one period.
    pub fn new(start: Instant, rate: f64, arrivals: Arrivals, offset: f64, rng: Rng) -> Schedule {
        let mean = Duration::from_secs_f64(1.0 / rate);
        let mut schedule = Schedule { next: start + mean.mul_f64(offset), mean, arrivals, rng };
        if arrivals == Arrivals::Poisson {
            schedule.advance();
        }
        schedule
    }

    pub fn peek(&self) -> Instant {
        self.next
    }

    pub fn advance(&mut self) {
        self.next += match self.arrivals {
            Arrivals::Constant => self.mean,
            Arrivals::Poisson => self.mean.mul_f64(self.rng.exp()),
        };
    }
}

/// A timerfd polled through the runtime.
pub struct Timer(TcpStream);

impl Timer {
    pub fn new() -> io::Result<Timer> {
        // SAFETY: no pointers; a valid descriptor belongs to nobody else yet.
        let owned = unsafe {
            let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        // Only readiness is asked of this "stream"; monoio offers that on sockets alone.
        Ok(Timer(TcpStream::from_std(std::net::TcpStream::from(owned))?))
    }

    pub async fn until(&self, at: Instant) -> io::Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        let spec = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: `spec` outlives the call; the old value is not asked for.
        if unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &spec, std::ptr::null_mut()) } < 0 {
            return Err(io::Error::last_os_error());
        }
        self.0.readable(false).await?;
        let mut expirations = 0u64;
        // SAFETY: eight bytes are read into eight bytes. The count does not matter, only that readiness is taken back.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut expirations).cast(), 8) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_arrivals_are_even_and_threads_are_set_apart() {
        let start = Instant::now();
        let starts = |offset| {
            let mut schedule = Schedule::new(start, 100.0, Arrivals::Constant, offset, Rng::seeded(1));
            (0..3).map(|_| (schedule.peek() - start, schedule.advance()).0.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(starts(0.0), [0, 10, 20]);
        assert_eq!(starts(0.5), [5, 15, 25]);
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_its_spread() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 1000.0, Arrivals::Poisson, 0.0, Rng::seeded(3));
        let mut gaps = Vec::new();
        for _ in 0..20_000 {
            let before = schedule.peek();
            schedule.advance();
            gaps.push((schedule.peek() - before).as_secs_f64() * 1e3);
        }
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((0.97..1.03).contains(&mean), "{mean}");
        // The deviation of an exponential is its mean.
        assert!((0.95..1.05).contains(&variance.sqrt()), "{variance}");
    }
}
