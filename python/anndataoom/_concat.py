"""Several objects as one."""

from __future__ import annotations

import os

from . import _core
from ._anndata import AnnDataOOM
from ._compat import is_oom


def concat(
    adatas, *, join: str = "inner", label: str | None = None, keys=None, file=None, backend=None, index_unique=None,
    merge=None, uns_merge=None, axis="obs", fill_value=None, pairwise=False,
) -> AnnDataOOM:
    """Objects below one another, by `anndata.concat`: the parts come to memory for it.

    Parameters
    ----------
    adatas
        AnnDataOOM or AnnData objects, or a mapping of keys to them.
    join
        "inner" for the genes all have, "outer" for those any has.
    label, keys
        Column of obs to note the origin in, and its values.
    file
        Where to write the result, which is then opened; without it the result is in memory.
    """
    import anndata as ad

    if isinstance(adatas, dict):
        if keys is not None:
            raise TypeError("keys: not together with a mapping of objects")
        keys, adatas = list(adatas), list(adatas.values())
    parts = [a.to_adata() if is_oom(a) else a for a in adatas]
    if not parts:
        raise ValueError("adatas: expected at least one object, found none")
    whole = ad.concat(
        parts, join=join, label=label, keys=keys, index_unique=index_unique, merge=merge, uns_merge=uns_merge,
        axis=axis, fill_value=fill_value, pairwise=pairwise,
    )
    del parts
    result = AnnDataOOM(whole)
    if file is None:
        return result
    result.write_h5ad(file)
    return AnnDataOOM(_core.File(os.fspath(file)))
