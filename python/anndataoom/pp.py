"""Preprocessing, by scanpy's names and parameters, in place as scanpy does; matrices stay on disk."""

from __future__ import annotations

import numpy as np

from ._arrays import select, stack
from ._call import outcome, run, verb
from ._filter import filter_cells, filter_genes
from ._hvg_table import returned
from ._index import positions
from ._verbs import NOTHING, mask_over, matrix_of, one_of, set_matrix, target_of

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
    use_raw=False, inplace=False, log1p=True, parallel=None,
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
        Whether raw is used instead of X. Its columns for genes are under its names; with `inplace` var gets those of
        its own genes, and has to have no others. The columns of qc_vars are raw's.
    inplace
        Whether obs and var get the columns; else they are returned.
    log1p
        Whether logarithms of the counts are added.
    parallel
        Accepted and has no effect.

    Returns
    -------
    The two frames of columns for obs and var; None with `inplace=True`.

    Raises
    ------
    KeyError
        A name of qc_vars is not in var; var has a gene that raw does not have.
    IndexError
        A number of percent_top is larger than the number of genes.
    """
    if (expr_type, var_type) != ("counts", "genes"):
        found = f"found {expr_type!r} and {var_type!r}"
        raise NotImplementedError(f"expr_type and var_type: only 'counts' and 'genes' are supported, {found}")
    adata = target_of(adata, False)
    if use_raw and adata.raw is None:
        raise ValueError("use_raw: this object has no raw")
    genes = (adata.raw if use_raw else adata).var_names
    # What of the genes measured is wanted, found before the pass, as it may be refused.
    places = positions(adata.var_names, len(genes), genes, "var") if use_raw and inplace else None
    found = outcome(
        "calculate_qc_metrics", adata, qc_vars=qc_vars, percent_top=percent_top, layer=layer, use_raw=use_raw,
        inplace=inplace, log1p=log1p,
    )
    obs, var = found.frame("obs", adata.obs_names), found.frame("var", genes)
    if not inplace:
        return obs, var
    if places is not None:
        var = var.iloc[places]
    for axis, frame in (("obs", obs), ("var", var)):
        table = adata._table(axis)
        for name in frame:
            table[name] = frame[name].to_numpy()
    return None


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


def log1p(adata, *, base=None, copy=False, chunked=None, chunk_size=None, layer=None, obsm=None):
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
    chunked, chunk_size
        Accepted and have no effect.
    layer
        Layer instead of X.
    obsm
        Array of obsm instead of X; it is changed in memory.
    """
    if obsm is None:
        return verb("log1p", **locals())
    adata = target_of(adata, copy)
    x = matrix_of(adata, layer, obsm)
    found = run("log1p", {"matrix": ("matrix", x._m)}, x._file, base=base)
    set_matrix(adata, layer, obsm, found.matrix)
    adata.uns["log1p"] = {"base": base}
    return adata if copy else None


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
        Whether the other genes are dropped, or left out of what is returned.
    inplace
        Whether var gets the columns.
    batch_key
        Column of obs: genes are ranked in every batch and merged. A batch of one cell, in which nothing varies, takes
        no part, with a warning.
    check_values
        Whether a flavor for counts warns of values that are not whole numbers.
    theta, clip
        Overdispersion and bound of Pearson residuals.

    Returns
    -------
    None, or with `inplace=False` the frame of columns for var, with those more that scanpy's has.
    """
    adata = target_of(adata, False)
    found = outcome("highly_variable_genes", **locals())
    if inplace:
        return found.merge(adata)
    table = returned(found.frame("var", adata.var_names), flavor, int(n_bins))
    return table[table["highly_variable"]] if subset else table


def scale(adata, *, zero_center=True, max_value=None, copy=False, layer=None, obsm=None, mask_obs=None):
    """Genes of unit variance and, where asked, mean 0 (`scanpy.pp.scale`); stays implicit, also in `pca`.

    Adds var `mean` and `std` (float64, divisor n - 1); with `mask_obs` they are called `mean of <mask_obs>` and `std of
    <mask_obs>`, or `mean with mask` and `std with mask`, as in scanpy.

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
    obsm
        Array of obsm instead of X; it is changed in memory, and var gets no columns.
    mask_obs
        Column of obs, or mask, of the cells to scale, by their own mean and deviation; the others stay as they are.
    """
    if obsm is None and mask_obs is None:
        return verb("scale", **locals())
    adata = target_of(adata, copy)
    x = matrix_of(adata, layer, obsm)
    mask = None if mask_obs is None else mask_over(adata, mask_obs, "obs", "mask_obs")
    rows = None if mask is None else np.flatnonzero(mask).astype(np.uint32)
    inputs = {"matrix": ("matrix", select(x, rows, None)._m)}
    found = run("scale", inputs, x._file, zero_center=zero_center, max_value=max_value)
    scaled = found.matrix
    if mask is not None:
        others = np.flatnonzero(~mask).astype(np.uint32)
        both = stack("obs", [(scaled, None), (select(x, others, None), None)], x.shape[1])
        scaled = select(both, np.argsort(np.concatenate([rows, others])).astype(np.uint32), None)
    set_matrix(adata, layer, obsm, scaled)
    if obsm is None:
        end = "" if mask is None else f" of {mask_obs}" if isinstance(mask_obs, str) else " with mask"
        columns = found.frame("var", adata.var_names)
        adata.var[f"mean{end}"], adata.var[f"std{end}"] = columns["mean"], columns["std"]
    return adata if copy else None


_DEFAULT = object()
# scanpy's, and those that its releases before 1.11 pass on.
_SOLVERS = (None, "auto", "arpack", "covariance_eigh", "randomized", "lobpcg", "full", "tsqr", "jacobi")


def pca(
    adata, n_comps=None, *, layer=None, zero_center=True, svd_solver=None, chunked=False, chunk_size=None,
    random_state=0, return_info=False, mask_var=_DEFAULT, use_highly_variable=None, dtype="float32", key_added=None,
    copy=False,
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
    svd_solver
        One of scanpy's names, which has no effect.
    random_state, chunked, chunk_size, return_info
        Accepted and have no effect (the last one as in scanpy, for annotated data).

    Raises
    ------
    ValueError
        More components than the matrix has, an empty mask, values that are not finite.
    """
    one_of("svd_solver", svd_solver, _SOLVERS)
    if use_highly_variable is not None:
        mask_var = "highly_variable" if use_highly_variable else None
    elif mask_var is _DEFAULT:
        mask_var = "highly_variable" if "highly_variable" in target_of(adata, False).var else None
    changed = verb("pca", **locals())
    if np.dtype(dtype) != np.float32:
        obsm, key = (adata if changed is None else changed).obsm, "X_pca" if key_added is None else key_added
        obsm[key] = obsm[key].astype(dtype)
    return changed


