//! What every request to a collector begins with: the resource and the instrumentation scope, encoded once.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use super::proto::{self, Attributes};
use crate::config::Telemetry;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub struct Resource {
    /// Field 1 of ResourceSpans and of ResourceMetrics.
    resource: Vec<u8>,
    /// Field 1 of ScopeSpans and of ScopeMetrics.
    scope: Vec<u8>,
}

impl Resource {
    pub fn new(telemetry: &Telemetry) -> Self {
        let given = |key: &str| telemetry.resource_attributes.iter().any(|(known, _)| known == key);
        let mut resource = Vec::new();
        proto::message(&mut resource, 1, |out| {
            let mut attributes = Attributes { out, field: 1 };
            attributes.text("service.name", &telemetry.service_name);
            if !given("service.version") {
                attributes.text("service.version", VERSION);
            }
            // Two gateways with one name would otherwise write over each other's cumulative series. One for both signals,
            // and the same after a reload.
            if !given("service.instance.id") {
                attributes.text("service.instance.id", &INSTANCE);
            }
            if !given("process.pid") {
                attributes.int("process.pid", std::process::id().into());
            }
            for (key, value) in telemetry.resource_attributes.iter().filter(|(key, _)| key != "service.name") {
                attributes.text(key, value);
            }
        });
        let mut scope = Vec::new();
        proto::message(&mut scope, 1, |out| {
            proto::bytes(out, 1, b"sluice");
            proto::bytes(out, 2, VERSION.as_bytes());
        });
        Self { resource, scope }
    }

    /// A whole export request of `items`, which are encoded fields 2 of ScopeSpans or ScopeMetrics. Both requests have
    /// the same shape: {1: {1: resource, 2: {1: scope, 2: items}}}.
    pub fn request(&self, items: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.resource.len() + self.scope.len() + items.len() + 16);
        let scoped = self.scope.len() + items.len();
        let mut inner = Vec::with_capacity(8);
        proto::length(&mut inner, 2, scoped);
        proto::length(&mut out, 1, self.resource.len() + inner.len() + scoped);
        out.extend_from_slice(&self.resource);
        out.extend_from_slice(&inner);
        out.extend_from_slice(&self.scope);
        out.extend_from_slice(items);
        out
    }
}

static INSTANCE: LazyLock<String> = LazyLock::new(instance_id);

/// A random UUID (RFC 9562 5.4), from the randomness that keys the standard library's hash maps.
fn instance_id() -> String {
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    let random = half() << 64 | half();
    let id = random & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{id:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or("");
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_is_a_version_4_uuid() {
        let id = instance_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
