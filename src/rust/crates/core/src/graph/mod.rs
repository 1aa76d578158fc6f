//! Neighbours, connectivities, UMAP and Leiden on an in-memory embedding. Knows nothing of the expression matrix.

mod random;
pub mod spectral;
mod symmetric;
pub mod umap;

pub use umap::{umap, Init, Mode, UmapParams, UmapResult};
