"""Compares tables of text with what scanpy reads of them."""

import csv
import gzip
import warnings

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

import anndataoom as oom


def table(n=40, m=25):
    rng = np.random.default_rng(3)
    x = rng.poisson(0.5, (n, m)).astype("f4")
    return pd.DataFrame(x, [f"c{i}" for i in range(n)], [f"g{i}" for i in range(m)])


def equal(found, x, obs, var):
    assert list(found.obs_names) == list(obs)
    assert list(found.var_names) == list(var)
    read = found.to_adata().X
    assert sparse.issparse(read) and read.dtype == np.float32
    np.testing.assert_array_equal(read.toarray(), np.asarray(x))


@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
@pytest.mark.parametrize("kind", ["plain", "gzip", "crlf", "quoted"])
def test_names_and_values(tmp_path, separator, kind):
    frame = table()
    quoting, label = (csv.QUOTE_NONNUMERIC, "name of cells") if kind == "quoted" else (csv.QUOTE_MINIMAL, "x")
    text = frame.to_csv(sep=separator, float_format="%g", quoting=quoting, index_label=label)
    text = text.replace("\n", "\r\n") if kind == "crlf" else text
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(text.encode()) if kind == "gzip" else text.encode())
    equal(oom.read(path), frame, frame.index, frame.columns)
    equal(oom.read_text(path, separator), frame, frame.index, frame.columns)
    equal(oom.read_text(path, transpose=True), frame.T, frame.columns, frame.index)


LAYOUTS = {
    "no names": "1 0 2\n0 0 3\n",
    "names of columns": "a b c\n1 0 2.5\n0 -1 3e2\n",
    "names of rows": "x 1 0 2\ny 0 0 3\n",
    "one name less": "a b c\nx 1 0 2\ny 0 0 3\n",
    "comments": "# made by hand\n# a b c\n1 0 2\n0 0 3\n",
    "blank lines": "\nname a b c\nx 1 0 2\n\ny 0 0 3\n",
    "no end": "name a b c\nx 1 0 2\ny 0 0 3",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_those_of_scanpy(tmp_path, name):
    path = tmp_path / "a.txt"
    path.write_text(LAYOUTS[name])
    text = "\n".join(line for line in LAYOUTS[name].split("\n") if line) + "\n"
    (tmp_path / "b.txt").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sc.read_text(tmp_path / "b.txt")
    equal(oom.read_text(path), expected.X, expected.obs_names, expected.var_names)


def test_large_tables_are_turned_in_pieces(tmp_path):
    x = (np.arange(2000 * 700).reshape(2000, 700) * 7919 % 11 - 7).clip(0)
    path = tmp_path / "genes.tsv"
    pd.DataFrame(x, [f"g{i}" for i in range(2000)], [f"c{i}" for i in range(700)]).to_csv(path, sep="\t")
    before = oom.settings.memory
    try:
        oom.settings.memory = 64 << 20
        found = oom.read_text(path, transpose=True, to=tmp_path / "a.h5ad")
        np.testing.assert_array_equal(found.to_adata().X.toarray(), x.T)
        assert (tmp_path / "a.h5ad").exists()
    finally:
        oom.settings.memory = before


def test_whole_numbers_stay_what_they_are(tmp_path):
    (tmp_path / "a.csv").write_text("n,a,b\nx,16777217,0.1\n")
    x = oom.read_text(tmp_path / "a.csv").to_adata().X.toarray()
    assert x.dtype == np.float64 and x.tolist() == [[16777217, 0.1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n,a,b\nx,1,2\ny,1,two\n", "line 3.*a number in the column 'b'.*two"),
        ("n,a,b\nx,1,2\ny,,2\n", "line 3.*a number in the column 'a'.*nothing"),
        ("n,a,b\nx,1,2\ny,1\n", "line 3.*2 values.*1"),
        ("n,a,b\nx,1,2\ny,1,2,3\n", "line 3.*2 values.*more"),
        ('n,a,b\nx,1,2\n"y,1,2\n', "line 3.*a closing quote"),
        ("n,a,b,c,d\nx,1,2\n", "line 1.*2 names of columns.*5"),
        ("# a title\n\nn,a,b,c,d\nx,1,2\n", "line 3.*2 names of columns.*5"),
        ("n,a,b\nx,9007199254740993,2\n", "line 2.*at most 9007199254740991"),
    ],
)
def test_errors_name_line_and_column(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        oom.read_text(tmp_path / "a.csv", to=tmp_path / "a.h5ad")
    assert not (tmp_path / "a.h5ad").exists()


def test_no_table(tmp_path):
    (tmp_path / "a.csv").write_text("only, names\n")
    with pytest.raises(OSError, match="holds no line of numbers"):
        oom.read_text(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(OSError, match="holds no line of numbers"):
        oom.read_text(tmp_path / "a.csv")
