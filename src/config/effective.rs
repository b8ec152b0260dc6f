//! The configuration as it is in force, for `sluice check`: defaults filled in, secrets as `***`.

use std::fmt::Write;

use super::credential::{Credential, CredentialSource};
use super::limits::shown_limits;
use super::paths::Paths;
use super::prices::PriceSettings;
use super::read::shown_bytes;
use super::routing;
use super::snapshot::{
    Account, Api, Auth, HealthCheck, OnUnsupported, OtlpProtocol, OtlpTarget, Process, Secret, Shards, Snapshot,
    Telemetry,
};
use crate::meter::pricing::Ratio;

/// YAML of the shape that is read, but for secrets (`***`) and for `otlp`, which shows what document and environment
/// together come to for each signal.
pub fn print_effective(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = sluice(&mut out, snapshot);
    for account in &snapshot.accounts {
        let _ = provider_account(&mut out, account);
    }
    let _ = routing::show(&mut out, &snapshot.routing, &snapshot.accounts);
    for index in 0..snapshot.virtual_accounts.len() {
        let _ = virtual_account(&mut out, snapshot, index);
    }
    out
}

fn sluice(out: &mut String, snapshot: &Snapshot) -> std::fmt::Result {
    let process = &snapshot.process;
    writeln!(out, "type: sluice\nname: {}", quoted(&process.name))?;
    let listen: Vec<String> = process.listen.iter().map(|address| address.to_string()).collect();
    writeln!(out, "listen: {}", list(&listen))?;
    if let [cert, key] = process.tls_files.as_slice() {
        writeln!(out, "tls: {{cert: {}, key: {}}}", quoted(&cert.to_string_lossy()), quoted(&key.to_string_lossy()))?;
    }
    writeln!(out, "admin: {}", quoted(&process.admin.to_string()))?;
    if process.admin_token.is_some() {
        writeln!(out, "admin_token: \"***\"")?;
    }
    match process.shards {
        Shards::Auto => writeln!(out, "shards: auto")?,
        Shards::Count(count) => writeln!(out, "shards: {count}")?,
    }
    writeln!(out, "auth: {}", if process.auth == Auth::None { "none" } else { "required" })?;
    storage_and_log(out, process)?;
    telemetry(out, &process.telemetry)?;
    prices(out, &process.prices)?;
    writeln!(out, "limits:")?;
    for (key, value) in shown_limits(&snapshot.limits) {
        writeln!(out, "  {key}: {value}")?;
    }
    Ok(())
}

fn storage_and_log(out: &mut String, process: &Process) -> std::fmt::Result {
    let storage = &process.storage;
    writeln!(out, "storage:")?;
    match &storage.dir {
        Some(dir) => writeln!(out, "  dir: {}", quoted(&dir.to_string_lossy()))?,
        None => writeln!(out, "  # dir: a temporary folder, gone with the process")?,
    }
    writeln!(out, "  retention_days: {}\n  max_bytes: {}", storage.retention_days, shown_bytes(storage.max_bytes))?;
    let format = match process.log.json {
        None => "auto",
        Some(true) => "json",
        Some(false) => "text",
    };
    writeln!(out, "log: {{format: {format}, access: {}}}", process.log.access)
}

fn prices(out: &mut String, prices: &PriceSettings) -> std::fmt::Result {
    let Some(table) = &prices.table else { return writeln!(out, "# prices: the table in the binary") };
    write!(out, "prices: {{table: {}", quoted(&table.to_string_lossy()))?;
    if let Some(refresh) = &prices.refresh {
        let hours = refresh.every.as_secs() / 3600;
        write!(out, ", refresh: {{from: {}, every_hours: {hours}}}", quoted(&refresh.from.to_string()))?;
    }
    writeln!(out, "}}")
}

