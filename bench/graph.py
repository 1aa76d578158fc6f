"""Runs the benchmark of the graph stage that README.md beside this file describes. Needs the
standard library only."""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from bench import HERE, THREAD_VARIABLES, environment

PACKAGES = ["scanpy==1.11.5", "anndata==0.12.*", "scipy<1.16", "pynndescent<0.6", "igraph", "leidenalg"]
DIM = 50


def run(command, env, timeout):
    """Runs one process. Returns its JSON lines, shown as they come; a failing process writes to
    stderr."""
    found, started = [], time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), env=env, stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(timeout, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if line.startswith("{"):
                found.append(json.loads(line))
                print(f"  {time.perf_counter() - started:6.0f} s  {line.strip()}", flush=True)
    finally:
        timer.cancel()
        code = process.wait()
    if code != 0:
        print(f"exit {code} after {time.perf_counter() - started:.0f} s (limit {timeout} s): {command}", file=sys.stderr)
    return found


def same_bits(ours, others):
    """Returns whether further runs gave the same hashes as the first for every step and seed that
    they share."""

    def key(line):
        return line.get("step"), line.get("seed")

    first = {key(line): line["hash"] for line in ours if "hash" in line}
    return {
        how: bool(lines) and all(first.get(key(line)) == line["hash"] for line in lines if "hash" in line)
        for how, lines in others.items()
    }


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
        umap = mean(line["seconds"] for line in ours if line.get("step") == "umap")
        learn = mean(line["seconds"] for line in theirs if line.get("step") == "umap")
        rows.append(f"{head} UMAP, 200 epochs | {number(umap)} | umap-learn | {number(learn)} | "
                    f"{factor(learn, umap)} | {embedding(q)} | {embedding(p)} |")
        leiden = mean(line["seconds"] for line in ours if line.get("step") == "leiden")
        others = [f"{tool}, {how}" for tool in ("igraph", "leidenalg") for how in ("until stable", "2 iterations")]
        if not theirs:
            rows.append(f"{head} Leiden, until stable | {number(leiden)} | | | | {modularity(ours, 'leiden')} | |")
        for other in others:
            seconds = mean(line["seconds"] for line in theirs if line.get("step") == other)
            if seconds:
                rows.append(f"{head} Leiden, until stable | {number(leiden)} | {other} | {number(seconds)} | "
                            f"{factor(seconds, leiden)} | {modularity(ours, 'leiden')} | {modularity(theirs, other)} |")
        total = neighbours + (umap or 0) + (leiden or 0)
        peak = max((line.get("peak_mb", 0) for line in ours), default=0)
        r["total"] = total
        alike = ", ".join(f"{how}: {'the same bits' if same else 'DIFFERENT'}" for how, same in r["same"].items())
        rows.append(f"{head} all three | {number(total)} | peak of our process {peak:,} MB | | | {alike} | |")
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
    parser.add_argument("--seeds", type=int, default=int(os.environ.get("SEEDS", 10)), help="of Leiden")
    parser.add_argument("--umap-seeds", type=int, default=5)
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
            if not file.exists() or file.stat().st_size != n * DIM * 4:
                print(f"making {n:,} cells, {kind}", flush=True)
                subprocess.run([str(graph), kind, str(n), str(file)], check=True)
            for left in [*work.glob("ours.*"), *work.glob("scanpy.*")]:  # of an earlier run, perhaps of other seeds
                left.unlink()
            compared = n <= a.reference_cells
            leiden, umap = (a.seeds, min(a.seeds, a.umap_seeds)) if compared else (1, 1)
            seeds = ["--leiden", leiden, "--umap", umap]
            print(f"{kind}, {n:,} cells: ours", flush=True)
            ours = run([graph, "run", file, "--threads", a.threads, *seeds, "--out", work / "ours"], env, a.timeout)
            others = {}
            if compared:
                for how, threads in (("run again", a.threads), ("1 thread", 1)):
                    print(f"{kind}, {n:,} cells: ours, {how}", flush=True)
                    others[how] = run([graph, "run", file, "--threads", threads], env, a.timeout)
            theirs, prefixes = [], [work / "ours"]
            if compared:
                print(f"{kind}, {n:,} cells: scanpy, umap-learn, igraph, leidenalg", flush=True)
                command = [python, HERE / "tools/graph_scanpy.py", file, work / "scanpy", "--graph", work / "ours"]
                theirs = run([*command, *seeds], env, a.timeout)
                if (work / "scanpy.knn.u32").exists():
                    prefixes.append(work / "scanpy")
            print(f"{kind}, {n:,} cells: quality of a sample", flush=True)
            sample = 2000 if compared else 500
            command = [python, HERE / "tools/graph_quality.py", "--sample", sample, file, *prefixes]
            quality = run(command, env, a.timeout)
            result = {"kind": kind, "cells": n, "ours": ours, "reference": theirs, "quality": quality}
            all_results.append({**result, "same": same_bits(ours, others)})
            text = table(all_results)
            (a.dir / "graph.json").write_text(json.dumps(all_results, indent=1))
            (a.dir / "graph.md").write_text(text)
    print(text)
    print(f"written: {a.dir}/graph.md, graph.json")


if __name__ == "__main__":
    main()
