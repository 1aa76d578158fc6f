"""Runs doublets in scanpy or integration in harmonypy, one per process. Arguments: the step, the
file, samples, the path of results."""

import sys
import warnings
from pathlib import Path

import numpy as np
from common import report, step

warnings.filterwarnings("ignore")
name, path, n_samples, _, out, coordinates = sys.argv[1:]
found = dict(np.load(out)) if name != "scrublet" and Path(out).exists() else {}
if name == "scrublet":
    import scanpy as sc
    from scipy import sparse

    # scanpy 1.11 and 1.12 call a method of the graph from pynndescent that scipy's arrays have
    # under another name.
    if not hasattr(sparse.csr_array, "getnnz"):
        sparse.csr_array.getnnz = sparse.csr_array._getnnz

    with step("open"):
        adata = sc.read_h5ad(path)
    sample = np.arange(adata.n_obs) * int(n_samples) // adata.n_obs
    adata.obs["sample"] = sample.astype(str)
    with step("scrublet"):
        sc.pp.scrublet(adata, batch_key="sample")
    noted = adata.uns["scrublet"]["batches"]
    threshold = np.array([noted[str(k)].get("threshold", np.inf) for k in range(int(n_samples))])
    score, call = adata.obs["doublet_score"].to_numpy(), adata.obs["predicted_doublet"].to_numpy(dtype=bool)
    found = {"score": score, "call": call, "sample": sample, "threshold": threshold}
else:
    import harmonypy
    import pandas as pd

    given = np.load(coordinates)
    obs = pd.DataFrame({"batch": given["batch"].astype(str)})
    x = given["X"].astype(np.float64)
    with step("harmony_integrate"):
        done = harmonypy.run_harmony(x, obs, "batch", verbose=False)
    corrected = np.asarray(done.Z_corr)
    found["harmony"] = corrected if corrected.shape == x.shape else corrected.T
np.savez(out, **found)
report()
