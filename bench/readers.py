"""Times folders of text (read_10x_mtx beside scanpy's and a bare gunzip), and h5mu and h5Seurat
beside h5ad. Runs in the Python of the package's tests.

    python3 bench/readers.py --n-obs 20000 100000 --dir DIR --target-dir TARGET

Simulates cells x 30,000 genes, writes them as `matrix.mtx.gz` with write_10x_mtx, and runs each
reader in a process of its own, in turns. The best of `--repeats` counts; peaks are those of the
processes. scanpy, which keeps all in memory, runs at the first size only.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENES = 30_000

# In the order of their turns: `ours` leaves the file that the later readers need.
CODE = {
    "gunzip": "__import__('os').system('gzip -dc ' + folder + '/matrix.mtx.gz > /dev/null')",
    "ours": "import anndataoom as oom; oom.read_10x_mtx(folder, to=folder + '/../kept.h5ad')",
    "copy": "import shutil; shutil.copy(folder + '/../kept.h5ad', folder + '/../copy.h5ad')",
    "scanpy": "import scanpy as sc; sc.read_10x_mtx(folder)",
    "h5ad": "import anndataoom as oom; a = oom.read(folder + '/../kept.h5ad'); opened(); a.X.sum(axis=0)",
    "h5mu": "import anndataoom as oom; a = oom.read_h5mu(folder + '/../x.h5mu', 'rna'); opened(); a.X.sum(axis=0)",
    "h5seurat": "import anndataoom as oom; a = oom.read_h5seurat(folder + '/../x.h5Seurat'); opened(); a.X.sum(axis=0)",
}
# The files that readers need, made from kept.h5ad.
MADE = {
    "h5mu": ("x.h5mu", "import anndataoom as oom, sys; oom.write_h5mu({'rna': oom.read(sys.argv[1])}, sys.argv[2])"),
    "h5seurat": (
        "x.h5Seurat",
        """
import h5py, sys
with h5py.File(sys.argv[1]) as a, h5py.File(sys.argv[2], "w") as f:
    names = {axis: a[axis][a[axis].attrs["_index"]][:] for axis in ("obs", "var")}
    f.attrs["active.assay"], f.attrs["project"], f.attrs["version"] = "RNA", "bench", "3.2.0"
    f["cell.names"] = names["obs"]
    f.create_group("meta.data")
    f["assays/RNA/features"] = names["var"]
    a.copy("X", f["assays/RNA"], name="counts")
    counts = f["assays/RNA/counts"]
    for name in list(counts.attrs):
        del counts.attrs[name]
    counts.attrs["dims"] = [len(names["var"]), len(names["obs"])]
""",
    ),
}
FRAME = """
import json, resource, sys, time
folder = sys.argv[1]
{imports}
began, at = time.perf_counter(), []
def opened(): at.append(time.perf_counter() - began)
{code}
took = time.perf_counter() - began
own, children = (resource.getrusage(w).ru_maxrss / 1024 for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({{"seconds": round(took, 3), "opened": at and round(at[0], 4), "peak_mb": round(max(own, children))}}))
"""


def run(name, folder):
    code = CODE[name]
    imports = "import scanpy" if name == "scanpy" else "import anndataoom" if "oom" in code else ""
    call = [sys.executable, "-c", FRAME.format(imports=imports, code=code), str(folder)]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: exit {done.returncode}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-obs", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--readers", nargs="+", default=list(CODE))
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT / "python")
    for n in given.n_obs:
        place = given.dir / f"readers-{n}"
        folder = place / "mtx"
        if not (folder / "matrix.mtx.gz").exists():
            place.mkdir(parents=True, exist_ok=True)
            simulate = given.target_dir / "release" / "examples" / "simulate"
            sizes = ["--n-obs", str(n), "--n-vars", str(GENES), "--compression", "none"]
            subprocess.run([simulate, *sizes, place / "x.h5ad"], check=True)
            write = "import anndataoom as oom, sys; oom.write_10x_mtx(oom.read(sys.argv[1]), sys.argv[2])"
            subprocess.run([sys.executable, "-c", write, place / "x.h5ad", folder], check=True)
            os.remove(place / "x.h5ad")
        best = {}
        for _ in range(given.repeats):
            for name in given.readers:
                if name == "scanpy" and n != given.n_obs[0]:
                    continue
                if name in MADE and not (place / MADE[name][0]).exists():
                    file, write = MADE[name]
                    subprocess.run([sys.executable, "-c", write, place / "kept.h5ad", place / file], check=True)
                found = run(name, folder)
                if name not in best or found["seconds"] < best[name]["seconds"]:
                    best[name] = found
        size = (folder / "matrix.mtx.gz").stat().st_size >> 20
        print(f"{n} cells, {size} MB of text, gzipped")
        for name, found in best.items():
            print(f"  {name:8} {found['seconds']:8.2f} s  {found['peak_mb']:6} MB  opened {found['opened'] or ''}")
        (place / "copy.h5ad").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
