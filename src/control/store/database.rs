//! The SQLite file: its schema, how a row goes in, what happens when the file is broken.
//!
//! `key` is the primary key: milliseconds of the request's id, then 20 bits that make it unique. Rows arrive nearly in
//! that order, so the table grows at its end, and a time range, an id and a page of results are all ranges of keys.
//! The random trace ids would dirty a page of their index each; sorted within slices of [`SLICE_ROWS`] rows they dirty
//! the few pages of the newest slice, and a lookup asks every slice. Statuses and outcomes are indexed where they are not
//! the usual ones.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, Transaction, params};

use crate::telemetry::{Record, RequestId};

const FILE: &str = "requests.db";
const SCHEMA_VERSION: i64 = 1;
const SLICE_ROWS: i64 = 64 * 1024;
/// Bits of a key below the milliseconds.
pub const KEY_BITS: u32 = 20;
/// Model names in the index are cut here: a client can write one of any length.
const MODEL_BYTES_MAX: usize = 256;

const SCHEMA: &str = "
    CREATE TABLE requests (
        key INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        slice INTEGER NOT NULL,
        trace INTEGER NOT NULL,
        model TEXT NOT NULL,
        status INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        detail BLOB NOT NULL
    );
    CREATE INDEX requests_trace ON requests (slice, trace);
    CREATE INDEX requests_model ON requests (model);
    CREATE INDEX requests_status ON requests (status / 100) WHERE status >= 300;
    CREATE INDEX requests_outcome ON requests (outcome) WHERE outcome <> 'served';
";

const INSERT: &str = "INSERT INTO requests (key, id, slice, trace, model, status, outcome, detail)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

pub struct Database {
    dir: PathBuf,
    pub writer: Connection,
    /// Reads have their own connection, so that one that takes too long can be interrupted without hurting a write.
    pub reader: Connection,
    rows: i64,
    scratch: Vec<u8>,
}

impl Database {
    pub fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir).map_err(|error| about(dir, &error))?;
        match Self::open_file(dir) {
            Err(error) if is_broken(&error) => {
                tracing::error!(%error, dir = %dir.display(), "the request database is broken: starting a new one");
                move_aside(dir).map_err(|error| about(dir, &error))?;
                Self::open_file(dir)
            }
            other => other,
        }
        .map_err(|error| about(&dir.join(FILE), &error))
    }

    fn open_file(dir: &Path) -> rusqlite::Result<Self> {
        let writer = connect(&dir.join(FILE))?;
        writer.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "NORMAL")?;
        writer.pragma_update(None, "wal_autocheckpoint", 4096)?;
        writer.pragma_update(None, "journal_size_limit", 64 << 20)?;
        writer.pragma_update(None, "cache_size", -16 * 1024)?;
        let version: i64 = writer.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version == 0 {
            writer.execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"))?;
        }
        let slice: Option<i64> = writer.query_row("SELECT max(slice) FROM requests", [], |row| row.get(0))?;
        let reader = connect(&dir.join(FILE))?;
        reader.pragma_update(None, "query_only", true)?;
        reader.pragma_update(None, "cache_size", -4 * 1024)?;
        let rows = slice.map_or(0, |slice| (slice + 1) * SLICE_ROWS);
        Ok(Self { dir: dir.to_owned(), writer, reader, rows, scratch: Vec::with_capacity(1024) })
    }

    /// Replaces a file that turned out to be broken while it was in use.
    pub fn replace(&mut self) -> rusqlite::Result<()> {
        move_aside(&self.dir).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        *self = Self::open_file(&self.dir)?;
        Ok(())
    }

    /// For queries: reads only.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.reader.get_interrupt_handle()
    }

    /// Writes all of `records` in one transaction.
    pub fn insert(&mut self, records: &[Box<Record>]) -> rusqlite::Result<()> {
        let transaction = self.writer.transaction()?;
        for record in records {
            insert_one(&transaction, record, self.rows, &mut self.scratch)?;
            self.rows += 1;
        }
        transaction.commit()
    }
}

fn insert_one(transaction: &Transaction<'_>, record: &Record, row: i64, detail: &mut Vec<u8>) -> rusqlite::Result<()> {
    detail.clear();
    super::codec::encode(record, detail);
    let mut statement = transaction.prepare_cached(INSERT)?;
    let id = record.id.0.to_be_bytes();
    let (slice, trace) = (row / SLICE_ROWS, trace_key(record.trace.trace_id));
    let (model, outcome) = (model_of(record), record.outcome.as_str());
    let mut unique = row;
    loop {
        let key = key_of(record.id.unix_ms()) | (unique & ((1 << KEY_BITS) - 1));
        let values = params![key, &id[..], slice, trace, model, record.status, outcome, detail.as_slice()];
        match statement.execute(values) {
            // A row of the same millisecond came exactly a million rows earlier, or before a restart.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) && unique < row + 64 => {
                unique += 1;
            }
            result => return result.map(drop),
        }
    }
}

/// The first key of a millisecond.
pub fn key_of(unix_ms: u64) -> i64 {
    (unix_ms.min(1 << 42) << KEY_BITS) as i64
}

/// The part of a trace id that is indexed.
pub fn trace_key(trace_id: [u8; 16]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = trace_id;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn model_of(record: &Record) -> &str {
    let name = record.attempts.last().map_or(&record.model_requested, |attempt| &attempt.target.fqn);
    super::tlv::cut(name, MODEL_BYTES_MAX)
}

pub fn id_of(bytes: [u8; 16]) -> RequestId {
    RequestId(u128::from_be_bytes(bytes))
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    Ok(connection)
}

pub fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn move_aside(dir: &Path) -> io::Result<()> {
    let seconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    for suffix in ["", "-wal", "-shm"] {
        let file = dir.join(format!("{FILE}{suffix}"));
        match std::fs::rename(&file, dir.join(format!("{FILE}{suffix}.broken-{seconds}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn about(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}
