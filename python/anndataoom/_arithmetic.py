"""Arithmetic on matrices that stay on disk, with the results of the numpy array or scipy matrix in
memory.
"""

from __future__ import annotations

import operator
import warnings

import numpy as np
from scipy import sparse

from ._settings import settings

# The bytes from which reading values without being asked is worth a warning.
WARN_BYTES = 1 << 20


def _binary(of_two, reflected: bool = False):
    def method(self, other):
        own = self._for_arithmetic()
        other = other.to_memory() if isinstance(other, Arithmetic) else other
        return of_two(other, own) if reflected else of_two(own, other)

    return method


class Arithmetic:
    """Operators that read all values, in their dtype and sparsity, with a warning above 1 MiB."""

    # With this priority, numpy arrays and numbers leave operators to this class, as to scipy's
    # matrices.
    __array_priority__ = 10.1

    def _for_arithmetic(self):
        from ._scanpy import memory_bytes

        needed = memory_bytes(self)
        if needed > settings.array_limit:
            raise MemoryError(
                f"{self!r}\narithmetic reads all values into memory: {needed:,} bytes, "
                f"anndataoom.settings.array_limit is {settings.array_limit:,}: select rows or columns, use chunked(), "
                "or raise the limit"
            )
        if needed >= WARN_BYTES:
            n, m = self.shape
            warnings.warn(
                f"{self._place()}: {n:,} x {m:,} values ({needed / 2**20:,.0f} MB) are read into memory for "
                "arithmetic; to_memory() does so without this warning",
                stacklevel=3,
            )
        return self.to_memory()

    __add__, __radd__ = _binary(operator.add), _binary(operator.add, True)
    __sub__, __rsub__ = _binary(operator.sub), _binary(operator.sub, True)
    __mul__, __rmul__ = _binary(operator.mul), _binary(operator.mul, True)
    __truediv__, __rtruediv__ = _binary(operator.truediv), _binary(operator.truediv, True)
    __pow__ = _binary(operator.pow)
    __gt__, __ge__ = _binary(operator.gt), _binary(operator.ge)
    __lt__, __le__ = _binary(operator.lt), _binary(operator.le)

    def __eq__(self, other):
        return self._compared(operator.eq, other)

    def __ne__(self, other):
        return self._compared(operator.ne, other)

    __hash__ = object.__hash__

    def _compared(self, of_two, other):
        """Compares value by value with numbers and matrices; objects of other types are not equal."""
        number = np.isscalar(other) and not isinstance(other, str | bytes)
        if not (number or isinstance(other, Arithmetic | np.ndarray) or sparse.issparse(other)):
            return NotImplemented
        return _binary(of_two)(self, other)

    def __neg__(self):
        return -self._for_arithmetic()

    def __abs__(self):
        return abs(self._for_arithmetic())
