//! The SQLite file: its schema, how rows go in, what happens when the file is broken.
//!
//! A row of its own costs SQLite microseconds, so rows go in as blocks of [`BLOCK_ROWS`](super::block::BLOCK_ROWS) at
//! most, in order of key. Beside each block stands a summary, by which a query leaves most blocks unread. A commit of
//! few rows takes the newest blocks in that are not larger than itself: blocks fill up at any rate, and a row is written
//! at most ten times. What began more than [`SPAN_MS`] before is left alone, so that age can be told by the block.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, OptionalExtension, Transaction, params};

use super::block::{BLOCK_ROWS, Batch, Block, Head, key_of};

const FILE: &str = "requests.db";
const SCHEMA_VERSION: i64 = 3;
/// Small blocks are joined when their rows began within an hour.
const SPAN_MS: u64 = 3_600_000;

const SCHEMA: &str = "
    CREATE TABLE blocks (
        id INTEGER PRIMARY KEY,
        heads BLOB NOT NULL,
        details BLOB NOT NULL
    );
    CREATE TABLE summaries (
        id INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        classes INTEGER NOT NULL,
        outcomes INTEGER NOT NULL,
        models INTEGER NOT NULL,
        traces BLOB NOT NULL
    );
    CREATE INDEX summaries_last ON summaries (last, first);
";

const INSERT_BLOCK: &str = "INSERT INTO blocks (heads, details) VALUES (?1, ?2)";
const INSERT_SUMMARY: &str = "INSERT INTO summaries (id, first, last, rows, classes, outcomes, models, traces)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

pub struct Database {
    dir: PathBuf,
    pub writer: Connection,
    /// Reads have their own connection, so that one that takes too long can be interrupted without hurting a write.
    pub reader: Connection,
    block: Block,
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
        writer.pragma_update(None, "cache_size", -2 * 1024)?;
        let version: i64 = writer.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != 0 && version != SCHEMA_VERSION {
            return Err(unusable(format!("its schema is version {version}, not {SCHEMA_VERSION}")));
        }
        if version == 0 {
            writer.execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"))?;
        }
        let reader = connect(&dir.join(FILE))?;
        reader.pragma_update(None, "query_only", true)?;
        reader.pragma_update(None, "cache_size", -2 * 1024)?;
        Ok(Self { dir: dir.to_owned(), writer, reader, block: Block::default() })
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

    /// Writes all of `batch` in one transaction. Takes rows of the file into it, to write them anew.
    pub fn insert(&mut self, batch: &mut Batch) -> rusqlite::Result<()> {
        let transaction = self.writer.transaction()?;
        take_small_blocks(&transaction, batch)?;
        batch.sort();
        for rows in batch.blocks() {
            batch.write(rows, &mut self.block);
            insert_block(&transaction, rows, &self.block)?;
        }
        transaction.commit()
    }

    /// Gives back what a burst left behind.
    pub fn shrink(&mut self) {
        self.block.shrink();
    }
}

fn take_small_blocks(transaction: &Transaction<'_>, batch: &mut Batch) -> rusqlite::Result<()> {
    let newest = "SELECT id FROM summaries WHERE id = (SELECT max(id) FROM summaries) AND rows <= ?1 AND first >= ?2";
    let mut newest = transaction.prepare_cached(newest)?;
    let begun_after = batch.newest_key().saturating_sub(key_of(SPAN_MS));
    loop {
        let rows_max = batch.len().min(BLOCK_ROWS / 2) as i64;
        let id: Option<i64> = newest.query_row([rows_max, begun_after], |row| row.get(0)).optional()?;
        let Some(id) = id else { return Ok(()) };
        let take = |row: &rusqlite::Row<'_>| {
            let (heads, details) = (row.get_ref(0)?, row.get_ref(1)?);
            batch.push_block(heads.as_blob().unwrap_or_default(), details.as_blob().unwrap_or_default());
            Ok(())
        };
        let mut read = transaction.prepare_cached("SELECT heads, details FROM blocks WHERE id = ?1")?;
        read.query_row([id], take).optional()?;
        transaction.prepare_cached("DELETE FROM blocks WHERE id = ?1")?.execute([id])?;
        transaction.prepare_cached("DELETE FROM summaries WHERE id = ?1")?.execute([id])?;
    }
}

fn insert_block(transaction: &Transaction<'_>, rows: &[Head], block: &Block) -> rusqlite::Result<()> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let columns = params![block.heads.as_slice(), block.details.as_slice()];
    transaction.prepare_cached(INSERT_BLOCK)?.execute(columns)?;
    let summary = params![
        transaction.last_insert_rowid(),
        first.key,
        last.key,
        rows.len() as i64,
        block.classes,
        block.outcomes,
        block.models,
        block.traces.as_slice()
    ];
    transaction.prepare_cached(INSERT_SUMMARY)?.execute(summary).map(drop)
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
