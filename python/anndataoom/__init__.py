"""Annotated single-cell data on matrices that do not fit in memory."""

from __future__ import annotations

from . import _core, pp, tl
from . import get as get
from ._anndata import AnnDataOOM
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
from ._read import convert, read, read_10x_h5, read_h5ad, read_zarr
from ._read_loom import read_loom
from ._read_mudata import read_h5mu, write_h5mu
from ._read_seurat import read_h5seurat
from ._read_text import read_10x_mtx, read_text
from ._reductions import DEFAULT_CHUNK_SIZE as DEFAULT_CHUNK_SIZE
from ._settings import settings
from ._write import Compression
from ._write_10x import write_10x_h5, write_10x_mtx

__version__ = _core.__version__


def explain(adata, layer: str | None = None) -> None:
    """Prints the cost of passes over a matrix, without reading its values.

    The plan lists the matrix and its queued transforms, and the results that earlier passes left
    (sums, kept columns, packed rows, an index). For each verb it gives the number of passes over
    the values, the place they are read from, and the bytes read.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    layer
        Layer instead of X.

    Returns
    -------
    None: the plan is printed.

    Raises
    ------
    KeyError
        There is no such layer.

    Examples
    --------
    >>> oom.explain(adata)
    plan for '...pbmc_like.h5ad', element 'X'
    ...
    """
    adata.explain(layer)


def index_columns(adata, dir, layer: str | None = None) -> str:
    """Makes an index of the matrix by gene, so that genes are read in milliseconds.

    In a file with compressed rows a single gene needs a pass over all rows. The index is a compact
    copy of the matrix by column (about half the room of the matrix), in a folder of your choice.
    From then on `obs_vector` and every other selection of a few genes is read from there, in this
    object and in all made from it. In another session the same call finds the index again. An index
    of an earlier state of the file is replaced.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    dir
        The folder, which is made if it does not exist.
    layer
        Layer instead of X.

    Returns
    -------
    The path of the index.

    Raises
    ------
    RuntimeError
        The matrix is stored by column, so that it needs no index; or it is dense or in memory, so
        that it cannot have one.

    Examples
    --------
    >>> path = oom.index_columns(adata, "index")
    >>> len(adata.obs_vector("CD3D"))
    700
    """
    return adata.index_columns(dir, layer)


def pack(adata, dir, layer: str | None = None) -> str:
    """Keeps a packed copy of the matrix, from which all passes read.

    The first pass over a compressed sparse matrix leaves its rows packed until the session ends (`settings.scratch`).
    This leaves them in a folder of your choice (about three quarters of the room of the matrix); from then on every
    pass over the matrix reads them in a quarter of the time, for this object and all that share its file. In another
    session the same call finds the copy again. A copy of an earlier state of the file is not used but made anew, and
    parts of it that are damaged are read from the file. Results are the same bits.

    Parameters
    ----------
    adata
        An AnnDataOOM.
    dir
        The folder, which is made if it does not exist.
    layer
        Layer instead of X.

    Returns
    -------
    The path of the copy.

    Raises
    ------
    RuntimeError
        The matrix is dense, in memory or in several files.

    Examples
    --------
    >>> path = oom.pack(adata, "packed")
    >>> oom.pp.calculate_qc_metrics(adata, inplace=True)
    >>> bool((adata.obs["total_counts"] > 0).all())
    True
    """
    return adata.pack(dir, layer)


__all__ = [
    "__version__",
    "read",
    "read_h5ad",
    "read_10x_h5",
    "read_10x_mtx",
    "read_h5mu",
    "read_h5seurat",
    "read_loom",
    "read_text",
    "read_zarr",
    "write_10x_h5",
    "write_10x_mtx",
    "write_h5mu",
    "get",
    "pp",
    "tl",
    "settings",
    "explain",
    "index_columns",
    "pack",
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
    "convert",
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
