"""`BackedArray` and its kinds against numpy."""

import pickle

import numpy as np
import pytest
from conftest import dense, rich
from scipy import sparse

import anndataoom as oom


def chains(disk):
    """Named chains over X, each with the values numpy computes."""
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
    """Random selectors, twice over, on every chain and storage: slices, chunks, columns and numpy agree."""
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
        part = oom._arrays._SubsetBackedArray(array, first)
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


def test_interrupt_stops_a_pass(tmp_path):
    """Ctrl-C while a pass runs, in a process of its own."""
    import signal
    import subprocess
    import sys
    import time

    code = f"""
import numpy as np, sys, time
import anndataoom as oom
X = oom._arrays.as_backed(np.ones((3000, 800), dtype="float32"))
print("ready", flush=True)
try:
    while True:
        X.var(axis=0); X[:]
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    assert process.stdout.readline() == "stopped\n"
    assert time.monotonic() - start < 2
    process.wait()
