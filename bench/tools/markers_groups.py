"""Adds obs["target"] to a simulated file, as of a screen: a tenth of the cells are controls, the
others are in random groups."""

import sys

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem

path, groups = sys.argv[1], int(sys.argv[2])
with h5py.File(path, "r+") as f:
    names = f["obs"].attrs["_index"]
    n = len(f["obs"][names])
    rng = np.random.default_rng(0)
    codes = np.where(rng.random(n) < 0.1, 0, rng.integers(1, groups + 1, n))
    labels = ["control", *(f"target_{k}" for k in range(groups))]
    write_elem(f["obs"], "target", pd.Categorical.from_codes(codes, labels))
    f["obs"].attrs["column-order"] = [*f["obs"].attrs["column-order"], "target"]
