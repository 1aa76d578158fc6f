"""Preprocessing, by scanpy's names and parameters, in place as scanpy does; matrices stay on disk."""

from __future__ import annotations

import numpy as np

from ._call import outcome, verb
from ._filter import filter_cells, filter_genes
from ._verbs import target_of

__all__ = [
    "calculate_qc_metrics",
    "filter_cells",
    "filter_genes",
    "normalize_total",
    "log1p",
    "highly_variable_genes",
    "scale",
    "pca",
    "neighbors",
    "normalize_pearson_residuals",
    "regress_out",
]


def calculate_qc_metrics(
    adata, *, expr_type="counts", var_type="genes", qc_vars=(), percent_top=(50, 100, 200, 500), layer=None,
    use_raw=False, inplace=True, log1p=True,
):
    """Quality-control metrics of cells and genes, in one pass (`scanpy.pp.calculate_qc_metrics`).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    expr_type, var_type
        Only "counts" and "genes", which name the columns.
    qc_vars
        Boolean columns of var, for the share of each cell's counts in those genes.
    percent_top
        Numbers of genes, for the share of each cell's counts in that many highest genes; None for none.
    layer
        Layer instead of X.
    use_raw
        Whether raw is used instead of X.
    inplace
        Whether obs and var get the columns.
    log1p
        Whether logarithms of the counts are added.

    Returns
    -------
    None, or with `inplace=False` the two frames of columns for obs and var.

    Raises
    ------
    KeyError
        A name of qc_vars is not in var.
    IndexError
        A number of percent_top is larger than the number of genes.
    """
    if (expr_type, var_type) != ("counts", "genes"):
        raise NotImplementedError("expr_type and var_type: only 'counts' and 'genes' are supported")
    found = outcome(
        "calculate_qc_metrics", adata, qc_vars=qc_vars, percent_top=percent_top, layer=layer, use_raw=use_raw,
        inplace=inplace, log1p=log1p,
    )
    if inplace:
        return found.merge(adata)
    return tuple(found.frame(axis, getattr(adata, f"{axis}_names")) for axis in ("obs", "var"))


def normalize_total(
    adata, *, target_sum=None, exclude_highly_expressed=False, max_fraction=0.05, key_added=None, layer=None,
    inplace=True, copy=False,
):
    """Scales each cell to the same total (`scanpy.pp.normalize_total`); the division is done when values are read.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    target_sum
        Total of each cell afterwards; the median total of cells with counts by default.
    exclude_highly_expressed
        Whether genes with more than `max_fraction` of the counts of any cell are left out of the totals.
    max_fraction
        See `exclude_highly_expressed`.
    key_added
        Column of obs for the totals over the target.
    layer
        Layer instead of X.
    inplace
        Whether X (or the layer) is replaced; else a dict of `X` (a lazy array) and `norm_factor` is returned.
    copy
        Whether a changed copy is returned.

    Raises
    ------
    ValueError
        A value is negative, NaN or infinite (the message says where), or a parameter is out of its domain.
    """
    args = dict(locals())
    if inplace:
        return verb("normalize_total", **args)
    found = outcome("normalize_total", **args)
    return {"X": found.matrix, "norm_factor": found.values["norm_factor"]}


def log1p(adata, *, base=None, copy=False, layer=None, obsm=None):
    """`ln(1 + x)` (`scanpy.pp.log1p`), computed when values are read.

    Values come as float32, float64 for float64 input. `uns["log1p"]["base"]` notes the base.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    base
        Base of the logarithm; natural by default.
    copy
        Whether a changed copy is returned.
    layer
        Layer instead of X.
    """
    if obsm is not None:
        raise NotImplementedError("obsm: only X and layers are supported")
    return verb("log1p", **locals())


def highly_variable_genes(
    adata, *, layer=None, n_top_genes=None, min_disp=0.5, max_disp=np.inf, min_mean=0.0125, max_mean=3.0, span=0.3,
    n_bins=20, flavor="seurat", subset=False, inplace=True, batch_key=None, check_values=True, theta=100.0, clip=None,
):
    """Highly variable genes (`scanpy.pp.highly_variable_genes`, with flavor "pearson_residuals" of its experimental).

    Columns of var and `uns["hvg"]` are scanpy's.

    Parameters
    ----------
    adata
        An AnnDataOOM: log-normalised for "seurat" and "cell_ranger", counts for the others.
    layer
        Layer instead of X.
    n_top_genes
        How many to choose; needed for "seurat_v3", "seurat_v3_paper" and "pearson_residuals".
    min_disp, max_disp, min_mean, max_mean
        Bounds of "seurat" and "cell_ranger" without `n_top_genes`.
    span
        Share of the genes in a local fit of "seurat_v3".
    n_bins
        Bins of mean expression of "seurat".
    flavor
        "seurat", "cell_ranger", "seurat_v3", "seurat_v3_paper" or "pearson_residuals".
    subset
        Whether the other genes are dropped.
    inplace
        Whether var gets the columns.
    batch_key
        Column of obs: genes are ranked in every batch and merged.
    theta, clip
        Overdispersion and bound of Pearson residuals.

    Returns
    -------
    None, or with `inplace=False` the frame of columns for var.
    """
    found = outcome("highly_variable_genes", **locals())
    return found.merge(adata) if inplace else found.frame("var", adata.var_names)


