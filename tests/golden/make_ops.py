"""Makes golden values for the `ops` room: QC, filters, normalisation, highly variable genes, PCA.

    OPENBLAS_NUM_THREADS=1 python make_ops.py [path to pbmc3k.h5ad, or inst/extdata/pbmc_like.h5ad]

Needs scanpy 1.11.5, scikit-misc, scikit-learn. Writes `ops.bin` (a small simulated matrix and everything computed from it)
or, when a data set is given, `ops_pbmc3k.bin` or `ops_pbmc_like.bin`. The format is a list of named arrays, see `write`.
"""

import struct
import sys
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp

warnings.simplefilter("ignore")
HERE = Path(__file__).parent


def write(path, arrays):
    """Writes arrays one after the other: name length (u8), name, dtype (u8: 0 f64, 1 f32, 2 u8, 3
    u16), ndim (u8), extents (u32), values; little-endian."""
    codes = {"f8": 0, "f4": 1, "u1": 2, "u2": 3}
    with open(path, "wb") as f:
        for name, a in arrays.items():
            a = np.ascontiguousarray(a)
            if a.dtype.str[1:] not in codes:
                a = a.astype("u1" if a.dtype == bool else "f8")
            f.write(struct.pack("B", len(name)) + name.encode())
            f.write(struct.pack("BB", codes[a.dtype.str[1:]], a.ndim) + struct.pack(f"<{a.ndim}I", *a.shape))
            f.write(a.astype(a.dtype.newbyteorder("<")).tobytes())
    print(path.name, path.stat().st_size, "bytes")


def simulate(n=300, p=500):
    """Simulates negative-binomial counts of three cell types in three batches, with an empty cell
    and an empty gene."""
    rng = np.random.default_rng(7)
    mean = rng.gamma(0.5, 1.2, p)
    fold = np.where(rng.random((3, p)) < 0.15, rng.gamma(2, 2, (3, p)), 1.0)
    shift = np.exp(0.3 * rng.standard_normal((3, p)))
    kind, batch = rng.integers(0, 3, n), rng.integers(0, 3, n)
    depth = np.exp(0.5 * rng.standard_normal(n))
    mu = depth[:, None] * mean * fold[kind] * shift[batch]
    x = rng.poisson(rng.gamma(3, mu / 3)).clip(0, 255).astype("u1")
    x[17], x[:, 23] = 0, 0
    return x, batch


def hvg(out, prefix, counts, logged, batch, tops):
    """Runs all flavours, with and without batches, on float32 values as scanpy has them."""
    runs = []
    for key in [None, "batch"] if batch is not None else [None]:
        tag = "" if key is None else "_batch"
        top = tops[0]
        # scanpy's residuals of an empty cell are NaN.
        full = counts[np.asarray(counts.X.sum(1)).ravel() > 0]
        runs.append((f"pearson{tag}", full, sc.experimental.pp.highly_variable_genes, dict(n_top_genes=top, batch_key=key)))
        for flavor in ["seurat", "cell_ranger"]:
            for n in (top, None):
                name = f"{flavor}{tag}_{'cut' if n is None else 'top'}"
                runs.append((name, logged, sc.pp.highly_variable_genes, dict(flavor=flavor, n_top_genes=n, batch_key=key)))
        for flavor in ["seurat_v3", "seurat_v3_paper"] if key else ["seurat_v3"]:
            runs.append((f"{flavor}{tag}", counts, sc.pp.highly_variable_genes, dict(flavor=flavor, n_top_genes=top, batch_key=key)))
    for name, data, verb, args in runs:
        df = verb(data.copy(), inplace=False, **args)
        for c in df.columns:
            if c in ("gene_name", "mean_bin"):
                continue
            a = df[c].to_numpy()
            out[f"{prefix}{name}.{c}"] = a if a.dtype == bool else a.astype("f8")


def pca(out, name, dense, k, rows, cols=None):
    """Computes an exact PCA in f64 by SVD, with signs by scikit-learn's rule for PCA (svd_flip,
    u_based_decision=False)."""
    y = dense - dense.mean(0)
    u, s, vt = np.linalg.svd(y, full_matrices=False)
    big = np.abs(vt).argmax(1)
    sign = np.sign(vt[np.arange(len(s)), big])
    u, vt = u * sign, vt * sign[:, None]
    var = s**2 / (len(y) - 1)
    out[f"{name}.variance"], out[f"{name}.variance_ratio"] = var[:k], var[:k] / var.sum()
    pcs = vt[:k].T
    out[f"{name}.PCs"] = pcs if cols is None else pcs[cols].astype("f4")
    out[f"{name}.X_pca"] = ((u * s)[:, :k])[rows].astype("f4")


