"""Runs the pipeline in little address space: python little_space.py H5AD OUT [MB ...]

For each number MB a separate process imports what it needs, limits its address space to MB
megabytes more than it has, and runs the pipeline. It ends in success or in a `MemoryError` that
says how many bytes were refused. One line is printed for each.
"""

import resource
import subprocess
import sys
from pathlib import Path

MB = 1 << 20


def address_space():
    """Returns the bytes of address space in use."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize"))
    return int(line.split()[1]) * 1024


def pipeline(path, out):
    import anndataoom as oom

    oom.settings.threads = 2
    adata = oom.read(path)
    oom.pp.calculate_qc_metrics(adata, inplace=True)
    oom.pp.filter_genes(adata, min_cells=3)
    oom.pp.normalize_total(adata, target_sum=1e4)
    oom.pp.log1p(adata)
    oom.pp.highly_variable_genes(adata, n_top_genes=500)
    oom.pp.pca(adata, n_comps=20)
    oom.pp.neighbors(adata, n_neighbors=10)
    oom.tl.umap(adata, maxiter=20)
    oom.tl.leiden(adata)
    oom.tl.diffmap(adata)
    adata.write(out)


def limited(path, out, more):
    import anndata  # noqa: F401
    import numpy as np
    import pandas  # noqa: F401
    import scipy.sparse  # noqa: F401

    import anndataoom  # noqa: F401

    # The product starts numpy's threads before space is short.
    np.ones((200, 200)) @ np.ones((200, 200))
    limit = address_space() + more * MB
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        pipeline(path, out)
    except MemoryError as e:
        print("MemoryError:", e)
        return 3
    print("done")
    return 0


def run(path, out, more):
    """Returns the exit status (negative for a signal) and the last line."""
    call = [sys.executable, __file__, "--limited", str(path), str(out), str(more)]
    ended = subprocess.run(call, capture_output=True, text=True, timeout=600)
    lines = (ended.stdout if ended.returncode in (0, 3) else ended.stderr).strip().splitlines()
    return ended.returncode, "\n".join(lines[-1:] if ended.returncode in (0, 3) else lines[-12:])


if __name__ == "__main__":
    if sys.argv[1] == "--limited":
        sys.exit(limited(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    for more in sys.argv[3:] or range(0, 1501, 50):
        print(more, *run(sys.argv[1], sys.argv[2], more), flush=True)
