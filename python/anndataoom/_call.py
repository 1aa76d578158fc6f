"""Runs every verb of pp and tl.

The core's table checks the arguments of a verb, its inputs are found in the object, and its outcome
is merged into it.
"""

from __future__ import annotations

import pandas as pd

from . import _core
from ._arrays import array_of, wrap
from ._convert import from_core
from ._inputs import SOURCES, matrix_of
from ._verbs import merge, set_matrix, target_of, tell


class Outcome:
    """The outcome of a verb.

    Attributes
    ----------
    matrix : BackedArray or None
        The matrix that replaces the one given.
    patch : dict
        The elements to add, by slot.
    keep : array or None
        Whether each cell (`cells` is True) or gene stays.
    take : array or None
        Positions of the cells (`takes_cells` is True) or genes to take.
    values : dict
        Results for callers that want no changed object.

    Notes for the user become warnings when the outcome is made.
    """

    def __init__(self, found, file):
        self.matrix = None if found["matrix"] is None else wrap(found["matrix"], file)
        self.patch = found["patch"]
        self.cells, keep = found["keep"] or (False, None)
        self.keep = None if keep is None else array_of(keep)
        self.takes_cells, take = found["take"] or (False, None)
        self.take = None if take is None else array_of(take)
        self.values = {k: from_core(v) for k, v in found["values"]}
        tell(found["notes"])

    def frame(self, axis, names) -> pd.DataFrame:
        """Returns the columns for obs or var."""
        return pd.DataFrame({k: from_core(v) for k, v in self.patch[axis]}, index=names)

    def merge(self, adata, layer=None, obsm=None) -> None:
        """Merges the outcome into the object."""
        if self.matrix is not None:
            set_matrix(adata, layer, obsm, self.matrix)
        merge(adata, self.patch)
        if self.keep is not None:
            (adata._inplace_subset_obs if self.cells else adata._inplace_subset_var)(self.keep)
        if self.take is not None:
            (adata._inplace_subset_obs if self.takes_cells else adata._inplace_subset_var)(self.take)


def check(name: str, args: dict) -> None:
    """Refuses arguments outside their domains, before a function of a verb reads them."""
    _core.check(name, {k: v for k, v in args.items() if k != "adata"})


def run(name: str, inputs: dict, file=None, **args) -> Outcome:
    """Runs a verb on given inputs, tagged as in `_inputs.py`."""
    return Outcome(_core.check(name, args).run(inputs), file)


def outcome(name: str, adata, **args) -> Outcome:
    """Runs a verb on an object, which stays as it is, and returns the outcome."""
    adata = target_of(adata, False)
    checked = _core.check(name, args)
    inputs = {}
    for need, source in checked.needs:
        inputs[need] = SOURCES[source](adata, need, args)
    file = matrix_of(adata, args)._file if "matrix" in inputs else None
    return Outcome(checked.run({k: v for k, v in inputs.items() if v is not None}), file)


def verb(name: str, adata, **args):
    """Runs a verb on an object and changes it; with `copy=True` it changes and returns a copy."""
    found = outcome(name, adata, **args)
    copy = args.get("copy", False)
    adata = adata.copy() if copy else adata
    found.merge(adata, args.get("layer"), args.get("obsm"))
    return adata if copy else None
