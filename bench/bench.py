"""Runs the benchmark that README.md beside this file describes. Needs the standard library only;
plot.py draws the plots."""

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
STEPS = ["open", "qc", "hvg", "normalize", "scale", "pca"]
GRAPH_STEPS = ["neighbors", "umap", "leiden"]
GENE_STEPS = ["1 gene", "50 genes", "index", "1 gene, indexed", "50 genes, indexed"]
THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"]
# The names of the tools, by the words of --tools. The first of ours that ran is compared with the
# others.
NAMES = {
    "r": "anndataoom (R)",
    "python": "anndataoom (Python)",
    "scanpy": "scanpy in memory",
    "peer": "anndataoom 0.1.8",
    "bpcells": "BPCells",
}
# The lines below the table.
MORE = ["genes", "again", "in_memory", "limit"]
OURS = [NAMES["r"], NAMES["python"]]
PACKAGES = {
    "scanpy": ["scanpy==1.11.5", "anndata==0.12.*", "scipy<1.16", "matplotlib"],
    "peer": ["anndataoom==0.1.8"],
}


def run(command, env, timeout):
    """Runs one process. Returns its JSON lines and its wall time, or the reason why it failed."""
    started = time.perf_counter()
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"failed": f"no end after {timeout} s"}
    record = {"wall": time.perf_counter() - started, "steps": {}, "step_peaks": {}}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            if "step" in entry:
                record["steps"][entry["step"]] = entry["seconds"]
                record["step_peaks"][entry["step"]] = entry.get("peak_mb")
            else:
                record.update(entry)
    if done.returncode != 0:
        killed = "killed: out of memory?" if done.returncode in (-9, 137) else f"exit {done.returncode}"
        record["failed"] = ((done.stderr or done.stdout).strip().splitlines() or [killed])[-1]
    return record


def seconds(record):
    """Returns the seconds of the steps that all tools have: from reading to PCA."""
    return sum(record["steps"].get(s, 0) for s in STEPS)


def ran(record):
    return record is not None and "skipped" not in record and "failed" not in record


def python_of_ours(folder):
    """Returns command and environment of the Python for this project's package: that of scanpy's
    environment, which has what the package needs."""
    return [str(folder / "scanpy/bin/python")], {"PYTHONPATH": str(ROOT / "python")}


def tool(key, folder):
    """Returns command and environment of a tool (the file is appended), or the reason why it cannot
    run."""
    rscript = shutil.which("Rscript")
    if key in ("r", "bpcells"):
        script = {"r": "ours.R", "bpcells": "bpcells.R"}[key]
        return ([rscript, "--vanilla", str(HERE / "tools" / script)], {}) if rscript else "R is not installed"
    if key == "python":
        if not (ROOT / "python/anndataoom/_core.abi3.so").exists():
            return "the Python package is not built: sh tools/build-python.sh"
        command, env = python_of_ours(folder)
        return [*command, str(HERE / "tools/ours.py")], env
    script = {"scanpy": "scanpy_memory.py", "peer": "anndataoom_018.py"}[key]
    return [str(folder / key / "bin/python"), str(HERE / "tools" / script)], {}


def environment(folder, requirements):
    """Makes a virtual environment with the packages, unless it is there."""
    if not (folder / "ready").exists():
        print(f"installing {', '.join(requirements)} into {folder}", flush=True)
        python = os.environ.get("BENCH_PYTHON", sys.executable)
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", *requirements], check=True)
        (folder / "ready").touch()


def compare(results):
    """Compares genes and variances of each tool with those of scanpy, or with ours if scanpy did
    not run."""
    order = [NAMES["scanpy"], *OURS]
    reference = next((n for n in order if ran(results.get(n)) and "variance" in results[n]), None)
    if reference is None:
        return None
    genes, variance = set(results[reference]["genes"]), results[reference]["variance"]
    for name, r in results.items():
        if name == reference or not ran(r):
            continue
        if r.get("genes"):
            r["genes_shared"] = len(genes & set(r["genes"]))
        if r.get("variance") and r.get("genes_shared") == len(genes):
            r["variance_difference"] = max(abs(a - b) / b for a, b in zip(r["variance"], variance))
    return reference


