//! Writing of elements into a file being made.

use super::encoding::{self, DatasetOptions};
use super::Value;
use crate::error::Result;
use crate::store::{GroupWriter, Store};
use std::sync::Arc;

/// Writes `value` as `key` of `group`, in the encoding that anndata 0.12 has for it.
///
/// # Errors
/// [`crate::Error::Io`] naming the target; [`crate::Error::Parameter`] for a key that HDF5 or
/// anndata cannot hold (one with "/", taken or reserved); [`crate::Error::Shape`] for a value whose
/// parts contradict each other.
pub fn write(group: &GroupWriter<'_>, key: &str, value: &Value, options: &DatasetOptions) -> Result<()> {
    encoding::write(group, key, value, options)
}

/// Copies the element at `path` of an open file as `key` of `group` verbatim: encoding, dtype,
/// chunks and compression stay, and nothing is decoded. Between stores of different kinds it is
/// read and written with default options instead.
///
/// # Errors
/// [`crate::Error::Missing`] and [`crate::Error::Format`] for the source; [`crate::Error::Io`] for
/// the target.
pub fn copy(from: &Arc<Store>, path: &str, group: &GroupWriter<'_>, key: &str) -> Result<()> {
    if group.copy(key, from, path)? {
        return Ok(());
    }
    write(group, key, &super::read(from, path)?, &DatasetOptions::default())
}
