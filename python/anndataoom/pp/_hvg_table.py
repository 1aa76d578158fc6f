"""The table of genes that `highly_variable_genes(inplace=False)` returns: scanpy's columns in scanpy's order."""

from __future__ import annotations

import numpy as np
import pandas as pd

_ORDER = {
    "dispersions": ["means", "dispersions", "mean_bin", "dispersions_norm", "highly_variable"],
    "variances_norm": [
        "means", "variances", "gene_name", "highly_variable_nbatches", "highly_variable_rank", "variances_norm",
        "highly_variable",
    ],
}  # fmt: skip


def returned(found: pd.DataFrame, flavor: str, n_bins: int) -> pd.DataFrame:
    """Turns `found`, the columns of the core for var, into scanpy's table.

    Without batches, the bins of mean expression are named by their bounds, as in scanpy 1.12.
    """
    batches = "highly_variable_nbatches" in found
    if "dispersions" in found and not batches:
        found["mean_bin"] = _bins(found["means"], flavor, n_bins)
    if "variances_norm" in found:
        found["gene_name"] = found.index
    first = next((order for column, order in _ORDER.items() if column in found), [])
    first = [c for c in first if c in found]
    return found[first + [c for c in found if c not in first]]


def _bins(means: pd.Series, flavor: str, n_bins: int) -> pd.Series:
    if flavor == "cell_ranger":
        bounds = np.percentile(means, np.arange(10, 105, 5))
        n_bins = np.unique(np.concatenate([[-np.inf], bounds, [np.inf]]))
    bins = pd.cut(means, bins=n_bins)
    return bins.cat.rename_categories([str(b) for b in bins.cat.categories])
