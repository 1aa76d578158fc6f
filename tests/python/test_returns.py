"""Compares returned chunks and tables with those of anndata and scanpy."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from conftest import dense
from scipy import sparse

import anndataoom as oom


def test_chunks_are_anndatas(pair):
    memory, disk = pair
    for (ours, start, end), (theirs, first, last) in zip(disk.chunked_X(25), memory.chunked_X(25), strict=True):
        assert (start, end) == (first, last)
        np.testing.assert_array_equal(dense(ours), dense(theirs))
    for start, end, chunk in disk.X.chunked(25):
        np.testing.assert_array_equal(dense(chunk), dense(memory.X)[start:end])


@pytest.mark.parametrize("flavor", ["seurat", "cell_ranger", "seurat_v3", "pearson_residuals"])
@pytest.mark.parametrize("subset", [False, True])
def test_tables_of_variable_genes(fmt, on_disk, flavor, subset):
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(0.7, 1, 80), (150, 80)).astype("f4")
    memory = ad.AnnData({"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[fmt](counts))
    if flavor in ("seurat", "cell_ranger"):
        sc.pp.normalize_total(memory)
        sc.pp.log1p(memory)
    disk = on_disk(memory)
    verb = sc.experimental.pp if flavor == "pearson_residuals" else sc.pp
    options = {"flavor": flavor, "n_top_genes": 20, "inplace": False, "subset": subset}
    want, got = verb.highly_variable_genes(memory.copy(), **options), oom.pp.highly_variable_genes(disk, **options)
    assert list(got.columns) == list(want.columns) and list(got.index) == list(want.index)
    if not subset:
        assert got["highly_variable"].tolist() == want["highly_variable"].tolist()
    assert (len(got) < 30 if subset else len(got) == 80) and disk.n_vars == 80 and "highly_variable" not in disk.var
