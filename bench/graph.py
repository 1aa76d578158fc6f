"""Runs the benchmark of the graph stage that README.md beside this file describes. Standard library only."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bench import HERE, THREAD_VARIABLES, environment

PACKAGES = ["scanpy==1.11.5", "anndata==0.12.*", "scipy<1.16", "pynndescent<0.6", "igraph", "leidenalg"]
STEPS = ["knn", "connectivities", "umap", "leiden"]


def run(command, env, timeout):
    """One process: its JSON lines, or none and the reason on stderr."""
    started = time.perf_counter()
    try:
        done = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        print(f"no end after {timeout} s: {' '.join(map(str, command))}", file=sys.stderr)
        return []
    if done.returncode != 0:
        print(done.stderr.strip()[-2000:], file=sys.stderr)
    print(f"  {time.perf_counter() - started:.0f} s", flush=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def best(lines, step, key="seconds"):
    values = [line[key] for line in lines if line.get("step") == step]
    return min(values) if values else None


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None


def number(x, digits=2):
    return "" if x is None else f"{x:.{digits}f}"


def factor(theirs, ours):
    return "" if not theirs or not ours else f"{theirs / ours:.1f}"


def table(all_results):
    rows = ["| embedding | cells | step | ours s | reference | its s | factor | quality, ours | quality, reference |",
            "|---|---|---|---|---|---|---|---|---|"]
    for r in all_results:
        ours, theirs, quality = r["ours"], r["reference"], {Path(q["prefix"]).name: q for q in r["quality"]}
        q, p = quality.get("ours", {}), quality.get("scanpy", {})
        neighbours = (best(ours, "knn") or 0) + (best(ours, "connectivities") or 0)
        head = f"| {r['kind']} | {r['cells']:,} |"

        def modularity(lines, step):
            found = [line["modularity"] for line in lines if line.get("step") == step]
            return f"modularity {mean(found):.4f} (worst {min(found):.4f})" if found else ""

        def embedding(q):
            if not q.get("trustworthiness"):
                return ""
            trust, kept = mean(q["trustworthiness"].values()), mean(q["preservation"].values())
            return f"trustworthiness {trust:.4f}, preservation {kept:.4f}"

        def recall(q):
            return f"recall {q['recall']:.4f}" if q else ""

        first, again = best(theirs, "neighbors"), best(theirs, "neighbors again")
        rows.append(f"{head} kNN and connectivities | {number(neighbours)} | scanpy, first call | {number(first)} | "
                    f"{factor(first, neighbours)} | {recall(q)} | {recall(p)} |")
        rows.append(f"{head} | | scanpy, second call | {number(again)} | {factor(again, neighbours)} | | |")
        umap = best(ours, "umap")
        rows.append(f"{head} UMAP, 200 epochs | {number(umap)} | umap-learn | {number(best(theirs, 'umap'))} | "
                    f"{factor(best(theirs, 'umap'), umap)} | {embedding(q)} | {embedding(p)} |")
        leiden = mean(line["seconds"] for line in ours if line.get("step") == "leiden")
        for other in (f"{tool}, {how}" for tool in ("igraph", "leidenalg") for how in ("until stable", "2 iterations")):
            seconds = mean(line["seconds"] for line in theirs if line.get("step") == other)
            if seconds:
                rows.append(f"{head} Leiden, until stable | {number(leiden)} | {other} | {number(seconds)} | "
                            f"{factor(seconds, leiden)} | {modularity(ours, 'leiden')} | {modularity(theirs, other)} |")
        total = neighbours + (umap or 0) + (leiden or 0)
        peak = max((line.get("peak_mb", 0) for line in ours), default=0)
        r["total"] = total
        rows.append(f"{head} all three | {number(total)} | peak of the process {peak} MB | | | | |")
    for r in all_results:
        for small in all_results:
            if small["kind"] == r["kind"] and small["cells"] < r["cells"] and small.get("total"):
                times = f"take {r['total'] / small['total']:.1f} times as long as {small['cells']:,}"
                rows.append(f"\n{r['kind']}: {r['cells']:,} cells {times}.")
    return "\n".join(rows) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-obs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--kinds", nargs="+", default=["simulated", "continuum"])
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seeds", type=int, default=int(os.environ.get("SEEDS", 5)))
    parser.add_argument("--timeout", type=int, default=7200)
    parser.add_argument("--reference-cells", type=int, default=150_000, help="references are left out past this size")
    a = parser.parse_args()
    a.dir.mkdir(parents=True, exist_ok=True)
    environment(a.dir / "scanpy-graph", PACKAGES)
    python = a.dir / "scanpy-graph/bin/python"
    env = dict(os.environ, **{v: str(a.threads) for v in THREAD_VARIABLES})
    graph = a.target_dir / "release/examples/graph"
    all_results = []
    for kind in a.kinds:
        for n in sorted(a.n_obs):
            work = a.dir / f"graph_{kind}_{n}"
            work.mkdir(exist_ok=True)
            file = work / "embedding.f32"
            if not file.exists():
                print(f"making {n:,} cells, {kind}", flush=True)
                subprocess.run([str(graph), kind, str(n), str(file)], check=True)
            compared = n <= a.reference_cells
            seeds = a.seeds if compared else 1
            print(f"{kind}, {n:,} cells: ours", flush=True)
            command = [graph, "run", file, "--threads", a.threads, "--seeds", seeds, "--out", work / "ours"]
            ours = run(command, env, a.timeout)
            theirs, prefixes = [], [work / "ours"]
            if compared:
                print(f"{kind}, {n:,} cells: scanpy, umap-learn, igraph, leidenalg", flush=True)
                command = [python, HERE / "tools/graph_scanpy.py", file, work / "scanpy", "--graph", work / "ours"]
                theirs = run([*command, "--seeds", seeds], env, a.timeout)
                if (work / "scanpy.knn.u32").exists():
                    prefixes.append(work / "scanpy")
            print(f"{kind}, {n:,} cells: quality of a sample", flush=True)
            quality = run([python, HERE / "tools/graph_quality.py", file, *prefixes], env, a.timeout)
            all_results.append({"kind": kind, "cells": n, "ours": ours, "reference": theirs, "quality": quality})
            text = table(all_results)
            (a.dir / "graph.json").write_text(json.dumps(all_results, indent=1))
            (a.dir / "graph.md").write_text(text)
    print(text)
    print(f"written: {a.dir}/graph.md, graph.json")


if __name__ == "__main__":
    main()
