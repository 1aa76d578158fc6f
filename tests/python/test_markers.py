"""Compares all results of marker genes with scanpy's, uses scanpy's plots and frames on ours, and
tests refused arguments."""

import json
import warnings

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from conftest import EXAMPLE, ROOT, data_file
from scipy import sparse

import anndataoom as oom

METHODS = [
    {"method": "t-test"},
    {"method": "t-test_overestim_var"},
    {"method": "wilcoxon"},
    {"method": "wilcoxon", "tie_correct": True},
]
FIELDS = ["scores", "pvals", "pvals_adj", "logfoldchanges"]


def logarithms(path, fmt="csr"):
    adata = ad.read_h5ad(path)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    del adata.uns["log1p"]["base"]
    if fmt == "csc":
        adata.X = sparse.csc_matrix(adata.X)
    elif fmt == "dense":
        adata.X = adata.X.toarray()
    return adata


def compare(found, expected):
    """Checks that names have the same order where scores differ, and that all values of each gene
    agree."""
    assert list(found["names"].dtype.names) == list(expected["names"].dtype.names)
    for group in expected["names"].dtype.names:
        ours = pd.DataFrame({f: found[f][group] for f in FIELDS}, index=found["names"][group])
        theirs = pd.DataFrame({f: expected[f][group] for f in FIELDS}, index=expected["names"][group])
        assert set(ours.index) == set(theirs.index)
        ours_sorted = ours.loc[theirs.index]
        for field in FIELDS:
            a, b = ours_sorted[field].to_numpy(dtype=float), theirs[field].to_numpy(dtype=float)
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-290 if field.startswith("p") else 1e-6, err_msg=field)
        place = theirs["scores"].to_numpy(dtype=float)
        # The order is the same where scores differ; signs are compared above.
        ranked = np.abs(ours["scores"].to_numpy(dtype=float))
        np.testing.assert_allclose(ranked, np.abs(place), rtol=1e-5, atol=1e-5)
    for part in ("pts", "pts_rest"):
        assert (part in found) == (part in expected)
        if part in expected:
            pd.testing.assert_frame_equal(found[part], expected[part], check_names=False)


def precise(adata):
    """Returns the same numbers as float64, because scanpy squares float32 in float32 for some
    layouts."""
    out = adata.copy()
    out.X = out.X.astype(np.float64)
    for name in list(out.layers):
        out.layers[name] = out.layers[name].astype(np.float64)
    if adata.raw is not None:
        raw = adata.raw.to_adata()
        raw.X = raw.X.astype(np.float64)
        out.raw = raw
    return out


