"""Embeddings, clusters and trees, by scanpy's names and parameters, in place as in scanpy."""

from ._clusters import leiden, louvain
from ._ingest import ingest, transfer_labels
from ._maps import diffmap, dpt, embedding_density, umap
from ._markers import filter_rank_genes_groups, marker_gene_overlap, rank_genes_groups
from ._scores import score_aucell, score_genes, score_genes_cell_cycle
from ._trees import dendrogram, paga
from .pp import pca

__all__ = [
    "dendrogram", "diffmap", "dpt", "embedding_density", "filter_rank_genes_groups", "ingest", "leiden", "louvain",
    "marker_gene_overlap", "paga", "pca", "rank_genes_groups", "score_aucell", "score_genes", "score_genes_cell_cycle",
    "transfer_labels", "umap",
]  # fmt: skip
