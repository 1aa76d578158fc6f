//! HDF5 files as backends of stores.

use super::external::Family;
use super::{update, External, Hdf5File, Node};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::backend::{Backend, Change, FileState, Object};
use crate::store::remote::FarFile;
use crate::store::traffic::Traffic;
use std::path::Path;
use std::sync::Arc;

/// Opens an existing file for reading or, with `save`, to be saved into; `external` says which of
/// the files it names may be opened too. A save of it that was interrupted is finished first.
///
/// # Errors
/// [`Error::Io`] when it is not there, not readable or locked, [`Error::File`] when it is not HDF5
/// or truncated.
pub(in crate::store) fn open(path: &Path, save: bool, external: External) -> Result<Arc<dyn Backend>> {
    let path = path.canonicalize().map_err(|e| Error::io(path, "open", &e))?;
    let family = Family::new(&path, external);
    let file = if save {
        Hdf5File::prepare(&path)?;
        let (file, open) = update::open(&path, &family)?;
        Arc::new(Hdf5File::of_update(&path, file, open, &family))
    } else {
        Hdf5File::open_first(&path, &family)?
    };
    file.set_head();
    Ok(file)
}

/// Opens a remote HDF5 file for reading.
///
/// # Errors
/// [`Error::File`] when it is not HDF5 or truncated; the errors of reading it.
pub(in crate::store) fn open_far(file: FarFile) -> Result<Arc<dyn Backend>> {
    let file = Hdf5File::open_far(Arc::new(file))?;
    file.set_head();
    Ok(file)
}

impl Backend for Hdf5File {
    fn location(&self) -> &Location {
        self.location()
    }

    fn format(&self) -> &'static str {
        "hdf5"
    }

    fn object(self: Arc<Self>, path: &str) -> Result<Arc<dyn Object>> {
        Ok(Arc::new(Node::open(&self, path)?))
    }

    fn bytes(&self) -> u64 {
        self.hdf5().size()
    }

    fn external(&self) -> External {
        self.family().policy()
    }

    fn state(&self) -> Option<FileState> {
        self.reader().ok()?.state()
    }

    fn traffic(&self) -> Option<Traffic> {
        self.as_far().map(|file| file.place().traffic())
    }

    fn can_save(&self) -> bool {
        self.update().is_some()
    }

    fn change(&self) -> Result<Box<dyn Change>> {
        Ok(Box::new(update::Update::begin(self)?))
    }
}

/// Returns name and version of the HDF5 library that is linked.
pub(in crate::store) fn library() -> (&'static str, String) {
    let (major, minor, patch) = hdf5::library_version();
    ("hdf5", format!("{major}.{minor}.{patch}"))
}
