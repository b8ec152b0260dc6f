//! Which driver runs this thread: io_uring, or epoll where io_uring is forbidden.

use std::future::Future;
use std::io;

use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

/// Which driver a shard runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    IoUring,
    Epoll,
}

impl Driver {
    pub fn as_str(self) -> &'static str {
        match self {
            Driver::IoUring => "io_uring",
            Driver::Epoll => "epoll",
        }
    }
}

/// Submission entries of a shard's ring. A full queue is submitted at once, so this bounds a batch, not the load.
const RING_ENTRIES: u32 = 4096;
/// Second try where the memlock limit refuses the first: 110 kB of locked memory are enough for it.
const RING_ENTRIES_SMALL: u32 = 1024;

/// Runs `main` on this thread until it ends. `main` is told the driver and, when that is not io_uring, why.
pub fn run<F: Future>(force_epoll: bool, main: impl FnOnce(Driver, Option<String>) -> F) -> io::Result<F::Output> {
    let why = if force_epoll {
        "asked for by SLUICE_DRIVER=epoll".to_owned()
    } else {
        match ring() {
            Ok(mut runtime) => return Ok(runtime.block_on(async move { main(Driver::IoUring, None).await })),
            Err(error) => reason(&error),
        }
    };
    let mut runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?;
    Ok(runtime.block_on(async move { main(Driver::Epoll, Some(why)).await }))
}

type Ring = monoio::Runtime<monoio::time::TimeDriver<IoUringDriver>>;

/// The real ring, after a small one has shown that entering is allowed too: seccomp can forbid that alone.
fn ring() -> io::Result<Ring> {
    let mut probe = io_uring::IoUring::new(8)?;
    let nop = io_uring::opcode::Nop::new().build();
    // SAFETY: a no-op refers to no memory.
    unsafe { probe.submission().push(&nop) }.map_err(io::Error::other)?;
    probe.submit_and_wait(1)?;
    drop(probe);

    let tuned = |entries| {
        // COOP_TASKRUN (Linux 5.19) and SINGLE_ISSUER (6.0) save an interrupt per
        // completion: a quarter of a request's cost, by a minimal proxy measured before this was written.
        let mut builder = io_uring::IoUring::builder();
        builder.setup_coop_taskrun().setup_single_issuer();
        build(builder, entries)
    };
    let plain = |entries| build(io_uring::IoUring::builder(), entries);
    tuned(RING_ENTRIES)
        .or_else(|_| tuned(RING_ENTRIES_SMALL))
        .or_else(|_| plain(RING_ENTRIES))
        .or_else(|_| plain(RING_ENTRIES_SMALL))
}

fn build(builder: io_uring::Builder, entries: u32) -> io::Result<Ring> {
    RuntimeBuilder::<IoUringDriver>::new().with_entries(entries).uring_builder(builder).enable_timer().build()
}

/// What the operator can do about it.
fn reason(error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(libc::EPERM) => {
            "forbidden: a seccomp profile (container runtimes deny io_uring by default) or kernel.io_uring_disabled=2"
        }
        Some(libc::EACCES) => "forbidden by a security module",
        Some(libc::ENOSYS) => "this kernel has no io_uring",
        Some(libc::ENOMEM) => {
            "the locked-memory limit is too small: raise LimitMEMLOCK or ulimit -l to 1 MiB per shard"
        }
        _ => "the kernel refused the ring",
    };
    format!("{hint} ({error})")
}

/// Sockets made outside this thread: io_uring waits in the kernel and wants them blocking, epoll wants the opposite.
pub(super) fn is_epoll() -> bool {
    monoio::utils::is_legacy()
}
