"""Measures the peak memory of single steps: python memory.py H5AD [BUDGET_MB]

Each step runs in a process of its own, which opens the file, records its resident memory, and runs
the step. The peak may add the working memory, the result and `SLACK` at most. H5AD is for instance
the simulated file of

    cargo run --release --example simulate -p anndataoom-core -- --n-obs 100000 --n-vars 20000 big.h5ad
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

MB = 1 << 20
# The allocator, the stacks of the threads, and Python objects.
SLACK = 48 * MB
STEPS = ["column", "obs_vector of a subset", "write with raw", "pca"]


def status(key):
    """Returns the bytes of a line of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def run(step, path, budget):
    """Runs a step in this process. Returns the bytes that the peak adds, and the bytes of the
    result."""
    import numpy as np

    import anndataoom as oom

    oom.settings.memory = budget
    adata = oom.read(path)
    n, m = adata.shape
    oom.pp.normalize_total(adata, target_sum=1e4)
    oom.pp.log1p(adata)
    if step == "write with raw":
        adata.raw = adata
        adata = adata[:, np.arange(m) % 2 == 0]
    elif step == "pca":
        adata = adata[:, np.arange(m) < 2000]
        oom.pp.scale(adata, max_value=10)
    elif step.startswith("obs_vector"):
        adata = adata[np.random.default_rng(0).permutation(n)[: n // 2]]
    # The peak counts from here on.
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = 0
    if step == "column":
        x = adata.X[:, m // 2]
        result = x.nnz * (4 + x.dtype.itemsize) + 4 * n
    elif step.startswith("obs_vector"):
        result = adata.obs_vector(adata.var_names[m // 2]).nbytes
    elif step == "write with raw":
        with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
            adata.write(Path(folder) / "out.h5ad")
            peak = status("VmHWM")
    else:
        oom.pp.pca(adata, n_comps=50)
        # Second moments of the genes, their decomposition, coordinates of the cells.
        result = 3 * 8 * adata.n_vars**2 + 2 * 4 * 50 * n
    peak = status("VmHWM") if step != "write with raw" else peak
    print(json.dumps({"added": max(0, peak - before), "result": int(result)}))


def measure(step, path, budget):
    """Runs a step in a process of its own. Returns the bytes added and the bytes allowed."""
    command = [sys.executable, __file__, "--step", step, str(path), str(budget)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{step}: {done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["added"], budget + found["result"] + SLACK


def main(path, budget):
    worst = 0
    for step in STEPS:
        added, allowed = measure(step, path, budget)
        print(f"{step:24} {added / MB:8.0f} MB of {allowed / MB:6.0f} MB allowed", flush=True)
        worst = max(worst, added / allowed)
    sys.exit(worst > 1)


if __name__ == "__main__":
    if sys.argv[1] == "--step":
        run(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(sys.argv[1], int(sys.argv[2]) * MB if len(sys.argv) > 2 else 256 * MB)
