"""Quality control of counts, by scanpy's name and parameters."""

from __future__ import annotations

from .._call import check, outcome
from .._index import positions
from .._verbs import target_of

__all__ = ["calculate_qc_metrics"]


def calculate_qc_metrics(
    adata,
    *,
    expr_type="counts",
    var_type="genes",
    qc_vars=(),
    percent_top=(50, 100, 200, 500),
    layer=None,
    use_raw=False,
    inplace=False,
    log1p=True,
    parallel=None,
):
    """Quality-control metrics of cells and genes, in one pass (`scanpy.pp.calculate_qc_metrics`).

    Parameters
    ----------
    adata
        An AnnDataOOM.
    expr_type, var_type
        Only "counts" and "genes", which name the columns.
    qc_vars
        Boolean columns of var: sets of genes whose share of each cell's counts is measured.
    percent_top
        Numbers of highest genes whose share of each cell's counts is measured; None for none.
    layer
        Layer instead of X.
    use_raw
        Whether raw is used instead of X. Columns for genes are then those of raw's genes. With
        `inplace`, var gets them for its own genes, all of which raw must have. The columns of
        qc_vars are raw's.
    inplace
        Whether the columns are added to obs and var; else they are returned.
    log1p
        Whether logarithms of the counts are added.
    parallel
        Accepted and has no effect.

    Returns
    -------
    The two frames of columns, for obs and var; None with `inplace=True`.

    Raises
    ------
    KeyError
        A name of qc_vars is not in var; var has a gene that raw does not have.
    IndexError
        A number of percent_top is larger than the number of genes.

    Examples
    --------
    >>> adata.var["mt"] = adata.var_names.str.startswith("MT-")
    >>> oom.pp.calculate_qc_metrics(adata, qc_vars=["mt"], inplace=True)
    >>> bool(adata.obs["pct_counts_mt"].between(0, 100).all())
    True
    """
    check("calculate_qc_metrics", locals())
    if (expr_type, var_type) != ("counts", "genes"):
        found = f"found {expr_type!r} and {var_type!r}"
        raise NotImplementedError(f"expr_type and var_type: only 'counts' and 'genes' are supported, {found}")
    adata = target_of(adata, False)
    if use_raw and adata.raw is None:
        raise ValueError("use_raw: this object has no raw")
    genes = (adata.raw if use_raw else adata).var_names
    # The positions of the wanted genes are looked up before the pass, because a missing gene is an error.
    places = positions(adata.var_names, len(genes), genes, "var") if use_raw and inplace else None
    found = outcome(
        "calculate_qc_metrics",
        adata,
        qc_vars=qc_vars,
        percent_top=percent_top,
        layer=layer,
        use_raw=use_raw,
        inplace=inplace,
        log1p=log1p,
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
