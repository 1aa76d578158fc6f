//! An open store.

use super::backend::{Backend, State};
use super::sink::Writer;
use super::{hdf5, Attribute, External, Node};
use crate::error::{Error, Result};
use crate::location::Location;
use std::path::Path;
use std::sync::Arc;

/// A store open for reading. Arrays and elements hold an `Arc` on it, so it lives as long as anything read from it.
/// Through it nothing is ever written; what is saved into it is another's.
pub struct Store {
    location: Location,
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Store {
    pub(super) fn new(location: Location, backend: Arc<dyn Backend>) -> Arc<Store> {
        Arc::new(Store { location, backend })
    }

    pub(super) fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

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
        hdf5::open(path.as_ref(), save, external)
    }

    /// Starts a file that will replace `target` when it is complete; see [`Writer`].
    ///
    /// # Errors
    /// [`Error::Io`] when nothing can be written there.
    pub fn create_temporary(target: impl AsRef<Path>) -> Result<Writer> {
        Writer::create(target)
    }

    /// Where it is; a path is absolute.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Whether it was opened to be saved into.
    pub fn can_save(&self) -> bool {
        self.backend.can_save()
    }

    /// Which of the files it names may be opened too.
    pub fn external(&self) -> External {
        self.backend.external()
    }

    /// Bytes of all that is stored.
    pub fn bytes(&self) -> u64 {
        self.backend.bytes()
    }

    /// What tells its present state from others; `None` where nothing can.
    pub(crate) fn state(&self) -> Option<State> {
        self.backend.state()
    }

    /// The group or array at `path` ("" or "/" is the root).
    ///
    /// # Errors
    /// [`Error::Missing`], with the keys that are there.
    pub fn node(self: &Arc<Self>, path: &str) -> Result<Node> {
        self.backend.node(self, path)
    }

    /// Names in the group at `path`, in the order they were created where the store keeps it, else by name.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, [`Error::Format`] when it is an array.
    pub fn keys(self: &Arc<Self>, path: &str) -> Result<Vec<String>> {
        self.node(path)?.keys()
    }

    /// Whether there is a group or array at `path`; one in another file that may not be opened is there.
    pub fn exists(self: &Arc<Self>, path: &str) -> bool {
        matches!(self.node(path), Ok(_) | Err(Error::External { .. }))
    }

    /// Whether `path` is a group (else an array).
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn is_group(self: &Arc<Self>, path: &str) -> Result<bool> {
        Ok(self.node(path)?.is_group())
    }

    /// The attribute `name` of the group or array at `path`, `None` when it has none of that name.
    ///
    /// # Errors
    /// [`Error::Missing`] when `path` is not there, [`Error::Unsupported`] for an attribute of an unusual type.
    pub fn attribute(self: &Arc<Self>, path: &str, name: &str) -> Result<Option<Attribute>> {
        self.node(path)?.attribute(name)
    }
}
