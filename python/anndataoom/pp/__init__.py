"""Preprocessing, by scanpy's names and parameters, in place as scanpy does; matrices stay on disk."""

from __future__ import annotations

from ._counts import calculate_qc_metrics
from ._elementwise import arcsinh, log1p, sqrt, square
from ._filters import filter_cells, filter_genes
from ._genes import gene_ranges, highly_variable_genes
from ._neighbors import neighbors
from ._pca import pca
from ._transforms import normalize_pearson_residuals, normalize_total, regress_out, scale

__all__ = [
    "calculate_qc_metrics",
    "gene_ranges",
    "filter_cells",
    "filter_genes",
    "normalize_total",
    "log1p",
    "sqrt",
    "square",
    "arcsinh",
    "highly_variable_genes",
    "scale",
    "pca",
    "neighbors",
    "normalize_pearson_residuals",
    "regress_out",
]
