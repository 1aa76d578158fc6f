//! Neighbours, connectivities, UMAP and Leiden on an in-memory embedding. Knows nothing of the expression matrix.

pub mod connectivities;
pub mod knn;
pub mod leiden;
mod patches;
use crate::random;
pub mod spectral;
mod symmetric;
pub mod umap;

pub use connectivities::{distances_matrix, fuzzy_simplicial_set, gauss_connectivities};
pub use knn::{knn, Knn, KnnParams, KnnResult, Method, Metric};
pub use leiden::{leiden, louvain, modularity, LeidenParams, Objective, Partition};
pub use patches::{from_sprs, leiden_patch, neighbors_patch, to_sprs, umap_patch, NeighborsNames};
pub use umap::{umap, Init, Mode, UmapParams, UmapResult};
