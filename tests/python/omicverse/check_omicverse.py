"""Compares unmodified omicverse 2.3.2 on our package with omicverse in memory: `make
test-omicverse`.

Every figure that is compared is shown at the end. The file is that of OMICVERSE_H5AD, else the 3k
PBMCs if they lie beside the project, else the bundled example.
"""

import os
import warnings
from pathlib import Path

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

matplotlib.use("Agg")
oom = pytest.importorskip("anndataoom")
ov = pytest.importorskip("omicverse")

ROOT = Path(__file__).resolve().parents[3]
CANDIDATES = [ROOT.parent / "shared" / "data" / "pbmc3k.h5ad", ROOT / "inst" / "extdata" / "pbmc_like.h5ad"]
N_TOP = 2000
# The figures that conftest.py shows after the tests.
FIGURES: list[str] = []
MARKERS = ["CD3D", "NKG7", "MS4A1", "LYZ", "CST3", "PPBP"]


def source():
    given = os.environ.get("OMICVERSE_H5AD")
    return Path(given) if given else next(p for p in CANDIDATES if p.exists())


def dense(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def report(what, value):
    FIGURES.append(f"{what}: {value}")


def relative(found, expected):
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    return float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected))))


def both():
    """Opens the file as omicverse reads it into memory, and through our package."""
    return ov.read(str(source())), ov.read(str(source()), backend="rust")


def kept(mask):
    return set(mask.index[mask.to_numpy(dtype=bool)])


@pytest.fixture(autouse=True, scope="module")
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def pipeline(adata, folder):
    """Runs omicverse's own tutorial, from QC to a file. Returns the values to compare."""
    seen = {}
    adata = ov.pp.qc(adata, tresh={"mito_perc": 0.2, "nUMIs": 500, "detected_genes": 250}, doublets=False)
    seen["qc obs"], seen["qc var"] = adata.obs.copy(), adata.var.copy()
    adata = ov.pp.preprocess(adata, mode="shiftlog|pearson", n_HVGs=N_TOP, target_sum=50 * 1e4)
    seen["X"] = dense(adata.X[:50])
    seen["hvg"] = kept(adata.var["highly_variable_features"])
    adata.raw = adata
    adata = adata[:, adata.var.highly_variable_features]
    if not oom.is_oom(adata):
        adata = adata.copy()
    ov.pp.scale(adata)
    seen["scaled"] = dense(adata.layers["scaled"][:50])
    ov.pp.pca(adata, layer="scaled", n_pcs=50)
    ov.pp.neighbors(adata, n_neighbors=15, n_pcs=50, use_rep="scaled|original|X_pca")
    ov.pp.umap(adata)
    ov.pp.leiden(adata, resolution=1)
    genes = [g for g in MARKERS if g in adata.raw.var_names] or list(adata.raw.var_names[:4])
    ov.pl.embedding(adata, basis="X_umap", color=["leiden", genes[0]], show=False)
    ov.pl.dotplot(adata, genes, groupby="leiden", show=False)
    ov.pl.violin(adata, keys=genes[0], groupby="leiden", use_raw=True, show=False)
    matplotlib.pyplot.close("all")
    seen["gene"] = adata.raw.obs_vector(genes[0])
    adata.write(folder / "out.h5ad")
    return adata, seen


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    memory, disk = both()
    report("file", f"{source().name}, {memory.n_obs} x {memory.n_vars}")
    assert oom.is_oom(disk) and not oom.is_oom(memory)
    return {
        name: (*pipeline(adata, folder := tmp_path_factory.mktemp(name)), folder)
        for name, adata in (("memory", memory), ("disk", disk))
    }


def test_it_stays_on_disk(runs):
    assert oom.is_oom(runs["disk"][0]) and not isinstance(runs["disk"][0].X, np.ndarray)


def test_qc(runs):
    (_, memory, _), (_, disk, _) = runs["memory"], runs["disk"]
    assert list(memory["qc obs"].index) == list(disk["qc obs"].index)
    assert list(memory["qc var"].index) == list(disk["qc var"].index)
    for slot in ("qc obs", "qc var"):
        for name in memory[slot].columns.intersection(disk[slot].columns):
            if memory[slot][name].dtype.kind in "biuf":
                worst = relative(disk[slot][name], memory[slot][name])
                report(f"{slot} {name}", f"{worst:.1e}")
                assert worst <= 1e-6, name
    assert {"nUMIs", "detected_genes", "mito_perc"} <= set(disk["qc obs"].columns)


