//! The verb `neighbors`: the search for neighbours, then the graph made of them.

use super::connectivities::{fuzzy_simplicial_set, gauss_connectivities, gauss_of_all, trim};
use super::knn::{knn, knn_by_batch, Batches, KnnParams, KnnResult, Method, EXACT_UP_TO};
use crate::error::{Error, Result};
use crate::session::Session;
use ndarray::{ArrayView2, CowArray, Ix2};
use sprs::CsMatI;

/// The kernel that turns distances into weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kernel {
    /// UMAP's fuzzy simplicial set ([`fuzzy_simplicial_set`]).
    #[default]
    Umap,
    /// Gaussian kernels of adaptive width ([`gauss_connectivities`]).
    Gauss,
}

/// Options of [`neighbors`].
#[derive(Debug, Clone, PartialEq)]
pub struct NeighborsParams {
    /// Options of the search.
    pub knn: KnnParams,
    /// The kernel that turns distances into weights.
    pub kernel: Kernel,
    /// The batches, from each of which the same number of neighbours is taken; `None` takes the
    /// nearest of all cells.
    pub batches: Option<Batches>,
    /// With batches: the number of strongest links of a cell that are kept; `None` is ten times its
    /// neighbours, 0 keeps all.
    pub trim: Option<usize>,
    /// Whether only the nearest points of each point are linked. `false` links all pairs
    /// ([`Kernel::Gauss`] only), with widths from the distance of neighbour number `knn.k`.
    pub knn_only: bool,
}

impl Default for NeighborsParams {
    fn default() -> Self {
        let (knn, kernel) = (KnnParams::default(), Kernel::default());
        NeighborsParams { knn, kernel, batches: None, trim: None, knn_only: true }
    }
}

impl NeighborsParams {
    /// Returns the number of neighbours, the point itself included, that is recorded in uns: the
    /// number found with `knn_only`, else the parameter.
    pub(super) fn n_neighbors(&self, found: &KnnResult) -> usize {
        if self.knn_only {
            found.knn.k
        } else {
            self.knn.k
        }
    }

    /// Returns the kernel and the search by their names: `method` is scanpy's ("umap", "gauss") or
    /// names the search itself.
    ///
    /// # Errors
    /// [`Error::Parameter`] for names that do not exist or contradict each other.
    pub fn methods(method: &str, search: &str) -> Result<(Kernel, Method)> {
        let searched: Method =
            search.parse().map_err(|_| Error::parameter("search", "one of auto, exact, ivf, hnsw", search))?;
        match (method, method.parse::<Method>()) {
            ("umap", _) => Ok((Kernel::Umap, searched)),
            ("gauss", _) => Ok((Kernel::Gauss, searched)),
            (_, Ok(named)) if searched == Method::Auto || searched == named => Ok((Kernel::Umap, named)),
            _ => {
                let expected = "umap or gauss, or how to search: auto, exact, ivf, hnsw";
                Err(Error::parameter("method", expected, format!("{method} with search = {search}")))
            }
        }
    }
}

/// Neighbours and their graph.
#[derive(Debug, Clone)]
pub struct Neighbors {
    /// The neighbours, and the method that found them.
    pub found: KnnResult,
    /// n x n symmetric weights.
    pub connectivities: CsMatI<f32, u32, usize>,
}

/// Finds the neighbours of every row of `points` (n x d) and computes their connectivities, as
/// `scanpy.pp.neighbors`, or with batches as BBKNN (`scanpy.external.pp.bbknn`).
///
/// # Errors
/// Errors of [`knn`], [`knn_by_batch`] and the kernel; [`Error::Parameter`] for `n_neighbors` of 1.
pub fn neighbors(points: ArrayView2<'_, f32>, params: &NeighborsParams, session: &Session) -> Result<Neighbors> {
    neighbors_of(points.into(), params, session)
}

/// Works as [`neighbors`], but frees points that are handed over before the graph is made.
///
/// # Errors
/// Errors of [`neighbors`].
pub fn neighbors_of(points: CowArray<'_, f32, Ix2>, params: &NeighborsParams, session: &Session) -> Result<Neighbors> {
    if params.batches.is_none() && params.knn.k == 1 {
        let expected = "at least 2, as a cell is the first of its own neighbours and 1 links nothing";
        return Err(Error::parameter("n_neighbors", expected, 1));
    }
    if !params.knn_only {
        return all_pairs(points.view(), params, session);
    }
    let found = match &params.batches {
        None => knn(points.view(), &params.knn, session)?,
        Some(batches) => knn_by_batch(points.view(), batches, &params.knn, session)?,
    };
    drop(points);
    let connectivities = match params.kernel {
        Kernel::Umap => fuzzy_simplicial_set(&found.knn, session)?,
        Kernel::Gauss => gauss_connectivities(&found.knn, session)?,
    };
    let connectivities = match (&params.batches, params.trim) {
        (None, _) | (Some(_), Some(0)) => connectivities,
        (Some(_), most) => trim(&connectivities, most.unwrap_or(10 * found.knn.k), session)?,
    };
    Ok(Neighbors { found, connectivities })
}

/// Links all pairs of points, by Gaussian kernels.
fn all_pairs(points: ArrayView2<'_, f32>, params: &NeighborsParams, session: &Session) -> Result<Neighbors> {
    let n = points.nrows();
    if params.kernel != Kernel::Gauss || params.batches.is_some() {
        return Err(Error::parameter("knn", "true, unless method is gauss and there is no batch_key", "false"));
    }
    if n > EXACT_UP_TO {
        let expected = format!("true for more than {EXACT_UP_TO} cells: every pair of them would be kept");
        return Err(Error::parameter("knn", expected, format!("false for {n} cells")));
    }
    let every = KnnParams { k: n, method: Method::Exact, ..params.knn.clone() };
    let found = knn(points, &every, session)?;
    let connectivities = gauss_of_all(&found.knn, params.knn.k, session)?;
    Ok(Neighbors { found, connectivities })
}
