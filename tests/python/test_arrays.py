"""Compares `BackedArray` and its kinds with numpy."""

import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import dense, rich
from scipy import sparse

import anndataoom as oom


def chains(disk):
    """Returns named chains over X, each with the values that numpy computes."""
    counts = dense(disk.X[:]).astype(float)
    factors = counts.sum(1) / 10
    factors[factors == 0] = 1
    norm = counts / factors[:, None]
    log = np.log1p(norm)
    mean, std = log.mean(0), log.std(0, ddof=1)
    std[std == 0] = 1
    total = counts.sum()
    mu = np.outer(counts.sum(1), counts.sum(0)) / total
    pearson = np.clip((counts - mu) / np.sqrt(mu + mu**2 / 100), -np.sqrt(60), np.sqrt(60))
    return {
        "raw": (disk.X, counts),
        "normalised": (oom.TransformedBackedArray(disk.X, factors), norm),
        "log1p": (oom.TransformedBackedArray(disk.X, factors, True), log),
        "scaled": (
            oom.ScaledBackedArray(disk.X, mean, std, 1.0, norm_factors=factors, apply_log1p=True),
            np.clip((log - mean) / std, -1, 1),
        ),
        "pearson": (oom.PearsonResidualBackedArray(disk.X, counts.sum(1), counts.sum(0)), pearson),
    }


def selectors(rng, n):
    yield slice(None)
    yield slice(3, n - 2, 3)
    yield rng.permutation(n)
    yield rng.integers(0, n, 2 * n)
    yield rng.integers(-n, n, 5)
    yield rng.random(n) < 0.3
    yield np.zeros(n, dtype=bool)
    yield int(rng.integers(-n, n))


