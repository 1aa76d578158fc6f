"""Count matrices and tables that others wrote as text: streamed into an h5ad file once, and read from there."""

from __future__ import annotations

import os

from . import _core
from ._anndata import AnnDataOOM
from ._arguments import check
from ._foreign import into_h5ad


def read_10x_mtx(
    path,
    *,
    var_names: str = "gene_symbols",
    make_unique: bool = True,
    gex_only: bool = True,
    prefix: str | None = None,
    to=None,
) -> AnnDataOOM:
    """Opens a folder with a count matrix as text, as scanpy's function of this name, but streamed.

    The folder is one of Cell Ranger 2 or 3, of GEO (where a name stands before each of the three files' names),
    STARsolo, alevin-fry, kallisto and bustools, or Parse; files are gzipped or not. The matrix is turned into an h5ad
    file once, in memory that does not grow with it, and read from there.

    Parameters
    ----------
    path
        The folder, or the matrix in it.
    var_names
        Genes are named by "gene_symbols" or "gene_ids"; the other becomes a column of var.
    make_unique
        Symbols that repeat get "-1", "-2", ...
    gex_only
        Only features of the type "Gene Expression", where the folder has types.
    prefix
        Beginning of the files' names, where the folder has several matrices.
    to
        Where to write the h5ad file, to open it with `read` the next time; without it, it is a temporary one, which is
        removed when nothing reads from it any more.

    Returns
    -------
    Cells x genes: barcodes and genes as the files have them, X as float32 by rows (float64 where a whole number needs
    it).

    Raises
    ------
    ValueError
        Text that is damaged, with file and line; files that do not belong together; several matrices and no prefix.
    FileNotFoundError, OSError
        There is no such folder, or no matrix in it; gzip data that are damaged or cut short.

    Examples
    --------
    >>> oom.write_10x_mtx(adata, "filtered")
    >>> oom.read_10x_mtx("filtered", to="filtered.h5ad").shape
    (700, 2000)
    """
    check(
        "read_10x_mtx",
        path=path,
        var_names=var_names,
        make_unique=make_unique,
        gex_only=gex_only,
        prefix=prefix,
        to=to,
    )

    def write(place):
        _core.read_10x_mtx(
            os.fspath(path),
            place,
            gene_ids=var_names == "gene_ids",
            make_unique=make_unique,
            gex_only=gex_only,
            prefix=prefix,
        )

    return into_h5ad(to, write)


def read_text(
    filename,
    delimiter: str | None = None,
    *,
    first_column_names: bool | None = None,
    transpose: bool = False,
    to=None,
) -> AnnDataOOM:
    """Opens a table of numbers as text (csv, tsv, gzipped or not), as scanpy's function of this name, but streamed.

    The table is turned into an h5ad file once, in memory that does not grow with it, and read from there. Lines that
    begin with "#" before the first value are comments.

    Parameters
    ----------
    filename
        The file.
    delimiter
        The text between values; " " stands for any blanks. Without it, it is found out from the first line: a tab, a
        comma, a semicolon or blanks.
    first_column_names
        Whether the first column holds names; without it, whether its first value is no number.
    transpose
        Whether the rows of the table are genes.
    to
        Where to write the h5ad file, to open it with `read` the next time; without it, it is a temporary one, which is
        removed when nothing reads from it any more.

    Returns
    -------
    Cells x genes: X by rows, as float32 (float64 where a whole number needs it).

    Raises
    ------
    ValueError
        A value that is no number, or a line with more or fewer than the first, with file, line and column.
    FileNotFoundError, OSError
        There is no such file, or it holds no table; gzip data that are damaged or cut short.

    Examples
    --------
    >>> with open("counts.csv", "w") as file:
    ...     _ = file.write("cell,CD3D,NKG7\\na,1,0\\nb,0,2\\n")
    >>> oom.read_text("counts.csv").shape
    (2, 2)
    """
    check(
        "read_text", filename=filename, delimiter=delimiter, first_column_names=first_column_names,
        transpose=transpose, to=to,
    )  # fmt: skip

    def write(place):
        _core.read_text(
            os.fspath(filename),
            place,
            delimiter=delimiter,
            first_column_names=first_column_names,
            transpose=transpose,
        )

    return into_h5ad(to, write)
