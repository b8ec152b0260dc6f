//! The SQLite file: its schema, how a row goes in, what happens when the file is broken.
//!
//! `key` is the primary key: milliseconds of the request's id, then 20 bits that make it unique. Rows arrive nearly in
//! that order, so the table grows at its end, and a time range, an id and a page of results are all ranges of keys.
//! Random trace ids would dirty a page of their index each; sorted within slices of [`SLICE_ROWS`] rows they dirty the
//! few pages of the newest slice, and a lookup asks every slice. A model is indexed by its hash: SQLite compares one
//! integer. Both are checked against the whole value when a row is read. Statuses and outcomes are indexed where they
//! are not the usual ones.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, Statement, params};

use crate::telemetry::{Record, RequestId};

const FILE: &str = "requests.db";
const SCHEMA_VERSION: i64 = 2;
const SLICE_ROWS: i64 = 16 * 1024;
/// Bits of `trace` that hold the start of the trace id, below the slice.
pub const TRACE_BITS: u32 = 40;
/// Bits of a key below the milliseconds.
pub const KEY_BITS: u32 = 20;

const SCHEMA: &str = "
    CREATE TABLE requests (
        key INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        trace INTEGER NOT NULL,
        model INTEGER NOT NULL,
        status INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        detail BLOB NOT NULL
    );
    CREATE INDEX requests_trace ON requests (trace);
    CREATE INDEX requests_model ON requests (model);
    CREATE INDEX requests_status ON requests (status / 100) WHERE status >= 300;
    CREATE INDEX requests_outcome ON requests (outcome) WHERE outcome <> 'served';
";

const INSERT: &str = "INSERT INTO requests (key, id, trace, model, status, outcome, detail)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

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
                tracing::error!(%error, dir = %dir.display(), "the request database cannot be used: starting a new one");
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
        if version != 0 && version != SCHEMA_VERSION {
            return Err(unusable(format!("its schema is version {version}, not {SCHEMA_VERSION}")));
        }
        if version == 0 {
            writer.execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"))?;
        }
        let newest: Option<i64> = writer.query_row("SELECT max(trace) FROM requests", [], |row| row.get(0))?;
        let reader = connect(&dir.join(FILE))?;
        reader.pragma_update(None, "query_only", true)?;
        reader.pragma_update(None, "cache_size", -4 * 1024)?;
        let rows = newest.map_or(0, |trace| ((trace >> TRACE_BITS) + 1) * SLICE_ROWS);
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
        let mut statement = transaction.prepare_cached(INSERT)?;
        for record in records {
            insert_one(&mut statement, record, self.rows, &mut self.scratch)?;
            self.rows += 1;
        }
        drop(statement);
        transaction.commit()
    }
}

fn insert_one(statement: &mut Statement<'_>, record: &Record, row: i64, detail: &mut Vec<u8>) -> rusqlite::Result<()> {
    detail.clear();
    super::codec::encode(record, detail);
    let id = record.id.0.to_be_bytes();
    let trace = trace_key(row / SLICE_ROWS, record.trace.trace_id);
    let (model, outcome) = (model_key(model_of(record)), record.outcome.as_str());
    let mut unique = row;
    loop {
        let key = key_of(record.id.unix_ms()) | (unique & ((1 << KEY_BITS) - 1));
        let values = params![key, &id[..], trace, model, record.status, outcome, detail.as_slice()];
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

/// What is indexed of a trace id in a slice.
pub fn trace_key(slice: i64, trace_id: [u8; 16]) -> i64 {
    let [a, b, c, d, e, ..] = trace_id;
    slice << TRACE_BITS | i64::from_be_bytes([0, 0, 0, a, b, c, d, e])
}

/// What is indexed of a model name: FNV-1a, which stays the same from one version to the next.
pub fn model_key(name: &str) -> i64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // Six bytes: SQLite keeps an integer in as many as it needs.
    (hash >> 17) as i64
}

/// `account/model` that was tried last; what the client asked for when none was.
fn model_of(record: &Record) -> &str {
    let name = record.attempts.last().map_or(&record.model_requested, |attempt| &attempt.target.fqn);
    super::tlv::cut(name, super::tlv::TEXT_BYTES_MAX)
}

pub fn id_of(bytes: [u8; 16]) -> RequestId {
    RequestId(u128::from_be_bytes(bytes))
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    Ok(connection)
}

/// Treated like a broken file: moved aside, never written to.
fn unusable(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB), Some(why))
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
