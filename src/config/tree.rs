//! YAML text -> small trees that know their lines. Anchors, aliases and tags are refused: a configuration says each
//! thing once, in plain sight.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Deeper than any key of ours; bounds the tree, and so the recursion of who walks it.
const DEPTH_MAX: usize = 32;
/// More than any mapping of ours; the search for keys given twice costs its square.
const KEYS_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Node {
    pub line: usize,
    pub value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// `plain`: written without quotes, so that `null`, `true` and numbers mean what they say.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    pub line: usize,
    pub value: Node,
}

/// A line and what is wrong there.
pub(super) type Fault = (usize, String);

/// All documents of `text`. With a fault, the documents before it are still returned. Empty documents are skipped.
pub(super) fn parse(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let stopped = match event {
            Ok((event, span)) => builder.take(event, span).is_err(),
            Err(error) => {
                let line = error.marker().line().max(1);
                let hint = unquoted_reference(text, line);
                builder.faults.push((line, format!("not YAML: {}{hint}", error.info())));
                true
            }
        };
        if stopped {
            break;
        }
    }
    (builder.documents, builder.faults)
}

/// The commonest slip: within `{}` and `[]`, braces end a plain word.
fn unquoted_reference(text: &str, line: usize) -> &'static str {
    match text.lines().nth(line - 1) {
        Some(line) if line.contains(": ${") => "; within `{}` a reference needs quotes: \"${env:NAME}\"",
        _ => "",
    }
}

enum Open {
    List(usize, Vec<Node>),
    /// The entries so far, and the key whose value comes next.
    Map(usize, Vec<Entry>, Option<(String, usize)>),
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    faults: Vec<Fault>,
    open: Vec<Open>,
}

/// The rest of the file cannot be understood; the fault is noted.
struct Stop;

impl Builder {
    fn stop(&mut self, line: usize, message: &str) -> Result<(), Stop> {
        self.faults.push((line, message.to_owned()));
        Err(Stop)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let line = span.start.line();
        match event {
            Event::Alias(_) => return self.stop(line, "aliases (`*name`) are not served: write the value out"),
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_only(line, anchor, tag.is_some())?;
                let plain = style == ScalarStyle::Plain;
                self.add(Node { line, value: Value::Scalar { text: text.into_owned(), plain } })?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_only(line, anchor, tag.is_some())?;
                self.enter(Open::List(line, Vec::new()), line)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_only(line, anchor, tag.is_some())?;
                self.enter(Open::Map(line, Vec::new(), None), line)?;
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(line, items)) => self.add(Node { line, value: Value::List(items) })?,
                Some(Open::Map(line, entries, _)) => self.add(Node { line, value: Value::Map(entries) })?,
                None => return self.stop(line, "not YAML: a list or mapping ends that never began"),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn plain_only(&mut self, line: usize, anchor: usize, tagged: bool) -> Result<(), Stop> {
        if anchor != 0 {
            return self.stop(line, "anchors (`&name`) are not served: write the value out where it is needed");
        }
        if tagged {
            return self.stop(line, "tags (`!name`) are not served: write the plain value");
        }
        Ok(())
    }

    fn enter(&mut self, open: Open, line: usize) -> Result<(), Stop> {
        if let Some(Open::Map(_, _, None)) = self.open.last() {
            return self.stop(line, "a key is a list or a mapping; expected a plain word");
        }
        if self.open.len() >= DEPTH_MAX {
            return self.stop(line, &format!("nested deeper than {DEPTH_MAX} levels"));
        }
        self.open.push(open);
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) -> Result<(), Stop> {
        match self.open.last_mut() {
            None if node.is_null() => {}
            None => self.documents.push(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, pending)) => match pending.take() {
                Some((key, line)) => entries.push(Entry { key, line, value: node }),
                None => return self.key(node),
            },
        }
        Ok(())
    }

    fn key(&mut self, node: Node) -> Result<(), Stop> {
        let line = node.line;
        let Value::Scalar { text, .. } = node.value else {
            return self.stop(line, "a key is a list or a mapping; expected a plain word");
        };
        if let Some(Open::Map(_, entries, pending)) = self.open.last_mut() {
            if let Some(first) = entries.iter().find(|entry| entry.key == text) {
                self.faults.push((line, format!("key `{text}` is given twice, first on line {}", first.line)));
            }
            *pending = Some((text, line));
            if entries.len() == KEYS_MAX {
                return self.stop(line, &format!("more than {KEYS_MAX} keys in one mapping"));
            }
        }
        Ok(())
    }
}

impl Node {
    /// Written as nothing at all, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The single value under a key of a mapping.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Node { value: Value::Scalar { text, .. }, .. } => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// What it is, for "expected a list, found ..."; never the value itself, which may be a secret out of its place.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}
