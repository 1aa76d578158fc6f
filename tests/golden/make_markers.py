"""Makes markers.json: scanpy's ranking of genes of the example file. The logarithms of counts are
rounded to 64ths, which are the same on every processor.

    python tests/golden/make_markers.py
"""

import json
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "inst" / "extdata" / "pbmc_like.h5ad"
FIELDS = ["scores", "logfoldchanges", "pvals", "pvals_adj"]
KEPT = 25

warnings.simplefilter("ignore")
adata = ad.read_h5ad(EXAMPLE)
adata.X = np.round(np.log1p(adata.X.toarray().astype(np.float64)) * 64) / 64
reference = adata.obs["cell_type"].cat.categories[1]
runs = {}
for method in ("t-test", "t-test_overestim_var", "wilcoxon", "wilcoxon tie_correct"):
    name, *tie_correct = method.split()
    for against in ("rest", reference):
        sc.tl.rank_genes_groups(
            adata, "cell_type", method=name, tie_correct=bool(tie_correct), reference=against, pts=True
        )
        found = adata.uns["rank_genes_groups"]
        groups = {}
        for group in found["names"].dtype.names:
            table = pd.DataFrame({f: found[f][group].astype(float) for f in FIELDS}, index=found["names"][group])
            table["pts"] = found["pts"].loc[table.index, group]
            # Genes from the whole ranking, without genes of equal score.
            alone = table[~table["scores"].duplicated(keep=False)]
            some = alone.iloc[np.unique(np.linspace(0, len(alone) - 1, KEPT).astype(int))]
            groups[group] = {"names": list(some.index), **{k: list(some[k]) for k in some}}
        runs[f"{method}, {against}"] = groups
out = {"versions": {"scanpy": sc.__version__, "anndata": ad.__version__}, "reference": reference, "runs": runs}
(HERE / "markers.json").write_text(json.dumps(out, indent=None, separators=(",", ":")) + "\n")
