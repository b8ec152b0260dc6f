//! The walls of the house as a test: who may import whom, what a floor may not contain, how large a file may be.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A source file, its path relative to the crate's root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(&format!("src/{folder}/")))
    }

    fn is_test(&self) -> bool {
        let name = Path::new(&self.path).file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        self.path.contains("/tests/")
            || self.path.starts_with("tests/")
            || self.path.starts_with("bench/")
            || name.ends_with("tests")
            || ["attacks", "properties", "testing"].contains(&name)
    }

    /// Lines of code with their numbers: comments taken away, and everything from the first test module on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        lines.enumerate().map(|(at, line)| (at + 1, code_of(line))).filter(|(_, line)| !line.is_empty())
    }
}

/// Without a comment. A `//` inside a string is taken for one, except in a URL.
fn code_of(line: &str) -> &str {
    let mut from = 0;
    while let Some(at) = line[from..].find("//").map(|at| from + at) {
        if !line[..at].ends_with(':') {
            return line[..at].trim();
        }
        from = at + 2;
    }
    line.trim()
}

fn sources(folders: &[&str]) -> Vec<Source> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<Source>) {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(dir).expect("a folder").flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("UTF-8");
                let path = path.strip_prefix(root).expect("within").to_string_lossy().into_owned();
                found.push(Source { path, text });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        walk(root, &root.join(folder), &mut found);
    }
    assert!(!found.is_empty());
    found
}

/// Names that stand as a word of their own: `tokio` in `tokio::spawn`, not in `tokio_like`.
fn names(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_word) && (!word.ends_with(is_word) || !line[at + word.len()..].starts_with(is_word))
    })
}

/// Every line of the chosen files that has one of these, as `file:line`.
fn offences(chosen: impl Fn(&Source) -> bool, words: &[&str]) -> String {
    let mut found = String::new();
    for source in sources(&["src"]).iter().filter(|source| chosen(source)) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| names(line, word)) {
                let _ = writeln!(found, "{}:{number}: {word}: {line}", source.path);
            }
        }
    }
    found
}

fn none(what: &str, found: String) {
    assert!(found.is_empty(), "{what}:\n{found}");
}

const PURE: [&str; 8] = ["http1", "sse", "json", "dialect", "meter", "policy", "provider", "mesh"];

/// Scenario: the imports of every file.
/// Guarantees: each library is named on its own floor only.
#[test]
fn libraries_stay_on_their_floors() {
    none("monoio is src/runtime's alone", offences(|file| !file.is_in(&["runtime"]), &["monoio"]));
    none(
        "the control core's libraries are its own",
        offences(
            |file| !file.is_in(&["control", "mcp", "commands"]) && file.path != "src/main.rs",
            &["tokio", "axum", "hyper", "hyper_util", "rusqlite", "notify"],
        ),
    );
    none("axum and rusqlite are control's alone", offences(|file| !file.is_in(&["control"]), &["axum", "rusqlite"]));
    none(
        "rustls is src/tls's and the snapshot's",
        offences(
            |file| file.is_in(&["http1", "sse", "json", "dialect", "meter", "policy", "provider", "mesh", "telemetry"]),
            &["rustls"],
        ),
    );
}

