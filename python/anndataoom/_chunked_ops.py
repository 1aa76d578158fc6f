"""The functional interface of version 0.1.8: the names omicverse calls, over the same core as `pp` and `tl`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import _core
from ._anndata import merge
from ._arrays import DEFAULT_CHUNK_SIZE, array_of, as_backed, select, wrap
from ._convert import from_core
from .pp import _hvg_patch


def _columns(mask) -> np.ndarray:
    return np.flatnonzero(np.asarray(mask, dtype=bool)).astype(np.uint32)


def chunked_qc_metrics(adata, *, percent_top=None, chunk_size: int = DEFAULT_CHUNK_SIZE) -> None:
    """obs `nUMIs` (float64) and `detected_genes` (int64), var `n_cells` (int64); stored zeros are not detected."""
    x = adata._matrix()
    found = _core.qc_metrics(x._m, [], [], False)
    obs, var = dict(found["obs"]), dict(found["var"])
    adata.obs["nUMIs"] = array_of(x._m.row_sums())
    adata.obs["detected_genes"] = from_core(obs["n_genes_by_counts"]).astype(np.int64)
    adata.var["n_cells"] = from_core(var["n_cells_by_counts"]).astype(np.int64)


def chunked_gene_group_pct(adata, gene_mask, *, chunk_size: int = DEFAULT_CHUNK_SIZE) -> np.ndarray:
    """Share (0 to 1) of each cell's counts in the genes of the mask; 0 for cells without counts."""
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
    adata, *, target_sum=None, exclude_highly_expressed: bool = False, max_fraction: float = 0.05,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
) -> None:
    """Normalises X lazily; keeps the counts as `layers['counts']` and the divisors as `obs['_norm_factor']`."""
    x = adata._matrix()
    target = None if target_sum is None else float(target_sum)
    matrix, counts, target, _ = _core.normalize_total(x._m, target, bool(exclude_highly_expressed), float(max_fraction))
    factor = array_of(counts) / target
    adata.layers["counts"] = x
    adata.obs["_norm_factor"] = np.where(factor > 0, factor, 1.0)
    adata.uns["_pearson_precompute"] = _pearson_precompute(x)
    adata.X = wrap(matrix, x._file)


def chunked_log1p(adata) -> None:
    """Queues `ln(1 + x)` on X; a second time takes it twice, as scanpy does."""
    x = adata._matrix()
    adata.X = wrap(x._m.log1p(), x._file)


def chunked_mean_var(adata, *, layer=None, chunk_size: int = DEFAULT_CHUNK_SIZE):
    """Means and variances (ddof 1) of the genes, float64."""
    mean, var = adata._matrix(layer)._m.mean_var(0, 1)
    return array_of(mean), array_of(var)


def chunked_identify_robust_genes(adata, percent_cells: float = 0.05, chunk_size: int = DEFAULT_CHUNK_SIZE) -> None:
    """Drops genes without counts in place; var `n_cells`, `percent_cells`, `robust`, `highly_variable_features`."""
    found = dict(_core.qc_metrics(adata._matrix()._m, [], [], False)["var"])
    n_cells = from_core(found["n_cells_by_counts"]).astype(np.int64)
    if not (n_cells > 0).all():
        adata._inplace_subset_var(n_cells > 0)
        n_cells = n_cells[n_cells > 0]
    adata.var["n_cells"] = n_cells
    adata.var["percent_cells"] = n_cells / adata.n_obs * 100
    adata.var["robust"] = adata.var["percent_cells"] >= percent_cells
    adata.var["highly_variable_features"] = adata.var["robust"]


def chunked_scale(adata, *, max_value: float | None = 10.0, chunk_size: int = DEFAULT_CHUNK_SIZE) -> None:
    """`layers['scaled']`: X scaled and clipped lazily."""
    x = adata._matrix()
    if "scale" in x._m.ops:
        raise RuntimeError("X is scaled already; set X to what it was before to scale again")
    matrix, _, _ = _core.scale(x._m, True, None if max_value is None else float(max_value))
    adata.layers["scaled"] = wrap(matrix, x._file)


