"""Checks a file of tests/write.rs with anndata: check_h5ad.py FILE COUNTS (dense counts as text)."""

import sys

import anndata
import numpy as np
import scipy.sparse as sp

adata = anndata.read_h5ad(sys.argv[1])
counts = np.loadtxt(sys.argv[2]).reshape(60, 30)


def dense(m):
    return m.toarray() if sp.issparse(m) else np.asarray(m)


assert adata.shape == (60, 30)
assert isinstance(adata.X, sp.csr_matrix) and adata.X.dtype == np.float32
adata.X.check_format(full_check=True)
np.testing.assert_allclose(dense(adata.X), np.log1p(counts), rtol=1e-6)
np.testing.assert_array_equal(dense(adata.layers["counts"]), counts)
np.testing.assert_array_equal(dense(adata.raw.X), counts)
assert list(adata.raw.var_names) == list(adata.var_names) == [f"gene{i}" for i in range(30)]
assert list(adata.obs_names) == [f"cell{i}" for i in range(60)]
assert adata.obs["n"].dtype == np.int64 and list(adata.obs["n"]) == list(range(60))
kind = adata.obs["type"].cat
assert list(kind.categories) == ["b", "a", "unused"] and kind.ordered
assert list(kind.codes) == [i % 4 - 1 for i in range(60)]
assert adata.obsm["X_pca"].dtype == np.float32 and (adata.obsm["X_pca"] == 0.5).all()
assert adata.varm["PCs"].shape == (30, 2)
assert sp.issparse(adata.obsp["distances"]) and adata.obsp["distances"].shape == (60, 60)
assert adata.uns["log1p"]["base"] is None
assert adata.uns["title"] == '50 % "of" %s'
