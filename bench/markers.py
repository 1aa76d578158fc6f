"""Runs the benchmark of markers that README.md beside this file describes. Needs the standard
library only."""

import argparse
import json
import os
import subprocess
from pathlib import Path

from bench import HERE, THREAD_VARIABLES, environment
from graph import run

PACKAGES = ["scanpy==1.12.*", "anndata==0.13.*", "illico==0.6.0"]
TESTS = ["t-test:rest", "wilcoxon:rest", "wilcoxon:{reference}"]
AGREES = """
import sys, numpy as np
worst = 0
for test in sys.argv[3:]:
    method, reference = test.split(":")
    ours, theirs = (np.load(f"{p}.{method}.{reference}.npz") for p in sys.argv[1:3])
    for group in theirs.files:
        a, b = ours[group], theirs[group]
        if a.shape == b.shape:
            worst = max(worst, float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1))))
print(worst)
"""


def seconds(lines, step):
    return next((line["seconds"] for line in lines if line.get("step") == step), None)


def table(results, tests):
    rows = ["| cells | tool | open and normalise s | " + " | ".join(f"{t} s" for t in tests) + " | peak MB |"]
    rows.append("|---|---|" + "---:|" * (len(tests) + 2))
    for n, tools in results.items():
        for name, lines in tools.items():
            if not lines:
                continue
            before = sum(seconds(lines, s) or 0 for s in ("open", "normalize"))
            took = [seconds(lines, t) for t in tests]
            peak = max(line.get("peak_mb", 0) for line in lines)
            cells = " | ".join("" if t is None else f"{t:.2f}" for t in took)
            rows.append(f"| {n:,} | {name} | {before:.2f} | {cells} | {peak:,.0f} |")
        ours = tools["ours"]
        whole = seconds(ours, "a pass with sums")
        more = ["a pass with sums", "aggregate", "score_genes", "score_aucell"]
        for name in more if whole else []:
            took = seconds(ours, name)
            if took:
                rows.append(f"| {n:,} | ours, {name}: {took:.2f} s, {took / whole:.2f} passes | |" + " |" * (len(tests) + 1))
    return "\n".join(rows) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-obs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--n-vars", type=int, default=30_000)
    parser.add_argument("--n-types", type=int, default=25)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tools", nargs="+", default=["ours", "illico", "scanpy"])
    parser.add_argument("--scanpy-genes", type=int, default=3000, help="0 for all, which takes minutes and 24 GB")
    parser.add_argument("--timeout", type=int, default=7200)
    a = parser.parse_args()
    a.dir.mkdir(parents=True, exist_ok=True)
    theirs = a.dir / "markers-env"
    if {"illico", "scanpy"} & {*a.tools}:
        environment(theirs, PACKAGES)
    python = {"ours": os.environ.get("ANNDATAOOM_PYTHON", "python3"), "scanpy": theirs / "bin/python"}
    env = dict(os.environ, **{v: str(a.threads) for v in THREAD_VARIABLES})
    env["PYTHONPATH"] = str(HERE.parent / "python")
    tests = [t.format(reference="CD4 T") for t in TESTS]
    results = {}
    for n in sorted(a.n_obs):
        file = a.dir / f"markers_{n}_{a.n_vars}.h5ad"
        if not file.exists():
            size = ["--n-obs", n, "--n-vars", a.n_vars, "--n-types", a.n_types]
            command = [a.target_dir / "release/examples/simulate", *size, file]
            subprocess.run(list(map(str, command)), check=True)
        with open(file, "rb") as whole:  # into the page cache
            while whole.read(1 << 24):
                pass
        out = {tool: a.dir / f"markers.{tool}" for tool in ("ours", "scanpy")}
        commands = {
            "ours": [python["ours"], HERE / "tools/markers_ours.py", file, out["ours"], *tests],
            "illico": [python["scanpy"], HERE / "tools/markers_illico.py", file, a.threads, *tests[1:]],
            "scanpy": [python["scanpy"], HERE / "tools/markers_scanpy.py", file, out["scanpy"], a.scanpy_genes, *tests],
        }
        results[n] = {}
        for tool in a.tools:
            print(f"{n:,} cells: {tool}", flush=True)
            results[n][tool] = run(commands[tool], env, a.timeout)
        (a.dir / "markers.json").write_text(json.dumps(results, indent=1))
        (a.dir / "markers.md").write_text(table(results, tests))
        if results[n].get("scanpy") and not a.scanpy_genes:
            pair = [str(out["ours"]), str(out["scanpy"])]
            worst = subprocess.run([python["scanpy"], "-c", AGREES, *pair, *tests], capture_output=True, text=True)
            print(f"scores differ from scanpy's by {worst.stdout.strip()} of the larger of themselves and 1")
    print(table(results, tests))
    print(f"written: {a.dir}/markers.md, markers.json")


if __name__ == "__main__":
    main()
