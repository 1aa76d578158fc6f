//! A file being written.

use super::fault;
use crate::error::{Error, Result};
use crate::store::Temporary;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// An HDF5 file being written. A new one replaces its target when it is committed, and is removed
/// if it is dropped before.
pub(super) struct Hdf5Writer {
    target: PathBuf,
    /// The new file; `None` for an existing file that is saved into.
    temporary: Option<Temporary>,
    /// `None` only while committing.
    file: Option<hdf5::File>,
    /// Paths of the elements that were copied without decoding, which are checked before the file
    /// is committed.
    copied: Mutex<Vec<String>>,
}

impl Hdf5Writer {
    /// Makes a writer to an open file, for [`Update`](super::update::Update), which keeps `target`
    /// intact.
    pub(super) fn into_existing(target: &Path, file: hdf5::File) -> Hdf5Writer {
        Hdf5Writer { target: target.to_owned(), temporary: None, file: Some(file), copied: Mutex::default() }
    }

    /// Makes a writer to a new file, which will replace `target`.
    pub(super) fn into_new(target: PathBuf, temporary: Temporary, file: hdf5::File) -> Hdf5Writer {
        Hdf5Writer { target, temporary: Some(temporary), file: Some(file), copied: Mutex::default() }
    }

    /// Returns the temporary file, which the caller then owns. HDF5 must have closed it.
    ///
    /// # Errors
    /// [`Error::Internal`] when there is none, or it was taken before.
    pub(super) fn take_temporary(&mut self) -> Result<Temporary> {
        self.temporary.take().ok_or_else(|| Error::Internal("no temporary file".into()))
    }

    /// Writes out everything HDF5 holds back, and closes the file.
    pub(super) fn finish(&mut self) -> Result<()> {
        let file = self.file.take().ok_or_else(|| Error::Internal("a file was closed twice".into()))?;
        file.flush().map_err(|e| self.fault(&e))?;
        file.close().map_err(|e| self.fault(&e))
    }

    /// Notes an element that was copied without decoding.
    pub(super) fn keep_copied(&self, path: &str) {
        let path = plain_path(path);
        self.copied.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    }

    /// Records the new name of an element that was copied.
    pub(super) fn rename_copied(&self, from: &str, to: &str) {
        let (from, to) = (plain_path(from), plain_path(to));
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        for path in copied.iter_mut() {
            if *path == from {
                path.clone_from(&to);
            } else if let Some(rest) = path.strip_prefix(&from).filter(|rest| rest.starts_with('/')) {
                *path = format!("{to}{rest}");
            }
        }
    }

    /// Forgets an element that was copied and is removed again.
    pub(super) fn forget_copied(&self, path: &str) {
        let path = plain_path(path);
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        copied.retain(|c| *c != path && !c.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/')));
    }

    /// Returns the paths of the elements copied without decoding so far, and forgets them.
    pub(super) fn copied(&self) -> Vec<String> {
        std::mem::take(&mut self.copied.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the path of the file that will be replaced or changed.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the HDF5 handle.
    pub(super) fn hdf5(&self) -> Result<&hdf5::File> {
        self.file.as_ref().ok_or_else(|| Error::Internal("the file is closed".into()))
    }

    /// Makes the error for an HDF5 call that failed on this file.
    pub(super) fn fault(&self, error: &hdf5::Error) -> Error {
        fault_of(&self.target, error)
    }
}

impl Drop for Hdf5Writer {
    fn drop(&mut self) {
        // Closing may fail again on a full disk; the file is discarded.
        if let Some(file) = self.file.take() {
            let _ = file.close();
        }
    }
}

/// Returns a path without empty and "." components.
fn plain_path(path: &str) -> String {
    path.split('/').filter(|key| !key.is_empty() && *key != ".").collect::<Vec<_>>().join("/")
}

/// Makes the error for an HDF5 call that failed on the file that will be `target`.
pub(super) fn fault_of(target: &Path, error: &hdf5::Error) -> Error {
    if let Err(starved) = fault::fed(&format!("writing '{}'", target.display())) {
        return starved;
    }
    Error::Io {
        path: target.into(),
        action: "write",
        kind: fault::kind(error),
        message: format!("{}; the file that was there, if any, is unchanged", fault::cause(error)),
    }
}
