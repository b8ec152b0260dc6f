//! The head that goes to a provider: the client's own end-to-end fields where its body goes on as it is, this gateway's
//! credentials in place of the caller's, the trace continued, and framing of our own.

use super::proof::Proof;
use super::request::{Request, hops};
use super::text::{push_decimal, push_traceparent};
use crate::config::{Account, Api, Change, Paths, Secret};
use crate::dialect::Wire;
use crate::http1::{Field, Name, forward_fields, push_field};
use crate::policy::spoken::Spoken;
use crate::provider::paths::push_target;
use crate::telemetry::{Face, Target};

/// What the head of one attempt says.
pub struct Call<'a> {
    pub account: &'a Account,
    pub target: &'a Target,
    pub spoken: Spoken,
    pub stream: bool,
    pub span_id: [u8; 8],
    /// `None`: the body goes out in chunks.
    pub body_len: Option<u64>,
    pub proof: &'a Proof,
    /// What the rule changes for this target.
    pub change: Option<&'a Change>,
}

pub fn write_head(request: &mut Request, received: &[u8], call: &Call<'_>, out: &mut Vec<u8>) {
    let account = call.account;
    out.extend_from_slice(b"POST ");
    push_path(request, received, call, out);
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(account.upstream.authority.as_bytes());
    out.extend_from_slice(b"\r\n");
    let head = &request.head;
    if call.spoken == Spoken::Same {
        forward_fields(&head.fields, received, out, |field, received| drops(field, received, call));
    } else {
        // The client's fields are of its own dialect (`anthropic-beta`, an SDK's telemetry).
        let accept: &[u8] = match (call.stream, account.api) {
            (true, Api::Bedrock) => b"application/vnd.amazon.eventstream",
            (true, _) => b"text/event-stream",
            (false, _) => b"application/json",
        };
        push_field(out, "content-type", b"application/json");
        push_field(out, "accept", accept);
        push_field(out, "user-agent", concat!("sluice/", env!("CARGO_PKG_VERSION")).as_bytes());
    }
    let has_version = call.spoken == Spoken::Same && head.find(Name::AnthropicVersion).is_some();
    push_proof(account, call.proof, has_version, out);
    let set = call.change.map_or(&[][..], |change| &change.headers_set);
    let removed = |name: &str| call.change.is_some_and(|change| change.headers_remove.iter().any(|one| one == name));
    for (name, value) in &account.headers {
        if !removed(&name.to_ascii_lowercase()) && !set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name)) {
            push_field(out, name, value.expose().as_bytes());
        }
    }
    for (name, value) in set {
        push_field(out, name, value.expose().as_bytes());
    }
    // The answer's text is read as it passes, so it must come uncompressed.
    out.extend_from_slice(b"accept-encoding: identity\r\ntraceparent: ");
    let hop = hops(head, received) + 1;
    let trace = &request.record().trace;
    push_traceparent(&trace.trace_id, &call.span_id, trace.flags, out);
    out.extend_from_slice(b"\r\nx-sluice-hop: ");
    push_decimal(u64::from(hop), out);
    out.extend_from_slice(b"\r\n");
    match call.body_len {
        Some(len) => {
            out.extend_from_slice(b"content-length: ");
            push_decimal(len, out);
            out.extend_from_slice(b"\r\n\r\n");
        }
        None => out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n"),
    }
}

/// The request target: the client's own where the account has the face's paths, else that of the provider's API.
fn push_path(request: &mut Request, received: &[u8], call: &Call<'_>, out: &mut Vec<u8>) {
    let (account, face) = (call.account, request.record().face);
    let head = &request.head;
    let wire = match call.spoken {
        Spoken::Translated(wire) => wire,
        _ => Wire::of(face),
    };
    if call.spoken == Spoken::Same && account.paths == Paths::Plain && face != Face::Gemini {
        out.extend_from_slice(account.upstream.path_prefix.as_bytes());
        let path = head.path.of(received);
        let unversioned = if account.upstream.strip_v1 { path.strip_prefix(b"/v1") } else { None };
        out.extend_from_slice(unversioned.unwrap_or(path));
        if let Some(query) = head.query {
            out.push(b'?');
            out.extend_from_slice(query.of(received));
        }
        return;
    }
    let start = out.len();
    push_target(account, wire.face(face), &call.target.model_id, call.stream, out);
    let wants_array = face == Face::Gemini && call.stream && !asks_sse(request, received);
    if call.spoken == Spoken::Same && wants_array {
        // The client reads an array, and gets the provider's own. (Its query may hold its key, and stays here.)
        let end = out.iter().skip(start).position(|&byte| byte == b'?').map_or(out.len(), |at| start + at);
        out.truncate(end);
    }
}

/// Whether a client of streamGenerateContent asks for events: without `alt=sse` it gets one JSON array.
pub fn asks_sse(request: &Request, received: &[u8]) -> bool {
    let query = request.head.query.map(|query| query.of(received)).unwrap_or_default();
    query.split(|&byte| byte == b'&').any(|pair| pair == b"alt=sse")
}

/// What of a client's head is not for the provider.
fn drops(field: &Field, received: &[u8], call: &Call<'_>) -> bool {
    let name = field.name_span.of(received);
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    // What the account or the rule sets replaces what the client says.
    let set = call.account.headers.iter().any(|(set, _)| is(set));
    let changed = call.change.is_some_and(|change| {
        change.headers_set.iter().any(|(set, _)| is(set)) || change.headers_remove.iter().any(|name| is(name))
    });
    set || changed
        || matches!(
            field.name,
            Name::Authorization
                | Name::XApiKey
                | Name::ApiKey
                | Name::XGoogApiKey
                | Name::OpenAiOrganization
                | Name::AcceptEncoding
                | Name::Cookie
                | Name::Forwarded
                | Name::Via
                | Name::XRequestId
                | Name::Metadata
                | Name::TfyOrSluice
                | Name::Traceparent
        )
}

fn push_proof(account: &Account, proof: &Proof, has_version: bool, out: &mut Vec<u8>) {
    match proof {
        Proof::Account => {
            if let Some(key) = account.key() {
                push_key(account, key, out);
            }
        }
        Proof::Bearer(token) => push_bearer(token, out),
        Proof::Signed(fields) => {
            for (name, value) in fields {
                push_field(out, name, value.as_bytes());
            }
        }
    }
    if account.api == Api::Anthropic && !has_version {
        push_field(out, "anthropic-version", b"2023-06-01");
    }
}

fn push_key(account: &Account, key: &Secret, out: &mut Vec<u8>) {
    let name = account.paths.key_field(account.api);
    if name == "authorization" {
        return push_bearer(key, out);
    }
    push_field(out, name, key.expose().as_bytes());
}

fn push_bearer(token: &Secret, out: &mut Vec<u8>) {
    out.extend_from_slice(b"authorization: Bearer ");
    out.extend_from_slice(token.expose().as_bytes());
    out.extend_from_slice(b"\r\n");
}
