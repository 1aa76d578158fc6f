"""The whole pipeline on an h5ad file: python demo.py OUTPUT_DIRECTORY [H5AD]"""

import resource
import sys
import time
from pathlib import Path

import anndataoom as oom

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
example = Path(__file__).resolve().parents[1] / "inst" / "extdata" / "pbmc_like.h5ad"
path = sys.argv[2] if len(sys.argv) > 2 else example
started = time.perf_counter()


def done(what: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    print(f"{time.perf_counter() - started:7.2f} s  {peak:5.2f} GB peak  {what}")


adata = oom.read(path)
done(f"opened {adata.n_obs} cells x {adata.n_vars} genes")
adata.var["mt"] = adata.var_names.str.upper().str.startswith("MT-")
oom.pp.calculate_qc_metrics(adata, qc_vars=["mt"], percent_top=None, inplace=True)
oom.pp.filter_cells(adata, min_genes=200)
oom.pp.filter_genes(adata, min_cells=3)
done(f"kept {adata.n_obs} cells x {adata.n_vars} genes")
adata.layers["counts"] = adata.X
oom.pp.normalize_total(adata, target_sum=1e4)
oom.pp.log1p(adata)
oom.pp.highly_variable_genes(adata, n_top_genes=min(2000, adata.n_vars), flavor="pearson_residuals", layer="counts")
done("highly variable genes")
adata.raw = adata
adata = adata[:, adata.var["highly_variable"]]
oom.pp.scale(adata, max_value=10)
oom.pp.pca(adata, n_comps=min(50, min(adata.shape) - 1))
done("principal components")
oom.pp.neighbors(adata)
oom.tl.umap(adata)
oom.tl.leiden(adata)
done(f"neighbours, UMAP and {adata.obs['leiden'].nunique()} clusters")
print(adata)
# X is the recorded chain over the counts; written without the scaled values, which are dense.
adata.X = adata.raw[:, adata.var_names].X
result = out / "result-python.h5ad"
adata.write(result, compression="gzip")
done(f"written to {result} ({result.stat().st_size / 2**20:.1f} MB)")
