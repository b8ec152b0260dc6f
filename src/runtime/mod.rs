//! The only place that names monoio: driver choice, sockets, timers, pinning, doorbells. And the allocator.
//!
//! Called by `shard` and `tls`. monoio 0.2.4 has traps that would corrupt a proxy, and the shapes here make them
//! impossible to step into:
//! - *A dropped receive loses bytes.* A receive is posted into its [`Conn`] and stays there until it completes; callers
//!   poll for it and may stop polling at any time. Nothing in this API can drop it while the connection lives on.
//! - *A dropped accept or connect leaks its socket.* Both run to their end in a task of their own; see [`Listener`] and
//!   [`Connecting`].
//! - *A panic unwinds through the executor.* [`spawn`] catches it; the task's future is dropped, the shard lives on.
//! - *`FusionDriver` probes with a two-entry ring and panics when the real one is refused.* [`run`] builds the real
//!   ring, and uses epoll when that fails.
//! - *Names resolve synchronously.* Only socket addresses are accepted.
//!
//! Must never: expose a monoio type, block, or resolve a name.

mod affinity;
mod buf;
mod conn;
mod connect;
mod driver;
mod listener;
mod memory;
mod task;

pub use affinity::{available_cpus, pin_to};
pub use buf::Buf;
pub use conn::{Bell, Conn};
pub use connect::Connecting;
pub use driver::{Driver, run};
pub use listener::{Accepted, Listener, StopAccepting};
pub use memory::{Mimalloc, Quiet, give_back_memory, prefer_huge_page};
pub use task::{boxed, sleep_ms, spawn};
