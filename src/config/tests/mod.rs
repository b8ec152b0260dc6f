//! What is accepted, what is refused and how it is said.

mod accepted;
mod cost;
mod files;
mod providers;
mod refused;
mod routing;
mod routing_faults;
mod routing_names;
mod routing_params;
mod routing_scenarios;
mod telemetry;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// Loads one document file that is only in memory.
fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Snapshot, Vec<ConfigError>> {
    let source = Source { label: "test.yaml".to_owned(), folder: PathBuf::from("/nowhere"), text: text.to_owned() };
    build(&[source], Vec::new(), Vec::new(), &Env::of(variables))
}

fn accepted(text: &str, variables: &[(&str, &str)]) -> Snapshot {
    load_text(text, variables).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// The faults as a user reads them.
fn refused(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match load_text(text, variables) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ConfigError::to_string).collect(),
    }
}

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("sluice-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
