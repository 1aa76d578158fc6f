"""Makes reference values for UMAP and Leiden: umap-learn, igraph and scanpy on graphs that the Rust
tests can rebuild or read.

    python tests/golden/make_graph.py [SHARED_DATA_DIR] [SCRATCH_DIR]

Writes beside itself
  graph_ab.json       umap-learn's a, b for a grid of (min_dist, spread)
  graph_knn500.json   UMAP connectivities of 500 points (CSR), the points, the leading eigenvalues of D^-1/2 A D^-1/2,
                      igraph's modularity for 40 seeds
  graph_planted.json  igraph's modularity for 10 seeds on the planted graph that graph_leiden.rs rebuilds by the same hash
  graph_pbmc3k.json   with SHARED_DATA_DIR/pbmc3k.h5ad: modularity, adjusted Rand index, trustworthiness of the references
With SCRATCH_DIR the pbmc3k graph and PCA are stored there as raw little-endian arrays, for tuning; never committed.

Made with scanpy 1.11.5, umap-learn 0.5.12, igraph 1.0.0, leidenalg 0.12.0, scikit-learn 1.9.1.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import json
import random
import sys
import warnings
from pathlib import Path

import igraph
import numpy as np
import scipy.sparse as sp
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from umap.umap_ import find_ab_params, fuzzy_simplicial_set

warnings.filterwarnings("ignore")
HERE = Path(__file__).resolve().parent
SEEDS = range(10)


def save(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(name, (HERE / name).stat().st_size, "bytes")


def as_igraph(adjacency):
    upper = sp.triu(adjacency, k=1).tocoo()
    graph = igraph.Graph(n=adjacency.shape[0], edges=np.column_stack([upper.row, upper.col]).tolist(), directed=False)
    graph.es["weight"] = upper.data.astype(float).tolist()
    return graph


def leiden_igraph(graph, seed, resolution=1.0):
    random.seed(seed)
    part = graph.community_leiden(
        objective_function="modularity", weights="weight", resolution=resolution, n_iterations=-1
    )
    return np.array(part.membership)


def modularities(graph, resolution=1.0, seeds=SEEDS):
    members = [leiden_igraph(graph, seed, resolution) for seed in seeds]
    quality = [graph.modularity(m.tolist(), weights="weight", resolution=resolution) for m in members]
    return members, [round(float(q), 8) for q in quality]


def connectivities(points, n_neighbors=15):
    distances, indices = NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors(points)
    graph, _, _ = fuzzy_simplicial_set(
        points, n_neighbors, np.random.RandomState(0), "euclidean", knn_indices=indices, knn_dists=distances
    )
    graph = sp.csr_matrix(graph)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph.astype(np.float32)


def knn_preservation(points, embedding, k=15):
    """Returns the mean share of the k nearest neighbours in `points` that are also among the k
    nearest in `embedding`."""
    near = [
        NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x, return_distance=False)[:, 1:]
        for x in (points, embedding)
    ]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*near)]))


def ab_table():
    rows = []
    for spread in (0.5, 1.0, 1.5, 2.0, 3.0):
        for min_dist in (0.0, 0.001, 0.05, 0.1, 0.25, 0.5, 0.8, 1.0):
            if min_dist <= spread:
                a, b = find_ab_params(spread, min_dist)
                rows.append([min_dist, spread, float(a), float(b)])
    save("graph_ab.json", rows)


def knn500():
    rng = np.random.RandomState(1)
    centres = rng.normal(size=(6, 8)) * 1.2
    points = (centres[np.arange(500) % 6] + rng.normal(size=(500, 8))).astype(np.float32).round(3)
    graph = connectivities(points)
    _, quality = modularities(as_igraph(graph), seeds=range(40))
    scale = sp.diags(1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel().astype(np.float64)))
    eigenvalues = np.linalg.eigvalsh((scale @ graph @ scale).toarray())[::-1][:6]
    _, quality_low = modularities(as_igraph(graph), 0.3, range(40))
    save(
        "graph_knn500.json",
        {
            "points": [round(float(v), 3) for v in points.ravel()],
            "n_columns": 8,
            "indptr": graph.indptr.tolist(),
            "indices": graph.indices.tolist(),
            "data": [float(f"{v:.6g}") for v in graph.data],
            "eigenvalues": [round(float(v), 10) for v in eigenvalues],
            "modularity": quality,
            "modularity_resolution_0.3": quality_low,
        },
    )


def splitmix64(x):
    with np.errstate(over="ignore"):
        x = (x + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def planted(n=20_000, n_groups=50, n_links=8):
    """Makes a graph whose node i is in group i % n_groups. Each link of a node goes, by hash,
    inside the group (1 in 2) or anywhere. Weights are 1/4, 2/4, 3/4 or 1. Links are symmetrised by
    keeping the larger weight; loops are dropped."""
    node = np.repeat(np.arange(n, dtype=np.uint64), n_links)
    link = np.tile(np.arange(n_links, dtype=np.uint64), n)
    h = splitmix64(node * np.uint64(n_links) + link)
    inside = (h & np.uint64(1)) != 0
    weight = ((h >> np.uint64(2)) & np.uint64(3)).astype(np.float32) / 4 + 0.25
    pick = h >> np.uint64(8)
    groups = np.uint64(n_groups)
    target = np.where(inside, (pick % np.uint64(n // n_groups)) * groups + node % groups, pick % np.uint64(n))
    keep = target != node
    rows, cols, weight = node[keep].astype(np.int64), target[keep].astype(np.int64), weight[keep]
    rows, cols, weight = np.r_[rows, cols], np.r_[cols, rows], np.r_[weight, weight]
    order = np.lexsort((weight, cols, rows))
    rows, cols, weight = rows[order], cols[order], weight[order]
    last = np.r_[(rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1]), True]
    return sp.csr_matrix((weight[last], (rows[last], cols[last])), shape=(n, n))


def planted_reference():
    graph = planted()
    _, quality = modularities(as_igraph(graph))
    total = float(graph.data.astype(np.float64).sum())
    save("graph_planted.json", {"n": graph.shape[0], "nnz": int(graph.nnz), "total": total, "modularity": quality})


def pbmc3k(shared, scratch):
    import anndata
    import scanpy as sc

    adata = anndata.read_h5ad(shared / "pbmc3k.h5ad")
    sc.pp.filter_genes(adata, min_cells=3)
    sc.experimental.pp.highly_variable_genes(adata, n_top_genes=2000, flavor="pearson_residuals")
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    adata = adata[:, adata.var["highly_variable"]].copy()
    sc.pp.scale(adata, max_value=10)
    sc.pp.pca(adata, n_comps=50, svd_solver="arpack", random_state=0)
    adata.obsm["X_pca"] = adata.obsm["X_pca"].astype(np.float32)
    sc.pp.neighbors(adata, n_neighbors=15, random_state=0)
    graph = adata.obsp["connectivities"].tocsr().astype(np.float32)
    graph.sort_indices()
    points = adata.obsm["X_pca"]
    members, quality = modularities(as_igraph(graph))
    leidenalg = []
    for seed in SEEDS:
        sc.tl.leiden(adata, resolution=1, random_state=seed, flavor="leidenalg", n_iterations=-1)
        leidenalg.append(adata.obs["leiden"].astype(int).to_numpy())
    network = as_igraph(graph)
    trust, preservation = [], []
    for seed in range(5):
        sc.tl.umap(adata, random_state=seed)
        trust.append(round(float(trustworthiness(points, adata.obsm["X_umap"], n_neighbors=15)), 6))
        preservation.append(round(knn_preservation(points, adata.obsm["X_umap"]), 6))
        if scratch:
            adata.obsm["X_umap"].astype("<f4").tofile(scratch / f"pbmc3k.umap{seed}.f32")
    types = adata.obs["cell_type"].cat.codes.to_numpy()
    save(
        "graph_pbmc3k.json",
        {
            "pipeline": "filter_genes 3, HVG pearson_residuals 2000, normalize_total 1e4, log1p, scale 10, pca 50, neighbors 15",
            "nnz": int(graph.nnz),
            "igraph_modularity": quality,
            "igraph_ari": [round(adjusted_rand_score(types, m), 6) for m in members],
            "leidenalg_modularity": [round(network.modularity(m.tolist(), weights="weight"), 8) for m in leidenalg],
            "leidenalg_ari": [round(adjusted_rand_score(types, m), 6) for m in leidenalg],
            "umap_learn_trustworthiness": trust,
            "umap_learn_knn_preservation": preservation,
        },
    )
    if scratch:
        export(scratch / "pbmc3k", graph, points)
        types.astype("<i4").tofile(scratch / "pbmc3k.types.i32")


def export(stem, graph, points):
    graph.indptr.astype("<u8").tofile(f"{stem}.indptr.u64")
    graph.indices.astype("<u4").tofile(f"{stem}.indices.u32")
    graph.data.astype("<f4").tofile(f"{stem}.data.f32")
    points.astype("<f4").tofile(f"{stem}.points.f32")


if __name__ == "__main__":
    ab_table()
    knn500()
    planted_reference()
    if len(sys.argv) > 1:
        pbmc3k(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
