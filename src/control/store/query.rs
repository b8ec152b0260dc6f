//! Reading rows back, newest first.
//!
//! Summaries say which blocks may hold a row; heads, which rows are wanted; details are read of rows that are returned.
//! Blocks overlap, because a long stream is stored when it ends under the time when it began: rows are kept in a heap
//! until no block that is left can hold a newer one than the oldest kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, Row as SqlRow};
use serde::Serialize;

use super::block::{
    HEAD_BYTES, Head, class_bit, key_of, model_bits, model_hash, outcome_bit, outcome_code, outcome_name, traits,
};
use super::row::Row;
use super::{bloom, codec};
use crate::telemetry::{Outcome, RequestId};

pub const LIMIT_MAX: usize = 1000;

const CANDIDATES: &str = "SELECT id, last, traces FROM summaries
    WHERE last >= ?1 AND first < ?2 AND classes & ?3 <> 0 AND outcomes & ?4 <> 0 AND models & ?5 = ?5
    AND outcomes & ?6 = ?6 AND (models & ?7 = ?7 OR outcomes & ?8 <> 0)
    ORDER BY last DESC";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Exact(u16),
    /// 4 for 4xx.
    Class(u16),
}

/// All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub id: Option<RequestId>,
    pub trace_id: Option<[u8; 16]>,
    pub model: Option<String>,
    pub status: Option<Status>,
    pub outcome: Option<Outcome>,
    /// Id of the routing or the fallback rule, or name of the virtual model.
    pub rule: Option<String>,
    /// `account/model` that was tried, whether or not last.
    pub target: Option<String>,
    /// Served though an attempt had failed.
    pub rescued: Option<bool>,
    /// When the request began, both inclusive.
    pub from_unix_ms: Option<u64>,
    pub to_unix_ms: Option<u64>,
    pub limit: usize,
    /// Where the page before ended.
    pub before: Option<i64>,
}

#[derive(Serialize)]
pub struct Page {
    pub requests: Vec<Row>,
    /// `before` of the next page; `null` on the last.
    pub next: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum QueryError {
    /// Took too long and was interrupted.
    Interrupted,
    Failed(String),
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => QueryError::Interrupted,
            _ => QueryError::Failed(error.to_string()),
        }
    }
}

impl Filter {
    pub fn run(&self, reader: &Connection) -> Result<Page, QueryError> {
        let limit = self.limit.clamp(1, LIMIT_MAX);
        let found = Search::new(self, limit).run(reader)?;
        let full = found.len() == limit;
        let next = found.last().filter(|_| full).map(|row| row.key.to_string());
        let mut requests = read(reader, found)?;
        // Two names may share a hash.
        requests.retain(|row| self.model.as_ref().is_none_or(|model| row.model == *model));
        Ok(Page { requests, next })
    }
}

/// A row that was found, and where.
struct Found {
    key: i64,
    block: i64,
    head: Head,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Found {}

struct Search<'a> {
    filter: &'a Filter,
    limit: usize,
    /// Keys from the first up to but not including the second.
    from: i64,
    below: i64,
    model: Option<u64>,
    outcome: Option<u8>,
    target: Option<u64>,
    /// The newest rows so far, the oldest of them on top.
    kept: BinaryHeap<Reverse<Found>>,
}

impl<'a> Search<'a> {
    fn new(filter: &'a Filter, limit: usize) -> Self {
        let id_ms = filter.id.map(RequestId::unix_ms);
        let from = [filter.from_unix_ms, id_ms].into_iter().flatten().map(key_of);
        let below = [filter.to_unix_ms, id_ms].into_iter().flatten().map(|to| key_of(to.saturating_add(1)));
        Self {
            filter,
            limit,
            from: from.max().unwrap_or(i64::MIN),
            below: below.chain(filter.before).min().unwrap_or(i64::MAX),
            model: filter.model.as_deref().map(model_hash),
            outcome: filter.outcome.map(outcome_code),
            target: filter.target.as_deref().map(model_hash),
            kept: BinaryHeap::with_capacity(limit + 1),
        }
    }

