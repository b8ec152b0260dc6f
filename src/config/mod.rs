//! YAML documents -> one validated, immutable [`Snapshot`] (DESIGN 7, P7). Called at start, by `sluice check` and on
//! every reload; reads files and nothing else. A faulty configuration yields all its faults at once, and no snapshot.

mod account;
mod auth;
mod cost;
mod credential;
mod effective;
mod endpoint;
mod env;
mod error;
mod health_check;
mod identity;
mod kinds;
mod limits;
mod otlp;
mod paths;
mod prices;
mod process;
mod read;
mod routing;
mod secret;
mod snapshot;
mod source;
mod telemetry;
mod tree;
mod url;

use std::path::{Path, PathBuf};

pub use credential::{AwsKeys, Credential, CredentialSource, rsa_key, service_account};
pub use effective::print_effective;
pub use env::Env;
pub use error::ConfigError;
pub use paths::{Paths, vertex_model};
pub use prices::{ListOrigin, PriceRefresh, PriceSettings, read_price_table};
pub use routing::*;
pub use snapshot::*;

use crate::tls::config::ClientConfigs;
use error::{did_you_mean, one_of};
use identity::Known;
use kinds::{ACCOUNT, KINDS, Kind};
use read::{Reader, shown};
use routing::{Documents, VirtualNames};
use source::{Source, Sources};
use tree::Node;

/// Loads files and folders (`*.yaml`, `*.yml`, by name). The errors are in the order of the files and their lines.
pub fn load(paths: &[PathBuf], env: &Env) -> Result<Snapshot, Vec<ConfigError>> {
    let Sources { sources, watched, errors } = Sources::read(paths);
    build(&sources, watched, errors, env)
}

/// What is served without `--config`: config/default.yaml, and an account for every provider whose usual key variable
/// is set.
pub fn embedded(env: &Env) -> Result<Snapshot, Vec<ConfigError>> {
    let mut text = include_str!("../../config/default.yaml").to_owned();
    for kind in &KINDS {
        if let Some(variable) = kind.key_variables.iter().find(|variable| env.get(variable).is_some()) {
            let kind = kind.suffix;
            text.push_str(&format!("---\ntype: {ACCOUNT}{kind}\nname: {kind}\n"));
            text.push_str(&format!("auth_data: {{type: api-key, api_key: \"${{env:{variable}}}\"}}\n"));
        }
    }
    let source = Source { label: "(embedded configuration)".to_owned(), folder: PathBuf::new(), text };
    build(&[source], Vec::new(), Vec::new(), env)
}

/// Files and folders whose change calls for a reload.
pub fn watched_files(snapshot: &Snapshot) -> &[PathBuf] {
    &snapshot.watched
}

/// A document, where it came from, and its type.
struct Typed<'n> {
    source: usize,
    node: &'n Node,
    kind: DocumentType,
}

