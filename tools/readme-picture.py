"""Draws the picture of README: readme-picture.py pbmc3k.h5ad man/figures/README-umap.png"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import anndataoom as oom

adata = oom.read(sys.argv[1])
oom.pp.filter_genes(adata, min_cells=3)
oom.pp.highly_variable_genes(adata, n_top_genes=2000, flavor="pearson_residuals")
oom.pp.normalize_total(adata, target_sum=1e4)
oom.pp.log1p(adata)
adata.raw = adata
adata = adata[:, adata.var["highly_variable"]]
oom.pp.scale(adata, max_value=10)
oom.pp.pca(adata)
oom.pp.neighbors(adata)
oom.tl.umap(adata)
oom.tl.leiden(adata)

x, y = np.asarray(adata.obsm["X_umap"]).T
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.2), dpi=90, layout="constrained")
types, clusters = adata.obs["cell_type"], adata.obs["leiden"]
for axis, labels, title in ((axes[0], clusters, "Leiden clusters"), (axes[1], types, "published cell types")):
    for i, name in enumerate(labels.cat.categories):
        here = (labels == name).to_numpy()
        axis.scatter(x[here], y[here], s=1.5, color=plt.cm.tab10(i), linewidths=0)
        axis.text(np.median(x[here]), np.median(y[here]), name, fontsize=6.5, ha="center", weight="bold")
    axis.set_title(title, fontsize=9)
shade = axes[2].scatter(x, y, s=1.5, c=adata.raw.obs_vector("NKG7"), cmap="viridis", linewidths=0)
figure.colorbar(shade, ax=axes[2], shrink=0.7)
axes[2].set_title("NKG7, read from the file", fontsize=9)
for axis in axes:
    axis.set(xticks=[], yticks=[])
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set(xlabel="UMAP 1", ylabel="UMAP 2")
figure.savefig(sys.argv[2])