def chunked_pca(
    adata, *, layer: str | None = "scaled", n_comps: int = 50, n_oversamples: int = 10, n_power_iters: int = 4,
    chunk_size: int = DEFAULT_CHUNK_SIZE, random_state: int = 0, materialize_threshold_gb: float = 16.0,
    use_implicit_centering: bool = True, use_highly_variable: bool = True,
):
    """Exact principal components of a layer (None: X); only the genes, the layer and `n_comps` matter.

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
    found = _core.pca(used, n_comps, True, None, None, None)
    x_pca = from_core(dict(found["obsm"])["X_pca"])
    pcs = from_core(dict(found["varm"])["PCs"])
    ratio = from_core(dict(found["uns"])["pca"])["variance_ratio"]
    return x_pca, np.ascontiguousarray(pcs.T), ratio


def materialise_for_pca(adata, layer: str = "scaled") -> np.ndarray:
    """A layer in memory, dense float32."""
    return adata._matrix(layer).toarray().astype(np.float32, copy=False)


def chunked_pearson_residual_variance(
    X, *, theta: float = 100.0, clip=None, chunk_size: int = DEFAULT_CHUNK_SIZE, precomputed=None
):
    """Variances of the Pearson residuals of counts, means and variances (ddof 0) of the genes.

    `precomputed` is accepted and not used: sums are always those of the matrix given.
    """
    x = as_backed(X)
    found = _core.highly_variable_genes(
        x._m, flavor="pearson_residuals", n_top_genes=1, min_mean=0.0, max_mean=0.0, min_disp=0.0, max_disp=0.0,
        n_bins=20, span=0.3, theta=float(theta), clip=None if clip is None else float(clip), log_base=None, batch=None,
        computed_on="X",
    )
    var = {k: from_core(v) for k, v in found["var"]}
    n = x.shape[0]
    return var["residual_variances"], var["means"], var["variances"] * ((n - 1) / n)


def _counts(adata, layer):
    """The layer named; else X, or the counts where X is no longer counts."""
    if layer is None and adata._matrix()._m.ops and "counts" in adata.layers:
        return adata._matrix("counts"), "counts"
    return adata._matrix(layer), layer or "adata.X"


def chunked_highly_variable_genes_pearson(
    adata, *, n_top_genes: int = 2000, theta: float = 100.0, clip=None, batch_key=None, layer=None,
    chunk_size: int = DEFAULT_CHUNK_SIZE, precomputed="auto",
) -> None:
    """Highly variable genes by Pearson residuals, columns and `uns['hvg']` as scanpy's."""
    x, computed_on = _counts(adata, layer)
    n_top_genes = min(int(n_top_genes), adata.n_vars)
    merge(
        adata,
        _hvg_patch(
            adata, x, flavor="pearson_residuals", n_top_genes=n_top_genes, theta=theta, clip=clip, batch_key=batch_key,
            computed_on=computed_on,
        ),
    )
    if batch_key is None:
        chosen = adata.var["highly_variable"].to_numpy()
        adata.var["highly_variable_nbatches"] = chosen.astype(np.int64)
        adata.var["highly_variable_intersection"] = chosen


def chunked_highly_variable_genes_dispersion(
    adata, flavor: str = "seurat", n_top_genes=None, n_bins: int = 20, layer=None, min_mean: float = 0.0125,
    max_mean: float = 3, min_disp: float = 0.5, max_disp: float = np.inf, batch_key=None, **kwargs,
) -> None:
    """Highly variable genes by dispersion (flavors "seurat", "cell_ranger"), columns as scanpy's."""
    if flavor not in ("seurat", "cell_ranger"):
        raise ValueError(f"flavor: expected 'seurat' or 'cell_ranger', found {flavor!r}")
    merge(
        adata,
        _hvg_patch(
            adata, adata._matrix(layer), flavor=flavor, n_top_genes=n_top_genes, n_bins=n_bins, min_mean=min_mean,
            max_mean=max_mean, min_disp=min_disp, max_disp=max_disp, batch_key=batch_key,
        ),
    )


