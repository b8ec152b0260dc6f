//! Request rows in SQLite, on a thread of their own ("store"): nothing slow ever runs on the control core.
//!
//! The control core pushes batches of records and forwards queries; both wait in one bounded channel, so a query sees
//! every row pushed before it. A full channel drops rows and counts them, it never makes the core wait (P5). What was
//! committed survives `kill -9`: WAL, a transaction at most [`COMMIT_MS`] old.

mod block;
mod bloom;
mod codec;
mod database;
mod query;
mod retention;
mod row;
mod tlv;
mod writer;

#[cfg(test)]
mod block_tests;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::config::Storage;
use crate::telemetry::Record;

pub use query::{Filter, LIMIT_MAX, Page, QueryError, Status};

/// Rows that may wait for the store: two thirds of a second at 50k/s.
const ROWS_WAITING_MAX: usize = 32 * 1024;
const MESSAGES_WAITING_MAX: usize = 1024;
/// A transaction ends after this long, or at this many rows or bytes.
const COMMIT_MS: u64 = 100;
const COMMIT_ROWS: usize = 4096;
const COMMIT_BYTES: usize = 4 << 20;

/// Records come from the rings in their boxes and go on in them.
#[allow(clippy::vec_box)]
pub type Rows = Vec<Box<Record>>;

enum Message {
    Rows(Rows),
    Query(Box<Filter>, oneshot::Sender<Result<Page, QueryError>>),
    Retention { days: u32, max_bytes: u64 },
    Close,
}

#[derive(Default)]
struct Shared {
    rows_waiting: AtomicUsize,
    rows_written: AtomicU64,
    /// Rows that could not be written: full disk, broken file.
    rows_failed: AtomicU64,
}

/// The control core's end.
pub struct Store {
    sender: SyncSender<Message>,
    shared: Arc<Shared>,
    /// Rows that found the channel full.
    rows_dropped: u64,
    interrupt: rusqlite::InterruptHandle,
    thread: JoinHandle<()>,
    /// Removed at the end.
    temporary: Option<PathBuf>,
}

impl Store {
    /// Opens or makes the database. A file that is no database any more is moved aside, with a log line.
    pub fn open(storage: &Storage) -> io::Result<Self> {
        let (dir, temporary) = match &storage.dir {
            Some(dir) => (dir.clone(), None),
            None => {
                let dir = temporary_dir()?;
                (dir.clone(), Some(dir))
            }
        };
        let database = database::Database::open(&dir)?;
        let interrupt = database.interrupt_handle();
        let (sender, receiver) = sync_channel(MESSAGES_WAITING_MAX);
        let shared = Arc::<Shared>::default();
        let limits = retention::Limits { days: storage.retention_days, max_bytes: storage.max_bytes };
        let writer = writer::Writer::new(database, shared.clone(), limits);
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, shared, rows_dropped: 0, interrupt, thread, temporary })
    }

    /// Hands rows over, or drops and counts them when too many wait already.
    pub fn push(&mut self, rows: Rows) {
        let count = rows.len();
        let waiting = self.shared.rows_waiting.fetch_add(count, Ordering::Relaxed);
        if waiting + count > ROWS_WAITING_MAX || self.sender.try_send(Message::Rows(rows)).is_err() {
            self.shared.rows_waiting.fetch_sub(count, Ordering::Relaxed);
            self.rows_dropped += count as u64;
        }
    }

    /// Rows lost so far, for whatever reason.
    pub fn rows_lost(&self) -> u64 {
        self.rows_dropped + self.shared.rows_failed.load(Ordering::Relaxed)
    }

    pub fn rows_written(&self) -> u64 {
        self.shared.rows_written.load(Ordering::Relaxed)
    }

    /// The answer arrives at `reply`; a store that is too busy to listen drops it.
    pub fn query(&self, filter: Filter, reply: oneshot::Sender<Result<Page, QueryError>>) {
        let _ = self.sender.try_send(Message::Query(Box::new(filter), reply));
    }

    /// Ends the query that runs now, if one does: its asker has waited long enough.
    pub fn interrupt_query(&self) {
        self.interrupt.interrupt();
    }

    pub fn set_retention(&self, storage: &Storage) {
        let _ = self.sender.try_send(Message::Retention { days: storage.retention_days, max_bytes: storage.max_bytes });
    }

    /// Writes what waits and ends the thread.
    pub fn close(self) {
        // This may wait: the process is about to end, and rows are worth more than milliseconds now.
        let _ = self.sender.send(Message::Close);
        if self.thread.join().is_err() {
            tracing::error!("the store's thread panicked");
        }
        remove(self.temporary.as_deref());
    }

    /// For a process that ends without [`Store::close`].
    pub fn remove_temporary(&self) {
        remove(self.temporary.as_deref());
    }
}

fn remove(dir: Option<&Path>) {
    if let Some(dir) = dir {
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// A folder only this user reads: rows name callers and models.
fn temporary_dir() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let base = std::env::temp_dir();
    let pid = std::process::id();
    for attempt in 0..1000 {
        let dir = base.join(format!("sluice-{pid}-{attempt}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(dir),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
