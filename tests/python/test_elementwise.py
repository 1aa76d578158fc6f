"""Compares recorded elementwise functions with numpy and scanpy."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from conftest import EXAMPLE
from scipy import sparse

import anndataoom as oom

VERBS = {
    "sqrt": (oom.pp.sqrt, np.sqrt),
    "square": (oom.pp.square, np.square),
    "arcsinh": (oom.pp.arcsinh, lambda x: np.arcsinh(x / 5)),
}


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_values(name, layout, on_disk):
    verb, formula = VERBS[name]
    counts = np.random.default_rng(3).poisson(1.0, (40, 9)).astype("f8") * 1.5
    disk = on_disk(ad.AnnData(layout(counts)))
    disk.layers["b"] = disk.X
    disk.obsm["c"] = counts[:, :4]
    assert verb(disk, layer="b") is None
    np.testing.assert_allclose(disk.layers["b"].toarray(), formula(counts))
    np.testing.assert_array_equal(disk.X.toarray(), counts)
    verb(disk, obsm="c")
    np.testing.assert_allclose(disk.obsm["c"], formula(counts[:, :4]))
    other = verb(disk, copy=True)
    np.testing.assert_allclose(other.X.toarray(), formula(counts))
    assert sparse.issparse(other.X[:]) == (layout is not np.asarray)
    assert name in repr(other.X) and name not in repr(disk.X)
    again = oom.pp.log1p(other[5:9, [2, 0]], copy=True)
    np.testing.assert_allclose(again.X.toarray(), np.log1p(formula(counts[5:9][:, [2, 0]])))


def test_sqrt_is_scanpys():
    disk = oom.read(EXAMPLE)
    memory = disk.to_memory()
    memory.X = memory.X.astype("f4")
    oom.pp.sqrt(disk)
    sc.pp.sqrt(memory)
    np.testing.assert_allclose(disk.X.toarray(), memory.X.toarray(), rtol=1e-6)


def test_cofactor(on_disk):
    counts = np.arange(12.0).reshape(4, 3)
    disk = on_disk(ad.AnnData(counts))
    oom.pp.arcsinh(disk, cofactor=150)
    np.testing.assert_allclose(disk.X.toarray(), np.arcsinh(counts / 150))
    for wrong in (0, -1, float("inf"), float("nan"), None, "5"):
        with pytest.raises(ValueError, match="cofactor must be a finite number above 0"):
            oom.pp.arcsinh(disk, cofactor=wrong)
