//! The Python environment of scripts/venv.sh: real SDKs, a real collector, a strict reader of OpenMetrics.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::Gateway;

/// Its folder. `None`, said once, where it cannot be made; on CI (`CI=true`) that is a failure.
pub fn venv() -> Option<&'static Path> {
    static VENV: OnceLock<Option<PathBuf>> = OnceLock::new();
    let venv = VENV.get_or_init(|| match make() {
        Ok(dir) => Some(dir),
        Err(why) => {
            eprintln!("skipped: no Python environment for the real clients ({why})");
            None
        }
    });
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(venv.is_some() || !required, "CI needs the Python environment of scripts/venv.sh");
    venv.as_deref()
}

fn make() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("bash");
    command.arg(root.join("scripts/venv.sh"));
    if std::env::var_os("SLUICE_VENV").is_none() {
        // The binary is in TARGET/PROFILE.
        let target = Path::new(env!("CARGO_BIN_EXE_sluice")).ancestors().nth(2).ok_or("no target folder")?;
        command.env("SLUICE_VENV", target.join("python"));
    }
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout).into()) } else { Err(text(&output.stderr)) }
}

/// Python with this environment, nothing else from outside, and no files of its own left behind.
pub fn python(venv: &Path) -> Command {
    let mut command = Command::new(venv.join("bin/python"));
    command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1").current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs the tests of tests/sdk whose file name matches, against this gateway.
pub fn run_sdk_tests(venv: &Path, gateway: &Gateway, pattern: &str) {
    let mut command = python(venv);
    command.args(["-m", "unittest", "discover", "--start-directory", "tests/sdk", "--pattern", pattern]);
    command.env("GATEWAY", format!("http://{}", gateway.address)).env("ADMIN", format!("http://{}", gateway.admin));
    let output = command.output().expect("python runs");
    assert!(output.status.success(), "{}\nthe gateway's log:\n{}", both(&output), gateway.log());
    assert!(!both(&output).contains("Ran 0 tests"), "no test file matches {pattern}");
}

pub fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
