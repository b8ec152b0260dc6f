//! rustls configurations from files: certificates of the listeners, roots for the upstreams. Called by the loader of
//! `config`; does no network I/O.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The only protocol the data plane speaks.
const ALPN: &[u8] = b"http/1.1";

/// For listeners. The message names the file and never holds its bytes.
pub fn server(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("{}: no private key read: {}", key.display(), pem_error(&error)))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| format!("{} and {}: {error}", cert.display(), key.display()))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Stateless tickets resume on whichever shard the client comes back to. The default, a session map behind a
    // mutex, would be shared by all shards and written on every handshake.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
    Ok(Arc::new(config))
}

/// For upstreams: one configuration per distinct CA file, and the system's roots read once, when first needed (that
/// takes tens of milliseconds).
#[derive(Default)]
pub struct ClientConfigs {
    system: Option<RootCertStore>,
    by_ca: HashMap<Option<PathBuf>, Arc<ClientConfig>>,
}

impl ClientConfigs {
    /// The system's roots, and those in `ca`.
    pub fn get(&mut self, ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
        let ca = ca.map(Path::to_owned);
        if let Some(config) = self.by_ca.get(&ca) {
            return Ok(config.clone());
        }
        let mut roots = self.system.get_or_insert_with(system_roots).clone();
        if let Some(path) = &ca {
            for root in certificates(path)? {
                roots.add(root).map_err(|error| format!("{}: not a root certificate: {error}", path.display()))?;
            }
        }
        if roots.is_empty() {
            let found = "the system has no root certificates; install them (package ca-certificates)";
            return Err(format!("{found} or give `tls_settings: {{ca: FILE}}`"));
        }
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        let config = Arc::new(config);
        self.by_ca.insert(ca, config.clone());
        Ok(config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Roots that cannot be read are left out, as OpenSSL does; what then does not verify says so per connection.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |error: &pem::Error| format!("{}: no certificate read: {}", path.display(), pem_error(error));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .and_then(|items| items.collect::<Result<_, _>>())
        .map_err(|error| fault(&error))?;
    if chain.is_empty() { Err(fault(&pem::Error::NoItemsFound)) } else { Ok(chain) }
}

/// The library's messages quote the offending line, which may be of a key.
fn pem_error(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "the file holds none in PEM form".to_owned(),
        _ => "not PEM".to_owned(),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
