"""Runs doublets and integration in this project's Python package. Arguments: the file, samples,
paths of results and coordinates."""

import sys

import anndataoom as oom
import numpy as np
from common import report, step

path, n_samples, out, _, coordinates = sys.argv[1:]
with step("open"):
    adata = oom.read(path)
sample = np.arange(adata.n_obs) * int(n_samples) // adata.n_obs
adata.obs["sample"] = sample.astype(str)
with step("scrublet"):
    oom.pp.scrublet(adata, batch_key="sample")
found = {"score": adata.obs["doublet_score"].to_numpy(), "call": adata.obs["predicted_doublet"].to_numpy(dtype=bool)}
with step("to an embedding"):
    oom.pp.normalize_total(adata, target_sum=1e4)
    oom.pp.log1p(adata)
    oom.pp.highly_variable_genes(adata, n_top_genes=2000)
    part = adata[:, adata.var["highly_variable"].to_numpy()]
    oom.pp.scale(part, max_value=10)
    oom.pp.pca(part, n_comps=50)
x = np.asarray(part.obsm["X_pca"])
codes = {key: adata.obs[name].cat.codes.to_numpy() for key, name in (("batch", "batch"), ("type", "cell_type"))}
np.savez(coordinates, X=x, **codes)
with step("harmony_integrate"):
    oom.pp.harmony_integrate(part, "batch")
found["harmony"] = np.asarray(part.obsm["X_pca_harmony"])
np.savez(out, **found)
report()
