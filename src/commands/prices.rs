//! `sluice prices`: the table of list prices, shown and renewed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use sluice::config::{ListOrigin, read_price_table};
use sluice::control::prices::{self, Renewed};
use sluice::meter::pricing::{Listed, Table};

#[derive(Subcommand)]
pub enum Prices {
    /// Lay LiteLLM's or genai-prices' list over the table, and print what changed
    Update {
        /// A file or a URL
        #[arg(long, value_name = "FILE|URL")]
        from: String,
        /// The table to write. Without it nothing is written: what would change in the one in the binary is printed
        #[arg(long, value_name = "PATH")]
        table: Option<PathBuf>,
    },
    /// Print the rows that a model's cost is computed with
    Show {
        /// `openai/gpt-4o`, or the model alone
        model: String,
        /// Another table than the one in the binary
        #[arg(long, value_name = "PATH")]
        table: Option<PathBuf>,
    },
}

pub fn run(command: Prices) -> ExitCode {
    let done = match command {
        Prices::Update { from, table } => update(&from, table.as_deref()),
        Prices::Show { model, table } => show(&model, table.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sluice prices: {error}");
            ExitCode::FAILURE
        }
    }
}

fn update(from: &str, table: Option<&Path>) -> Result<(), String> {
    let from = ListOrigin::parse(from, Path::new("")).ok_or("expected a file, or a URL of http:// or https://")?;
    let Renewed { source, rows, changes } = prices::renew_now(&from, table)?;
    changes.iter().for_each(|change| println!("{change}"));
    let what = format!("{} changes by the list of {source}, {rows} rows", changes.len());
    match table {
        Some(table) => println!("{what}: {}", table.display()),
        None => println!("{what}; nothing is written without --table"),
    }
    Ok(())
}

fn show(model: &str, table: Option<&Path>) -> Result<(), String> {
    let table = match table {
        Some(path) => Arc::new(read_price_table(path)?),
        None => Table::embedded(),
    };
    let found = rows(&table, model);
    if found.is_empty() {
        return Err(format!("no price of `{model}` is known"));
    }
    found.iter().for_each(|row| println!("{}", row.line()));
    Ok(())
}

/// Of one account kind when it is named, else of all.
fn rows(table: &Table, model: &str) -> Vec<Listed> {
    if let Some((kind, model)) = model.split_once('/') {
        let found = table.find_everywhere(kind, model);
        if !found.is_empty() {
            return found;
        }
    }
    table.kinds().into_iter().flat_map(|kind| table.find_everywhere(kind, model)).collect()
}
