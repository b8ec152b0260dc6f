//! The two tools without the gateway around them: `cargo run --release -p loadtest --example tool -- mock|load ...`

use clap::Parser;

#[derive(Parser)]
enum Tool {
    /// The simulated provider.
    Mock(loadtest::mock::Args),
    /// The load generator.
    Load(loadtest::load::Args),
}

fn main() -> std::process::ExitCode {
    match Tool::parse() {
        Tool::Mock(args) => match loadtest::mock::run(args) {
            Ok(()) => std::process::ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                std::process::ExitCode::FAILURE
            }
        },
        Tool::Load(args) => std::process::ExitCode::from(loadtest::load::run(args) as u8),
    }
}