fn telemetry(out: &mut String, telemetry: &Telemetry) -> std::fmt::Result {
    writeln!(out, "telemetry:\n  service_name: {}", quoted(&telemetry.service_name))?;
    writeln!(
        out,
        "  resource_attributes: {}",
        map(telemetry.resource_attributes.iter().map(|(k, v)| (k, v.as_str())))
    )?;
    writeln!(out, "  metadata_labels: {}", list(&telemetry.metadata_labels))?;
    for (signal, target) in [("traces", &telemetry.traces), ("metrics", &telemetry.metrics)] {
        match target {
            None => writeln!(out, "  # otlp, {signal}: not pushed")?,
            Some(target) => otlp(out, signal, target)?,
        }
    }
    if telemetry.traces.is_some() {
        let (ratio, parent) = (telemetry.sample_ratio, telemetry.parent_based);
        writeln!(
            out,
            "  # spans: sampled {ratio}, parent based {parent}, queue {}, batch {}, every {} ms",
            telemetry.span_queue_max, telemetry.span_batch_max, telemetry.span_delay_ms
        )?;
    }
    if telemetry.metrics.is_some() {
        let temporality = if telemetry.delta_temporality { "delta" } else { "cumulative" };
        writeln!(out, "  # metrics: {temporality}, every {} ms", telemetry.metric_interval_ms)?;
    }
    Ok(())
}

fn otlp(out: &mut String, signal: &str, target: &OtlpTarget) -> std::fmt::Result {
    let protocol = match target.protocol {
        OtlpProtocol::HttpProtobuf => "http/protobuf",
        OtlpProtocol::Grpc => "grpc",
    };
    let compression = if target.gzip { "gzip" } else { "none" };
    write!(out, "  # otlp, {signal}: {{endpoint: {}, protocol: {protocol}, ", quoted(&target.url))?;
    write!(
        out,
        "headers: {}, compression: {compression}, timeout_ms: {}",
        secrets(&target.headers),
        target.timeout_ms
    )?;
    if let Some(ca) = &target.ca {
        write!(out, ", ca: {}", quoted(&ca.to_string_lossy()))?;
    }
    if let Some((certificate, _)) = &target.identity {
        write!(out, ", client certificate: {}", quoted(&certificate.to_string_lossy()))?;
    }
    writeln!(out, "}}")
}

fn provider_account(out: &mut String, account: &Account) -> std::fmt::Result {
    writeln!(out, "---\ntype: provider-account/{}\nname: {}", account.kind, quoted(&account.name))?;
    endpoint(out, account)?;
    auth_data(out, account)?;
    let headers: Vec<(String, Secret)> =
        account.headers.iter().filter(|(name, _)| name != "authorization").cloned().collect();
    writeln!(out, "headers: {}", secrets(&headers))?;
    if matches!(account.api, Api::OpenAi | Api::Mock) {
        writeln!(out, "ask_usage: {}", account.ask_usage)?;
    }
    if account.api == Api::OpenAi {
        writeln!(out, "responses_api: {}", account.speaks_responses)?;
    }
    let on_unsupported = match account.on_unsupported {
        OnUnsupported::Refuse => "refuse",
        OnUnsupported::Drop => "drop",
    };
    writeln!(out, "on_unsupported: {on_unsupported}")?;
    if account.prices.discount != Ratio::ONE {
        writeln!(out, "discount_percent: {}", account.prices.discount.shown_discount())?;
    }
    if let Some(HealthCheck { path, interval_ms, timeout_ms }) = &account.health_check {
        let path = quoted(path);
        writeln!(out, "health_check: {{path: {path}, interval_ms: {interval_ms}, timeout_ms: {timeout_ms}}}")?;
    }
    integrations(out, account)
}

fn endpoint(out: &mut String, account: &Account) -> std::fmt::Result {
    let upstream = &account.upstream;
    if upstream.port == 0 {
        return writeln!(out, "# base_url: the provider simulated inside the process");
    }
    let scheme = if upstream.tls.is_some() { "https" } else { "http" };
    let version = if upstream.strip_v1 || account.paths != Paths::Plain { "" } else { "/v1" };
    let url = format!("{scheme}://{}{}{version}", upstream.authority, upstream.path_prefix);
    writeln!(out, "base_url: {}", quoted(&url))?;
    if let Some(ca) = &upstream.ca {
        writeln!(out, "tls_settings: {{ca: {}}}", quoted(&ca.to_string_lossy()))?;
    }
    match (&account.paths, &account.region) {
        (Paths::AzureDeployments { api_version } | Paths::AzureV1 { api_version: Some(api_version) }, _) => {
            writeln!(out, "api_version: {}", quoted(api_version))
        }
        (Paths::Vertex { project, location }, _) => {
            writeln!(out, "project: {}\nlocation: {}", quoted(project), quoted(location))
        }
        (_, Some(region)) => writeln!(out, "region: {}", quoted(region)),
        _ => Ok(()),
    }
}

