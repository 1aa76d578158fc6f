"""Writes a small data set with the installed version of anndata: python make_versions.py OUT.h5ad

Runs under any anndata from 0.5 on (Python 3.6 too); make_versions.sh calls it in an environment for
each version. Elements that a version cannot hold are left out, so that every file has all its
version can. The values are those of `content()`, which the tests use as well.
"""

import sys
from collections import OrderedDict

import numpy as np
import pandas as pd
from scipy import sparse

N, M = 7, 5


def counts(dtype="f4"):
    k = np.arange(N * M).reshape(N, M)
    return np.where(k % 3 == 0, k + 1, 0).astype(dtype)


def table(n, prefix):
    """Makes a table with columns that every version can write."""
    codes = np.arange(n) % 2
    columns = OrderedDict()
    columns["group"] = pd.Categorical.from_codes(codes, ["b", "a"])
    columns["score"] = np.arange(n) / 4.0
    columns["count"] = np.arange(n, dtype="i8") * 10
    columns["flag"] = np.arange(n) % 3 == 0
    columns["label"] = ["%s label %d" % (prefix, i) for i in range(n)]
    return pd.DataFrame(columns, index=["%s_%d" % (prefix, i) for i in range(n)], columns=list(columns))


def content(version=(99, 0)):
    """Returns the slots by name. Before 0.7 there are no layers of other formats, no obsp and no
    varp."""
    out = {
        "X": sparse.csr_matrix(counts()),
        "obs": table(N, "cell"),
        "var": table(M, "gene"),
        "obsm": {"X_pca": np.arange(N * 3, dtype="f8").reshape(N, 3)},
        "varm": {"PCs": np.arange(M * 2, dtype="f8").reshape(M, 2)},
        "uns": {
            "number": 15,
            "fraction": 0.25,
            "text": "umap",
            "colors": np.array(["#ff0000", "#00ff00"]),
            "deep": {"deeper": {"values": np.arange(4.0)}},
        },
    }
    if version >= (0, 6):
        out["layers"] = {"dense": counts("f8")}
        # Category colours and a matrix, as scanpy stores them.
        out["uns"]["group_colors"] = np.array(["#111111", "#222222"])
    if version >= (0, 7):
        out["obs"]["ordered"] = pd.Categorical.from_codes(np.arange(N) % 3 - 1, ["low", "mid", "high"], ordered=True)
        out["layers"]["csc"] = sparse.csc_matrix(counts("f4") * 2)
        out["obsp"] = {"distances": sparse.csr_matrix(np.eye(N))}
        out["varp"] = {"links": np.arange(M * M, dtype="f8").reshape(M, M)}
        out["obsm"]["frame"] = table(N, "cell")[["score", "group"]]
        out["obsm"]["sparse"] = sparse.csr_matrix(counts("f4"))
    if version >= (0, 8):
        out["obs"]["maybe"] = pd.array([None if i == 2 else i for i in range(N)], dtype="Int64")
        out["obs"]["truth"] = pd.array([None if i == 1 else i % 2 == 0 for i in range(N)], dtype="boolean")
        out["uns"]["frame"] = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["r", "s"])
    if version >= (0, 11):
        out["uns"]["nothing"] = None
    return out


def build(version=(99, 0)):
    import anndata as ad

    c = content(version)
    rest = {k: c[k] for k in ("layers", "obsp", "varp") if k in c}
    a = ad.AnnData(X=c["X"], obs=c["obs"], var=c["var"], uns=c["uns"], **rest)
    for slot in ("obsm", "varm"):
        for key, value in c[slot].items():
            getattr(a, slot)[key] = value
    a.raw = a
    return a


if __name__ == "__main__":
    import anndata

    try:
        from importlib.metadata import version as version_of
    except ImportError:
        version_of = lambda _: anndata.__version__
    number = tuple(int(x) for x in version_of("anndata").split(".")[:2])
    adata = build(number)
    (adata.write_h5ad if hasattr(adata, "write_h5ad") else adata.write)(sys.argv[1])
    print("anndata", ".".join(map(str, number)), "wrote", sys.argv[1])
