//! Environment variables by which the library finds files that a dataset names.

use std::sync::OnceLock;

/// Returns whether the environment names folders for the files of external storage (first) and of
/// virtual datasets (second). The library looks there before it looks in the folders that were
/// checked. It reads the first variable once, as it starts.
pub(super) fn prefixes() -> [bool; 2] {
    static FIRST: OnceLock<[bool; 2]> = OnceLock::new();
    let set = |name| std::env::var_os(name).is_some_and(|folder| !folder.is_empty());
    let now = [set(EXTERNAL_PREFIX), set(VIRTUAL_PREFIX)];
    let first = FIRST.get_or_init(|| now);
    [first[0] || now[0], now[1]]
}

/// The variable that names the folder for files of external storage.
pub(super) const EXTERNAL_PREFIX: &str = "HDF5_EXTFILE_PREFIX";
/// The variable that names the folder for sources of virtual datasets.
pub(super) const VIRTUAL_PREFIX: &str = "HDF5_VDS_PREFIX";
