"""Finds the inputs of verbs: for each source in the table a function that returns a tagged tuple or
None.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from ._across import reference
from ._arrays import as_backed
from ._categories import categorical
from ._convert import to_core
from ._verbs import groups_of, kept, mask_of, mask_over, matrix_at, representation, tell


def matrix(adata, name, args):
    return "matrix", matrix_of(adata, args)._m


def matrix_of(adata, args):
    """Returns X, a layer, an array of obsm, or X of raw, as a BackedArray."""
    if args.get("use_raw"):
        if adata.raw is None:
            raise ValueError("use_raw: this object has no raw")
        return adata.raw.X
    return matrix_at(adata, args.get("layer"), args.get("obsm"))


def _graph(adata, args, what):
    obsp = args.get("obsp")
    if obsp is None:
        key = args.get("neighbors_key") or "neighbors"
        if key not in adata.uns:
            raise KeyError(f"neighbors_key: uns has no element {key!r}: run anndataoom.pp.neighbors first")
        noted = adata.uns[key]
        if not isinstance(noted, Mapping):
            raise ValueError(f"neighbors_key: uns[{key!r}] is not what neighbors() notes")
        obsp = noted.get(f"{what}_key", what)
    return kept(adata, "obsp", obsp) or ("graph", to_core(adata.obsp[obsp].tocsr(), what))


def connectivities(adata, name, args):
    given = args.get("adjacency")
    if given is None:
        return _graph(adata, args, "connectivities")
    if not sparse.issparse(given):
        raise ValueError(f"adjacency: expected a sparse matrix, cells x cells, found {type(given).__name__}")
    return "graph", to_core(given.tocsr())


def distances(adata, name, args):
    return _graph(adata, args, "distances")


def embedding(adata, name, args):
    genes = args.get("var_names")
    if genes is None:
        use_rep, n_pcs = args.get("use_rep"), args.get("n_pcs")
        whole = kept(adata, "obsm", use_rep or "X_pca") if n_pcs is None else None
        if whole is not None:
            return whole
        # Only `neighbors` has scanpy's choice of a representation.
        choose = chosen_representation if "n_neighbors" in args else representation
        return "points", choose(adata, use_rep, n_pcs)
    use_raw = args.get("use_raw")
    if use_raw and adata.raw is None:
        raise ValueError("use_raw: this object has no raw")
    source = adata.raw if (adata.raw is not None if use_raw is None else use_raw) else adata
    genes = [genes] if isinstance(genes, str) else list(genes)
    if not genes:
        raise ValueError("var_names: expected at least one gene, found none")
    for gene in genes:
        if gene not in source.var_names:
            raise KeyError(f"var_names: there is no gene {gene!r}")
    values = source[:, genes].X[:]
    return "points", np.ascontiguousarray(values.toarray() if hasattr(values, "toarray") else values)


# The number of genes up to which scanpy compares cells by X itself.
_FEW_GENES = 50


def chosen_representation(adata, use_rep, n_pcs) -> np.ndarray:
    """Returns the points that cells are compared by, as scanpy chooses them."""
    if use_rep is None and n_pcs == 0:
        use_rep = "X"
    missing = use_rep is None and "X_pca" not in adata.obsm
    if (use_rep == "X" and "X" not in adata.obsm) or (missing and adata.n_vars <= _FEW_GENES):
        return np.ascontiguousarray(as_backed(adata._matrix()).__array__(np.dtype(np.float32)))
    if missing:
        tell(
            [
                f"obsm has no 'X_pca', and X has {adata.n_vars:,} genes: pca() is run first, with its defaults; "
                "use_rep='X' compares cells by the genes themselves"
            ]
        )
        from .pp import pca

        pca(adata, n_comps=n_pcs)
    return representation(adata, use_rep, n_pcs)


def start(adata, name, args):
    given = args[name]
    if not isinstance(given, str):
        points = np.ascontiguousarray(given)
        if points.dtype.kind not in "biuf" or points.ndim != 2:
            raise ValueError(f"{name}: expected a name or a matrix of numbers, found {given!r:.80}")
        return "points", points
    if given == "pca":
        return "points", representation(adata, None, None)
    return ("points", np.ascontiguousarray(adata.obsm[given])) if given in adata.obsm else None


def groups(adata, name, args):
    names = args.get(name)
    if names is None:
        return None
    if not isinstance(names, str) and len(names) == 0:
        raise ValueError(f"{name}: expected at least one column of obs, found none")
    first, *others = [names] if isinstance(names, str) else list(names)
    codes, found = groups_of(adata, first, name)
    for other in others:
        more_codes, more = groups_of(adata, other, name)
        joined = categorical([f"{found[a]}_{more[b]}" for a, b in zip(codes, more_codes)])
        codes, found = np.ascontiguousarray(joined.codes, dtype=np.int32), list(joined.categories)
    return "groups", codes, found


def factors(adata, name, args):
    names = [args[name]] if isinstance(args[name], str) else list(args[name])
    if not names:
        raise ValueError(f"{name}: expected at least one column of obs, found none")
    return "factors", [(key, *groups_of(adata, key, name)) for key in names]


def model(adata, name, args):
    names = args.get(name)
    columns = []
    for key in [names] if isinstance(names, str) else names or []:
        numbers = key in adata.obs and pd.api.types.is_numeric_dtype(adata.obs[key].dtype)
        if numbers and adata.obs[key].dtype.kind != "b":
            values = adata.obs[key].to_numpy(dtype=np.float64, na_value=np.nan)
            columns.append((key, np.ascontiguousarray(values), None))
        else:
            columns.append((key, *groups_of(adata, key, name)))
    return "model", columns


def chosen(adata, name, args):
    if args.get(name) is None:
        return None
    key = args[name][0]
    if key not in adata.obs:
        raise KeyError(f"{name}: obs has no column {key!r}; there are {', '.join(adata.obs.columns)}")
    column = categorical(adata.obs[key])
    return "groups", np.ascontiguousarray(column.codes, dtype=np.int32), [str(c) for c in column.categories]


def covariates(adata, name, args):
    keys = args[name]
    # A key given twice explains no more than once.
    keys = [keys] if isinstance(keys, str) else list(dict.fromkeys(keys))
    if not keys:
        raise ValueError(f"regress_out: {name} must be at least one column of obs, found none")
    for key in keys:
        if key not in adata._obs.columns:
            there = ", ".join(adata._obs.columns) or "none"
            raise KeyError(f"{name}: obs has no column {key!r}; there are {there}")
    return covariates_of(adata.obs[keys])


def covariates_of(frame):
    """Returns the columns of a frame: numbers, or a single column of groups."""
    categorical = [k for k in frame.columns if isinstance(frame[k].dtype, pd.CategoricalDtype)]
    if categorical:
        if len(frame.columns) > 1:
            raise ValueError(
                f"keys: {categorical[0]!r} is categorical, and only a single categorical key can be regressed on"
            )
        column = frame[categorical[0]]
        codes = column.cat.codes.to_numpy()
        if (codes < 0).any():
            raise ValueError(f"keys: obs[{categorical[0]!r}] has missing values")
        return "groups", np.ascontiguousarray(codes, dtype=np.int32), [str(c) for c in column.cat.categories]
    columns = []
    for key in frame.columns:
        if frame[key].dtype.kind not in "biuf":
            raise ValueError(f"keys: expected numbers or categories in obs[{key!r}], found {frame[key].dtype}")
        columns.append((str(key), np.ascontiguousarray(frame[key].to_numpy(dtype=np.float64, na_value=np.nan))))
    return "columns", columns


def mask(adata, name, args):
    given = args.get(name)
    if given is None:
        return None
    source = adata.raw if args.get("use_raw") else adata
    found = mask_of(source, given, name) if isinstance(given, str) else mask_over(source, given, "var", name)
    if not found.any():
        raise ValueError(f"{name}: expected at least one gene, found none")
    return "mask", found


def masks(adata, name, args):
    source = adata.raw if args.get("use_raw") else adata
    names = args.get(name)
    names = [] if names is None else [names] if isinstance(names, str) else names
    return "masks", [(key, mask_of(source, key, name)) for key in names]


def weights(adata, name, args):
    given, axis = args.get(name), args.get("axis", "obs")
    if given is None:
        return None
    if isinstance(given, str):
        table = getattr(adata, axis)
        if given not in table:
            raise KeyError(f"{name}: {axis} has no column {given!r}; there are {', '.join(table.columns) or 'none'}")
        given = table[given].to_numpy()
    given = np.asarray(given)
    if given.dtype.kind not in "biuf" or given.ndim != 1:
        raise ValueError(f"{name}: expected numbers or truth values, one a cell or gene, found {given!r:.80}")
    return "numbers", np.ascontiguousarray(given, dtype=np.float64)


def log_base(adata, name, args):
    noted = adata.uns.get("log1p")
    base = noted.get("base") if isinstance(noted, dict) else None
    return None if base is None else ("numbers", np.array([base], dtype=np.float64))


def sets(adata, name, args):
    given = args[name]
    named = given.items() if isinstance(given, Mapping) else [(args["score_name"], given)]
    out = []
    for key, genes in named:
        genes = [genes] if isinstance(genes, str) else list(genes) if np.iterable(genes) else [None]
        if not isinstance(key, str) or not all(isinstance(g, str) for g in genes):
            raise ValueError(f"{name}: expected names of genes, or named sets of them, found {given!r:.80}")
        out.append((key, [str(g) for g in genes]))
    if not out:
        raise ValueError(f"{name}: expected at least one set of genes, found none")
    return "sets", out


def genes(adata, name, args):
    return "names", list(map(str, genes_of(adata, args)))


def genes_of(adata, args):
    """Returns the names of the genes of `matrix_of`."""
    return (adata.raw if args.get("use_raw") else adata).var_names


def obsm(adata, name, args):
    return "points", np.ascontiguousarray(adata.obsm[name])


def basis(adata, name, args):
    key = args[name]
    if key not in adata.obsm and f"X_{key}" in adata.obsm:
        key = f"X_{key}"
    if key not in adata.obsm:
        there = ", ".join(adata.obsm) or "none"
        raise KeyError(f"{name}: obsm has no element {key!r}; there are {there}")
    return "points", np.ascontiguousarray(adata.obsm[key])


def uns(adata, name, args):
    return "numbers", np.ascontiguousarray(adata.uns[name], dtype=np.float64)


def root(adata, name, args):
    if "iroot" not in adata.uns:
        raise KeyError("uns has no element 'iroot': set adata.uns['iroot'] to the number of the root cell")
    found = int(adata.uns["iroot"])
    if not 0 <= found < adata.n_obs:
        raise IndexError(f"uns['iroot']: expected a number from 0 to {adata.n_obs - 1}, found {found}")
    return "numbers", np.array([found], dtype=np.float64)


SOURCES = {
    f.__name__: f
    for f in (
        matrix, connectivities, distances, embedding, start, groups, chosen, covariates, mask, masks, log_base, sets,
        genes, obsm, basis, factors, model, reference, weights, uns, root,
    )
}  # fmt: skip
