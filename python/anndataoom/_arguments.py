"""Checks the arguments of functions that are no verbs, by the core's table, before anything is
done.
"""

from __future__ import annotations

import os

from . import _core


def check(function: str, **args) -> None:
    """Refuses arguments outside their domains; the error names function and parameter."""
    _core.check_function(function, {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in args.items()})
