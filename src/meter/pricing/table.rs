//! A price table: its text, and where in it each model's rows are. Rows are read when a model is asked for, so that a
//! table of thousands costs little to load and to keep.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::listed::Listed;
use super::names;
use crate::json::{Span, Walk};

#[derive(Debug, Default)]
pub struct Table {
    text: Cow<'static, str>,
    /// By id, aliases too; rows of one id in the order of the file.
    index: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// What follows the `/` of an alias's id is in the alias.
    provider: Span,
    model: Span,
    row: Span,
}

/// Where a table is wrong: the line, and what is.
pub type TableFault = (usize, String);

const SCHEMA: &[u8] = b"sluice-prices/1";
pub const TABLE_BYTES_MAX: u64 = 16 << 20;

impl Table {
    /// The one in the binary.
    pub fn embedded() -> Arc<Table> {
        static TABLE: OnceLock<Arc<Table>> = OnceLock::new();
        let text = include_str!("../../../config/prices/prices.json");
        // Its rows are sound: a test reads every one.
        TABLE.get_or_init(|| Arc::new(Table::index(text.into()).unwrap_or_default())).clone()
    }

    /// One from outside: every row is checked.
    pub fn read(text: String) -> Result<Table, TableFault> {
        let table = Table::index(text.into())?;
        for listed in table.spans() {
            Listed::read(table.at(listed)).map_err(|fault| (table.line_of(listed.start as usize), fault))?;
        }
        Ok(table)
    }

    /// The text of a table with these rows.
    pub fn write(rows: &[Listed]) -> String {
        let mut lines: Vec<String> = rows.iter().map(Listed::line).collect();
        lines.sort();
        format!("{{\"schema\":\"sluice-prices/1\",\"rows\":[\n{}\n]}}\n", lines.join(",\n"))
    }

    fn index(text: Cow<'static, str>) -> Result<Table, TableFault> {
        let mut table = Table { text, index: Vec::new() };
        let mut walk = Walk::new(table.text.as_bytes());
        let (mut schema, mut rows, mut index) = (false, false, Vec::new());
        if walk.object() {
            while let Some(key) = walk.key() {
                match key {
                    b"schema" => schema = walk.string() == Some(SCHEMA),
                    b"rows" if walk.array() => {
                        rows = true;
                        while walk.item() {
                            entries(&table.text, walk.raw(), &mut index);
                        }
                    }
                    _ => walk.skip(),
                }
            }
        }
        let (at, whole) = (walk.offset(), walk.at_end());
        if !whole {
            return Err((table.line_of(at), "not JSON from here on".to_owned()));
        }
        if !schema || !rows {
            return Err((1, "expected {\"schema\":\"sluice-prices/1\",\"rows\":[...]}".to_owned()));
        }
        index.sort_by(|a, b| table.key(a).cmp(&table.key(b)).then(a.row.start.cmp(&b.row.start)));
        table.index = index;
        Ok(table)
    }

    fn at(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn key(&self, entry: &Entry) -> (&str, &str) {
        (self.at(entry.provider), self.at(entry.model))
    }

    fn line_of(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn spans(&self) -> Vec<Span> {
        let mut rows: Vec<Span> = self.index.iter().map(|entry| entry.row).collect();
        rows.sort_by_key(|row| row.start);
        rows.dedup();
        rows
    }

    /// Every row, in the order of the file.
    pub fn rows(&self) -> Vec<Listed> {
        self.spans().into_iter().filter_map(|row| Listed::read(self.at(row)).ok()).collect()
    }

    /// The rows of a model, as they follow each other in time: for this region, else for any. The model is looked up
    /// as it is written, then by the names it may stand for (names.rs).
    pub fn find(&self, provider: &str, model: &str, region: Option<&str>) -> Vec<Listed> {
        for candidate in names::candidates(provider, model) {
            let rows = self.exactly(provider, candidate);
            let of = |wanted: Option<&str>| -> Vec<Listed> {
                rows.iter().filter(|row| row.region.as_deref() == wanted).cloned().collect()
            };
            let regional = if region.is_some() { of(region) } else { Vec::new() };
            let found = if regional.is_empty() { of(None) } else { regional };
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// The same, for every region.
    pub fn find_everywhere(&self, provider: &str, model: &str) -> Vec<Listed> {
        let all = names::candidates(provider, model).into_iter().map(|name| self.exactly(provider, name));
        all.into_iter().find(|rows| !rows.is_empty()).unwrap_or_default()
    }

    /// The account kinds that have prices.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = self.index.iter().map(|entry| self.at(entry.provider)).collect();
        kinds.dedup();
        kinds
    }

    fn exactly(&self, provider: &str, model: &str) -> Vec<Listed> {
        let wanted = (provider, model);
        let start = self.index.partition_point(|entry| self.key(entry) < wanted);
        let found = self.index.get(start..).unwrap_or_default().iter().take_while(|entry| self.key(entry) == wanted);
        let mut rows: Vec<Listed> = found.filter_map(|entry| Listed::read(self.at(entry.row)).ok()).collect();
        // A name is its own model's before it is another's alias.
        let own = |row: &Listed| row.id.split_once('/') == Some(wanted);
        let id = rows.iter().find(|row| own(row)).or(rows.first()).map(|row| row.id.clone());
        rows.retain(|row| Some(&row.id) == id.as_ref());
        rows
    }
}

/// What of a row is in the index.
fn entries(text: &str, row: &[u8], index: &mut Vec<Entry>) {
    let span = |part: &[u8]| {
        let at = part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
        Span { start: at as u32, end: (at + part.len()) as u32 }
    };
    let mut walk = Walk::new(row);
    let (mut provider, mut models) = (None, Vec::new());
    if walk.object() {
        while let Some(key) = walk.key() {
            match key {
                b"id" => {
                    let id = walk.string().unwrap_or_default();
                    let slash = memchr::memchr(b'/', id).unwrap_or(id.len());
                    provider = Some(span(id.get(..slash).unwrap_or_default()));
                    models.push(span(id.get(slash + 1..).unwrap_or_default()));
                }
                b"also" if walk.array() => {
                    while walk.item() {
                        models.extend(walk.string().map(span));
                    }
                }
                _ => walk.skip(),
            }
        }
    }
    let provider = provider.unwrap_or_default();
    // A row without an id is kept: reading it says what it lacks.
    if models.is_empty() {
        models.push(Span::default());
    }
    index.extend(models.into_iter().map(|model| Entry { provider, model, row: span(row) }));
}
