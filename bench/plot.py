"""Plots time and memory against n_obs, from results.json of a benchmark run."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

folder = Path(sys.argv[1])
results = {int(n): r["tools"] for n, r in json.loads((folder / "results.json").read_text()).items()}
names = list(next(iter(results.values())))
for what, label, value in [
    ("time", "seconds, read to PCA", lambda r: sum(s for k, s in r["steps"].items() if k not in ("neighbors", "umap", "leiden"))),
    ("memory", "peak resident set, MB", lambda r: r["peak_mb"]),
]:
    figure, axes = plt.subplots(figsize=(6, 4.5))
    for name in names:
        points = [(n, value(t[name])) for n, t in sorted(results.items()) if "steps" in t[name] and "peak_mb" in t[name]]
        if points:
            axes.plot(*zip(*points), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="cells", ylabel=label)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(folder / f"{what}.png", dpi=150)
