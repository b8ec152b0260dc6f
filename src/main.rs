//! The commands. `serve` is what runs without one.

mod commands;

use std::process::ExitCode;

use clap::Parser;

/// Every core has its own heap, and records cross from one to another: mimalloc is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::Cli::parse().run()
}
