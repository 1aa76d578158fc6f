"""Results as frames, by scanpy's names and parameters."""

from ._markers import rank_genes_groups_df

__all__ = ["rank_genes_groups_df"]
