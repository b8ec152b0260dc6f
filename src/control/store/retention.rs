//! What is too old, or too much, is deleted: whole blocks, oldest first, in slices.

use rusqlite::{Connection, params};

use super::block::key_of;

/// Blocks deleted in one transaction; a few milliseconds.
const SLICE_BLOCKS: i64 = 8;
/// Free pages given back to the file system in one step.
const VACUUM_PAGES: i64 = 1024;

#[derive(Clone, Copy)]
pub struct Limits {
    pub days: u32,
    pub max_bytes: u64,
}

/// Deletes one slice when a limit is passed. Returns whether there may be more to do at once.
///
/// Freed pages are written again by new rows, so the file does not grow past the limit; only one that is over it as a
/// file (the limit was lowered) is made smaller.
pub fn step(writer: &mut Connection, limits: Limits) -> rusqlite::Result<bool> {
    let now_ms = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
    let oldest_kept = key_of(now_ms.saturating_sub(u64::from(limits.days) * 86_400_000));
    let page_bytes = pragma(writer, "page_size")?.max(512);
    let pages_max = i64::try_from(limits.max_bytes).unwrap_or(i64::MAX) / page_bytes;
    let (pages, free) = (pragma(writer, "page_count")?, pragma(writer, "freelist_count")?);
    if pages - free > pages_max {
        // A slice's worth below the limit, so that not every commit brings a deletion.
        return delete_before(writer, i64::MAX);
    }
    let more = delete_before(writer, oldest_kept)?;
    if pages > pages_max && free > 0 {
        let step = VACUUM_PAGES.min(pages - pages_max);
        writer.query_row(&format!("PRAGMA incremental_vacuum({step})"), [], |_| Ok(())).or_else(no_rows)?;
        return Ok(true);
    }
    Ok(more)
}

/// Deletes at most a slice of the blocks whose rows are all below `key`; true when it was a full one.
fn delete_before(writer: &mut Connection, key: i64) -> rusqlite::Result<bool> {
    let transaction = writer.transaction()?;
    let mut deleted = 0;
    for table in ["blocks", "summaries"] {
        let slice = "SELECT id FROM summaries WHERE last < ?1 ORDER BY last LIMIT ?2";
        deleted = transaction
            .prepare_cached(&format!("DELETE FROM {table} WHERE id IN ({slice})"))?
            .execute(params![key, SLICE_BLOCKS])?;
    }
    transaction.commit()?;
    Ok(deleted as i64 == SLICE_BLOCKS)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

fn no_rows(error: rusqlite::Error) -> rusqlite::Result<()> {
    if matches!(error, rusqlite::Error::QueryReturnedNoRows) { Ok(()) } else { Err(error) }
}