/// Scenario: what the dialects name of each other.
/// Guarantees: they meet in the common request and pieces only, so that a new one touches none of the others.
#[test]
fn dialects_do_not_know_each_other() {
    const DIALECTS: [&str; 6] = ["anthropic", "bedrock", "cohere", "gemini", "openai_chat", "openai_responses"];
    for dialect in DIALECTS {
        let others: Vec<String> =
            DIALECTS.iter().filter(|other| **other != dialect).map(|other| format!("dialect::{other}")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let folder = format!("dialect/{dialect}");
        none("a dialect names another", offences(|file| file.is_in(&[&folder]) && !file.is_test(), &others));
    }
}

/// Scenario: what modules name of each other.
/// Guarantees: shard and control meet in mesh only; the pure floors know no I/O, no runtime and no one above them.
#[test]
fn floors_know_only_what_is_below() {
    none("shard imports control", offences(|file| file.is_in(&["shard"]), &["crate::control"]));
    none("control imports shard", offences(|file| file.is_in(&["control"]), &["crate::shard"]));
    let io = ["std::net", "std::fs", "std::process", "std::thread", "std::env", "crate::runtime"];
    let above = ["crate::shard", "crate::control", "crate::commands", "crate::tls"];
    // Socket addresses are values, and mesh carries descriptors.
    let pure = |file: &Source| !file.is_test() && file.is_in(&PURE[..7]);
    let found = offences(pure, &[&io[..], &above[..]].concat());
    let found: String = found
        .lines()
        .filter(|line| !line.contains("std::net::SocketAddr") && !line.contains("std::net::Ipv"))
        .fold(String::new(), |all, line| all + line + "\n");
    // The tokenizers are loaded on a thread of their own: meter/tokenizer.rs says why.
    none(
        "a pure floor reaches out",
        found.lines().filter(|line| !line.starts_with("src/meter/tokenizer.rs")).collect(),
    );
    none("runtime and tls know nothing above", offences(|file| file.is_in(&["runtime", "tls"]), &above[..3]));
    none("telemetry and mesh know nothing above", offences(|file| file.is_in(&["telemetry", "mesh"]), &above));
    none(
        "config knows tls's configurations and nothing else above",
        offences(
            |file| file.is_in(&["config"]),
            &["crate::shard", "crate::control", "crate::runtime", "crate::tls::Stream"],
        ),
    );
}

/// Scenario: the data plane's code.
/// Guarantees: nothing in it waits for another thread.
#[test]
fn the_data_plane_takes_no_lock() {
    let plane = |file: &Source| {
        !file.is_test()
            && file
                .is_in(&["shard", "runtime", "http1", "sse", "json", "policy", "dialect", "meter", "tls", "provider"])
    };
    let words =
        ["Mutex", "RwLock", "Condvar", "mpsc", "thread::sleep", "DashMap", "parking_lot", "println!", "eprintln!"];
    none("the data plane waits", offences(plane, &words));
}

/// Scenario: code that meets the bytes of peers, files and users.
/// Guarantees: no unwrap, no expect, no panic in it.
#[test]
fn what_comes_from_outside_cannot_panic() {
    let outside = |file: &Source| {
        !file.is_test()
            && file.is_in(&[
                "shard", "http1", "sse", "json", "dialect", "config", "runtime", "tls", "policy", "provider", "meter",
            ])
    };
    none("a panic", offences(outside, &[".unwrap()", ".expect(", ".unwrap_err()", "panic!"]));
}

/// Scenario: every source file, tests and members included.
/// Guarantees: each says what it is, is of a readable size, and has nothing unfinished in it.
#[test]
fn files_are_finished() {
    let mut found = String::new();
    for source in sources(&["src", "tests", "bench", "loadtest/src"]) {
        let lines = source.text.lines().count();
        if lines > 500 {
            let _ = writeln!(found, "{}:{lines}: more than 500 lines hold two ideas", source.path);
        }
        if !source.text.starts_with("//!") && !source.is_test() {
            let _ = writeln!(found, "{}:1: says nothing about itself: begin with //!", source.path);
        }
        if source.path == "tests/tidy.rs" {
            continue;
        }
        for (at, line) in source.text.lines().enumerate() {
            for word in ["TODO", "FIXME", "XXX ", "todo!", "unimplemented!", "dbg!"] {
                if names(line, word) {
                    let _ = writeln!(found, "{}:{}: {word}", source.path, at + 1);
                }
            }
            if !line.is_ascii()
                && !source.is_test()
                && !source.text.lines().take(at).any(|line| line.trim() == "#[cfg(test)]")
            {
                let _ = writeln!(found, "{}:{}: not ASCII: {line}", source.path, at + 1);
            }
        }
    }
    none("unfinished", found);
}

/// Scenario: every whole-binary test.
/// Guarantees: it says what happens and what it guarantees, and waits for nothing by sleeping.
#[test]
fn tests_say_what_they_show() {
    let mut found = String::new();
    for source in sources(&["tests"]).iter().filter(|source| source.path != "tests/tidy.rs") {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.trim() == "#[test]" {
                let comment: Vec<&&str> =
                    lines[..at].iter().rev().take_while(|line| line.trim().starts_with("///")).collect();
                for word in ["/// Scenario:", "/// Guarantees:"] {
                    if !comment.iter().any(|line| line.trim().starts_with(word)) {
                        let _ = writeln!(found, "{}:{}: a test without `{word}`", source.path, at + 1);
                    }
                }
            }
            if line.contains("thread::sleep") {
                let _ = writeln!(found, "{}:{}: a test that sleeps", source.path, at + 1);
            }
        }
    }
    none("tests", found);
}
