//! The store's thread: gathers rows into transactions, answers queries, forgets what is too old.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::block::Batch;
use super::database::{Database, is_broken};
use super::retention::{self, Limits};
use super::{COMMIT_BYTES, COMMIT_MS, COMMIT_ROWS, Message, Rows, Shared};

/// How often age and size are looked at when nothing is over them.
const RETENTION_EVERY: Duration = Duration::from_secs(10);
/// A failing disk is reported once in this long.
const REPORT_EVERY: Duration = Duration::from_secs(60);

pub struct Writer {
    database: Database,
    shared: Arc<Shared>,
    limits: Limits,
    waiting: Batch,
    commit_at: Option<Instant>,
    retention_at: Instant,
    reported_at: Option<Instant>,
}

impl Writer {
    pub fn new(database: Database, shared: Arc<Shared>, limits: Limits) -> Self {
        let retention_at = Instant::now();
        Self { database, shared, limits, waiting: Batch::new(), commit_at: None, retention_at, reported_at: None }
    }

    pub fn run(mut self, receiver: &Receiver<Message>) {
        loop {
            let next = self.commit_at.unwrap_or(self.retention_at).min(self.retention_at);
            match receiver.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Message::Rows(rows)) => self.add(rows),
                Ok(Message::Query(filter, reply)) => {
                    self.commit();
                    let _ = reply.send(filter.run(&self.database.reader));
                }
                Ok(Message::Retention { days, max_bytes }) => {
                    self.limits = Limits { days, max_bytes };
                    self.retention_at = Instant::now();
                }
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if self.commit_at.is_some_and(|at| at <= now) {
                self.commit();
            }
            if self.retention_at <= now {
                self.forget(now);
            }
        }
        self.commit();
    }

    fn add(&mut self, rows: Rows) {
        for record in rows {
            self.waiting.push(&record);
            drop(record);
            self.shared.rows_waiting.fetch_sub(1, Ordering::Relaxed);
            if self.waiting.len() >= COMMIT_ROWS || self.waiting.bytes() >= COMMIT_BYTES {
                self.commit();
            }
        }
        self.commit_at.get_or_insert_with(|| Instant::now() + Duration::from_millis(COMMIT_MS));
    }

    fn commit(&mut self) {
        self.commit_at = None;
        if self.waiting.len() == 0 {
            return;
        }
        let count = self.waiting.len() as u64;
        match self.try_commit() {
            Ok(()) => drop(self.shared.rows_written.fetch_add(count, Ordering::Relaxed)),
            Err(error) => {
                self.shared.rows_failed.fetch_add(count, Ordering::Relaxed);
                self.report("request rows could not be written", &error);
            }
        }
        self.waiting.clear();
    }

    fn try_commit(&mut self) -> rusqlite::Result<()> {
        match self.database.insert(&mut self.waiting) {
            Err(error) if is_broken(&error) => {
                tracing::error!(%error, "the request database is broken: starting a new one");
                self.database.replace()?;
                self.database.insert(&mut self.waiting)
            }
            result => result,
        }
    }

    /// One slice at a time, so that new rows never wait long behind old ones.
    fn forget(&mut self, now: Instant) {
        let more = retention::step(&mut self.database.writer, self.limits).unwrap_or_else(|error| {
            self.report("old request rows could not be deleted", &error);
            false
        });
        if !more && self.waiting.len() == 0 {
            self.waiting.shrink();
            self.database.shrink();
        }
        self.retention_at = if more { now } else { now + RETENTION_EVERY };
    }

    fn report(&mut self, what: &str, error: &rusqlite::Error) {
        if self.reported_at.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            self.reported_at = Some(Instant::now());
            tracing::error!(%error, "{what}");
        }
    }
}
