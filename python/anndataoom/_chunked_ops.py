"""The functions of version 0.1.8 that omicverse calls, on the same core as `pp` and `tl`."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd

from . import _core
from ._arrays import array_of, as_backed, select, wrap
from ._call import Outcome, outcome, run
from ._convert import from_core
from ._reductions import DEFAULT_CHUNK_SIZE


def _run(name: str, x, file=None, **args) -> Outcome:
    """Runs a verb on a matrix of the core."""
    return run(name, {"matrix": ("matrix", x)}, file, **args)


def _columns(mask) -> np.ndarray:
    return np.flatnonzero(np.asarray(mask, dtype=bool)).astype(np.uint32)


def chunked_qc_metrics(adata, *, percent_top=None, chunk_size: int = DEFAULT_CHUNK_SIZE) -> None:
    """Adds obs `nUMIs` (float64) and `detected_genes` (int64), var `n_cells` (int64). Stored zeros
    are not detected.
    """
    x = adata._matrix()
    found = _run("calculate_qc_metrics", x._m, percent_top=None, log1p=False).patch
    obs, var = dict(found["obs"]), dict(found["var"])
    adata.obs["nUMIs"] = array_of(x._m.row_sums())
    adata.obs["detected_genes"] = from_core(obs["n_genes_by_counts"]).astype(np.int64)
    adata.var["n_cells"] = from_core(var["n_cells_by_counts"]).astype(np.int64)


def chunked_gene_group_pct(adata, gene_mask, *, chunk_size: int = DEFAULT_CHUNK_SIZE) -> np.ndarray:
    """Returns the share (0 to 1) of each cell's counts in the genes of the mask; 0 for cells
    without counts.
    """
    x = adata._matrix()
    mask = np.asarray(gene_mask)
    if mask.shape != (adata.n_vars,):
        raise ValueError(f"gene_mask: expected True or False for each of {adata.n_vars} genes, found {mask.shape}")
    part = array_of(x._m.select(None, _columns(mask)).row_sums())
    total = array_of(x._m.row_sums())
    return np.divide(part, total, out=np.zeros_like(part), where=total > 0)


def _pearson_precompute(x) -> dict:
    mean, var = map(array_of, x._m.mean_var(0, 0))
    n, m = x.shape
    genes, cells = array_of(x._m.col_sums()), array_of(x._m.row_sums())
    return {
        "sums_cells": cells.copy(),
        "sums_genes": genes.copy(),
        "sq_sums_genes": (var + mean**2) * n,
        "sum_total": float(genes.sum()),
        "n_obs": n,
        "n_vars": m,
    }


def chunked_normalize_total(
    adata,
    *,
    target_sum=None,
    exclude_highly_expressed: bool = False,
    max_fraction: float = 0.05,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
) -> None:
    """Normalises X lazily; keeps the counts as `layers['counts']` and the divisors as
    `obs['_norm_factor']`.
    """
    x = adata._matrix()
    # One pass finds all sums, or none after quality control. Values that are no counts are refused
    # here and read again below.
    with suppress(ValueError):
        x._m.learn_sums()
    found = _run(
        "normalize_total",
        x._m,
        x._file,
        target_sum=target_sum,
        exclude_highly_expressed=exclude_highly_expressed,
        max_fraction=max_fraction,
    )
    factor = found.values["counts_per_cell"] / found.values["target_sum"]
    adata.layers["counts"] = x
    adata.obs["_norm_factor"] = np.where(factor > 0, factor, 1.0)
    adata.uns["_pearson_precompute"] = _pearson_precompute(x)
    adata.X = found.matrix


def chunked_log1p(adata) -> None:
    """Queues `ln(1 + x)` on X; a second call takes the logarithm twice, as in scanpy."""
    x = adata._matrix()
    adata.X = wrap(x._m.log1p(), x._file)


def chunked_mean_var(adata, *, layer=None, chunk_size: int = DEFAULT_CHUNK_SIZE):
    """Returns means and variances (ddof 1) of the genes, float64."""
    mean, var = adata._matrix(layer)._m.mean_var(0, 1)
    return array_of(mean), array_of(var)


def chunked_identify_robust_genes(adata, percent_cells: float = 0.05, chunk_size: int = DEFAULT_CHUNK_SIZE) -> None:
    """Drops genes without counts in place; adds var `n_cells`, `percent_cells`, `robust`,
    `highly_variable_features`.
    """
    found = dict(_run("calculate_qc_metrics", adata._matrix()._m, percent_top=None, log1p=False).patch["var"])
    n_cells = from_core(found["n_cells_by_counts"]).astype(np.int64)
    if not (n_cells > 0).all():
        adata._inplace_subset_var(n_cells > 0)
        n_cells = n_cells[n_cells > 0]
    adata.var["n_cells"] = n_cells
    adata.var["percent_cells"] = n_cells / adata.n_obs * 100
    adata.var["robust"] = adata.var["percent_cells"] >= percent_cells
    adata.var["highly_variable_features"] = adata.var["robust"]


def chunked_scale(adata, *, max_value: float | None = 10.0, chunk_size: int = DEFAULT_CHUNK_SIZE) -> None:
    """Sets `layers['scaled']` to X, scaled and clipped lazily."""
    x = adata._matrix()
    if "scale" in x._m.ops:
        raise RuntimeError("X is scaled already; set X to what it was before to scale again")
    adata.layers["scaled"] = _run("scale", x._m, x._file, max_value=max_value).matrix


def chunked_pca(
    adata,
    *,
    layer: str | None = "scaled",
    n_comps: int = 50,
    n_oversamples: int = 10,
    n_power_iters: int = 4,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    random_state: int = 0,
    materialize_threshold_gb: float = 16.0,
    use_implicit_centering: bool = True,
    use_highly_variable: bool = True,
):
    """Computes exact principal components of a layer (None: X). Only the genes, the layer and
    `n_comps` have an effect.

    Returns
    -------
    X_pca : float32 array, cells x components
    components : array, components x genes used
    variance_ratio : array, relative to the total variance
    """
    x = adata._matrix(layer)
    mask = None
    if use_highly_variable:
        for name in ("highly_variable", "highly_variable_features"):
            if name in adata.var:
                mask = np.ascontiguousarray(adata.var[name].to_numpy(dtype=bool))
                break
    columns = None if mask is None or not mask.any() else _columns(mask)
    used = x._m.select(None, columns)
    n_comps = min(int(n_comps), min(used.shape) - 1)
    found = _run("pca", used, n_comps=n_comps).patch
    x_pca = from_core(dict(found["obsm"])["X_pca"])
    pcs = from_core(dict(found["varm"])["PCs"])
    ratio = from_core(dict(found["uns"])["pca"])["variance_ratio"]
    return x_pca, np.ascontiguousarray(pcs.T), ratio


def materialise_for_pca(adata, layer: str = "scaled") -> np.ndarray:
    """Reads a layer as dense float32."""
    return adata._matrix(layer).toarray().astype(np.float32, copy=False)


def chunked_pearson_residual_variance(
    X, *, theta: float = 100.0, clip=None, chunk_size: int = DEFAULT_CHUNK_SIZE, precomputed=None
):
    """Returns variances of the Pearson residuals of counts, and means and variances (ddof 0) of the
    genes.

    `precomputed` is accepted and has no effect: sums are always those of the matrix given.
    """
    x = as_backed(X)
    found = _run("highly_variable_genes", x._m, flavor="pearson_residuals", n_top_genes=1, theta=theta, clip=clip)
    var = {k: from_core(v) for k, v in found.patch["var"]}
    n = x.shape[0]
    return var["residual_variances"], var["means"], var["variances"] * ((n - 1) / n)


def _counts_of(adata, layer):
    """Returns the layer named; else None for X, or "counts" if X no longer holds counts."""
    return "counts" if layer is None and adata._matrix()._m.ops and "counts" in adata.layers else layer


def chunked_highly_variable_genes_pearson(
    adata,
    *,
    n_top_genes: int = 2000,
    theta: float = 100.0,
    clip=None,
    batch_key=None,
    layer=None,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    precomputed="auto",
) -> None:
    """Finds highly variable genes by Pearson residuals, with scanpy's columns and `uns['hvg']`."""
    n_top_genes = min(int(n_top_genes), adata.n_vars)
    outcome(
        "highly_variable_genes",
        adata,
        layer=_counts_of(adata, layer),
        flavor="pearson_residuals",
        n_top_genes=n_top_genes,
        theta=theta,
        clip=clip,
        batch_key=batch_key,
    ).merge(adata)
    if batch_key is None:
        chosen = adata.var["highly_variable"].to_numpy()
        adata.var["highly_variable_nbatches"] = chosen.astype(np.int64)
        adata.var["highly_variable_intersection"] = chosen


