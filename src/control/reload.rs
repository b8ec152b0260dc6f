//! A new configuration while serving: when one is looked for, and whether it may come into force (P7).

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};

use super::Event;
use crate::config::{self, ConfigError, Env, Snapshot};

/// Editors and Kubernetes write in several steps: wait until they are through.
const SETTLE: Duration = Duration::from_millis(200);
/// Contents beyond this are not looked at for changes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Where the configuration comes from.
pub struct Source {
    /// Files and folders; none: the embedded configuration.
    pub paths: Vec<PathBuf>,
    pub env: Env,
}

impl Source {
    /// Reads files: not for the control core's own thread.
    pub fn load(&self) -> Result<Snapshot, Vec<ConfigError>> {
        if self.paths.is_empty() { config::embedded(&self.env) } else { config::load(&self.paths, &self.env) }
    }
}

/// What cannot change without a restart and differs: keys of the `sluice` document.
pub fn needs_restart(old: &Snapshot, new: &Snapshot) -> Vec<&'static str> {
    let (old, new) = (&old.process, &new.process);
    let differs = [
        ("listen", old.listen != new.listen),
        ("admin", old.admin != new.admin),
        ("shards", old.shards != new.shards),
        ("auth", old.auth != new.auth),
        ("storage.dir", old.storage.dir != new.storage.dir),
        ("log.json", old.log.json != new.log.json),
    ];
    differs.into_iter().filter(|&(_, differs)| differs).map(|(key, _)| key).collect()
}

/// Sends [`Event::FilesChanged`] when the content of a watched file changed. Ends when dropped.
pub struct Watch {
    _watcher: RecommendedWatcher,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Folders are watched, not files: a file that is replaced by renaming is another file, and a mounted ConfigMap is
    /// a link that is swapped.
    pub fn begin(files: &[PathBuf], events: mpsc::Sender<Event>) -> notify::Result<Self> {
        let changed = Arc::new(Notify::new());
        let ring = changed.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is reported too, and this very watch reads.
            if event.map_or(true, |event| !matches!(event.kind, EventKind::Access(_))) {
                ring.notify_one();
            }
        })?;
        let folders: BTreeSet<&Path> = files.iter().map(|file| folder_of(file)).collect();
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        let files = files.to_vec();
        let mut seen = fingerprint(&files);
        let task = tokio::spawn(async move {
            loop {
                changed.notified().await;
                tokio::time::sleep(SETTLE).await;
                let now = fingerprint(&files);
                if now != seen {
                    seen = now;
                    if events.send(Event::FilesChanged).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self { _watcher: watcher, task })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn folder_of(file: &Path) -> &Path {
    if file.is_dir() {
        return file;
    }
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Of the contents of files and the names in folders: the database may live in the same folder, and its changes are none.
fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        match std::fs::metadata(file) {
            Ok(meta) if meta.is_dir() => hash_folder(file, &mut hasher),
            Ok(meta) if meta.len() <= FILE_BYTES_MAX => std::fs::read(file).ok().hash(&mut hasher),
            Ok(meta) => (meta.len(), meta.modified().ok()).hash(&mut hasher),
            Err(_) => 0u8.hash(&mut hasher),
        }
    }
    hasher.finish()
}

fn hash_folder(folder: &Path, hasher: &mut DefaultHasher) {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_config = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    names.filter(is_config).collect::<BTreeSet<_>>().hash(hasher);
}
