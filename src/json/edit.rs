//! Splices: the few places of a request body that change on its way upstream.

use serde_json::Value;

use super::{RequestScan, Span, Walk, decode, escape_into};

/// Replace the bytes of `span` by `with`; an empty span inserts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    pub span: Span,
    pub with: Vec<u8>,
}

/// Sets `model`. A body without the member gets it as its first.
pub fn edit_model(scan: &RequestScan, new_model: &str) -> Edit {
    let mut with = Vec::with_capacity(new_model.len() + 16);
    let span = match &scan.model {
        Some(model) => {
            push_string(new_model, &mut with);
            model.span
        }
        None => {
            with.extend_from_slice(b"\"model\":");
            push_string(new_model, &mut with);
            end_member(scan.is_empty_object, &mut with);
            insert_at(scan.object_start)
        }
    };
    Edit { span, with }
}

/// Makes `stream_options.include_usage` true; `None` when it is, or when `stream_options` is something no provider
/// knows and is better refused by the provider itself.
pub fn edit_include_usage(scan: &RequestScan, body: &[u8]) -> Option<Edit> {
    const MEMBER: &[u8] = b"\"include_usage\":true";
    let mut with = Vec::with_capacity(48);
    let Some(options) = scan.stream_options else {
        with.extend_from_slice(b"\"stream_options\":{");
        with.extend_from_slice(MEMBER);
        with.push(b'}');
        end_member(scan.is_empty_object, &mut with);
        return Some(Edit { span: insert_at(scan.object_start), with });
    };
    if scan.include_usage == Some(true) {
        return None;
    }
    if let Some(span) = scan.include_usage_value {
        return Some(Edit { span, with: b"true".to_vec() });
    }
    let value = options.of(body);
    if value == b"null" {
        with.push(b'{');
        with.extend_from_slice(MEMBER);
        with.push(b'}');
        return Some(Edit { span: options, with });
    }
    let inside = value.strip_prefix(b"{")?;
    with.extend_from_slice(MEMBER);
    end_member(inside.trim_ascii_start().starts_with(b"}"), &mut with);
    Some(Edit { span: insert_at(options.start as usize + 1), with })
}

/// Sets top-level members: their values are replaced wherever they stand, and what is not there is put in front.
pub fn edit_members(scan: &RequestScan, body: &[u8], members: &[(String, Value)]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut found = vec![false; members.len()];
    let mut walk = Walk::new(body);
    if !walk.object() {
        return edits;
    }
    while let Some(key) = walk.key() {
        let name = decode(key);
        let known = members.iter().position(|(member, _)| **member == *name);
        walk.peek();
        let start = walk.offset();
        walk.skip();
        if let Some(at) = known {
            found[at] = true;
            let span = Span { start: start as u32, end: walk.offset() as u32 };
            edits.push(Edit { span, with: members[at].1.to_string().into_bytes() });
        }
    }
    let mut with = Vec::new();
    for ((name, value), _) in members.iter().zip(found).filter(|(_, found)| !found) {
        if !with.is_empty() {
            with.push(b',');
        }
        push_string(name, &mut with);
        with.push(b':');
        with.extend_from_slice(value.to_string().as_bytes());
    }
    if !with.is_empty() {
        end_member(scan.is_empty_object, &mut with);
        edits.push(Edit { span: insert_at(scan.object_start), with });
    }
    edits
}

/// Appends `body` with the edits done to `out`. Every other byte stays as it is. Edits may come in any order but must
/// not overlap; one that overlaps an earlier one is left out.
pub fn apply_edits(body: &[u8], edits: &mut [Edit], out: &mut Vec<u8>) {
    edits.sort_by_key(|edit| edit.span.start);
    let added: usize = edits.iter().map(|edit| edit.with.len()).sum();
    out.reserve(body.len() + added);
    let mut done = 0;
    for edit in edits.iter() {
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        let Some(before) = body.get(done..start) else { continue };
        out.extend_from_slice(before);
        out.extend_from_slice(&edit.with);
        done = end.max(start);
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
}

fn insert_at(offset: usize) -> Span {
    Span { start: offset as u32, end: offset as u32 }
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_into(text, out);
    out.push(b'"');
}

fn end_member(is_last: bool, out: &mut Vec<u8>) {
    if !is_last {
        out.push(b',');
    }
}
