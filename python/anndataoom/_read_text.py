"""Opens count matrices and tables as text: they are converted into an h5ad file once, streamed, and
read from there.
"""

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

    Folders of Cell Ranger 2 and 3, of GEO (where a prefix stands before the names of the three
    files), STARsolo, alevin-fry, kallisto and bustools, and Parse are read; files are gzipped or
    not. The matrix is converted into an h5ad file once, in memory that does not grow with it, and
    read from there.

    Parameters
    ----------
    path
        The folder, or the matrix file in it.
    var_names
        Genes are named by "gene_symbols" or "gene_ids"; the other becomes a column of var.
    make_unique
        Whether repeated symbols get "-1", "-2", ...
    gex_only
        Whether to keep only features of the type "Gene Expression", if the folder has types.
    prefix
        Prefix of the names of the files, for a folder with several matrices.
    to
        Path of the h5ad file to write, so that `read` can open it later. Without it, a temporary
        file is written and removed when no object reads from it any more.

    Returns
    -------
    Cells x genes, with barcodes and genes as in the files. X is float32 by rows (float64 if a whole
    number needs it).

    Raises
    ------
    ValueError
        The text is damaged (with file and line), files do not belong together, or there are several
        matrices and no prefix.
    FileNotFoundError, OSError
        There is no such folder or no matrix in it, or gzip data are damaged or cut short.

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

    The table is converted into an h5ad file once, in memory that does not grow with it, and read
    from there. Lines that begin with "#" before the first value are comments.

    Parameters
    ----------
    filename
        The file.
    delimiter
        The text between values; " " stands for any blanks. None detects it from the first line: a
        tab, a comma, a semicolon or blanks.
    first_column_names
        Whether the first column holds names; None for yes if its first value is not a number.
    transpose
        Whether the rows of the table are genes.
    to
        Path of the h5ad file to write, so that `read` can open it later. Without it, a temporary
        file is written and removed when no object reads from it any more.

    Returns
    -------
    Cells x genes. X is by rows, as float32 (float64 if a whole number needs it).

    Raises
    ------
    ValueError
        A value is not a number, or a line has more or fewer values than the first; with file, line
        and column.
    FileNotFoundError, OSError
        There is no such file or no table in it, or gzip data are damaged or cut short.

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
