//! The files of a configuration: what `--config` names, read whole.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::ConfigError;

const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) struct Source {
    /// As shown in messages.
    pub label: String,
    /// Where its relative paths start.
    pub folder: PathBuf,
    pub text: String,
}

#[derive(Default)]
pub(super) struct Sources {
    pub sources: Vec<Source>,
    /// Files and folders whose change may change the configuration.
    pub watched: Vec<PathBuf>,
    pub errors: Vec<ConfigError>,
}

impl Sources {
    pub fn read(paths: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for path in paths {
            if path.is_dir() {
                all.folder(path);
            } else {
                all.file(path);
            }
        }
        all
    }

    fn fault(&mut self, path: &Path, line: usize, message: String) {
        self.errors.push(ConfigError { file: path.display().to_string(), line, message });
    }

    /// `*.yaml` and `*.yml` by name; not those in folders below, and not hidden ones.
    fn folder(&mut self, path: &Path) {
        self.watched.push(path.to_owned());
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.fault(path, 0, format!("cannot read the folder: {error}")),
        };
        let hidden = |file: &Path| file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let yaml = |file: &Path| file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|file| yaml(file) && !hidden(file) && !file.is_dir())
            .collect();
        files.sort();
        if files.is_empty() {
            self.fault(path, 0, "the folder holds no configuration; expected files named *.yaml or *.yml".to_owned());
        }
        for file in files {
            self.file(&file);
        }
    }

    fn file(&mut self, path: &Path) {
        // A file named by itself and by its folder is read once.
        if self.watched.iter().any(|known| known == path) {
            return;
        }
        self.watched.push(path.to_owned());
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            return self.fault(path, 0, format!("cannot read the file: {error}"));
        }
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return self.fault(path, 0, "larger than 4MiB; expected a configuration".to_owned());
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                let folder = path.parent().map(Path::to_owned).unwrap_or_default();
                self.sources.push(Source { label: path.display().to_string(), folder, text });
            }
            Err(error) => {
                let sound = error.utf8_error().valid_up_to();
                let line = 1 + error.as_bytes().iter().take(sound).filter(|byte| **byte == b'\n').count();
                self.fault(path, line, "not UTF-8 text".to_owned());
            }
        }
    }
}
