//! The rings between cores and the messages on them. Both sides own one end; nothing else is shared but the
//! [`Load`] counters, each written by one shard only.

mod doorbell;
mod message;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

pub use doorbell::{Doorbell, DoorbellEnd, doorbell};
pub use message::{Down, LogLevel, LogLine, Up};

/// Records waiting for the control core, per shard: a quarter second at 64k requests/s. Slots hold a pointer each.
const UP_SLOTS: usize = 16 * 1024;
const DOWN_SLOTS: usize = 256;

/// Open client connections and streams of one shard, alone on its cache line. Written by that shard, read by the
/// others when they decide whether to hand over an accepted socket.
#[repr(align(128))]
#[derive(Default)]
pub struct Load(AtomicU32);

impl Load {
    pub fn set(&self, active: u32) {
        self.0.store(active, Ordering::Relaxed);
    }

    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The shard's ends.
pub struct ShardEnd {
    pub up: Producer<Up>,
    pub down: Consumer<Down>,
    pub doorbell: DoorbellEnd,
    /// One per shard, in their order.
    pub loads: Arc<[Load]>,
}

/// The control core's ends towards one shard.
pub struct ControlEnd {
    pub up: Consumer<Up>,
    pub down: Producer<Down>,
    pub doorbell: Doorbell,
}

/// Rings for `shards` shards.
pub fn mesh(shards: usize) -> std::io::Result<(Vec<ShardEnd>, Vec<ControlEnd>)> {
    let loads: Arc<[Load]> = (0..shards).map(|_| Load::default()).collect();
    let mut shard_ends = Vec::with_capacity(shards);
    let mut control_ends = Vec::with_capacity(shards);
    for _ in 0..shards {
        let (up_tx, up_rx) = RingBuffer::new(UP_SLOTS);
        let (down_tx, down_rx) = RingBuffer::new(DOWN_SLOTS);
        let (bell, bell_end) = doorbell()?;
        shard_ends.push(ShardEnd { up: up_tx, down: down_rx, doorbell: bell_end, loads: loads.clone() });
        control_ends.push(ControlEnd { up: up_rx, down: down_tx, doorbell: bell });
    }
    Ok((shard_ends, control_ends))
}
