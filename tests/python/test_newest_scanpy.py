"""Tests parameters and metadata of scanpy 1.11 and 1.12, and scanpy's functions on one of our
matrices."""

import gc
import warnings
import weakref

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from conftest import dense, rich
from fast_array_utils import stats
from scipy import sparse
from sklearn.metrics import pairwise_distances

import anndataoom as oom

METRICS = [
    "manhattan", "cityblock", "l1", "chebyshev", "minkowski", "sqeuclidean", "seuclidean", "mahalanobis", "canberra",
    "braycurtis", "hamming", "jaccard", "dice", "rogerstanimoto", "russellrao", "sokalsneath", "yule", "l2", "cosine",
    "correlation", "euclidean",
]  # fmt: skip
TRUTHS = {"jaccard", "dice", "rogerstanimoto", "russellrao", "sokalsneath", "yule"}


def points(n=90, d=7):
    x = np.random.default_rng(3).normal(size=(n, d)).astype("f4")
    x[np.abs(x) < 0.4] = 0
    return x


def with_points(x):
    a = oom.AnnDataOOM(ad.AnnData(sparse.csr_matrix((len(x), 2), dtype="f4")))
    a.obsm["X_pca"] = x
    return a


@pytest.mark.parametrize("metric", METRICS)
def test_neighbors_of_every_metric_are_scikit_learns(metric):
    x, k = points(), 8
    a = with_points(x)
    oom.pp.neighbors(a, k, metric=metric)
    truth = pairwise_distances((x != 0) if metric in TRUTHS else x.astype("f8"), metric=metric)
    np.fill_diagonal(truth, -1)
    expected = np.sort(truth, axis=1)[:, 1:k]
    found = a.obsp["distances"]
    assert (np.diff(found.indptr) == k - 1).all()
    rows = np.repeat(np.arange(len(x)), k - 1)
    # Ties may give other neighbours at the same distance.
    np.testing.assert_allclose(found.data, truth[rows, found.indices], rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(np.sort(found.data.reshape(-1, k - 1), axis=1), expected, rtol=2e-6, atol=2e-6)


def test_minkowski_takes_a_power_and_others_none():
    x = points()
    a = with_points(x)
    oom.pp.neighbors(a, 5, metric="minkowski", metric_kwds={"p": 3})
    truth = np.sort(pairwise_distances(x.astype("f8"), metric="minkowski", p=3), axis=1)[:, 1:5]
    np.testing.assert_allclose(np.sort(a.obsp["distances"].data.reshape(-1, 4), axis=1), truth, rtol=2e-6)
    assert a.uns["neighbors"]["params"]["metric_kwds"]["p"] == 3
    with pytest.raises(ValueError, match="minkowski"):
        oom.pp.neighbors(a, 5, metric="manhattan", metric_kwds={"p": 3})
    with pytest.raises(ValueError, match="metric_kwds.*1 or more"):
        oom.pp.neighbors(a, 5, metric="minkowski", metric_kwds={"p": 0.5})
    with pytest.raises(NotImplementedError, match="'V'"):
        oom.pp.neighbors(a, 5, metric="seuclidean", metric_kwds={"V": 3})


def test_what_a_metric_cannot_do_is_said():
    x = points()
    a = with_points(x)
    with pytest.raises(TypeError, match="metric: expected a name.*every pair"):
        oom.pp.neighbors(a, 5, metric=lambda x, y: 0.0)
    with pytest.raises(ValueError, match="metric.*manhattan.*found 'nonsense'"):
        oom.pp.neighbors(a, 5, metric="nonsense")
    with pytest.raises(ValueError, match="exact"):
        oom.pp.neighbors(a, 5, metric="manhattan", search="ivf")
    for metric in ("mahalanobis", "seuclidean"):
        flat = x.copy()
        flat[:, 2] = 1
        with pytest.raises(ValueError, match=metric):
            oom.pp.neighbors(with_points(flat), 5, metric=metric)


def test_all_pairs_are_scanpys():
    x = points(60, 5)
    a, b = with_points(x), ad.AnnData(np.zeros((60, 2), "f4"))
    b.obsm["X_pca"] = x
    oom.pp.neighbors(a, 9, knn=False, method="gauss")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.neighbors(b, 9, knn=False, method="gauss", use_rep="X_pca")
    np.testing.assert_allclose(dense(a.obsp["connectivities"]), dense(b.obsp["connectivities"]), rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(dense(a.obsp["distances"]), dense(b.obsp["distances"]), rtol=1e-5, atol=1e-3)
    assert a.uns["neighbors"]["params"]["n_neighbors"] == 9
    with pytest.raises(ValueError, match="knn.*gauss"):
        oom.pp.neighbors(a, 9, knn=False)


def test_points_are_chosen_as_scanpy_does(on_disk):
    a = rich(m=80)
    o = on_disk(a)
    del o.obsm["X_pca"]
    x = a.X.toarray()
    for options in ({"use_rep": "X"}, {"n_pcs": 0}):
        oom.pp.neighbors(o, 6, **options)
        truth = np.sort(pairwise_distances(x.astype("f8")), axis=1)[:, 1:6]
        np.testing.assert_allclose(np.sort(o.obsp["distances"].data.reshape(-1, 5), axis=1), truth, rtol=1e-6)
    with pytest.warns(UserWarning, match=r"pca\(\) is run first"):
        oom.pp.neighbors(o, 6)
    assert o.obsm["X_pca"].shape[1] == 50
    few = on_disk(rich())
    del few.obsm["X_pca"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        oom.pp.neighbors(few, 6)
    assert "X_pca" not in few.obsm


def test_metadata_is_scanpys(on_disk):
    a = rich(n=120, m=60)
    o = on_disk(a)
    oom.pp.pca(o, 5, layer="counts")
    assert o.uns["pca"]["params"]["layer"] == "counts"
    oom.pp.neighbors(o, 6)
    oom.tl.umap(o, random_state=7)
    assert o.uns["umap"]["params"]["random_state"] == 7
    oom.tl.umap(o)
    assert "random_state" not in o.uns["umap"]["params"]
    o.obs["group"] = o.obs["group"].cat.remove_unused_categories()
    oom.tl.dendrogram(o, "group")
    assert o.uns["dendrogram_group"]["use_rep"] is None


def test_scale_and_log1p_of_parts(on_disk, fmt):
    a = rich(fmt=fmt)
    mask = np.random.default_rng(0).random(a.n_obs) < 0.6
    a.obs["chosen"] = mask
    o = on_disk(a)
    a.X = a.X.astype("f4")
    for given, options in ((mask, {}), ("chosen", {"max_value": 1.5}), (mask, {"zero_center": False})):
        b, p = a.copy(), o.copy()
        if options.get("zero_center", True):
            b.X = dense(b.X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sc.pp.scale(b, mask_obs=given, **options)
        oom.pp.scale(p, mask_obs=given, **options)
        np.testing.assert_allclose(dense(p.X[:]), dense(b.X), rtol=2e-5, atol=2e-6)
        new = [c for c in b.var if c not in a.var]
        assert [c for c in p.var if c not in o.var] == new
        for c in new:
            np.testing.assert_allclose(p.var[c], b.var[c], rtol=1e-5)
    with pytest.raises(KeyError, match="obs has no column 'no'"):
        oom.pp.scale(o, mask_obs="no")
    with pytest.raises(ValueError, match="for each of 60 cells"):
        oom.pp.scale(o, mask_obs=mask[:5])
    values = np.abs(a.obsm["X_pca"])
    o.obsm["X_pca"] = values.copy()
    oom.pp.log1p(o, obsm="X_pca", base=2)
    np.testing.assert_allclose(o.obsm["X_pca"], np.log2(1 + values), rtol=1e-6, atol=1e-7)
    o.obsm["X_pca"] = values.copy()
    oom.pp.scale(o, obsm="X_pca")
    expected = (values - values.mean(0)) / values.std(0, ddof=1)
    np.testing.assert_allclose(o.obsm["X_pca"], expected, rtol=2e-5, atol=2e-6)


def test_covariates_named_twice_count_once(on_disk):
    o = on_disk(rich())
    once, twice = o.copy(), o.copy()
    oom.pp.regress_out(once, ["score"])
    oom.pp.regress_out(twice, ["score", "score"])
    np.testing.assert_array_equal(once.X[:], twice.X[:])


READERS = {
    "normalize_total": lambda o: sc.pp.normalize_total(o),
    "log1p": lambda o: sc.pp.log1p(o),
    "pca": lambda o: sc.pp.pca(o, n_comps=3),
    "calculate_qc_metrics": lambda o: sc.pp.calculate_qc_metrics(o, percent_top=None, inplace=True),
    "highly_variable_genes": lambda o: sc.pp.highly_variable_genes(o, flavor="seurat_v3", n_top_genes=5),
    "highly_variable_genes by batch": lambda o: sc.pp.highly_variable_genes(o, n_top_genes=5, batch_key="group"),
    "filter_genes": lambda o: sc.pp.filter_genes(o, min_cells=1),
    "regress_out": lambda o: sc.pp.regress_out(o, ["score"]),
    "rank_genes_groups": lambda o: sc.tl.rank_genes_groups(o, "group", method="t-test", use_raw=False),
    "score_genes": lambda o: sc.tl.score_genes(o, ["g1", "g2"], ctrl_size=3, n_bins=3, use_raw=False),
}


@pytest.mark.parametrize("name", READERS)
def test_functions_of_scanpy_own_what_they_read_and_let_go_of_it(on_disk, monkeypatch, name):
    a = rich(dtype="float32")
    a.obs["group"] = a.obs["group"].cat.remove_unused_categories()
    o, held = on_disk(a), []
    share = oom.BackedArray.share

    def noted(self):
        values = share(self)
        held.append(weakref.ref(values))
        return values

    monkeypatch.setattr(oom.BackedArray, "share", noted)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        READERS[name](o)
        READERS[name](a)
    told = [w for w in told if "works in memory" in str(w.message)]
    assert len(told) == len(held) >= 1
    # The warning has the user's line and the name of the function that they called.
    assert {w.filename for w in told} == {__file__}
    assert all(str(w.message).startswith(f"scanpy's {name.split()[0]}") for w in told)
    monkeypatch.undo()
    del told
    # scanpy's frames may hold the array in a cycle.
    gc.collect()
    x = o.__dict__["_X"]
    if isinstance(x, oom.BackedArray):
        assert x.shared() is None
    # The matrix that it wrote back as X belongs to the object.
    assert all(v() is None for v in held)
    for column in a.obs.select_dtypes("number"):
        np.testing.assert_allclose(o.obs[column].astype("f8"), a.obs[column].astype("f8"), rtol=1e-5)
    np.testing.assert_allclose(dense(o.X[:]), dense(a.X), rtol=1e-5, atol=1e-6)


def test_a_block_owns_the_values_and_lets_go_of_them(on_disk):
    a = rich()
    o = on_disk(a)
    for matrix, options in (
        (o.X, {"use_raw": False}),
        (o.raw.X, {"use_raw": True}),
        (o.layers["counts"], {"layer": "counts"}),
    ):
        # scanpy 1.11 also looks at X, whichever matrix it computes on.
        with o.X.in_memory(), matrix.in_memory(), warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            held = weakref.ref(matrix.shared())
            sc.tl.score_genes(o, list(o.var_names[:3]), ctrl_size=3, n_bins=3, **options)
            sc.tl.score_genes(o, list(o.var_names[3:6]), ctrl_size=3, n_bins=3, **options)
        gc.collect()
        assert held() is None and matrix.shared() is None
    with pytest.raises(KeyError, match="stop"), o.X.in_memory() as values:
        held = weakref.ref(values)
        raise KeyError("stop")
    del values
    gc.collect()
    assert held() is None


def test_dask_arrays_work_with_what_knows_them(on_disk, fmt):
    a = rich(fmt=fmt)
    x = dense(a.X).astype("f8")
    lazy = on_disk(a).X.to_dask(chunk_size=17)
    for axis in (0, 1, None):
        np.testing.assert_allclose(np.asarray(stats.sum(lazy, axis=axis)), x.sum(axis), rtol=1e-6)
    mean, var = (np.asarray(v) for v in stats.mean_var(lazy, axis=0, correction=1))
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(var, x.var(0, ddof=1), rtol=1e-5)
    b = ad.AnnData(lazy, obs=a.obs, var=a.var)
    sc.pp.normalize_total(b, target_sum=100)
    sc.pp.log1p(b)
    expected = np.log1p(x / x.sum(1, keepdims=True) * 100)
    np.testing.assert_allclose(dense(b.X.compute()), expected, rtol=1e-5)
