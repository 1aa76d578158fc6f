"""Compares `concat` and `AnnDataSet` with anndata.concat in memory."""

import itertools
import pickle

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal
from conftest import EXAMPLE, dense
from scipy import sparse

import anndataoom as oom

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def part(n, genes, fmt, dtype, seed):
    """Makes annotated data that differ in everything about which concat has to decide."""
    rng = np.random.default_rng(seed)
    m = len(genes)
    counts = rng.poisson(0.8, (n, m)).astype(dtype)
    make = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[fmt]
    obs = pd.DataFrame(
        {
            "group": pd.Categorical(rng.choice(["a", "b", f"c{seed}"], n)),
            "ordered": pd.Categorical(rng.choice(["x", "y"], n), categories=["x", "y"], ordered=True),
            "score": rng.normal(size=n),
            "count": rng.integers(0, 9, n),
            f"own{seed}": rng.integers(0, 9, n),
            "name": [f"t{i}" for i in range(n)],
        },
        index=[f"cell{i}" for i in range(n)],
    )
    var = pd.DataFrame({"length": np.arange(m), "id": [f"id_{g}" for g in genes]}, index=list(genes))
    var[f"only{seed}"] = rng.normal(size=m)
    adata = ad.AnnData(make(counts), obs=obs, var=var)
    adata.layers["counts"] = make(counts * 2)
    if seed == 0:
        adata.layers["first"] = make(counts)
    adata.obsm["X_pca"] = rng.normal(size=(n, 3 + seed))
    adata.obsm["frame"] = pd.DataFrame({"u": rng.normal(size=n), f"v{seed}": 1.0}, index=obs.index)
    adata.varm["PCs"] = np.arange(m * 2, dtype=float).reshape(m, 2)
    adata.varp["links"] = sparse.random(m, m, 0.3, format="csr", random_state=seed)
    adata.obsp["graph"] = sparse.random(n, n, 0.3, format="csr", random_state=seed)
    adata.uns["same"] = {"a": 1, "deep": {"b": np.arange(3)}}
    adata.uns["differs"] = seed
    adata.uns[f"own{seed}"] = "x"
    adata.raw = adata.copy()
    return adata


GENES = [
    [f"g{i}" for i in range(12)],
    [f"g{i}" for i in (3, 1, 20, 5, 21, 9, 11)],
    [f"g{i}" for i in range(2, 14)],
]


@pytest.fixture
def files(tmp_path):
    count = itertools.count()

    def write(formats, dtypes=("float32",) * 3, sizes=(7, 5, 9), genes=GENES):
        parts = []
        for seed, (fmt, dtype, n, names) in enumerate(zip(formats, dtypes, sizes, genes)):
            path = tmp_path / f"{next(count)}.h5ad"
            part(n, names, fmt, dtype, seed).write_h5ad(path)
            parts.append(path)
        return [ad.read_h5ad(p) for p in parts], [oom.read(p) for p in parts]

    return write


def fills_with_float64():
    return tuple(map(int, ad.__version__.split(".")[:2])) >= (0, 13)


def same(found, expected, tmp_path):
    """Checks values in memory, and as written and read by anndata."""
    if expected.X is not None:
        # From 0.13 on anndata fills dense float32 with float64 NaN; ours stay float32, as anndata's
        # did before.
        widened = fills_with_float64() and np.isnan(dense(expected.X)).any()
        assert found.X.dtype == ("f4" if widened else expected.X.dtype)
        assert sparse.issparse(expected.X) == found.X._m.is_sparse
    assert_equal(found.to_adata(), expected)
    found.write_h5ad(tmp_path / "found.h5ad", convert_strings_to_categoricals=False)
    again = oom.read(tmp_path / "found.h5ad").to_adata()
    np.testing.assert_array_equal(dense(again.X), dense(expected.X))
    assert again.X.dtype == (expected.X if found.X is None else found.X).dtype


@pytest.mark.parametrize("join", ["inner", "outer"])
@pytest.mark.parametrize("formats", [("csr",) * 3, ("csc", "csr", "csc"), ("dense",) * 3, ("csr", "dense", "csc")])
def test_formats(files, tmp_path, join, formats):
    memory, lazy = files(formats)
    options = {"join": join, "label": "from", "keys": ["a", "b", "c"], "index_unique": "-"}
    same(oom.concat(lazy, **options), ad.concat(memory, **options), tmp_path)


