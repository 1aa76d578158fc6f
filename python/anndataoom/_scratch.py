"""Temporary files that live as long as the objects that read from them, and no longer than the
process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import weakref
from contextlib import contextmanager, suppress

_folders: dict[int, str] = {}


@contextmanager
def target(to):
    """Yields the path for a file, `to` or a temporary one, and a function to call with the opened
    file.
    """
    if to is not None:
        yield os.path.abspath(os.fspath(to)), lambda file: None
        return
    fd, path = tempfile.mkstemp(".h5ad", dir=_folder())
    os.close(fd)
    try:
        yield path, lambda file: weakref.finalize(file, _remove, path)
    except BaseException:
        _remove(path)
        raise


def _folder() -> str:
    pid = os.getpid()
    if pid not in _folders:
        _folders[pid] = tempfile.mkdtemp(prefix="anndataoom-")
        atexit.register(_clear, pid)
    return _folders[pid]


def _remove(path: str) -> None:
    with suppress(OSError):
        os.remove(path)


def _clear(pid: int) -> None:
    # A forked process has inherited the folder of its parent, which still needs it.
    if pid == os.getpid():
        shutil.rmtree(_folders.pop(pid), ignore_errors=True)
