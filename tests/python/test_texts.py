"""Compares texts of h5ad files with h5py's, for all arrangements of their heaps in the file."""

import h5py
import numpy as np
import pytest
from conftest import EXAMPLE

import anndataoom as oom

N = 3000


def words(seed, n=N):
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnop\u00e4\u00df\u4e2d\U0001f9ec"))
    return ["".join(rng.choice(letters, rng.integers(0, 40))) for _ in range(n)]


def column(path, make):
    """Makes an h5ad file with a column of texts that `make` writes. Returns the texts that h5py
    reads."""
    with h5py.File(EXAMPLE) as example, h5py.File(path, "w") as f:
        for name, value in example.attrs.items():
            f.attrs[name] = value
        for axis, n in (("obs", N), ("var", 2)):
            group = f.create_group(axis)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            group.attrs["column-order"] = np.array(["x"] if axis == "obs" else [], dtype=h5py.string_dtype())
            index = group.create_dataset("_index", data=[f"{axis}{i}" for i in range(n)], dtype=h5py.string_dtype())
            index.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        x = make(f["obs"])
        x.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    with h5py.File(path) as f:
        return [x.decode() for x in f["obs/x"][:]]


def whole(group):
    return group.create_dataset("x", data=words(0), dtype=h5py.string_dtype())


def chunks_in_any_order(group):
    x = group.create_dataset("x", (N,), dtype=h5py.string_dtype(), chunks=(100,), compression="gzip")
    values = words(1)
    for start in np.random.default_rng(2).permutation(N // 100) * 100:
        x[start : start + 100] = values[start : start + 100]
    return x


def one_by_one_in_any_order(group):
    x = group.create_dataset("x", (N,), dtype=h5py.string_dtype())
    values = words(3)
    for i in np.random.default_rng(4).permutation(N):
        x[i] = values[i]
    return x


def written_again(group):
    x = whole(group)
    x[::3] = words(5, N // 3)
    return x


def never_written(group):
    x = group.create_dataset("x", (N,), dtype=h5py.string_dtype(), chunks=(500,))
    x[700:900] = words(6, 200)
    return x


def long_ones(group):
    values = words(7)
    values[6], values[2000] = "x" * 100_000, "y" * (17 << 20)
    return group.create_dataset("x", data=values, dtype=h5py.string_dtype())


def none_at_all(group):
    return group.create_dataset("x", data=[""] * N, dtype=h5py.string_dtype())


WAYS = [
    whole, chunks_in_any_order, one_by_one_in_any_order, written_again, never_written, long_ones,
    none_at_all,
]  # fmt: skip


@pytest.mark.parametrize("make", WAYS, ids=lambda make: make.__name__)
def test_texts_are_those_of_the_file(tmp_path, make):
    expected = column(tmp_path / "a.h5ad", make)
    adata = oom.read(tmp_path / "a.h5ad")
    assert adata.obs["x"].tolist() == expected
    some = np.random.default_rng(8).permutation(N)[:1500]
    assert adata[some].obs["x"].tolist() == [expected[i] for i in some]
    assert adata[100:1900].obs["x"].tolist() == expected[100:1900]


def test_a_damaged_heap_is_an_error_that_says_so(tmp_path):
    path = tmp_path / "a.h5ad"
    column(path, whole)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"GCOL")
    # The length of the first object of the last heap.
    content[at + 24 : at + 32] = (2**63).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"'x' is left out: .*a\.h5ad.*'obs/x'.*damaged heap of texts"):
        assert "x" not in oom.read(path).obs
