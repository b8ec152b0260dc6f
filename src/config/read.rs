//! Typed reading of a tree. Every fault is collected and reading goes on, so that one run shows all of them; a value
//! that could not be read comes back as `None` after its fault is noted. Values are never quoted in a message: a
//! secret may stand in the wrong place. Keys, types and names are.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::env::Env;
use super::error::{ConfigError, did_you_mean, one_of};
use super::tree::{Entry, Node, Value};
use super::url::{self, Url};
use crate::meter::pricing::Table;

pub(super) struct Reader<'e> {
    pub env: &'e Env,
    /// Index of the source and the fault; the index of the environment is past all sources.
    pub errors: Vec<(usize, ConfigError)>,
    /// Every file the configuration depends on besides the YAML itself.
    pub files: Vec<PathBuf>,
    /// The table of list prices: the one in the binary, or that of the process document.
    pub prices: Arc<Table>,
    source: usize,
    file: String,
    folder: PathBuf,
}

/// A mapping whose keys have been checked.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    pub line: usize,
}

impl<'n> Fields<'n> {
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Line of the key, or of the mapping when it is not there.
    pub fn line_of(&self, key: &str) -> usize {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.line, |entry| entry.line)
    }

    pub fn entries(&self) -> &'n [Entry] {
        self.entries
    }
}

impl<'e> Reader<'e> {
    pub fn new(env: &'e Env) -> Self {
        let (errors, files, prices) = (Vec::new(), Vec::new(), Table::embedded());
        Self { env, errors, files, prices, source: 0, file: String::new(), folder: PathBuf::new() }
    }

    /// What follows is read from this source. `folder` is where its relative paths start.
    pub fn enter(&mut self, source: usize, file: &str, folder: &Path) {
        self.source = source;
        self.file = file.to_owned();
        self.folder = folder.to_owned();
    }

    pub fn fault(&mut self, line: usize, message: impl Into<String>) {
        let error = ConfigError { file: self.file.clone(), line, message: message.into() };
        self.errors.push((self.source, error));
    }

    /// Once, though a general variable is read for each signal.
    pub fn variable_fault(&mut self, name: &str, message: &str) {
        let error = ConfigError { file: "environment".to_owned(), line: 0, message: format!("{name}: {message}") };
        if !self.errors.iter().any(|(_, known)| *known == error) {
            self.errors.push((usize::MAX, error));
        }
    }

    fn expected(&mut self, node: &Node, key: &str, what: &str) {
        self.fault(node.line, format!("`{key}`: expected {what}, found {}", node.kind()));
    }

