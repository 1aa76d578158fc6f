"""Checks that the same operations on anndata's own test data give equal results in memory and on
disk, or are in the table of differences.

`inst/design/differences.md` gives the reason for each entry of `DIFFERENT`, under the same name.
"""

import contextlib
import copy
import pickle
import warnings
from pathlib import Path

import anndata as ad
import dask.array as da
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal, gen_adata
from scipy import sparse

import anndataoom as oom

DIFFERENCES = Path(__file__).resolve().parents[2] / "inst" / "design" / "differences.md"


def _set(name):
    def change(a, value):
        setattr(a, name, value(a))
        return a

    return change


def _with(slot, key, value):
    def change(a):
        getattr(a, slot)[key] = value(a)
        return a

    return change


def _drop(slot, key):
    def change(a):
        del getattr(a, slot)[key]
        return a

    return change


def _called(name, *args, **kwargs):
    def call(a):
        found = getattr(a, name)(*args, **kwargs)
        return a if found is None else found

    return call


def _written(a, tmp_path):
    a.write_h5ad(tmp_path / "again.h5ad")
    return ad.read_h5ad(tmp_path / "again.h5ad")


def _first_column(a):
    return a.X[:, 0].toarray() if sparse.issparse(a.X[:, 0]) else np.reshape(a.X[:, 0], (-1, 1))


def _whole(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def _deleted(*slots):
    def change(a):
        for slot in slots:
            delattr(a, slot)
        return a

    return change


def _error(operation, a, *args):
    """Returns the class of the error, as a list."""
    with pytest.raises((ValueError, IndexError)) as e:
        operation(a, *args)
    return [e.type.__name__]


def _two_levels(names):
    return pd.DataFrame(np.ones((len(names), 2)), index=names, columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]))


def _x_among_layers(a):
    """Returns layers that include X, in the form of anndata 0.13; earlier versions set X
    separately."""
    x = sparse.csr_matrix(np.ones(a.shape, "f4"))
    if None in ad.AnnData(np.ones((1, 1))).layers or type(a) is oom.AnnDataOOM:
        return {"one": x, None: x}
    a.X = x
    return {"one": x}


def _cleared(a):
    with contextlib.suppress(TypeError):
        a.layers.clear(keep_x=True)
        return a
    a.layers.clear()
    return a


def _text_categories(a):
    a.obs["new"] = pd.array(["b", "a"] * 20, dtype="string")
    a.strings_to_categoricals()
    return [str(a.obs["new"].dtype.categories.dtype)]


