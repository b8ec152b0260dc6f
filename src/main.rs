//! The commands. `serve` is what runs without one.

mod commands;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: sluice::runtime::Mimalloc = sluice::runtime::Mimalloc;

fn main() -> ExitCode {
    commands::Cli::parse().run()
}
