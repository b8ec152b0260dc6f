//! From a valid head to a routed request: who calls, what the body asks for, where it goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::buffers::Held;
use super::client::{Client, NoBytes};
use super::request::{Parsed, Refusal, Request, Stop};
use crate::config::{Auth, Snapshot, VirtualModel};
use crate::dialect::gemini_path;
use crate::http1::{BodyDecoder, Name, RequestBody};
use crate::json::{self, RequestScan};
use crate::policy::identity::{self, authenticate, permits, permits_name};
use crate::policy::resolve::Unresolved;
use crate::runtime::Buf;
use crate::telemetry::{Face, Metadata, Outcome};

/// The caller is known.
pub struct Identified {
    /// Index into the snapshot's virtual accounts; `None` under `auth: none`, where everything is allowed.
    account: Option<usize>,
}

/// The body is here, is valid JSON and names a model.
pub struct Admitted {
    pub identified: Identified,
    pub body: BodySpan,
    pub scan: RequestScan,
    pub model: String,
    pub held: Held,
}

/// The body, right behind the head in the client's inbox.
#[derive(Clone, Copy)]
pub struct BodySpan {
    pub start: usize,
    pub len: usize,
}

impl BodySpan {
    pub fn of(self, received: &[u8]) -> &[u8] {
        received.get(self.start..self.start + self.len).unwrap_or(&[])
    }
}

impl Identified {
    /// `None`: everything is allowed.
    pub fn permissions<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a [String]> {
        let account = snapshot.virtual_accounts.get(self.account?);
        Some(account.map_or(&[], |account| account.permissions.as_slice()))
    }

    pub fn may_use(&self, snapshot: &Snapshot, account: &str, model: &str) -> bool {
        self.permissions(snapshot).is_none_or(|permissions| permits(permissions, account, model))
    }
}

pub fn identify(_: Parsed, request: &mut Request, client: &Client) -> Result<Identified, Refusal> {
    let snapshot = request.snapshot.clone();
    let received = client.received();
    let given = given_metadata(request, received)?;
    let account = match snapshot.process.auth {
        Auth::None => {
            request.record().principal = Some(request.shard.anonymous.clone());
            None
        }
        Auth::Required => {
            let token = token(request, received).ok_or_else(|| {
                Refusal::new(
                    401,
                    "missing_api_key",
                    "No API key was sent. Send one as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
                )
            })?;
            let identity = authenticate(&snapshot, token)
                .ok_or_else(|| Refusal::new(401, "invalid_api_key", "The API key is not known to this gateway."))?;
            request.record().principal = identity.account.keys.get(identity.key).cloned();
            snapshot.virtual_accounts.iter().position(|account| std::ptr::eq(account, identity.account))
        }
    };
    let defaults = account.and_then(|index| snapshot.virtual_accounts.get(index)).map(|account| &account.metadata);
    request.record().metadata = merge_metadata(given, defaults.map_or(&[], Vec::as_slice));
    Ok(Identified { account })
}

/// The caller's token, from whichever field its SDK uses.
fn token<'a>(request: &Request, received: &'a [u8]) -> Option<&'a [u8]> {
    let head = &request.head;
    if let Some(token) = head.value(Name::Authorization, received).and_then(identity::bearer) {
        return Some(token);
    }
    [Name::XApiKey, Name::ApiKey, Name::XGoogApiKey]
        .into_iter()
        .find_map(|name| head.value(name, received))
        .filter(|token| !token.is_empty())
}

fn given_metadata(request: &Request, received: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    const KEYS_MAX: usize = 64;
    const VALUE_CHARS_MAX: usize = 128;
    let Some(value) = request.head.value(Name::Metadata, received) else { return Ok(BTreeMap::new()) };
    let bad = |message: String| Refusal::new(400, "invalid_metadata", message);
    let metadata: BTreeMap<String, String> = serde_json::from_slice(value).map_err(|error| {
        bad(format!("The metadata header must be a JSON object whose values are strings ({error})."))
    })?;
    if metadata.len() > KEYS_MAX {
        return Err(bad(format!("The metadata header has {} keys; at most {KEYS_MAX} are taken.", metadata.len())));
    }
    if let Some((key, _)) = metadata.iter().find(|(_, value)| value.chars().count() > VALUE_CHARS_MAX) {
        return Err(bad(format!("The metadata value of `{key}` is longer than {VALUE_CHARS_MAX} characters.")));
    }
    Ok(metadata)
}