@pytest.mark.parametrize("merge", [None, "same", "unique", "first", "only"])
@pytest.mark.parametrize("join", ["inner", "outer"])
def test_merging(files, tmp_path, join, merge):
    memory, lazy = files(("csr", "csc", "dense"))
    options = {"join": join, "merge": merge, "uns_merge": merge, "pairwise": True}
    same(oom.concat(lazy, **options), ad.concat(memory, **options), tmp_path)


@pytest.mark.parametrize("formats", [("csr", "csr", "csc"), ("dense",) * 3, ("csr", "dense", "csc")])
@pytest.mark.parametrize("dtypes", [("float32",) * 3, ("int32", "uint8", "int64"), ("int16", "float32", "float64")])
def test_filling(files, formats, dtypes):
    memory, lazy = files(formats, dtypes)
    for fill in [None, 0, 3, 0.0, 2.5, np.nan]:
        options = {"join": "outer", "fill_value": fill}
        expected, found = ad.concat(memory, **options), oom.concat(lazy, **options)
        layers = [k for k in expected.layers if k is not None]  # None is X, in anndata 0.13
        for a, b in [(found.X, expected.X), *((found.layers[k], expected.layers[k]) for k in layers)]:
            if not fills_with_float64():
                assert a.dtype == b.dtype, fill
            np.testing.assert_array_equal(dense(a.to_memory()), dense(b), str(fill))
        assert list(found.layers) == layers


@pytest.mark.parametrize("join", ["inner", "outer"])
@pytest.mark.parametrize("formats", [("csr",) * 3, ("dense",) * 3, ("csc", "dense", "csr")])
def test_along_var(files, tmp_path, join, formats):
    genes = [[f"{p}{i}" for i in range(k)] for p, k in (("a", 4), ("b", 6), ("c", 3))]
    memory, lazy = files(formats, genes=genes)
    for a in [*memory, *lazy]:
        a.raw = None
    options = {"axis": "var", "join": join, "merge": "unique", "label": "from", "keys": ["x", "y", "z"]}
    same(oom.concat(lazy, **options), ad.concat(memory, **options), tmp_path)


def test_selections_and_recorded_operations(files):
    memory, lazy = files(("csr", "csc", "dense"))
    for a, b in zip(memory, lazy):
        a.X = np.log1p(dense(a.X))
        oom.pp.log1p(b)
    expected, found = ad.concat(memory, join="outer"), oom.concat(lazy, join="outer")
    rng = np.random.default_rng(3)
    rows, columns = rng.integers(0, expected.n_obs, 40), rng.permutation(expected.n_vars)
    for r, c in [(slice(None), slice(None)), (rows, slice(None)), (slice(None), columns), (rows, columns)]:
        # A sparse member makes the stack sparse, so missing values are 0, not NaN.
        wanted = np.nan_to_num(dense(expected.X))[r][:, c]
        if isinstance(r, slice) or isinstance(c, slice):
            np.testing.assert_allclose(dense(found.X[r, c]), wanted, rtol=1e-6)
        np.testing.assert_allclose(dense(found[r, c].X.to_memory()), wanted, rtol=1e-6)
    twice = oom.concat([found, found[rows]], join="inner")
    np.testing.assert_allclose(dense(twice.X[found.n_obs :]), np.nan_to_num(dense(expected.X))[rows], rtol=1e-6)


def test_empty_parts_and_one(files, tmp_path):
    memory, lazy = files(("csr", "csr", "csr"), sizes=(4, 0, 3))
    for join in ("inner", "outer"):
        expected = ad.concat(memory, join=join)
        np.testing.assert_array_equal(dense(oom.concat(lazy, join=join).X.to_memory()), dense(expected.X))
    same(oom.concat(lazy[:1]), ad.concat(memory[:1]), tmp_path)


def test_to_a_file(files, tmp_path):
    memory, lazy = files(("csr", "csc", "csr"))
    found = oom.concat(lazy, join="outer", index_unique="-", file=tmp_path / "out.h5ad")
    assert found.filename == str(tmp_path / "out.h5ad")
    expected = ad.concat(memory, join="outer", index_unique="-")
    np.testing.assert_array_equal(dense(ad.read_h5ad(tmp_path / "out.h5ad").X), dense(expected.X))
    # The target is one of the files that it reads from.
    path = lazy[0].filename
    oom.concat(lazy, join="outer", index_unique="-", file=path)
    np.testing.assert_array_equal(dense(ad.read_h5ad(path).X), dense(expected.X))


