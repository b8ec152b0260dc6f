//! References to secrets: `${env:NAME}` and `${file:/path}`. A secret is never written inline, and no message here
//! ever holds a value.

use std::io::Read;

use super::read::{Fields, Reader};
use super::tree::Node;

const FILE_BYTES_MAX: u64 = 64 * 1024;
const EXPECTED: &str = "expected `${env:NAME}` or `${file:/path}`";

/// Header fields whose value is a credential, by what their names hold.
const TELLING: [&str; 6] = ["auth", "key", "token", "secret", "password", "cookie"];

impl Reader<'_> {
    /// A value that is one reference and nothing else, to one line of text.
    pub fn secret(&mut self, fields: Fields<'_>, key: &str) -> Option<Secret> {
        let line = fields.get(key)?.line;
        let secret = self.secret_text(fields, key)?;
        self.told(line, key, one_line(secret.expose().to_owned())).map(Secret::new)
    }

    /// The same, of any number of lines: a JSON document.
    pub fn secret_text(&mut self, fields: Fields<'_>, key: &str) -> Option<Secret> {
        let node = fields.get(key)?;
        let text = self.scalar(node, key, "`${env:NAME}` or `${file:/path}`")?;
        match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            Some(reference) if !reference.contains(['{', '}']) => self.resolved(node, key, reference).map(Secret::new),
            _ => {
                self.fault(node.line, format!("`{key}`: a secret is never written inline; {EXPECTED}"));
                None
            }
        }
    }

    /// A map of header fields. Their values may mix text and references; those of credentials need a reference.
    pub fn headers(&mut self, fields: Fields<'_>, key: &str, owned: &[&str]) -> Option<Vec<(String, Secret)>> {
        let entries = self.open_fields(fields.get(key)?, key)?.entries();
        let mut headers: Vec<(String, Secret)> = Vec::new();
        for entry in entries {
            let name = entry.key.to_ascii_lowercase();
            if !is_token(&name) {
                self.fault(entry.line, format!("`{key}`: expected a header name (RFC 9110 5.1)"));
            } else if owned.contains(&name.as_str()) {
                self.fault(
                    entry.line,
                    format!("`{key}`: `{name}` is written by Sluice itself and may not be set here"),
                );
            } else if headers.iter().any(|(known, _)| *known == name) {
                self.fault(entry.line, format!("`{key}`: `{name}` is given twice"));
            } else if let Some(value) = self.header_value(&entry.value, &name) {
                headers.push((name, value));
            }
        }
        Some(headers)
    }

    fn header_value(&mut self, node: &Node, name: &str) -> Option<Secret> {
        let text = self.scalar(node, name, "a string")?;
        let (value, has_references) = self.mixed(node, name, text, one_line)?;
        if !has_references && TELLING.iter().any(|word| name.contains(word)) {
            self.fault(node.line, format!("`{name}`: a secret is never written inline; {EXPECTED} in its place"));
            return None;
        }
        if !is_field_value(&value) {
            self.fault(node.line, format!("`{name}`: expected a header value: visible ASCII and inner spaces"));
            return None;
        }
        Some(Secret::new(value))
    }

    /// Text with what its references stand for in their places, and whether it has any. `sound`: of each of them.
    pub fn mixed(
        &mut self,
        node: &Node,
        key: &str,
        text: &str,
        sound: fn(String) -> Result<String, String>,
    ) -> Option<(String, bool)> {
        let (mut value, mut rest, mut has_references) = (String::new(), text, false);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((reference, after)) = after.split_once('}') else {
                self.fault(node.line, format!("`{key}`: a reference lacks its `}}`; {EXPECTED}"));
                return None;
            };
            value.push_str(before);
            let one = self.resolved(node, key, reference)?;
            value.push_str(&self.told(node.line, key, sound(one))?);
            (rest, has_references) = (after, true);
        }
        value.push_str(rest);
        Some((value, has_references))
    }

    fn resolved(&mut self, node: &Node, key: &str, reference: &str) -> Option<String> {
        let value = match (reference.strip_prefix("env:"), reference.strip_prefix("file:")) {
            (Some(name), _) if is_variable(name) => {
                self.env.get(name).ok_or_else(|| format!("environment variable {name} is not set"))
            }
            (_, Some(path)) if !path.is_empty() => self.secret_file(path),
            _ => Err(EXPECTED.to_owned()),
        };
        self.told(node.line, key, value)
    }

    fn told(&mut self, line: usize, key: &str, value: Result<String, String>) -> Option<String> {
        value.map_err(|message| self.fault(line, format!("`{key}`: {message}"))).ok()
    }

    /// The text of the file that the value names: for files that hold nothing but a secret.
    pub fn secret_in_file(&mut self, fields: Fields<'_>, key: &str) -> Option<Secret> {
        let line = fields.get(key)?.line;
        let path = self.text(fields, key)?;
        let text = self.secret_file(path);
        self.told(line, key, text).map(Secret::new)
    }

    /// The file's text without the line end that editors leave.
    fn secret_file(&mut self, path: &str) -> Result<String, String> {
        let path = self.resolve(path);
        self.depends_on(&path);
        let mut text = String::new();
        let read = std::fs::File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        match read {
            Ok(_) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(error) => Err(format!("cannot read the secret in {}: {error}", path.display())),
        }
    }
}

/// What would break a header apart is no key of any provider, and is caught here rather than on the wire.
fn one_line(value: String) -> Result<String, String> {
    match value.is_empty() || value.chars().any(char::is_control) {
        true => Err("the secret is empty or holds control characters; expected one line of text".to_owned()),
        false => Ok(value),
    }
}

/// Text of any number of lines: what a file holds may be a prompt.
pub(super) fn not_empty(value: String) -> Result<String, String> {
    match value.is_empty() {
        true => Err("the secret is empty; expected a text".to_owned()),
        false => Ok(value),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// RFC 9110 5.6.2, lower case.
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// RFC 9110 5.5 without obs-text.
pub(super) fn is_field_value(value: &str) -> bool {
    value.trim() == value && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// A value that is never printed: `Debug` shows `***`, there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The one way to the value; grep for it to see every use.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
