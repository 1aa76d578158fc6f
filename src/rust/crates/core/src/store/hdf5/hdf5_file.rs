//! An open h5ad file.

use super::driver::{self, Bytes, Plain};
use super::external::{External, Family};
use super::{probe, register, update, Attribute, Node, Writer};
use crate::error::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file open for reading. Arrays and elements hold an `Arc` on it, so it lives as long as anything read from it.
/// Through a store nothing is ever written to the file; what is saved into it is another store's.
pub struct Store {
    path: PathBuf,
    file: hdf5::File,
    /// The file itself, locked as a reader locks it; `None` for one open to be saved into.
    plain: Option<File>,
    update: Option<update::Open>,
    family: Arc<Family>,
    /// Files opened because this one names them.
    linked: Mutex<Vec<Arc<Store>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens an existing HDF5 file for reading, and none of the files it names. A save of it that was interrupted is
    /// finished first.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there, not readable or locked, [`Error::File`] when it is not HDF5 or truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        Self::open_as(path, false, External::Refuse)
    }

    /// The same for a file that shall be saved into (mode "r+"): see [`save_h5ad`](crate::write::save_h5ad).
    ///
    /// # Errors
    /// As [`Store::open`]; [`Error::Io`] when it cannot be written or another process is writing to it.
    pub fn open_to_save(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        Self::open_as(path, true, External::Refuse)
    }

    /// Opens an existing file for reading or, with `save`, to be saved into; `external` says which of the files it names
    /// may be opened too.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::open_to_save`].
    pub fn open_as(path: impl AsRef<Path>, save: bool, external: External) -> Result<Arc<Store>> {
        let path = path.as_ref().canonicalize().map_err(|e| Error::io(path.as_ref(), "open", &e))?;
        let family = Family::new(&path, external);
        let store = if save {
            Self::prepare(&path)?;
            let (file, open) = update::open(&path, &family)?;
            Arc::new(Store::of_update(path, file, open, family.clone()))
        } else {
            Self::open_in(&path, &family)?
        };
        family.set_head(&store);
        Ok(store)
    }

    /// Opens the file at `path`, which is absolute, for reading, as one of a family.
    pub(super) fn open_in(path: &Path, family: &Arc<Family>) -> Result<Arc<Store>> {
        Self::prepare(path)?;
        let io = |e: std::io::Error| Error::io(path, "open", &e);
        let plain = File::open(path).map_err(io)?;
        if !update::lock_to_read(&plain).map_err(io)? {
            return Err(probe::locked(path));
        }
        Self::of_plain(path, plain, family)
    }

    /// Opens a file that this process has locked for itself.
    pub(super) fn open_unlocked(path: &Path) -> Result<Arc<Store>> {
        register::register();
        let plain = File::open(path).map_err(|e| Error::io(path, "open", &e))?;
        Self::of_plain(path, plain, &Family::new(path, External::Refuse))
    }

    fn of_plain(path: &Path, plain: File, family: &Arc<Family>) -> Result<Arc<Store>> {
        let io = |e: std::io::Error| Error::io(path, "open", &e);
        let bytes: Arc<dyn Bytes> = Arc::new(plain.try_clone().and_then(Plain::new).map_err(io)?);
        let file = driver::open(&bytes, family, path, false).map_err(|e| probe::refused(path, &e))?;
        let (path, family) = (path.to_owned(), family.clone());
        Ok(Arc::new(Store { path, file, plain: Some(plain), update: None, family, linked: Mutex::default() }))
    }

    fn prepare(path: &Path) -> Result<()> {
        update::recover(path)?;
        probe::check(path)?;
        register::register();
        Ok(())
    }

    pub(super) fn of_update(path: PathBuf, file: hdf5::File, open: update::Open, family: Arc<Family>) -> Store {
        Store { path, file, plain: None, update: Some(open), family, linked: Mutex::default() }
    }

    /// A file as it will be, to be looked at.
    pub(super) fn of_view(path: PathBuf, file: hdf5::File, family: Arc<Family>) -> Store {
        Store { path, file, plain: None, update: None, family, linked: Mutex::default() }
    }

    pub(super) fn update(&self) -> Option<&update::Open> {
        self.update.as_ref()
    }

    pub(super) fn family(&self) -> &Arc<Family> {
        &self.family
    }

    /// Keeps a file open as long as this one is.
    pub(super) fn keep(&self, store: &Arc<Store>) {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
    }

    /// Whether it was opened to be saved into.
    pub fn can_save(&self) -> bool {
        self.update.is_some()
    }

    /// Which of the files it names may be opened too.
    pub fn external(&self) -> External {
        self.family.policy()
    }

    /// A plain handle on the very file that is open, not on whatever lies at its path by now.
    pub(crate) fn raw(&self) -> std::io::Result<File> {
        match (&self.update, &self.plain) {
            (Some(open), _) => open.raw(),
            (None, Some(plain)) => plain.try_clone(),
            (None, None) => File::open(&self.path),
        }
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

    /// Bytes of the file and of those opened because it names them.
    pub(super) fn bytes_of_family(&self) -> u64 {
        let linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        linked.iter().map(|s| s.bytes()).fold(self.bytes(), u64::saturating_add)
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

    /// Whether there is a group or dataset at `path`; one in another file that may not be opened is there.
    pub fn exists(self: &Arc<Self>, path: &str) -> bool {
        matches!(Node::open(self, path), Ok(_) | Err(Error::External { .. }))
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