MASK = np.arange(40) % 3 == 0
OPERATIONS = {
    # selecting
    "a[:]": lambda a: a[:],
    "a[3:17]": lambda a: a[3:17],
    "a[::-2]": lambda a: a[::-2],
    "a[5]": lambda a: a[5],
    "a[-1]": lambda a: a[-1],
    "a[[4, 2, 9]]": lambda a: a[[4, 2, 9]],
    "a[mask]": lambda a: a[MASK],
    "a[list of bool]": lambda a: a[MASK.tolist()],
    "a[series of bool]": lambda a: a[pd.Series(MASK, index=a.obs_names)],
    "a[sparse mask]": lambda a: a[sparse.csr_matrix(MASK[:, None])],
    "a[name]": lambda a: a["cell7"],
    "a[names]": lambda a: a[["cell7", "cell2"]],
    "a[index of names]": lambda a: a[a.obs_names[[8, 1]]],
    "a[slice of names]": lambda a: a["cell3":"cell9"],
    "a[:, name]": lambda a: a[:, "gene3"],
    "a[:, names]": lambda a: a[:, ["gene9", "gene1"]],
    "a[:, mask]": lambda a: a[:, np.arange(30) % 2 == 1],
    "a[rows, columns]": lambda a: a[2:9, [5, 1]],
    "a[integer, integer]": lambda a: a[2, 3],
    "a[...]": lambda a: a[...],
    "a[..., 1]": lambda a: a[..., 1],
    "a[[]]": lambda a: a[[]],
    "a[selection of a selection]": lambda a: a[5:30][MASK[5:30], 2:10],
    "a[int8 positions]": lambda a: a[np.array([3, 1], dtype=np.int8)],
    # shape and names
    "shape": lambda a: (a.shape, a.n_obs, a.n_vars, len(a)),
    "obs_names": lambda a: a.obs_names,
    "var_names": lambda a: a.var_names,
    "keys": lambda a: (a.obs_keys(), a.var_keys(), sorted(a.obsm_keys()), sorted(a.varm_keys()), a.uns_keys()),
    "layers' names": lambda a: sorted(k for k in a.layers if k is not None),
    "obs": lambda a: a.obs,
    "var": lambda a: a.var,
    # values
    "X": lambda a: a.X[:],
    "X[2:9]": lambda a: a.X[2:9],
    "X[:, 0]": _first_column,
    "X.sum()": lambda a: np.float64(a.X.sum()).round(3),
    "to_df": lambda a: a.to_df(),
    "to_df(layer)": lambda a: a.to_df(layer="array"),
    "obs_vector of a gene": lambda a: np.asarray(a.obs_vector("gene3")),
    "X == 0": lambda a: _whole(a.X == 0),
    "X != X[:] * 2": lambda a: _whole(a.X[:] * 2 != a.X),
    "layer == layer": lambda a: _whole(a.layers["array"] == a.layers["array"]),
    "obs_vector of a column": lambda a: np.asarray(a.obs_vector("obs_cat")),
    "obs_vector of a layer": lambda a: np.asarray(a.obs_vector("gene3", layer="sparse")),
    "var_vector of a cell": lambda a: np.asarray(a.var_vector("cell3")),
    "T": lambda a: a.T,
    "transpose": lambda a: a.transpose(),
    "chunk_X": lambda a: a.chunk_X(np.arange(4, 9)),
    "obsm.to_df": lambda a: _arrays(a).to_df(),
    "obsm.attrname and axes": lambda a: [(s.attrname, s.axes, s.is_view) for s in (a.obsm, a.varm, a.obsp, a.layers)],
    "varm.as_dict": lambda a: a.varm.as_dict()["array"],
    "obsm.dim_names": lambda a: (a.obsm.dim, list(a.obsm.dim_names)),
    # setting
    "X = 2 X": lambda a: _set("X")(a, lambda a: a.X[:] * 2),
    "X = None": lambda a: _set("X")(a, lambda a: None),
    "obs = ": lambda a: _set("obs")(a, lambda a: a.obs.iloc[:, :1]),
    "obs_names = ": lambda a: _set("obs_names")(a, lambda a: [f"n{i}" for i in range(a.n_obs)]),
    "var_names = ": lambda a: _set("var_names")(a, lambda a: pd.Index([f"n{i}" for i in range(a.n_vars)])),
    "obsm = {}": lambda a: _set("obsm")(a, lambda a: {}),
    "layers = None": lambda a: _set("layers")(a, lambda a: None),
    "uns = {}": lambda a: _set("uns")(a, lambda a: {}),
    "raw = a": lambda a: _set("raw")(a, lambda a: a),
    "obs[new]": _with("obs", "new", lambda a: np.arange(a.n_obs)),
    "obsm[new]": _with("obsm", "new", lambda a: np.ones((a.n_obs, 2))),
    "layers[new]": _with("layers", "new", lambda a: sparse.csr_matrix(a.shape, dtype="float32")),
    "obsp[frame]": _with(
        "obsp", "new", lambda a: pd.DataFrame(np.eye(a.n_obs), index=a.obs_names, columns=a.obs_names)
    ),
    "uns[new]": _with("uns", "new", lambda a: {"a": 1, "b": np.arange(3)}),
    "uns | dict": lambda a: sorted(a.uns | {"more": 1}),
    "del obsm[array]": _drop("obsm", "array"),
    "del layers[array]": _drop("layers", "array"),
    "a[mask, columns] = 3": lambda a: _assigned(a),
    "obs = series as names": lambda a: _set("obs_names")(a, lambda a: pd.Series(range(a.n_obs), name=5)),
    "layers = with X": lambda a: _set("layers")(a, lambda a: _x_among_layers(a)),
    "layers.clear": lambda a: _cleared(a),
    "del obs": _deleted("obs"),
    "del var": _deleted("var"),
    "del obsm, varp, uns": _deleted("obsm", "varp", "uns"),
    "del X": _deleted("X"),
    "categories of texts": lambda a: _text_categories(a),
    "a without X: to_df": lambda a: _error(lambda a: _deleted("X")(a).to_df(), a),
    "a[..., 0, ...]": lambda a: _error(lambda a: a[..., 0, ...], a),
    "obs_names = index with a number as name": lambda a: _error(
        _set("obs_names"), a, lambda a: pd.RangeIndex(a.n_obs, name=3).astype(str)
    ),
    "obs = columns of two levels": lambda a: _error(_set("obs"), a, lambda a: _two_levels(a.obs_names)),
    "obsm = columns of two levels": lambda a: _error(_with("obsm", "new", lambda a: _two_levels(a.obs_names)), a),
    # whole objects
    "copy": lambda a: a.copy(),
    "copy.copy": lambda a: copy.copy(a),
    "copy.deepcopy": lambda a: copy.deepcopy(a),
    "to_memory": lambda a: a.to_memory(),
    "pickle": lambda a: pickle.loads(pickle.dumps(a)),
    "strings_to_categoricals": _called("strings_to_categoricals"),
    "obs_names_make_unique": _called("obs_names_make_unique"),
    "rename_categories": lambda a: _renamed(a),
    "_inplace_subset_obs": _called("_inplace_subset_obs", MASK),
    "_inplace_subset_var": _called("_inplace_subset_var", slice(2, 9)),
}
# Intended differences: the document gives the reason under the same name.
DIFFERENT = set() if hasattr(ad.AnnData, "__setitem__") else {"a[mask, columns] = 3"}


