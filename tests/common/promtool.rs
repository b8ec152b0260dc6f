//! Prometheus' own checker, where it is on the PATH. On CI (`CI=true`) its absence is a failure.

use std::io::Write;
use std::process::{Command, Stdio};

use super::python::both;

/// The exit code of a checker, and what it says.
pub struct Said {
    pub code: Option<i32>,
    pub said: String,
}

pub fn promtool(args: &[&str]) -> Command {
    let mut promtool = Command::new("promtool");
    promtool.args(args);
    promtool
}

/// Runs a checker with this on its standard input. `None`, and said, where there is none.
pub fn run(mut command: Command, input: &str) -> Option<Said> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!required, "CI needs {command:?}");
            eprintln!("skipped: {command:?} is not on the PATH");
            return None;
        }
        Err(error) => panic!("{command:?}: {error}"),
    };
    // One that has said what it has to say may not read it all.
    let _ = child.stdin.take().expect("stdin").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the checker ends");
    Some(Said { code: output.status.code(), said: both(&output) })
}
