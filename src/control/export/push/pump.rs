//! The bounded queue of one signal and the task that empties it: batches by count, bytes and age.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::deliver::{Delivery, Loss};
use crate::control::export::otlp::Resource;
use crate::control::export::view::SignalStats;

#[derive(Clone, Copy)]
pub struct Limits {
    /// How long a batch waits for more.
    pub delay: Duration,
    /// Items waiting and under way together.
    pub items_max: usize,
    pub batch_items_max: usize,
    pub batch_bytes_max: usize,
    pub requests_max: usize,
}

pub struct Pump {
    shared: Arc<Shared>,
    limits: Limits,
    task: JoinHandle<()>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Notify,
    delivery: Delivery,
    resource: Resource,
}

#[derive(Default)]
struct Queue {
    /// The batch being filled.
    open: Batch,
    opened: Option<Instant>,
    sealed: VecDeque<Batch>,
    /// Items in `open`, in `sealed` and under way.
    items: usize,
    closing: bool,
}

#[derive(Default)]
struct Batch {
    encoded: Vec<u8>,
    items: usize,
}

/// What the task does next.
enum Step {
    Send(Batch),
    WaitUntil(Instant),
    Wait,
    Done,
}

impl Pump {
    pub fn start(delivery: Delivery, resource: Resource, limits: Limits) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Notify::new(), delivery, resource });
        let task = tokio::spawn(run(shared.clone(), limits));
        Self { shared, limits, task }
    }

    /// Lets `encode` append `items` to the batch; drops them when the queue is full.
    pub fn add(&self, items: usize, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut queue = self.shared.queue();
        if queue.items.saturating_add(items) > self.limits.items_max {
            self.shared.delivery.meter.lost(Loss::QueueFull, items);
            return;
        }
        encode(&mut queue.open.encoded);
        queue.open.items += items;
        queue.items += items;
        let full =
            queue.open.items >= self.limits.batch_items_max || queue.open.encoded.len() >= self.limits.batch_bytes_max;
        // The task needs waking for a full batch, and for a new one to watch its age.
        let wake = full || queue.opened.is_none();
        if full {
            queue.seal();
        } else if queue.opened.is_none() {
            queue.opened = Some(Instant::now());
        }
        drop(queue);
        if wake {
            self.shared.wake.notify_one();
        }
    }

    pub fn has_waiting(&self) -> bool {
        !self.shared.queue().sealed.is_empty()
    }

    /// Queues one whole batch in place of what waits.
    pub fn replace_waiting(&self, encoded: Vec<u8>, items: usize) {
        let mut queue = self.shared.queue();
        while let Some(old) = queue.sealed.pop_front() {
            queue.items -= old.items;
        }
        queue.items += items;
        queue.sealed.push_back(Batch { encoded, items });
        drop(queue);
        self.shared.wake.notify_one();
    }

    pub async fn finish(mut self, until: Instant) {
        self.shared.queue().closing = true;
        self.shared.wake.notify_one();
        if tokio::time::timeout_at(until, &mut self.task).await.is_err() {
            self.task.abort();
            let left = std::mem::take(&mut self.shared.queue().items);
            self.shared.delivery.meter.lost(Loss::Shutdown, left);
        }
    }

    pub fn stats(&self) -> SignalStats {
        SignalStats { queued: self.shared.queue().items as u64, ..self.shared.delivery.meter.stats() }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn seal(&mut self) {
        self.opened = None;
        let size = self.open.encoded.len();
        // The next batch will be about as large: a little more saves it from moving at its end.
        let next = Batch { encoded: Vec::with_capacity(size + size / 8), items: 0 };
        self.sealed.push_back(std::mem::replace(&mut self.open, next));
    }

    fn next(&mut self, delay: Duration) -> Step {
        if let Some(batch) = self.sealed.pop_front() {
            return Step::Send(batch);
        }
        match self.opened {
            Some(opened) if !self.closing && opened.elapsed() < delay => Step::WaitUntil(opened + delay),
            Some(_) => {
                self.opened = None;
                Step::Send(std::mem::take(&mut self.open))
            }
            None if self.closing => Step::Done,
            None => Step::Wait,
        }
    }
}

async fn run(shared: Arc<Shared>, limits: Limits) {
    let mut under_way = JoinSet::new();
    loop {
        let step = shared.queue().next(limits.delay);
        match step {
            Step::Send(batch) => {
                while under_way.len() >= limits.requests_max {
                    under_way.join_next().await;
                }
                under_way.spawn(send(shared.clone(), batch));
            }
            Step::WaitUntil(until) => {
                let _ = tokio::time::timeout_at(until, shared.wake.notified()).await;
            }
            Step::Wait => shared.wake.notified().await,
            Step::Done => break,
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn send(shared: Arc<Shared>, batch: Batch) {
    let request = shared.resource.request(&batch.encoded);
    drop(batch.encoded);
    shared.delivery.deliver(request, batch.items).await;
    let mut queue = shared.queue();
    queue.items = queue.items.saturating_sub(batch.items);
}
