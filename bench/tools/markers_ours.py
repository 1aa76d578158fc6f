"""Finds markers of all types in this project's Python package. Arguments: the file, the tests to
run, the path of scores."""

import sys

import anndataoom as oom
import numpy as np
from common import report, step

path, out, *tests = sys.argv[1:]
with step("open"):
    adata = oom.read(path)
with step("a pass with sums"):
    adata.X.sum(axis=0)
with step("normalize"):
    oom.pp.normalize_total(adata, target_sum=1e4)
    oom.pp.log1p(adata)
for test in tests:
    method, reference = test.split(":")
    with step(test):
        oom.tl.rank_genes_groups(adata, "cell_type", method=method, reference=reference, tie_correct=True)
    found = adata.uns["rank_genes_groups"]
    fields = found["names"].dtype.names
    scores = {f: found["scores"][f][np.argsort(found["names"][f])] for f in fields}
    np.savez(f"{out}.{method}.{reference}.npz", **scores)

rng = np.random.default_rng(0)
adata.obs["sample"] = rng.integers(0, 100, adata.n_obs).astype(str)
with step("aggregate"):
    oom.get.aggregate(adata, ["sample", "cell_type"], ["sum", "mean", "var", "count_nonzero"])
sets = {f"set{k}": list(rng.choice(adata.var_names, 60, replace=False)) for k in range(50)}
with step("score_genes"):
    oom.tl.score_genes(adata, sets)
with step("score_aucell"):
    oom.tl.score_aucell(adata, sets)
report()