def chunked_highly_variable_genes_dispersion(
    adata,
    flavor: str = "seurat",
    n_top_genes=None,
    n_bins: int = 20,
    layer=None,
    min_mean: float = 0.0125,
    max_mean: float = 3,
    min_disp: float = 0.5,
    max_disp: float = np.inf,
    batch_key=None,
    **kwargs,
) -> None:
    """Finds highly variable genes by dispersion (flavors "seurat", "cell_ranger"), with scanpy's
    columns.
    """
    if flavor not in ("seurat", "cell_ranger"):
        raise ValueError(f"flavor: expected 'seurat' or 'cell_ranger', found {flavor!r}")
    outcome(
        "highly_variable_genes",
        adata,
        layer=layer,
        flavor=flavor,
        n_top_genes=n_top_genes,
        n_bins=n_bins,
        min_mean=min_mean,
        max_mean=max_mean,
        min_disp=min_disp,
        max_disp=max_disp,
        batch_key=batch_key,
    ).merge(adata)


def chunked_highly_variable_features_pegasus(data, n_top: int = 2000, span: float = 0.02) -> None:
    """Finds highly variable features as pegasus: by a local quadratic fit of variance on mean of
    the robust genes.

    Parameters
    ----------
    data
        An AnnDataOOM with log-normalised X and var `robust` (see `chunked_identify_robust_genes`).
    n_top
        Number of genes to choose: the ones with the smallest sum of two ranks, by the excess over
        the fit and by the ratio to it.
    span
        Share of the genes in a local fit; it is raised by 0.01 until it holds enough genes.

    Returns
    -------
    None; var gets `mean`, `var` (ddof 1), `hvf_loess` (float64, 0 where not robust), `hvf_rank` (int64, -1 where not
    robust) and `highly_variable_features` (bool).

    Raises
    ------
    KeyError
        var has no column `robust`.
    """
    if "robust" not in data.var:
        raise KeyError("var has no column 'robust': run chunked_identify_robust_genes first")
    columns = _columns(data.var["robust"])
    every_mean, every_var = map(array_of, data._matrix()._m.mean_var(0, 1))
    mean, var = every_mean[columns], every_var[columns]
    fitted = _fit(mean, var, span)

    def rank(values):
        out = np.empty(len(values), dtype=np.int64)
        out[np.argsort(values)[::-1]] = np.arange(len(values))
        return out

    with np.errstate(divide="ignore", invalid="ignore"):
        total = rank(var - fitted) + rank(var / fitted)
    loess, ranks, chosen = np.zeros(data.n_vars), np.full(data.n_vars, -1), np.zeros(data.n_vars, dtype=bool)
    loess[columns], ranks[columns] = fitted, total
    chosen[columns[np.argsort(total)[:n_top]]] = True
    found = {"mean": every_mean, "var": every_var, "hvf_loess": loess, "hvf_rank": ranks}
    for name, values in {**found, "highly_variable_features": chosen}.items():
        data.var[name] = values