def close(found, expected):
    np.testing.assert_allclose(dense(found), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", ["raw", "normalised", "log1p", "scaled", "pearson"])
def test_selections_chunks_and_columns_agree(pair, kind):
    """Checks that slices, chunks, columns and numpy agree for random selectors, applied twice, on
    every chain and storage."""
    _, disk = pair
    array, values = chains(disk)[kind]
    rng = np.random.default_rng(1)
    close(array[:], values)
    for first in selectors(rng, 60):
        expected = np.atleast_2d(values[first])
        close(array[first], expected)
        n = len(expected)
        if n == 0:
            continue
        part = oom._kinds._SubsetBackedArray(array, first)
        close(np.concatenate([dense(c) for *_, c in part.chunked(11)]), expected)
        for second in selectors(rng, n):
            again = np.atleast_2d(expected[second])
            close(part[second], again)
            close(part[second, 3], again[:, [3]])
            if isinstance(second, slice):
                close(part[second, [4, 1, 1]], again[:, [4, 1, 1]])
        close(part[:, 7], expected[:, [7]])
        close(part.sum(axis=1), expected.sum(1))
        close(pickle.loads(pickle.dumps(part))[:], expected)


@pytest.mark.parametrize("kind", ["raw", "log1p", "scaled"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(pair, kind, axis, keepdims):
    _, disk = pair
    array, values = chains(disk)[kind]
    for name in ("sum", "mean", "var", "min", "max"):
        found = getattr(array, name)(axis=axis, keepdims=keepdims)
        expected = getattr(values, name)(axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-4, err_msg=name)
        assert np.shape(found) == np.shape(expected), name
    if kind != "scaled":
        np.testing.assert_array_equal(array.getnnz(axis=axis), np.count_nonzero(values, axis=axis))


def test_protocols(pair):
    _, disk = pair
    X, values = disk.X, dense(disk.X[:])
    assert X.ndim == 2 and len(X) == 60 and X.nnz == np.count_nonzero(values)
    np.testing.assert_array_equal(np.asarray(X), values)
    np.testing.assert_array_equal(X.toarray(), values)
    np.testing.assert_array_equal(dense(X.T), values.T)
    np.testing.assert_array_equal(dense(X.astype("float64")), values)
    assert len(list(X)) == 60
    assert X[5].shape == (1, 25) and X[:, 7].shape == (60, 1) and X[5, 7].shape == (1, 1)
    np.testing.assert_array_equal(X[[1, 2], [3, 4]], values[[1, 2], [3, 4]])
    np.testing.assert_array_equal(dense(X[np.ix_([1, 2], [3, 4])]), values[np.ix_([1, 2], [3, 4])])
    with pytest.raises(IndexError):
        X[60]
    with pytest.raises(ValueError):
        next(X.chunked(0))
    assert [(s, e) for s, e, _ in X.chunked(25)] == [(0, 25), (25, 50), (50, 60)]


def test_explicit_guard_of_arrays(pair, monkeypatch):
    monkeypatch.setattr(oom.settings, "array_limit", 100)
    with pytest.raises(MemoryError, match="array_limit"):
        np.asarray(pair[1].X)


def test_not_changed_in_place(pair):
    _, disk = pair
    for matrix, place in ((disk.X, "rich.h5ad', X"), (disk[:3].layers["counts"], "rich.h5ad', layers/counts")):
        with pytest.raises(TypeError, match=f"{place}: a matrix is not changed in place; change its values in memory"):
            matrix[0, 0] = 1


def test_shared_with_numpy(on_disk):
    X = on_disk(rich(fmt="csr")).X[:]
    assert sparse.isspmatrix_csr(X) and X.indices.dtype == X.indptr.dtype == np.int32
    X.data[:] = 0  # the buffer is ours alone
    assert X.has_sorted_indices and X.sum() == 0


def test_same_bits_for_any_number_of_threads(pair, monkeypatch):
    _, disk = pair
    array, _ = chains(disk)["log1p"]
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(oom.settings, "threads", threads)
        found.append((array.sum(axis=0), array.var(axis=1)))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][0], other[0])
        np.testing.assert_array_equal(found[0][1], other[1])


def long_pass(rows=1_500_000):
    """Makes a matrix that takes some seconds a pass and no memory: it repeats the same rows."""
    array = oom._arrays.as_backed(np.ones((2000, 500), dtype="float32"))
    return oom._kinds._SubsetBackedArray(array, np.resize(np.arange(2000), rows)).copy()


def test_interrupt_stops_a_pass():
    """Checks that Ctrl-C stops a pass, in a process of its own, and that the object can still be
    used."""
    code = f"""
import signal, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_arrays import long_pass
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
X = long_pass()
print("ready", flush=True)
try:
    for _ in range(50): X.var(axis=0)
except KeyboardInterrupt:
    print("stopped", time.time(), flush=True)
print(X[:2].shape, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    sent = time.time()
    process.send_signal(signal.SIGINT)
    word, when = process.stdout.readline().split()
    assert word == "stopped" and float(when) - sent < 1
    assert process.stdout.readline() == "(2, 500)\n"
    assert process.wait() == 0


def test_other_threads_run_meanwhile():
    """Checks that a pass holds no lock of Python: the main thread keeps ticking."""
    X = long_pass(400_000)
    worker = threading.Thread(target=lambda: [X.var(axis=0) for _ in range(10)])
    began, ticks = time.monotonic(), 0
    worker.start()
    while worker.is_alive():
        time.sleep(0.005)
        ticks += 1
    took = time.monotonic() - began
    # If the pass held the lock, there would be one tick a pass.
    assert ticks > 12 and ticks > took / 0.005 / 5


def test_dask(pair):
    _, disk = pair
    for kind in ("raw", "log1p", "scaled"):
        array, values = chains(disk)[kind]
        lazy = array.to_dask(chunk_size=17)
        assert lazy.shape == (60, 25) and lazy.chunks == ((17, 17, 17, 9), (25,)) and lazy.dtype == array.dtype
        found = lazy.compute(scheduler="threads")
        assert sparse.issparse(found) == array._m.is_sparse
        close(found, values)
        close(lazy[20:40].compute(scheduler="sync"), values[20:40])


def test_hdf5_of_others_in_one_process(pair, tmp_path):
    """Checks our HDF5, which is linked in, beside the one of h5py: both read and write in turn,
    also the same file."""
    import h5py

    _, disk = pair
    with h5py.File(tmp_path / "rich.h5ad") as f:
        values = dense(disk.X[:])
        assert f["obs"].attrs["_index"] == "barcode"
        np.testing.assert_array_equal(dense(disk.X[:]), values)
    disk.write(tmp_path / "ours.h5ad")
    with h5py.File(tmp_path / "ours.h5ad", "r+") as f:
        f["uns"].attrs["theirs"] = 1
    np.testing.assert_array_equal(dense(oom.read(tmp_path / "ours.h5ad").X[:]), values)


def test_progress_is_shown_when_a_pass_takes_long(monkeypatch):
    """Checks that a terminal gets a progress bar, that verbose = False gives none, and that stdout
    gets nothing."""
    seen = []

    class Bar:
        def __init__(self, **options):
            self.n = 0
            seen.append(options["total"])

        def update(self, n):
            self.n += n
            seen.append(self.n)

        def reset(self):
            self.n = 0

        def close(self):
            seen.append("closed")

    from anndataoom import _settings

    monkeypatch.setattr(_settings._Progress, "PATIENCE", 0.0)
    monkeypatch.setattr(_settings, "_progress", lambda: _settings._Progress(Bar) if oom.settings.verbose else None)
    # The first drawing is due after 0.2 s, so a fast machine needs longer passes until one is
    # drawn.
    for rows in (1_500_000, 6_000_000, 24_000_000, 96_000_000):
        X = long_pass(rows)
        monkeypatch.setattr(oom.settings, "verbose", False)
        X.var(axis=0)
        assert seen == []
        monkeypatch.setattr(oom.settings, "verbose", True)
        X.var(axis=0)
        if seen:
            break
    assert seen[0] == 100 and seen[-1] == "closed" and all(0 <= n <= 100 for n in seen[1:-1])


def test_an_array_behind_your_back_is_worth_a_word():
    array = oom._arrays.as_backed(np.ones((600, 500), dtype="float32"))
    with pytest.warns(UserWarning, match="600 x 500 values"):
        np.asarray(array)
