//! Addresses of the upstream hosts: resolved here and pushed to the shards, which never wait for a name.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::Snapshot;

pub const EVERY: Duration = Duration::from_secs(30);
/// When a host has no address at all.
pub const RETRY: Duration = Duration::from_secs(2);
/// How long a start or a reload waits for names.
pub const WAIT: Duration = Duration::from_secs(2);

/// Addresses as the shards know them. The port in them is that of one account of the host; a connection has its own.
pub type Addresses = Vec<(Box<str>, Vec<SocketAddr>)>;
pub type Answers = Vec<(Box<str>, Result<Vec<SocketAddr>, String>)>;

/// Hosts that need resolving, each once. A literal address needs none, nor the simulated provider (port 0).
pub fn hosts(snapshot: &Snapshot) -> BTreeMap<Box<str>, u16> {
    let upstreams = snapshot.accounts.iter().map(|account| &account.upstream);
    upstreams
        .filter(|upstream| upstream.port != 0 && upstream.host.parse::<IpAddr>().is_err())
        .map(|upstream| (upstream.host.as_str().into(), upstream.port))
        .collect()
}

/// Resolves all of `hosts` at once; what takes longer than [`WAIT`] has failed.
pub async fn resolve(hosts: BTreeMap<Box<str>, u16>) -> Answers {
    let mut lookups = JoinSet::new();
    for (host, port) in hosts {
        lookups.spawn(async move {
            let answer = match timeout(WAIT, lookup_host((&*host, port))).await {
                Ok(Ok(addresses)) => Ok(addresses.collect::<Vec<_>>()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer in {} s", WAIT.as_secs())),
            };
            (
                host,
                answer
                    .and_then(|addresses| if addresses.is_empty() { Err("no address".into()) } else { Ok(addresses) }),
            )
        });
    }
    lookups.join_all().await
}

/// For the start, before there is a control core: bounded by [`WAIT`].
pub fn resolve_first(snapshot: &Snapshot) -> std::io::Result<Addresses> {
    let hosts = hosts(snapshot);
    if hosts.is_empty() {
        return Ok(Addresses::new());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answers = runtime.block_on(resolve(hosts));
    // A lookup that hangs must not hold up the start.
    runtime.shutdown_background();
    Ok(Table::default().update(answers))
}

/// What the shards were told.
#[derive(Default)]
pub struct Table(BTreeMap<Box<str>, Vec<SocketAddr>>);

impl Table {
    pub fn new(addresses: &Addresses) -> Self {
        Self(addresses.iter().cloned().collect())
    }

    /// Takes in answers and gives what the shards must hear: hosts that are new or whose addresses changed. A name
    /// that stops resolving keeps its last addresses: DNS failing is no reason to stop serving.
    pub fn update(&mut self, answers: Answers) -> Addresses {
        let mut changed = Addresses::new();
        for (host, answer) in answers {
            let addresses = answer.unwrap_or_else(|error| {
                tracing::warn!(%host, %error, "the host does not resolve");
                self.0.get(&host).cloned().unwrap_or_default()
            });
            if self.0.get(&host).is_none_or(|known| !same(known, &addresses)) {
                self.0.insert(host.clone(), addresses.clone());
                changed.push((host, addresses));
            }
        }
        changed
    }

    /// Whether a host has no address yet.
    pub fn lacks(&self, hosts: &BTreeMap<Box<str>, u16>) -> bool {
        hosts.keys().any(|host| self.0.get(host).is_none_or(Vec::is_empty))
    }
}

/// Servers rotate their answers: order is no change.
fn same(a: &[SocketAddr], b: &[SocketAddr]) -> bool {
    a.len() == b.len() && a.iter().all(|address| b.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(host: &str, addresses: &[&str]) -> Answers {
        let parsed: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        let answer = if parsed.is_empty() { Err("no such host".to_owned()) } else { Ok(parsed) };
        vec![(host.into(), answer)]
    }

    #[test]
    fn shards_hear_changes_only_and_a_failing_name_keeps_its_addresses() {
        let mut table = Table::default();
        assert_eq!(table.update(answer("a", &["10.0.0.1:1", "10.0.0.2:1"])).len(), 1);
        assert!(table.update(answer("a", &["10.0.0.2:1", "10.0.0.1:1"])).is_empty(), "another order is no change");
        assert!(table.update(answer("a", &[])).is_empty(), "a failure is no change");
        assert_eq!(table.update(answer("a", &["10.0.0.3:1"]))[0].1.len(), 1);
        assert_eq!(table.update(answer("b", &[])), [("b".into(), vec![])], "a name that never resolved is told once");
        assert!(table.update(answer("b", &[])).is_empty());
        assert!(table.lacks(&[("b".into(), 1)].into()) && !table.lacks(&[("a".into(), 1)].into()));
    }
}
