"""Places of files: paths of this machine, and URLs of remote files."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import _core


def is_url(path) -> bool:
    """Returns whether it is a URL ("https://...", "s3://...")."""
    return "://" in os.fspath(path)[:16] if isinstance(path, str | os.PathLike) else False


def named(path, storage_options=None) -> str:
    """Returns the text by which a file is opened, also from a pickle: a path as it is, a URL without
    secrets.
    """
    options = {} if storage_options is None else storage_options
    expected = "must be a dictionary of the options of a URL, each a text, number or truth value by its name, or None"
    if not isinstance(options, Mapping):
        raise ValueError(f"storage_options {expected}, found {type(storage_options).__name__}")
    pairs = []
    for name, value in options.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool):
            raise ValueError(f"storage_options {expected}, found {type(value).__name__} for {name!r}")
        pairs.append((name, str(value)))
    return _core.place(os.fspath(path), pairs)


def mark(path, file=None):
    """Returns the state of a file, by which it is known again: its bytes; for a remote one, its
    bytes and a number for its ETag.
    """
    if is_url(path):
        return None if file is None else file.mark()
    return os.path.getsize(path)


def open_file(path, known=None, external: str = "refuse", group: str = "") -> _core.File:
    """Opens a file for a pickled object."""
    if is_url(path):
        file = _core.File(path, False, external, group)
        if known is not None and tuple(known) != file.mark():
            raise OSError(f"'{path}' has changed since the object was saved: open it again with read()")
        return file
    if not os.path.exists(path):
        raise FileNotFoundError(f"'{path}' is not there any more: the saved object reads its matrix from it")
    found = os.path.getsize(path)
    if known is not None and known != found:
        raise OSError(f"'{path}' has changed since the object was saved ({known} bytes then, {found} now)")
    return _core.File(path, False, external, group)
