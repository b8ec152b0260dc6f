//! The validated configuration as the rest of the program reads it. Immutable: a reload makes a new one. Each shard
//! gets its own copy, so no reference count is shared between cores on the path of a request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::credential::Credential;
pub use super::paths::Api;
use super::paths::Paths;
use super::prices::PriceSettings;
use super::routing::Routing;
pub use super::secret::Secret;
use crate::meter::pricing::PriceList;
use crate::meter::{self, Learned, Pricing};
use crate::telemetry::{Principal, Target};

#[derive(Clone)]
pub struct Snapshot {
    /// Counts up with every configuration put in force; the first is 1.
    pub epoch: u64,
    pub process: Process,
    pub limits: Limits,
    pub accounts: Vec<Account>,
    pub virtual_accounts: Vec<VirtualAccount>,
    /// SHA-256 of a token -> (index into `virtual_accounts`, index of its token there).
    pub tokens: HashMap<[u8; 32], (usize, usize)>,
    pub routing: Routing,
    /// Every file and folder it was made of: documents, certificates, secrets. A change of one calls for a reload.
    pub watched: Vec<PathBuf>,
}

impl Snapshot {
    /// A copy for one shard: the `Arc`s that a request clones are made anew, so that shards share no reference count.
    /// The TLS configurations stay shared; they are touched once per connection.
    pub fn for_shard(&self) -> Self {
        let mut copy = self.clone();
        for account in &mut copy.accounts {
            for target in account.models.values_mut() {
                *target = Arc::new(Target::clone(target));
            }
        }
        copy.routing.own(&copy.accounts);
        for account in &mut copy.virtual_accounts {
            account.principal = Arc::new(Principal::clone(&account.principal));
            for key in &mut account.keys {
                *key = Arc::new(Principal::clone(key));
            }
        }
        copy
    }
}

/// The `type: sluice` document, but its limits.
#[derive(Clone)]
pub struct Process {
    pub name: String,
    pub listen: Vec<SocketAddr>,
    /// Server side TLS of every `listen` address.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Certificate and key files, watched for changes.
    pub tls_files: Vec<PathBuf>,
    pub admin: SocketAddr,
    pub admin_token: Option<Secret>,
    pub shards: Shards,
    pub auth: Auth,
    pub storage: Storage,
    pub telemetry: Telemetry,
    pub prices: PriceSettings,
    pub log: Log,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shards {
    Auto,
    Count(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    Required,
    /// Loopback listeners only.
    None,
}

#[derive(Clone)]
pub struct Storage {
    /// `None`: rows are kept in a temporary folder and are gone with the process (the embedded default config).
    pub dir: Option<PathBuf>,
    pub retention_days: u32,
    pub max_bytes: u64,
}

#[derive(Clone, PartialEq)]
pub struct Telemetry {
    /// Where traces and metrics are pushed; `None` pushes nothing. The environment (`OTEL_*`, `ENABLE_OTEL_*`) is
    /// already folded in: see config/telemetry.rs.
    pub traces: Option<OtlpTarget>,
    pub metrics: Option<OtlpTarget>,
    pub service_name: String,
    pub resource_attributes: Vec<(String, String)>,
    /// Metadata keys that become labels `llm_gateway_metadata_<key>`, in their order.
    pub metadata_labels: Vec<String>,
    pub metric_interval_ms: u64,
    pub delta_temporality: bool,
    /// Spans: how long a batch waits, how many may wait, how many go out in one request.
    pub span_delay_ms: u64,
    pub span_queue_max: usize,
    pub span_batch_max: usize,
    /// Share of traces begun here that are exported, 0..=1 (`OTEL_TRACES_SAMPLER`).
    pub sample_ratio: f64,
    /// Follow the caller's sampled flag.
    pub parent_based: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OtlpProtocol {
    HttpProtobuf,
    Grpc,
}

#[derive(Clone, PartialEq)]
pub struct OtlpTarget {
    /// Complete: for HTTP with its `/v1/traces` or `/v1/metrics`.
    pub url: String,
    pub protocol: OtlpProtocol,
    pub headers: Vec<(String, Secret)>,
    pub gzip: bool,
    pub timeout_ms: u64,
    /// PEM of an additional root.
    pub ca: Option<PathBuf>,
    /// PEM files of this gateway's own certificate chain and its key, for receivers that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log {
    pub json: Option<bool>,
    /// One line per request.
    pub access: bool,
}

/// Bounds of the data plane. Defaults and their reasons: spec "dataplane" 3.5; all are keys of `limits:`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// RFC 9112 3 asks for at least 8000 octets.
    pub request_line_bytes_max: usize,
    pub head_bytes_max: usize,
    pub fields_max: usize,
    pub request_body_bytes_max: u64,
    pub trailer_bytes_max: usize,
    /// Interim (1xx) answers accepted from an upstream per request.
    pub informational_max: u32,
    pub head_ms: u64,
    pub body_idle_ms: u64,
    pub keep_alive_idle_ms: u64,
    pub requests_per_connection_max: u64,
    pub tls_handshake_ms: u64,
    pub upstream_connect_ms: u64,
    pub upstream_first_byte_ms: u64,
    pub stream_idle_ms: u64,
    pub total_ms: u64,
    /// A client that reads slower than this is cut; never before 10 s.
    pub client_bytes_per_s_min: u64,
    /// Stop reading the upstream of a stream above this much unsent, go on below a quarter of it.
    pub client_pending_bytes_max: usize,
    /// Bodies held by one shard; new requests get 503 at 80 %, new connections wait at 95 %.
    pub shard_buffer_bytes_max: usize,
    pub upstream_idle_ms: u64,
    pub upstream_idle_per_host_max: usize,
    pub upstream_per_shard_max: usize,
    pub upstream_max_age_ms: u64,
    /// How long a drain lets open streams go on.
    pub drain_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line_bytes_max: 8 * 1024,
            head_bytes_max: 32 * 1024,
            fields_max: 100,
            request_body_bytes_max: 32 * 1024 * 1024,
            trailer_bytes_max: 4 * 1024,
            informational_max: 8,
            head_ms: 10_000,
            body_idle_ms: 30_000,
            keep_alive_idle_ms: 75_000,
            requests_per_connection_max: 10_000,
            tls_handshake_ms: 5_000,
            upstream_connect_ms: 3_000,
            upstream_first_byte_ms: 60_000,
            stream_idle_ms: 30_000,
            total_ms: 30 * 60 * 1000,
            client_bytes_per_s_min: 1024,
            client_pending_bytes_max: 64 * 1024,
            shard_buffer_bytes_max: 1 << 30,
            upstream_idle_ms: 55_000,
            upstream_idle_per_host_max: 256,
            upstream_per_shard_max: 16 * 1024,
            upstream_max_age_ms: 10 * 60 * 1000,
            drain_ms: 5 * 60 * 1000,
        }
    }
}

