//! Neighbours, connectivities, UMAP and Leiden on an in-memory embedding. Knows nothing of the expression matrix.

pub mod connectivities;
pub mod knn;

pub use connectivities::{distances_matrix, fuzzy_simplicial_set, gauss_connectivities};
pub use knn::{knn, Knn, KnnParams, KnnResult, Method, Metric};
