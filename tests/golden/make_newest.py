"""Makes files with elements that anndata 0.13 under pandas 3 writes and earlier versions did not:

    python make_newest.py FOLDER

`newest.h5ad` has names and texts as nullable texts with either `na-value`, categories of texts, and
indices of one byte. `newest_layers.h5ad` is the same file without X; its matrices are in layers
only.
"""

import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

N, M = 6, 4


def build():
    x = sparse.csr_matrix(np.where(np.arange(N * M).reshape(N, M) % 3 == 0, np.arange(1, N * M + 1).reshape(N, M), 0))
    obs = pd.DataFrame(
        {
            "number": np.arange(N),
            "plain": [f"label {i}" for i in range(N)],
            "gaps": ["a", None, "c", "", "e", None],
            "group": pd.Categorical(["u", "v"] * 3),
        },
        index=[f"cell_{i}" for i in range(N)],
    )
    obs["missing"] = pd.array(["a", pd.NA, "c", "", "e", pd.NA], dtype=pd.StringDtype(na_value=pd.NA))
    obs["maybe"] = pd.array([0, None, 2, 3, 4, 5], dtype="Int64")
    a = ad.AnnData(x.astype("f4"), obs=obs, var=pd.DataFrame(index=[f"gene_{i}" for i in range(M)]))
    a.layers["csc"] = sparse.csc_matrix(x.astype("f4") * 2)
    a.layers["dense"] = x.toarray().astype("f8")
    a.obsm["X_pca"] = np.arange(N * 2, dtype="f4").reshape(N, 2)
    a.uns["texts"] = np.array(["x", "y"])
    return a


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    ad.settings.write_csr_csc_indices_with_min_possible_dtype = True
    a = build()
    a.write_h5ad(folder / "newest.h5ad", convert_strings_to_categoricals=False)
    del a.X
    a.write_h5ad(folder / "newest_layers.h5ad", convert_strings_to_categoricals=False)
