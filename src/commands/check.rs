//! `sluice check`: the configuration as it would be in force, without its secrets, or `file:line: reason` for all that
//! is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;

use sluice::config::{ConfigError, Env, print_effective};
use sluice::control::Source;

pub fn run(paths: Vec<PathBuf>) -> ExitCode {
    match (Source { paths, env: Env::process() }).load() {
        Ok(snapshot) => {
            print!("{}", print_effective(&snapshot));
            ExitCode::SUCCESS
        }
        Err(errors) => faults(&errors),
    }
}

pub fn faults(errors: &[ConfigError]) -> ExitCode {
    errors.iter().for_each(|error| eprintln!("{error}"));
    ExitCode::FAILURE
}
