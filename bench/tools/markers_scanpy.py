"""Finds markers of all types in scanpy, in memory; on request of the first genes only."""

import sys
import warnings

import numpy as np
import scanpy as sc
from common import report, step

warnings.filterwarnings("ignore")
path, out, n_genes, *tests = sys.argv[1:]
with step("open"):
    adata = sc.read_h5ad(path)
with step("normalize"):
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
if int(n_genes) > 0:
    adata = adata[:, : int(n_genes)].copy()
for test in tests:
    method, reference = test.split(":")
    with step(test):
        sc.tl.rank_genes_groups(adata, "cell_type", method=method, reference=reference, tie_correct=True)
    found = adata.uns["rank_genes_groups"]
    fields = found["names"].dtype.names
    scores = {f: found["scores"][f][np.argsort(found["names"][f])] for f in fields}
    np.savez(f"{out}.{method}.{reference}.npz", **scores)
report()