def scale(adata, *, zero_center=True, max_value=None, copy=False, layer=None, obsm=None, mask_obs=None):
    """Genes of unit variance and, where asked, mean 0 (`scanpy.pp.scale`); stays implicit, also in `pca`.

    Adds var `mean` and `std` (float64, divisor n - 1).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    zero_center
        Whether means are subtracted; without it zeros stay zero.
    max_value
        Values are clipped to `[-max_value, max_value]`, only above where not centred.
    copy
        Whether a changed copy is returned.
    layer
        Layer instead of X.
    """
    if obsm is not None or mask_obs is not None:
        raise NotImplementedError("obsm and mask_obs are not supported")
    return verb("scale", **locals())


_DEFAULT = object()


def pca(
    adata, n_comps=None, *, layer=None, zero_center=True, svd_solver=None, random_state=0, mask_var=_DEFAULT,
    use_highly_variable=None, dtype="float32", chunked=False, chunk_size=None, key_added=None, copy=False,
):
    """Principal components (`scanpy.pp.pca`), exact, of any size of matrix; nothing is random.

    Two passes for up to 5,000 genes (their products, which are decomposed, and the projection), a few more above.
    Adds obsm `X_pca` (cells x components, float32), varm `PCs` (genes x components) and `uns["pca"]`, as scanpy; signs
    as scikit-learn's.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    n_comps
        Components; 50, or one less than the smaller extent, by default.
    layer
        Layer instead of X.
    zero_center
        Whether genes are centred.
    mask_var
        Column of var, or mask, of the genes to use; `highly_variable` where it exists, None for all.
    use_highly_variable
        The older name of it.
    dtype
        Dtype of the coordinates.
    key_added
        Key for obsm, varm and uns instead of `X_pca`, `PCs` and `pca`.
    copy
        Whether a changed copy is returned.
    svd_solver, random_state, chunked, chunk_size
        Accepted and have no effect.

    Raises
    ------
    ValueError
        More components than the matrix has, an empty mask, values that are not finite.
    """
    if use_highly_variable is not None:
        mask_var = "highly_variable" if use_highly_variable else None
    elif mask_var is _DEFAULT:
        mask_var = "highly_variable" if "highly_variable" in target_of(adata, False).var else None
    found = verb("pca", **locals())
    if np.dtype(dtype) != np.float32:
        obsm, key = (adata if found is None else found).obsm, "X_pca" if key_added is None else key_added
        obsm[key] = obsm[key].astype(dtype)
    return found


def neighbors(
    adata, n_neighbors=15, n_pcs=None, *, use_rep=None, knn=True, method="umap", transformer=None, metric="euclidean",
    metric_kwds=None, random_state=0, key_added=None, copy=False, search="auto", recall=0.99, batch_key=None,
    neighbors_within_batch=3, trim=None,
):
    """Nearest neighbours and their graph (`scanpy.pp.neighbors`; with `batch_key` `scanpy.external.pp.bbknn`).

    Parameters
    ----------
    method
        How distances become weights: "umap" or "gauss". A value of `search` is taken too, for "umap" and that search.
    metric
        "euclidean", "cosine", "correlation" or "inner_product".
    search
        How neighbours are found: "auto" (exact up to 20,000 cells, then "ivf"), "exact", "ivf" or "hnsw".
    recall
        Share of the true neighbours that "ivf" must find; measured on a sample, and the recall found is noted in
        `uns["neighbors"]["params"]["recall"]`.
    batch_key
        Column of obs: every cell gets `neighbors_within_batch` neighbours from each batch, instead of the `n_neighbors`
        nearest of all.
    trim
        With `batch_key`, how many of the strongest links of a cell stay: ten times its neighbours by default, 0 is all.
    """
    if not knn or transformer is not None or metric_kwds:
        raise NotImplementedError("only knn=True is supported, without transformer and metric_kwds")
    return verb("neighbors", **locals())


def normalize_pearson_residuals(
    adata, *, theta=100.0, clip=None, check_values=True, layer=None, inplace=True, copy=False
):
    """Analytic Pearson residuals (`scanpy.experimental.pp.normalize_pearson_residuals`), computed when values are read.

    Parameters
    ----------
    adata
        An AnnDataOOM with counts.
    theta
        Overdispersion of the negative binomial.
    clip
        Residuals are clipped to `[-clip, clip]`; the square root of the number of cells by default.
    check_values
        Accepted and has no effect.
    layer
        Layer instead of X.
    inplace
        Whether X (or the layer) is replaced; else a dict of `X` (a lazy array) and the settings is returned.
    copy
        Whether a changed copy is returned.
    """
    args = dict(locals())
    if inplace:
        return verb("normalize_pearson_residuals", **args)
    found = outcome("normalize_pearson_residuals", **args)
    return {"X": found.matrix, **found.values}


def regress_out(adata, keys, *, layer=None, n_jobs=None, copy=False):
    """Takes out of every gene what columns of obs explain (`scanpy.pp.regress_out`), computed when values are read.

    One pass finds the least-squares coefficients; what is kept are those and the columns. Residuals equal scanpy's.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    keys
        Column of obs, or several: of numbers (an intercept is added), or a single categorical one, whose group means
        are subtracted.
    layer
        Layer instead of X.
    n_jobs
        Accepted and has no effect, see `anndataoom.settings.threads`.
    copy
        Whether a changed copy is returned.

    Returns
    -------
    None, or the copy. The matrix is dense float32 (float64 for float64 input) when it is read.

    Raises
    ------
    KeyError
        A key is not in obs.
    ValueError
        A key is neither numeric nor categorical, has missing values, or is categorical beside others.
    """
    return verb("regress_out", **locals())