    /// What is kept in the end, newest first.
    fn run(mut self, reader: &Connection) -> rusqlite::Result<Vec<Found>> {
        let class = self.filter.status.as_ref().map(|status| match status {
            Status::Exact(status) => status / 100,
            Status::Class(class) => *class,
        });
        let (classes, outcomes) = (class.map_or(-1, class_bit), self.outcome.map_or(-1, outcome_bit));
        // Details are long: they are read only where heads do not know enough.
        let wants_details = self.filter.rule.is_some() || self.filter.target.is_some();
        let columns = if wants_details { "heads, details" } else { "heads, x''" };
        let mut read = reader.prepare_cached(&format!("SELECT {columns} FROM blocks WHERE id = ?1"))?;
        let mut summaries = reader.prepare_cached(CANDIDATES)?;
        let models = self.model.map_or(0, model_bits);
        let (targets, moved) = (self.target.map_or(0, model_bits), traits::bits(traits::MOVED));
        let wanted = [self.from, self.below, classes, outcomes, models, traits::bits(self.traits()), targets, moved];
        let mut blocks = summaries.query(wanted)?;
        while let Some(block) = blocks.next()? {
            if !self.is_wanted(block.get(1)?) {
                break;
            }
            if self.may_hold_trace(block) {
                self.search_block(&mut read, block.get(0)?)?;
            }
        }
        Ok(self.kept.into_sorted_vec().into_iter().map(|Reverse(found)| found).collect())
    }

    /// What a wanted row has for certain.
    fn traits(&self) -> u8 {
        let by_rule = if self.filter.rule.is_some() { traits::BY_RULE } else { 0 };
        let rescued = if self.filter.rescued == Some(true) { traits::RESCUED } else { 0 };
        by_rule | rescued
    }

    fn is_wanted(&self, key: i64) -> bool {
        self.kept.len() < self.limit || self.kept.peek().is_some_and(|Reverse(oldest)| oldest.key < key)
    }

    fn may_hold_trace(&self, block: &SqlRow<'_>) -> bool {
        let holds = |trace_id| {
            let traces = block.get_ref(2).ok().and_then(|traces| traces.as_blob().ok());
            traces.is_some_and(|traces| bloom::may_hold(traces, trace_id))
        };
        self.filter.trace_id.as_ref().is_none_or(holds)
    }

    fn search_block(&mut self, read: &mut CachedStatement<'_>, block: i64) -> rusqlite::Result<()> {
        let mut rows = read.query([block])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let heads = row.get_ref(0)?.as_blob().unwrap_or_default();
        let details = row.get_ref(1)?.as_blob().unwrap_or_default();
        for head in (0..heads.len() / HEAD_BYTES).rev().filter_map(|at| Head::read(heads, at)) {
            if head.key < self.from || !self.is_wanted(head.key) {
                break;
            }
            if self.matches(&head) && self.detail_matches(&head, details) {
                self.kept.push(Reverse(Found { key: head.key, block, head }));
                if self.kept.len() > self.limit {
                    self.kept.pop();
                }
            }
        }
        Ok(())
    }

    fn matches(&self, head: &Head) -> bool {
        let filter = self.filter;
        head.key < self.below
            && filter.id.is_none_or(|id| id == head.id)
            && filter.trace_id.is_none_or(|trace_id| trace_id == head.trace_id)
            && self.model.is_none_or(|model| model == head.model)
            && self.outcome.is_none_or(|outcome| outcome == head.outcome)
            && head.traits & self.traits() == self.traits()
            && filter.rescued.is_none_or(|rescued| rescued == (head.traits & traits::RESCUED != 0))
            && self.target.is_none_or(|target| target == head.model || head.traits & traits::MOVED != 0)
            && filter.status.as_ref().is_none_or(|status| match status {
                Status::Exact(status) => *status == head.status,
                Status::Class(class) => *class == head.status / 100,
            })
    }

    /// For what heads do not tell for certain.
    fn detail_matches(&self, head: &Head, details: &[u8]) -> bool {
        let detail = head.detail(details);
        self.filter.rule.as_deref().is_none_or(|rule| codec::is_by_rule(detail, rule))
            && self.filter.target.as_deref().is_none_or(|target| codec::tried(detail, target))
    }
}

/// The rows that were found, in their order. Each block is read once.
fn read(reader: &Connection, mut found: Vec<Found>) -> rusqlite::Result<Vec<Row>> {
    found.sort_unstable_by_key(|row| row.block);
    let mut statement = reader.prepare_cached("SELECT details FROM blocks WHERE id = ?1")?;
    let mut rows = Vec::with_capacity(found.len());
    for of_block in found.chunk_by(|a, b| a.block == b.block) {
        let Some(block) = of_block.first().map(|row| row.block) else { continue };
        let decode = |row: &SqlRow<'_>| {
            let details = row.get_ref(0)?.as_blob().unwrap_or_default();
            rows.extend(of_block.iter().map(|found| (found.key, decode(&found.head, details))));
            Ok(())
        };
        statement.query_row([block], decode).optional()?;
    }
    rows.sort_unstable_by_key(|&(key, _)| Reverse(key));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn decode(head: &Head, details: &[u8]) -> Row {
    let mut row = codec::decode(head.detail(details));
    row.id = head.id.to_string();
    row.trace_id = super::hex(&head.trace_id);
    row.status = head.status.into();
    outcome_name(head.outcome).clone_into(&mut row.outcome);
    row
}
