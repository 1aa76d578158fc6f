"""Makes a small loom file with loompy, and the h5ad file of how anndata reads it:

    python make_loom.py

Needs loompy (3.0.8) and anndata (0.12). Writes loom/small.loom (layers, attributes of one and two
dimensions, graphs, attributes of the file; chunks of 64 x 64, so that cells and genes lie in
several). Also writes loom/small.h5ad: the result of anndata's read_loom(sparse=True), with the
attributes that anndata can read.
"""

from pathlib import Path

import anndata as ad
import h5py
import loompy
import numpy as np
from scipy import sparse

out = Path(__file__).parent / "loom"
out.mkdir(exist_ok=True)
genes, cells = 70, 150
k = np.arange(genes * cells).reshape(genes, cells)
counts = np.where(k % 7 == 3, k % 5 + 1, 0)
path = out / "small.loom"
path.unlink(missing_ok=True)
loompy.create(
    str(path),
    {"": counts, "spliced": np.where(k % 3 == 0, counts, 0), "unspliced": np.where(k % 3 == 1, counts, 0)},
    {"Gene": np.array([f"g{i}" for i in range(genes)]), "Accession": np.array([f"ENSG{i:05}" for i in range(genes)])},
    {
        "CellID": np.array([f"s:{i}x" for i in range(cells)]),
        "ClusterName": np.array(["\u03b1 & \u03b2" if i % 2 else "T cell" for i in range(cells)]),
        "_X": np.linspace(-1, 1, cells),
        "_Y": np.arange(cells) / 8,
        "Total": counts.sum(0),
    },
    file_attrs={"title": "a small file"},
)
# anndata reads the file before it has graphs and attributes of two dimensions, which anndata
# refuses.
read = ad.io.read_loom(path, sparse=True, obsm_mapping={"X_umap": ["_X", "_Y"]}, dtype="int64")
read.write_h5ad(out / "small.h5ad", compression="gzip")
with loompy.connect(str(path)) as ds:
    ds.ca["Components"] = np.arange(cells * 3).reshape(cells, 3) / 4
    ds.col_graphs["KNN"] = sparse.coo_matrix((np.arange(1, 5) / 4, ([0, 149, 2, 2], [1, 0, 149, 3])), (cells, cells))
    ds.row_graphs["net"] = sparse.coo_matrix((np.array([2.0, 3.0]), ([69, 0], [0, 5])), (genes, genes))
with h5py.File(path) as f:
    f.visititems(lambda name, node: print(name, getattr(node, "shape", ""), getattr(node, "dtype", "")))
