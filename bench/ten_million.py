"""Runs the benchmark of ten million cells that README.md beside this file describes. Needs the
standard library only."""

import argparse
import json
import os
import subprocess
from pathlib import Path

from bench import HERE, THREAD_VARIABLES, environment
from graph import PACKAGES, best, run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-obs", type=int, default=10_000_000)
    parser.add_argument("--n-vars", type=int, default=20_000)
    parser.add_argument("--density", type=float, default=0.015, help="300 values a cell")
    parser.add_argument("--n-types", type=int, default=30)
    parser.add_argument("--python", required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=int, default=4 * 3600)
    a = parser.parse_args()
    a.dir.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, **{v: str(a.threads) for v in THREAD_VARIABLES})
    file = a.dir / f"many_{a.n_obs}_{a.n_vars}.h5ad"
    if not file.exists():
        size = ["--n-obs", a.n_obs, "--n-vars", a.n_vars, "--density", a.density, "--n-types", a.n_types]
        print(f"simulating {a.n_obs:,} cells", flush=True)
        subprocess.run(list(map(str, [a.target_dir / "release/examples/simulate", *size, file])), check=True)
    prefix = a.dir / "many"
    ours = run([a.python, HERE / "tools/sample_of_graph.py", file, prefix], env, a.timeout)
    environment(a.dir / "scanpy-graph", PACKAGES)
    command = [a.dir / "scanpy-graph/bin/python", HERE / "tools/graph_scanpy.py", f"{prefix}.f32", prefix]
    theirs = run([*command, "--graph", prefix, "--steps", "igraph"], env, a.timeout)
    (a.dir / "many.json").write_text(json.dumps({"ours": ours, "igraph": theirs}, indent=1))
    steps = [line for line in ours if line.get("step") and line["step"] != "sample of the graph"]
    work = [line for line in steps if line["step"] != "sample"]
    found = {key: value for line in ours for key, value in line.items()}
    modularity = next(line["modularity"] for line in ours if line.get("step") == "sample of the graph")
    rows = ["| step | seconds | peak MB |", "|---|---|---|"]
    rows += [f"| {line['step']} | {line['seconds']:.1f} | {line['peak_mb']:,.0f} |" for line in work]
    total, peak = sum(line["seconds"] for line in work), max(line["peak_mb"] for line in work)
    rows.append(f"| h5ad to clusters | {total:.1f} | {peak:,.0f} |")
    rows.append(f"\n{a.n_obs:,} x {a.n_vars:,}, {file.stat().st_size / 1e9:.1f} GB; recall {found['recall']:.4f}; "
                f"modularity of a part of the graph: ours {modularity:.4f}, "
                f"igraph {best(theirs, 'igraph, until stable', 'modularity') or float('nan'):.4f}")
    text = "\n".join(rows) + "\n"
    (a.dir / "many.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