def both(adata, opened, groupby, **args):
    key = args.get("key_added") or "rank_genes_groups"
    exact = precise(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(exact, groupby, **args)
        oom.tl.rank_genes_groups(opened, groupby, **args)
    adata.uns[key] = exact.uns[key]
    return opened.uns[key], exact.uns[key]


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
@pytest.mark.parametrize("reference", ["rest", "B"])
@pytest.mark.parametrize("method", METHODS, ids=lambda m: "-".join(map(str, m.values())))
def test_all_values_are_scanpys(on_disk, fmt, reference, method):
    adata = logarithms(EXAMPLE, fmt)
    reference = adata.obs["cell_type"].cat.categories[1] if reference != "rest" else reference
    found, expected = both(adata, on_disk(adata), "cell_type", reference=reference, pts=True, **method)
    compare(found, expected)
    assert found["params"] == expected["params"]
    for field in [*FIELDS, "names"]:
        assert found[field].dtype == expected[field].dtype and type(found[field]) is np.recarray


@pytest.mark.parametrize("method", METHODS, ids=lambda m: "-".join(map(str, m.values())))
@pytest.mark.parametrize("name", ["pbmc_like", "pbmc3k"])
def test_a_whole_file_is_scanpys(name, method):
    opened = oom.read(data_file(name))
    oom.pp.normalize_total(opened, target_sum=1e4)
    oom.pp.log1p(opened)
    # The logarithms are ours: those of numpy in float32 differ in the last bit between processors,
    # and with them ties and ranks.
    adata = opened.to_adata()
    for reference in ["rest", adata.obs["cell_type"].cat.categories[2]]:
        compare(*both(adata, opened, "cell_type", reference=reference, pts=True, **method))


def test_options_are_scanpys(on_disk):
    adata = logarithms(EXAMPLE)
    adata.layers["double"] = adata.X * 2
    types = list(adata.obs["cell_type"].cat.categories)
    adata.var["some"] = np.arange(adata.n_vars) % 3 == 0
    opened = on_disk(adata)
    for args in [
        {"groups": [types[3], types[0]], "method": "wilcoxon"},
        {"groups": [types[0]], "reference": types[2], "pts": True},
        {"layer": "double", "corr_method": "bonferroni"},
        {"mask_var": "some", "pts": True},
        {"mask_var": adata.var["some"].to_numpy(), "method": "wilcoxon"},
        {"rankby_abs": True, "key_added": "mine"},
    ]:
        compare(*both(adata, opened, "cell_type", **args))
    found, expected = both(adata, opened, "cell_type", n_genes=5)
    assert len(found["names"]) == 5
    assert {*found["names"][types[0]]} == {*expected["names"][types[0]]}
    adata.uns["log1p"] = opened.uns["log1p"] = {"base": 2}
    compare(*both(adata, opened, "cell_type"))
    before = set(opened.uns)
    copy = oom.tl.rank_genes_groups(opened, "cell_type", key_added="copied", copy=True)
    assert "copied" in copy.uns and set(opened.uns) == before


def test_raw_is_used_where_there_is_one(on_disk):
    adata = logarithms(EXAMPLE)
    adata.raw = adata.copy()
    adata = adata[:, :300].copy()
    opened = on_disk(adata)
    for use_raw in (None, False, True):
        found, expected = both(adata, opened, "cell_type", use_raw=use_raw)
        compare(found, expected)
        assert found["params"]["use_raw"] == (use_raw is not False)
    with pytest.raises(ValueError, match="layer and use_raw"):
        oom.tl.rank_genes_groups(opened, "cell_type", use_raw=True, layer="x")
    with pytest.raises(ValueError, match="mask_var: expected True or False for each of 2000 genes"):
        oom.tl.rank_genes_groups(opened, "cell_type", mask_var=np.ones(300, dtype=bool))


def test_frames_and_filters_are_scanpys(on_disk):
    adata = logarithms(EXAMPLE)
    adata.var["symbol"] = [f"s{j}" for j in range(adata.n_vars)]
    opened = on_disk(adata)
    types = list(adata.obs["cell_type"].cat.categories)
    both(adata, opened, "cell_type", pts=True)
    for args in [
        {"group": types[0]},
        {"group": None, "pval_cutoff": 0.01, "log2fc_min": 0.5},
        {"group": types[1:3], "log2fc_max": 0, "gene_symbols": "symbol"},
    ]:
        columns = ["group", "names"] if "group" in oom.get.rank_genes_groups_df(opened, **args) else ["names"]
        found = oom.get.rank_genes_groups_df(opened, **args).astype({c: str for c in columns})
        expected = sc.get.rank_genes_groups_df(adata, **args).astype({c: str for c in columns})
        assert list(found.columns) == list(expected.columns)
        order = dict(by=columns, ignore_index=True)
        pd.testing.assert_frame_equal(
            found.sort_values(**order), expected.sort_values(**order), rtol=1e-4, atol=1e-6, check_dtype=False
        )
    fractions = {"min_in_group_fraction": 0, "max_out_group_fraction": 1}
    for args in [{}, {"min_fold_change": 2, "compare_abs": True}, fractions]:
        for ranked in ({"pts": True}, {"pts": False}, {"reference": types[1]}):
            both(adata, opened, "cell_type", **ranked)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sc.tl.filter_rank_genes_groups(adata, **args)
            oom.tl.filter_rank_genes_groups(opened, **args)
            found, expected = (a.uns["rank_genes_groups_filtered"]["names"] for a in (opened, adata))
            for group in expected.dtype.names:
                ours, theirs = ({n for n in of[group] if isinstance(n, str)} for of in (found, expected))
                assert ours == theirs


def test_scanpys_plots_draw_it(on_disk):
    matplotlib.use("Agg")
    adata = on_disk(logarithms(EXAMPLE))
    oom.tl.rank_genes_groups(adata, "cell_type", method="wilcoxon", pts=True)
    oom.tl.dendrogram(adata, "cell_type", var_names=list(adata.var_names[:30]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pl.rank_genes_groups(adata, n_genes=5, show=False)
        names = ("dotplot", "matrixplot", "stacked_violin", "heatmap", "tracksplot")
        for name in names:
            drawn = getattr(sc.pl, f"rank_genes_groups_{name}")(adata, n_genes=3, show=False)
            assert drawn, name
        dots = sc.pl.rank_genes_groups_dotplot(adata, n_genes=3, return_fig=True)
        first = pd.DataFrame(adata.uns["rank_genes_groups"]["names"])[:3]
        assert set(dots.var_names) == set(first.to_numpy().ravel())
        sc.pl.rank_genes_groups_violin(adata, groups=adata.obs["cell_type"].cat.categories[0], n_genes=3, show=False)
    matplotlib.pyplot.close("all")


def test_results_are_written_and_read(on_disk, tmp_path):
    adata = on_disk(logarithms(EXAMPLE))
    oom.tl.rank_genes_groups(adata, "cell_type", pts=True)
    adata.write_h5ad(tmp_path / "ranked.h5ad")
    again = ad.read_h5ad(tmp_path / "ranked.h5ad").uns["rank_genes_groups"]
    for field in [*FIELDS, "names"]:
        assert (pd.DataFrame(again[field]) == pd.DataFrame(adata.uns["rank_genes_groups"][field])).all(axis=None)
    pd.testing.assert_frame_equal(
        oom.get.rank_genes_groups_df(oom.read(tmp_path / "ranked.h5ad")), oom.get.rank_genes_groups_df(adata)
    )


def test_what_cannot_be_compared_is_refused_by_name(on_disk):
    adata = logarithms(EXAMPLE)
    adata.obs["few"] = pd.Categorical(["one"] + ["two"] * (adata.n_obs - 1))
    adata.obs["missing"] = pd.Categorical([None] + ["two"] * (adata.n_obs - 2) + ["one"])
    opened = on_disk(adata)
    rank = oom.tl.rank_genes_groups
    with pytest.raises(ValueError, match="at least two cells in 'few' .*found 1 cell in 'one'"):
        rank(opened, "few")
    with pytest.raises(ValueError, match=r"groupby: obs\['missing'\] has missing values"):
        rank(opened, "missing")
    with pytest.raises(KeyError, match="groupby: obs has no column 'none'"):
        rank(opened, "none")
    with pytest.raises(ValueError, match="rank_genes_groups: reference must be a group of 'cell_type' .*found 'none'"):
        rank(opened, "cell_type", reference="none")
    with pytest.raises(ValueError, match="groups must be a group of 'cell_type'"):
        rank(opened, "cell_type", groups=["none"])
    with pytest.raises(ValueError, match="groups must be at least two groups, which a regression tells apart"):
        rank(opened, "cell_type", method="logreg", groups=[adata.obs["cell_type"].iloc[0]])
    with pytest.raises(KeyError, match="run anndataoom.tl.rank_genes_groups first"):
        oom.get.rank_genes_groups_df(opened, None)
    rank(opened, "cell_type")
    with pytest.raises(KeyError, match="group: .*has no group 'none'; there are"):
        oom.get.rank_genes_groups_df(opened, "none")
    x = adata.X.toarray()
    x[3, 7] = np.nan
    bad = on_disk(ad.AnnData(x, obs=adata.obs, var=adata.var))
    for method in ("t-test", "wilcoxon"):
        with pytest.raises(ValueError, match=f"NaN of gene '{adata.var_names[7]}' at row 3, column 7"):
            rank(bad, "cell_type", method=method)
    with pytest.warns(UserWarning, match="whole numbers .*run normalize_total"):
        rank(oom.read(EXAMPLE), "cell_type")


def test_thousands_of_groups(on_disk):
    rng = np.random.default_rng(0)
    n, k = 6000, 2000
    x = sparse.random(n, 40, 0.3, format="csr", random_state=0, dtype=np.float32)
    obs = pd.DataFrame({"guide": pd.Categorical([f"p{i % k}" if i < 5000 else "control" for i in rng.permutation(n)])})
    obs.index = obs.index.astype(str)
    adata = ad.AnnData(x, obs=obs)
    opened = on_disk(adata)
    some = [g for g in adata.obs["guide"].cat.categories if g != "control"][:4]
    for method in ("t-test", "wilcoxon"):
        args = {"reference": "control", "method": method}
        oom.tl.rank_genes_groups(opened, "guide", **args)
        assert len(opened.uns["rank_genes_groups"]["names"].dtype.names) == k
        all_groups = {f: opened.uns["rank_genes_groups"][f][some] for f in [*FIELDS, "names"]}
        found, expected = both(adata, opened, "guide", groups=some, **args)
        compare(found, expected)
        for group in some:
            assert (all_groups["names"][group] == found["names"][group]).all()
            assert (all_groups["pvals"][group] == found["pvals"][group]).all()


def reference(adata, groupby, genes, groups=None):
    """Returns the converged coefficients of scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    part = adata if groups is None else adata[adata.obs[groupby].isin(groups)]
    codes = part.obs[groupby].cat.remove_unused_categories()
    x = part[:, genes].X
    x = x.toarray() if sparse.issparse(x) else np.asarray(x)
    fit = LogisticRegression(solver="newton-cg", tol=1e-11, max_iter=10_000).fit(x.astype(np.float64), codes.cat.codes)
    return pd.DataFrame(fit.coef_.T, index=genes), list(codes.cat.categories)


@pytest.mark.parametrize("fmt", ["csr", "csc", "dense"])
def test_logistic_regression_is_scikit_learns(on_disk, fmt):
    adata = logarithms(EXAMPLE, fmt)
    adata.var["some"] = np.arange(adata.n_vars) % 9 == 4
    opened, genes = on_disk(adata), list(adata.var_names[np.arange(adata.n_vars) % 9 == 4])
    types = list(adata.obs["cell_type"].cat.categories)
    for args in [{}, {"groups": types[1:4]}, {"groups": types[:2], "reference": types[4]}]:
        groups = [*args.get("groups", types), *([args["reference"]] if "reference" in args else [])]
        oom.tl.rank_genes_groups(opened, "cell_type", method="logreg", mask_var="some", **args)
        found = opened.uns["rank_genes_groups"]
        assert set(found) == {"params", "names", "scores"} and found["params"]["method"] == "logreg"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = precise(adata)
            more = {"solver": "newton-cg", "tol": 1e-11}
            sc.tl.rank_genes_groups(theirs, "cell_type", method="logreg", mask_var="some", **more, **args)
        scanpys = theirs.uns["rank_genes_groups"]
        assert set(scanpys) == set(found)
        assert found["scores"].dtype == scanpys["scores"].dtype
        coefficients, names = reference(adata, "cell_type", genes, groups)
        for group in found["names"].dtype.names:
            ours = pd.Series(found["scores"][group], index=found["names"][group])
            theirs = pd.Series(scanpys["scores"][group], index=scanpys["names"][group])
            for expected in (coefficients[names.index(group)], theirs):
                np.testing.assert_allclose(ours, expected[ours.index], atol=2e-6)
            assert (np.diff(found["scores"][group]) <= 0).all()
    # With two groups the first is ranked by its own coefficients, where scanpy uses those of the
    # second.
    two = types[2:4]
    oom.tl.rank_genes_groups(opened, "cell_type", method="logreg", mask_var="some", groups=two, n_genes=7)
    found = opened.uns["rank_genes_groups"]
    assert found["names"].dtype.names == (two[0],) and len(found["names"]) == 7
    coefficients, names = reference(adata, "cell_type", genes, two)
    ours = pd.Series(found["scores"][two[0]], index=found["names"][two[0]])
    np.testing.assert_allclose(ours, -coefficients[0][ours.index], atol=2e-6)
    assert list(ours.index) == list((-coefficients[0]).sort_values(ascending=False).index[:7])
    frame = oom.get.rank_genes_groups_df(opened, two[0])
    assert list(frame.columns) == ["names", "scores"]


@pytest.mark.parametrize("name", ["pbmc_like", "pbmc3k"])
def test_a_regression_of_a_whole_file_is_scanpys(name):
    opened = oom.read(data_file(name))
    oom.pp.normalize_total(opened, target_sum=1e4)
    oom.pp.log1p(opened)
    oom.pp.highly_variable_genes(opened, n_top_genes=400)
    adata = opened.to_adata()
    args = {"method": "logreg", "mask_var": "highly_variable"}
    oom.tl.rank_genes_groups(opened, "cell_type", **args)
    adata.X = adata.X.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(adata, "cell_type", solver="newton-cg", tol=1e-11, **args)
    ours, theirs = (a.uns["rank_genes_groups"] for a in (opened, adata))
    for group in theirs["names"].dtype.names:
        a = pd.Series(ours["scores"][group], index=ours["names"][group])
        b = pd.Series(theirs["scores"][group], index=theirs["names"][group])
        np.testing.assert_allclose(a, b[a.index], atol=1e-5)
        apart = np.abs(np.diff(b)) > 2e-5
        assert (a.index[:-1][apart & np.r_[True, apart[:-1]]] == b.index[:-1][apart & np.r_[True, apart[:-1]]]).all()


def test_golden_values(on_disk):
    golden = json.loads((ROOT / "tests" / "golden" / "markers.json").read_text())
    adata = ad.read_h5ad(EXAMPLE)
    adata.X = sparse.csr_matrix(np.round(np.log1p(adata.X.toarray().astype(np.float64)) * 64) / 64)
    opened = on_disk(adata)
    for run, groups in golden["runs"].items():
        test, reference = run.split(", ")
        method, *tie_correct = test.split()
        oom.tl.rank_genes_groups(
            opened, "cell_type", method=method, tie_correct=bool(tie_correct), reference=reference, pts=True
        )
        found = opened.uns["rank_genes_groups"]
        assert set(found["names"].dtype.names) == set(groups)
        for group, expected in groups.items():
            ours = pd.DataFrame({f: found[f][group].astype(float) for f in FIELDS}, index=found["names"][group])
            ours["pts"] = found["pts"].loc[ours.index, group]
            expected = pd.DataFrame(expected).set_index("names")
            ours_there = ours.loc[expected.index, expected.columns]
            pd.testing.assert_frame_equal(ours_there, expected, rtol=1e-5, check_names=False)
            assert list(ours.index[ours.index.isin(expected.index)]) == list(expected.index)