def table(all_results):
    """Renders the times of every step, then the comparison of the tools, in Markdown."""
    head = ["cells", "tool", *STEPS, "total s", "peak MB", "same genes", "variances differ by"]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for n, results in all_results.items():
        for name, r in results["tools"].items():
            if not ran(r):
                lines.append(f"| {n:,} | {name} | {r.get('skipped') or 'failed: ' + r['failed']} |" + " |" * 9)
                continue
            cells = [f"{r['steps'][s]:.2f}" if s in r["steps"] else "" for s in STEPS]
            cells += [f"{seconds(r):.2f}", f"{r['peak_mb']:.0f}"]
            if name == results["reference"]:
                cells += ["reference", "reference"]
            else:
                difference = f"{r['variance_difference']:.1e}" if "variance_difference" in r else ""
                cells += [str(r.get("genes_shared", "")), difference]
            lines.append(f"| {n:,} | {name} | " + " | ".join(cells) + " |")
    lines.append("")
    for n, results in all_results.items():
        lines += [f"{n:,} cells", ""]
        if "decode_limit" in results:
            limit, full = results["decode_limit"], results["full_pass"]
            lines.append(f"- decode limit {limit:.2f} s, full pass {full:.2f} s: {full / limit:.2f} x")
            packing, packed = results["packing_pass"], results["packed_pass"]
            times = f"that packs {packing:.2f} s: {packing / full:.2f} x, over packed rows {packed:.2f} s"
            lines.append(f"- a pass {times}: {packed / full:.2f} x")
        for name, what in (("again", "read to PCA"), ("in_memory", "into memory and back")):
            found = results.get(name, {})
            if ran(found) and found.get("steps"):
                times = ", ".join(f"{step} {spent:.2f} s" for step, spent in found["steps"].items())
                lines.append(f"- {what}: {times}")
            elif found:
                lines.append(f"- {what}: failed: {found.get('failed')}")
        for own in OURS:
            mine = results["tools"].get(own)
            if not ran(mine):
                continue
            for name, r in results["tools"].items():
                if name not in OURS and ran(r):
                    times, share = seconds(r) / seconds(mine), r["peak_mb"] / mine["peak_mb"]
                    lines.append(f"- {own} against {name}: {times:.1f} x faster, 1/{share:.1f} of the memory")
        genes = results.get("genes", {})
        if ran(genes) and genes.get("steps"):
            times = ", ".join(f"{s} {genes['steps'][s]:.3f} s" for s in GENE_STEPS if s in genes["steps"])
            lines.append(f"- genes of all cells: {times}; the index takes {genes['index_mb']:.0f} MB")
        elif genes:
            lines.append(f"- genes of all cells: {genes.get('skipped') or 'failed: ' + genes['failed']}")
        lines.append("")
    sizes = sorted(all_results)
    if len(sizes) > 1:
        first, last = (all_results[n]["tools"] for n in (sizes[0], sizes[-1]))
        lines += [f"from {sizes[0]:,} to {sizes[-1]:,} cells ({sizes[-1] / sizes[0]:.1f} x)", ""]
        for name in first:
            if ran(first[name]) and ran(last.get(name)):
                lines.append(f"- {name}: {seconds(last[name]) / seconds(first[name]):.1f} x the time")
    return "\n".join(lines).rstrip() + "\n"


