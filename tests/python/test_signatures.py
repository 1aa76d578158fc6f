"""Checks that every verb has scanpy's parameters, in its order and with its defaults, except where
a table of the docs says otherwise."""

import inspect
from importlib.metadata import version
from types import MappingProxyType

import numpy as np
import pytest
import scanpy as sc
from conftest import ROOT, rich

import anndataoom as oom

# The docs give the values of some parameters in a table; of two values, the first is that of scanpy
# 1.11.
COLUMN = 0 if tuple(map(int, version("scanpy").split(".")[:2])) < (1, 12) else 1


def scanpys(part, name):
    """Returns the function of scanpy, or None if there is none."""
    stable, experimental = getattr(sc, part), getattr(sc.experimental, part, None)
    return getattr(stable, name, None) or getattr(experimental, name, None)


VERBS = [(part, name) for part in ("pp", "tl") for name in getattr(oom, part).__all__ if scanpys(part, name)]


def shown(parameter):
    """Returns a default as the table writes it."""
    value = parameter.default
    if value is parameter.empty:
        return "-"
    if isinstance(value, MappingProxyType):
        return "{}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}"
    # Both of them stand for a default that depends on the data.
    return "automatic" if " object at 0x" in repr(value) or type(value).__name__ == "Empty" else repr(value)


def parameters(function):
    found = {}
    for i, p in enumerate(inspect.signature(function).parameters.values()):
        stars = {p.VAR_KEYWORD: "**", p.VAR_POSITIONAL: "*"}.get(p.kind, "")
        found["adata" if i == 0 and p.name == "data" else stars + p.name] = p
    return found


def table():
    """Returns our default and that of the installed scanpy, by (verb, parameter)."""
    rows = {}
    for line in (ROOT / "inst" / "design" / "differences.md").read_text().splitlines():
        cells = [c.strip().replace(r"\|", "|") for c in line.strip().strip("|").split(" | ")]
        if len(cells) != 5 or cells[0] in ("verb", "") or set(cells[0]) <= {"-", "|"}:
            continue
        verb, parameter, here, theirs, why = cells
        assert why, line
        values = theirs.split(" / ")
        value = values[min(COLUMN, len(values) - 1)]
        assert (verb, parameter) not in rows, line
        if value != here:
            rows[verb, parameter] = here, value
    return rows


def test_every_difference_is_in_the_table_and_no_other():
    found = {}
    for part, name in VERBS:
        ours, theirs = parameters(getattr(getattr(oom, part), name)), parameters(scanpys(part, name))
        for parameter in {**theirs, **ours}:
            pair = tuple(shown(p[parameter]) if parameter in p else "none" for p in (ours, theirs))
            if pair[0] != pair[1]:
                found[name, parameter] = pair
    assert found == table()


@pytest.mark.parametrize("part, name", VERBS)
def test_order(part, name):
    ours, theirs = parameters(getattr(getattr(oom, part), name)), parameters(scanpys(part, name))
    assert [p for p in ours if p in theirs] == [p for p in theirs if p in ours]
    positional = [p for p in theirs if theirs[p].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert list(ours)[: len(positional)] == positional
    assert all(ours[p].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in positional)


WORDS = [
    ("pp", "calculate_qc_metrics", "expr_type", "counts"),
    ("pp", "calculate_qc_metrics", "var_type", "genes"),
    ("pp", "highly_variable_genes", "flavor", "seurat"),
    ("pp", "neighbors", "method", "gauss"),
    ("pp", "neighbors", "search", "ivf"),
    ("pp", "neighbors", "metric", "cosine"),
    ("pp", "pca", "svd_solver", "arpack"),
    ("tl", "dendrogram", "cor_method", "pearson"),
    ("tl", "dendrogram", "linkage_method", "complete"),
    ("tl", "leiden", "flavor", "igraph"),
    ("tl", "leiden", "objective_function", "CPM"),
    ("tl", "louvain", "flavor", "vtraag"),
    ("tl", "paga", "model", "v1.2"),
    ("tl", "umap", "init_pos", "spectral"),
    ("tl", "umap", "method", "umap"),
]


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    path = tmp_path_factory.mktemp("ready") / "a.h5ad"
    rich().write_h5ad(path)
    adata = oom.read(path)
    oom.pp.pca(adata, n_comps=5)
    oom.pp.neighbors(adata, n_neighbors=5)
    return adata


@pytest.mark.parametrize("part, name, parameter, known", WORDS)
def test_a_word_that_is_none_of_the_values_is_an_error_that_names_them(ready, part, name, parameter, known):
    more = {"dendrogram": {"groupby": "group"}, "paga": {"groups": "group"}}.get(name, {})
    adata = ready.copy()
    # "" used to stand for a default, and "given" is a word of the core.
    for word in ("nonsense", "", "given"):
        with pytest.raises((ValueError, NotImplementedError)) as error:
            getattr(getattr(oom, part), name)(adata, **{parameter: word}, **more)
        assert parameter in str(error.value) and known in str(error.value)
        assert word in str(error.value)
    assert list(adata.obs) == list(ready.obs) and list(adata.uns) == list(ready.uns)


@pytest.mark.parametrize("parameter, values", [("join", "'outer'"), ("merge", "'unique'"), ("uns_merge", "'first'")])
def test_words_of_concat(ready, parameter, values):
    with pytest.raises(ValueError, match=values) as error:
        oom.concat([ready, ready], **{parameter: "nonsense"})
    assert "nonsense" in str(error.value)


def test_words_of_reading_and_writing(ready, tmp_path):
    ready.write(tmp_path / "a.h5ad")
    with pytest.raises(ValueError, match="backed.*'r'"):
        oom.read(tmp_path / "a.h5ad", backed="w")
    with pytest.raises(ValueError, match="compression.*'lzf'.*'nonsense'"):
        ready.write(tmp_path / "b.h5ad", compression="nonsense")
    with pytest.raises(ValueError, match="join"):
        oom.AnnDataSet([("a", tmp_path / "a.h5ad")], join="nonsense")


def test_defaults_that_return(ready):
    """Checks that verbs whose kind of result depends on a default return what scanpy returns."""
    adata = ready.copy()
    obs, var = oom.pp.calculate_qc_metrics(adata, percent_top=None)
    assert len(obs) == adata.n_obs and len(var) == adata.n_vars and "total_counts" not in adata.obs
    memory = adata.to_memory()
    want = sc.pp.calculate_qc_metrics(memory, percent_top=None)
    for ours, theirs in zip((obs, var), want):
        assert list(ours.columns) == list(theirs.columns) and ours.index.equals(theirs.index)
        np.testing.assert_allclose(ours.to_numpy(dtype=float), theirs.to_numpy(dtype=float), rtol=1e-6)
