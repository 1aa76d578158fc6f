"""Runs the steps from reading to PCA in this project's Python package three times: the first and
the second run of a session, and a run from a packed copy."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import anndataoom as oom
from common import report, step


def to_pca(path, copies=None):
    adata = oom.read(path)
    if copies is not None:
        oom.pack(adata, copies)
    adata.var["mt"] = adata.var_names.str.startswith("MT-")
    oom.pp.calculate_qc_metrics(adata, qc_vars=["mt"], percent_top=None, inplace=True)
    oom.pp.highly_variable_genes(adata, n_top_genes=2000, flavor="pearson_residuals")
    oom.pp.normalize_total(adata, target_sum=1e4)
    oom.pp.log1p(adata)
    adata = adata[:, adata.var["highly_variable"]]
    oom.pp.scale(adata, max_value=10)
    oom.pp.pca(adata, n_comps=50)
    return adata.uns["pca"]["variance"]


path = Path(sys.argv[1])
if len(sys.argv) > 2:
    with step("from a packed copy"):
        to_pca(path, sys.argv[2])
    sys.exit()
with step("first run"):
    first = to_pca(path)
with step("second run"):
    second = to_pca(path)
if not (first == second).all():
    sys.exit("packed rows give other values than the file")
folder = tempfile.mkdtemp(prefix="packed-", dir=path.parent)
try:
    with step("pack"):
        copy = oom.pack(oom.read(path), folder)
    size = Path(copy).stat().st_size
    done = subprocess.run([sys.executable, __file__, path, folder], capture_output=True, text=True, check=True)
    print(done.stdout, end="")
finally:
    shutil.rmtree(folder)
report(packed_mb=size / 2**20)