def clusters_table(all_results):
    """Renders seconds and peak memory of our steps from the file to clusters."""
    steps = STEPS + GRAPH_STEPS
    lines = ["", "h5ad to clusters: seconds (peak MB of the step)", ""]
    lines += ["| cells | tool | " + " | ".join(steps) + " | total s |", "|---|---|" + "---:|" * (len(steps) + 1)]
    for n, results in all_results.items():
        for name in OURS:
            r = results["tools"].get(name)
            if ran(r) and all(s in r["steps"] for s in steps):
                cells = [f"{r['steps'][s]:.2f} ({r['step_peaks'][s]:.0f})" for s in steps]
                total = sum(r["steps"][s] for s in steps)
                lines.append(f"| {n:,} | {name} | " + " | ".join(cells) + f" | {total:.1f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-obs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--n-vars", type=int, default=30_000)
    parser.add_argument("--dir", type=Path, required=True, help="where files, environments and results go")
    parser.add_argument("--target-dir", type=Path, required=True, help="Cargo's target folder, with the examples built")
    parser.add_argument("--tools", nargs="+", choices=[*NAMES, *MORE], default=[*NAMES, *MORE])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=int(os.environ.get("REPEATS", 1)))
    parser.add_argument("--timeout", type=int, default=7200, help="seconds after which a tool is stopped")
    parser.add_argument("--memory-limit-cells", type=int, default=150_000, help="scanpy is skipped past this size")
    arguments = parser.parse_args()
    folder = arguments.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    environment(folder / "scanpy", PACKAGES["scanpy"])  # the plots are drawn there too
    if "peer" in arguments.tools:
        environment(folder / "peer", PACKAGES["peer"])

    base = dict(os.environ, ANNDATAOOM_THREADS=str(arguments.threads))
    base.update({v: str(arguments.threads) for v in THREAD_VARIABLES})
    examples = arguments.target_dir / "release/examples"
    all_results = {}
    for n in arguments.n_obs:
        file = folder / f"sim_{n}x{arguments.n_vars}.h5ad"
        if not file.exists():
            print(f"simulating {file}", flush=True)
            command = [examples / "simulate", "--n-obs", n, "--n-vars", arguments.n_vars, file]
            subprocess.run([str(word) for word in command], check=True)
        with open(file, "rb") as handle:  # into the page cache
            while handle.read(1 << 24):
                pass
        results = {"tools": {}}
        for _ in range(arguments.repeats):
            for key in (k for k in NAMES if k in arguments.tools):
                name, found = NAMES[key], tool(key, folder)
                if key == "scanpy" and n > arguments.memory_limit_cells:
                    found = "needs about ten times the decoded matrix in memory"
                if isinstance(found, str):
                    results["tools"][name] = {"skipped": found}
                    continue
                print(f"{n:,} cells, {name}", flush=True)
                record = run([*found[0], str(file)], base | found[1], arguments.timeout)
                best = results["tools"].get(name)
                if best is None or not ran(best) or (ran(record) and seconds(record) < seconds(best)):
                    results["tools"][name] = record
        if "genes" in arguments.tools:
            print(f"{n:,} cells, genes", flush=True)
            command, env = python_of_ours(folder)
            results["genes"] = run([*command, str(HERE / "tools/genes.py"), str(file)], base | env, arguments.timeout)
        for name in ("again", "in_memory"):
            if name in arguments.tools and (name == "again" or n <= arguments.memory_limit_cells):
                print(f"{n:,} cells, {name}", flush=True)
                command, env = python_of_ours(folder)
                command = [*command, str(HERE / f"tools/{name}.py"), str(file)]
                results[name] = run(command, base | env, arguments.timeout)
        if "limit" in arguments.tools:
            print(f"{n:,} cells, decode limit", flush=True)
            command = [str(examples / "decode_limit"), str(file), "X", str(arguments.threads), "3"]
            done = subprocess.run(command, env=base, capture_output=True, text=True, check=True)
            found = dict(re.findall(r"^(\w+) +(\S+) s, ratio", done.stdout, re.MULTILINE))
            results["decode_limit"], results["full_pass"] = float(found["bare"]), float(found["pass"])
            results["packing_pass"], results["packed_pass"] = float(found["packing"]), float(found["packed"])
        results["reference"] = compare(results["tools"])
        all_results[n] = results
        # Results so far survive if the next tool fails.
        (folder / "results.json").write_text(json.dumps(all_results, indent=1))
        (folder / "table.md").write_text(table(all_results) + clusters_table(all_results))
    print(table(all_results) + clusters_table(all_results))
    subprocess.run([str(folder / "scanpy/bin/python"), str(HERE / "plot.py"), str(folder)], check=True)
    print(f"written: {folder}/table.md, results.json, time.png, memory.png")


if __name__ == "__main__":
    main()
