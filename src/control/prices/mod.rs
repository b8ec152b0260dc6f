//! Renewing the price table from a public list: on a schedule while serving, and for `sluice prices update`. Writes the
//! table's file; that it changed is seen by the watch on it, as with any file of the configuration (reload.rs). A list
//! that cannot be fetched or read changes nothing.

mod fetch;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::Event;
use super::core::{Core, Phase};
use crate::config::{ListOrigin, PriceSettings, read_price_table};
use crate::meter::pricing::{Change, Date, Listed, TABLE_BYTES_MAX, Table, import, merge};

/// After a renewal that failed, unless the schedule is quicker.
const RETRY: Duration = Duration::from_secs(15 * 60);

/// What a renewal did.
pub struct Renewed {
    /// Whose list it was.
    pub source: String,
    pub rows: usize,
    pub changes: Vec<Change>,
}

/// Fetches `from` and lays it over `table`, which is written; without one, over the table in the binary, and nothing
/// is written.
pub async fn renew(from: &ListOrigin, table: Option<&Path>) -> Result<Renewed, String> {
    let list = fetch::fetch(from).await?;
    let table = table.map(Path::to_owned);
    let work = tokio::task::spawn_blocking(move || lay_over(&list, table.as_deref()));
    work.await.map_err(|panic| panic.to_string())?
}

/// The same for a command, which has no runtime.
pub fn renew_now(from: &ListOrigin, table: Option<&Path>) -> Result<Renewed, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(renew(from, table))
}

fn lay_over(list: &str, path: Option<&Path>) -> Result<Renewed, String> {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let list = import(list, Date::of_unix(seconds))?;
    let source = list.source.clone();
    let (rows, changes) = merge(rows_of(path)?, list);
    if let Some(path) = path {
        // Without a change of prices the file keeps its content, and no reload follows; only its age is new.
        match changes.is_empty() && path.exists() {
            true => File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now())),
            false => replace(path, Table::write(&rows).as_bytes()),
        }
        .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(Renewed { source, rows: rows.len(), changes })
}

fn rows_of(path: Option<&Path>) -> Result<Vec<Listed>, String> {
    let Some(path) = path.filter(|path| path.exists()) else { return Ok(Table::embedded().rows()) };
    read_price_table(path).map(|table| table.rows())
}

/// Whole or not at all: a reload must not meet half a table.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

/// When the table is to be renewed next.
#[derive(Default)]
pub struct Schedule {
    settings: PriceSettings,
    at: Option<Instant>,
    running: bool,
}

impl Schedule {
    /// By the age of the table's file, so that a restart does not fetch anew.
    pub fn plan(&mut self, settings: &PriceSettings, now: Instant) {
        self.settings = settings.clone();
        let age = |path: &PathBuf| std::fs::metadata(path).ok()?.modified().ok()?.elapsed().ok();
        self.at = match (&settings.table, &settings.refresh) {
            (Some(table), Some(refresh)) => {
                Some(now + age(table).map_or(Duration::ZERO, |age| refresh.every.saturating_sub(age)))
            }
            _ => None,
        };
    }
}

impl Core {
    /// Fetches beside the loop; what comes of it is [`Event::PricesRenewed`].
    pub fn renew_prices_when_due(&mut self, now: Instant) {
        if self.phase != Phase::Serving || self.prices.running || self.prices.at.is_none_or(|at| now < at) {
            return;
        }
        let PriceSettings { table: Some(table), refresh: Some(refresh) } = self.prices.settings.clone() else { return };
        self.prices.running = true;
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let renewed = renew(&refresh.from, Some(&table)).await;
            sender.send(Event::PricesRenewed(renewed)).await
        });
    }

    pub fn on_prices_renewed(&mut self, renewed: Result<Renewed, String>) {
        let now = Instant::now();
        self.prices.running = false;
        let settings = self.snapshot.process.prices.clone();
        self.prices.plan(&settings, now);
        match renewed {
            Ok(Renewed { source, rows, changes }) => {
                self.counters.price_refreshes += 1;
                tracing::info!(source, rows, changes = changes.len(), "the price table is renewed");
                changes.iter().for_each(|change| tracing::debug!(%change, "price"));
                if self.watch.is_none() && !changes.is_empty() {
                    self.load();
                }
            }
            Err(error) => {
                self.counters.price_refresh_failures += 1;
                tracing::error!(error, "the price table stays as it was");
                let every = settings.refresh.map_or(RETRY, |refresh| refresh.every);
                self.prices.at = self.prices.at.map(|_| now + RETRY.min(every));
            }
        }
    }
}

/// No list is larger.
const LIST_BYTES_MAX: u64 = TABLE_BYTES_MAX;
