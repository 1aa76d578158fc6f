"""Makes a small file with mudata, and records how mudata reads it: python make_mudata.py

Needs mudata (0.4.1) and anndata (0.13). Writes mudata/two.h5mu, whose modalities share some cells,
in different orders, and have columns of all cells; and mudata/expected.json.
"""

import json
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
from scipy import sparse

out = Path(__file__).parent / "mudata"
out.mkdir(exist_ok=True)


def modality(cells, genes, step):
    k = np.arange(len(cells) * len(genes)).reshape(len(cells), len(genes))
    x = sparse.csr_matrix(np.where(k % step == 1, k % 7 + 1, 0).astype("f4"))
    adata = ad.AnnData(x, pd.DataFrame({"own": pd.Categorical([f"t{i % 3}" for i in range(len(cells))])}, cells))
    adata.var_names = genes
    adata.layers["twice"] = x * 2
    adata.obsm["X_pca"] = k[:, :2] / 4
    adata.uns["parameters"] = {"k": 15}
    return adata


rna = modality([f"c{i}" for i in range(10)], [f"g{i}" for i in range(6)], 4)
protein = modality([f"c{i}" for i in (7, 3, 11, 5)], [f"p{i}" for i in range(3)], 3)
two = md.MuData({"rna": rna, "protein": protein})
two.obs["number"] = np.arange(two.n_obs) * 1.5
two.obs["batch"] = pd.Categorical([f"b{i % 2}" for i in range(two.n_obs)])
two.pull_obs()
two.write(out / "two.h5mu")

mdata = md.read(out / "two.h5mu")
told = {
    key: {
        "X": m.X.toarray().tolist(),
        "obs_names": list(m.obs_names),
        "var_names": list(m.var_names),
        "own": list(m.obs["own"]),
        "shared": {c: mdata.obs.loc[m.obs_names, c].tolist() for c in ("number", "batch")},
    }
    for key, m in mdata.mod.items()
}
(out / "expected.json").write_text(json.dumps(told, indent=1) + "\n")
