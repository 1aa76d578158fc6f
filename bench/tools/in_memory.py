"""Reads into memory and writes again in this project's Python package, beside anndata."""

import sys
import tempfile
import warnings
from pathlib import Path

import anndata as ad
import anndataoom as oom
from common import report, step

warnings.filterwarnings("ignore")
path = Path(sys.argv[1])
with tempfile.TemporaryDirectory(prefix="memory-", dir=path.parent) as folder:
    to = Path(folder) / "b.h5ad"
    adata = oom.read(path)
    with step("to_adata()"):
        memory = adata.to_adata()
    with step("anndata.read_h5ad"):
        theirs = ad.read_h5ad(path)
    if (memory.X != theirs.X).nnz:
        sys.exit("to_adata() gives other values than anndata")
    del memory
    with step("write, X untouched"):
        adata.write_h5ad(to, "gzip")
    for name, level in (("gzip", 4), ("zstd", 3), ("lzf", None), (None, None)):
        with step(f"write, X to {name or 'none'}"):
            adata.write_h5ad(to, name, level, recompress=True)
    oom.pp.normalize_total(adata)
    oom.pp.log1p(adata)
    for name, level in (("gzip", 4), ("gzip", 1), ("zstd", 3)):
        with step(f"write, logarithms to {name} {level}"):
            adata.write_h5ad(to, name, level)
    with step("anndata writes gzip"):
        theirs.write_h5ad(to, compression="gzip")
report()
