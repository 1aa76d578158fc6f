"""Compares signatures, defaults, results and errors of pp and tl with the core's table of verbs."""

import fnmatch
import inspect
import re
import warnings

import numpy as np
import pytest
from conftest import EXAMPLE

import anndataoom as oom
from anndataoom import _core

TABLE = _core.verb_table()
VERBS = {name: getattr(oom.pp, name, None) or getattr(oom.tl, name) for name in TABLE}


def test_every_verb_is_in_the_table():
    assert {*oom.pp.__all__, *oom.tl.__all__} - set(_core.function_table()) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_signature(name):
    params, _ = TABLE[name]
    found = list(inspect.signature(VERBS[name]).parameters.values())[1:]
    assert [p.name for p in found] == [p for p, _, _ in params]
    for parameter, (_, kind, default) in zip(found, params):
        if kind == "required":
            assert parameter.default is inspect.Parameter.empty
        elif kind == "value":
            assert (parameter.default if parameter.default != () else None) == default, parameter.name


def pipeline():
    adata = oom.read(EXAMPLE)
    oom.pp.normalize_total(adata)
    oom.pp.log1p(adata)
    oom.pp.pca(adata, n_comps=10)
    oom.pp.neighbors(adata)
    return adata


def snapshot(adata):
    slots = ("obs", "var", "obsm", "varm", "obsp", "uns")
    return {f"{slot}/{key}" for slot in slots for key in getattr(adata, slot)}


CALLS = {
    "calculate_qc_metrics": {"inplace": True},
    "filter_cells": {"min_genes": 1},
    "filter_genes": {"min_cells": 1},
    "regress_out": {"keys": ["score"]},
    "paga": {"groups": "batch"},
    "dendrogram": {"groupby": "cell_type"},
    "rank_genes_groups": {"groupby": "cell_type"},
    "harmony_integrate": {"key": "batch"},
    "embedding_density": {"basis": "pca"},
    "scrublet": {"n_prin_comps": 10},
    "sample": {"n": 50},
    "sketch": {"n": 50},
    "downsample_counts": {"counts_per_cell": 100},
    "score_genes": {"gene_list": ["CD3D", "LYZ"]},
    "score_aucell": {"gene_list": ["CD3D", "LYZ"]},
}


@pytest.mark.parametrize("name", TABLE)
def test_results(name):
    """Checks that a verb adds the elements that the table lists, and no others."""
    adata = pipeline()
    adata.obs["score"] = np.arange(adata.n_obs) % 7
    adata.uns["iroot"] = 0
    if name == "dpt":
        oom.tl.diffmap(adata)
    args = dict(CALLS.get(name, {}))
    if name in ("ingest", "transfer_labels"):
        args = {"adata_ref": adata.copy(), "obs": "cell_type"}
        oom.tl.umap(args["adata_ref"], maxiter=5)
    elif name == "downsample_counts":
        adata = oom.read(EXAMPLE)
    before = snapshot(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        VERBS[name](adata, **args)
    patterns = [re.sub("[{].*?[}]", "*", pattern) for pattern in TABLE[name][1]]
    for key in snapshot(adata) - before:
        assert any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns), key


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("pca", {"n_comps": -1}, "pca: n_comps must be a whole number, 1 or more, or None, found -1"),
        ("pca", {"n_comps": 2**63}, "n_comps.* found 9223372036854775808"),
        ("pca", {"n_comps": "ten"}, "n_comps.* found 'ten'"),
        ("pca", {"zero_center": None}, "zero_center must be True or False, found None"),
        ("normalize_total", {"target_sum": float("nan")}, "target_sum.* found nan"),
        ("normalize_total", {"target_sum": np.float32("inf")}, "target_sum.* found inf"),
        ("scale", {"max_value": -1}, "max_value"),
        ("log1p", {"base": "e"}, "base.* found 'e'"),
        ("log1p", {"base": 1}, "base"),
        ("highly_variable_genes", {"n_bins": 10**10}, "n_bins.* from 1 to 100000, found 10000000000"),
        ("highly_variable_genes", {"flavor": "best"}, "'seurat', .* or 'pearson_residuals', found 'best'"),
        ("neighbors", {"n_neighbors": 2.5}, "n_neighbors"),
        ("neighbors", {"n_neighbors": 10**6}, "n_neighbors"),
        ("umap", {"n_components": 10**9}, "n_components"),
        ("umap", {"n_components": 2**31}, "n_components"),
        ("umap", {"negative_sample_rate": 2 * 10**9}, "negative_sample_rate"),
        ("umap", {"random_state": -1}, "random_state"),
        ("umap", {"init_pos": "nothing"}, "init_pos must be 'spectral', .*found 'nothing'"),
        ("leiden", {"n_iterations": 0}, "leiden: n_iterations must be .* or -1, found 0"),
        ("leiden", {"resolution": [1, 2]}, r"resolution must be .*, found \[1, 2\]"),
        ("louvain", {"resolution": float("nan")}, "resolution"),
        ("diffmap", {"n_comps": 2}, "n_comps"),
        ("filter_cells", {"min_genes": float("inf")}, "min_genes"),
        ("filter_cells", {}, "exactly one of min_counts, min_genes"),
        ("dendrogram", {"groupby": "cell_type", "cor_method": "kappa"}, "cor_method"),
        ("normalize_pearson_residuals", {"theta": 0}, "theta"),
        ("rank_genes_groups", {"groupby": "cell_type", "method": "best"}, "'t-test', .*None, found 'best'"),
    ],
)
def test_refused_before_anything_is_done(name, args, message):
    adata = pipeline()
    before = snapshot(adata)
    with pytest.raises(ValueError, match=message):
        VERBS[name](adata, **args)
    assert snapshot(adata) == before