/// What becomes of a request that asks for something its provider's dialect has no place for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnUnsupported {
    /// 400, naming the fields.
    #[default]
    Refuse,
    /// Served without them; the answer's `warning` field names them.
    Drop,
}

#[derive(Clone)]
pub struct Account {
    pub name: String,
    /// `mistral-ai` of `provider-account/mistral-ai`.
    pub kind: &'static str,
    /// `gen_ai.provider.name`: `mistral_ai`.
    pub provider: String,
    pub api: Api,
    pub upstream: Upstream,
    pub paths: Paths,
    pub credential: Credential,
    /// Bedrock and Vertex: decides the host, signs, and may have prices of its own.
    pub region: Option<String>,
    pub on_unsupported: OnUnsupported,
    /// OpenAI: `/v1/responses` is there too. Where it is not, calls to that face are translated to chat completions.
    pub speaks_responses: bool,
    /// Added to every request to this account.
    pub headers: Vec<(String, Secret)>,
    /// Model name (after the account) -> target. Ready-made labels.
    pub models: HashMap<String, Arc<Target>>,
    /// What the integrations say their models do (`chat`, `embedding`, ...), by model name.
    pub model_types: HashMap<String, Vec<String>>,
    /// No `integrations`: every model name is passed on.
    pub pass_any_model: bool,
    /// Whether `stream_options.include_usage` may be added (chat completions and completions).
    pub ask_usage: bool,
    /// What its models cost where public prices hold.
    pub prices: PriceList,
    /// Asked now and then whether it is there.
    pub health_check: Option<HealthCheck>,
}

/// A probe of a provider's endpoint, with the account's credential: any answer below 500 says that it is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthCheck {
    /// Behind the host, `/v1/models`.
    pub path: String,
    pub interval_ms: u64,
    pub timeout_ms: u64,
}

impl Account {
    /// The key it has in the configuration, if that is its credential.
    pub fn key(&self) -> Option<&Secret> {
        match &self.credential {
            Credential::Key(key) => Some(key),
            _ => None,
        }
    }

    /// The labels of one of its models, called `model` here and `model_id` by the provider. Names that are passed on
    /// have public prices; an integration says what it costs.
    pub fn target(&self, model: &str, model_id: &str) -> Target {
        Target {
            account: self.name.as_str().into(),
            model: model.into(),
            fqn: format!("{}/{model}", self.name).into(),
            model_id: model_id.into(),
            family: meter::family(model_id),
            provider: self.provider.as_str().into(),
            host: self.upstream.host.as_str().into(),
            port: self.upstream.port,
            pricing: if self.pass_any_model { self.public_price(model_id) } else { None },
            learned: Learned::default(),
        }
    }

    /// The list price of a model, as the provider calls it.
    pub fn public_price(&self, model_id: &str) -> Option<Arc<Pricing>> {
        let (kind, host) = (self.kind, self.upstream.host.as_str());
        self.prices.pricing(kind, host, self.region.as_deref(), model_id).map(Arc::new)
    }
}

/// Everything that decides who answers on a connection: the pool's key is made of it.
#[derive(Clone)]
pub struct Upstream {
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// PEM of the additional root in `tls`.
    pub ca: Option<PathBuf>,
    /// A name or address, IPv6 without brackets. `mock` with port 0: the provider simulated inside the process, whose
    /// address is known once it listens.
    pub host: String,
    pub port: u16,
    /// `base_url`'s path without a trailing slash and without a trailing `/v1`: `/openai` or empty. The client's path,
    /// `/v1/chat/completions`, follows it.
    pub path_prefix: String,
    /// The client's `/v1` is left out after `path_prefix`: the provider has its version elsewhere in the path, or none
    /// (`/v1/openai/chat/completions`, `/api/paas/v4/chat/completions`, `/chat/completions`).
    pub strip_v1: bool,
    /// Value of the `Host` field: host, with the port when it is not the scheme's own.
    pub authority: String,
}

#[derive(Clone)]
pub struct VirtualAccount {
    pub principal: Arc<Principal>,
    /// One per token, in the order of `tokens:`: the principal with that key id.
    pub keys: Vec<Arc<Principal>>,
    /// Defaults that the request header may not override.
    pub metadata: Vec<(String, String)>,
    /// `account/model`, `account/*` or `*`. Empty: nothing is allowed.
    pub permissions: Vec<String>,
}
