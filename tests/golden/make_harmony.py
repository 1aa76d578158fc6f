"""Makes reference values for harmony_integrate: harmonypy on simulated cells of a few types, in
batches with different shifts.

    python tests/golden/make_harmony.py

Writes harmony.json beside itself: points, keys, and the corrected coordinates for two sets of parameters.

Made with harmonypy 2.1.0.
"""

import json
from pathlib import Path

import harmonypy
import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
N, D, TYPES, BATCHES = 600, 5, 4, 3


def flat(x, digits=6):
    return [float(f"{v:.{digits}g}") for v in np.asarray(x, dtype=float).ravel()]


rng = np.random.default_rng(11)
kind, batch, lane = rng.integers(0, TYPES, N), rng.integers(0, BATCHES, N), rng.integers(0, 2, N)
points = 5 * rng.normal(size=(TYPES, D))[kind] + 1.5 * rng.normal(size=(BATCHES, D))[batch]
points += 0.7 * rng.normal(size=(2, D))[lane] + 0.5 * rng.normal(size=(BATCHES, TYPES, D))[batch, kind]
points = np.array(flat(points + 0.6 * rng.normal(size=(N, D))), dtype=np.float32).reshape(N, D)
table = pd.DataFrame({"batch": batch.astype(str), "lane": lane.astype(str)})


def corrected(keys, **params):
    found = np.asarray(harmonypy.run_harmony(points.astype(float), table, keys, verbose=False, **params).Z_corr)
    return flat(found if found.shape == (N, D) else found.T)


found = {
    "points": flat(points),
    "type": kind.tolist(),
    "batch": batch.tolist(),
    "lane": lane.tolist(),
    "corrected": corrected(["batch"]),
    "corrected_two": corrected(["batch", "lane"], theta=[1, 3], lamb=[1, 2], sigma=0.15, nclust=12, tau=5),
}
(HERE / "harmony.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")
for seed in (1, 2):
    print(np.abs(np.array(found["corrected"]) - corrected(["batch"], random_state=seed)).max())
    again = corrected(["batch", "lane"], theta=[1, 3], lamb=[1, 2], sigma=0.15, nclust=12, tau=5, random_state=seed)
    print(np.abs(np.array(found["corrected_two"]) - again).max())
