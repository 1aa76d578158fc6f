"""Runs the benchmark that README.md beside this file describes. Standard library only; plots are left to plot.py."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RSCRIPT = shutil.which("Rscript")
THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"]


def run(command, env, timeout):
    """One process: its JSON lines, its wall time, or the reason it failed."""
    started = time.perf_counter()
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"failed": f"no end after {timeout} s"}
    wall = time.perf_counter() - started
    record = {"wall": wall, "steps": {}}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            if "step" in entry:
                record["steps"][entry["step"]] = entry["seconds"]
            else:
                record.update(entry)
    if "skipped" in record:
        return record
    if done.returncode != 0:
        record["failed"] = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit {done.returncode}"]
    return record


def tools(python_env):
    """Command of each tool; the file is appended."""
    return {
        "anndataoom (R)": [RSCRIPT, "--vanilla", str(HERE / "tools/ours.R")],
        "scanpy in memory": [str(python_env / "scanpy/bin/python"), str(HERE / "tools/scanpy_memory.py")],
        "anndataoom 0.1.8": [str(python_env / "peer/bin/python"), str(HERE / "tools/anndataoom_018.py")],
        "BPCells": [RSCRIPT, "--vanilla", str(HERE / "tools/bpcells.R")],
    }


def environment(folder, requirements):
    """A virtual environment with the packages, made once."""
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", *requirements], check=True)
        (folder / "ready").touch()


def compare(results):
    """Gene sets and component variances of each tool against scanpy's, where it ran."""
    reference = results.get("scanpy in memory", {})
    for name, r in results.items():
        if "genes" in r and "genes" in reference:
            r["genes_shared"] = len(set(r["genes"]) & set(reference["genes"]))
        if "variance" in r and "variance" in reference and r.get("genes_shared") == len(reference["genes"]):
            pairs = zip(r["variance"], reference["variance"])
            r["variance_difference"] = max(abs(a - b) / b for a, b in pairs)


def table(all_results):
    lines = ["| cells | tool | " + " | ".join(["open", "QC", "HVG", "normalise", "scale", "PCA"]) +
             " | total s | peak MB | genes as scanpy | variances differ by |", "|---|---|" + "---|" * 10]
    for n, results in all_results.items():
        for name, r in results["tools"].items():
            if "skipped" in r or "failed" in r:
                lines.append(f"| {n} | {name} | {r.get('skipped') or r.get('failed')} |" + " |" * 9)
                continue
            steps = [f"{r['steps'][s]:.2f}" if s in r["steps"] else "" for s in
                     ["open", "qc", "hvg", "normalize", "scale", "pca"]]
            difference = f"{r['variance_difference']:.1e}" if "variance_difference" in r else ""
            lines.append(f"| {n} | {name} | " + " | ".join(steps) +
                         f" | {sum(r['steps'].values()):.2f} | {r['peak_mb']:.0f} | {r.get('genes_shared', '')} | {difference} |")
        limit, full = results["decode_limit"], results["full_pass"]
        lines.append(f"| {n} | decode limit (bare read and inflate): {limit:.2f} s; full pass (row sums, per-gene mean and "
                     f"variance): {full:.2f} s, {full / limit:.2f} x |" + " |" * 10)
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-obs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--n-vars", type=int, default=30_000)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=int(os.environ.get("REPEATS", 1)))
    parser.add_argument("--timeout", type=int, default=3600)
    parser.add_argument("--memory-limit-cells", type=int, default=150_000, help="in-memory tools are skipped past this size")
    arguments = parser.parse_args()
    arguments.dir.mkdir(parents=True, exist_ok=True)
    environment(arguments.dir / "scanpy", ["scanpy==1.11.5", "anndata==0.12.*", "scipy<1.16", "matplotlib"])
    environment(arguments.dir / "peer", ["anndataoom==0.1.8"])

    env = dict(os.environ, **{v: str(arguments.threads) for v in THREAD_VARIABLES})
    env["ANNDATAOOM_THREADS"] = str(arguments.threads)
    examples = arguments.target_dir / "release/examples"
    all_results = {}
    for n in arguments.n_obs:
        file = arguments.dir / f"sim_{n}x{arguments.n_vars}.h5ad"
        if not file.exists():
            print(f"simulating {file}", flush=True)
            subprocess.run([str(examples / "simulate"), "--n-obs", str(n), "--n-vars", str(arguments.n_vars), str(file)], check=True)
        with open(file, "rb") as handle:  # into the page cache
            while handle.read(1 << 24):
                pass
        results = {"tools": {}}
        for repeat in range(arguments.repeats):
            for name, command in tools(arguments.dir).items():
                if name == "scanpy in memory" and n > arguments.memory_limit_cells:
                    results["tools"][name] = {"skipped": "needs about ten times the decoded matrix in memory"}
                    continue
                print(f"{n} cells, {name}", flush=True)
                record = run([*command, str(file)], env, arguments.timeout)
                best = results["tools"].get(name)
                if best is None or "failed" in best or record["wall"] < best["wall"]:
                    results["tools"][name] = record
        limits = subprocess.run(
            [str(examples / "decode_limit"), str(file), "X", str(arguments.threads), "3"],
            env=env, capture_output=True, text=True, check=True, timeout=arguments.timeout,
        ).stdout
        results["decode_limit"], results["full_pass"] = map(float, re.search(r"bare (\S+) s, pass (\S+) s", limits).groups())
        compare(results["tools"])
        all_results[n] = results
    (arguments.dir / "results.json").write_text(json.dumps(all_results, indent=1))
    text = table(all_results)
    (arguments.dir / "table.md").write_text(text)
    print(text)
    subprocess.run([str(arguments.dir / "scanpy/bin/python"), str(HERE / "plot.py"), str(arguments.dir)], check=True)
    print(f"written: {arguments.dir}/table.md, results.json, time.png, memory.png")


if __name__ == "__main__":
    main()
