"""Runs the steps in scanpy, with everything in memory."""

import sys
import warnings

import numpy as np
import scanpy as sc
from common import report, step

warnings.filterwarnings("ignore")
with step("open"):
    adata = sc.read_h5ad(sys.argv[1])
with step("qc"):
    adata.var["mt"] = adata.var_names.str.startswith("MT-")
    sc.pp.calculate_qc_metrics(adata, qc_vars=["mt"], percent_top=None, inplace=True)
with step("hvg"):
    sc.experimental.pp.highly_variable_genes(adata, n_top_genes=2000, flavor="pearson_residuals")
with step("normalize"):
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
with step("scale"):
    adata = adata[:, adata.var["highly_variable"]].copy()
    sc.pp.scale(adata, max_value=10)
with step("pca"):
    sc.pp.pca(adata, n_comps=50)
report(genes=list(adata.var_names), variance=np.asarray(adata.uns["pca"]["variance"], float).tolist())
