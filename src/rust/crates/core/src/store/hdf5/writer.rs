//! A file being written: beside its target under a temporary name, put in place only when it is whole.

use super::sink::Hdf5Group;
use super::{copy, fault, Hdf5File};
use crate::error::{Error, Result};
use crate::store::sink::{GroupSink, StoreSink};
use crate::store::Temporary;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A new HDF5 file that replaces its target when it is committed and disappears when dropped before.
pub(super) struct Hdf5Writer {
    target: PathBuf,
    /// `None` for a file that stays.
    temporary: Option<Temporary>,
    /// `None` only while committing.
    file: Option<hdf5::File>,
    /// Elements copied unread, which are looked at again before the file counts.
    copied: Mutex<Vec<String>>,
}

/// Starts a file that will be `target`. Links are followed: the file they lead to is replaced.
///
/// # Errors
/// [`Error::Io`] when the directory is not there or not writable, or `target` is a directory.
pub(in crate::store) fn create(target: &Path) -> Result<Box<dyn StoreSink>> {
    let target = absolute(target)?;
    let refused = |message: String| Error::Io { path: (&target).into(), action: "write", message };
    if target.is_dir() {
        return Err(refused("it is a directory; give the name of a file".into()));
    }
    if target.file_name().is_none() {
        return Err(refused("it has no file name".into()));
    }
    // Made here first, for the system's own words when it cannot be.
    super::update::remove_prepared(&target);
    let temporary = Temporary::create(&target)?;
    let file = new_file(temporary.path()?).map_err(|e| fault_of(&target, &e))?;
    let temporary = Some(temporary);
    Ok(Box::new(Hdf5Writer { target, temporary, file: Some(file), copied: Mutex::default() }))
}

impl Hdf5Writer {
    /// A writer to an open file, for [`Update`](super::update::Update), which sees to it that `target` stays whole.
    pub(super) fn into_existing(target: &Path, file: hdf5::File) -> Hdf5Writer {
        Hdf5Writer { target: target.to_owned(), temporary: None, file: Some(file), copied: Mutex::default() }
    }

    /// Writes out everything HDF5 holds back and closes the file.
    pub(super) fn finish(mut self) -> Result<()> {
        let file = self.file.take().ok_or_else(|| Error::Internal("a file was closed twice".into()))?;
        file.flush().map_err(|e| self.fault(&e))?;
        file.close().map_err(|e| self.fault(&e))
    }

    pub(super) fn keep_copied(&self, path: &str) {
        let path = plain_path(path);
        self.copied.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    }

    /// Notes the new name of a copied object.
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

