//! A store in a folder: every object is a file.
//!
//! A store from elsewhere must not show what else lies on the machine. Symbolic links out of the
//! folder are followed only as far as the user allows, and nothing but plain files is opened.

use super::files::{is_name, join, Files, Ranges};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::memory;
use crate::store::backend::FileState;
use crate::store::{positioned, External};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const FOLLOW: &str = "; if you trust this store, open it with external = \"follow\"";

/// Upper bound of the bytes of metadata.
pub(super) const MOST_METADATA: u64 = 256 << 20;

/// A folder with a store in it.
#[derive(Debug)]
pub(super) struct Folder {
    /// Absolute path, links resolved.
    root: PathBuf,
    location: Location,
    external: External,
    /// The file whose state is taken for that of the store.
    mark: &'static str,
}

/// Returns the name of the metadata file at the root of a store in a folder; `None` when it is no
/// store.
pub(super) fn mark(root: &Path) -> Option<&'static str> {
    ["zarr.json", ".zmetadata", ".zgroup", ".zarray"].into_iter().find(|name| root.join(name).is_file())
}

impl Folder {
    /// Makes the store in the folder `root`, an absolute path with links resolved; `None` when it
    /// is no store.
    pub(super) fn open(root: &Path, external: External) -> Option<Folder> {
        Some(Folder { root: root.to_owned(), location: root.into(), external, mark: mark(root)? })
    }

    /// Returns the path of the file or folder of a key, links resolved; `None` when it does not
    /// exist.
    fn resolve(&self, key: &str) -> Result<Option<PathBuf>> {
        let io = |e: &std::io::Error| Error::io(&self.location, "read", e);
        if !key.is_empty() && !key.split('/').all(is_name) {
            return Ok(None);
        }
        let path = self.root.join(key);
        let outside = |target: &Path, reason: &str| Error::External {
            path: self.location.clone(),
            element: key.to_owned(),
            what: "a symbolic link leads",
            target: target.display().to_string(),
            reason: reason.to_owned(),
            hint: if self.external == External::Refuse { FOLLOW } else { "" },
        };
        let place = match path.canonicalize() {
            Ok(place) => place,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                let target = fs::read_link(&path);
                return match target {
                    Ok(target) => Err(outside(&target, "where nothing is")),
                    Err(_) => Ok(None),
                };
            }
            // A name longer than any can be.
            Err(e) if e.kind() == ErrorKind::InvalidFilename => return Ok(None),
            Err(e) => return Err(io(&e)),
        };
        let allowed = match self.external {
            External::Follow => true,
            External::SameFolder => self.root.parent().is_some_and(|folder| place.starts_with(folder)),
            External::Refuse => false,
        };
        if allowed || place.starts_with(&self.root) {
            return Ok(Some(place));
        }
        let folder = match self.external {
            External::SameFolder => "which is outside the folder of the store",
            _ => "which is outside the store, and not opened unless asked for",
        };
        Err(outside(&place, folder))
    }

    fn file(&self, key: &str) -> Result<Option<Part>> {
        let Some(place) = self.resolve(key)? else { return Ok(None) };
        let io = |e: std::io::Error| Error::io(self.location.join(key), "open", &e);
        let meta = match fs::metadata(&place) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            found => found.map_err(io)?,
        };
        if meta.is_dir() {
            return Ok(None);
        }
        if !meta.is_file() {
            let message = format!("'{key}' is no plain file");
            return Err(Error::File { path: self.location.clone(), message });
        }
        let file = File::open(&place).map_err(io)?;
        Ok(Some(Part { len: file.metadata().map_err(io)?.len(), file }))
    }

    fn walk(&self, folder: &Path, key: &str, depth: usize, found: &mut Vec<(String, u64)>) -> Result<()> {
        let io = |e: std::io::Error| Error::io(&self.location, "read", &e);
        let entries = match fs::read_dir(folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(io)?,
        };
        for entry in entries {
            let entry = entry.map_err(io)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (kind, key) = (entry.file_type().map_err(io)?, join(key, &name));
            if kind.is_dir() {
                if depth > 1 {
                    self.walk(&entry.path(), &key, depth - 1, found)?;
                }
                continue;
            }
            // The size of a link's target. If the link may not be followed, opening the object is
            // an error.
            let Ok(meta) = fs::metadata(entry.path()) else {
                memory::reserve(found, 1, "names of chunks")?;
                found.push((key, 0));
                continue;
            };
            if meta.is_dir() {
                if depth > 1 && kind.is_symlink() {
                    self.walk(&entry.path(), &key, depth - 1, found)?;
                }
            } else {
                memory::reserve(found, 1, "names of chunks")?;
                found.push((key, meta.len()));
            }
        }
        Ok(())
    }
}

impl Files for Folder {
    fn location(&self) -> &Location {
        &self.location
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let Some(part) = self.file(key)? else { return Ok(None) };
        if part.len > MOST_METADATA {
            let message = format!("'{key}' has {} bytes: more than metadata can have", part.len);
            return Err(Error::File { path: self.location.clone(), message });
        }
        let mut bytes = memory::zeros::<u8>(part.len as usize, "metadata of a store")?;
        part.read(0, &mut bytes).map_err(|e| Error::io(self.location.join(key), "read", &e))?;
        Ok(Some(bytes))
    }

    fn folders(&self, key: &str) -> Result<Vec<String>> {
        let Some(place) = self.resolve(key)? else { return Ok(Vec::new()) };
        let io = |e: std::io::Error| Error::io(self.location.join(key), "read", &e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&place).map_err(io)? {
            let entry = entry.map_err(io)?;
            let kind = entry.file_type().map_err(io)?;
            if kind.is_dir() || kind.is_symlink() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn objects(&self, key: &str, depth: usize) -> Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        if let Some(place) = self.resolve(key)? {
            self.walk(&place, "", depth, &mut found)?;
        }
        Ok(found)
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn Ranges>>> {
        Ok(self.file(key)?.map(|part| Box::new(part) as Box<dyn Ranges>))
    }

    fn bytes(&self) -> u64 {
        let found = self.objects("", usize::MAX);
        found.map_or(0, |found| found.iter().fold(0_u64, |sum, (_, size)| sum.saturating_add(*size)))
    }

    fn state(&self) -> Result<Option<FileState>> {
        Ok(fs::metadata(self.root.join(self.mark)).ok().as_ref().and_then(state_of))
    }
}

/// Returns the state of a file with these metadata; `None` where the system does not tell the time
/// of the last change.
pub(super) fn state_of(now: &fs::Metadata) -> Option<FileState> {
    let since = now.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(now);
    #[cfg(not(unix))]
    let inode = 0;
    Some(FileState { bytes: now.len(), modified: (since.as_secs(), since.subsec_nanos()), inode })
}

/// A file of the store.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: File,
    pub(super) len: u64,
}

impl Ranges for Part {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        positioned::read_exact(&self.file, out, at)
    }
}