/// What the account sets wins over what the header says.
fn merge_metadata(mut given: BTreeMap<String, String>, set: &[(String, String)]) -> Option<Arc<Metadata>> {
    for (key, value) in set {
        given.insert(key.clone(), value.clone());
    }
    if given.is_empty() {
        return None;
    }
    Some(given.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

/// Whether the shard can hold more: above 80 % of its bound new work is refused (spec "dataplane" 3.5).
pub fn check_memory(request: &Request) -> Result<(), Refusal> {
    let bound = request.snapshot.limits.shard_buffer_bytes_max;
    if request.shard.memory.held_bytes() > bound / 10 * 8 {
        let message = "The gateway holds as much as it may. Try again shortly.";
        return Err(Refusal::failed(503, "overloaded", message).retry_after(1));
    }
    Ok(())
}

/// Reads the body whole and finds what the decisions need in it.
pub async fn read(identified: Identified, request: &mut Request, client: &mut Client) -> Result<Admitted, Stop> {
    check_memory(request)?;
    if let Some(coding) = request.head.value(Name::ContentEncoding, client.received())
        && !coding.eq_ignore_ascii_case(b"identity")
    {
        return Err(Refusal::new(415, "unsupported_content_encoding", "The body must be sent uncompressed.").into());
    }
    let mut held = request.shard.memory.hold();
    let body = read_body(request, client, &mut held).await?;
    request.body_consumed = true;
    request.in_inbox = body.start + body.len;
    request.record().request_body_bytes = body.len as u64;
    let bytes = body.of(client.received());
    if bytes.is_empty() {
        return Err(Refusal::new(400, "empty_body", "The request has no body; a JSON object was expected.").into());
    }
    let scan = json::scan_request(bytes)
        .map_err(|error| Refusal::new(400, "invalid_json", format!("The body is not valid JSON: {error}.")))?;
    // Gemini's clients say in the path which model, and whether it streams.
    let named = match request.record().face {
        Face::Gemini => {
            gemini_path(request.head.path.of(client.received())).map(|(model, stream)| (model.into_owned(), stream))
        }
        _ => scan.model.as_ref().map(|model| (model.decode(bytes).into_owned(), scan.stream)),
    };
    let Some((model, stream)) = named else {
        return Err(Refusal::new(400, "missing_model", "The body must have a `model`, a string.").into());
    };
    let record = request.record();
    record.model_requested = shortened(&model).into();
    record.stream = stream;
    record.max_tokens = scan.max_tokens;
    Ok(Admitted { identified, body, scan, model, held })
}

/// Names in records and labels are bounded, whatever a client sends.
pub fn shortened(name: &str) -> &str {
    const NAME_BYTES_MAX: usize = 256;
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    name.get(..end).unwrap_or("")
}

/// The body ends up right behind the head: a body with a length lies there already, chunks are moved together.
async fn read_body(request: &mut Request, client: &mut Client, held: &mut Held) -> Result<BodySpan, Stop> {
    let limits = request.snapshot.limits;
    let start = request.head.head_bytes;
    if let RequestBody::Length(length) = request.head.body
        && length > limits.request_body_bytes_max
    {
        return Err(too_large(limits.request_body_bytes_max).into());
    }
    let mut decoder = BodyDecoder::request(request.head.body, limits.trailer_bytes_max);
    if !decoder.is_done() && client.received().len() == start {
        send_continue(request, client).await?;
    }
    let mut decoded = start;
    let mut raw = start;
    client.deadline.set_ms(limits.body_idle_ms);
    loop {
        if let Some(inbox) = &mut client.inbox {
            decode_in_place(&mut decoder, inbox, &mut decoded, &mut raw)?;
        }
        let len = decoded - start;
        if len as u64 > limits.request_body_bytes_max {
            return Err(too_large(limits.request_body_bytes_max).into());
        }
        if decoder.is_done() {
            close_gap(client.inbox.as_mut(), decoded, raw);
            return Ok(BodySpan { start, len });
        }
        close_gap(client.inbox.as_mut(), decoded, raw);
        raw = decoded;
        if let (RequestBody::Length(length), Some(inbox)) = (request.head.body, &mut client.inbox) {
            // As much as is still to come, but never more than double: a length alone must not cost memory.
            let missing = (length as usize + start).saturating_sub(inbox.len());
            if inbox.room() < missing {
                inbox.reserve(missing.min(inbox.len().max(16 * 1024)));
            }
            held.set(inbox.capacity());
        }
        match client.receive().await {
            Ok(()) => client.deadline.set_ms(limits.body_idle_ms),
            Err(NoBytes::Expired) => {
                return Err(Refusal::new(408, "body_timeout", "The body did not arrive in time.").into());
            }
            Err(_) => return Err(Stop::Silent(Outcome::Cancelled)),
        }
    }
}

fn decode_in_place(
    decoder: &mut BodyDecoder,
    inbox: &mut Buf,
    decoded: &mut usize,
    raw: &mut usize,
) -> Result<(), Refusal> {
    let bytes = inbox.content_mut();
    while !decoder.is_done() {
        let input = bytes.get(*raw..).unwrap_or(&[]);
        let step = decoder.advance(input).map_err(|error| {
            Refusal::new(400, "invalid_body_framing", format!("The body's framing is broken: {error}."))
        })?;
        let from = *raw + step.content.start as usize;
        let len = step.content.len();
        bytes.copy_within(from..from + len, *decoded);
        *decoded += len;
        *raw += step.consumed;
        if step.consumed == 0 {
            break;
        }
    }
    Ok(())
}

/// Moves what has not been decoded up to what has.
fn close_gap(inbox: Option<&mut Buf>, decoded: usize, raw: usize) {
    let Some(inbox) = inbox else { return };
    if raw > decoded {
        let len = inbox.len();
        inbox.content_mut().copy_within(raw..len, decoded);
        inbox.truncate(len - (raw - decoded));
    }
}

pub fn too_large(limit: u64) -> Refusal {
    Refusal::new(413, "body_too_large", format!("The body is larger than the {limit} bytes this gateway takes."))
}

/// `Expect: 100-continue` is answered here and never forwarded (RFC 9110 10.1.1).
pub async fn send_continue(request: &Request, client: &mut Client) -> Result<(), Stop> {
    if !request.head.expect_continue {
        return Ok(());
    }
    let interim = Buf::from_content(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
    client.send(interim).await.map_err(|_| Stop::Silent(Outcome::Cancelled))
}

pub fn refuse_permission(model: &str) -> Refusal {
    Refusal::new(403, "model_not_allowed", format!("This API key may not use `{model}`."))
}

pub fn refuse_model(model: &str, unresolved: Unresolved) -> Refusal {
    let model = shortened(model);
    match unresolved {
        Unresolved::Unknown => Refusal::new(
            404,
            "model_not_found",
            format!(
                "The model `{model}` is not served here. Models are named `account/model`, or by the model alone when only one \
                 account has it; GET /v1/models lists them."
            ),
        ),
        Unresolved::Ambiguous(names) => Refusal::new(
            404,
            "model_ambiguous",
            format!("Several accounts have the model `{model}`. Name one of: {}.", names.join(", ")),
        ),
        Unresolved::WrongApi(account) => Refusal::new(
            400,
            "wrong_api",
            format!("The account `{account}` that serves `{model}` has nothing behind this path."),
        ),
    }
}

/// A model of the caller's own, for GET /v1/models.
pub struct VisibleModel<'a> {
    /// As it is called: `account/model`.
    pub id: String,
    pub owner: &'a str,
    /// As its integration says.
    pub types: &'a [String],
}

pub fn visible_models<'a>(identified: &Identified, request: &'a Request) -> Vec<VisibleModel<'a>> {
    const OWNER: &str = "sluice";
    let snapshot = &request.snapshot;
    let permissions = identified.permissions(snapshot);
    let own = snapshot.accounts.iter().flat_map(|served| served.models.keys().map(move |model| (served, model)));
    let own = own.filter(|(served, model)| identified.may_use(snapshot, &served.name, model)).map(|(served, model)| {
        let types = served.model_types.get(model).map_or(&[][..], Vec::as_slice);
        VisibleModel { id: format!("{}/{model}", served.name), owner: &served.provider, types }
    });
    let named = |name: &str| permissions.is_none_or(|permissions| permits_name(permissions, name));
    let routing = &snapshot.routing;
    // Who may use it by its slug may call it by its name as well.
    let may = |model: &&VirtualModel| named(&model.name) || model.slug.as_deref().is_some_and(named);
    let virtual_models = routing.virtual_models.iter().filter(may);
    let virtual_models = virtual_models.map(|model| (&model.name, model.model_types.as_slice()));
    // Names that only a rule knows.
    let is_account = |name: &str| {
        name.split_once('/').is_some_and(|(account, _)| snapshot.accounts.iter().any(|one| one.name == account))
    };
    let listed = routing.rules.iter().flat_map(|rule| &rule.when.models);
    let listed = listed.filter(|name| *name != "*" && !is_account(name) && named(name)).map(|name| (name, &[][..]));
    let virtual_models = virtual_models.chain(listed);
    let virtual_models = virtual_models.map(|(name, types)| VisibleModel { id: name.clone(), owner: OWNER, types });
    let mut models: Vec<VisibleModel<'a>> = own.chain(virtual_models).collect();
    models.sort_by(|a, b| a.id.cmp(&b.id));
    models.dedup_by(|a, b| a.id == b.id);
    models
}
