//! Reading rows back, newest first.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, ErrorCode};
use serde::Serialize;

use super::codec;
use super::database::{TRACE_BITS, id_of, key_of, model_key, trace_key};
use super::row::Row;
use crate::telemetry::{Outcome, RequestId};

pub const LIMIT_MAX: usize = 1000;

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
        let mut rows = match self.trace_id {
            Some(trace_id) => self.of_trace(reader, trace_id, limit)?,
            None => self.select(reader, limit, None)?,
        };
        rows.sort_unstable_by_key(|&(key, _)| std::cmp::Reverse(key));
        rows.truncate(limit);
        let full = rows.len() == limit;
        let next = rows.last().filter(|_| full).map(|(key, _)| key.to_string());
        // Two names may share a hash.
        rows.retain(|(_, row)| self.model.as_ref().is_none_or(|model| row.model == *model));
        Ok(Page { requests: rows.into_iter().map(|(_, row)| row).collect(), next })
    }

    /// The trace index is sorted within slices: asks each of them.
    fn of_trace(&self, reader: &Connection, trace_id: [u8; 16], limit: usize) -> rusqlite::Result<Vec<(i64, Row)>> {
        let whole = super::hex(&trace_id);
        let mut rows = Vec::new();
        let mut newest: Option<i64> = reader.query_row("SELECT max(trace) FROM requests", [], |row| row.get(0))?;
        while let Some(trace) = newest {
            let slice = trace >> TRACE_BITS;
            rows.append(&mut self.select(reader, limit, Some(trace_key(slice, trace_id)))?);
            let below = "SELECT max(trace) FROM requests WHERE trace < ?1";
            newest = reader.prepare_cached(below)?.query_row([slice << TRACE_BITS], |row| row.get(0))?;
        }
        rows.retain(|(_, row)| row.trace_id == whole);
        Ok(rows)
    }

    fn select(&self, reader: &Connection, limit: usize, trace: Option<i64>) -> rusqlite::Result<Vec<(i64, Row)>> {
        let terms = self.terms(trace);
        let sql = format!("SELECT key, id, detail FROM requests WHERE {terms} ORDER BY key DESC LIMIT {limit}");
        let mut statement = reader.prepare(&sql)?;
        let rows = statement.query_map([], |row| {
            let (Id(id), detail) = (row.get(1)?, row.get_ref(2)?);
            Ok((row.get(0)?, codec::decode(id.to_string(), detail.as_blob().unwrap_or_default())))
        })?;
        rows.collect()
    }

    /// Numbers and known words only, nothing a client wrote. They stand in the text instead of being bound, because a
    /// partial index is only used when the text implies its condition.
    fn terms(&self, trace: Option<i64>) -> String {
        let mut terms = vec!["1".to_owned()];
        if let Some(trace) = trace {
            terms.push(format!("trace = {trace}"));
        }
        if let Some(id) = self.id {
            let (from, to) = (key_of(id.unix_ms()), key_of(id.unix_ms().saturating_add(1)));
            terms.push(format!("key >= {from} AND key < {to} AND id = x'{:032x}'", id.0));
        }
        if let Some(from) = self.from_unix_ms {
            terms.push(format!("key >= {}", key_of(from)));
        }
        if let Some(to) = self.to_unix_ms {
            terms.push(format!("key < {}", key_of(to.saturating_add(1))));
        }
        if let Some(before) = self.before {
            terms.push(format!("key < {before}"));
        }
        if let Some(model) = &self.model {
            terms.push(format!("model = {}", model_key(model)));
        }
        match &self.status {
            Some(Status::Exact(status)) if *status >= 300 => {
                terms.push(format!("status / 100 = {} AND status >= 300 AND status = {status}", status / 100));
            }
            Some(Status::Exact(status)) => terms.push(format!("status = {status}")),
            Some(Status::Class(class)) if *class >= 3 => {
                terms.push(format!("status / 100 = {class} AND status >= 300"));
            }
            Some(Status::Class(class)) => terms.push(format!("status / 100 = {class}")),
            None => {}
        }
        match self.outcome {
            Some(Outcome::Served) => terms.push("outcome = 'served'".to_owned()),
            Some(other) => terms.push(format!("outcome = '{}' AND outcome <> 'served'", other.as_str())),
            None => {}
        }
        terms.join(" AND ")
    }
}

struct Id(RequestId);

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_blob()?.try_into().map(|bytes| Id(id_of(bytes))).map_err(|_| FromSqlError::InvalidType)
    }
}
