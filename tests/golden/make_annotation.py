"""Makes annotation.json: scanpy's comparison of ranked genes of the example file with known
markers, and its densities of cells.

Genes are ranked in logarithms rounded to 64ths, as in make_markers.py; coordinates are 64ths too.

    python tests/golden/make_annotation.py
"""

import json
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "inst" / "extdata" / "pbmc_like.h5ad"
CALLS = {
    "overlap_count": {},
    "overlap_coef": {"method": "overlap_coef", "top_n_markers": 30},
    "jaccard": {"method": "jaccard", "top_n_markers": 50},
    "reference": {"normalize": "reference", "top_n_markers": 40},
    "data": {"normalize": "data", "adj_pval_threshold": 1e-6},
}

warnings.simplefilter("ignore")
adata = ad.read_h5ad(EXAMPLE)
adata.X = np.round(np.log1p(adata.X.toarray().astype(np.float64)) * 64) / 64
sc.tl.rank_genes_groups(adata, "cell_type", method="t-test")
names = adata.uns["rank_genes_groups"]["names"]
groups = list(names.dtype.names)
known = {f"known {g}": [str(x) for x in names[g][k : 60 : 3 + k]] for k, g in enumerate(groups)}
known["mixed"] = [str(x) for g in groups for x in names[g][:7]] + ["nobody"]
overlaps = {k: sc.tl.marker_gene_overlap(adata, known, **args).to_numpy().tolist() for k, args in CALLS.items()}

rng = np.random.default_rng(4)
n = 240
group = rng.integers(0, 3, n)
points = np.round((rng.normal(size=(n, 3)) * [1.0, 0.4, 3.0] + group[:, None] * 2) * 64) / 64
points[:, 1] += points[:, 0] / 2
cells = ad.AnnData(obs=pd.DataFrame({"group": pd.Categorical.from_codes(group, ["a", "b", "c"])}, index=map(str, range(n))))
cells.obsm["X_umap"] = points.astype(np.float32)
sc.tl.embedding_density(cells)
sc.tl.embedding_density(cells, groupby="group", components="3,1")
density = {key: cells.obs[key].tolist() for key in ("umap_density", "umap_density_group")}
out = {
    "versions": {"scanpy": sc.__version__, "anndata": ad.__version__},
    "known": known, "groups": groups, "calls": CALLS, "overlaps": overlaps,
    "points": cells.obsm["X_umap"].tolist(), "group": list(cells.obs["group"]), "density": density,
}  # fmt: skip
(HERE / "annotation.json").write_text(json.dumps(out, indent=None, separators=(",", ":")) + "\n")
