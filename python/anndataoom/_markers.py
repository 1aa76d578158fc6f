"""Ranks genes that mark groups of cells, and returns or filters the results as a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from . import _core
from ._call import check, outcome
from ._convert import from_core
from ._inputs import SOURCES, genes_of
from ._verbs import raw_is_used, target_of, tell

_COLUMNS = ["names", "scores", "logfoldchanges", "pvals", "pvals_adj"]


def rank_genes_groups(
    adata,
    groupby,
    *,
    mask_var=None,
    use_raw=None,
    groups="all",
    reference="rest",
    n_genes=None,
    rankby_abs=False,
    pts=False,
    key_added=None,
    copy=False,
    method=None,
    corr_method="benjamini-hochberg",
    tie_correct=False,
    layer=None,
):
    """Ranks the genes of each group of cells by a test against the others (`scanpy.tl.rank_genes_groups`).

    Expects logarithms. t-tests take one pass over the cells; `method="wilcoxon"` reads them once and sorts every gene's
    values, in memory or a scratch file, within `settings.memory`. Genes of equal score are in the order of the matrix.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    groupby
        Column of obs with the groups. Each has at least two cells, and every cell has a group.
    mask_var
        Column of var, or a mask: genes to test and to adjust p-values for.
    use_raw
        Whether raw is used; by default True where there is a raw and no layer is named.
    groups, reference
        Groups to compare, with all other cells ("rest") or with one group.
    n_genes
        Genes to keep of each group; all without it.
    rankby_abs
        Whether genes are ordered by the size of their scores.
    pts
        Whether the shares of cells with each gene are added.
    key_added
        Key of uns instead of rank_genes_groups.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    method
        "t-test", "t-test_overestim_var", "wilcoxon" or "logreg". The last is a multinomial logistic
        regression on all genes together, as scikit-learn's with its defaults but at its minimum. It
        holds the values of the genes in memory, within half of `settings.memory`, so that it suits
        a selection of genes. Scores are its coefficients. With two groups only the first is ranked,
        by its own coefficients (scanpy shows those of the category that sorts last).
    corr_method
        Adjustment of p-values.
    tie_correct
        Whether wilcoxon corrects for ties.
    layer
        Layer instead of X.

    Returns
    -------
    None, or a changed copy with `copy=True`. `uns["rank_genes_groups"]` has scanpy's form: records
    of `names`, `scores`, `logfoldchanges`, `pvals` and `pvals_adj` with a field for each group, and
    with `pts` the frames `pts` and `pts_rest`. "logreg" gives only `names` and `scores`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> oom.pp.log1p(adata)
    >>> oom.tl.rank_genes_groups(adata, "cell_type", method="wilcoxon")
    >>> oom.get.rank_genes_groups_df(adata, "B").columns[0]
    'names'
    """
    check("rank_genes_groups", {**locals(), "groups": _texts(groups)})
    target = target_of(adata, False)
    use_raw = raw_is_used(target, use_raw, layer)
    args = {**locals(), "groups": _texts(groups)}
    del args["target"]
    found = outcome("rank_genes_groups", **args)
    names = np.asarray(genes_of(target, args), dtype=object)
    if mask_var is not None:
        names = names[SOURCES["mask"](target, "mask_var", args)[1]]
    key, value = found.patch["uns"][0]
    value = from_core(value)
    # Positions are replaced by names, each of which is in memory once.
    value["names"] = _records({k: names[value["names"][k]] for k in value["names"].dtype.names})
    adata = target_of(adata, copy)
    adata.uns[key] = {k: v.view(np.recarray) if isinstance(v, np.ndarray) else v for k, v in value.items()}
    return adata if copy else None


def _texts(groups):
    """Converts names of groups to text, as scanpy accepts numbers for them."""
    if groups is None or isinstance(groups, str) or not np.iterable(groups):
        return groups
    plain = [g.item() if isinstance(g, np.generic) else g for g in groups]
    return [str(g) if isinstance(g, int) and not isinstance(g, bool) else g for g in plain]


def _records(fields: dict) -> np.ndarray:
    n = len(next(iter(fields.values()), ()))
    out = np.empty(n, dtype=[(k, v.dtype) for k, v in fields.items()])
    for k, v in fields.items():
        out[k] = v
    return out


def _noted(adata, key: str):
    """Returns the results of rank_genes_groups under `key`."""
    there = ", ".join(map(repr, adata.uns)) or "none"
    if key not in adata.uns:
        raise KeyError(f"key: uns has no element {key!r}; there are {there}: run anndataoom.tl.rank_genes_groups first")
    noted = adata.uns[key]
    if not hasattr(noted, "keys") or not {"names", "scores", "params"} <= set(noted.keys()):
        raise ValueError(f"key: uns[{key!r}] is not what rank_genes_groups leaves")
    return noted


def rank_genes_groups_df(
    adata,
    group=None,
    *,
    key="rank_genes_groups",
    pval_cutoff=None,
    log2fc_min=None,
    log2fc_max=None,
    gene_symbols=None,
) -> pd.DataFrame:
    """Returns ranked genes as one frame, group after group (`scanpy.get.rank_genes_groups_df`).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    group
        A group, or several; None for all. With a single group the column `group` is left out.
    key
        Element of uns with the ranked genes.
    pval_cutoff, log2fc_min, log2fc_max
        Exclusive bounds of `pvals_adj` and `logfoldchanges`.
    gene_symbols
        Column of var to add.

    Returns
    -------
    A frame with a row a gene and group: names, scores, logfoldchanges, pvals, pvals_adj, and
    shares of cells where `pts` was asked for.

    Raises
    ------
    ValueError, TypeError
        An argument is outside its domain; the message names the parameter and the domain.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> oom.pp.log1p(adata)
    >>> oom.tl.rank_genes_groups(adata, "cell_type")
    >>> frame = oom.get.rank_genes_groups_df(adata, None, pval_cutoff=0.01)
    >>> list(frame.columns)[:2]
    ['group', 'names']
    """
    given = {k: v for k, v in locals().items() if k != "adata"}
    _core.check_function("rank_genes_groups_df", {**given, "group": _texts(group)})
    noted = _noted(adata, key)
    there = list(noted["names"].dtype.names)
    groups = [group] if isinstance(group, str) else there if group is None else list(group)
    if not groups:
        raise ValueError("group: expected at least one group, found none")
    missing = [g for g in groups if g not in there]
    if missing:
        raise KeyError(f"group: uns[{key!r}] has no group {missing[0]!r}; there are {', '.join(there)}")
    columns = [c for c in _COLUMNS if c in noted]
    parts = [pd.DataFrame({c: np.asarray(noted[c][g]) for c in columns}) for g in groups]
    codes = np.repeat(np.arange(len(groups)), [len(p) for p in parts])
    out = pd.concat(parts, ignore_index=True)
    out.insert(0, "group", pd.Categorical.from_codes(codes, categories=groups))
    bounds = [("pvals_adj", pval_cutoff, np.less), ("logfoldchanges", log2fc_min, np.greater)]
    for column, bound, within in [*bounds, ("logfoldchanges", log2fc_max, np.less)]:
        if bound is not None and column in out:
            out = out[within(out[column], bound)]
    if gene_symbols is not None:
        if gene_symbols not in adata.var:
            there = ", ".join(adata.var.columns) or "none"
            raise KeyError(f"gene_symbols: var has no column {gene_symbols!r}; there are {there}")
        out = out.join(adata.var[gene_symbols], on="names")
    for pts, column in {"pts": "pct_nz_group", "pts_rest": "pct_nz_reference"}.items():
        if pts in noted:
            shares = noted[pts]
            at = shares.index.get_indexer(out["names"]), shares.columns.get_indexer(out["group"].astype(str))
            out = out.assign(**{column: shares.to_numpy()[at]})[np.asarray(at[0]) >= 0]
    if len(groups) == 1:
        out = out.drop(columns="group")
    return out.reset_index(drop=True)


def marker_gene_overlap(
    adata, reference_markers, *, key="rank_genes_groups", method="overlap_count", normalize=None, top_n_markers=None,
    adj_pval_threshold=None, key_added="marker_gene_overlap", inplace=False,
) -> pd.DataFrame | None:  # fmt: skip
    """Compares ranked genes with known markers (`scanpy.tl.marker_gene_overlap`).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    reference_markers
        Names of genes by cell type.
    key
        Element of uns with the ranked genes.
    method
        The number of genes in both sets ("overlap_count"), that number over the size of the smaller
        set ("overlap_coef"), or over the number of genes in either set ("jaccard").
    normalize
        Divisor of the counts: the size of the known set ("reference") or of the group's set ("data").
    top_n_markers, adj_pval_threshold
        Size of a group's set: the number of its first genes, 100 by default, or the number of genes
        with a smaller `pvals_adj` than the threshold.
    key_added, inplace
        Whether the frame is put into uns and None is returned, and the key in uns.

    Returns
    -------
    A frame of float64, known sets x groups. Genes that a filter left out do not count; a set
    without genes gives 0.

    Raises
    ------
    ValueError, TypeError
        An argument is outside its domain; the message names the parameter and the domain.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> oom.pp.log1p(adata)
    >>> oom.tl.rank_genes_groups(adata, "cell_type")
    >>> found = oom.tl.marker_gene_overlap(adata, {"T": ["CD3D", "IL7R"], "B": ["MS4A1", "CD79A"]})
    >>> list(found.index)
    ['T', 'B']
    """
    given = {k: v for k, v in locals().items() if k != "adata"}
    _core.check_function("marker_gene_overlap", given)
    if normalize is not None and method != "overlap_count":
        raise ValueError(f"normalize: expected None with method={method!r}, found {normalize!r}")
    if not isinstance(reference_markers, Mapping):
        raise ValueError(f"reference_markers: expected named sets of genes, found {reference_markers!r:.80}")
    args = {"reference_markers": reference_markers}
    known = {name: pd.Index(genes).unique() for name, genes in SOURCES["sets"](adata, "reference_markers", args)[1]}
    noted = _noted(adata, key)
    names = noted["names"]
    if adj_pval_threshold is not None and "pvals_adj" not in noted:
        raise ValueError(f"adj_pval_threshold: uns[{key!r}] has no 'pvals_adj', as of method='logreg'")
    if adj_pval_threshold is not None and top_n_markers is not None:
        tell(["marker_gene_overlap: adj_pval_threshold has no effect beside top_n_markers"])
    found, none = {}, []
    for group in names.dtype.names:
        n = 100 if top_n_markers is None else top_n_markers
        if adj_pval_threshold is not None and top_n_markers is None:
            n = int((np.asarray(noted["pvals_adj"][group]) < adj_pval_threshold).sum())
            none += [group] * (n == 0)
        found[group] = pd.Index(names[group][:n]).dropna().unique()
    if none:
        of = ", ".join(map(repr, none))
        tell([f"marker_gene_overlap: no gene has pvals_adj < {adj_pval_threshold} in {of}"])
    shared = np.array([[a.isin(b).sum() for b in found.values()] for a in known.values()], dtype=np.float64)
    a, b = (np.array([len(genes) for genes in sets.values()], dtype=np.float64) for sets in (known, found))
    if method == "overlap_coef":
        shared /= np.maximum(np.minimum(a[:, None], b), 1)
    elif method == "jaccard":
        shared /= np.maximum(a[:, None] + b - shared, 1)
    elif normalize is not None:
        shared /= np.maximum(a[:, None] if normalize == "reference" else b, 1)
    out = pd.DataFrame(shared, index=list(known), columns=list(found))
    if not inplace:
        return out
    adata.uns[key_added] = out
    return None


def filter_rank_genes_groups(
    adata,
    *,
    key=None,
    groupby=None,
    use_raw=None,
    key_added="rank_genes_groups_filtered",
    min_in_group_fraction=0.25,
    min_fold_change=1,
    max_out_group_fraction=0.5,
    compare_abs=False,
) -> None:
    """Keeps ranked genes by fold change and shares of cells (`scanpy.tl.filter_rank_genes_groups`).

    Other genes become NaN among the `names` of `uns[key_added]`. It takes one more pass where the
    results do not have the shares and fold changes needed: for a comparison with one group, or with
    another `groupby`.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    key
        Element of uns with the ranked genes.
    groupby
        Column of obs; by default the one that the genes were ranked by.
    use_raw
        Whether raw is used; by default as when the genes were ranked.
    key_added
        Element of uns for the result.
    min_in_group_fraction
        Least share of the group's cells that have the gene.
    min_fold_change
        Least fold change.
    max_out_group_fraction
        Largest share of the other cells that have the gene.
    compare_abs
        Whether the size of fold changes counts, not their sign.

    Returns
    -------
    None. Sets `uns[key_added]`: the ranked genes, NaN in the place of those that are left out.

    Raises
    ------
    ValueError, TypeError
        An argument is outside its domain; the message names the parameter and the domain.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> oom.pp.log1p(adata)
    >>> oom.tl.rank_genes_groups(adata, "cell_type")
    >>> oom.tl.filter_rank_genes_groups(adata)
    >>> "rank_genes_groups_filtered" in adata.uns
    True
    """
    _core.check_function("filter_rank_genes_groups", {k: v for k, v in locals().items() if k != "adata"})
    adata = target_of(adata, False)
    key = key or "rank_genes_groups"
    noted = _noted(adata, key)
    params = noted["params"]
    groupby = params["groupby"] if groupby is None else groupby
    use_raw = bool(params["use_raw"]) if use_raw is None else use_raw
    same = params["groupby"] == groupby and params["reference"] == "rest" and bool(params["use_raw"]) == use_raw
    names = noted["names"]
    source = noted
    if not (same and "logfoldchanges" in noted and "pts_rest" in noted):
        layer = params.get("layer") if not use_raw else None
        args = {"groupby": groupby, "use_raw": use_raw, "layer": layer, "pts": True, "groups": list(names.dtype.names)}
        found = outcome("rank_genes_groups", adata, **args)
        source = from_core(found.patch["uns"][0][1])
        genes = np.asarray(genes_of(adata, args), dtype=object)
        source["names"] = {k: genes[source["names"][k]] for k in names.dtype.names}
    kept = {}
    for group in names.dtype.names:
        genes = pd.Index(np.asarray(names[group]))
        folds = pd.Series(source["logfoldchanges"][group], index=source["names"][group]).reindex(genes).to_numpy()
        inside, outside = (source[part][group].reindex(genes).to_numpy() for part in ("pts", "pts_rest"))
        folds = np.abs(folds) if compare_abs else folds
        passes = (inside > min_in_group_fraction) & (outside < max_out_group_fraction) & (folds > min_fold_change)
        kept[group] = np.where(passes, np.asarray(genes, dtype=object), np.nan)
    adata.uns[key_added] = {**dict(noted.items()), "names": _records(kept).view(np.recarray)}
