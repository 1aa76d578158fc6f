//! The results of this room under scanpy's names and in its layout.

use super::connectivities::into_distances;
use super::links::from_sprs;
use super::{
    Correlation, Dendrogram, DiffusionMap, Kernel, KnnResult, LinkageMethod, Metric, Neighbors, NeighborsParams, Paga,
    Pairwise, UmapResult,
};
use crate::element::{Array, Value};
use crate::error::Result;
use crate::patch::Patch;
use crate::session::Session;

/// The names that are recorded in uns about neighbours, besides the parameters.
#[derive(Debug, Clone, Default)]
pub struct NeighborsNames {
    /// Key of `uns` and prefix in `obsp`; `None` is scanpy's default ("neighbors", no prefix).
    pub key_added: Option<String>,
    /// The element of `obsm` that was used, if the user named one.
    pub use_rep: Option<String>,
    /// The number of columns that were used, if the user limited them.
    pub n_pcs: Option<usize>,
    /// The column of obs with the batches, if neighbours were balanced.
    pub batch_key: Option<String>,
}

/// Makes the patch of `obsp["distances"]`, `obsp["connectivities"]` and `uns["neighbors"]`
/// (`scanpy.pp.neighbors`).
///
/// # Errors
/// Errors of [`Knn::validate`](super::Knn::validate).
pub fn neighbors_patch(
    made: Neighbors,
    params: &NeighborsParams,
    names: &NeighborsNames,
    session: &Session,
) -> Result<Patch> {
    let Neighbors { found, connectivities } = made;
    let n_neighbors = params.n_neighbors(&found);
    let KnnResult { knn, method: search, recall, .. } = found;
    knn.validate()?;
    let distances = from_sprs(session.install(|| into_distances(knn))?);
    let (uns, prefix) = match &names.key_added {
        None => ("neighbors".to_owned(), String::new()),
        Some(k) => (k.clone(), format!("{k}_")),
    };
    let (distances_key, connectivities_key) = (format!("{prefix}distances"), format!("{prefix}connectivities"));
    let method = match params.kernel {
        Kernel::Umap => "umap",
        Kernel::Gauss => "gauss",
    };
    let mut noted = vec![
        ("n_neighbors".to_owned(), Value::number(n_neighbors as i64)),
        ("method".to_owned(), Value::string(method)),
        ("random_state".to_owned(), Value::number(params.knn.seed as i64)),
        ("metric".to_owned(), Value::string(params.knn.metric.to_string())),
        ("search".to_owned(), Value::string(search.to_string())),
    ];
    if let Metric::Pairwise(Pairwise::Minkowski(p)) = params.knn.metric {
        let p = Value::Dict(vec![("p".to_owned(), Value::number(p))]);
        noted.push(("metric_kwds".to_owned(), p));
    }
    if let Some(recall) = recall {
        noted.push(("recall".to_owned(), Value::number(recall)));
    }
    if let (Some(batches), Some(key)) = (&params.batches, &names.batch_key) {
        noted.push(("batch_key".to_owned(), Value::string(key)));
        let each = batches.neighbors_within_batch as i64;
        noted.push(("neighbors_within_batch".to_owned(), Value::number(each)));
    }
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

/// Makes the patch of `obsm["X_umap"]` and `uns["umap"]` (`scanpy.tl.umap`), or of both under
/// `key_added`. As in scanpy the seed is recorded only if it is not 0.
pub fn umap_patch(found: &UmapResult, seed: u64, key_added: Option<&str>) -> Patch {
    let (n, d) = found.embedding.dim();
    let values: Vec<f32> = found.embedding.iter().copied().collect();
    let mut params = vec![("a".to_owned(), Value::number(found.a)), ("b".to_owned(), Value::number(found.b))];
    if seed != 0 {
        params.push(("random_state".to_owned(), Value::number(seed as i64)));
    }
    Patch {
        obsm: vec![(
            key_added.unwrap_or("X_umap").to_owned(),
            Value::Array(Array { shape: vec![n, d], data: values.into() }),
        )],
        uns: vec![(
            key_added.unwrap_or("umap").to_owned(),
            Value::Dict(vec![("params".to_owned(), Value::Dict(params))]),
        )],
        ..Patch::default()
    }
}

/// Makes the patch of `uns["paga"]` and `uns["<groups>_sizes"]` (`scanpy.tl.paga`).
pub fn paga_patch(found: Paga, groups: &str) -> Patch {
    let sizes: Vec<i64> = found.sizes.iter().map(|&size| size as i64).collect();
    let paga = vec![
        ("connectivities".to_owned(), Value::Sparse(from_sprs(found.connectivities))),
        ("connectivities_tree".to_owned(), Value::Sparse(from_sprs(found.tree))),
        ("groups".to_owned(), Value::string(groups)),
    ];
    let sizes = Value::Array(Array { shape: vec![sizes.len()], data: sizes.into() });
    Patch { uns: vec![("paga".to_owned(), Value::Dict(paga)), (format!("{groups}_sizes"), sizes)], ..Patch::default() }
}

/// The names and parameters that are recorded about a dendrogram.
#[derive(Debug, Clone, Default)]
pub struct DendrogramNames {
    /// Columns of obs that make the groups.
    pub groupby: Vec<String>,
    /// Names of the groups.
    pub categories: Vec<String>,
    /// The element of obsm that was used, if the user named one.
    pub use_rep: Option<String>,
    /// The correlation between groups.
    pub correlation: Correlation,
    /// The distance between clusters of groups.
    pub linkage_method: LinkageMethod,
    /// Key of uns; `None` is `"dendrogram_<groupby>"`.
    pub key_added: Option<String>,
}

/// Makes the patch of `uns["dendrogram_<groupby>"]` (`scanpy.tl.dendrogram`).
pub fn dendrogram_patch(found: &Dendrogram, names: &DendrogramNames) -> Patch {
    let n = names.categories.len();
    let matrix = |rows: usize, columns: usize, data: Vec<f64>| {
        Value::Array(Array { shape: vec![rows, columns], data: data.into() })
    };
    let corners = |rows: &[[f64; 4]]| matrix(rows.len(), 4, rows.iter().flatten().copied().collect());
    let linkage = found.linkage.iter().flat_map(|&(a, b, height, size)| [a as f64, b as f64, height, size as f64]);
    let drawing = &found.drawing;
    let leaves: Vec<i64> = drawing.leaves.iter().map(|&leaf| leaf as i64).collect();
    let leaves = || Value::Array(Array { shape: vec![n], data: leaves.clone().into() });
    let ordered = || Value::strings(drawing.leaves.iter().filter_map(|&leaf| names.categories.get(leaf)));
    let drawn = vec![
        ("icoord".to_owned(), corners(&drawing.icoord)),
        ("dcoord".to_owned(), corners(&drawing.dcoord)),
        ("ivl".to_owned(), ordered()),
        ("leaves".to_owned(), leaves()),
        ("color_list".to_owned(), Value::strings(&drawing.colors)),
        ("leaves_color_list".to_owned(), Value::strings(&drawing.leaf_colors)),
    ];
    let mut all = vec![
        ("linkage".to_owned(), matrix(found.linkage.len(), 4, linkage.collect())),
        ("groupby".to_owned(), Value::strings(&names.groupby)),
    ];
    all.push(("use_rep".to_owned(), names.use_rep.as_ref().map_or(Value::Null, Value::string)));
    all.extend([
        ("cor_method".to_owned(), Value::string(names.correlation.to_string())),
        ("linkage_method".to_owned(), Value::string(names.linkage_method.to_string())),
        ("categories_ordered".to_owned(), ordered()),
        ("categories_idx_ordered".to_owned(), leaves()),
        ("dendrogram_info".to_owned(), Value::Dict(drawn)),
        ("correlation_matrix".to_owned(), matrix(n, n, found.correlation.iter().copied().collect())),
    ]);
    let key = names.key_added.clone().unwrap_or_else(|| format!("dendrogram_{}", names.groupby.join("_")));
    Patch { uns: vec![(key, Value::Dict(all))], ..Patch::default() }
}

/// Makes the patch of `obsm["X_diffmap"]` and `uns["diffmap_evals"]` (`scanpy.tl.diffmap`).
pub fn diffmap_patch(found: &DiffusionMap) -> Patch {
    let (n, d) = found.components.dim();
    let values: Vec<f32> = found.components.iter().copied().collect();
    Patch {
        obsm: vec![("X_diffmap".to_owned(), Value::Array(Array { shape: vec![n, d], data: values.into() }))],
        uns: vec![(
            "diffmap_evals".to_owned(),
            Value::Array(Array { shape: vec![d], data: found.eigenvalues.clone().into() }),
        )],
        ..Patch::default()
    }
}

/// Makes the patch of `obs["dpt_pseudotime"]` and `uns["iroot"]` (`scanpy.tl.dpt`).
pub fn dpt_patch(pseudotime: Vec<f64>, root: usize) -> Patch {
    Patch {
        obs: vec![(
            "dpt_pseudotime".to_owned(),
            Value::Array(Array { shape: vec![pseudotime.len()], data: pseudotime.into() }),
        )],
        uns: vec![("iroot".to_owned(), Value::number(root as i64))],
        ..Patch::default()
    }
}