def _fit(x, y, span):
    """Returns the local fit with the smallest span, from the given one on, that holds enough
    points.
    """
    while True:
        try:
            return array_of(_core.loess(x, y, min(float(span), 1.0)))
        except RuntimeError:
            if span >= 1:
                raise
            span += 0.01


def chunked_regress(adata, keys=("nUMIs", "mito_perc"), *, chunk_size: int = DEFAULT_CHUNK_SIZE) -> None:
    """Sets `layers['regressed']` to X less its fit on columns of obs, lazily; see
    `anndataoom.pp.regress_out`.
    """
    from .pp import regress_out

    adata.layers["regressed"] = adata.X
    try:
        regress_out(adata, keys, layer="regressed")
    except BaseException:
        del adata.layers["regressed"]
        raise


def chunked_normalize_pearson_residuals(adata, theta: float = 100, clip=None, layer=None, inplace: bool = True):
    """Replaces X or the layer by analytic Pearson residuals, computed when values are read."""
    from .pp import normalize_pearson_residuals

    return normalize_pearson_residuals(adata, theta=theta, clip=clip, layer=layer, inplace=inplace)


def chunked_scrublet_prepare(adata, min_cells: int = 3, min_genes: int = 3):
    """Reads the counts of highly variable genes, as `scanpy.pp.scrublet` selects them, into memory.

    Genes are filtered, then cells. Highly variable genes are found on the normalised, logarithmised
    counts with scanpy's defaults (flavor "seurat", by bounds on mean and dispersion).

    Parameters
    ----------
    adata
        An AnnDataOOM whose X (or layer `counts`, once X was normalised) holds counts. It stays as
        it is.
    min_cells
        Least number of cells that a gene is detected in.
    min_genes
        Least number of genes of a cell.

    Returns
    -------
    ad_obs : anndata.AnnData
        Counts of the cells kept x the genes chosen, with their names.
    hvg_mask : bool array
        Whether each gene that passed `min_cells` was chosen.
    n_hvg : int
        The number of chosen genes.
    """
    import anndata as ad

    counts = adata._matrix(_counts_of(adata, None))
    genes = _run("filter_genes", counts._m, min_cells=min_cells).keep
    counts = select(counts, None, _columns(genes))
    cells = _run("filter_cells", counts._m, min_genes=min_genes).keep
    counts = select(counts, _columns(cells), None)
    normal = _run("normalize_total", counts._m).matrix
    found = _run("highly_variable_genes", normal._m.log1p())
    mask = from_core(dict(found.patch["var"])["highly_variable"]).astype(bool)
    obs = pd.DataFrame(index=adata.obs_names[cells])
    var = pd.DataFrame(index=adata.var_names[genes][mask])
    return ad.AnnData(select(counts, None, _columns(mask)).to_memory(), obs=obs, var=var), mask, int(mask.sum())


__all__ = [name for name in dir() if name.startswith("chunked_")] + ["materialise_for_pca"]