#[derive(Clone, Copy)]
enum DocumentType {
    Sluice,
    Account(&'static Kind),
    VirtualAccount,
    LoadBalancing,
    Fallback,
    VirtualModels,
}

/// The types of documents that are no provider accounts.
const TYPES: [(&str, DocumentType); 5] = [
    ("sluice", DocumentType::Sluice),
    ("virtual-account", DocumentType::VirtualAccount),
    ("gateway-load-balancing-config", DocumentType::LoadBalancing),
    ("gateway-fallback-config", DocumentType::Fallback),
    ("provider-account/virtual-model", DocumentType::VirtualModels),
];

fn build(
    sources: &[Source],
    mut watched: Vec<PathBuf>,
    mut errors: Vec<ConfigError>,
    env: &Env,
) -> Result<Snapshot, Vec<ConfigError>> {
    let mut reader = Reader::new(env);
    let parsed: Vec<Vec<Node>> = sources.iter().enumerate().map(|(i, source)| parse(&mut reader, i, source)).collect();
    // What could not be parsed may hold the account that another document names.
    let mut whole = errors.is_empty() && reader.errors.is_empty();
    let mut documents = Vec::new();
    for (source, nodes) in parsed.iter().enumerate() {
        for node in nodes {
            enter(&mut reader, sources, source);
            match document_type(&mut reader, node) {
                Some(kind) => documents.push(Typed { source, node, kind }),
                None => whole = false,
            }
        }
    }
    let (process, limits) = read_process(&mut reader, sources, &documents);
    let accounts = read_accounts(&mut reader, sources, &documents);
    whole &= accounts.len() == documents.iter().filter(|one| matches!(one.kind, DocumentType::Account(_))).count();
    let names = virtual_names(&documents);
    let routing = read_routing(&mut reader, sources, &documents, Documents::new(&accounts, whole, &names));
    let known = whole.then_some(Known { accounts: &accounts, names: &names });
    let (virtual_accounts, tokens) = read_virtual_accounts(&mut reader, sources, &documents, known);
    reader.errors.sort_by_key(|(source, error)| (*source, error.line));
    errors.extend(reader.errors.into_iter().map(|(_, error)| error));
    if !errors.is_empty() {
        return Err(errors);
    }
    watched.append(&mut reader.files);
    Ok(Snapshot { epoch: 1, process, limits, accounts, virtual_accounts, tokens, routing, watched })
}

fn enter(reader: &mut Reader<'_>, sources: &[Source], index: usize) {
    match sources.get(index) {
        Some(source) => reader.enter(index, &source.label, &source.folder),
        None => reader.enter(index, "", Path::new("")),
    }
}

fn parse(reader: &mut Reader<'_>, index: usize, source: &Source) -> Vec<Node> {
    reader.enter(index, &source.label, &source.folder);
    let (nodes, faults) = tree::parse(&source.text);
    for (line, message) in faults {
        reader.fault(line, message);
    }
    nodes
}

/// `None` when the document has no type that is served; the fault is noted.
fn document_type(reader: &mut Reader<'_>, node: &Node) -> Option<DocumentType> {
    let fields = reader.open_fields(node, "a document")?;
    let Some(type_node) = fields.get("type") else {
        reader.fault(node.line, "a document lacks its key `type`; expected, for example, `type: sluice`");
        return None;
    };
    let text = reader.scalar(type_node, "type", "a document type")?;
    if let Some((_, kind)) = TYPES.iter().find(|(name, _)| *name == text) {
        return Some(*kind);
    }
    if let Some(kind) = text.strip_prefix(ACCOUNT).and_then(kinds::kind) {
        return Some(DocumentType::Account(kind));
    }
    let accounts: Vec<String> = KINDS.iter().map(|kind| format!("{ACCOUNT}{}", kind.suffix)).collect();
    let served = || TYPES.iter().map(|(name, _)| *name).chain(accounts.iter().map(String::as_str));
    let hint = did_you_mean(text, served());
    let (text, list) = (shown(text), one_of(served()));
    reader.fault(type_node.line, format!("type `{text}` is not served by this version; expected {list}{hint}"));
    None
}

fn read_process(reader: &mut Reader<'_>, sources: &[Source], documents: &[Typed<'_>]) -> (Process, Limits) {
    let mut all = documents.iter().filter(|one| matches!(one.kind, DocumentType::Sluice));
    let first = all.next();
    if let Some(first) = first {
        enter(reader, sources, first.source);
    }
    let read = process::read(reader, first.map(|first| first.node));
    for other in all {
        enter(reader, sources, other.source);
        reader.fault(other.node.line, "a second `type: sluice` document; expected one for the whole configuration");
    }
    read
}

fn read_accounts(reader: &mut Reader<'_>, sources: &[Source], documents: &[Typed<'_>]) -> Vec<Account> {
    let mut clients = ClientConfigs::default();
    let mut accounts: Vec<Account> = Vec::new();
    for document in documents {
        let DocumentType::Account(kind) = document.kind else { continue };
        enter(reader, sources, document.source);
        let Some(account) = account::read(reader, document.node, kind, &mut clients) else { continue };
        if accounts.iter().any(|known| known.name == account.name) {
            let message =
                format!("a provider account named `{}` is already there; expected a name of its own", account.name);
            reader.fault(name_line(document.node), message);
        }
        accounts.push(account);
    }
    accounts
}

fn virtual_names(documents: &[Typed<'_>]) -> VirtualNames {
    let mut names = VirtualNames::default();
    for document in documents {
        match document.kind {
            DocumentType::VirtualModels => names.add_group(document.node),
            DocumentType::LoadBalancing => names.add_rules(document.node),
            _ => {}
        }
    }
    names
}

fn read_routing(
    reader: &mut Reader<'_>,
    sources: &[Source],
    documents: &[Typed<'_>],
    mut routing: Documents<'_>,
) -> Routing {
    for document in documents {
        let read = match document.kind {
            DocumentType::LoadBalancing => Documents::load_balancing,
            DocumentType::Fallback => Documents::fallback,
            DocumentType::VirtualModels => Documents::virtual_models,
            _ => continue,
        };
        enter(reader, sources, document.source);
        read(&mut routing, reader, document.node);
    }
    routing.finish()
}

fn read_virtual_accounts(
    reader: &mut Reader<'_>,
    sources: &[Source],
    documents: &[Typed<'_>],
    known: Option<Known<'_>>,
) -> (Vec<VirtualAccount>, identity::Tokens) {
    let mut all: Vec<VirtualAccount> = Vec::new();
    let mut tokens = identity::Tokens::new();
    for document in documents.iter().filter(|one| matches!(one.kind, DocumentType::VirtualAccount)) {
        enter(reader, sources, document.source);
        let read = identity::read(reader, document.node, all.len(), known, &mut tokens);
        let Some(account) = read else { continue };
        let name = &account.principal.name;
        if all.iter().any(|known| known.principal.name == *name) {
            let message = format!("a virtual account named `{name}` is already there; expected a name of its own");
            reader.fault(name_line(document.node), message);
        }
        all.push(account);
    }
    (all, tokens)
}

fn name_line(node: &Node) -> usize {
    node.get("name").map_or(node.line, |name| name.line)
}

#[cfg(test)]
mod tests;
