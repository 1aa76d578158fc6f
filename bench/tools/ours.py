"""Runs the steps in this project's Python package."""

import sys

import anndataoom as oom
import numpy as np
from common import report, step

with step("open"):
    adata = oom.read(sys.argv[1])
with step("qc"):
    adata.var["mt"] = adata.var_names.str.startswith("MT-")
    oom.pp.calculate_qc_metrics(adata, qc_vars=["mt"], percent_top=None, inplace=True)
with step("hvg"):
    oom.pp.highly_variable_genes(adata, n_top_genes=2000, flavor="pearson_residuals")
with step("normalize"):
    oom.pp.normalize_total(adata, target_sum=1e4)
    oom.pp.log1p(adata)
with step("scale"):
    adata = adata[:, adata.var["highly_variable"]]
    oom.pp.scale(adata, max_value=10)
with step("pca"):
    oom.pp.pca(adata, n_comps=50)
report(genes=list(adata.var_names), variance=np.asarray(adata.uns["pca"]["variance"], float).tolist())

# The steps on to clusters are not part of the comparison.
with step("neighbors"):
    oom.pp.neighbors(adata)
with step("umap"):
    oom.tl.umap(adata)
with step("leiden"):
    oom.tl.leiden(adata)
