//! The `type: sluice` document: the process itself.

use std::net::SocketAddr;

use super::limits;
use super::prices::{self, PriceSettings};
use super::read::{Fields, NAME, Reader, is_name};
use super::snapshot::{Auth, Limits, Log, Process, Shards, Storage};
use super::telemetry;
use super::tree::{Node, Value};
use crate::tls;

const KEYS: [&str; 13] = [
    "type",
    "name",
    "listen",
    "tls",
    "admin",
    "admin_token",
    "shards",
    "auth",
    "storage",
    "telemetry",
    "prices",
    "limits",
    "log",
];
const ADDRESS: &str = "an address and port, such as `127.0.0.1:8080` or `[::1]:8080`";
const DAYS_MAX: u64 = 3650;
const SHARDS_MAX: u64 = 1024;

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

/// `node`: `None` when no document says anything; then all is as by default.
pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> (Process, Limits) {
    let what = "a `type: sluice` document";
    let fields = node.and_then(|node| reader.fields(node, what, &KEYS));
    let Some(fields) = fields else {
        let telemetry = telemetry::read(reader, None);
        return (defaults(telemetry), Limits::default());
    };
    reader.need(fields, what, &["name"]);
    let telemetry_keys = ["otlp", "service_name", "resource_attributes", "metadata_labels"];
    let telemetry_fields = reader.map(fields, "telemetry", &telemetry_keys);
    let telemetry = telemetry::read(reader, telemetry_fields);
    let mut process = defaults(telemetry);
    if let Some(name) = reader.parsed(fields, "name", NAME, |text| is_name(text).then(|| text.to_owned())) {
        process.name = name;
    }
    addresses(reader, fields, &mut process);
    tls(reader, fields, &mut process);
    process.admin_token = reader.secret(fields, "admin_token");
    if fields.get("admin_token").is_none() && !process.admin.ip().is_loopback() {
        let message = "`admin_token` is required when `admin` is not a loopback address";
        reader.fault(fields.line_of("admin"), message);
    }
    let what = format!("`auto` or a number from 1 to {SHARDS_MAX}");
    let shards = reader.parsed(fields, "shards", &what, |text| match text.parse() {
        Ok(count) if (1..=SHARDS_MAX).contains(&count) => Some(Shards::Count(count as usize)),
        _ => (text == "auto").then_some(Shards::Auto),
    });
    process.shards = shards.unwrap_or(process.shards);
    auth(reader, fields, &mut process);
    storage(reader, fields, &mut process);
    process.prices = prices::read(reader, fields);
    if let Some(log) = reader.map(fields, "log", &["format", "access"]) {
        let formats = [("auto", None), ("json", Some(true)), ("text", Some(false))];
        process.log.json = reader.choice(log, "format", &formats).unwrap_or(None);
        process.log.access = reader.flag(log, "access").unwrap_or(false);
    }
    let limits = fields.get("limits").map(|node| limits::read(reader, node)).unwrap_or_default();
    (process, limits)
}

fn defaults(telemetry: super::Telemetry) -> Process {
    Process {
        name: "main".to_owned(),
        listen: vec![LISTEN],
        tls: None,
        tls_files: Vec::new(),
        admin: ADMIN,
        admin_token: None,
        shards: Shards::Auto,
        auth: Auth::Required,
        storage: Storage { dir: None, retention_days: 30, max_bytes: 10 << 30 },
        telemetry,
        prices: PriceSettings::default(),
        log: Log { json: None, access: false },
    }
}

fn addresses(reader: &mut Reader<'_>, fields: Fields<'_>, process: &mut Process) {
    let listen: Vec<(usize, SocketAddr)> = match fields.get("listen") {
        Some(Node { value: Value::List(items), line }) => {
            if items.is_empty() {
                reader.fault(*line, format!("`listen`: expected {ADDRESS}"));
            }
            items.iter().filter_map(|item| Some((item.line, address(reader, item, "listen")?))).collect()
        }
        Some(node) => address(reader, node, "listen").map(|address| (node.line, address)).into_iter().collect(),
        None => vec![(fields.line, LISTEN)],
    };
    if let Some(admin) = fields.get("admin").and_then(|node| address(reader, node, "admin")) {
        process.admin = admin;
    }
    // Port 0 is any free port, a new one each time.
    let taken = |address: &SocketAddr, others: &[SocketAddr]| address.port() != 0 && others.contains(address);
    process.listen.clear();
    for (line, address) in listen {
        if taken(&address, &process.listen) {
            reader.fault(line, "`listen`: the same address is given twice");
        }
        process.listen.push(address);
    }
    if taken(&process.admin, &process.listen) {
        reader.fault(fields.line_of("admin"), "`admin`: expected another address than those of `listen`");
    }
}

fn address(reader: &mut Reader<'_>, node: &Node, key: &str) -> Option<SocketAddr> {
    let parsed = reader.scalar(node, key, ADDRESS)?.parse();
    if parsed.is_err() {
        reader.fault(node.line, format!("`{key}`: expected {ADDRESS}"));
    }
    parsed.ok()
}

fn tls(reader: &mut Reader<'_>, fields: Fields<'_>, process: &mut Process) {
    let Some(keys) = reader.map(fields, "tls", &["cert", "key"]) else { return };
    reader.need(keys, "tls", &["cert", "key"]);
    let (Some(cert), Some(key)) = (reader.path(keys, "cert"), reader.path(keys, "key")) else { return };
    reader.depends_on(&cert);
    reader.depends_on(&key);
    match tls::config::server(&cert, &key) {
        Ok(config) => process.tls = Some(config),
        Err(message) => reader.fault(fields.line_of("tls"), format!("`tls`: {message}")),
    }
    process.tls_files = vec![cert, key];
}

fn auth(reader: &mut Reader<'_>, fields: Fields<'_>, process: &mut Process) {
    let auth = reader.choice(fields, "auth", &[("required", Auth::Required), ("none", Auth::None)]);
    process.auth = auth.unwrap_or(process.auth);
    if process.auth == Auth::None && process.listen.iter().any(|address| !address.ip().is_loopback()) {
        let message = "`auth: none` is accepted only when every `listen` address is a loopback address";
        reader.fault(fields.line_of("auth"), message);
    }
}

fn storage(reader: &mut Reader<'_>, fields: Fields<'_>, process: &mut Process) {
    let Some(keys) = reader.map(fields, "storage", &["dir", "retention_days", "max_bytes"]) else { return };
    let storage = &mut process.storage;
    storage.dir = reader.path(keys, "dir");
    storage.retention_days =
        reader.number(keys, "retention_days", 1..=DAYS_MAX).map_or(storage.retention_days, |days| days as u32);
    storage.max_bytes = reader.bytes(keys, "max_bytes", 16 << 20..=1 << 50).unwrap_or(storage.max_bytes);
}