def chunked_highly_variable_features_pegasus(data, n_top: int = 2000, span: float = 0.02) -> None:
    """Highly variable features as pegasus finds them: a local fit (degree 2) of variance on mean of the robust genes.

    Needs scikit-misc. Writes var `mean`, `var`, `hvf_loess`, `hvf_rank` (-1 where not robust),
    `highly_variable_features`.
    """
    from skmisc.loess import loess

    if "robust" not in data.var:
        raise ValueError("var has no column 'robust': run chunked_identify_robust_genes first")
    robust = data.var["robust"].to_numpy(dtype=bool)
    columns = _columns(robust)
    mean, var = (np.array(array_of(v)) for v in data._matrix()._m.select(None, columns).mean_var(0, 1))
    while True:
        fit = loess(mean, var, span=span, degree=2)
        try:
            fit.fit()
        except ValueError:
            span += 0.01
            if span > 1:
                raise
        else:
            break
    fitted = fit.outputs.fitted_values

    def rank(values):
        out = np.empty(len(values), dtype=np.int64)
        out[np.argsort(values)[::-1]] = np.arange(len(values))
        return out

    total = rank(var - fitted) + rank(np.divide(var, fitted, out=np.zeros_like(var), where=fitted != 0))
    full = {k: np.zeros(data.n_vars) for k in ("mean", "var", "hvf_loess")}
    for key, values in (("mean", mean), ("var", var), ("hvf_loess", fitted)):
        full[key][columns] = values
        data.var[key] = full[key]
    ranks = np.full(data.n_vars, -1, dtype=np.int64)
    ranks[columns] = total
    data.var["hvf_rank"] = ranks
    chosen = np.zeros(data.n_vars, dtype=bool)
    chosen[columns[np.argsort(total, kind="stable")[:n_top]]] = True
    data.var["highly_variable_features"] = chosen


def chunked_normalize_pearson_residuals(adata, theta: float = 100, clip=None, layer=None, inplace: bool = True):
    """Analytic Pearson residuals as X or the layer, computed when values are read."""
    from .pp import normalize_pearson_residuals

    return normalize_pearson_residuals(adata, theta=theta, clip=clip, layer=layer, inplace=inplace)


def chunked_scrublet_prepare(adata, min_cells: int = 3, min_genes: int = 3, n_top_genes: int = 2000):
    """Counts of filtered cells and highly variable genes, in memory, for scrublet.

    Returns
    -------
    ad_obs : anndata.AnnData, raw counts of the cells kept x the genes chosen
    hvg_mask : bool array over the genes that passed `min_cells`
    n_hvg : int
    """
    import anndata as ad

    counts, _ = _counts(adata, None)
    cells, _ = _core.filter_cells(counts._m, "min_genes", float(min_genes))
    counts = select(counts, _columns(array_of(cells)), None)
    genes, _ = _core.filter_genes(counts._m, "min_cells", float(min_cells))
    counts = select(counts, None, _columns(array_of(genes)))
    normal, _, _, _ = _core.normalize_total(counts._m, None, False, 0.05)
    found = _core.highly_variable_genes(
        normal.log1p(), flavor="seurat", n_top_genes=min(n_top_genes, counts.shape[1]), min_mean=0.0125, max_mean=3.0,
        min_disp=0.5, max_disp=np.inf, n_bins=20, span=0.3, theta=100.0, clip=None, log_base=None, batch=None,
        computed_on="X",
    )
    mask = from_core(dict(found["var"])["highly_variable"]).astype(bool)
    names = adata.obs_names[array_of(cells)]
    var_names = adata.var_names[array_of(genes)][mask]
    obs, var = pd.DataFrame(index=names), pd.DataFrame(index=var_names)
    ad_obs = ad.AnnData(select(counts, None, _columns(mask)).to_memory(), obs=obs, var=var)
    return ad_obs, mask, int(mask.sum())


__all__ = [name for name in dir() if name.startswith("chunked_")] + ["materialise_for_pca"]
