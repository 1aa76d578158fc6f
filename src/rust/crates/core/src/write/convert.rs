//! A file or store as one of another kind.

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

/// How a store is converted; what is of one format only is not looked at for the other.
#[derive(Debug, Clone, Default)]
pub struct Conversion {
    /// "zstd", "gzip", "lzf" or "none", and the level; zstd in a Zarr store and gzip in an h5ad file without it.
    pub compression: Option<(String, Option<u8>)>,
    /// Values of a chunk of a matrix.
    pub chunk: Option<usize>,
    /// Of a Zarr store; its compression is the one above.
    pub format: ZarrFormat,
}

/// [`convert`] into a new file or store of the kind that its name ends in: ".h5ad" or ".zarr".
///
/// # Errors
/// As [`convert`]; [`Error::Parameter`] for another name, and a compression that the format does not have.
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

/// Writes all that an AnnData in a file or store holds into another, which need not be of its kind, element by element: no
/// matrix comes to memory whole.
///
/// # Errors
/// As [`write_h5ad`](super::write_h5ad); [`Error::Missing`](crate::Error::Missing) for one that is no AnnData.
pub fn convert(from: &Arc<Store>, to: Writer, options: &WriteOptions, session: &Session) -> Result<()> {
    write_store(&plan_of(from)?, to, options, session)
}

/// Everything in a file, to be copied.
fn plan_of(from: &Arc<Store>) -> Result<H5adPlan> {
    let tree = element::tree(from)?;
    // Elements of anndata before 0.8 are written in today's encoding: matrices streamed.
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