def neighbors(
    adata, n_neighbors=15, n_pcs=None, *, use_rep=None, knn=True, method="umap", transformer=None, metric="euclidean",
    metric_kwds=NOTHING, random_state=0, key_added=None, copy=False, search="auto", recall=0.99, batch_key=None,
    neighbors_within_batch=3, trim=None,
):
    """Nearest neighbours and their graph (`scanpy.pp.neighbors`; with `batch_key` `scanpy.external.pp.bbknn`).

    Parameters
    ----------
    method
        How distances become weights: "umap" or "gauss". A value of `search` is taken too, for "umap" and that search.
    use_rep
        Element of obsm, or "X" for the matrix itself, made dense. By default X_pca; where there is none, X of up to
        50 genes, and of more the result of `pca`, which is run with a warning, as scanpy does.
    n_pcs
        Columns of it to use; 0 means `use_rep="X"`.
    knn
        Whether only the `n_neighbors` nearest cells are linked; False, with `method="gauss"`, links all pairs with
        kernels of that width, for up to 20,000 cells.
    metric
        "euclidean", "cosine", "correlation" or "inner_product"; or, compared pair by pair at any number of cells, one
        of scikit-learn's others: "manhattan" ("cityblock", "l1"), "chebyshev", "minkowski", "sqeuclidean",
        "seuclidean", "mahalanobis", "canberra", "braycurtis", "hamming", "jaccard", "dice", "rogerstanimoto",
        "russellrao", "sokalsneath" or "yule". Not a function: it would be called for every pair of cells.
    metric_kwds
        For "minkowski", its power: `{"p": 3}`.
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
    if transformer not in (None, "sklearn"):
        raise NotImplementedError(
            f"transformer: expected None or 'sklearn' (exact), found {transformer!r}; see search and recall"
        )
    search = "exact" if transformer == "sklearn" else search
    if not isinstance(metric, str):
        raise TypeError(
            f"metric: expected a name such as 'manhattan', found {metric!r}: a function of Python would be called for "
            "every pair of cells; compute distances yourself and put them into obsp"
        )
    other = [key for key in metric_kwds or () if key != "p"]
    if other:
        found = ", ".join(map(repr, other))
        raise NotImplementedError(f"metric_kwds: expected {{'p': ...}} for 'minkowski', found {found}")
    args = dict(locals(), metric_kwds=(metric_kwds or {}).get("p"))
    del args["other"]
    return verb("neighbors", **args)


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
        Whether values that are not whole numbers are warned of.
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
    keys = [keys] if isinstance(keys, str) else list(dict.fromkeys(keys))
    return verb("regress_out", **locals())
