"""Checks that the peak memory of single steps on a small file is bounded by the working memory and
the result (see memory.py)."""

import subprocess
import sys
from pathlib import Path

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


IN_MEMORY = """
import sys
from pathlib import Path

import anndata as ad
import numpy as np
from memory import MB, SLACK, status
from scipy import sparse

import anndataoom as oom

n, m = 24_000, 2000
indices = np.tile(np.arange(0, m, 2, dtype=np.int32), n)
data = np.ones(len(indices), np.float32)
indptr = np.arange(n + 1, dtype=np.int64) * (m // 2)
adata = ad.AnnData(sparse.csr_matrix((data, indices, indptr), shape=(n, m)))
del indices, data
oom.settings.memory = 16 * MB
matrix = adata.X.data.nbytes + adata.X.indices.nbytes
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
lazy = oom.AnnDataOOM(adata)
lazy.write(sys.argv[1])
added = status("VmHWM") - before
adata.X.data[0] = 7
assert lazy.X[0, 0].toarray()[0, 0] == 1
print(added, matrix + 16 * MB + SLACK)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_object_in_memory_is_copied_once_and_written_within_the_memory_of_a_pass(tmp_path):
    command = [sys.executable, "-c", IN_MEMORY, str(tmp_path / "x.h5ad")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    added, allowed = map(int, found.stdout.split())
    assert added <= allowed