fn auth_data(out: &mut String, account: &Account) -> std::fmt::Result {
    let shown = match &account.credential {
        Credential::Key(_) => "{type: api-key, api_key: \"***\"}",
        Credential::AwsKeys(keys) if keys.session_token.is_some() => {
            "{type: access-key, access_key_id: \"***\", secret_access_key: \"***\", session_token: \"***\"}"
        }
        Credential::AwsKeys(_) => "{type: access-key, access_key_id: \"***\", secret_access_key: \"***\"}",
        Credential::Fetched(CredentialSource::GoogleServiceAccount { .. }) => {
            "{type: service-account, credentials_json: \"***\"}"
        }
        Credential::Fetched(_) => "{type: default-chain}",
        // Only auth_data sets this field.
        Credential::None => match account.headers.iter().find(|(name, _)| name == "authorization") {
            Some((_, value)) if value.expose().starts_with("Basic ") => {
                "{type: basic-auth, username: \"***\", password: \"***\"}"
            }
            Some(_) => "{type: bearer-auth, bearer_token: \"***\"}",
            None => return Ok(()),
        },
    };
    writeln!(out, "auth_data: {shown}")
}

fn integrations(out: &mut String, account: &Account) -> std::fmt::Result {
    if account.pass_any_model {
        return writeln!(out, "# integrations: none, every model name is passed on");
    }
    if account.models.is_empty() {
        return writeln!(out, "integrations: []");
    }
    writeln!(out, "integrations:")?;
    let mut models: Vec<_> = account.models.iter().collect();
    models.sort_by_key(|(name, _)| name.as_str());
    for (name, target) in models {
        write!(out, "  - {{name: {}, type: integration/model/{}, ", quoted(name), account.kind)?;
        write!(out, "model_id: {}", quoted(&target.model_id))?;
        if let Some(types) = account.model_types.get(name) {
            write!(out, ", model_types: [{}]", types.join(", "))?;
        }
        if let Some(pricing) = &target.pricing {
            write!(out, ", cost: {}", pricing.shown())?;
        }
        writeln!(out, "}}")?;
    }
    Ok(())
}

fn virtual_account(out: &mut String, snapshot: &Snapshot, index: usize) -> std::fmt::Result {
    let Some(account) = snapshot.virtual_accounts.get(index) else { return Ok(()) };
    writeln!(out, "---\ntype: virtual-account\nname: {}", quoted(&account.principal.name))?;
    writeln!(out, "teams: {}", list(&account.principal.teams))?;
    writeln!(out, "metadata: {}", map(account.metadata.iter().map(|(k, v)| (k, v.as_str()))))?;
    writeln!(out, "tokens:")?;
    for key in &account.keys {
        // The hash is no secret, but it would invite guessing at short tokens.
        writeln!(out, "  - {{id: {}, sha256: \"***\"}}", quoted(&key.key_id))?;
    }
    writeln!(out, "permissions:")?;
    for fqn in &account.permissions {
        writeln!(out, "  - {{resource_fqn: {}}}", quoted(fqn))?;
    }
    Ok(())
}

pub(super) fn secrets(pairs: &[(String, Secret)]) -> String {
    map(pairs.iter().map(|(name, _)| (name, "***")))
}

pub(super) fn map<'a>(pairs: impl Iterator<Item = (&'a String, &'a str)>) -> String {
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{}: {}", quoted(key), quoted(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// Plain where YAML takes it for a string, else a JSON string, which YAML reads the same.
pub(super) fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.');
    let letter = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'/');
    match letter && text.bytes().all(plain) && !matches!(text, "null" | "true" | "false") {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}
