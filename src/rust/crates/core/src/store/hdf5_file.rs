//! An open h5ad file.

use crate::error::{Error, Result};
use anndata::backend::Backend;
use anndata_hdf5::{H5File, H5};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file opened read-only. Arrays and elements hold an `Arc` on it, so it lives as long as anything read from it.
pub struct Store {
    path: PathBuf,
    file: H5File,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens an existing HDF5 file for reading.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there or not readable, [`Error::File`] when it is not HDF5 or truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        let path = path.as_ref();
        let path = path.canonicalize().map_err(|e| Error::io(path, "open", &e))?;
        let file = H5::open(&path).map_err(|e| Error::File { path: path.clone(), message: e.to_string() })?;
        Ok(Arc::new(Store { path, file }))
    }

    /// The file, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The HDF5 handle, for what the backend traits do not show.
    pub(crate) fn hdf5(&self) -> &hdf5::File {
        &self.file
    }
}
