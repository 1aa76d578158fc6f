"""Reads genes of all cells in this project's Python package, from the file and from a column index."""

import shutil
import sys
import tempfile
from pathlib import Path

import anndataoom as oom
import numpy as np
from common import report, step

path = Path(sys.argv[1])
adata = oom.read(path)
genes = list(adata.var_names[:: adata.n_vars // 50][:50])
with step("1 gene"):
    one = adata.obs_vector(genes[7])
with step("50 genes"):
    fifty = adata.obs_vector(genes)
folder = tempfile.mkdtemp(prefix="index-", dir=path.parent)
try:
    with step("index"):
        index = adata.index_columns(folder)
    size = Path(index).stat().st_size
    with step("1 gene, indexed"):
        one_indexed = adata.obs_vector(genes[7])
    with step("50 genes, indexed"):
        fifty_indexed = adata.obs_vector(genes)
    if not (np.array_equal(one, one_indexed) and fifty.equals(fifty_indexed)):
        sys.exit("the index gives other values than the file")
finally:
    shutil.rmtree(folder)
report(index_mb=size / 2**20)
