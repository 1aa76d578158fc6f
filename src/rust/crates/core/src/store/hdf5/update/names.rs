//! Names of the files beside a file that is saved into.

use std::fs::File;
use std::path::{Path, PathBuf};

/// Returns the path at which a journal is prepared.
pub(super) fn prepared(target: &Path) -> PathBuf {
    sibling(target, "save.tmp")
}

/// Returns the path of a complete journal.
pub(super) fn journal_of(target: &Path) -> PathBuf {
    sibling(target, "save")
}

fn sibling(target: &Path, suffix: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{suffix}"))
}

/// Removes the unfinished journal of a save that was killed. A save holds a writer's lock on
/// `target`, so a lock that is free shows that none is under way.
pub(in crate::store::hdf5) fn remove_prepared(target: &Path) {
    let prepared = prepared(target);
    // On Windows a free lock proves nothing.
    let is_left = || !cfg!(windows) && File::open(target).is_ok_and(|file| file.try_lock().is_ok());
    if prepared.exists() && is_left() {
        let _ = std::fs::remove_file(prepared);
    }
}
