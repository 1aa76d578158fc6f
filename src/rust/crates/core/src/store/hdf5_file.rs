//! An open h5ad file.

use super::{filter, probe, update, Attribute, Node, Writer};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file open for reading. Arrays and elements hold an `Arc` on it, so it lives as long as anything read from it.
/// Through a store nothing is ever written to the file; what is saved into it is another store's.
pub struct Store {
    path: PathBuf,
    file: hdf5::File,
    update: Option<update::Open>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens an existing HDF5 file for reading. A save of it that was interrupted is finished first.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there, not readable or locked, [`Error::File`] when it is not HDF5 or truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        let path = Self::ready(path.as_ref())?;
        let file = hdf5::File::open(&path).map_err(|e| probe::refused(&path, &e))?;
        Ok(Arc::new(Store { path, file, update: None }))
    }

    /// The same for a file that shall be saved into (mode "r+"): see [`save_h5ad`](crate::write::save_h5ad).
    ///
    /// # Errors
    /// As [`Store::open`]; [`Error::Io`] when it cannot be written or another process is writing to it.
    pub fn open_to_save(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        let path = Self::ready(path.as_ref())?;
        let (file, open) = update::open(&path)?;
        Ok(Arc::new(Store::of_update(path, file, open)))
    }

    fn ready(path: &Path) -> Result<PathBuf> {
        let path = path.canonicalize().map_err(|e| Error::io(path, "open", &e))?;
        update::recover(&path)?;
        probe::check(&path)?;
        filter::register();
        Ok(path)
    }

    pub(super) fn of_update(path: PathBuf, file: hdf5::File, open: update::Open) -> Store {
        Store { path, file, update: Some(open) }
    }

    pub(super) fn update(&self) -> Option<&update::Open> {
        self.update.as_ref()
    }

    /// Whether it was opened to be saved into.
    pub fn can_save(&self) -> bool {
        self.update.is_some()
    }

    /// A plain handle on the file where HDF5 has none to give; `None` for a file it opened itself.
    pub(crate) fn raw(&self) -> Option<std::io::Result<std::fs::File>> {
        self.update.as_ref().map(update::Open::raw)
    }

    /// Starts a file that will replace `target` when it is complete; see [`Writer`].
    ///
    /// # Errors
    /// [`Error::Io`] when nothing can be written there.
    pub fn create_temporary(target: impl AsRef<Path>) -> Result<Writer> {
        Writer::create(target)
    }

    /// The file, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.size()
    }

    /// The group or dataset at `path` ("" or "/" is the root).
    ///
    /// # Errors
    /// [`Error::Missing`], with the keys that are there.
    pub fn node(self: &Arc<Self>, path: &str) -> Result<Node> {
        Node::open(self, path)
    }

    /// Names in the group at `path`, in the order they were created where the file keeps it, else by name.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, [`Error::Format`] when it is a dataset.
    pub fn keys(self: &Arc<Self>, path: &str) -> Result<Vec<String>> {
        self.node(path)?.keys()
    }

    /// Whether there is a group or dataset at `path`.
    pub fn exists(self: &Arc<Self>, path: &str) -> bool {
        Node::open(self, path).is_ok()
    }

    /// Whether `path` is a group (else a dataset).
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn is_group(self: &Arc<Self>, path: &str) -> Result<bool> {
        Ok(self.node(path)?.is_group())
    }

    /// The attribute `name` of the group or dataset at `path`, `None` when it has none of that name.
    ///
    /// # Errors
    /// [`Error::Missing`] when `path` is not there, [`Error::Unsupported`] for an attribute of an unusual type.
    pub fn attribute(self: &Arc<Self>, path: &str, name: &str) -> Result<Option<Attribute>> {
        self.node(path)?.attribute(name)
    }

    /// The HDF5 handle.
    pub(crate) fn hdf5(&self) -> &hdf5::File {
        &self.file
    }
}

/// Version of the HDF5 library inside.
#[must_use]
pub fn hdf5_version() -> String {
    let (major, minor, patch) = hdf5::library_version();
    format!("{major}.{minor}.{patch}")
}

/// Filters of chunks that are read; gzip, shuffle and lzf are also written.
pub const FILTERS: [&str; 7] = ["gzip", "shuffle", "fletcher32", "lzf", "zstd", "lz4", "blosc"];
