//! An account's `health_check`: whether, where and how often the control core asks if the provider is there.

use super::paths::Paths;
use super::read::{Fields, Reader};
use super::snapshot::{Account, HealthCheck};

const TIMEOUT_MS: u64 = 2_000;

/// `None`: nobody asks.
pub(super) fn read(reader: &mut Reader<'_>, fields: Fields<'_>, account: &Account) -> Option<HealthCheck> {
    let check = reader.map(fields, "health_check", &["path", "interval_ms", "timeout_ms"])?;
    let what = "a path such as `/v1/models`: visible ASCII that begins with `/`";
    let sound = |text: &str| {
        text.len() <= 1024 && text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
    };
    let path = reader.parsed(check, "path", what, |text| sound(text).then(|| text.to_owned()));
    let interval_ms = reader.number(check, "interval_ms", 100..=3_600_000).unwrap_or(10_000);
    // Before the next one begins.
    let timeout_ms = reader.number(check, "timeout_ms", 10..=interval_ms).unwrap_or(TIMEOUT_MS.min(interval_ms));
    Some(HealthCheck { path: path.unwrap_or_else(|| default_path(account)), interval_ms, timeout_ms })
}

/// The list of models, which costs nothing. Vertex has none: the location is asked for in its place. Bedrock's is on
/// another host; `/` tells that this one answers.
fn default_path(account: &Account) -> String {
    let prefix = &account.upstream.path_prefix;
    let version = |version: &Option<String>| version.as_ref().map_or_else(String::new, |v| format!("?api-version={v}"));
    match &account.paths {
        Paths::Plain if account.upstream.strip_v1 => format!("{prefix}/models"),
        Paths::Plain | Paths::Cohere => format!("{prefix}/v1/models"),
        Paths::AzureDeployments { api_version } => format!("{prefix}/openai/models?api-version={api_version}"),
        Paths::AzureV1 { api_version } => format!("{prefix}/openai/v1/models{}", version(api_version)),
        Paths::Gemini => format!("{prefix}/v1beta/models"),
        Paths::Vertex { project, location } => format!("{prefix}/v1/projects/{project}/locations/{location}"),
        Paths::Bedrock => format!("{prefix}/"),
    }
}
