//! What a request says of how it is to be routed: `x-tfy-retry-config`, `x-tfy-request-timeout`, `x-tfy-ttft-timeout-ms`,
//! each as `x-sluice-*` as well (spec "seed" 3.2).

use super::request::{Refusal, Request};
use crate::config::Retry;
use crate::http1::{Name, RequestHead};
use crate::policy::route::headers;
use crate::telemetry::ErrorClass;

#[derive(Clone, Default)]
pub struct Settings {
    /// Rare, and large.
    pub retry: Option<Box<Retry>>,
    /// Per attempt.
    pub timeout_ms: Option<u64>,
    pub ttft_timeout_ms: Option<u64>,
}

impl Settings {
    /// Whether a failure is only that the caller would not wait: that is no fault of the target.
    pub fn cut_off(&self, class: ErrorClass) -> bool {
        match class {
            ErrorClass::FirstByteTimeout => self.ttft_timeout_ms.is_some() || self.timeout_ms.is_some(),
            ErrorClass::TotalTimeout => self.timeout_ms.is_some(),
            _ => false,
        }
    }

    pub fn read(request: &Request, received: &[u8]) -> Result<Self, Refusal> {
        let head = &request.head;
        if !head.fields.iter().any(|field| field.name == Name::TfyOrSluice) {
            return Ok(Self::default());
        }
        Ok(Self {
            retry: read(head, received, b"retry-config", headers::retry_config)?.map(Box::new),
            timeout_ms: read(head, received, b"request-timeout", headers::timeout_ms)?,
            ttft_timeout_ms: read(head, received, b"ttft-timeout-ms", headers::timeout_ms)?,
        })
    }
}

fn read<T>(
    head: &RequestHead,
    received: &[u8],
    setting: &[u8],
    read: fn(&str, &[u8]) -> Result<T, String>,
) -> Result<Option<T>, Refusal> {
    let Some((name, value)) = named(head, received, setting) else { return Ok(None) };
    let name = String::from_utf8_lossy(name);
    read(&name, value).map(Some).map_err(|why| Refusal::new(400, "invalid_header", why))
}

/// The field `x-tfy-{setting}` or `x-sluice-{setting}`: its name and value.
fn named<'a>(head: &RequestHead, received: &'a [u8], setting: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    head.fields.iter().filter(|field| field.name == Name::TfyOrSluice).find_map(|field| {
        let name = field.name_span.of(received);
        let rest = [&b"x-tfy-"[..], b"x-sluice-"].iter().find_map(|prefix| {
            name.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix))?;
            name.get(prefix.len()..)
        })?;
        rest.eq_ignore_ascii_case(setting).then(|| (name, field.value.of(received)))
    })
}
