"""Runs the steps in the existing package anndataoom 0.1.8."""

import sys
import warnings

import anndataoom as oom
import numpy as np
from common import report, step

warnings.filterwarnings("ignore")
with step("open"):
    adata = oom.read(sys.argv[1])
with step("qc"):
    oom.chunked_qc_metrics(adata)
    oom.chunked_gene_group_pct(adata, np.asarray(adata.var_names.str.startswith("MT-")))
with step("normalize"):
    oom.chunked_normalize_total(adata, target_sum=1e4)
    oom.chunked_log1p(adata)
with step("hvg"):
    oom.chunked_highly_variable_genes_pearson(adata, n_top_genes=2000, layer="counts")
with step("scale"):
    whole = adata  # a subset of 0.1.8 panics ("accessing an empty slot") once the object it was taken from is gone
    adata = whole[:, np.asarray(whole.var["highly_variable"])]
    oom.chunked_scale(adata, max_value=10)
with step("pca"):
    oom.chunked_pca(adata, layer="scaled", n_comps=50)
report(genes=list(adata.var_names))
