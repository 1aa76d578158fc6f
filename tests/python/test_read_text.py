"""Compares folders of count matrices as text with scanpy, with scipy and with the values written."""

import gzip
import io
import os
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import io as scipy_io
from scipy import sparse

import anndataoom as oom
from anndataoom import _scratch

CELLS, GENES = 40, 25


def counts(n=CELLS, m=GENES, seed=0):
    """Makes counts, cells x genes, some of which are empty."""
    random = np.random.default_rng(seed)
    x = sparse.random(n, m, 0.2, "csr", random_state=random, data_rvs=lambda k: random.integers(1, 90, k)).astype("i8")
    x = x.toarray()
    x[3], x[:, 5] = 0, 0
    return sparse.csr_matrix(x)


def barcodes(n=CELLS):
    return [f"ACGT{i:04}-1" for i in range(n)]


def ids(m=GENES):
    return [f"ENSG{i:05}" for i in range(m)]


def symbols(m=GENES):
    # Three equal names, and one that looks like a name made unique.
    return ["Dup", "Dup", "Dup-1", "Dup", *(f"Gene{i}" for i in range(4, m))]


def market(x, field="integer", order="columns", end="\n", comment="%comment\n"):
    """Returns the matrix `x` (genes x cells, as a rule) as Matrix Market text."""
    x = x.tocsc().tocoo() if order == "columns" else x.tocsr().tocoo()
    at = np.arange(x.nnz)
    if order == "shuffled":
        at = np.random.default_rng(1).permutation(x.nnz)
    lines = [
        f"%%MatrixMarket matrix coordinate {field} general",
        comment.strip("\n"),
        f"{x.shape[0]} {x.shape[1]} {x.nnz}",
    ]
    for i in at:
        value = "" if field == "pattern" else f" {x.data[i]}"
        lines.append(f"{x.row[i] + 1} {x.col[i] + 1}{value}")
    return end.join(line for line in lines if line) + end


