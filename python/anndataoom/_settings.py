"""Settings of resources and progress: ``anndataoom.settings``."""

from __future__ import annotations

import os
import sys
import time
import warnings

from . import _core

_OF_CALLS = ("threads", "memory", "graph_memory", "scratch_limit", "scratch", "cache", "cache_limit")
_CHECKED = (*_OF_CALLS, "array_limit")


class Settings:
    """Options of the package.

    Attributes
    ----------
    threads : int or None
        Worker threads; None is all. Results do not depend on it.
    memory : int
        Working memory of a pass in bytes. Results do not depend on it.
    graph_memory : int or None
        Most bytes that embeddings and graphs of ``neighbors``, ``umap``, ``leiden`` and similar
        verbs take in memory at a time. A call that needs more is a ``MemoryError`` before the work
        starts. None is the memory of the machine, or of its control group.
    scratch_limit : int or None
        Most bytes in scratch files, which hold what exceeds ``memory``; more is an ``OSError``.
        None is the room on the disk of temporary files less a reserve.
    scratch : int or None
        Most bytes of scratch files for the packed rows of a matrix. The first pass over a
        compressed sparse matrix writes its rows there, which takes it about a sixth longer. Later
        passes read them in a fraction of the time. None is as many bytes as the matrix takes in its
        file, but no more than a third of the free room; 0 turns it off. Results do not depend on
        it.
    cache : str or None
        A folder that keeps parts of remote files (URLs), by their ETag, so that they are fetched
        once. None turns it off.
    cache_limit : int
        Most bytes in that folder. The parts that were not used for longest are removed first.
    array_limit : int
        Largest matrix, in bytes, that numpy may turn into an array without being asked
        (``np.asarray(adata.X)``).
    verbose : bool
        Whether passes of more than a second show a progress bar (where tqdm is installed), on stderr of a terminal or
        in a notebook. Nothing else is ever printed.
    """

    def __init__(self) -> None:
        self.threads: int | None = None
        self.memory: int = 256 << 20
        self.graph_memory: int | None = None
        self.scratch_limit: int | None = None
        self.scratch: int | None = None
        self.cache: str | None = None
        self.cache_limit: int = 10 << 30
        self.array_limit: int = 4 << 30
        self.verbose: bool = True

    def __setattr__(self, name, value):
        if name == "cache" and isinstance(value, os.PathLike):
            value = os.fspath(value)
        if name in _CHECKED:
            _core.check_setting(name, value)
        elif name != "verbose":
            raise AttributeError(f"settings has no {name!r}; there are {', '.join(_CHECKED)}, verbose")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return "Settings(" + ", ".join(f"{k}={v!r}" for k, v in vars(self).items()) + ")"


settings = Settings()


class _Progress:
    """A tqdm bar from 0 to 1, shown when a pass takes more than `PATIENCE` seconds; it restarts
    with each phase.
    """

    PATIENCE = 1.0

    def __init__(self, tqdm):
        self.tqdm, self.bar, self.started = tqdm, None, time.monotonic()

    def __call__(self, fraction: float) -> None:
        if self.bar is None:
            if time.monotonic() - self.started < self.PATIENCE:
                return
            self.bar = self.tqdm(total=100, leave=False, bar_format="{l_bar}{bar}| {elapsed}<{remaining}")
        done = round(100 * fraction)
        if done < self.bar.n:
            self.bar.reset()
        self.bar.update(done - self.bar.n)

    def __del__(self):
        if self.bar is not None:
            self.bar.close()


def _progress():
    """Returns a bar if it can be seen, else None."""
    if not settings.verbose:
        return None
    try:
        with warnings.catch_warnings():
            # A notebook without widgets gets the bar as text.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        return None
    in_notebook = any("notebook" in c.__module__ for c in tqdm.__mro__)
    return _Progress(tqdm) if in_notebook or sys.stderr.isatty() else None


def call_settings():
    """Returns the settings and the progress bar that the core asks for at each long call."""
    return {name: getattr(settings, name) for name in _OF_CALLS}, _progress()
