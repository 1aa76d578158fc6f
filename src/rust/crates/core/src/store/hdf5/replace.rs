//! A new file, made beside its target under a temporary name and put in place when it is complete.

use super::update::remove_prepared;
use super::writer::fault_of;
use super::{copy, Hdf5File, Hdf5Writer};
use crate::error::{Error, Result};
use crate::store::sink::{GroupSink, StoreSink};
use crate::store::Temporary;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Begins a file that will be `target`. Links are followed: the file they lead to is replaced.
///
/// # Errors
/// [`Error::Io`] when the directory is not there or not writable, or `target` is a directory.
pub(in crate::store) fn create(target: &Path) -> Result<Box<dyn StoreSink>> {
    let target = absolute(target)?;
    let refused =
        |message: String| Error::Io { path: (&target).into(), action: "write", kind: ErrorKind::Other, message };
    if target.is_dir() {
        return Err(refused("it is a directory; give the name of a file".into()));
    }
    if target.file_name().is_none() {
        return Err(refused("it has no file name".into()));
    }
    // Created here before HDF5 sees it, so that an error has the system's own words.
    remove_prepared(&target);
    let temporary = Temporary::create(&target)?;
    let file = new_file(temporary.path()?).map_err(|e| fault_of(&target, &e))?;
    Ok(Box::new(Hdf5Writer::into_new(target, temporary, file)))
}

impl StoreSink for Hdf5Writer {
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>> {
        Ok(Box::new(self.root()?))
    }

    /// Renames the file over the target, whose permissions it takes.
    fn commit(mut self: Box<Self>) -> Result<()> {
        let target = self.target().to_owned();
        let io = |action: &'static str| {
            let target = target.clone();
            move |e: std::io::Error| Error::Io {
                message: format!("{e}; the file that was there is unchanged"),
                path: target.into(),
                action,
                kind: e.kind(),
            }
        };
        // HDF5 holds data back until here, so a full disk is usually noticed here.
        self.finish()?;
        let mut place = self.take_temporary()?;
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

/// Checks elements that were copied without decoding: opens them in the file they were copied to,
/// which will be `target`.
///
/// # Errors
/// [`Error::Io`] naming an element that cannot be opened there.
pub(super) fn check_copies(written: &Arc<Hdf5File>, copied: &[String], target: &Path) -> Result<()> {
    copied.iter().try_for_each(|path| {
        copy::check_copy(written, path).map_err(|e| Error::Io {
            path: target.into(),
            action: "write",
            kind: ErrorKind::Other,
            message: format!(
                "element '{path}' cannot be copied as it is ({e}); write its values, or leave it out; the file that was \
                 there, if any, is unchanged"
            ),
        })
    })
}

/// Creates an HDF5 file. Objects carry no times, so that the same content gives the same bytes. The
/// format is that of HDF5 1.8, which every reader knows and which allows attributes beyond 64 KiB.
fn new_file(path: &Path) -> hdf5::Result<hdf5::File> {
    let file = hdf5::File::with_options()
        .with_fapl(|p| {
            use hdf5::file::LibraryVersion::{V110, V18};
            // No lock: only this process knows the name, and a process forked meanwhile (R's
            // `system`) would keep the lock.
            p.libver_bounds(V18, V110).file_locking(false)
        })
        .with_fcpl(|p| p.obj_track_times(false))
        .create(path)?;
    Ok(file)
}

/// Returns the absolute path of a file with links followed; the file need not exist.
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
        kind: ErrorKind::Other,
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