def _arrays(a):
    """Removes all elements of obsm except the numeric array."""
    for key in list(a.obsm):
        if key != "array":
            del a.obsm[key]
    return a.obsm


def _assigned(a):
    a[MASK, 2:5] = 3
    return a


def _renamed(a):
    column = a.obs["obs_cat"]
    a.rename_categories("obs_cat", [f"new {c}" for c in column.cat.categories])
    return a


@pytest.fixture(scope="module", params=["csr", "csc", "dense"])
def file(request, tmp_path_factory):
    kind = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[request.param]
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a = gen_adata(
            (40, 30),
            X_type=kind,
            obsm_types=(sparse.csr_matrix, np.ndarray, pd.DataFrame),
            varm_types=(sparse.csr_matrix, np.ndarray, pd.DataFrame),
            layers_types=(sparse.csr_matrix, np.ndarray),
        )
        a.uns = {"number": 3, "text": "t", "array": np.arange(4), "nested": {"flag": True}}
        a.raw = a.copy()
        path = tmp_path_factory.mktemp("equivalence") / f"{request.param}.h5ad"
        a.write_h5ad(path)
    return path


def plain(x):
    """Returns the value in memory."""
    if isinstance(x, oom.BackedArray):
        return x.to_memory()
    if type(x) is oom.AnnDataOOM:
        x = x.to_memory()
    return x.copy() if isinstance(x, ad.AnnData) else x


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_same_in_memory_and_on_disk(file, name):
    if name in DIFFERENT:
        with pytest.raises((AssertionError, TypeError)):
            assert_equal(plain(OPERATIONS[name](oom.read(file))), plain(OPERATIONS[name](ad.read_h5ad(file))))
        return
    expected = plain(OPERATIONS[name](ad.read_h5ad(file)))
    found = plain(OPERATIONS[name](oom.read(file)))
    if isinstance(expected, list | tuple):
        assert found == expected
    else:
        assert_equal(found, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["a[:]", "a[4, 2, 9]", "obs[new]", "a[mask]", "raw = a", "layers[new]", "X = None"])
def test_what_is_written_reads_as_what_anndata_writes(file, name, tmp_path):
    operation = OPERATIONS.get(name, lambda a: a[[4, 2, 9]])
    expected = _written(operation(ad.read_h5ad(file)).copy(), tmp_path)
    assert_equal(_written(operation(oom.read(file)), tmp_path), expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["X", "layers", "obsm"])
@pytest.mark.parametrize("form", ["dask", "backed"])
def test_objects_of_anndata_that_are_not_in_memory(file, kind, form):
    a = ad.read_h5ad(file, backed="r" if form == "backed" else None)
    if form == "dask":
        lazy = da.from_array(np.arange(1200.0).reshape(40, 30), chunks=(7, 30))
        if kind == "X":
            a.X = lazy
        else:
            getattr(a, kind)["lazy"] = lazy
    expected = a.to_memory()
    if form == "dask":
        lazy = lazy.compute()
        if kind == "X":
            expected.X = lazy
        else:
            getattr(expected, kind)["lazy"] = lazy
    o = oom.AnnDataOOM(a)
    for part in ("X", "layers", "obsm"):
        found, wanted = getattr(o.to_memory(), part), getattr(expected, part)
        assert_equal(found if part == "X" else dict(found), wanted if part == "X" else dict(wanted))


def test_what_is_no_matrix_is_refused_by_name(file, tmp_path):
    o = oom.read(file)
    for value, found in ((3, "a number"), (np.ones(40), "an array of 1 dimensions"), (np.ones((4, 3, 2)), "of 3 dim")):
        with pytest.raises(ValueError, match=f"X: expected a matrix of 40 x 30, found .*{found.split('an ')[-1]}"):
            o.X = value
    with pytest.raises(ValueError, match="keep_x.*del adata.X"):
        o.layers.clear(keep_x=False)
    o.uns["inside"] = ad.AnnData(np.ones((2, 2)))
    with pytest.raises(TypeError, match="uns/inside: annotated data cannot be written inside"):
        o.write_h5ad(tmp_path / "no.h5ad")
    with pytest.raises(ValueError, match="obs_names: expected an index named by a text, found int 3"):
        o.obs_names = pd.RangeIndex(40, name=3).astype(str)


def test_the_file_is_closed_as_with_anndata(file):
    o = oom.read(file)
    assert o.file.is_open and o.file.filename == str(file) and "open file" in repr(o.file)
    o.file.close()
    assert not o.file.is_open and oom.AnnDataOOM(np.ones((2, 2))).file is None


def test_differences_stand_in_the_document():
    text = DIFFERENCES.read_text(encoding="utf-8")
    assert not [name for name in DIFFERENT if f"`{name}`" not in text]
    assert set(OPERATIONS) >= DIFFERENT
