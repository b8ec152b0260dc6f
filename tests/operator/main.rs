//! What an operator reads is true: the list of metrics, the alert rules and the dashboards speak of nothing but what the
//! running binary shows, and leave none of it out.

#[path = "../common/mod.rs"]
mod common;

mod dashboards;
mod exposed;
mod health;
mod listed;
mod promql;
mod rules;

use std::path::{Path, PathBuf};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
