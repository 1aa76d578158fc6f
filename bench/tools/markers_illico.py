"""Runs rank sums of all types in illico, in memory. Arguments: the file, the number of threads, the
references."""

import sys
import warnings

import scanpy as sc
from common import report, step
from illico import asymptotic_wilcoxon

warnings.filterwarnings("ignore")
path, threads, *tests = sys.argv[1:]
with step("open"):
    adata = sc.read_h5ad(path)
with step("normalize"):
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
for test in tests:
    method, reference = test.split(":")
    with step(test):
        asymptotic_wilcoxon(
            adata, True, "cell_type", None if reference == "rest" else reference, n_threads=int(threads),
            use_continuity=False,
        )
report()
