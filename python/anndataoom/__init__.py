"""Annotated single-cell data on matrices that do not fit in memory."""

from __future__ import annotations

import os

from . import _core, pp, tl
from . import get as get
from ._anndata import AnnDataOOM
from ._arguments import check
from ._arrays import BackedArray
from ._centered_sparse import CenteredSparseArray
from ._chunked_ops import (
    chunked_gene_group_pct,
    chunked_highly_variable_features_pegasus,
    chunked_highly_variable_genes_dispersion,
    chunked_highly_variable_genes_pearson,
    chunked_identify_robust_genes,
    chunked_log1p,
    chunked_mean_var,
    chunked_normalize_pearson_residuals,
    chunked_normalize_total,
    chunked_pca,
    chunked_pearson_residual_variance,
    chunked_qc_metrics,
    chunked_regress,
    chunked_scale,
    chunked_scrublet_prepare,
    materialise_for_pca,
)
from ._compat import is_oom, oom_guard
from ._concat import concat
from ._dataset import AnnDataSet
from ._elements import BackedLayers
from ._kinds import (
    PearsonResidualBackedArray,
    RegressedBackedArray,
    ScaledBackedArray,
    TransformedBackedArray,
)
from ._raw import _FrozenRaw as _FrozenRaw
from ._reductions import DEFAULT_CHUNK_SIZE
from ._settings import settings
from ._write import Compression

__version__ = _core.__version__


def read(path, backed: str = "r", *, external: str = "refuse", **kwargs) -> AnnDataOOM:
    """Opens an h5ad file: names and shapes are read, no values.

    Parameters
    ----------
    path
        The file.
    backed
        "r": the file is never written to. "r+": `AnnDataOOM.save` puts what changed into it.
    external
        Which other files this one may take parts from (external links, external storage, virtual datasets): "refuse"
        none, "same-folder" those in its folder, "follow" any, which shows what lies at whatever path the file names.
    **kwargs
        `chunk_size`; `backend` of version 0.1.8 is accepted and ignored.

    Raises
    ------
    FileNotFoundError, OSError
        The file is not there, or is no HDF5 file.
    PermissionError
        A part of it is in another file that may not be opened; raised when that part is touched.
    KeyError, ValueError
        It is no h5ad file, or contradicts itself.
    """
    chunk_size = kwargs.pop("chunk_size", DEFAULT_CHUNK_SIZE)
    backed = "r" if backed is True else backed
    check("read_h5ad", path=path, backed=backed, external=external, chunk_size=chunk_size)
    kwargs.pop("backend", None)
    if kwargs:
        raise TypeError(f"read() got an unexpected argument '{next(iter(kwargs))}'")
    return AnnDataOOM(_core.File(os.fspath(path), backed == "r+", external), chunk_size=chunk_size)


read_h5ad = read


def read_10x_h5(
    filename, *, genome: str | None = None, gex_only: bool = True, external: str = "refuse"
) -> AnnDataOOM:
    """Opens a file of 10x Genomics (Cell Ranger 2 and later) as scanpy's function of this name, lazily.

    Parameters
    ----------
    filename
        The file.
    genome
        Only features of this genome; needed for a file of Cell Ranger 2 with several.
    gex_only
        Only features of the type "Gene Expression".
    external
        As in `read`.

    Returns
    -------
    Cells x features: barcodes, gene names, `var["gene_ids"]` and, from Cell Ranger 3 on, `var["feature_types"]`,
    `var["genome"]` and what else the file says. Names may repeat: see `var_names_make_unique`. Counts stay integers.
    """
    from ._arrays import open_matrix
    from ._convert import from_core

    check("read_10x_h5", filename=filename, genome=genome, gex_only=gex_only, external=external)
    file = _core.File(os.fspath(filename), False, external)
    element, obs, var = file.read_10x(genome)
    adata = AnnDataOOM._of_parts(file, open_matrix(file, element), from_core(obs), from_core(var))
    if "feature_types" not in adata.var:
        return adata
    if genome is not None:
        if "genome" not in adata.var or not (adata.var["genome"] == genome).any():
            there = ", ".join(map(repr, adata.var.get("genome", []).unique()))
            raise ValueError(f"genome: expected one of those of '{file.path}' ({there}), found {genome!r}")
        adata = adata[:, adata.var["genome"] == genome]
    return adata[:, adata.var["feature_types"] == "Gene Expression"] if gex_only else adata


def explain(adata, layer: str | None = None) -> None:
    """Prints what a matrix would cost to go through, without reading it.

    What is stored and queued, what earlier passes left (sums, kept columns, an index), and for each verb the number of
    passes over the values, where they come from and how many bytes are read.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    layer
        The layer to use instead of X.
    """
    adata.explain(layer)


def index_columns(adata, dir, layer: str | None = None) -> str:
    """Makes genes readable in milliseconds.

    A file with compressed rows has to be read whole for a single gene. This leaves a copy of the matrix by column, in
    few bits (about half the room of the matrix), in a folder of your choice; from then on `obs_vector` and every other
    selection of a few genes is read from there, in this object and in all made from it. In another session the same
    call finds the index again. An index of an earlier state of the file is not used but made anew.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    dir
        The folder; made when it is not there.
    layer
        The layer to use instead of X.

    Returns
    -------
    The path of the index.

    Raises
    ------
    RuntimeError
        The matrix is stored by column, and needs none; or is dense or in memory, and can have none.
    """
    return adata.index_columns(dir, layer)


__all__ = [
    "__version__",
    "read",
    "read_h5ad",
    "read_10x_h5",
    "pp",
    "tl",
    "settings",
    "explain",
    "index_columns",
    "AnnDataOOM",
    "AnnDataSet",
    "BackedArray",
    "BackedLayers",
    "TransformedBackedArray",
    "ScaledBackedArray",
    "PearsonResidualBackedArray",
    "RegressedBackedArray",
    "CenteredSparseArray",
    "Compression",
    "concat",
    "is_oom",
    "oom_guard",
    "chunked_gene_group_pct",
    "chunked_highly_variable_features_pegasus",
    "chunked_highly_variable_genes_dispersion",
    "chunked_highly_variable_genes_pearson",
    "chunked_identify_robust_genes",
    "chunked_log1p",
    "chunked_mean_var",
    "chunked_normalize_pearson_residuals",
    "chunked_normalize_total",
    "chunked_pca",
    "chunked_pearson_residual_variance",
    "chunked_qc_metrics",
    "chunked_regress",
    "chunked_scale",
    "chunked_scrublet_prepare",
    "materialise_for_pca",
]
