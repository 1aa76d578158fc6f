"""Preprocessing, by scanpy's names and parameters, in place as scanpy does; matrices stay on disk."""

from __future__ import annotations

from . import _counts, _doublets, _elementwise, _filters, _genes, _integrate, _neighbors, _pca, _selections, _transforms
from ._counts import *
from ._doublets import *
from ._elementwise import *
from ._filters import *
from ._genes import *
from ._integrate import *
from ._neighbors import *
from ._pca import *
from ._selections import *
from ._transforms import *

__all__: list[str] = []
__all__ += _counts.__all__
__all__ += _filters.__all__
__all__ += _transforms.__all__
__all__ += _elementwise.__all__
__all__ += _genes.__all__
__all__ += _pca.__all__
__all__ += _doublets.__all__
__all__ += _integrate.__all__
__all__ += _neighbors.__all__
__all__ += _selections.__all__
