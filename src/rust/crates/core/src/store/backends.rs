//! The backends there are, and which of them a store is of.

use super::backend::Backend;
use super::sink::StoreSink;
use super::{hdf5, zarr, External};
use crate::error::Result;
use std::path::Path;
use std::sync::Arc;

/// Filters of chunks that are read; gzip, shuffle and lzf are also written.
pub const FILTERS: [&str; 9] = ["gzip", "shuffle", "fletcher32", "lzf", "zstd", "lz4", "bitshuffle", "blosc", "blosc2"];

/// Names and versions of the libraries that backends stand on.
#[must_use]
pub fn libraries() -> Vec<(&'static str, String)> {
    vec![hdf5::library()]
}

/// Whether there is a store of a backend in the file or folder at a path, by its content.
///
/// # Errors
/// [`crate::Error::Io`].
pub(crate) fn is_store(path: &Path) -> Result<bool> {
    Ok(is_zarr(path)? || (!path.is_dir() && hdf5::is_hdf5(path)?))
}

/// Whether it is a store of Zarr.
///
/// # Errors
/// [`crate::Error::Io`].
pub(crate) fn is_zarr(path: &Path) -> Result<bool> {
    zarr::is_zarr(path)
}

/// Opens what is at a path.
pub(super) fn open(path: &Path, save: bool, external: External) -> Result<Arc<dyn Backend>> {
    // Files that are missing or unreadable are reported by the backend that opens them.
    match zarr::is_zarr(path) {
        Ok(true) => zarr::open(path, save, external),
        _ => hdf5::open(path, save, external),
    }
}

/// Starts the HDF5 file that will be at a path.
pub(super) fn create(target: &Path) -> Result<Box<dyn StoreSink>> {
    hdf5::create(target)
}

/// Starts the Zarr store that will be at a path.
pub(super) fn create_zarr(target: &Path, format: zarr::ZarrFormat) -> Result<Box<dyn StoreSink>> {
    zarr::create(target, format)
}
