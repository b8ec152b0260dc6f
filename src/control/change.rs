//! What changes while serving: the configuration, the addresses of upstream hosts, credentials that expire.

use std::path::PathBuf;

use tokio::time::Instant;

use super::core::{Core, FLUSH_WITHIN, Phase};
use super::credentials::News;
use super::export::Exporter;
use super::reload::{Watch, needs_restart};
use super::{Event, dns, systemd};
use crate::config::{ConfigError, Snapshot, watched_files};
use crate::mesh::Down;

/// A sound configuration, and the addresses of its hosts that were not known yet.
pub struct Loaded {
    snapshot: Snapshot,
    answers: dns::Answers,
}

impl Core {
    /// Reads the configuration anew, beside the loop; what comes of it is [`Event::Loaded`].
    pub fn load(&mut self) {
        if self.phase != Phase::Serving || self.loading {
            self.load_again = true;
            return;
        }
        self.loading = true;
        systemd::reloading();
        let (source, sender) = (self.source.clone(), self.sender.clone());
        let known: Vec<String> = dns::hosts(&self.snapshot).into_keys().map(String::from).collect();
        tokio::spawn(async move {
            let loaded = match tokio::task::spawn_blocking(move || source.load()).await {
                Ok(Ok(snapshot)) => {
                    let mut hosts = dns::hosts(&snapshot);
                    hosts.retain(|host, _| !known.iter().any(|known| **known == **host));
                    Ok(Box::new(Loaded { answers: dns::resolve(hosts).await, snapshot }))
                }
                Ok(Err(errors)) => Err(errors),
                Err(panic) => Err(vec![fault(panic.to_string())]),
            };
            let _ = sender.send(Event::Loaded(loaded)).await;
        });
    }

    pub fn on_loaded(&mut self, loaded: Result<Box<Loaded>, Vec<ConfigError>>) {
        self.loading = false;
        if self.phase == Phase::Serving {
            if let Err(errors) = loaded.and_then(|loaded| self.apply(*loaded)) {
                self.counters.config_parsing_failures += 1;
                errors.iter().for_each(|error| tracing::error!("{error}"));
                tracing::error!(epoch = self.snapshot.epoch, "the configuration stays as it was");
            }
            systemd::ready();
        }
        if std::mem::take(&mut self.load_again) {
            self.load();
        }
    }

    /// The whole of it, or nothing (P7).
    fn apply(&mut self, loaded: Loaded) -> Result<(), Vec<ConfigError>> {
        let mut snapshot = loaded.snapshot;
        let fixed = needs_restart(&self.snapshot, &snapshot);
        if !fixed.is_empty() {
            let keys = fixed.join(", ");
            return Err(vec![fault(format!("{keys}: changed, and that needs a restart"))]);
        }
        self.mock.place(&mut snapshot).map_err(|error| vec![fault(format!("the simulated provider: {error}"))])?;
        self.replace_exporter(&snapshot)?;
        snapshot.epoch = self.snapshot.epoch + 1;
        // Addresses and credentials go first: the requests that need them come after the snapshot.
        self.push_addresses(loaded.answers);
        let news = self.credentials.follow(&snapshot, &self.source, &self.sender);
        self.push_credentials(news);
        self.store.set_retention(&snapshot.process.storage);
        self.admin_token.send_replace(snapshot.process.admin_token.clone());
        self.counters.config_reloads += 1;
        self.counters.config_epoch = snapshot.epoch;
        self.shards.iter_mut().for_each(|link| link.send_snapshot(&snapshot));
        self.snapshot = snapshot;
        self.follow_health();
        self.watch_files();
        self.plan_lookup(Instant::now());
        self.prices.plan(&self.snapshot.process.prices, Instant::now());
        Ok(())
    }

    /// Where spans and metrics go has changed: the old exporter sends what it has, the new one goes on from there.
    fn replace_exporter(&mut self, snapshot: &Snapshot) -> Result<(), Vec<ConfigError>> {
        let telemetry = &snapshot.process.telemetry;
        if *telemetry == self.snapshot.process.telemetry {
            return Ok(());
        }
        let mut new = Exporter::start(telemetry).map_err(|error| vec![fault(error)])?;
        let old = self.with_view(|old, view| {
            old.metrics(view);
            new.continue_from(view);
            std::mem::replace(old, new)
        });
        tokio::spawn(old.shutdown(FLUSH_WITHIN));
        Ok(())
    }

    /// A shard serves by a new configuration.
    pub fn applied(&mut self) {
        let epoch = self.snapshot.epoch;
        if self.shards.iter().all(|link| link.epoch == epoch || link.state.is_over()) {
            tracing::info!(epoch, "the configuration is in force");
        }
    }

    pub fn watch_files(&mut self) {
        let files: &[PathBuf] = watched_files(&self.snapshot);
        self.watch = None;
        if files.is_empty() {
            return;
        }
        match Watch::begin(files, self.sender.clone()) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => tracing::warn!(%error, "files are not watched: send SIGHUP to reload"),
        }
    }

    /// Looks all hosts up, beside the loop; what comes of it is [`Event::Resolved`].
    pub fn resolve(&mut self) {
        let hosts = dns::hosts(&self.snapshot);
        self.resolve_at = Instant::now() + dns::EVERY;
        if self.resolving || hosts.is_empty() {
            return;
        }
        self.resolving = true;
        let sender = self.sender.clone();
        tokio::spawn(async move { sender.send(Event::Resolved(dns::resolve(hosts).await)).await });
    }

    pub fn on_resolved(&mut self, answers: dns::Answers) {
        self.resolving = false;
        self.push_addresses(answers);
        self.plan_lookup(Instant::now());
    }

    /// Sooner when a host has no address at all.
    pub fn plan_lookup(&mut self, now: Instant) {
        let lacks = self.names.lacks(&dns::hosts(&self.snapshot));
        self.resolve_at = now + if lacks { dns::RETRY } else { dns::EVERY };
    }

    fn push_addresses(&mut self, answers: dns::Answers) {
        for (host, addresses) in self.names.update(answers) {
            tracing::debug!(%host, ?addresses, "the host has new addresses");
            for link in &mut self.shards {
                link.send(Down::Addresses { host: host.clone(), addresses: addresses.clone() });
            }
        }
    }

    pub fn push_credentials(&mut self, news: News) {
        for (account, fetched) in news {
            for link in &mut self.shards {
                link.send(Down::Credential { account: account.clone(), fetched: Box::new(fetched.clone()) });
            }
        }
    }
}

/// One that has no place in a file.
fn fault(message: String) -> ConfigError {
    ConfigError { file: "configuration".to_owned(), line: 0, message }
}
