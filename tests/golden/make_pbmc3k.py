"""Makes golden values of the README's pipeline on pbmc3k.h5ad, or on the bundled file, by scanpy,
numpy, igraph, umap-learn.

    python tests/golden/make_pbmc3k.py pbmc3k.h5ad
    python tests/golden/make_pbmc3k.py inst/extdata/pbmc_like.h5ad

Written with scanpy 1.11.5, anndata 0.12, scikit-learn, igraph 1.0, umap-learn 0.5. Makes, beside this script, named for the file:

pbmc3k.json            QC sums and single cells, gene sets of each flavour, PCA eigenvalues, modularities, scores
pbmc3k_loadings.f32    2,000 x 50 loadings of an f64 dense SVD, little-endian float32, row-major
"""

import json
import sys
from pathlib import Path

import anndata as ad
import igraph as ig
import numpy as np
import scanpy as sc
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score

here = Path(__file__).parent
name = Path(sys.argv[1]).stem
n_top, n_comps = {"pbmc3k": (2000, 50), "pbmc_like": (500, 30)}[name]
adata = ad.read_h5ad(sys.argv[1])
adata.var["mt"] = adata.var_names.str.startswith("MT-")
golden = {}

sc.pp.calculate_qc_metrics(adata, qc_vars=["mt"], inplace=True)
obs_columns = ["n_genes_by_counts", "total_counts", "total_counts_mt", "pct_counts_mt", "pct_counts_in_top_50_genes"]
var_columns = ["n_cells_by_counts", "mean_counts", "pct_dropout_by_counts", "total_counts"]
golden["qc"] = {
    "obs": {c: adata.obs[c].to_numpy(float)[::100].tolist() for c in obs_columns},
    "var": {c: adata.var[c].to_numpy(float)[::500].tolist() for c in var_columns},
    "obs_sum": {c: float(adata.obs[c].to_numpy(float).sum()) for c in obs_columns},
    "var_sum": {c: float(adata.var[c].to_numpy(float).sum()) for c in var_columns},
}

sc.pp.filter_cells(adata, min_genes=200)
sc.pp.filter_genes(adata, min_cells=3)
golden["shape_filtered"] = list(adata.shape)

golden["hvg"] = {}
counts = adata.copy()
sc.experimental.pp.highly_variable_genes(counts, n_top_genes=n_top, flavor="pearson_residuals")
pearson = counts.var.copy()
golden["hvg"]["pearson_residuals"] = counts.var_names[counts.var["highly_variable"]].tolist()
sc.pp.highly_variable_genes(counts, n_top_genes=n_top, flavor="seurat_v3")
golden["hvg"]["seurat_v3"] = counts.var_names[counts.var["highly_variable"]].tolist()

sc.pp.normalize_total(adata, target_sum=1e4)
sc.pp.log1p(adata)
golden["lognorm_row_sums"] = np.asarray(adata.X.sum(axis=1)).ravel()[::100].astype(float).tolist()
for flavor in ["seurat", "cell_ranger"]:
    sc.pp.highly_variable_genes(adata, n_top_genes=n_top, flavor=flavor)
    golden["hvg"][flavor] = adata.var_names[adata.var["highly_variable"]].tolist()
sc.pp.highly_variable_genes(adata, flavor="seurat")
golden["hvg"]["seurat_cutoffs"] = adata.var_names[adata.var["highly_variable"]].tolist()

# PCA in f64 from the counts: normalise, log1p, select, scale, clip, centre, dense SVD.
raw = counts.X.toarray().astype(np.float64)
x = np.log1p(raw / raw.sum(axis=1, keepdims=True) * 1e4)[:, pearson["highly_variable"].to_numpy()]
z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
z = np.clip(z, -10, 10)
z -= z.mean(axis=0)
u, s, vt = np.linalg.svd(z, full_matrices=False)
signs = np.sign(vt[np.arange(vt.shape[0]), np.abs(vt).argmax(axis=1)])  # sklearn's svd_flip, decided by the loadings
vt, u = vt * signs[:, None], u * signs
eigenvalues = s**2 / (z.shape[0] - 1)
golden["pca"] = {
    "eigenvalues": eigenvalues[: n_comps + 1].tolist(),
    "variance_ratio": (eigenvalues[:n_comps] / eigenvalues.sum()).tolist(),
    "signs": "largest absolute loading of each component is positive",
}
vt[:n_comps].T.astype("<f4").tofile(here / f"{name}_loadings.f32")

pcs = (u[:, :n_comps] * s[:n_comps]).astype(np.float32)
embedded = ad.AnnData(np.zeros((adata.n_obs, 1), np.float32), obs=adata.obs.copy())
embedded.obsm["X_pca"] = pcs
sc.pp.neighbors(embedded, n_neighbors=15, use_rep="X_pca")
graph = sc._utils.get_igraph_from_adjacency(embedded.obsp["connectivities"], directed=False)
weights = np.array(graph.es["weight"])
import random

modularities, aris = [], []
for seed in range(10):
    random.seed(seed)
    part = graph.community_leiden(objective_function="modularity", weights=weights, resolution=1.0, n_iterations=-1)
    modularities.append(graph.modularity(part.membership, weights=weights))
    aris.append(adjusted_rand_score(adata.obs["cell_type"], part.membership))
golden["leiden"] = {"igraph_modularity": modularities, "ari_cell_type": aris}

scores = []
for seed in range(5):
    sc.tl.umap(embedded, random_state=seed)
    scores.append(trustworthiness(pcs, embedded.obsm["X_umap"], n_neighbors=15))
golden["umap"] = {"trustworthiness_15": [float(t) for t in scores]}

(here / f"{name}.json").write_text(json.dumps(golden) + "\n")
print({k: v for k, v in golden.items() if k in ("shape_filtered", "leiden", "umap")})
