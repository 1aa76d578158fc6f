"""Makes reference values for paga, dendrogram, diffmap and dpt: scanpy on the 500 points of
graph_knn500.json, or on a file.

    python tests/golden/make_graph_verbs.py [pbmc3k.h5ad, or inst/extdata/pbmc_like.h5ad]

Writes beside itself
  graph_verbs500.json     groups (i % 6), PAGA, every correlation and linkage method, diffusion map, pseudotime, Louvain's
                          modularities (python-igraph's multilevel), CPM qualities (igraph's Leiden)
  graph_verbs_pbmc3k.json, graph_verbs_pbmc_like.json
                          the same of the README's pipeline on that file, with obs["cell_type"] as groups

Made with scanpy 1.11.5, scipy 1.15.3, igraph 1.0.0.
"""

import json
import random
import sys
import warnings
from pathlib import Path

import anndata as ad
import igraph
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors

warnings.filterwarnings("ignore")
HERE = Path(__file__).resolve().parent
LINKAGES = ["single", "complete", "average", "weighted", "centroid", "median", "ward"]


def flat(x, digits=9):
    return [float(f"{v:.{digits}g}") for v in np.asarray(x, dtype=float).ravel()]


def save(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(name, (HERE / name).stat().st_size, "bytes")


def paga(adata, groups):
    sc.tl.paga(adata, groups=groups)
    tree = adata.uns["paga"]["connectivities_tree"].toarray()
    return {
        "paga": flat(adata.uns["paga"]["connectivities"].toarray()),
        "paga_tree": flat(np.triu(tree + tree.T)),
        "sizes": adata.uns[f"{groups}_sizes"].tolist(),
    }


def trees(adata, groupby, methods=LINKAGES, correlations=("pearson", "spearman", "kendall")):
    found = {}
    for cor in correlations:
        for method in methods if cor == "pearson" else methods[1:2]:
            d = sc.tl.dendrogram(adata, groupby, cor_method=cor, linkage_method=method, use_rep="X_pca", inplace=False)
            info, key = d["dendrogram_info"], f"{cor}_{method}"
            found[f"correlation_{key}"] = flat(d["correlation_matrix"])
            found[f"linkage_{key}"] = flat(d["linkage"])
            found[f"leaves_{key}"] = [int(i) for i in d["categories_idx_ordered"]]
            found[f"icoord_{key}"] = flat(info["icoord"])
            found[f"dcoord_{key}"] = flat(info["dcoord"])
            found[f"colors_{key}"] = [int(c[1:]) for c in info["color_list"]]
            found[f"leafcolors_{key}"] = [int(c[1:]) for c in info["leaves_color_list"]]
    return found


def diffusion(adata, root, step):
    sc.tl.diffmap(adata, n_comps=15)
    adata.uns["iroot"] = root
    sc.tl.dpt(adata, n_dcs=10)
    return {
        "evals": flat(adata.uns["diffmap_evals"]),
        "root": root,
        "pseudotime": flat(adata.obs["dpt_pseudotime"].to_numpy()[::step], 6),
        "magnitudes": flat(np.abs(adata.obsm["X_diffmap"][::step]), 6),
    }


def louvain_and_cpm(graph):
    upper = sp.triu(graph, k=1).tocoo()
    network = igraph.Graph(n=graph.shape[0], edges=np.column_stack([upper.row, upper.col]).tolist())
    network.es["weight"] = upper.data.astype(float).tolist()
    louvain, cpm = [], []
    total = 2 * upper.data.astype(float).sum()
    for seed in range(20):
        random.seed(seed)
        louvain.append(network.community_multilevel(weights="weight").modularity)
        random.seed(seed)
        part = network.community_leiden("CPM", weights="weight", resolution=0.01, n_iterations=-1)
        inside = 2 * sum(w for w, same in zip(network.es["weight"], (not c for c in part.crossing())) if same)
        cpm.append((inside - 0.01 * sum(s * s for s in part.sizes())) / total)
    return {"louvain_modularity": flat(louvain), "cpm_quality": flat(cpm)}


def points500():
    golden = json.loads((HERE / "graph_knn500.json").read_text())
    points = np.array(golden["points"], dtype=np.float32).reshape(-1, golden["n_columns"])
    graph = sp.csr_matrix((np.float32(golden["data"]), golden["indices"], golden["indptr"]))
    distances = NearestNeighbors(n_neighbors=14).fit(points).kneighbors_graph(mode="distance")
    groups = pd.Categorical([str(i % 6) for i in range(500)])
    adata = ad.AnnData(np.zeros((500, 1), np.float32), obs=pd.DataFrame({"group": groups}, index=map(str, range(500))))
    adata.obsm["X_pca"] = points
    adata.obsp["connectivities"], adata.obsp["distances"] = graph, distances
    adata.uns["neighbors"] = {
        "connectivities_key": "connectivities", "distances_key": "distances",
        "params": {"n_neighbors": 15, "method": "umap"},
    }
    save(
        "graph_verbs500.json",
        {**paga(adata, "group"), **trees(adata, "group"), **diffusion(adata, 7, 1), **louvain_and_cpm(graph)},
    )


def pipeline(path):
    adata = ad.read_h5ad(path)
    sc.pp.filter_cells(adata, min_genes=200)
    sc.pp.filter_genes(adata, min_cells=3)
    sc.experimental.pp.highly_variable_genes(adata, n_top_genes={"pbmc3k": 2000, "pbmc_like": 500}[path.stem], flavor="pearson_residuals")
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    adata = adata[:, adata.var["highly_variable"]].copy()
    sc.pp.scale(adata, max_value=10)
    sc.pp.pca(adata, n_comps=50, svd_solver="arpack")
    # All neighbours are compared, without pynndescent's approximation.
    sc.pp.neighbors(adata, n_neighbors=15, transformer="sklearn")
    save(
        f"graph_verbs_{path.stem}.json",
        {
            "categories": adata.obs["cell_type"].cat.categories.tolist(),
            **paga(adata, "cell_type"),
            **trees(adata, "cell_type", ["complete", "average"], ["pearson"]),
            **diffusion(adata, 100, 10),
        },
    )


if __name__ == "__main__":
    pipeline(Path(sys.argv[1])) if len(sys.argv) > 1 else points500()
