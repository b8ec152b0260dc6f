//! The control core: one thread, tokio current-thread, beside the shards. Owned here: the far ends of the rings, the
//! process totals, reload, DNS, credentials that expire, health verdicts, drain, the admin listener, and the store's thread.
//!
//! Called by `main`, once. Must never make a shard wait, and never be made to wait itself by disk, network or a reader
//! of its numbers: what is slow runs in a task or on a thread and comes back as an [`Event`].

mod admin;
mod change;
mod clock;
mod collect;
mod core;
mod credentials;
mod dns;
pub mod export;
mod fetch;
mod health;
pub mod log;
mod mock;
pub mod prices;
mod reload;
mod shards;
mod store;
mod systemd;
mod turn;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::net::TcpListener;

use crate::config::{ConfigError, Snapshot};
use crate::mesh::ControlEnd;

pub use dns::{Addresses, resolve_first};
pub use mock::Mock;
pub use reload::Source;
pub use store::Store;

/// Everything the core starts with. The shards have been, or are being, started with the same.
pub struct Setup {
    pub snapshot: Snapshot,
    pub source: Source,
    pub addresses: Addresses,
    /// By shard.
    pub ends: Vec<ControlEnd>,
    pub admin: TcpListener,
    pub mock: Mock,
    pub store: Store,
    /// Shown on a terminal once all shards serve.
    pub greeting: Option<String>,
}

/// Runs until drained; gives the exit code of the process.
pub fn run(setup: Setup) -> std::io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async { core::Core::begin(setup)?.serve().await });
    // A name lookup that hangs must not keep the process.
    runtime.shutdown_background();
    code
}

/// What happens to the core, besides the rings and the clock.
enum Event {
    Admin(admin::Ask),
    Signal(Signal),
    FilesChanged,
    Loaded(Result<Box<change::Loaded>, Vec<ConfigError>>),
    Resolved(dns::Answers),
    /// A source gave a credential that is new.
    Credential {
        keeper: u64,
        fetched: crate::provider::Fetched,
    },
    PricesRenewed(Result<prices::Renewed, String>),
    Probed(health::Probed),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signal {
    Hangup,
    Interrupt,
    Terminate,
}
