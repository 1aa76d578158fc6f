"""Resources and progress: ``anndataoom.settings``."""

from __future__ import annotations

import sys


class Settings:
    """Options of the package.

    Attributes
    ----------
    threads : int or None
        Worker threads; None is all. Results do not depend on it.
    memory : int
        Working memory of a pass in bytes. Results do not depend on it.
    array_limit : int
        Largest matrix, in bytes, that numpy may turn into an array behind your back (``np.asarray(adata.X)``).
    verbose : bool
        Whether long passes show a progress bar (needs tqdm).
    """

    def __init__(self) -> None:
        self.threads: int | None = None
        self.memory: int = 256 << 20
        self.array_limit: int = 4 << 30
        self.verbose: bool = False

    def __setattr__(self, name, value):
        if name in ("memory", "array_limit") and not (isinstance(value, int) and value > 0):
            raise ValueError(f"{name}: expected a positive number of bytes, found {value!r}")
        if name == "threads" and value is not None and not (isinstance(value, int) and value > 0):
            raise ValueError(f"threads: expected a positive number or None, found {value!r}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return "Settings(" + ", ".join(f"{k}={v!r}" for k, v in vars(self).items()) + ")"


settings = Settings()


class _Progress:
    """A tqdm bar drawn from 0 to 1; a phase that starts again starts the bar again."""

    def __init__(self, tqdm):
        self.bar = tqdm(total=100, unit="%", leave=False, file=sys.stderr)

    def __call__(self, fraction: float) -> None:
        self.bar.n = round(100 * fraction)
        self.bar.refresh()

    def __del__(self):
        self.bar.close()


def call_settings():
    """Threads, memory, progress: what the compiled core asks for at each long call."""
    progress = None
    if settings.verbose:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            pass
        else:
            progress = _Progress(tqdm)
    return settings.threads, settings.memory, progress
