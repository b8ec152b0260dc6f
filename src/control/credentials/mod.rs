//! Credentials that expire: fetched, kept fresh, and pushed to the shards, which never wait for more than the first one.
//!
//! One task for each distinct source, however many accounts name it. It fetches at the start, again well before the
//! credential expires, and with growing pauses while that fails; a credential is used until a newer one is there.
//! No message here or below holds a secret: it names the source and, where there is one, the status of the answer.
//!
//! AWS's own chain (the crate `aws-config`) would bring a second HTTP stack, a hundred crates and seconds of compile time
//! for four small exchanges; what it knows beyond them (SSO, assuming roles by profile, `credential_process`) is refused
//! with a message instead of passed over.

mod aws;
mod google;
mod keep;
mod profile;
mod sts;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Event;
use super::fetch::Fetcher;
use super::reload::Source;
use crate::config::{Credential, CredentialSource, Env, Snapshot};
use crate::provider::Fetched;
pub use keep::random;
use keep::{Fresh, Keep};

/// Far more than any token.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// All that is kept fresh.
#[derive(Default)]
pub struct Credentials {
    keepers: Vec<Keeper>,
    next_id: u64,
}

/// What shards must hear: accounts and their credentials.
pub type News = Vec<(Box<str>, Fetched)>;

struct Keeper {
    id: u64,
    source: CredentialSource,
    accounts: Vec<Box<str>>,
    fetched: Option<Fetched>,
    task: JoinHandle<()>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Credentials {
    /// Begins with the sources that are new in a configuration, and ends with those that are gone. What is known already
    /// is told for all accounts that have it: some may be new.
    pub fn follow(&mut self, snapshot: &Snapshot, source: &Arc<Source>, events: &mpsc::Sender<Event>) -> News {
        self.keepers.iter_mut().for_each(|keeper| keeper.accounts.clear());
        for account in &snapshot.accounts {
            let Credential::Fetched(wanted) = &account.credential else { continue };
            let name = account.name.as_str().into();
            match self.keepers.iter_mut().find(|keeper| keeper.source == *wanted) {
                Some(keeper) => keeper.accounts.push(name),
                None => {
                    let id = self.next_id;
                    self.next_id += 1;
                    let task = tokio::spawn(run(id, wanted.clone(), source.clone(), events.clone()));
                    let accounts = vec![name];
                    self.keepers.push(Keeper { id, source: wanted.clone(), accounts, fetched: None, task });
                }
            }
        }
        self.keepers.retain(|keeper| !keeper.accounts.is_empty());
        self.keepers.iter().flat_map(Keeper::news).collect()
    }

    /// What an account has by now.
    pub fn get(&self, account: &str) -> Option<&Fetched> {
        let mut keepers = self.keepers.iter();
        keepers.find(|keeper| keeper.accounts.iter().any(|name| &**name == account))?.fetched.as_ref()
    }

    /// A source gave a credential.
    pub fn take(&mut self, id: u64, fetched: Fetched) -> News {
        let Some(keeper) = self.keepers.iter_mut().find(|keeper| keeper.id == id) else { return News::new() };
        keeper.fetched = Some(fetched);
        keeper.news().collect()
    }
}

impl Keeper {
    fn news(&self) -> impl Iterator<Item = (Box<str>, Fetched)> + '_ {
        let fetched = self.fetched.as_ref();
        self.accounts.iter().filter_map(move |account| Some((account.clone(), fetched?.clone())))
    }
}

async fn run(id: u64, wanted: CredentialSource, source: Arc<Source>, events: mpsc::Sender<Event>) {
    let http = match tokio::task::spawn_blocking(Fetcher::new).await {
        Ok(Ok(http)) => http,
        Ok(Err(error)) => return tracing::error!(error, "credentials cannot be fetched"),
        Err(error) => return tracing::error!(%error, "credentials cannot be fetched"),
    };
    let mut kept = Keep::default();
    loop {
        let fetched = fetch(&wanted, &source.env, &http, unix_s()).await;
        let next = kept.after(name(&wanted), fetched, unix_s(), random());
        if let Some(fetched) = next.tell
            && events.send(Event::Credential { keeper: id, fetched }).await.is_err()
        {
            return;
        }
        tokio::time::sleep(next.wait).await;
    }
}

async fn fetch(source: &CredentialSource, env: &Env, http: &Fetcher, now_unix_s: u64) -> Result<Fresh, String> {
    let fresh = match source {
        CredentialSource::AwsDefaultChain => aws::default_chain(env, http).await,
        CredentialSource::GoogleDefaultChain => google::default_chain(env, http, now_unix_s).await,
        CredentialSource::GoogleServiceAccount { .. } => google::service_account(source, http, now_unix_s).await,
    }?;
    match is_sendable(&fresh.fetched) {
        true => Ok(fresh),
        false => Err("what was given as a credential cannot stand in a header field".to_owned()),
    }
}

/// Parts of it go into header fields.
fn is_sendable(fetched: &Fetched) -> bool {
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    match fetched {
        Fetched::Bearer(token) => visible(token.expose()),
        Fetched::Aws(keys) => {
            let secrets = [Some(&keys.secret_access_key), keys.session_token.as_ref()];
            visible(&keys.access_key_id) && secrets.into_iter().flatten().all(|secret| visible(secret.expose()))
        }
    }
}

/// For logs.
fn name(source: &CredentialSource) -> &'static str {
    match source {
        CredentialSource::AwsDefaultChain => "AWS default chain",
        CredentialSource::GoogleDefaultChain => "Google default chain",
        CredentialSource::GoogleServiceAccount { .. } => "Google service account",
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Reads a small file beside the loop. The message is that of the system.
async fn read_file(path: &Path) -> Result<String, std::io::Error> {
    use std::io::Read;
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    });
    read.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic.to_string())))
}

/// Bounds of one exchange: with a service in the same machine or network, and with one far away.
const NEAR: Duration = Duration::from_secs(2);
const FAR: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 256 * 1024;
