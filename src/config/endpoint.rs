//! Where an account's provider is and how its paths are made: `base_url` and what each kind has in its place.

use super::kinds::{Form, Kind};
use super::paths::Paths;
use super::read::{Fields, Reader};
use super::snapshot::{Api, Upstream};
use super::url::Url;
use crate::tls::config::ClientConfigs;

pub(super) struct Endpoint {
    pub upstream: Upstream,
    pub paths: Paths,
    pub region: Option<String>,
}

/// The keys of a kind besides those of every account.
pub(super) fn keys(form: Form) -> &'static [&'static str] {
    match form {
        Form::Plain | Form::Gemini | Form::Cohere => &[],
        Form::Azure => &["azure_endpoint", "api_version"],
        Form::Vertex => &["project", "location", "region"],
        Form::Bedrock => &["region"],
    }
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    kind: &Kind,
    clients: &mut ClientConfigs,
) -> Option<Endpoint> {
    let place = place(reader, fields, kind);
    let tls_settings = reader.map(fields, "tls_settings", &["ca"]);
    let ca = tls_settings.and_then(|settings| {
        reader.need(settings, "tls_settings", &["ca"]);
        reader.path(settings, "ca")
    });
    let Place { url, paths, region } = place?;
    let Some(url) = url else {
        let host = "mock".to_owned();
        let (path_prefix, authority) = (String::new(), host.clone());
        let upstream = Upstream { tls: None, ca: None, host, port: 0, path_prefix, strip_v1: false, authority };
        return Some(Endpoint { upstream, paths, region });
    };
    if ca.is_some() && !url.https {
        reader.fault(fields.line_of("tls_settings"), "`tls_settings` needs a `base_url` that begins with `https://`");
    }
    let tls = match url.https {
        false => None,
        true => match clients.get(ca.as_deref()) {
            Ok(config) => Some(config),
            Err(message) => {
                reader.fault(fields.line_of("tls_settings"), message);
                None
            }
        },
    };
    if let Some(ca) = &ca {
        reader.depends_on(ca);
    }
    let authority = url.authority();
    let (path_prefix, strip_v1) = prefix(&url.path, kind);
    let upstream = Upstream { tls, ca, host: url.host, port: url.port, path_prefix, strip_v1, authority };
    Some(Endpoint { upstream, paths, region })
}

struct Place {
    /// `None`: inside the process.
    url: Option<Url>,
    paths: Paths,
    region: Option<String>,
}

fn place(reader: &mut Reader<'_>, fields: Fields<'_>, kind: &Kind) -> Option<Place> {
    match kind.form {
        Form::Plain => Some(Place { url: url(reader, fields, kind)?, paths: Paths::Plain, region: None }),
        Form::Gemini => Some(Place { url: url(reader, fields, kind)?, paths: Paths::Gemini, region: None }),
        Form::Cohere => Some(Place { url: url(reader, fields, kind)?, paths: Paths::Cohere, region: None }),
        Form::Azure => azure(reader, fields),
        Form::Vertex => vertex(reader, fields),
        Form::Bedrock => bedrock(reader, fields),
    }
}

fn url(reader: &mut Reader<'_>, fields: Fields<'_>, kind: &Kind) -> Option<Option<Url>> {
    match (fields.get("base_url"), kind.base_url) {
        (Some(_), _) => reader.url(fields, "base_url").map(Some),
        (None, Some(default)) => Url::parse(default).map(Some),
        (None, None) if kind.api == Api::Mock => Some(None),
        (None, None) => {
            reader.need(fields, "a provider account of this type", &["base_url"]);
            None
        }
    }
}

