"""Runs scanpy's graph stage on an embedding, and Leiden of igraph and leidenalg on a given graph;
prints one JSON line a step.

    graph_scanpy.py EMBEDDING.f32 OUT [--graph PREFIX] [--epochs 200] [--umap 1] [--leiden 1]
        [--steps neighbors,umap,igraph,leidenalg]

EMBEDDING holds raw float32 rows of 50. OUT is the prefix of the files for graph_quality.py
(OUT.knn.u32, OUT.umapN.f32). PREFIX names the CSR arrays that this project's graph example leaves;
all clusterings are compared on that graph.
"""

import argparse
import json
import random
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")
DIM, K = 50, 15


def step(name, work, **more):
    start, used = time.perf_counter(), time.process_time()
    out = work()
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    with open("/proc/self/status") as f:
        peak = next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM"))
    entry = {"step": name, "seconds": round(seconds, 3), "processor": round(processor, 2), "peak_mb": round(peak)}
    print(json.dumps({**entry, **{k: v(out) if callable(v) else v for k, v in more.items()}}), flush=True)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("embedding")
    parser.add_argument("out")
    parser.add_argument("--graph")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--umap", type=int, default=1, help="seeds")
    parser.add_argument("--leiden", type=int, default=1, help="seeds of igraph's")
    parser.add_argument("--steps", default="neighbors,umap,igraph,leidenalg")
    a = parser.parse_args()
    steps = a.steps.split(",")
    points = np.fromfile(a.embedding, "<f4").reshape(-1, DIM)
    n = len(points)
    if "neighbors" in steps or "umap" in steps:
        import anndata as ad
        import scanpy as sc
        import scipy.sparse as sp

        adata = ad.AnnData(sp.csr_matrix((n, 1), dtype=np.float32), obsm={"X_pca": points})
        # Without use_rep scanpy uses X itself if it has at most 50 columns, and this X is empty.
        search = {"n_neighbors": K, "use_rep": "X_pca", "random_state": 0}
        step("neighbors", lambda: sc.pp.neighbors(adata, **search))
        step("neighbors again", lambda: sc.pp.neighbors(adata, **search))
        d = adata.obsp["distances"].tocsr()
        if not d.data.any():
            raise SystemExit("scanpy's distances are all 0: it did not search the embedding, its times mean nothing")
        # pynndescent gives more neighbours than requested, among them the cell itself.
        indices, lengths = d.indices.reshape(n, -1), d.data.reshape(n, -1).astype(float)
        lengths[indices == np.arange(n)[:, None]] = np.inf
        nearest = np.argsort(lengths, axis=1, kind="stable")[:, : K - 1]
        np.take_along_axis(indices, nearest, axis=1).astype("<u4").tofile(f"{a.out}.knn.u32")
        if "umap" in steps:
            for seed in range(a.umap):
                step("umap", lambda: sc.tl.umap(adata, random_state=seed, maxiter=a.epochs), seed=seed)
                adata.obsm["X_umap"].astype("<f4").tofile(f"{a.out}.umap{seed}.f32")
    if "igraph" in steps or "leidenalg" in steps:
        import igraph

        indptr = np.fromfile(f"{a.graph}.indptr.u64", "<u8").astype(np.int64)
        columns = np.fromfile(f"{a.graph}.indices.u32", "<u4")
        weights = np.fromfile(f"{a.graph}.data.f32", "<f4").astype(float)
        rows = np.repeat(np.arange(n), np.diff(indptr))
        upper = rows < columns
        graph = igraph.Graph(n=n, edges=np.column_stack([rows[upper], columns[upper]]))
        graph.es["weight"] = weights[upper]
        del rows, columns, weights, upper
        quality = {"modularity": lambda p: graph.modularity(p.membership, weights="weight"), "clusters": len}
        for seed in range(a.leiden if "igraph" in steps else 0):
            for name, iterations in (("igraph, 2 iterations", 2), ("igraph, until stable", -1)):
                random.seed(seed)
                step(
                    name,
                    lambda: graph.community_leiden("modularity", weights="weight", n_iterations=iterations),
                    seed=seed, **quality,
                )
        if "leidenalg" in steps:
            import leidenalg

            kind = leidenalg.RBConfigurationVertexPartition
            for name, iterations in (("leidenalg, 2 iterations", 2), ("leidenalg, until stable", -1)):
                step(
                    name,
                    lambda: leidenalg.find_partition(
                        graph, kind, weights="weight", n_iterations=iterations, seed=0, resolution_parameter=1.0
                    ),
                    **quality,
                )


main()