def test_percent_top_is_an_index_error():
    with pytest.raises(IndexError, match="percent_top"):
        oom.pp.calculate_qc_metrics(oom.read(EXAMPLE), percent_top=[10**6])


@pytest.mark.parametrize("value", [0, 2**63, -1, "many", True, 1.5])
def test_settings(value):
    old = oom.settings.threads
    with pytest.raises(ValueError, match="settings.threads must be a whole number from 1 to 1024, or None"):
        oom.settings.threads = value
    assert oom.settings.threads == old
    with pytest.raises(ValueError, match="memory"):
        oom.settings.memory = None


def test_the_graph_stage_and_scratch_files_have_limits_of_their_own(monkeypatch):
    adata = pipeline()
    monkeypatch.setattr(oom.settings, "graph_memory", 50)
    for call in (oom.pp.neighbors, oom.tl.umap, oom.tl.leiden, oom.tl.louvain, oom.tl.diffmap):
        with pytest.raises(MemoryError, match="needs [0-9]+ bytes, the limit is 50; .*raise settings.graph_memory"):
            call(adata)
    monkeypatch.setattr(oom.settings, "graph_memory", None)
    oom.tl.leiden(adata)
    before = list(adata.obs["leiden"])
    # The memory of passes does not bound the graph stage.
    monkeypatch.setattr(oom.settings, "memory", 1)
    oom.tl.leiden(adata)
    assert list(adata.obs["leiden"]) == before

    monkeypatch.setattr(oom.settings, "scratch_limit", 10)
    message = "scratch files in '.*' need .* of the 10 they may take; raise settings.scratch_limit"
    with pytest.raises(OSError, match=message):
        oom.tl.rank_genes_groups(adata, "cell_type", method="wilcoxon")
    monkeypatch.setattr(oom.settings, "scratch_limit", None)
    oom.tl.rank_genes_groups(adata, "cell_type", method="wilcoxon")
    with pytest.raises(ValueError, match="settings.scratch_limit must be a whole number, 0 or more, or None, found -1"):
        oom.settings.scratch_limit = -1


def test_numpy_arguments():
    adata = oom.read(EXAMPLE)
    oom.pp.filter_cells(adata, min_genes=np.int64(1))
    oom.pp.normalize_total(adata, target_sum=np.float32(10), exclude_highly_expressed=np.bool_(False))
    oom.pp.pca(adata, n_comps=np.uint8(3), mask_var=np.arange(adata.n_vars) < 50)
    assert adata.obsm["X_pca"].shape[1] == 3