def test_pickle(files):
    memory, lazy = files(("csr", "csc", "dense"))
    found = oom.concat(lazy, join="outer")
    found.X = found.X  # set and read back
    oom.pp.log1p(found)
    again = pickle.loads(pickle.dumps(found[::-2]))
    np.testing.assert_array_equal(dense(again.X.to_memory()), dense(found[::-2].X.to_memory()))
    assert "matrices along obs" in repr(found.X)


def test_errors(files):
    memory, lazy = files(("csr",) * 3)
    with pytest.raises(ValueError, match="at least one"):
        oom.concat([])
    with pytest.raises(TypeError, match="keys"):
        oom.concat({"a": lazy[0]}, keys=["b"])
    with pytest.raises(ValueError, match="axis"):
        oom.concat(lazy, axis="cells")
    no_x = lazy[1].copy()
    no_x.X = None
    with pytest.raises(NotImplementedError, match="some have none"):
        oom.concat([lazy[0], no_x])
    twice = lazy[1].copy()
    twice.var_names = ["g1"] * twice.n_vars
    with pytest.raises(pd.errors.InvalidIndexError, match="g1"):
        oom.concat([lazy[0], twice])


def test_dataset_runs_the_pipeline(tmp_path):
    """Checks that many files give the same result as one file of all cells."""
    whole = ad.read_h5ad(EXAMPLE)
    paths = {}
    for i, rows in enumerate(np.array_split(np.arange(whole.n_obs), 3)):
        paths[f"s{i}"] = tmp_path / f"s{i}.h5ad"
        whole[rows].write_h5ad(paths[f"s{i}"])
    many = oom.AnnDataSet(list(paths.items()))
    assert list(many.adatas) == ["s0", "s1", "s2"] and isinstance(many, ad.AnnData)
    assert list(many.obs["sample"].cat.categories) == ["s0", "s1", "s2"]
    assert set(oom.AnnDataSet(list(paths.values()), add_key="file").obs["file"]) == set(paths)
    one = oom.read(EXAMPLE)
    one.obs["sample"] = many.obs["sample"].to_numpy()
    for a in (one, many):
        oom.pp.calculate_qc_metrics(a, inplace=True)
        oom.pp.normalize_total(a, target_sum=1e4)
        oom.pp.log1p(a)
        oom.pp.highly_variable_genes(a, n_top_genes=300, batch_key="sample")
    pd.testing.assert_frame_equal(
        many.var[["means", "dispersions", "highly_variable"]], one.var[["means", "dispersions", "highly_variable"]]
    )
    a, b = one[:, one.var["highly_variable"]], many[:, many.var["highly_variable"]]
    for x in (a, b):
        oom.pp.scale(x, max_value=10)
        oom.pp.pca(x, n_comps=20)
    np.testing.assert_allclose(b.obsm["X_pca"], a.obsm["X_pca"], rtol=1e-4, atol=1e-4)
    parts = many.split_obs_by("sample", tmp_path / "parts")
    assert {k: p.n_obs for k, p in parts.items()} == many.obs["sample"].value_counts().to_dict()
    assert many.obs_ix(many.obs_names[[5, 2]]) == [5, 2] and many.var_ix(list(many.var_names[:2])) == [0, 1]
    assert many.to_adata(obs_indices=[1, 2], copy_x=False).shape == (2, many.n_vars)
    written = oom.AnnDataSet(paths, filename=tmp_path / "all.h5ad")
    np.testing.assert_array_equal(dense(written.X.to_memory()), dense(whole.X))
    assert not written.is_closed()
    written.close()
    assert written.is_closed()


def test_any_number_of_threads(files):
    _, lazy = files(("csr", "csc", "dense"), sizes=(70, 50, 90))
    found = oom.concat(lazy, join="outer")
    shuffled = found[np.random.default_rng(0).permutation(found.n_obs)]
    before = oom.settings.threads
    try:
        results = []
        for threads in (1, 2, 8):
            oom.settings.threads = threads
            results.append((dense(shuffled.X.to_memory()), shuffled.X.sum(axis=0), shuffled.X.var(axis=0)))
    finally:
        oom.settings.threads = before
    for other in results[1:]:
        for x, y in zip(results[0], other):
            assert x.tobytes() == y.tobytes()
