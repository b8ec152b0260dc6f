//! Which monoio driver runs here, found out by building the real ring.
//!
//! monoio's own probe builds a two-entry ring and then panics when the full one does not fit the memlock limit, so it is not used.

use monoio::{IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder, time::TimeDriver};
use std::{future::Future, io};

/// A runtime for the current thread.
pub enum Rt {
    IoUring(Runtime<TimeDriver<IoUringDriver>>),
    Epoll(Runtime<TimeDriver<LegacyDriver>>),
}

impl Rt {
    /// io_uring where it is allowed, epoll where it is not or where `MONOIO_FORCE_LEGACY_DRIVER=1` asks for it.
    pub fn new(entries: u32) -> io::Result<Rt> {
        let forced = std::env::var("MONOIO_FORCE_LEGACY_DRIVER").is_ok_and(|v| v == "1" || v == "true");
        if !forced && let Ok(rt) = Rt::io_uring(entries) {
            return Ok(rt);
        }
        Rt::epoll()
    }

    fn io_uring(entries: u32) -> io::Result<Rt> {
        let mut builder = io_uring::IoUring::builder();
        builder.setup_coop_taskrun().setup_single_issuer();
        let rt = RuntimeBuilder::<IoUringDriver>::new().uring_builder(builder).with_entries(entries).enable_timer();
        Ok(Rt::IoUring(rt.build()?))
    }

    pub fn epoll() -> io::Result<Rt> {
        Ok(Rt::Epoll(RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?))
    }

    pub fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        match self {
            Rt::IoUring(rt) => rt.block_on(future),
            Rt::Epoll(rt) => rt.block_on(future),
        }
    }
}
