//! A file open for reading and for saving into it.

use super::lock::Shared;
use super::view::PagedFile;
use crate::error::{Error, Result};
use crate::store::hdf5::bytes::Bytes;
use crate::store::hdf5::external::Family;
use crate::store::hdf5::{driver, probe};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;

/// The state of a file open for saving, besides its HDF5 handle.
pub(in super::super) struct Open {
    view: Arc<PagedFile>,
    pub(super) shared: Arc<Shared>,
    /// Number of saves into the file before it was opened.
    pub(super) generation: u64,
}

/// Opens an existing file for reading and for saving into it.
///
/// # Errors
/// [`Error::Io`] when it cannot be written or another process is writing to it; the errors of
/// reading it.
pub(in super::super) fn open(path: &Path, family: &Arc<Family>) -> Result<(hdf5::File, Open)> {
    let file =
        OpenOptions::new().read(true).write(true).open(path).map_err(|e| Error::io(path, "open for saving", &e))?;
    let shared = Shared::open(path, file)?;
    open_view(path, &shared, family)
}

/// Opens the present state of a file that is shared already.
pub(super) fn open_view(path: &Path, shared: &Arc<Shared>, family: &Arc<Family>) -> Result<(hdf5::File, Open)> {
    let (view, generation) = shared.view(path)?;
    let bytes: Arc<dyn Bytes> = view.clone();
    let hdf5 = driver::open(&bytes, family, path, false).map_err(|e| probe::refused(&path.into(), &e))?;
    Ok((hdf5, Open { view, shared: shared.clone(), generation }))
}

impl Open {
    /// Returns the bytes of the file in the state in which it was opened.
    pub(in super::super) fn bytes(&self) -> Arc<dyn Bytes> {
        self.view.clone()
    }

    /// Returns a plain handle on the file. The bytes of datasets stay where HDF5 reports them,
    /// whatever is saved later.
    pub(in super::super) fn raw(&self) -> std::io::Result<File> {
        self.view.base().try_clone()
    }
}
