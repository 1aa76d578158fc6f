"""Runs the benchmark of doublets and integration that README.md beside this file describes. Needs
the standard library only."""

import argparse
import json
import os
import subprocess
from pathlib import Path

from bench import HERE, THREAD_VARIABLES, environment
from graph import run
from markers import seconds

PACKAGES = ["scanpy==1.11.5", "anndata==0.12.*", "scipy<1.16", "scikit-image", "harmonypy==2.1.*", "scikit-learn"]
STEPS = ["scrublet", "harmony_integrate"]
AGREES = """
import json, sys, numpy as np
from sklearn.neighbors import NearestNeighbors
ours, theirs, coordinates = (np.load(p) for p in sys.argv[1:4])
out, near = {}, {}
if "score" in theirs:
    a, b = ours["score"], theirs["score"]
    apart = np.abs(b - theirs["threshold"][theirs["sample"]]) > 0.05
    out["correlation"] = float(np.corrcoef(a, b)[0, 1])
    out["calls that differ"] = int((ours["call"] != theirs["call"]).sum())
    out["of them far from the threshold"] = int((ours["call"] != theirs["call"])[apart].sum())
if "harmony" in theirs:
    some = np.random.default_rng(0).choice(len(ours["harmony"]), 2000, replace=False)
    for name, x in (("before", coordinates["X"]), ("ours", ours["harmony"]), ("harmonypy", theirs["harmony"])):
        near[name] = NearestNeighbors(n_neighbors=30).fit(x).kneighbors(x[some], return_distance=False)
        for key in ("batch", "type"):
            of = coordinates[key][near[name]]
            shares = np.stack([(of == k).mean(axis=1) for k in np.unique(coordinates[key])])
            out[f"{key}s among 30 neighbours, {name}"] = float((1 / (shares**2).sum(axis=0)).mean())
    shared = [len(set(a) & set(b)) / 30 for a, b in zip(near["ours"], near["harmonypy"])]
    out["neighbours shared"] = float(np.mean(shared))
print(json.dumps(out))
"""


def table(results):
    rows = ["| cells | step | ours s | peak MB | reference s | peak MB | of its time | of its memory |", "|---|---|" + "---:|" * 6]
    for n, found in results.items():
        for step in STEPS:
            ours, theirs = found["ours"], found["theirs"].get(step, [])
            took = [seconds(lines, step) for lines in (ours, theirs)]
            if None in took:
                continue
            peaks = [next(line["peak_mb"] for line in lines if line.get("step") == step) for lines in (ours, theirs)]
            rows.append(
                f"| {n:,} | {step} | {took[0]:.2f} | {peaks[0]:,.0f} | {took[1]:.2f} | {peaks[1]:,.0f} | "
                f"{took[0] / took[1]:.2f} | {peaks[0] / peaks[1]:.2f} |"
            )
        rows += [f"| {n:,} | {key}: {value:.4g} |" + " |" * 6 for key, value in found["agrees"].items()]
    return "\n".join(rows) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-obs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--n-vars", type=int, default=30_000)
    parser.add_argument("--n-batches", type=int, default=8)
    parser.add_argument("--n-samples", type=int, default=4, help="of scrublet, cells one after the other")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--memory-limit-cells", type=int, default=150_000, help="past which scanpy's scrublet is left out")
    parser.add_argument("--timeout", type=int, default=7200)
    a = parser.parse_args()
    a.dir.mkdir(parents=True, exist_ok=True)
    theirs = a.dir / "integration-env"
    environment(theirs, PACKAGES)
    python = {"ours": os.environ.get("ANNDATAOOM_PYTHON", "python3"), "theirs": theirs / "bin/python"}
    env = dict(os.environ, **{v: str(a.threads) for v in THREAD_VARIABLES})
    env["PYTHONPATH"] = str(HERE.parent / "python")
    results = {}
    for n in sorted(a.n_obs):
        file = a.dir / f"integration_{n}_{a.n_vars}.h5ad"
        if not file.exists():
            size = ["--n-obs", n, "--n-vars", a.n_vars, "--n-batches", a.n_batches]
            command = [a.target_dir / "release/examples/simulate", *size, file]
            subprocess.run(list(map(str, command)), check=True)
        with open(file, "rb") as whole:  # into the page cache
            while whole.read(1 << 24):
                pass
        out = {tool: a.dir / f"integration_{n}.{tool}.npz" for tool in ("ours", "theirs", "coordinates")}
        tools = HERE / "tools"
        print(f"{n:,} cells: ours", flush=True)
        ours = run([python["ours"], tools / "integration_ours.py", file, a.n_samples, *out.values()], env, a.timeout)
        found = {}
        for step in STEPS:
            if step == "scrublet" and n > a.memory_limit_cells:
                continue
            print(f"{n:,} cells: {step}, others", flush=True)
            command = [python["theirs"], tools / "integration_theirs.py", step, file, a.n_samples, *out.values()]
            found[step] = run(command, env, a.timeout)
        command = [python["theirs"], "-c", AGREES, *map(str, out.values())]
        agrees = subprocess.run(command, capture_output=True, text=True)
        agrees = json.loads(agrees.stdout or "{}")
        results[n] = {"ours": ours, "theirs": found, "agrees": agrees}
        (a.dir / "integration.json").write_text(json.dumps(results, indent=1))
        (a.dir / "integration.md").write_text(table(results))
    print(table(results))
    print(f"written: {a.dir}/integration.md, integration.json")


if __name__ == "__main__":
    main()
