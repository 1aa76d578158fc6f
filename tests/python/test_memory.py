"""Checks that the peak memory of single steps on a small file is bounded by the working memory and
the result (see memory.py)."""

import sys

import anndata as ad
import memory
import numpy as np
import pytest
from scipy import sparse

BUDGET = 16 << 20


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    n, m = 12_000, 3_000
    rng = np.random.default_rng(0)
    per_row = 150
    indices = np.concatenate([np.sort(rng.choice(m, per_row, replace=False)) for _ in range(n)]).astype(np.int32)
    data = rng.integers(1, 9, n * per_row).astype(np.float32)
    indptr = np.arange(n + 1, dtype=np.int32) * per_row
    out = tmp_path_factory.mktemp("memory") / "small.h5ad"
    ad.AnnData(sparse.csr_matrix((data, indices, indptr), shape=(n, m))).write_h5ad(out)
    return out


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("step", memory.STEPS)
def test_peak_is_bounded(path, step):
    added, allowed = memory.measure(step, path, BUDGET)
    # A dense copy of the matrix would be 137 MB (float32), and one of half of it 69 MB.
    assert added <= allowed
