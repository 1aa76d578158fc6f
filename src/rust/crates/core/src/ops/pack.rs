//! Keeps a packed copy of a matrix in a folder, which every pass reads in place of the file.

use super::index_columns::{name_beside, Indexed};
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::matrix::Layout;
use crate::session::Session;
use std::path::Path;

/// Makes or finds a packed copy of the matrix of `x` in the folder `dir`. From then on every pass
/// over that matrix reads the copy in place of the file, with the same blocks. A copy of an earlier
/// state of the file is replaced.
///
/// # Errors
/// [`Error::State`] for a matrix that is dense or in memory, or that changes meanwhile;
/// [`Error::Io`] when the folder cannot be written; the errors of reading the matrix.
pub fn pack(x: &LazyMatrix, dir: &Path, session: &Session) -> Result<Indexed> {
    let source = x.source();
    let refused = |why: &str| Err(Error::State(format!("{} {why}", x.name())));
    let Some(location) = source.location() else {
        return refused("is in memory or in several files: only a matrix in one file can be packed");
    };
    if source.layout() == Layout::Dense {
        return refused("is dense: only compressed rows and columns can be packed");
    }
    let path = dir.join(name_beside(&location, "packed"));
    match source.pack(&path, session)? {
        Some((bytes, made)) => Ok(Indexed { path, bytes, made }),
        None => refused("cannot be packed"),
    }
}
