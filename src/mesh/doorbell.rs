//! Wakes a shard that sleeps in its ring. A socket pair, because both drivers can wait on a socket; a flag keeps a
//! busy shard from being rung at all.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The ringing side, held by the control core.
pub struct Doorbell {
    socket: UnixStream,
    rung: Arc<AtomicBool>,
}

/// The listening side: the shard waits until `socket` is readable, reads it empty and calls [`DoorbellEnd::answered`]
/// before it looks at its ring.
pub struct DoorbellEnd {
    pub socket: UnixStream,
    rung: Arc<AtomicBool>,
}

pub fn doorbell() -> io::Result<(Doorbell, DoorbellEnd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let rung = Arc::new(AtomicBool::new(false));
    Ok((Doorbell { socket: ours, rung: rung.clone() }, DoorbellEnd { socket: theirs, rung }))
}

impl Doorbell {
    /// Call after pushing into the ring. A ring that is not answered yet is not repeated: the shard will look at its
    /// ring after it clears the flag, so it sees this push too.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            // A full socket means a wake-up is already under way.
            let _ = (&self.socket).write(&[1]);
        }
    }
}

impl DoorbellEnd {
    pub fn answered(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }
}