def test_normalised_and_scaled(runs):
    (_, memory, _), (_, disk, _) = runs["memory"], runs["disk"]
    report("normalised, largest difference", f"{np.abs(memory['X'] - disk['X']).max():.1e}")
    np.testing.assert_allclose(disk["X"], memory["X"], rtol=1e-5, atol=1e-5)
    report("scaled, largest difference", f"{np.abs(memory['scaled'] - disk['scaled']).max():.1e}")
    np.testing.assert_allclose(disk["scaled"], memory["scaled"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(disk["gene"], memory["gene"], rtol=1e-5, atol=1e-6)


def test_highly_variable_genes_of_the_pipeline(runs):
    found, expected = runs["disk"][1]["hvg"], runs["memory"][1]["hvg"]
    report("highly variable genes in common", f"{len(found & expected)} of {len(expected)}")
    assert found == expected


def test_principal_components(runs):
    memory, disk = runs["memory"][0], runs["disk"][0]
    key = "scaled|original|X_pca"
    a, b = memory.obsm[key], disk.obsm[key]
    r = [abs(np.corrcoef(a[:, i], b[:, i])[0, 1]) for i in range(20)]
    report("smallest |r| of PC 1-20", f"{min(r):.6f}")
    assert min(r) >= 0.9999
    one, two = memory.uns["pca"], disk.uns["pca"]
    ratios = " and ".join(f"{a['variance_ratio'][0]:.7f}" for a in (one, two))
    report("variance_ratio of PC1, in memory and on disk", ratios)
    np.testing.assert_allclose(two["variance_ratio"][:20], one["variance_ratio"][:20], rtol=1e-3)


def test_clusters(runs):
    from sklearn.metrics import adjusted_rand_score

    memory, disk = runs["memory"][0], runs["disk"][0]
    ari = adjusted_rand_score(memory.obs["leiden"], disk.obs["leiden"])
    again = memory.copy()
    noise = []
    for seed in (1, 2, 3):
        ov.pp.leiden(again, resolution=1, random_state=seed)
        noise.append(adjusted_rand_score(memory.obs["leiden"], again.obs["leiden"]))
    report("ARI of Leiden", f"{ari:.4f}; of other seeds in memory {', '.join(f'{n:.4f}' for n in noise)}")
    assert ari >= min(0.95, *noise)


def test_what_is_written(runs):
    memory = ad.read_h5ad(runs["memory"][2] / "out.h5ad")
    disk = ad.read_h5ad(runs["disk"][2] / "out.h5ad")
    assert disk.shape == memory.shape and disk.raw.shape == memory.raw.shape
    assert sparse.issparse(disk.raw.X)
    np.testing.assert_allclose(dense(disk.raw.X[:50]), dense(memory.raw.X[:50]), rtol=1e-5, atol=1e-6)
    assert set(memory.obsm) == set(disk.obsm) and set(memory.obsp) == set(disk.obsp)
    assert list(disk.obs["leiden"].cat.categories) == list(runs["disk"][0].obs["leiden"].cat.categories)


def test_filters():
    memory, disk = both()
    for function, options in ((ov.pp.filter_cells, {"min_genes": 300}), (ov.pp.filter_genes, {"min_cells": 5})):
        for adata in (memory, disk):
            function(adata, **options)
        assert list(memory.obs_names) == list(disk.obs_names) and list(memory.var_names) == list(disk.var_names)
    report("cells x genes after filters", disk.shape)


def log_normalised():
    for adata in both():
        ov.pp.normalize_total(adata, target_sum=1e4)
        ov.pp.log1p(adata)
        yield adata


@pytest.mark.parametrize("flavor", ["seurat", "cell_ranger"])
@pytest.mark.parametrize("n_top", [None, N_TOP])
def test_highly_variable_genes(flavor, n_top):
    memory, disk = log_normalised()
    for adata in (memory, disk):
        ov.pp.highly_variable_genes(adata, flavor=flavor, n_top_genes=n_top)
    found, expected = kept(disk.var["highly_variable"]), kept(memory.var["highly_variable"])
    report(f"{flavor}, n_top_genes = {n_top}", f"{len(found & expected)} in common of {len(expected)} and {len(found)}")
    assert found == expected


def test_highly_variable_genes_seurat_v3():
    """Compares this flavour with the genes chosen in memory, because omicverse itself uses Pearson
    residuals instead when data are on disk."""
    import scanpy as sc

    memory, disk = both()
    ov.pp.highly_variable_genes(disk, flavor="seurat_v3", n_top_genes=N_TOP)
    sc.experimental.pp.highly_variable_genes(memory, flavor="pearson_residuals", n_top_genes=N_TOP)
    found, expected = kept(disk.var["highly_variable"]), kept(memory.var["highly_variable"])
    report("seurat_v3 (Pearson residuals)", f"{len(found & expected)} in common of {len(expected)}")
    assert found == expected


def test_pegasus():
    memory, disk = log_normalised()
    # omicverse's preprocess() makes these calls for either kind of data.
    ov.pp.identify_robust_genes(memory, percent_cells=0.05)
    oom.chunked_identify_robust_genes(disk, percent_cells=0.05)
    for adata in (memory, disk):
        ov.pp.highly_variable_features(adata, n_top=N_TOP)
    found, expected = kept(disk.var["highly_variable_features"]), kept(memory.var["highly_variable_features"])
    report("pegasus", f"{len(found & expected)} in common of {len(expected)}")
    report("hvf_loess, largest relative difference", f"{relative(disk.var['hvf_loess'], memory.var['hvf_loess']):.1e}")
    assert found == expected


def test_regress():
    memory, disk = log_normalised()
    for adata in (memory, disk):
        adata.obs["nUMIs"] = np.asarray(ov.read(str(source())).X.sum(1)).ravel()
        adata.obs["mito_perc"] = np.linspace(0, 0.2, adata.n_obs)
    memory = memory[:, :400].copy()
    disk = disk[:, :400]
    for adata in (memory, disk):
        ov.pp.regress(adata)
    found, expected = dense(disk.layers["regressed"][:]), dense(memory.layers["regressed"])
    report("regress, largest difference", f"{np.abs(found - expected).max():.1e}")
    np.testing.assert_allclose(found, expected, atol=2e-4)
    ov.pp.regress_and_scale(disk)
    assert "regressed_and_scaled" in disk.layers


def test_pearson_residuals():
    memory, disk = both()
    for adata in (memory, disk):
        ov.pp.normalize_pearson_residuals(adata)
    found, expected = disk.X[:100], dense(memory.X[:100])
    report("Pearson residuals, largest difference", f"{np.nanmax(np.abs(found - expected)):.1e}")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_scrublet():
    memory, disk = both()
    for adata in (memory, disk):
        ov.pp.scrublet(adata, random_state=0)
    r = np.corrcoef(memory.obs["doublet_score"], disk.obs["doublet_score"])[0, 1]
    same = (memory.obs["predicted_doublet"] == disk.obs["predicted_doublet"]).mean()
    report("scrublet", f"r of scores {r:.4f}, same call for {same:.2%} of the cells")
    assert r > 0.9 and same > 0.97


@pytest.mark.parametrize("method", ["cosg", "t-test"])
def test_markers(method):
    memory, disk = log_normalised()
    group = "cell_type" if "cell_type" in memory.obs else memory.obs.columns[0]
    for adata in (memory, disk):
        ov.single.find_markers(adata, groupby=group, method=method, n_genes=20)
    assert oom.is_oom(disk)
    key = next(k for k in memory.uns if "rank" in k or "marker" in k or "cosg" in k.lower())
    one, two = (pd.DataFrame(a.uns[key]["names"]) for a in (memory, disk))
    report(f"markers by {method}, same names", f"{(one.to_numpy() == two.to_numpy()).mean():.2%}")
    assert (one.to_numpy() == two.to_numpy()).mean() > 0.95
