"""Scores of gene sets in every cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ._arguments import check as check_function
from ._call import check, outcome
from ._inputs import genes_of
from ._verbs import raw_is_used, target_of


def score_genes(
    adata,
    gene_list,
    *,
    ctrl_as_ref=True,
    ctrl_size=50,
    gene_pool=None,
    n_bins=25,
    score_name="score",
    random_state=0,
    copy=False,
    use_raw=None,
    layer=None,
):
    """Scores cells by a set of genes, less control genes of similar expression
    (`scanpy.tl.score_genes`).

    It takes two passes. The first, for the means of all genes, is left out if earlier scores or
    sums of genes (`X.sum(axis=0)`) have left them; the second reads the genes of the sets and their
    controls. Control genes are those that scanpy samples with the same seed. NaN is refused, where
    scanpy leaves it out.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    gene_list
        Names of genes, or a dict of such lists, whose names become columns of obs. All sets share
        the two passes.
    ctrl_as_ref
        Whether genes of the set are among those sampled, and dropped from the sample.
    ctrl_size
        Control genes of each bin.
    gene_pool
        Genes controls are sampled from; all without it.
    n_bins
        Bins of mean expression.
    score_name
        Column of obs; of several sets their names.
    random_state
        Seed of every random number.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    use_raw
        Whether raw is used; by default True where there is a raw and no layer is named.
    layer
        Layer instead of X.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obs["<score_name>"]`, `obs["<gene_list>"]`.

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
    >>> oom.tl.score_genes(adata, ["CD3D", "IL7R"], score_name="T")
    >>> "T" in adata.obs
    True
    """
    return _scored("score_genes", locals())


def score_genes_cell_cycle(
    adata,
    *,
    s_genes,
    g2m_genes,
    copy=False,
    ctrl_as_ref=True,
    gene_pool=None,
    n_bins=25,
    random_state=0,
    use_raw=None,
    layer=None,
):
    """Scores cells by genes of two phases and names the phase (`scanpy.tl.score_genes_cell_cycle`).

    Adds `obs["S_score"]`, `obs["G2M_score"]` and `obs["phase"]`: "G1" where both scores are below
    0, else "G2M" where that score is higher, else "S". `ctrl_size` is the length of the shorter
    list.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    s_genes
        Genes of the S phase.
    g2m_genes
        Genes of the G2 and M phases.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    ctrl_as_ref
        Whether genes of a set may be among the control genes.
    gene_pool
        Genes to take control genes from; all of them by default.
    n_bins
        Bins of genes by their mean.
    random_state
        Seed of the choice of control genes.
    use_raw
        Whether raw is used; by default True where there is a raw and no layer is named.
    layer
        Layer instead of X.

    Returns
    -------
    None; a changed copy with `copy=True`.

    Raises
    ------
    ValueError, TypeError
        An argument is outside its domain; the message names the parameter and the domain.

    Examples
    --------
    >>> oom.pp.normalize_total(adata, target_sum=1e4)
    >>> oom.pp.log1p(adata)
    >>> oom.tl.score_genes_cell_cycle(adata, s_genes=list(adata.var_names[:5]), g2m_genes=list(adata.var_names[5:9]))
    >>> set(adata.obs["phase"]) <= {"S", "G2M", "G1"}
    True
    """
    given = {k: v for k, v in locals().items() if k != "adata"}
    check_function("score_genes_cell_cycle", **given)
    sets = {"S_score": s_genes, "G2M_score": g2m_genes}
    sets = {k: [v] if isinstance(v, str) else list(v) for k, v in sets.items()}
    raw = adata.raw is not None and (layer is None if use_raw is None else bool(use_raw))
    known = set(genes_of(adata, {"use_raw": raw}))
    for name, genes in (("s_genes", sets["S_score"]), ("g2m_genes", sets["G2M_score"])):
        if not genes:
            raise ValueError(f"{name}: expected at least one gene, found none")
        if known.isdisjoint(genes):
            raise ValueError(f"{name}: expected genes of the matrix, at least one, found {genes[0]!r}")
    adata = target_of(adata, copy)
    more = {k: v for k, v in given.items() if k not in ("s_genes", "g2m_genes", "copy")}
    score_genes(adata, sets, ctrl_size=min(map(len, sets.values())), **more)
    s, g2m = (adata.obs[key].to_numpy() for key in sets)
    phase = np.where((s < 0) & (g2m < 0), "G1", np.where(g2m > s, "G2M", "S"))
    adata.obs["phase"] = pd.Series(phase.astype(object), index=adata.obs_names)
    return adata if copy else None


def score_aucell(
    adata, gene_list, *, auc_threshold=0.05, score_name="aucell", copy=False, use_raw=None, layer=None,
):  # fmt: skip
    """Scores cells by how high the genes of a set rank among all genes (AUCell, Aibar et al. 2017), in one pass.

    The score is the area under the recovery curve of the set over the first ranks, divided by its
    largest possible value: from 0 to 1. It does not depend on other cells or on normalisation.
    Genes of equal value have no order: each counts with the mean over their ranks, which is the
    average over the random orders of AUCell, so that there is no seed.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    gene_list
        Names of genes, or a dict of such lists, whose names become columns of obs. All sets share
        the pass.
    auc_threshold
        Share of all genes whose ranks count, rounded up to whole ranks.
    score_name
        Column of obs; of several sets their names.
    copy
        Whether a changed copy is returned and `adata` stays as it is.
    use_raw
        Whether raw is used; by default True where there is a raw and no layer is named.
    layer
        Layer instead of X.

    Returns
    -------
    None; a changed copy with `copy=True`. Sets `obs["<score_name>"]`, `obs["<gene_list>"]`.

    Raises
    ------
    ValueError
        An argument is outside its domain; the message names the parameter and the domain.
    KeyError
        A column or element that is asked for is not there; the message says which are.

    Examples
    --------
    >>> oom.tl.score_aucell(adata, {"T": ["CD3D", "IL7R"]})
    >>> bool(adata.obs["T"].between(0, 1).all())
    True
    """
    return _scored("score_aucell", locals())


def _scored(verb, args):
    """Runs a verb that scores sets of genes; `args` are the arguments of the public function."""
    check(verb, args)
    args["use_raw"] = raw_is_used(target_of(args["adata"], False), args["use_raw"], args["layer"])
    found = outcome(verb, **args)
    adata = target_of(args["adata"], args["copy"])
    found.merge(adata)
    return adata if args["copy"] else None
