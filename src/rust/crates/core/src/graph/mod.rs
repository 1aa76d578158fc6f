//! Neighbours, connectivities, UMAP, clusters and other results, computed from an embedding in
//! memory. This room does not know the expression matrix.
//!
//! ```
//! # fn main() -> anndataoom_core::Result<()> {
//! use anndataoom_core::graph::{cluster, neighbors, umap, Clustering, KnnParams, NeighborsParams, UmapParams};
//! use anndataoom_core::Session;
//! use ndarray::Array2;
//!
//! let session = Session::default();
//! // Two clouds of 100 points in five dimensions.
//! let points = Array2::from_shape_fn((200, 5), |(i, j)| (i / 100 * 20) as f32 + ((i * 37 + j * 101) % 97) as f32 / 97.0);
//! let params = NeighborsParams { knn: KnnParams { k: 15, ..KnnParams::default() }, ..NeighborsParams::default() };
//! let graph = neighbors(points.view(), &params, &session)?.connectivities;
//! let places = umap(&graph, &UmapParams::default(), &session)?.embedding;
//! assert_eq!(places.dim(), (200, 2));
//! let clusters = cluster(graph, &Clustering::default(), &session)?;
//! assert_eq!(clusters.obs[0].0, "leiden");
//! # Ok(())
//! # }
//! ```

mod ahead;
mod bandwidth;
pub mod clusters;
pub mod connectivities;
pub mod dendrogram;
pub mod density;
pub mod diffusion;
pub mod doublets;
mod groups;
pub mod harmony;
mod kept;
pub mod knn;
pub mod leiden;
pub mod linkage;
mod links;
mod locality;
pub mod neighbors;
pub mod paga;
mod patches;
use crate::random;
pub mod sketch;
pub mod spectral;
mod symmetric;
pub mod transfer;
pub mod umap;
mod union;

pub use clusters::{cluster, cluster_of, Algorithm, Clustering, Restriction};
pub use connectivities::{distances_matrix, fuzzy_simplicial_set, gauss_connectivities, gauss_of_all};
pub use dendrogram::{dendrogram, Correlation, Dendrogram};
pub use density::embedding_density;
pub use diffusion::{diffmap, dpt, DiffusionMap};
pub use doublets::{doublet_scores, DoubletParams, DoubletScores};
pub use groups::subgraph;
pub use harmony::{harmony, Factor, Harmonised, HarmonyParams};
pub use kept::Kept;
pub use knn::{knn, knn_by_batch, Batches, Knn, KnnParams, KnnResult, Method, Metric, Pairwise};
pub use leiden::{leiden, leiden_of, louvain, louvain_of, modularity, LeidenParams, Objective, Partition};
pub use linkage::LinkageMethod;
pub(crate) use links::owned_links;
pub use links::{from_sprs, shared_links, to_sprs, Links, Origin, SharedLinks};
pub use neighbors::{neighbors, neighbors_of, Kernel, Neighbors, NeighborsParams};
pub use paga::{paga, Paga};
pub use patches::{
    dendrogram_patch, diffmap_patch, dpt_patch, neighbors_patch, paga_patch, umap_patch, DendrogramNames,
    NeighborsNames,
};
pub use sketch::{geometric_sketch, leverage_scores, sample_by_weight, sample_with_replacement};
pub use transfer::{neighbors_across, Across, Votes};
pub use umap::{umap, umap_of, Init, Mode, UmapParams, UmapResult};
