"""Makes golden values for neighbours and connectivities in ./neighbors. Run by hand:

    python make_neighbors.py

Neighbours: scikit-learn, brute force, in float64. Connectivities: umap-learn's fuzzy_simplicial_set and scanpy's gauss,
both through scanpy 1.11.5, on the Euclidean neighbours.
"""

from pathlib import Path

import numpy as np
from scanpy.neighbors import _connectivity
from scanpy.neighbors._common import _get_sparse_matrix_from_indices_distances
from sklearn.metrics import pairwise_distances

N, D, K = 240, 10, 15
out = Path(__file__).parent / "neighbors"
out.mkdir(exist_ok=True)

# Points like the scores of a PCA: four groups and a bridge, decreasing variances, a few repeated
# cells.
rng = np.random.default_rng(1)
sd = np.linspace(4.0, 0.8, D)
centres = rng.normal(size=(4, D)) * sd * 1.5
x = centres[rng.integers(0, 4, N)] + rng.normal(size=(N, D)) * sd * 0.5
bridge = np.linspace(0, 1, 20)[:, None]
x[:20] = centres[0] * bridge + centres[1] * (1 - bridge) + rng.normal(size=(20, D)) * 0.3
x[100:103] = x[50]
x[200] = x[10]
x = x.astype("<f4")
np.save(out / "points.npy", x)

for metric in ("euclidean", "cosine", "correlation"):
    y = x.astype(float)
    if metric == "euclidean":
        d = np.sqrt(((y[:, None] - y[None]) ** 2).sum(-1))  # pairwise_distances cancels near duplicates
        assert np.allclose(d, pairwise_distances(y), atol=1e-6)
    else:
        d = pairwise_distances(y, metric=metric)
        d[d < 1e-14] = 0  # duplicates: the rounding of 1 - 1
    np.fill_diagonal(d, -1)  # the point itself first, also among duplicates
    indices = np.argsort(d, axis=1, kind="stable")[:, :K].astype("<i4")
    np.fill_diagonal(d, 0)
    distances = np.take_along_axis(d, indices, axis=1).astype("<f4")
    np.save(out / f"{metric}_indices.npy", indices.astype("<u2"))
    np.save(out / f"{metric}_distances.npy", distances)
    if metric == "euclidean":
        graphs = {
            "umap": _connectivity.umap(indices, distances, n_obs=N, n_neighbors=K),
            "gauss": _connectivity.gauss(
                _get_sparse_matrix_from_indices_distances(indices, distances, keep_self=False), K, knn=True
            ),
        }

for name, graph in graphs.items():
    graph = graph.tocsr()
    graph.sort_indices()
    np.save(out / f"{name}_indptr.npy", graph.indptr.astype("<u2"))
    np.save(out / f"{name}_indices.npy", graph.indices.astype("<u2"))
    np.save(out / f"{name}_data.npy", graph.data.astype("<f4"))
