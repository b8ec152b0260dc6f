//! The command line: one file per command that is more than a call.

mod check;
mod cores;
mod listen;
mod prices;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// An AI gateway that meters every token that passes.
#[derive(Parser)]
#[command(name = "sluice", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ConfigArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default)
    Serve(ConfigArgs),
    /// Print the effective configuration, or everything that is wrong with it
    Check(ConfigArgs),
    /// Show the table of list prices, or renew it from a public list
    #[command(subcommand)]
    Prices(prices::Prices),
    /// Put load on a server and measure it
    Load(loadtest::load::Args),
    /// Run the simulated provider as a server
    Mock(loadtest::mock::Args),
}

#[derive(Args)]
pub struct ConfigArgs {
    /// A YAML file, or a folder of them; may be repeated. Without any: the gateway on 127.0.0.1:8080, the admin on
    /// 127.0.0.1:8081, an account for each provider whose key is in the environment, and the account `mock`
    #[arg(long, value_name = "PATH")]
    config: Vec<PathBuf>,
}

impl Cli {
    pub fn run(self) -> ExitCode {
        match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(args) => serve::run(args.config),
            Command::Check(args) => check::run(args.config),
            Command::Prices(command) => prices::run(command),
            Command::Load(args) => ExitCode::from(loadtest::load::run(args).clamp(0, 255) as u8),
            Command::Mock(args) => exit("mock", loadtest::mock::run(args)),
        }
    }
}

fn exit(command: &str, result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sluice {command}: {error}");
            ExitCode::FAILURE
        }
    }
}
