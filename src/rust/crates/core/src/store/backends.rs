//! The backends there are, and which of them a store is of.

use super::backend::Backend;
use super::sink::StoreSink;
use super::{hdf5, External};
use crate::error::Result;
use std::path::Path;
use std::sync::Arc;

/// Filters of chunks that are read; gzip, shuffle and lzf are also written.
pub const FILTERS: [&str; 7] = ["gzip", "shuffle", "fletcher32", "lzf", "zstd", "lz4", "blosc"];

/// Names and versions of the libraries that backends stand on.
#[must_use]
pub fn libraries() -> Vec<(&'static str, String)> {
    vec![hdf5::library()]
}

/// Whether the file at a path is a store of a backend, by its first bytes.
///
/// # Errors
/// [`crate::Error::Io`].
pub(crate) fn is_store(path: &Path) -> Result<bool> {
    hdf5::is_hdf5(path)
}

/// Opens what is at a path.
pub(super) fn open(path: &Path, save: bool, external: External) -> Result<Arc<dyn Backend>> {
    hdf5::open(path, save, external)
}

/// Starts what will be at a path.
pub(super) fn create(target: &Path) -> Result<Box<dyn StoreSink>> {
    hdf5::create(target)
}
