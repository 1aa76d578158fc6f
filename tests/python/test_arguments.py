"""Checks that every parameter of every verb and function refuses values outside its domain with an
error that names it, quickly and in little memory."""

import inspect
import resource
import shutil
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import EXAMPLE

import anndataoom as oom
from anndataoom import _core

VERBS = _core.verb_table()
FUNCTIONS = _core.function_table()
SECONDS, BYTES = 5, 1 << 30

HOSTILE = [
    1e10, 2**63, 2**31, 10**400, 0, -1, 1.5, float("nan"), float("inf"), -float("inf"), None, True, "nonsense", "", [],
    list(range(3000)), ["nonsense"] * 3000, [[1]], {"a": 1}, np.zeros((3, 3)), np.array("x"), np.float64("nan"), b"a",
    object(), int, len, 1j, pd.NA,
]  # fmt: skip

NEEDED = {
    "regress_out": {"keys": "n_counts"},
    "harmony_integrate": {"key": "batch"},
    "embedding_density": {"basis": "pca"},
    "scrublet": {"n_prin_comps": 5},
    "combat": {"key": "leiden"},
    "ingest": {"embedding_method": "pca"},
    "downsample_counts": {"counts_per_cell": 10},
    "transfer_labels": {"obs": "cell_type"},
    "sample": {"n": 20},
    "sketch": {"n": 20},
    "dendrogram": {"groupby": "cell_type"},
    "rank_genes_groups": {"groupby": "leiden"},
    "score_genes": {"gene_list": ["CD3D", "LYZ"]},
    "score_aucell": {"gene_list": ["CD3D", "LYZ"]},
}
READERS = ["read_zarr", "convert", "read_10x_mtx", "read_h5mu", "read_h5seurat", "read_loom", "read_text"]
WRITERS = ["write_10x_mtx", "write_10x_h5", "write_h5mu"]
GOLDEN = EXAMPLE.parents[2] / "tests" / "golden"
SEURAT = GOLDEN / "seurat" / "small.h5Seurat"
LOOM = GOLDEN / "loom" / "small.loom"
REDUCTIONS = ["sum", "mean", "var", "getnnz", "max", "min"]
# Without a limit, filters refuse every call.
FILTERS = {"filter_cells": {"min_genes": 1}, "filter_genes": {"min_cells": 1}}


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    adata = oom.read(shutil.copy(EXAMPLE, tmp_path_factory.mktemp("ready")))[:150, :600]
    oom.pp.filter_cells(adata, min_counts=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oom.pp.normalize_total(adata)
        oom.pp.log1p(adata)
        oom.pp.highly_variable_genes(adata, n_top_genes=100)
        oom.pp.pca(adata, n_comps=10)
        oom.pp.neighbors(adata)
        oom.tl.diffmap(adata)
        oom.tl.leiden(adata)
    adata.uns["iroot"] = 0
    return adata


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def refused_or_done(call, parameter, value):
    """Runs `call`. An error must be about `parameter`, or about a name that is missing."""
    before, began = peak(), time.process_time()
    shown = f"{parameter}={value!r}"[:80]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(**{parameter: value})
        except (ValueError, TypeError, KeyError, IndexError, NotImplementedError) as error:
            name = value[0] if isinstance(value, list) and value else value
            told = parameter in str(error) or isinstance(error, KeyError) and f"named {name!r}" in str(error)
            assert told, f"{shown}: {error}"
        except OSError:
            # The path is valid but leads nowhere.
            pass
    assert time.process_time() - began < SECONDS, shown
    assert peak() - before < BYTES, shown


@pytest.mark.parametrize("name", VERBS)
def test_verbs(name, ready):
    verb = getattr(oom.pp, name, None) or getattr(oom.tl, name)

    def call(**args):
        limit = {} if {*args} - {"inplace", "copy"} else FILTERS.get(name, {})
        if name in ("ingest", "transfer_labels"):
            args = {"adata_ref": ready, **args}
        if name in ("downsample_counts", "scrublet"):
            return verb(oom.read(EXAMPLE)[:150, :600], **{**NEEDED[name], **args})
        return verb(ready.copy(), **{**NEEDED.get(name, limit), **args})

    for parameter in list(inspect.signature(verb).parameters)[1:]:
        for value in HOSTILE:
            refused_or_done(call, parameter, value)


def functions(adata, folder):
    """Returns a call for each function that takes one odd argument."""
    path, store = folder / "a.h5ad", folder / "a.zarr"
    adata.write_h5ad(path)
    adata.write_zarr(store)

    ranked, counts = adata.copy(), oom.read_h5ad(EXAMPLE)
    oom.tl.rank_genes_groups(ranked, "leiden", pts=True)

    def read(**args):
        return oom.read(args.pop("path", path), **args)

    return {
        "read_h5ad": read,
        "read_zarr": lambda **args: oom.read_zarr(args.pop("path", store), **args),
        "write_zarr": lambda **args: adata.write_zarr(args.pop("store", folder / "b.zarr"), **args),
        "convert": lambda **args: oom.convert(args.pop("path", path), args.pop("to", folder / "c.zarr"), **args),
        "read_10x_h5": lambda **args: oom.read_10x_h5(args.pop("filename", "/none"), **args),
        "read_10x_mtx": lambda **args: oom.read_10x_mtx(args.pop("path", "/none/path"), **args),
        "read_h5mu": lambda **args: oom.read_h5mu(args.pop("path", GOLDEN / "mudata" / "two.h5mu"), **args),
        "read_h5seurat": lambda **args: oom.read_h5seurat(args.pop("path", SEURAT), **args),
        "read_loom": lambda **args: oom.read_loom(args.pop("filename", LOOM), **args),
        "read_text": lambda **args: oom.read_text(args.pop("filename", "/none"), **args),
        "write_10x_mtx": lambda **args: oom.write_10x_mtx(adata, args.pop("path", folder / "f"), **args),
        "write_10x_h5": lambda **args: oom.write_10x_h5(counts, args.pop("path", folder / "b.h5"), **args),
        "write_h5mu": lambda **args: oom.write_h5mu({"m": adata}, args.pop("path", folder / "m.h5mu"), **args),
        "write_h5ad": lambda **args: adata.write_h5ad(args.pop("filename", folder / "b.h5ad"), **args),
        "save": lambda **args: oom.read(path, backed="r+").save(**args),
        "concat": lambda **args: oom.concat([adata, adata], **args),
        "index_columns": lambda **args: adata.index_columns(args.pop("dir", folder / "index"), **args),
        "pack": lambda **args: adata.pack(args.pop("dir", folder / "packed"), **args),
        "explain": lambda **args: adata.explain(**args),
        "obs_vector": lambda **args: adata.obs_vector(args.pop("k", adata.var_names[0]), **args),
        "var_vector": lambda **args: adata.var_vector(args.pop("k", adata.obs_names[0]), **args),
        "chunked": lambda **args: list(adata.X.chunked(**args)),
        "chunked_X": lambda **args: list(adata.chunked_X(**args)),
        "chunk_X": lambda **args: adata.chunk_X(**args),
        **{name: getattr(adata.X, name) for name in REDUCTIONS},
        "to_dask": lambda **args: adata.X.to_dask(**args),
        "marker_gene_overlap": lambda **args: oom.tl.marker_gene_overlap(
            ranked, **{"reference_markers": {"a": ["CD3D"]}, **args}
        ),
        "rank_genes_groups_df": lambda **args: oom.get.rank_genes_groups_df(ranked, **args),
        "aggregate": lambda **args: oom.get.aggregate(adata, **{"by": "cell_type", "func": "sum", **args}),
        "pseudobulk": lambda **args: oom.get.pseudobulk(counts, **{"sample_col": "cell_type", **args}),
        "filter_rank_genes_groups": lambda **args: oom.tl.filter_rank_genes_groups(ranked, **args),
        "score_genes_cell_cycle": lambda **args: oom.tl.score_genes_cell_cycle(
            ranked, **{"s_genes": ["CD3D"], "g2m_genes": ["LYZ"], **args}
        ),
        "settings": lambda **args: [setattr(oom.settings, k, v) for k, v in args.items()],
    }


def test_functions(ready, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = functions(ready, tmp_path)
    old = dict(vars(oom.settings))
    assert set(calls) == {name for name, parameters in FUNCTIONS.items() if parameters}
    for name, parameters in FUNCTIONS.items():
        for parameter, _, _ in parameters:
            for value in HOSTILE:
                # The only word for the fault is the file's own.
                if parameter.endswith("merge") and callable(value):
                    continue
                if parameter in ("keys", "backend"):
                    continue
                refused_or_done(calls[name], parameter, value)
    for key, value in old.items():
        setattr(oom.settings, key, value)


@pytest.fixture(scope="module", autouse=True)
def example_stays():
    before = EXAMPLE.read_bytes()
    yield
    assert EXAMPLE.read_bytes() == before


def test_functions_have_the_parameters_and_defaults_of_the_table(ready):
    of = {
        "read_h5ad": oom.read_h5ad,
        "read_10x_h5": oom.read_10x_h5,
        **{name: getattr(oom, name) for name in READERS + WRITERS},
        "concat": oom.concat,
        "chunked": oom.BackedArray.chunked,
        "to_dask": oom.BackedArray.to_dask,
        "marker_gene_overlap": oom.tl.marker_gene_overlap,
        "rank_genes_groups_df": oom.get.rank_genes_groups_df,
        "aggregate": oom.get.aggregate,
        "pseudobulk": oom.get.pseudobulk,
        "filter_rank_genes_groups": oom.tl.filter_rank_genes_groups,
        "score_genes_cell_cycle": oom.tl.score_genes_cell_cycle,
        **{name: getattr(oom.BackedArray, name) for name in REDUCTIONS},
    }
    for name, parameters in FUNCTIONS.items():
        function = of.get(name) or getattr(oom.AnnDataOOM, name, None)
        if not parameters or function is None:
            assert not parameters or name == "settings"
            continue
        signature = inspect.signature(function).parameters
        objects = ("self", "adata", "adatas")
        found = {k: p for k, p in signature.items() if k not in objects and p.kind is not p.VAR_KEYWORD}
        names = [p for p, _, _ in parameters]
        hidden = {"chunk_size"} if name == "read_h5ad" else set()
        assert set(found) == set(names) - hidden, name
        for parameter, kind, default in parameters:
            if kind == "value" and parameter not in hidden:
                given = found[parameter].default
                assert (None if given == () else given) == default, (name, parameter)
