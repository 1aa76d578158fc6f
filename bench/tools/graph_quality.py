"""Measures the quality of neighbours and embeddings on a sample of the cells, against brute force;
prints one JSON line per prefix.

    graph_quality.py [--sample 2000] EMBEDDING.f32 PREFIX...       (files as graph_scanpy.py describes them)

Recall counts neighbours no farther than the true k-th. Trustworthiness (k = 15) is scikit-learn's,
with its sum over the sample only. Neighbour preservation is the mean share of the 15 nearest
neighbours that are also among the 15 nearest in the embedding.
"""

import argparse
import glob
import json
import re

import numpy as np

DIM, K = 50, 15
parser = argparse.ArgumentParser()
parser.add_argument("--sample", type=int, default=2000)
parser.add_argument("embedding")
parser.add_argument("prefixes", nargs="+")
args = parser.parse_args()
points = np.fromfile(args.embedding, "<f4").reshape(-1, DIM)
n = len(points)
sample = np.sort(np.random.default_rng(0).choice(n, min(args.sample, n), replace=False))


def squares(x, rows):
    """Returns the squared distances of some rows to all, with infinity for a row to itself. Small
    distances are computed exactly, from differences."""
    x = x - x.mean(0)
    length = (x.astype(float) ** 2).sum(1)
    d = length[None] + length[rows, None] - 2 * (x[rows].astype(float) @ x.T.astype(float))
    d[np.arange(len(rows)), rows] = np.inf
    return d


blocks = np.array_split(sample, max(1, len(sample) * n // 20_000_000))
for prefix in args.prefixes:
    embeddings = {
        int(re.search(r"umap(\d+)\.f32$", f)[1]): np.fromfile(f, "<f4").reshape(n, -1)
        for f in sorted(glob.glob(f"{prefix}.umap*.f32"))
    }
    knn = np.fromfile(f"{prefix}.knn.u32", "<u4").reshape(n, -1)
    hits, penalty, kept = 0, {s: 0.0 for s in embeddings}, {s: 0 for s in embeddings}
    for rows in blocks:
        d = squares(points, rows)
        near = np.argpartition(d, K, axis=1)[:, :K]
        last = np.sort(np.take_along_axis(d, np.argpartition(d, K - 2, axis=1)[:, : K - 1], axis=1), axis=1)[:, -1:]
        found = knn[rows]
        hits += (np.take_along_axis(d, found.astype(np.int64), axis=1) <= last * (1 + 1e-6)).sum()
        close = {seed: np.argpartition(squares(x, rows), K, axis=1)[:, :K] for seed, x in embeddings.items()}
        for i in range(len(rows) if close else 0):
            ascending = np.sort(d[i])
            for seed, nearest in close.items():
                kept[seed] += len(np.intersect1d(near[i], nearest[i]))
                ranks = np.searchsorted(ascending, d[i, nearest[i]]) + 1
                penalty[seed] += np.maximum(ranks - K, 0).sum()
    m = len(sample)
    scale = 2.0 / (m * K * (2.0 * n - 3.0 * K - 1.0))
    record = {
        "prefix": prefix,
        "recall": round(hits / (m * (K - 1)), 5),
        "trustworthiness": {s: round(1 - p * scale, 5) for s, p in penalty.items()},
        "preservation": {s: round(k / (m * K), 5) for s, k in kept.items()},
    }
    print(json.dumps(record), flush=True)
