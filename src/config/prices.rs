//! `prices:` of the process document: the table of list prices that outranks the one in the binary, and whether it is
//! renewed while serving.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::read::{Fields, Reader};
use super::url::{self, Url};
use crate::meter::pricing::{TABLE_BYTES_MAX, Table};

/// Without a table: the one in the binary.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PriceSettings {
    pub table: Option<PathBuf>,
    /// Only with a table: it is what is renewed.
    pub refresh: Option<PriceRefresh>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceRefresh {
    pub from: ListOrigin,
    pub every: Duration,
}

/// Where a public price list is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListOrigin {
    Url(String),
    File(PathBuf),
}

impl ListOrigin {
    /// A path starts at `folder`. `None`: it begins like a URL and is none.
    pub fn parse(text: &str, folder: &Path) -> Option<Self> {
        match text.contains("://") {
            true => Url::parse(text).map(|_| ListOrigin::Url(text.to_owned())),
            false => Some(ListOrigin::File(folder.join(text))),
        }
    }
}

impl std::fmt::Display for ListOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ListOrigin::Url(url) => f.write_str(url),
            ListOrigin::File(path) => path.display().fmt(f),
        }
    }
}

/// The table is in the reader afterwards, for the accounts.
pub(super) fn read(reader: &mut Reader<'_>, process: Fields<'_>) -> PriceSettings {
    let mut settings = PriceSettings::default();
    let Some(fields) = reader.map(process, "prices", &["table", "refresh"]) else { return settings };
    settings.table = reader.path(fields, "table");
    if let Some(refresh) = reader.map(fields, "refresh", &["from", "every_hours"]) {
        reader.need(refresh, "refresh", &["from", "every_hours"]);
        if fields.get("table").is_none() {
            reader.fault(fields.line_of("refresh"), "`refresh` needs a `table` beside it: the file that is renewed");
        }
        let folder = reader.resolve("");
        let from = reader
            .parsed(refresh, "from", &format!("a file or {}", url::EXPECTED), |text| ListOrigin::parse(text, &folder));
        let hours = reader.number(refresh, "every_hours", 1..=24 * 365);
        let every = hours.map(|hours| Duration::from_secs(hours * 3600));
        settings.refresh = from.zip(every).map(|(from, every)| PriceRefresh { from, every });
    }
    if let Some(table) = settings.table.clone() {
        reader.depends_on(&table);
        match read_price_table(&table) {
            Ok(table) => reader.prices = Arc::new(table),
            // The first renewal makes it.
            Err(_) if settings.refresh.is_some() && !table.exists() => {}
            Err(fault) => reader.fault(fields.line_of("table"), format!("`table`: {fault}")),
        }
    }
    settings
}

/// A table's file, checked row by row.
pub fn read_price_table(path: &Path) -> Result<Table, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let read = file.take(TABLE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    if text.len() as u64 > TABLE_BYTES_MAX {
        return Err(format!("{}: larger than any price table", path.display()));
    }
    Table::read(text).map_err(|(line, fault)| format!("{}:{line}: {fault}", path.display()))
}
