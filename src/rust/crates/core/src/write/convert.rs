//! Conversion of a file or store to another kind.

use super::current::is_current;
use super::h5ad::write_store;
use super::plan::{H5adPlan, Part, RawPlan, WriteOptions};
use crate::chain::LazyMatrix;
use crate::codec::Compression;
use crate::element;
use crate::error::{Error, Result};
use crate::matrix;
use crate::session::Session;
use crate::store::{Store, Writer, ZarrFormat};
use std::path::Path;
use std::sync::Arc;

/// The options of a conversion. Options of the other format are ignored.
#[derive(Debug, Clone, Default)]
pub struct Conversion {
    /// The name ("zstd", "gzip", "lzf" or "none") and level of the compression. `None` is zstd for
    /// a Zarr store and gzip for an h5ad file.
    pub compression: Option<(String, Option<u8>)>,
    /// Values per chunk of a matrix; `None` for the default.
    pub chunk: Option<usize>,
    /// Format of a Zarr store; `compression` above replaces its compression.
    pub format: ZarrFormat,
}

/// Converts `from` as [`convert`] does, into a new file or store. The ending of the name, ".h5ad"
/// or ".zarr", chooses the kind.
///
/// # Errors
/// Errors of [`convert`]; [`Error::Parameter`] for another ending, or a compression that the format
/// does not have.
pub fn convert_to(from: &Arc<Store>, to: &Path, how: &Conversion, session: &Session) -> Result<()> {
    let (name, level) = match &how.compression {
        Some((name, level)) => (Some(name.as_str()), *level),
        None => (None, None),
    };
    let ending = to.extension().unwrap_or_default().to_ascii_lowercase();
    let (writer, compression) = if ending == "zarr" {
        let compression = Compression::for_zarr(name.unwrap_or("zstd"), level)?;
        (Writer::create_zarr(to, ZarrFormat { compression, ..how.format })?, compression)
    } else if ending == "h5ad" {
        let compression = Compression::for_hdf5(name.unwrap_or("gzip"), level)?;
        (Writer::create(to)?, compression)
    } else {
        return Err(Error::parameter("to", "a name that ends in '.h5ad' or '.zarr'", format!("'{}'", to.display())));
    };
    let options = WriteOptions { compression, chunk: how.chunk, ..WriteOptions::default() };
    convert(from, writer, &options, session)
}

/// Writes everything that an AnnData in a file or store holds into another file or store, of the
/// same or another kind, element by element. No matrix is in memory as a whole.
///
/// # Errors
/// Errors of [`write_h5ad`](super::write_h5ad); [`Error::Missing`](crate::Error::Missing) where
/// `from` is no AnnData.
pub fn convert(from: &Arc<Store>, to: Writer, options: &WriteOptions, session: &Session) -> Result<()> {
    write_store(&plan_of(from)?, to, options, session)
}

/// Makes a plan that copies everything in a file.
fn plan_of(from: &Arc<Store>) -> Result<H5adPlan> {
    let tree = element::tree(from)?;
    // Matrices of anndata before 0.8 are streamed, because they are written in today's encoding.
    let matrix = |path: &String| -> Result<Part> {
        match matrix::open(from, path) {
            Ok(x) if !is_current(from, path)? => Ok(Part::Matrix(LazyMatrix::new(x))),
            _ => Ok(Part::copy(from, path.clone())),
        }
    };
    let parts = |slot: &str| -> Result<Vec<(String, Part)>> {
        let entries = tree.slots.iter().filter(|s| s.0 == slot).flat_map(|s| &s.1);
        let part = |(key, path): &(String, String)| match slot {
            "layers" => Ok((key.clone(), matrix(path)?)),
            _ => Ok((key.clone(), Part::copy(from, path.clone()))),
        };
        entries.map(part).collect()
    };
    let mut plan =
        H5adPlan::new(tree.x.as_ref().map(matrix).transpose()?, Part::copy(from, "obs"), Part::copy(from, "var"));
    plan.layers = parts("layers")?;
    plan.obsm = parts("obsm")?;
    plan.varm = parts("varm")?;
    plan.obsp = parts("obsp")?;
    plan.varp = parts("varp")?;
    plan.uns = parts("uns")?;
    if let Some(raw) = &tree.raw {
        let varm = raw.varm.iter().map(|(key, path)| (key.clone(), Part::copy(from, path.clone()))).collect();
        plan.raw = Some(RawPlan { x: matrix(&raw.x)?, var: Part::copy(from, raw.var.clone()), varm });
    }
    Ok(plan)
}