def put(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def lines(*columns):
    return "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def tenx(folder, x, version=3, prefix="", types=None, zipped=None, **options):
    """Makes a folder as Cell Ranger writes it."""
    folder.mkdir(exist_ok=True)
    gz = ".gz" if (version == 3 if zipped is None else zipped) else ""
    put(folder / f"{prefix}matrix.mtx{gz}", market(x.T, **options))
    put(folder / f"{prefix}barcodes.tsv{gz}", lines(barcodes(x.shape[0])))
    m = x.shape[1]
    columns = [ids(m), symbols(m)] + ([types or ["Gene Expression"] * m] if version == 3 else [])
    put(folder / f"{prefix}{'features' if version == 3 else 'genes'}.tsv{gz}", lines(*columns))
    return folder


def same(found, expected):
    assert type(found) is oom.AnnDataOOM and found.shape == expected.shape
    x = found.X.to_memory()
    assert sparse.issparse(x) and x.format == "csr" and x.dtype == np.float32 == expected.X.dtype
    assert (x != expected.X).nnz == 0
    for axis in ("obs", "var"):
        # Frames without columns differ in the type of their missing column names.
        kinds = len(getattr(expected, axis).columns) > 0
        pd.testing.assert_frame_equal(
            getattr(found, axis), getattr(expected, axis), check_index_type=False, check_column_type=kinds
        )


TYPES = ["Gene Expression"] * (GENES - 4) + ["Antibody Capture"] * 4


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("options", [{}, {"var_names": "gene_ids"}, {"gex_only": False}])
@pytest.mark.parametrize("prefix", [None, "GSM1_a_"])
@pytest.mark.parametrize("order", ["columns", "rows", "shuffled"])
def test_as_scanpy(tmp_path, version, options, prefix, order):
    folder = tenx(tmp_path / "f", counts(), version, prefix or "", TYPES, order=order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sc.read_10x_mtx(folder, prefix=prefix, **options)
    same(oom.read_10x_mtx(folder, prefix=prefix, **options), expected)
    # It is the only one in the folder.
    same(oom.read_10x_mtx(folder, **options), expected)


def test_names_are_not_made_unique_when_not_asked(tmp_path):
    folder = tenx(tmp_path / "f", counts())
    assert list(oom.read_10x_mtx(folder, make_unique=False).var_names) == symbols()
    assert list(oom.read_10x_mtx(folder).var_names[:4]) == ["Dup", "Dup-2", "Dup-1", "Dup-3"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("field", ["integer", "real", "pattern"])
def test_fields_and_line_ends(tmp_path, field, end):
    x = counts().astype("f8")
    x.data += 0.5 if field == "real" else 0
    if field == "integer":
        x = x.astype("i8")
    folder = tenx(tmp_path / "f", x, field=field, end=end, comment="%\n%two\n" if end == "\n" else "")
    found = oom.read_10x_mtx(folder).X.to_memory()
    expected = x.copy()
    if field == "pattern":
        expected.data[:] = 1
    assert (found != expected.astype("f4")).nnz == 0


def test_numbers_of_any_form(tmp_path):
    folder = tenx(tmp_path / "f", sparse.csr_matrix(np.ones((2, 8))), zipped=False)
    text = (
        "%%matrixmarket MATRIX Coordinate Real General\n\n 8 2 11\n1 1 1.5\n 2  1\t-2e3 \n3 1 .5\n4 1 +7\n\n5 1 1E-3\n"
    )
    text += "% in between\n6 1 nan\n7 1 inf\n8 1 0\n1 2 0.1\n1 2 0.2\n8 2 123456789.25"
    (folder / "matrix.mtx").write_text(text)
    found = oom.read_10x_mtx(folder).X.to_memory().toarray()
    expected = np.zeros((2, 8), "f4")
    expected[0] = [1.5, -2000, 0.5, 7, 0.001, np.nan, np.inf, 0]
    expected[1, 0], expected[1, 7] = np.float32(0.1) + np.float32(0.2), 123456789.25
    np.testing.assert_array_equal(found, expected)


def test_whole_numbers_stay_what_they_are(tmp_path):
    x = counts()
    x.data[-1] = 2**24 + 1
    found = oom.read_10x_mtx(tenx(tmp_path / "f", x, order="shuffled")).X.to_memory()
    assert found.dtype == np.float64 and (found != x).nnz == 0
    x.data[-1] = 2**53 + 1
    with pytest.raises(ValueError, match="line .*9007199254740991"):
        oom.read_10x_mtx(tenx(tmp_path / "f", x))


@pytest.mark.parametrize("sorted_", [True, False])
def test_repeats_are_added(tmp_path, sorted_):
    folder = tenx(tmp_path / "f", sparse.csr_matrix(np.ones((3, 4))), zipped=False)
    body = [(4, 1, 5), (1, 1, 2), (4, 1, 7), (2, 3, 1), (2, 3, 1)]
    body = body if sorted_ else body[::-1] + [(1, 1, 1)]
    text = f"%%MatrixMarket matrix coordinate integer general\n4 3 {len(body)}\n"
    (folder / "matrix.mtx").write_text(text + "".join(f"{a} {b} {c}\n" for a, b, c in body))
    x = oom.read_10x_mtx(folder).X.to_memory()
    assert x.has_canonical_format and x.nnz == 3
    assert x.toarray().tolist() == [[2 + (not sorted_), 0, 0, 12], [0, 0, 0, 0], [0, 2, 0, 0]]


def layouts(tmp_path, x):
    """Yields folders of other programs, with the var and obs that they hold."""
    names = {"obs": pd.DataFrame(index=barcodes(), columns=[]), "var": pd.DataFrame(index=ids(), columns=[])}
    star = tenx(tmp_path / "star", x, zipped=False)
    yield star, pd.DataFrame({"gene_ids": ids(), "feature_types": "Gene Expression"}, symbols()), names["obs"]

    fry = tmp_path / "fry"
    fry.mkdir()
    put(fry / "quants_mat.mtx", market(x, "real", "rows"))
    put(fry / "quants_mat_rows.txt", lines(barcodes()))
    put(fry / "quants_mat_cols.txt", lines(ids()))
    yield fry, names["var"], names["obs"]

    kallisto = tmp_path / "kb"
    kallisto.mkdir()
    put(kallisto / "cells_x_genes.mtx", market(x, "real", "rows"))
    put(kallisto / "cells_x_genes.barcodes.txt", lines(barcodes()))
    put(kallisto / "cells_x_genes.genes.txt", lines(ids()))
    yield kallisto, names["var"], names["obs"]
    put(kallisto / "cells_x_genes.genes.names.txt", lines(symbols()))
    yield kallisto, pd.DataFrame({"gene_ids": ids()}, symbols()), names["obs"]

    parse = tmp_path / "parse"
    parse.mkdir()
    put(parse / "count_matrix.mtx", market(x, order="columns"))
    genes = pd.DataFrame({"gene_id": ids(), "gene_name": symbols(), "genome": "hg38"})
    genes.to_csv(parse / "all_genes.csv", index=False)
    cells = pd.DataFrame({
        "bc_wells": barcodes(),
        "sample": ['a "b", c'] * CELLS,
        "tscp_count": range(CELLS),
        "share": np.arange(CELLS) / 4,
    })  # fmt: skip
    cells.to_csv(parse / "cell_metadata.csv", index=False)
    obs = cells.set_index("bc_wells").rename_axis(None)
    yield parse, pd.DataFrame({"gene_ids": ids(), "genome": "hg38"}, symbols()), obs


def test_other_programs(tmp_path):
    x = counts()
    for folder, var, obs in layouts(tmp_path, x):
        found = oom.read_10x_mtx(folder, make_unique=False)
        assert (found.X.to_memory() != x).nnz == 0, folder
        pd.testing.assert_frame_equal(
            found.var, var, check_index_type=False, check_dtype=False, check_column_type=False
        )
        pd.testing.assert_frame_equal(
            found.obs, obs, check_index_type=False, check_dtype=False, check_column_type=False
        )


def test_a_matrix_named_itself(tmp_path):
    x, folder = counts(), tenx(tmp_path / "f", counts(), zipped=False)
    put(folder / "UniqueAndMult-EM.mtx", market(x.T * 2))
    assert (oom.read_10x_mtx(folder / "UniqueAndMult-EM.mtx").X.to_memory() != x * 2).nnz == 0
    assert (oom.read_10x_mtx(folder / "matrix.mtx").X.to_memory() != x).nnz == 0


def test_a_square_matrix_is_turned_as_its_folder_says(tmp_path):
    x = counts(20, 20)
    assert (oom.read_10x_mtx(tenx(tmp_path / "a", x)).X.to_memory() != x).nnz == 0


@pytest.mark.parametrize("order", ["columns", "shuffled"])
def test_any_memory_gives_the_same_file(tmp_path, order):
    folder = tenx(tmp_path / "f", counts(3000, 60, 2), order=order)
    memory = oom.settings.memory
    try:
        oom.read_10x_mtx(folder, to=tmp_path / "a.h5ad")
        oom.settings.memory = 1 << 20
        oom.read_10x_mtx(folder, to=tmp_path / "b.h5ad")
    finally:
        oom.settings.memory = memory
    assert (tmp_path / "a.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()
    assert (oom.read(tmp_path / "a.h5ad").X.to_memory() != counts(3000, 60, 2)).nnz == 0


def test_gzip_in_several_parts(tmp_path):
    folder, x = tenx(tmp_path / "f", counts()), counts()
    text = market(x.T).encode()
    parts = [gzip.compress(text[i : i + 100]) for i in range(0, len(text), 100)]
    (folder / "matrix.mtx.gz").write_bytes(b"".join(parts) + b"\0" * 512)
    assert (oom.read_10x_mtx(folder).X.to_memory() != x).nnz == 0


def test_kept_or_gone(tmp_path):
    folder = tenx(tmp_path / "f", counts())
    kept = oom.read_10x_mtx(folder, to=tmp_path / "kept.h5ad")
    assert os.fspath(kept.filename) == os.fspath(tmp_path / "kept.h5ad")
    assert (counts() != ad.read_h5ad(tmp_path / "kept.h5ad").X).nnz == 0
    found = oom.read_10x_mtx(folder)
    place = os.fspath(found.filename)
    assert os.path.dirname(place) == _scratch._folder()
    part = found[:10]
    del found
    assert os.path.exists(place) and part.X.to_memory().shape == (10, GENES)
    del part
    assert not os.path.exists(place)


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def wrong(tmp_path, change, error, match):
    """Checks that a folder damaged by `change` gives an error, and that no file is left."""
    folder = tenx(tmp_path / "f", counts(), zipped=False)
    change(folder)
    there = left(folder)
    before = os.listdir(_scratch._folder())
    for to in (None, tmp_path / "to.h5ad"):
        with pytest.raises(error, match=match):
            oom.read_10x_mtx(folder, to=to)
    assert os.listdir(_scratch._folder()) == before and left(folder) == there and left(tmp_path) == ["f"]


def edit(name, old, new, count=1):
    def change(folder):
        path = folder / name
        text = path.read_bytes()
        assert old in text
        path.write_bytes(text.replace(old, new, count))

    return change


def append(name, text):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + text)


def only(keep):
    return lambda folder: [p.unlink() for p in folder.iterdir() if p.name not in keep]


def zipped(data):
    def change(folder):
        text = (folder / "matrix.mtx").read_bytes()
        (folder / "matrix.mtx").write_bytes(data(gzip.compress(text)))

    return change


def replaced(name, text):
    return lambda folder: (folder / name).write_bytes(text)


SIZE = f"{GENES} {CELLS} ".encode()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            edit("matrix.mtx", b"%%MatrixMarket", b"%MatrixMarket"),
            ValueError,
            "matrix.mtx', line 1: expected '%%MatrixM",
        ),
        (
            edit("matrix.mtx", b"integer general", b"integer symmetric"),
            NotImplementedError,
            "line 1.*integer symmetric",
        ),
        (edit("matrix.mtx", b"coordinate", b"array"), NotImplementedError, "'array integer general'"),
        (edit("matrix.mtx", SIZE, b"x y "), ValueError, "line 3: expected numbers of rows, columns"),
        (edit("matrix.mtx", SIZE, b"9999999999 3 "), ValueError, "line 3: expected extents below 4294967296"),
        (
            edit("matrix.mtx", SIZE, b"7 9 "),
            ValueError,
            "25 x 40 or 40 x 25, .* features.tsv and barcodes.tsv, found 7 x 9",
        ),
        (append("matrix.mtx", b"1 1 1\n"), ValueError, "line .*: expected the end, after the .* values"),
        (edit("matrix.mtx", SIZE, SIZE + b"1"), OSError, "ends after .* of the 1.* values .* cut short"),
        (edit("matrix.mtx", SIZE, SIZE + b"1000000000000"), OSError, "ends after .* of the 1000000000000"),
        (append("matrix.mtx", b"1 x\n"), ValueError, "line .*: expected a row, a column and a value, found '1 x'"),
        (
            edit("matrix.mtx", b"\n19 1 ", b"\n0 1 "),
            ValueError,
            "a row from 1 to 25 and a column from 1 to 40, found '0 1 ",
        ),
        (append("matrix.mtx", b"1 1 1 1\n"), ValueError, "found '1 1 1 1'"),
        (append("matrix.mtx", b"9" * 70000), ValueError, "lines of at most 65536 bytes"),
        (
            replaced("matrix.mtx", b"%%MatrixMarket matrix coordinate integer general\n"),
            OSError,
            "ends before the extents",
        ),
        (replaced("matrix.mtx", b""), OSError, "ends before the extents"),
        (append("barcodes.tsv", b"more\n"), ValueError, "25 x 41 or 41 x 25.*found 25 x 40"),
        (append("features.tsv", b"more\n"), ValueError, "features.tsv', line 26: expected 3 columns between tabs"),
        (append("barcodes.tsv", b"\xff\n"), ValueError, "barcodes.tsv', line 41: expected UTF-8 text"),
        (append("barcodes.tsv", b"a\0\n"), ValueError, "barcodes.tsv', line 41: expected UTF-8 text"),
        (zipped(lambda z: z[: len(z) // 2]), OSError, "matrix.mtx'.*cut short"),
        (zipped(lambda z: z[:-8] + b"\1\1\1\1" + z[-4:]), OSError, "matrix.mtx'.*damaged gzip data"),
        (zipped(lambda z: z + b"more"), OSError, "no gzip data follows"),
        (replaced("matrix.mtx", b"BZh91AY"), OSError, "compressed with bzip2"),
        (
            only(["matrix.mtx", "features.tsv"]),
            OSError,
            "without the names of its genes or cells among features.tsv, matr",
        ),
        (only([]), OSError, "expected a folder with matrix.mtx.*found an empty folder"),
    ],
)
def test_damage_is_an_error_with_file_and_line(tmp_path, change, error, match):
    wrong(tmp_path, change, error, match)


def test_a_folder_is_explained(tmp_path):
    tenx(tmp_path / "filtered", counts())
    with pytest.raises(OSError, match="found none here, but in '.*filtered'"):
        oom.read_10x_mtx(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        oom.read_10x_mtx(tmp_path / "nowhere")
    for prefix in ("GSM1_", "GSM2_"):
        tenx(tmp_path / "geo", counts(), prefix=prefix)
    with pytest.raises(ValueError, match='prefix: expected one of the 2 in .*"GSM1_", "GSM2_"'):
        oom.read_10x_mtx(tmp_path / "geo")
    with pytest.raises(ValueError, match='prefix.*"GSM1_", "GSM2_", found "GSM3_"'):
        oom.read_10x_mtx(tmp_path / "geo", prefix="GSM3_")
    assert oom.read_10x_mtx(tmp_path / "geo", prefix="GSM2_").shape == (CELLS, GENES)


def test_bombs_take_no_memory(tmp_path):
    """Checks gzip data of a few kilobytes that expand to hundreds of megabytes."""
    import resource

    folder = tenx(tmp_path / "f", counts())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    oom.settings.memory, memory = 64 << 20, oom.settings.memory
    try:
        for name, piece, match in [
            ("matrix.mtx.gz", b"\0" * (1 << 20), "lines of at most"),
            ("barcodes.tsv.gz", b"\0" * (1 << 20), "lines of at most"),
            ("barcodes.tsv.gz", b"a\n" * (1 << 19), "barcodes.tsv.gz' needs .* limit"),
        ]:
            good = (folder / name).read_bytes()
            (folder / name).write_bytes(gzip.compress(piece) * 300)
            with pytest.raises((ValueError, MemoryError), match=match):
                oom.read_10x_mtx(folder)
            (folder / name).write_bytes(good)
    finally:
        oom.settings.memory = memory
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def test_scipy_writes_what_is_read(tmp_path):
    x, folder = counts(), tenx(tmp_path / "f", counts(), zipped=False)
    for written, field in [(x.T, "integer"), (x.T.astype("f8") / 3, "real")]:
        target = io.BytesIO()
        scipy_io.mmwrite(target, written, field=field)
        (folder / "matrix.mtx").write_bytes(target.getvalue())
        found = oom.read_10x_mtx(folder).X.to_memory()
        assert abs(found - written.T).max() < 1e-4
