"""Opens loom files; their matrices, genes x cells, are transposed as they are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._foreign import into_h5ad, of_slots


def read_loom(
    filename,
    *,
    sparse: bool = False,
    X_name: str = "spliced",
    obs_names: str = "CellID",
    var_names: str = "Gene",
    obsm_mapping: Mapping[str, Iterable[str]] | None = None,
    varm_mapping: Mapping[str, Iterable[str]] | None = None,
    to=None,
    external: str = "refuse",
) -> AnnDataOOM:
    """Opens a loom file (loompy's versions 2 and 3) in place; matrices are transposed a block at a
    time, as they are read.

    Attributes of columns become obs, those of rows var; attributes with two dimensions go to obsm
    and varm, graphs to obsp and varp, and the file's own attributes (version 3) to uns.

    Parameters
    ----------
    filename
        The file.
    sparse
        Whether the matrices are written once as compressed rows, which later passes read faster.
    X_name
        The layer for X, if the file has it; else X is the main matrix. All matrices are layers too,
        the main one as "matrix".
    obs_names, var_names
        The attributes that name cells and genes.
    obsm_mapping, varm_mapping
        For each array of obsm or varm the attributes that are its columns, such as {"X_umap": ["_X", "_Y"]}.
    to
        Path of the h5ad file that `sparse` writes, so that `read` can open it later. Without it, a
        temporary file is written and removed when no object reads from it any more.
    external
        See `read_h5ad`.

    Returns
    -------
    The object, cells x genes; its matrix stays in the file, or in an h5ad file beside it with `sparse=True`.

    Raises
    ------
    ValueError
        An attribute does not exist, or parts contradict each other.
    KeyError
        It is no loom file.

    Examples
    --------
    >>> loom = oom.read_loom("small.loom")
    >>> loom.n_obs > 0
    True
    """
    check(
        "read_loom", filename=filename, sparse=sparse, X_name=X_name, obs_names=obs_names, var_names=var_names,
        obsm_mapping=obsm_mapping, varm_mapping=varm_mapping, to=to, external=external,
    )  # fmt: skip
    if to is not None and not sparse:
        raise ValueError("to: expected None without sparse=True, which writes an h5ad file")
    file = _core.File(os.fspath(filename), False, external)
    obsm, varm = _mapping("obsm_mapping", obsm_mapping), _mapping("varm_mapping", varm_mapping)
    adata = of_slots(file, file.read_loom(X_name, obs_names, var_names, obsm, varm))
    if not sparse:
        return adata
    names = ["X", *(f"layers/{name}" for name in adata.layers)]
    return into_h5ad(to, lambda place: adata.write_h5ad(place, "gzip", as_csr=names))


def _mapping(parameter: str, mapping) -> list[tuple[str, list[str]]]:
    if mapping is None:
        return []
    wrong = TypeError(f"{parameter}: expected a dict of lists of names of attributes, found {mapping!r}")
    if not isinstance(mapping, Mapping):
        raise wrong
    out = [(name, [parts] if isinstance(parts, str) else parts) for name, parts in mapping.items()]
    for name, parts in out:
        if not (isinstance(parts, Iterable) and all(isinstance(text, str) for text in (name, *parts))):
            raise wrong
    return [(name, list(parts)) for name, parts in out]
