"""Tells an `AnnDataOOM` from an AnnData, and adapts tools made for the latter."""

from __future__ import annotations

import functools
import warnings

from ._anndata import AnnDataOOM
from ._values import in_memory


def is_oom(adata) -> bool:
    """Returns whether `adata` keeps its matrices on disk.

    Parameters
    ----------
    adata
        An AnnDataOOM.

    Returns
    -------
    True or False.

    Raises
    ------
    Nothing.

    Examples
    --------
    >>> oom.is_oom(adata), oom.is_oom(adata.to_adata())
    (True, False)
    """
    return type(adata) is AnnDataOOM or bool(getattr(adata, "_is_oom", False))


def oom_guard(
    *,
    materialize: bool = True,
    result_keys_uns=None,
    result_keys_obs=None,
    result_keys_obsm=None,
    result_keys_obsp=None,
    suggest=None,
):
    """Decorates a function whose first argument is annotated data in memory.

    An `AnnDataOOM` is read into memory for the call, and the named results are copied back; "*"
    names everything that is new or changed. With `materialize=False` the call is refused, with
    `suggest` as advice.

    Parameters
    ----------
    materialize
        Whether the object is read into memory for the call; else the call is refused.
    result_keys_uns
        Keys of uns to copy back; "*" among them for all that is new or was changed.
    result_keys_obs
        The same of obs.
    result_keys_obsm
        The same of obsm.
    result_keys_obsp
        The same of obsp.
    suggest
        Advice to show: the function to call instead.

    Returns
    -------
    The decorator.

    Raises
    ------
    NotImplementedError
        By the function that is made, with `materialize=False`, for an AnnDataOOM.

    Examples
    --------
    >>> @oom.oom_guard(result_keys_obs=["total"])
    ... def total(adata):
    ...     adata.obs["total"] = np.asarray(adata.X.sum(axis=1)).ravel()
    >>> total(adata)
    >>> "total" in adata.obs
    True
    """
    wanted = {
        "uns": result_keys_uns,
        "obs": result_keys_obs,
        "obsm": result_keys_obsm,
        "obsp": result_keys_obsp,
    }

    def decorate(function):
        @functools.wraps(function)
        def guarded(adata, *args, **kwargs):
            if not is_oom(adata):
                return function(adata, *args, **kwargs)
            if not materialize:
                hint = f": {suggest}" if suggest else ""
                raise NotImplementedError(f"{function.__name__}() does not work on an AnnDataOOM{hint}")
            n, m = adata.shape
            warnings.warn(
                f"{function.__name__}() reads all {n:,} x {m:,} values into memory{f'; {suggest}' if suggest else ''}",
                stacklevel=2,
            )
            memory = adata.to_adata()
            result = function(memory, *args, **kwargs)
            for slot, keys in wanted.items():
                _copy_back(adata, memory, slot, keys)
            return adata if result is memory else result

        return guarded

    return decorate


def _copy_back(adata, memory, slot: str, keys) -> None:
    if not keys:
        return
    source = getattr(memory, slot)
    keys = list(source.keys()) if "*" in keys else [k for k in keys if k in source]
    target = getattr(adata, slot)
    for key in keys:
        target[key] = source[key] if slot == "obs" else in_memory(source[key])
