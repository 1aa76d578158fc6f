"""Times neighbours and Leiden of other Rust crates beside ours, as README.md beside this file
describes. Needs the standard library only."""

import argparse
import json
import os
import subprocess
from pathlib import Path

from bench import HERE

DIM = 50
OURS = ["exact", "ivf", "hnsw"]
SEARCHES = ["exhaustive", "kmknn", "ivf8", "ivf16", "ivf32", "nnd15", "nnd20", "hnsw100", "hnsw200"]
CLUSTERS = ["bixverse", "bixverse-stable", "bixverse-coloured", "leiden-rs"]
EXACT_UP_TO = 200_000  # cells up to which searches that compare all pairs take part
ALL_PAIRS = {"exact", "exhaustive", "kmknn"}


def lines(command, env, timeout):
    """Runs one process. Returns its lines of JSON, or the reason why it gave none."""
    try:
        done = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return [{"failed": f"no end after {timeout} s"}]
    if done.returncode != 0:
        return [{"failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def keep(best, name, found):
    """Keeps the quickest of several runs."""
    if "seconds" not in found:
        best.setdefault(name, found)
    elif name not in best or found["seconds"] < best[name].get("seconds", float("inf")):
        best[name] = found
    print(f"    {name}: {json.dumps(found)}", flush=True)


def searches(graph, peers, work, a, env):
    file, truth, n = work / "embedding.f32", work / "truth.u32", (work / "embedding.f32").stat().st_size // 4 // DIM
    if not truth.exists():
        lines([peers, "exact", file, truth], env, a.timeout)
    best = {}
    for _ in range(a.repeats):
        for search in OURS + SEARCHES:
            if search in ALL_PAIRS and n > EXACT_UP_TO:
                continue
            if search in OURS:
                nothing_else = ["--umap", 0, "--leiden", 0, "--out", work / search]
                run = [graph, "run", file, "--search", search, "--threads", a.threads, *nothing_else]
                found = lines(run, env, a.timeout)[0]
                if "seconds" in found:
                    found |= lines([peers, "recall", work / f"{search}.knn.u32", truth], env, a.timeout)[0]
                keep(best, f"ours, {search}", found)
            else:
                keep(best, f"ann-search-rs, {search}", lines([peers, "knn", file, truth, search], env, a.timeout)[0])
    return best


def clusters(graph, peers, work, a, env):
    prefix, best = work / "ivf", {}
    for _ in range(a.repeats):
        run = [graph, "again", prefix, "--threads", a.threads, "--umap", 0, "--leiden", 1]
        keep(best, "ours", lines(run, env, a.timeout)[0])
        for method in CLUSTERS:
            keep(best, method, lines([peers, "leiden", prefix, method], env, a.timeout)[0])
    return best


def rows(results):
    for r in results:
        for step, quality in (("neighbours", "recall"), ("Leiden", "modularity")):
            yield f"\n{step}, {r['kind']}, {r['cells']:,} cells\n"
            yield f"| method | s | processor s | {quality} | peak MB |\n|---|---|---|---|---|"
            for name, f in r[step].items():
                if "failed" in f:
                    yield f"| {name} | failed: {f['failed']} | | | |"
                    continue
                value = f"{f[quality]:.{4 if quality == 'recall' else 6}f}"
                extra = f" ({f['clusters']} clusters)" if "clusters" in f else ""
                yield f"| {name} | {f['seconds']:.2f} | {f['processor']:.1f} | {value}{extra} | {f['peak_mb']:.0f} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-obs", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--kinds", nargs="+", default=["simulated", "continuum"])
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, required=True, help="with the example `graph` of the core")
    parser.add_argument("--peers", type=Path, required=True, help="the program of bench/peers")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=int(os.environ.get("REPEATS", 1)))
    parser.add_argument("--timeout", type=int, default=3600)
    a = parser.parse_args()
    env = dict(os.environ, RAYON_NUM_THREADS=str(a.threads))
    graph, results = a.target_dir / "release/examples/graph", []
    for kind in a.kinds:
        for n in sorted(a.n_obs):
            work = a.dir / f"peers_{kind}_{n}"
            work.mkdir(parents=True, exist_ok=True)
            file = work / "embedding.f32"
            if not file.exists() or file.stat().st_size != n * DIM * 4:
                subprocess.run([str(graph), kind, str(n), str(file)], check=True)
            print(f"{kind}, {n:,} cells", flush=True)
            found = {step: work_of(graph, a.peers, work, a, env) for step, work_of in
                     (("neighbours", searches), ("Leiden", clusters))}
            results.append({"kind": kind, "cells": n, **found})
            (a.dir / "peers.json").write_text(json.dumps(results, indent=1))
            (a.dir / "peers.md").write_text("\n".join(rows(results)) + "\n")
    print((a.dir / "peers.md").read_text())


if __name__ == "__main__":
    main()
