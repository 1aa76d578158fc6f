"""Runs the pipeline of `ours.py` on a file of many cells, and extracts a part of its graph for
other tools to cluster.

    sample_of_graph.py FILE PREFIX [CELLS]

The part holds the first cells that a walk outwards from the first cell meets. Its graph, its
embedding and its modularity by our clusters are written to PREFIX in the form that
`graph_scanpy.py` reads. Prints one JSON line a step.
"""

import json
import runpy
import sys

import numpy as np
from common import step

file, prefix = sys.argv[1:3]
cells = int(sys.argv[3]) if len(sys.argv) > 3 else 200_000
sys.argv = [sys.argv[0], file]
made = runpy.run_path(__file__.replace("sample_of_graph", "ours"))
oom, adata = made["oom"], made["adata"]
print(json.dumps({"recall": float(adata.uns["neighbors"]["params"].get("recall", 1.0)), "clusters": int(adata.obs["leiden"].nunique()),
                  "modularity": float(adata.uns["leiden"]["modularity"])}), flush=True)
with step("sample"):
    graph = adata.obsp["connectivities"]
    met, taken, last = np.zeros(graph.shape[0], bool), [np.array([0])], np.array([0])
    met[0] = True
    while sum(map(len, taken)) < cells and len(last):
        around = np.unique(np.concatenate([graph.indices[graph.indptr[i] : graph.indptr[i + 1]] for i in last]))
        last = around[~met[around]]
        met[last] = True
        taken.append(last)
    rows = np.sort(np.concatenate(taken)[:cells])
    part = graph[rows][:, rows]
    points = adata.obsm["X_pca"][rows]
sample = oom.AnnDataOOM(part[:, :1].tocsr())
sample.obsp["connectivities"] = part
sample.uns["neighbors"] = {"connectivities_key": "connectivities", "distances_key": "distances", "params": {}}
oom.tl.leiden(sample)
part.indptr.astype("<u8").tofile(f"{prefix}.indptr.u64")
part.indices.astype("<u4").tofile(f"{prefix}.indices.u32")
part.data.astype("<f4").tofile(f"{prefix}.data.f32")
points.astype("<f4").tofile(f"{prefix}.f32")
print(json.dumps({"step": "sample of the graph", "cells": len(rows), "modularity": float(sample.uns["leiden"]["modularity"])}), flush=True)
