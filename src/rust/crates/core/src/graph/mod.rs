//! Neighbours, connectivities, UMAP and Leiden on an in-memory embedding. Knows nothing of the expression matrix.
