"""Writes the files of the round trip: python make.py DIRECTORY

There is one file for each slot that holds many elements, and one for each case of X and raw/X.
anndata writes them all, or h5py for the few types that anndata reads and does not write.
"""

import sys
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem
from cases import M, N, SLOTS, cases_of
from scipy import sparse

warnings.simplefilter("ignore")
ad.settings.allow_write_nullable_strings = True


def base(path, raw=False):
    """Writes a small valid file."""
    x = sparse.csr_matrix(np.arange(N * M, dtype="f4").reshape(N, M) % 4)
    a = ad.AnnData(x, obs=pd.DataFrame(index=[f"cell_{i}" for i in range(N)]), var=pd.DataFrame(index=[f"gene_{i}" for i in range(M)]))
    if raw:
        a.raw = a
    a.write_h5ad(path)
    return a


def put(group, key, value, n, m, case, index):
    if case.raw:
        case.make(group, key, n, m)
        return
    if isinstance(value, pd.DataFrame) and len(value) == n and index is not None:
        value = value.set_axis(index)
    try:
        *parents, key = key.split("/")
        write_elem(group["/".join(parents)] if parents else group, key, value)
    except Exception as e:
        raise SystemExit(f"{group.file.filename}: {key}: {e!r}") from e


def main(directory):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for slot in SLOTS:
        cases = cases_of(slot)
        if slot in ("X", "raw/X"):
            for case, n, m in cases:
                path = directory / f"{slot.replace('/', '_')}-{case.name}.h5ad"
                base(path, raw=slot != "X")
                with h5py.File(path, "r+") as f:
                    del f[slot]
                    put(f, slot, None if case.raw else case.make(n, m), n, m, case, None)
            continue
        path = directory / f"{slot.replace('/', '_')}.h5ad"
        a = base(path, raw=slot.startswith("raw"))
        index = a.obs_names if slot.startswith("obs") else a.var_names if "var" in slot else None
        with h5py.File(path, "r+") as f:
            group = f[slot]
            for case, n, m in cases:
                put(group, case.name, None if case.raw else case.make(n, m), n, m, case, index)
            if SLOTS[slot][0] == "column":
                group.attrs["column-order"] = np.array([c.name for c, _, _ in cases], dtype=object)


if __name__ == "__main__":
    main(sys.argv[1])
