//! Results of this room in scanpy's names and layout, and its sparse matrices as elements.

use super::{Knn, KnnParams, KnnResult, LeidenParams, Partition, UmapResult};
use crate::element::{Array, Categorical, Sparse, SparseFormat, Value};
use crate::error::{Error, Result};
use crate::patch::Patch;
use sprs::CsMatI;

/// A matrix of this room (CSR) as an element.
pub fn from_sprs(m: CsMatI<f32, u32, usize>) -> Sparse {
    let shape = m.shape();
    let format = if m.is_csr() { SparseFormat::Csr } else { SparseFormat::Csc };
    let (indptr, indices, data) = m.into_raw_storage();
    Sparse { format, shape, indptr: indptr.into_iter().map(|p| p as u64).collect(), indices, data: data.into() }
}

/// A square element, such as `obsp["connectivities"]`, as a CSR matrix of this room.
///
/// # Errors
/// [`Error::Shape`] for a value that is no sparse matrix or contradicts itself.
pub fn to_sprs(value: &Value) -> Result<CsMatI<f32, u32, usize>> {
    let Value::Sparse(s) = value else {
        return Err(Error::shape("connectivities", "a sparse matrix", value.encoding()));
    };
    // Twice turned, the indices of each row ascend whatever the file held.
    let csr = match s.format {
        SparseFormat::Csr => s.to_format(SparseFormat::Csc)?.to_format(SparseFormat::Csr)?,
        SparseFormat::Csc => s.to_format(SparseFormat::Csr)?,
    };
    let indptr: Vec<usize> = csr.indptr.iter().map(|&p| p as usize).collect();
    CsMatI::try_new(csr.shape, indptr, csr.indices, csr.data.into_f32())
        .map_err(|(.., e)| Error::shape("connectivities", "each column once in a row", e))
}

/// What to note about neighbours besides the numbers.
#[derive(Debug, Clone, Default)]
pub struct NeighborsNames {
    /// Key of `uns` and prefix in `obsp`; `None` is scanpy's default ("neighbors", no prefix).
    pub key_added: Option<String>,
    /// The element of `obsm` used, where the user named one.
    pub use_rep: Option<String>,
    /// Columns used, where the user limited them.
    pub n_pcs: Option<usize>,
}

/// `obsp["distances"]`, `obsp["connectivities"]` and `uns["neighbors"]` (`scanpy.pp.neighbors`).
///
/// # Errors
/// Those of [`Knn::validate`].
pub fn neighbors_patch(
    found: &KnnResult,
    connectivities: CsMatI<f32, u32, usize>,
    params: &KnnParams,
    names: &NeighborsNames,
) -> Result<Patch> {
    let knn: &Knn = &found.knn;
    let distances = from_sprs(super::distances_matrix(knn)?);
    let (uns, prefix) = match &names.key_added {
        None => ("neighbors".to_owned(), String::new()),
        Some(k) => (k.clone(), format!("{k}_")),
    };
    let (distances_key, connectivities_key) = (format!("{prefix}distances"), format!("{prefix}connectivities"));
    let mut noted = vec![
        ("n_neighbors".to_owned(), Value::number(params.k as i64)),
        ("method".to_owned(), Value::string("umap")),
        ("random_state".to_owned(), Value::number(params.seed as i64)),
        ("metric".to_owned(), Value::string(params.metric.to_string())),
        ("search".to_owned(), Value::string(found.method.to_string())),
    ];
    if let Some(rep) = &names.use_rep {
        noted.push(("use_rep".to_owned(), Value::string(rep)));
    }
    if let Some(n) = names.n_pcs {
        noted.push(("n_pcs".to_owned(), Value::number(n as i64)));
    }
    let settings = Value::Dict(vec![
        ("connectivities_key".to_owned(), Value::string(&connectivities_key)),
        ("distances_key".to_owned(), Value::string(&distances_key)),
        ("params".to_owned(), Value::Dict(noted)),
    ]);
    Ok(Patch {
        obsp: vec![
            (distances_key, Value::Sparse(distances)),
            (connectivities_key, Value::Sparse(from_sprs(connectivities))),
        ],
        uns: vec![(uns, settings)],
        ..Patch::default()
    })
}

/// `obsm["X_umap"]` and `uns["umap"]` (`scanpy.tl.umap`), or both under `key_added`.
pub fn umap_patch(found: &UmapResult, key_added: Option<&str>) -> Patch {
    let (n, d) = found.embedding.dim();
    let values: Vec<f32> = found.embedding.iter().copied().collect();
    let params = Value::Dict(vec![("a".to_owned(), Value::number(found.a)), ("b".to_owned(), Value::number(found.b))]);
    Patch {
        obsm: vec![(
            key_added.unwrap_or("X_umap").to_owned(),
            Value::Array(Array { shape: vec![n, d], data: values.into() }),
        )],
        uns: vec![(key_added.unwrap_or("umap").to_owned(), Value::Dict(vec![("params".to_owned(), params)]))],
        ..Patch::default()
    }
}

/// A categorical obs column of the clusters "0", "1", ... and `uns[key_added]` (`scanpy.tl.leiden`).
pub fn leiden_patch(found: &Partition, params: &LeidenParams, key_added: &str) -> Patch {
    let clusters = Value::Categorical(Categorical {
        codes: found.membership.iter().map(|&c| c as i32).collect(),
        categories: Box::new(Value::strings((0..found.n_clusters).map(|c| c.to_string()))),
        ordered: false,
    });
    let noted = Value::Dict(vec![
        ("resolution".to_owned(), Value::number(params.resolution)),
        ("random_state".to_owned(), Value::number(params.seed as i64)),
        ("n_iterations".to_owned(), Value::number(params.n_iterations)),
    ]);
    let summary = vec![("params".to_owned(), noted), ("modularity".to_owned(), Value::number(found.quality))];
    Patch {
        obs: vec![(key_added.to_owned(), clusters)],
        uns: vec![(key_added.to_owned(), Value::Dict(summary))],
        ..Patch::default()
    }
}
