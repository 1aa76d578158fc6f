//! Names of the files beside one that is saved into.

use std::fs::File;
use std::path::{Path, PathBuf};

/// Where a journal is prepared.
pub(super) fn prepared(target: &Path) -> PathBuf {
    beside(target, "save.tmp")
}

/// Where a complete journal is.
pub(super) fn journal_of(target: &Path) -> PathBuf {
    beside(target, "save")
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{suffix}"))
}

/// Removes what a save that was killed has prepared: who saves into a file has a writer's lock on it meanwhile.
pub(in crate::store::hdf5) fn remove_prepared(target: &Path) {
    let prepared = prepared(target);
    // On Windows a lock says nothing of the kind.
    let is_left = || !cfg!(windows) && File::open(target).is_ok_and(|file| file.try_lock().is_ok());
    if prepared.exists() && is_left() {
        let _ = std::fs::remove_file(prepared);
    }
}