    /// A mapping with no other keys than `allowed`. `what` names it in messages.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, allowed: &[&str]) -> Option<Fields<'n>> {
        self.fields_but(node, what, allowed, &[])
    }

    /// The same, where some keys are known but have no place in this mapping: `misplaced` says of each why.
    pub fn fields_but<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        allowed: &[&str],
        misplaced: &[(&str, &str)],
    ) -> Option<Fields<'n>> {
        let fields = self.open_fields(node, what)?;
        for entry in fields.entries {
            if let Some((key, why)) = misplaced.iter().find(|(key, _)| *key == entry.key) {
                self.fault(entry.line, format!("`{key}` has no place in {what}: {why}"));
            } else if !allowed.contains(&entry.key.as_str()) {
                let hint = did_you_mean(&entry.key, allowed.iter().copied());
                let (key, list) = (shown(&entry.key), one_of(allowed.iter().copied()));
                self.fault(entry.line, format!("unknown key `{key}` in {what}; expected {list}{hint}"));
            }
        }
        Some(fields)
    }

    /// A mapping with any keys.
    pub fn open_fields<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.expected(node, what, "a mapping");
            return None;
        };
        Some(Fields { entries, line: node.line })
    }

    /// The mapping under `key`, or `None` when absent or wrong.
    pub fn map<'n>(&mut self, fields: Fields<'n>, key: &str, allowed: &[&str]) -> Option<Fields<'n>> {
        self.fields(fields.get(key)?, key, allowed)
    }

    /// Notes which of `keys` are missing.
    pub fn need(&mut self, fields: Fields<'_>, what: &str, keys: &[&str]) {
        for key in keys {
            if fields.get(key).is_none() {
                self.fault(fields.line, format!("{what} lacks its key `{key}`"));
            }
        }
    }

    pub fn scalar<'n>(&mut self, node: &'n Node, key: &str, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Some(text),
            _ => {
                self.expected(node, key, what);
                None
            }
        }
    }

    pub fn text<'n>(&mut self, fields: Fields<'n>, key: &str) -> Option<&'n str> {
        let node = fields.get(key)?;
        let text = self.scalar(node, key, "a string")?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.fault(node.line, format!("`{key}`: expected a string of one line, not empty"));
            return None;
        }
        Some(text)
    }

    pub fn number(&mut self, fields: Fields<'_>, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        self.parsed(fields, key, &what, |text| digits(text).filter(|number| range.contains(number)))
    }

    /// Bytes, plain or with a binary suffix: `65536`, `64KiB`, `32MiB`, `10GiB`.
    pub fn bytes(&mut self, fields: Fields<'_>, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (shown_bytes(*range.start()), shown_bytes(*range.end()));
        let what = format!("a size from {low} to {high}, such as `65536`, `64KiB`, `32MiB` or `10GiB`");
        self.parsed(fields, key, &what, |text| size(text).filter(|bytes| range.contains(bytes)))
    }

    pub fn flag(&mut self, fields: Fields<'_>, key: &str) -> Option<bool> {
        self.choice(fields, key, &[("true", true), ("false", false)])
    }

    pub fn choice<T: Copy>(&mut self, fields: Fields<'_>, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let names = || choices.iter().map(|(name, _)| *name);
        let node = fields.get(key)?;
        let text = self.scalar(node, key, &one_of(names()))?;
        let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if chosen.is_none() {
            // Of a single choice the list says it.
            let hint = did_you_mean(text, names().filter(|_| choices.len() > 1));
            self.fault(node.line, format!("`{key}`: expected {}{hint}", one_of(names())));
        }
        chosen
    }

    /// A single value that `read` understands; `what` says which those are.
    pub fn parsed<T>(
        &mut self,
        fields: Fields<'_>,
        key: &str,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let node = fields.get(key)?;
        let text = self.scalar(node, key, what)?;
        let value = read(text);
        if value.is_none() {
            self.fault(node.line, format!("`{key}`: expected {what}"));
        }
        value
    }

    /// The items of the list under `key`; none when absent.
    pub fn list<'n>(&mut self, fields: Fields<'n>, key: &str) -> &'n [Node] {
        match fields.get(key) {
            None => &[],
            Some(Node { value: Value::List(items), .. }) => items,
            Some(node) => {
                self.expected(node, key, "a list");
                &[]
            }
        }
    }

    /// A list of distinct strings that satisfy `sound`; `what` says how they look.
    pub fn names(&mut self, fields: Fields<'_>, key: &str, what: &str, sound: fn(&str) -> bool) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for item in self.list(fields, key) {
            let Some(text) = self.scalar(item, key, what) else { continue };
            if !sound(text) {
                self.fault(item.line, format!("`{key}`: expected {what}"));
            } else if names.iter().any(|name| name == text) {
                self.fault(item.line, format!("`{key}`: `{text}` is given twice"));
            } else {
                names.push(text.to_owned());
            }
        }
        names
    }

    pub fn url(&mut self, fields: Fields<'_>, key: &str) -> Option<Url> {
        self.parsed(fields, key, url::EXPECTED, Url::parse)
    }

    /// A path; a relative one starts at the folder of the file it is written in.
    pub fn path(&mut self, fields: Fields<'_>, key: &str) -> Option<PathBuf> {
        let text = self.text(fields, key)?;
        Some(self.folder.join(text))
    }

    /// The same for a path inside a value.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Notes that the configuration depends on a file.
    pub fn depends_on(&mut self, path: &Path) {
        if !self.files.iter().any(|known| known == path) {
            self.files.push(path.to_owned());
        }
    }
}

/// Long keys are cut: they are no keys of ours anyway.
pub(super) fn shown(key: &str) -> String {
    match key.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &key[..at].escape_debug()),
        None => key.escape_debug().to_string(),
    }
}

fn digits(text: &str) -> Option<u64> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

const SUFFIXES: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

fn size(text: &str) -> Option<u64> {
    for (suffix, unit) in SUFFIXES {
        if let Some(number) = text.strip_suffix(suffix) {
            return digits(number.trim_end())?.checked_mul(unit);
        }
    }
    digits(text)
}

/// Reads back as the same number.
pub(super) fn shown_bytes(bytes: u64) -> String {
    match SUFFIXES.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((suffix, unit)) => format!("{}{suffix}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Accounts, virtual accounts: the part before the slash of `account/model`, and a label.
pub(super) const NAME: &str = "letters, digits, `.`, `_` and `-`, at most 128 of them";

pub(super) fn is_name(text: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back() {
        for (text, bytes) in [("0", 0), ("65536", 65536), ("64KiB", 65536), ("32MiB", 32 << 20), ("10 GiB", 10 << 30)] {
            assert_eq!(size(text), Some(bytes), "{text}");
            assert_eq!(size(&shown_bytes(bytes)), Some(bytes), "{text}");
        }
        for bad in ["", "KiB", "1.5MiB", "-1", "1MB", "99999999999TiB", "1kib"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
