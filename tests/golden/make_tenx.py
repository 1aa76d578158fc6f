"""Makes small files as Cell Ranger 2 and 3 write them, and records how scanpy reads them:

    python make_tenx.py

Needs scanpy. Writes tenx/v2.h5 (two genomes), tenx/v2_one.h5 (one), tenx/v3.h5 (gene expression and antibodies, two
genomes), and tenx/expected.json with scanpy's matrices and tables.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import scanpy as sc
from scipy import sparse

GENES, CELLS = 9, 6
out = Path(__file__).parent / "tenx"
out.mkdir(exist_ok=True)
k = np.arange(GENES * CELLS).reshape(GENES, CELLS)
counts = sparse.csc_matrix(np.where(k % 4 == 1, k % 7 + 1, 0).astype("i4"))
barcodes = np.array([f"ACGT{i}-1" for i in range(CELLS)], dtype="S18")


def text(items):
    return np.array(items, dtype="S32")


def matrix(g, m):
    for name in ("data", "indices", "indptr"):
        x = getattr(m, name)
        g.create_dataset(name, data=x if name == "data" else x.astype("i8"), chunks=(16,), maxshape=(None,), compression="gzip")
    g.create_dataset("shape", data=np.array(m.shape, dtype="i4"))
    g.create_dataset("barcodes", data=barcodes, compression="gzip")


def version_2(path, genomes):
    with h5py.File(path, "w") as f:
        for n, genome in enumerate(genomes):
            g = f.create_group(genome)
            matrix(g, counts * (n + 1))
            g["genes"] = text([f"{genome}_ENS{i}" for i in range(GENES)])
            g["gene_names"] = text([f"Gene{i}" for i in range(GENES)])


def version_3(path):
    with h5py.File(path, "w") as f:
        f.attrs["filetype"], f.attrs["version"] = "matrix", 2
        g = f.create_group("matrix")
        matrix(g, counts)
        t = g.create_group("features")
        t["id"] = text([f"ENS{i}" for i in range(GENES)])
        t["name"] = text([f"Gene{i}" for i in range(GENES)])
        t["feature_type"] = text(["Gene Expression"] * (GENES - 2) + ["Antibody Capture"] * 2)
        t["genome"] = text(["GRCh38"] * 5 + ["mm10"] * 2 + [""] * 2)
        t["pattern"] = text([""] * (GENES - 2) + ["5PNNN(BC)"] * 2)
        t["_all_tag_keys"] = text(["genome", "pattern"])
        t.create_group("target_sets")["panel"] = np.arange(3)


def told(a):
    table = lambda t: {c: [x.item() if hasattr(x, "item") else x for x in t[c]] for c in t}
    return {"X": a.X.toarray().tolist(), "obs_names": list(a.obs_names), "var_names": list(a.var_names),
            "var": table(a.var), "obs": table(a.obs)}


version_2(out / "v2.h5", ["GRCh38", "mm10"])
version_2(out / "v2_one.h5", ["hg19"])
version_3(out / "v3.h5")
expected = {
    "v2.h5 GRCh38": told(sc.read_10x_h5(out / "v2.h5", genome="GRCh38")),
    "v2.h5 mm10": told(sc.read_10x_h5(out / "v2.h5", genome="mm10")),
    "v2_one.h5": told(sc.read_10x_h5(out / "v2_one.h5")),
    "v3.h5": told(sc.read_10x_h5(out / "v3.h5")),
    "v3.h5 all": told(sc.read_10x_h5(out / "v3.h5", gex_only=False)),
    "v3.h5 mm10": told(sc.read_10x_h5(out / "v3.h5", genome="mm10")),
}
(out / "expected.json").write_text(json.dumps(expected, indent=None))
