//! Brings one request to its receiver, or counts why it could not: when to try again, how long, and what is lost.

use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::answer::Answer;
use super::destination::Destination;
use crate::control::export::view::{Dropped, SignalStats};

/// OTLP: "the client should not send a request larger than 64 MiB".
const REQUEST_BYTES_MAX: usize = 64 << 20;
/// One complaint in this time, however many requests fail.
const COMPLAINT_EVERY: Duration = Duration::from_secs(30);

/// Exponential backoff with jitter, where the receiver does not say how long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub first: Duration,
    pub longest: Duration,
    /// A request older than this is given up.
    pub total: Duration,
}

impl Pace {
    pub const DEFAULT: Pace =
        Pace { first: Duration::from_secs(1), longest: Duration::from_secs(30), total: Duration::from_secs(300) };

    fn delay(self, retries: u32) -> Duration {
        let doubled = self.first.saturating_mul(2u32.saturating_pow(retries)).min(self.longest);
        // Between half and all of it.
        let random = RandomState::new().hash_one(retries) % 512;
        doubled.mul_f64(0.5 + random as f64 / 1024.0)
    }
}

/// Why items were lost.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    QueueFull,
    Refused,
    GaveUp,
    TooLarge,
    Shutdown,
}

#[derive(Default)]
pub struct Meter {
    exported: AtomicU64,
    rejected: AtomicU64,
    retried: AtomicU64,
    queue_full: AtomicU64,
    refused: AtomicU64,
    gave_up: AtomicU64,
    too_large: AtomicU64,
    shutdown: AtomicU64,
}

impl Meter {
    pub fn lost(&self, why: Loss, items: usize) {
        let counter = match why {
            Loss::QueueFull => &self.queue_full,
            Loss::Refused => &self.refused,
            Loss::GaveUp => &self.gave_up,
            Loss::TooLarge => &self.too_large,
            Loss::Shutdown => &self.shutdown,
        };
        counter.fetch_add(items as u64, Ordering::Relaxed);
    }

    pub fn stats(&self) -> SignalStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SignalStats {
            exported: read(&self.exported),
            rejected: read(&self.rejected),
            retried: read(&self.retried),
            queued: 0,
            dropped: Dropped {
                queue_full: read(&self.queue_full),
                refused: read(&self.refused),
                gave_up: read(&self.gave_up),
                too_large: read(&self.too_large),
                shutdown: read(&self.shutdown),
            },
        }
    }
}

pub struct Delivery {
    pub meter: Meter,
    destination: Destination,
    pace: Pace,
    /// The receiver asked not to be called before.
    hold_until: Mutex<Option<Instant>>,
    complained: Mutex<Option<Instant>>,
}

impl Delivery {
    pub fn new(destination: Destination, pace: Pace) -> Self {
        Self { meter: Meter::default(), destination, pace, hold_until: Mutex::default(), complained: Mutex::default() }
    }

    /// Ends when the request's items are counted as exported, rejected or lost.
    pub async fn deliver(&self, request: Vec<u8>, items: usize) {
        if request.len() > REQUEST_BYTES_MAX {
            self.lose(Loss::TooLarge, items, "the request is larger than 64 MiB");
            return;
        }
        let body = self.destination.body(request);
        let begun = Instant::now();
        for retries in 0.. {
            self.wait_for_receiver().await;
            let (after, why) = match self.destination.attempt(body.clone()).await {
                Answer::Taken(partial) => {
                    let rejected = partial.rejected.min(items as u64);
                    self.meter.rejected.fetch_add(rejected, Ordering::Relaxed);
                    self.meter.exported.fetch_add(items as u64 - rejected, Ordering::Relaxed);
                    if rejected > 0 || !partial.message.is_empty() {
                        self.complain(&format!("{rejected} of {items} items rejected: {}", partial.message));
                    }
                    return;
                }
                Answer::Refused(why) => return self.lose(Loss::Refused, items, &why),
                Answer::Retry { after, why } => (after, why),
            };
            let delay = after.unwrap_or_else(|| self.pace.delay(retries));
            if let Some(after) = after {
                self.hold(after);
            }
            if begun.elapsed() + delay > self.pace.total {
                return self.lose(Loss::GaveUp, items, &why);
            }
            self.meter.retried.fetch_add(1, Ordering::Relaxed);
            sleep(delay).await;
        }
    }

    fn lose(&self, loss: Loss, items: usize, why: &str) {
        self.meter.lost(loss, items);
        self.complain(why);
    }

    /// `Retry-After` binds every request, not only the one it answered; no longer than a request may live.
    fn hold(&self, after: Duration) {
        if let Ok(mut hold_until) = self.hold_until.lock() {
            let until = Instant::now() + after.min(self.pace.total);
            *hold_until = (*hold_until).max(Some(until));
        }
    }

    async fn wait_for_receiver(&self) {
        let until = self.hold_until.lock().ok().and_then(|hold_until| *hold_until);
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }

    fn complain(&self, why: &str) {
        let Ok(mut complained) = self.complained.lock() else { return };
        if complained.is_none_or(|last| last.elapsed() >= COMPLAINT_EVERY) {
            *complained = Some(Instant::now());
            tracing::warn!(signal = self.destination.signal.as_str(), why, "OTLP export fails");
        }
    }
}