def small():
    x, batch = simulate()
    n, p = x.shape
    out = {"X": x, "batch": batch.astype("u1")}
    a = ad.AnnData(sp.csr_matrix(x.astype("f4")), obs=pd.DataFrame({"batch": pd.Categorical(batch)}, index=[f"c{i:03}" for i in range(n)]))
    a.var_names = [f"g{i:03}" for i in range(p)]
    a.var["mt"] = np.arange(p) % 40 == 3
    a.var["ribo"] = np.arange(p) % 10 == 3
    obs, var = sc.pp.calculate_qc_metrics(a, qc_vars=["mt", "ribo"], percent_top=[50, 100, 200, 500])
    out |= {f"qc.obs.{c}": obs[c].to_numpy() for c in obs} | {f"qc.var.{c}": var[c].to_numpy() for c in var}
    for key, value in [("min_genes", 230), ("max_counts", 600)]:
        keep, number = sc.pp.filter_cells(a, inplace=False, **{key: value})
        out |= {f"filter_cells.{key}.keep": keep, f"filter_cells.{key}.number": number}
    for key, value in [("min_cells", 100), ("max_counts", 300)]:
        keep, number = sc.pp.filter_genes(a, inplace=False, **{key: value})
        out |= {f"filter_genes.{key}.keep": keep, f"filter_genes.{key}.number": number}
    some = np.arange(0, n, 30)
    dense = ad.AnnData(x.astype("f8"))
    for name, args in [("median", {}), ("1e4", dict(target_sum=1e4)), ("exclude", dict(exclude_highly_expressed=True, max_fraction=0.02))]:
        r = sc.pp.normalize_total(dense, inplace=False, **args)
        out |= {f"normalize.{name}.norm_factor": r["norm_factor"], f"normalize.{name}.X": r["X"][some].astype("f4")}
    logged = a.copy()
    sc.pp.normalize_total(logged, target_sum=1e4)
    sc.pp.log1p(logged)
    hvg(out, "hvg.", a, logged, batch, [100])
    l64 = np.log1p(x / np.where(x.sum(1) > 0, x.sum(1) / 1e4, 1)[:, None])
    scaled = ad.AnnData(l64.copy())
    sc.pp.scale(scaled, max_value=3)
    out |= {"scale.mean": scaled.var["mean"], "scale.std": scaled.var["std"], "scale.X": scaled.X[some].astype("f4")}
    sparse = ad.AnnData(sp.csr_matrix(l64))
    sc.pp.scale(sparse, max_value=3, zero_center=False)
    out["scale.no_center.X"] = sparse.X[some].toarray().astype("f4")
    every, cols = np.arange(0, n, 10), np.arange(0, p, 10)
    pca(out, "pca.counts", x.astype("f8"), 20, every, cols)
    pca(out, "pca.log1p", l64, 20, every, cols)
    pca(out, "pca.scaled", scaled.X, 20, every, cols)
    live = x[x.sum(1) > 0][:, x.sum(0) > 0].astype("f8")
    res = sc.experimental.pp.normalize_pearson_residuals(ad.AnnData(live), inplace=False)["X"]
    pca(out, "pca.residuals", res, 20, np.arange(0, len(live), 10), np.arange(0, live.shape[1], 10))
    write(HERE / "ops.bin", {k: (np.asarray(v)) for k, v in out.items()})


def pbmc(path):
    top_genes = {"pbmc3k": 2000, "pbmc_like": 500}[path.stem]
    a = ad.read_h5ad(path)
    a.var["mt"] = a.var_names.str.startswith("MT-")
    out = {"mt": a.var["mt"].to_numpy()}
    obs, var = sc.pp.calculate_qc_metrics(a, qc_vars=["mt"])
    sc.pp.filter_genes(a, min_cells=0)
    every_obs, every_var = np.arange(0, a.n_obs, 20), np.arange(0, a.n_vars, 50)
    for axis, df, every in [("obs", obs, every_obs), ("var", var, every_var)]:
        for c in df:
            v = df[c].to_numpy()
            out |= {f"qc.{axis}.{c}.sum": np.array([v.astype("f8").sum()]), f"qc.{axis}.{c}": v[every].astype(v.dtype if v.dtype.kind == "f" else "f8")}
    logged = a.copy()
    r = sc.pp.normalize_total(a, inplace=False)
    out["normalize.median.norm_factor"] = r["norm_factor"][every_obs].astype("f8")
    sc.pp.normalize_total(logged, target_sum=1e4)
    sc.pp.log1p(logged)
    full = {}
    hvg(full, "hvg.", a, logged, None, [top_genes])
    for k, v in full.items():
        out[k] = np.packbits(v, bitorder="little") if v.dtype == bool else v[every_var]
    top = full["hvg.pearson.highly_variable"]
    counts = a.X.astype("f8").toarray()
    l64 = np.log1p(counts / (counts.sum(1) / 1e4)[:, None])[:, top]
    scaled = np.clip((l64 - l64.mean(0)) / l64.std(0, ddof=1), -10, 10)
    rows, cols = np.arange(0, a.n_obs, 100), np.arange(0, top_genes, 40)
    pca(out, "pca.log1p", l64, 50, rows, cols)
    pca(out, "pca.scaled", scaled, 50, rows, cols)
    write(HERE / f"ops_{path.stem}.bin", {k: np.asarray(v) for k, v in out.items()})


if __name__ == "__main__":
    pbmc(Path(sys.argv[1])) if len(sys.argv) > 1 else small()
