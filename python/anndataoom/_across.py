"""The parts of a reference and of a query that `ingest` and `transfer_labels` need."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ._categories import categorical


def reference(adata, name, args):
    from ._compat import is_oom

    ref = args["adata_ref"]
    if not is_oom(ref):
        raise TypeError(f"adata_ref: expected an AnnDataOOM (see anndataoom.read), found {type(ref).__name__}")
    return _PARTS[name](adata, ref, args)


def _noted(ref, key, hint):
    found = ref.uns.get(key)
    params = found.get("params") if isinstance(found, Mapping) else None
    if not isinstance(params, Mapping):
        raise KeyError(f"adata_ref: uns has no element {key!r} with parameters: {hint}")
    return params


def _neighbors(ref, args):
    key = args.get("neighbors_key") or "neighbors"
    return _noted(ref, key, "run anndataoom.pp.neighbors on the reference first, or name it with neighbors_key")


def _pca(ref):
    return _noted(ref, "pca", "run anndataoom.pp.pca on the reference first")


def _components(ref):
    """Returns the loadings that are not 0, and the positions of their genes."""
    if "PCs" not in ref.varm:
        raise KeyError("adata_ref: varm has no element 'PCs': run anndataoom.pp.pca on the reference first")
    loadings = np.asarray(ref.varm["PCs"])
    keep = np.flatnonzero((loadings != 0).any(axis=1))
    return np.ascontiguousarray(loadings[keep]), keep.astype(np.uint32)


def _own_name(ref, args):
    """Returns the element of obsm that neighbours were found by; None for principal components."""
    name = _neighbors(ref, args).get("use_rep")
    if name == "X":
        expected = "expected principal components or an element of obsm"
        raise ValueError(f"adata_ref: its neighbours were found by X; {expected}")
    return None if name == "X_pca" else name


def _needs_pca(ref, args):
    return "pca" in (args.get("embedding_method") or ()) or _own_name(ref, args) is None


def _loadings(adata, ref, args):
    return ("points", _components(ref)[0]) if _needs_pca(ref, args) else None


def _matrix(adata, ref, args):
    if not _needs_pca(ref, args):
        return None
    names = ref.var_names[_components(ref)[1]]
    if not adata.var_names.is_unique:
        raise ValueError("adata: expected a name of its own for every gene; see var_names_make_unique()")
    at = adata.var_names.get_indexer(names)
    if (at < 0).any():
        missing = names[at < 0]
        raise KeyError(
            f"adata: {len(missing)} of the {len(names)} genes of the reference's components are not in it, "
            f"{missing[0]!r} the first"
        )
    return "matrix", adata._matrix(_pca(ref).get("layer"))._m.select(None, at.astype(np.uint32))


def _reference_matrix(adata, ref, args):
    if not _needs_pca(ref, args):
        return None
    return "matrix", ref._matrix(_pca(ref).get("layer"))._m.select(None, _components(ref)[1])


def _element(adata, name, whose):
    if name not in adata.obsm:
        raise KeyError(f"{whose}: obsm has no element {name!r}; there are {', '.join(adata.obsm) or 'none'}")
    return np.asarray(adata.obsm[name])


def _rep(adata, ref, args):
    params = _neighbors(ref, args)
    points = _element(ref, _own_name(ref, args) or "X_pca", "adata_ref")
    n_pcs = params.get("n_pcs")
    return "points", np.ascontiguousarray(points if n_pcs is None else points[:, : int(n_pcs)])


def _own(adata, ref, args):
    name = _own_name(ref, args)
    return None if name is None else ("points", np.ascontiguousarray(_element(adata, name, "adata")))


def _layout(adata, ref, args):
    if "umap" not in (args.get("embedding_method") or ()):
        return None
    if "X_umap" not in ref.obsm:
        hint = "run anndataoom.tl.umap, or take 'pca'"
        raise KeyError(f"embedding_method: obsm of adata_ref has no element 'X_umap': {hint}")
    return "points", np.ascontiguousarray(ref.obsm["X_umap"])


def _labels(adata, ref, args):
    names = args.get("obs")
    columns = []
    for key in [names] if isinstance(names, str) else list(names or []):
        if key not in ref.obs:
            raise KeyError(f"obs: the reference's obs has no column {key!r}; there are {', '.join(ref.obs.columns)}")
        column = categorical(ref.obs[key])
        columns.append((key, np.ascontiguousarray(column.codes, dtype=np.int32), [str(c) for c in column.categories]))
    return "factors", columns


def _numbers(adata, ref, args):
    n_neighbors = _neighbors(ref, args).get("n_neighbors", 15)
    centred = bool(_pca(ref).get("zero_center", True)) if _needs_pca(ref, args) else True
    a, b = 1.0, 1.0
    if "umap" in (args.get("embedding_method") or ()):
        params = _noted(ref, "umap", "run anndataoom.tl.umap on the reference first")
        a, b = params["a"], params["b"]
    return "numbers", np.array([n_neighbors, centred, a, b], dtype=np.float64)


def _metric(adata, ref, args):
    return "names", [str(_neighbors(ref, args).get("metric", "euclidean"))]


_PARTS = {
    "matrix": _matrix, "reference": _reference_matrix, "loadings": _loadings, "rep": _rep, "own": _own,
    "layout": _layout, "labels": _labels, "numbers": _numbers, "metric": _metric,
}  # fmt: skip
