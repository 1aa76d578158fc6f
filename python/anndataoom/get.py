"""Aggregates of groups, and results as frames, by scanpy's names and parameters."""

from ._aggregate import aggregate, pseudobulk
from ._markers import rank_genes_groups_df

__all__ = ["aggregate", "pseudobulk", "rank_genes_groups_df"]
