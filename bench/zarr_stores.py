"""Zarr stores as anndata writes them: a pass, reading into memory and read to PCA, beside anndata's own reading. Standard library only.

    python3 bench/zarr_stores.py --n-obs 100000 --dir DIR --target-dir TARGET

Simulates cells x 30,000 genes as h5ad, which anndata writes as a store by its defaults (version 3, sharded, zstd) and
`write_zarr` as one of its own. Each step runs in a process of its own, in turns; the best of `--repeats` counts.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from bench import environment

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["anndata==0.13.*", "zarr>=3", "zarrs", "dask", "xarray"]
LAZY = "import anndata, zarr, dask, numpy as np"
ZARRS = LAZY + "; zarr.config.set({'codec_pipeline.path': 'zarrs.ZarrsCodecPipeline'})"
# dask's own sum does not know scipy's matrices.
SUM = (
    "x = anndata.experimental.read_lazy(theirs).X; "
    "x.map_blocks(lambda b: np.asarray(b.sum(axis=0)).reshape(1, -1), chunks=((1,) * x.numblocks[0], (x.shape[1],)), "
    "dtype='f8', meta=np.empty((0, 0))).sum(axis=0).compute(num_workers=threads)"
)
OURS = "import anndataoom as oom"
TO_PCA = (
    "oom.pp.calculate_qc_metrics(a, inplace=True); oom.pp.normalize_total(a, target_sum=1e4); oom.pp.log1p(a); "
    "oom.pp.highly_variable_genes(a, n_top_genes=2000); a = a[:, a.var.highly_variable]; oom.pp.scale(a, max_value=10); oom.pp.pca(a)"
)
# Step, whose packages it takes, what is imported before the clock starts, and what is timed.
STEPS = {
    "pass, h5ad": ("ours", OURS, "oom.read(h5ad).X.sum(axis=0)"),
    "pass, anndata's store": ("ours", OURS, "oom.read(theirs).X.sum(axis=0)"),
    "pass, own store": ("ours", OURS, "oom.read(own).X.sum(axis=0)"),
    "pass, anndata's store: anndata and dask": ("theirs", LAZY, SUM),
    "pass, anndata's store: anndata, dask and zarrs": ("theirs", ZARRS, SUM),
    "to memory, anndata's store": ("ours", OURS, "oom.read(theirs).to_adata()"),
    "to memory, anndata's store: anndata": ("theirs", LAZY, "anndata.read_zarr(theirs)"),
    "to memory, anndata's store: anndata and zarrs": ("theirs", ZARRS, "anndata.read_zarr(theirs)"),
    "to PCA, h5ad": ("ours", OURS, "a = oom.read(h5ad); " + TO_PCA),
    "to PCA, anndata's store": ("ours", OURS, "a = oom.read(theirs); " + TO_PCA),
}
FRAME = """
import json, sys, time
h5ad, theirs, own, threads = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
{imports}
began, worked = time.perf_counter(), time.process_time()
{code}
took, work = time.perf_counter() - began, time.process_time() - worked
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
print(json.dumps({{"seconds": round(took, 3), "processor": round(work, 3), "peak_mb": round(peak)}}))
"""
WRITE_THEIRS = "import anndata, sys; anndata.read_h5ad(sys.argv[1]).write_zarr(sys.argv[2])"
WRITE_OWN = "import anndataoom as oom, sys; oom.read(sys.argv[1]).write_zarr(sys.argv[2])"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-obs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--n-vars", type=int, default=30_000)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", nargs="+", default=[], help="words that names of steps have; all without")
    given = parser.parse_args()
    given.dir.mkdir(parents=True, exist_ok=True)
    environment(given.dir / "zarr-env", PACKAGES)
    python = {"ours": sys.executable, "theirs": given.dir / "zarr-env/bin/python"}
    env = dict(os.environ, PYTHONPATH=str(ROOT / "python"), RAYON_NUM_THREADS=str(given.threads))
    steps = [name for name in STEPS if all(word in name for word in given.steps)]
    for n in given.n_obs:
        place = given.dir / f"zarr_{n}_{given.n_vars}"
        h5ad, theirs, own = (str(place) + end for end in (".h5ad", ".anndata.zarr", ".own.zarr"))
        if not Path(h5ad).exists():
            command = [given.target_dir / "release/examples/simulate", "--n-obs", n, "--n-vars", given.n_vars, h5ad]
            subprocess.run(list(map(str, command)), check=True)
        for store, who, code in ((theirs, "theirs", WRITE_THEIRS), (own, "ours", WRITE_OWN)):
            if not Path(store).exists():
                subprocess.run([python[who], "-W", "ignore", "-c", code, h5ad, store], check=True, env=env)
        best = {}
        for _ in range(given.repeats):
            for name in steps:
                who, imports, code = STEPS[name]
                frame = FRAME.format(imports=imports, code=code)
                call = [python[who], "-W", "ignore", "-c", frame, h5ad, theirs, own, str(given.threads)]
                done = subprocess.run(call, stdout=subprocess.PIPE, text=True, env=env)
                if done.returncode != 0:
                    sys.exit(f"{name}: exit {done.returncode}")
                found = json.loads(done.stdout.splitlines()[-1])
                best[name] = min(best.get(name, found), found, key=lambda one: one["seconds"])
        print(f"{n:,} cells x {given.n_vars:,} genes\n\n| step | s | processor s | peak MB |\n|---|---:|---:|---:|")
        for name, found in best.items():
            print(f"| {name} | {found['seconds']:.2f} | {found['processor']:.2f} | {found['peak_mb']:,} |")
        limit = [given.target_dir / "release/examples/decode_limit", theirs, "X", str(given.threads), "5"]
        print("\nA pass beside a bare loop that reads and decodes the chunks of anndata's store:", flush=True)
        subprocess.run(list(map(str, limit)), check=True)


if __name__ == "__main__":
    main()
