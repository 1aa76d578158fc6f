"""Reads a matrix on disk in blocks of rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import numpy as np
from scipy import sparse

from ._arguments import check
from ._convert import from_core
from ._reductions import DEFAULT_CHUNK_SIZE
from ._settings import settings


class Chunks:
    """The methods of `BackedArray` that iterate over its rows."""

    def chunked(self, chunk_size: int = DEFAULT_CHUNK_SIZE) -> Iterator[tuple]:
        """Iterates over the rows in chunks.

        Parameters
        ----------
        chunk_size
            Rows of a chunk, at least 1. Rows are read ahead within the working memory, and each
            stored chunk is read once.

        Yields
        ------
        start, end, chunk
            The chunk is a CSR matrix, or an array where the matrix is dense, in the order of the rows.
        """
        check("chunked", chunk_size=chunk_size)
        for start, end, values in self._m.chunks(min(int(chunk_size), max(1, self.shape[0]))):
            yield start, end, from_core(values)

    def chunked_columns(self, chunk_size: int = DEFAULT_CHUNK_SIZE) -> Iterator[tuple]:
        """Does the same as `chunked`, under a name of version 0.1.8."""
        yield from self.chunked(chunk_size)

    def _rows_per_read(self) -> int:
        """Returns the number of rows to read at a time, within the working memory."""
        n, m = self.shape
        info = self._m.info()
        stored = max(1, info["stored_shape"][0])
        per_row = m * self.dtype.itemsize
        if self._m.is_sparse and info["nnz"] is not None:
            per_row = min(per_row, info["nnz"] / stored * (4 + self.dtype.itemsize)) + 8
        # Compressed columns are decoded whole for every read, so that a read takes all the memory.
        share = 1 if info["layout"] == "csc" else 4
        return max(1, int(settings.memory / share / max(1, per_row)))

    def to_dask(self, chunk_size: int = 10_000):
        """Returns a dask array of row blocks, which the core reads when they are computed. Needs
        dask.

        Parameters
        ----------
        chunk_size
            Rows of a block.

        Returns
        -------
        dask.array.Array, cells x genes
            Its blocks are scipy CSR matrices, or numpy arrays where the matrix is dense. Workers of other processes
            open the file by its path.

        Raises
        ------
        ImportError
            dask is not installed.
        """
        import dask.array as da

        check("to_dask", chunk_size=chunk_size)
        chunk_size = int(chunk_size)
        n, m = self.shape
        starts = range(0, n, chunk_size) if n else [0]
        name = f"anndataoom-{uuid.uuid4().hex}"
        graph = {(name, i, 0): (_rows, self, s, min(n, s + chunk_size)) for i, s in enumerate(starts)}
        meta = sparse.csr_matrix((0, 0), dtype=self.dtype) if self._m.is_sparse else np.empty((0, 0), self.dtype)
        lengths = tuple(min(n, s + chunk_size) - s for s in starts)
        return da.Array(graph, name, chunks=(lengths, (m,)), meta=meta)


def _rows(x, start: int, end: int):
    return x[start:end]