    /// Forgets a copied object that is gone again.
    pub(super) fn forget_copied(&self, path: &str) {
        let path = plain_path(path);
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        copied.retain(|c| *c != path && !c.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/')));
    }

    /// The elements copied so far.
    pub(super) fn copied(&self) -> Vec<String> {
        std::mem::take(&mut self.copied.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The file that will be replaced.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    pub(super) fn root(&self) -> Result<Hdf5Group<'_>> {
        Ok(Hdf5Group::root(self, (**self.hdf5()?).clone()))
    }

    fn hdf5(&self) -> Result<&hdf5::File> {
        self.file.as_ref().ok_or_else(|| Error::Internal("the file is closed".into()))
    }

    /// The error for an HDF5 call that failed on this file.
    pub(super) fn fault(&self, error: &hdf5::Error) -> Error {
        fault_of(&self.target, error)
    }
}

impl StoreSink for Hdf5Writer {
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>> {
        Ok(Box::new(self.root()?))
    }

    /// Renames the file over the target, whose permissions it takes.
    fn commit(mut self: Box<Self>) -> Result<()> {
        let target = self.target.clone();
        let io = |action: &'static str| {
            let target = target.clone();
            move |e: std::io::Error| Error::Io {
                message: format!("{e}; the file that was there is unchanged"),
                path: target.into(),
                action,
            }
        };
        let file = self.file.take().ok_or_else(|| Error::Internal("a file was committed twice".into()))?;
        // HDF5 keeps data back until here, so this is where a full disk is usually found out.
        file.flush().map_err(|e| self.fault(&e))?;
        file.close().map_err(|e| self.fault(&e))?;
        let mut place = self.temporary.take().ok_or_else(|| Error::Internal("no temporary file".into()))?;
        let temporary = place.path()?.to_owned();
        let copied = self.copied();
        if !copied.is_empty() {
            let written = Hdf5File::open_unlocked(&temporary)?;
            check_copies(&written, &copied, &target)?;
        }
        if let Ok(old) = std::fs::metadata(&target) {
            std::fs::set_permissions(&temporary, old.permissions()).map_err(io("set the permissions of"))?;
        }
        File::open(&temporary).and_then(|f| f.sync_all()).map_err(io("write"))?;
        std::fs::rename(&temporary, &target).map_err(io("replace"))?;
        place.keep();
        sync_directory(&target);
        Ok(())
    }
}

impl Drop for Hdf5Writer {
    fn drop(&mut self) {
        // Closing may fail again on a full disk; the file is thrown away.
        if let Some(file) = self.file.take() {
            let _ = file.close();
        }
    }
}

/// A path without "." in it.
fn plain_path(path: &str) -> String {
    path.split('/').filter(|key| !key.is_empty() && *key != ".").collect::<Vec<_>>().join("/")
}

/// Looks at elements that were copied unread in the file they were copied to, which will be `target`.
///
/// # Errors
/// [`Error::Io`] naming an element that cannot be opened there.
pub(super) fn check_copies(written: &Arc<Hdf5File>, copied: &[String], target: &Path) -> Result<()> {
    copied.iter().try_for_each(|path| {
        copy::check_copy(written, path).map_err(|e| Error::Io {
            path: target.into(),
            action: "write",
            message: format!(
                "element '{path}' cannot be copied as it is ({e}); write its values, or leave it out; the file that was \
                 there, if any, is unchanged"
            ),
        })
    })
}

fn fault_of(target: &Path, error: &hdf5::Error) -> Error {
    if let Err(starved) = fault::fed(&format!("writing '{}'", target.display())) {
        return starved;
    }
    Error::Io {
        path: target.into(),
        action: "write",
        message: format!("{}; the file that was there, if any, is unchanged", fault::cause(error)),
    }
}

/// Objects carry no times, so that the same content gives the same bytes; format of HDF5 1.8, which every reader
/// knows and which allows attributes beyond 64 KiB.
fn new_file(path: &Path) -> hdf5::Result<hdf5::File> {
    let file = hdf5::File::with_options()
        .with_fapl(|p| {
            use hdf5::file::LibraryVersion::{V110, V18};
            // No lock: the name is ours alone, and a process forked meanwhile (R's `system`) would hold the lock on.
            p.libver_bounds(V18, V110).file_locking(false)
        })
        .with_fcpl(|p| p.obj_track_times(false))
        .create(path)?;
    Ok(file)
}

/// The file meant, absolute, links followed; it need not exist.
fn absolute(target: &Path) -> Result<PathBuf> {
    let io = |e: std::io::Error| Error::io(target, "write", &e);
    if target.symlink_metadata().is_ok() {
        return target.canonicalize().map_err(io);
    }
    let parent = match target.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let name = target.file_name().ok_or_else(|| Error::Io {
        path: target.into(),
        action: "write",
        message: "it has no file name".into(),
    })?;
    Ok(parent.canonicalize().map_err(io)?.join(name))
}

/// Makes the rename itself durable. Some file systems cannot; the data is safe all the same.
fn sync_directory(target: &Path) {
    if let Some(directory) = target.parent() {
        let _ = File::open(directory).and_then(|d| d.sync_all());
    }
}