fn azure(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Place> {
    let what = "a version such as `2024-10-21` or `preview`";
    let version = reader.parsed(fields, "api_version", what, |text| {
        let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        ((1..=64).contains(&text.len()) && text.bytes().all(sound)).then(|| text.to_owned())
    });
    let url = match (fields.get("azure_endpoint"), fields.get("base_url")) {
        (Some(_), Some(_)) => {
            let line = fields.line_of("base_url");
            reader.fault(line, "`azure_endpoint` and `base_url` are the same; expected one of them");
            return None;
        }
        (None, Some(_)) => reader.url(fields, "base_url"),
        (_, None) => {
            reader.need(fields, "a provider account of this type", &["azure_endpoint"]);
            reader.url(fields, "azure_endpoint")
        }
    };
    // A dated version is of the older form, which has the deployment in its path; `preview` is of the newer one.
    let paths = match version {
        Some(api_version) if api_version.starts_with(|c: char| c.is_ascii_digit()) => {
            Paths::AzureDeployments { api_version }
        }
        api_version => Paths::AzureV1 { api_version },
    };
    Some(Place { url: Some(url?), paths, region: None })
}

fn vertex(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Place> {
    reader.need(fields, "a provider account of this type", &["project"]);
    let project = reader.parsed(fields, "project", "a project's id or number", |text| {
        let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_');
        let sound = (1..=128).contains(&text.len()) && text.bytes().all(sound);
        (sound && text.bytes().any(|b| b.is_ascii_alphanumeric())).then(|| text.to_owned())
    });
    let key = if fields.get("region").is_some() { "region" } else { "location" };
    reader.need(fields, "a provider account of this type", &[key]);
    if key == "region" && fields.get("location").is_some() {
        reader.fault(fields.line_of("region"), "`location` and `region` are the same; expected one of them");
    }
    let location = region(reader, fields, key, "a location such as `us-central1` or `global`");
    let (project, location) = (project?, location?);
    let host = match location.as_str() {
        "global" => "aiplatform.googleapis.com".to_owned(),
        // Multi-regions.
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        _ => format!("{location}-aiplatform.googleapis.com"),
    };
    let url = base_url_or(reader, fields, host)?;
    let region = Some(location.clone());
    Some(Place { url: Some(url), paths: Paths::Vertex { project, location }, region })
}

fn bedrock(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Place> {
    reader.need(fields, "a provider account of this type", &["region"]);
    let region = region(reader, fields, "region", "a region such as `us-east-1`")?;
    let top = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = base_url_or(reader, fields, format!("bedrock-runtime.{region}.{top}"))?;
    Some(Place { url: Some(url), paths: Paths::Bedrock, region: Some(region) })
}

fn region(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str, what: &str) -> Option<String> {
    reader.parsed(fields, key, what, |text| {
        let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        ((1..=40).contains(&text.len()) && text.bytes().all(sound) && !text.starts_with('-')).then(|| text.to_owned())
    })
}

fn base_url_or(reader: &mut Reader<'_>, fields: Fields<'_>, host: String) -> Option<Url> {
    match fields.get("base_url") {
        Some(_) => reader.url(fields, "base_url"),
        None => Some(Url { https: true, host, port: 443, path: String::new() }),
    }
}

/// What of a base URL's path stands before the provider's own path, which [`Paths`] makes whole; so the version that
/// people write at its end is left out.
///
/// Of those that speak like OpenAI, one that ends in `/v1`, or names no version at all, gets the client's whole
/// `/v1/...`; one with its version elsewhere (`/v1/openai`, `/api/paas/v4`) is taken as it is.
fn prefix(path: &str, kind: &Kind) -> (String, bool) {
    let path = path.trim_end_matches('/');
    let known: &[&str] = match kind.form {
        Form::Plain => &["/v1"],
        Form::Azure => &["/openai/v1", "/openai"],
        Form::Gemini => &["/v1beta", "/v1"],
        Form::Vertex => &["/v1"],
        Form::Bedrock => &[],
        Form::Cohere => &["/v2", "/v1"],
    };
    if let Some(before) = known.iter().find_map(|end| path.strip_suffix(end)) {
        return (before.to_owned(), false);
    }
    let version = |segment: &str| {
        segment.strip_prefix('v').is_some_and(|rest| rest.bytes().next().is_some_and(|b| b.is_ascii_digit()))
    };
    let strip_v1 = kind.form == Form::Plain && (kind.versionless || path.split('/').any(version));
    (path.to_owned(), strip_v1)
}

#[cfg(test)]
mod tests {
    use super::super::kinds::kind;
    use super::*;

    #[test]
    fn a_base_url_keeps_what_is_not_the_providers_own_path() {
        for (suffix, path, prefix_expected, strip) in [
            ("openai", "", "", false),
            ("openai", "/", "", false),
            ("openai", "/v1", "", false),
            ("openai", "/v1/", "", false),
            ("openai", "/openai/v1", "/openai", false),
            ("openai", "/proxy/team", "/proxy/team", false),
            ("openai", "/v1/openai", "/v1/openai", true),
            ("openai", "/api/paas/v4/", "/api/paas/v4", true),
            ("openai", "/v1beta/openai", "/v1beta/openai", true),
            ("openai", "/vllm", "/vllm", false),
            ("databricks", "/serving-endpoints", "/serving-endpoints", true),
            ("snowflake-cortex", "/api/v2/cortex/v1", "/api/v2/cortex", false),
            ("azure-openai", "/", "", false),
            ("azure-openai", "/openai/v1/", "", false),
            ("azure-openai", "/apim/v2/openai", "/apim/v2", false),
            ("google-gemini", "/v1beta", "", false),
            ("google-gemini", "/proxy/v1", "/proxy", false),
            ("google-vertex", "/v1", "", false),
            ("aws-bedrock", "/v1", "/v1", false),
            ("cohere", "/v2", "", false),
        ] {
            let kind = kind(suffix).expect("served");
            assert_eq!(prefix(path, kind), (prefix_expected.to_owned(), strip), "{suffix} {path}");
        }
    }
}
