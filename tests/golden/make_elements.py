"""Makes the files that the tests of the rooms `store` and `element` read.

    python tests/golden/make_elements.py

Needs anndata 0.12, h5py, scipy, pandas, awkward. Writes beside itself:

    elements.h5ad          every encoding anndata 0.12 writes, in every slot it can be in
    elements_types.h5      numeric and text types that other tools write (big-endian, half, fixed strings, ...)
    elements_legacy.h5ad   the layout of anndata 0.7: dataframe 0.1.0, __categories, no encodings in uns
    elements_ancient.h5ad  the layout of anndata 0.6: compound obs and var, h5sparse_format
    elements_hostile.h5    elements whose parts contradict each other
"""

from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

HERE = Path(__file__).resolve().parent
N, M = 7, 5
ad.settings.allow_write_nullable_strings = True

try:
    import awkward as ak
except ImportError:  # the awkward element is optional
    ak = None


def counts(dtype, fmt):
    dense = np.zeros((N, M), dtype=dtype)
    for i in range(N):
        for j in range(M):
            if (i * M + j) % 3 == 0:
                dense[i, j] = (i * M + j) % 2 if dtype == bool else i * M + j + 1
    return fmt(dense)


def frame(n, prefix):
    codes = np.arange(n) % 3
    df = pd.DataFrame(
        {
            "float32": np.arange(n, dtype="f4") / 4,
            "float64": np.arange(n, dtype="f8") / 8,
            "int8": np.arange(n, dtype="i1") - 3,
            "int64": np.arange(n, dtype="i8") * 2**40,
            "uint16": np.arange(n, dtype="u2") * 9000,
            "bool": np.arange(n) % 2 == 0,
            "text": [f"τext {i}" if i else "" for i in range(n)],
            "category": pd.Categorical.from_codes(codes, ["b", "a", "ü", "unused"]),
            "ordered": pd.Categorical.from_codes(codes - 1, ["low", "mid", "high"], ordered=True),
            "numbers": pd.Categorical.from_codes(codes, [10, 5, 7]),
            "nullable_int": pd.array([None if i == 1 else i for i in range(n)], dtype="Int32"),
            "nullable_bool": pd.array([None if i == 2 else i % 2 == 0 for i in range(n)], dtype="boolean"),
        },
        index=[f"{prefix}_{i}" for i in range(n)],
    )
    return df


def modern():
    obs, var = frame(N, "cell"), frame(M, "gene")
    var.index.name = "gene_id"
    obs = obs[["text", *[c for c in obs.columns if c != "text"]]]  # not alphabetical
    a = ad.AnnData(
        X=counts("f4", sparse.csr_matrix),
        obs=obs,
        var=var,
        obsm={
            "X_pca": np.arange(N * 3, dtype="f4").reshape(N, 3),
            "half": np.arange(N * 2, dtype="f2").reshape(N, 2),
            "table": frame(N, "cell")[["float64", "category"]],
            "sparse": counts("i4", sparse.csr_matrix),
            "cube": np.arange(N * 2 * 2, dtype="i2").reshape(N, 2, 2),
            "no_columns": np.zeros((N, 0), dtype="f8"),
        },
        varm={"PCs": np.arange(M * 2, dtype="f8").reshape(M, 2)},
        obsp={"distances": sparse.csr_matrix(np.eye(N, dtype="f8") * 2)},
        varp={"dense": np.arange(M * M, dtype="u1").reshape(M, M)},
        layers={
            "csc": counts("i8", sparse.csc_matrix),
            "dense": counts("f8", np.asarray),
            "bool": counts(bool, sparse.csr_matrix),
        },
        uns={
            "int": 7,
            "float": 2.5,
            "float32": np.float32(1.5),
            "bool": True,
            "complex": np.complex128(1 - 2j),
            "text": "näme",
            "empty_text": "",
            "none": None,
            "nested": {"deep": {"deeper": {"x": np.arange(3)}}, "empty": {}},
            "strings": np.array(["a", "", "ccc"], dtype=object),
            "strings_2d": np.array([["a", "b"], ["c", "d"]], dtype=object),
            "no_strings": np.array([], dtype=object),
            "complex_array": np.array([1 + 2j, 3 - 4j], dtype="c8"),
            "no_numbers": np.zeros(0, dtype="f4"),
            "records": np.array(
                [(1, 0.5, "x"), (2, 1.5, "yy")], dtype=[("i", "i4"), ("f", "f8"), ("s", "U4")]
            ),
            "table": pd.DataFrame({"b": [1, 2], "a": [True, False]}, index=pd.Index([10, 20], name="key")),
            "no_rows": pd.DataFrame({"x": np.zeros(0)}, index=pd.Index([], dtype=object)),
            "no_columns": pd.DataFrame(index=["r0", "r1"]),
            "category": pd.Categorical(["u", None, "v"], categories=["v", "u"]),
            "nullable_text": pd.array([None if i == 3 else f"s{i}" for i in range(N)], dtype="string"),
            "sparse": sparse.csr_matrix((0, 4), dtype="f4"),
            "no_categories": pd.Categorical.from_codes([-1, -1], categories=np.array([], dtype=object)),
        },
    )
    a.raw = a.copy()
    if ak is not None:
        a.obsm["awkward"] = ak.Array([[1, 2], [], [3], [4, 5, 6], [], [], [7]])
    a.write_h5ad(HERE / "elements.h5ad", compression="gzip")


def types():
    with h5py.File(HERE / "elements_types.h5", "w", libver="latest") as f:
        f.attrs["encoding-type"], f.attrs["encoding-version"] = "dict", "0.1.0"

        def put(name, data, encoding="array", **kwargs):
            d = f.create_dataset(name, data=data, **kwargs)
            d.attrs["encoding-type"], d.attrs["encoding-version"] = encoding, "0.2.0"
            return d

        for kind in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]:
            for order in "<>":
                put(f"{'le' if order == '<' else 'be'}_{kind}", np.arange(4).astype(order + kind))
        put("be_bool", np.array([True, False]))
        put("be_complex", np.array([1 + 2j, 3 - 4j], dtype=">c16"))
        put("extremes_i8", np.array([-(2**63), 2**63 - 1]))
        put("extremes_u8", np.array([0, 2**64 - 1], dtype="u8"))
        put("nan_inf", np.array([np.nan, np.inf, -np.inf, -0.0]))
        put("zero_d", np.array(3, dtype="i2"))
        colour = h5py.enum_dtype({"RED": 3, "BLUE": 1}, basetype="u1")
        put("enumeration", np.array([3, 1], dtype="u1"), dtype=colour)
        # A bool as an enumeration of unsigned bytes, with the members in the other order.
        put("uint8_bool", np.array([1, 0, 1], dtype="u1"), dtype=h5py.enum_dtype({"TRUE": 1, "FALSE": 0}, basetype="u1"))
        put("fixed_ascii", np.array([b"abc", b"", b"abcde"], dtype="S5"), "string-array")
        utf8 = np.array(["é".encode(), b"", b"abcd"], dtype=h5py.string_dtype("utf-8", 6))
        put("fixed_utf8", utf8, "string-array")
        put("variable_ascii", np.array([b"x", b"", b"yz"], dtype=object), "string-array", dtype=h5py.string_dtype("ascii"))
        space = h5py.h5t.C_S1.copy()
        space.set_size(4)
        space.set_strpad(h5py.h5t.STR_SPACEPAD)
        d = h5py.h5d.create(f.id, b"space_padded", space, h5py.h5s.create_simple((2,)))
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([b"ab  ", b"c   "], dtype="S4"), space)
        f["space_padded"].attrs["encoding-type"], f["space_padded"].attrs["encoding-version"] = "string-array", "0.2.0"
        put("fixed_scalar", np.bytes_(b"hello"), "string")
        put("bytes", np.void(b"a\x00\xffb").tobytes(), "bytes", dtype="S4")
        put("array_scalar_like", np.array([4.5]), "numeric-scalar")
        records = np.zeros(3, dtype=[("x", ">i2"), ("name", "S3"), ("grid", "f4", (2, 2)), ("flag", "?"), ("z", "c8")])
        records["x"], records["name"] = [1, 2, 3], [b"a", b"bb", b"ccc"]
        records["grid"], records["flag"], records["z"] = np.arange(12).reshape(3, 2, 2), [True, False, True], [1, 1j, 0]
        put("records", records, "rec-array")
        text = f.create_group("int64_indices")
        text.attrs["encoding-type"], text.attrs["encoding-version"] = "csc_matrix", "0.1.0"
        text.attrs["shape"] = np.array([3, 2])
        text["data"], text["indices"], text["indptr"] = np.array([1, 2], "u2"), np.array([0, 2], "i8"), np.array([0, 1, 2], "i8")
        # No columns; h5py writes an empty list as float64.
        wide = f.create_group("wide")
        wide.attrs["encoding-type"], wide.attrs["encoding-version"] = "dataframe", "0.2.0"
        wide.attrs["column-order"], wide.attrs["_index"] = [], "_index"
        wide["_index"] = np.array(["a"], dtype=object)
        wide["_index"].attrs["encoding-type"], wide["_index"].attrs["encoding-version"] = "string-array", "0.2.0"
        ordered = f.create_group("in_order", track_order=True)
        for key in "zay":
            ordered[key] = 1
        f["soft"] = h5py.SoftLink("/le_i4")
        f["dangling"] = h5py.SoftLink("/nowhere")
        f["plain/group/x"] = 5


def legacy():
    """Writes the layout of anndata 0.7, with encodings on dataframes and matrices only."""
    with h5py.File(HERE / "elements_legacy.h5ad", "w") as f:
        x = f.create_group("X")
        m = counts("f4", sparse.csr_matrix)
        x.attrs["encoding-type"], x.attrs["encoding-version"], x.attrs["shape"] = "csr_matrix", "0.1.0", m.shape
        x["data"], x["indices"], x["indptr"] = m.data, m.indices, m.indptr
        for slot, n, prefix in [("obs", N, "cell"), ("var", M, "gene")]:
            g = f.create_group(slot)
            g.attrs["encoding-type"], g.attrs["encoding-version"] = "dataframe", "0.1.0"
            g.attrs["column-order"] = np.array(["group", "score"], dtype=object)
            g.attrs["_index"] = "names"
            g["names"] = np.array([f"{prefix}_{i}" for i in range(n)], dtype=object)
            g["score"] = np.arange(n) / 2
            g["group"] = (np.arange(n) % 2).astype("i1")
            c = g.create_dataset("__categories/group", data=np.array(["b", "a"], dtype=object))
            c.attrs["ordered"] = True
            g["group"].attrs["categories"] = c.ref  # an object reference, as anndata wrote it
        f["uns/params/n"] = 15
        f["uns/params/method"] = "umap"
        f["uns/colors"] = np.array(["#fff", "#000"], dtype=object)
        f["obsm/X_pca"] = np.arange(N * 2, dtype="f4").reshape(N, 2)


def ancient():
    """Writes the layout of anndata 0.6: one compound dataset per table, with the categories of obs
    in uns."""
    with h5py.File(HERE / "elements_ancient.h5ad", "w") as f:
        m = counts("f4", sparse.csr_matrix)
        x = f.create_group("X")
        x.attrs["h5sparse_format"], x.attrs["h5sparse_shape"] = "csr", m.shape
        x["data"], x["indices"], x["indptr"] = m.data, m.indices, m.indptr
        obs = np.zeros(N, dtype=[("index", "S7"), ("group", "i1"), ("score", "f4")])
        obs["index"], obs["group"], obs["score"] = [f"cell_{i}" for i in range(N)], np.arange(N) % 2, np.arange(N)
        f["obs"] = obs
        var = np.zeros(M, dtype=[("index", h5py.string_dtype())])
        var["index"] = [f"gene_{i}" for i in range(M)]
        f["var"] = var
        f["uns/group_categories"] = np.array(["b", "a"], dtype=object)
        f["obsm"] = np.array([((1.0, 2.0),)] * N, dtype=[("X_pca", "f4", (2,))])


def hostile():
    with h5py.File(HERE / "elements_hostile.h5", "w") as f:

        def group(name, encoding, version="0.1.0", **attrs):
            g = f.create_group(name)
            g.attrs["encoding-type"], g.attrs["encoding-version"] = encoding, version
            for k, v in attrs.items():
                g.attrs[k.replace("__", "-")] = v
            return g

        def matrix(name, data, indices, indptr, shape, encoding="csr_matrix"):
            g = group(name, encoding, shape=shape)
            g["data"], g["indices"], g["indptr"] = np.array(data, "f4"), np.array(indices, "i4"), np.array(indptr, "i8")

        matrix("indices_too_large", [1, 2], [0, 5], [0, 1, 2], (2, 3))
        matrix("indices_negative", [1, 2], [0, -1], [0, 1, 2], (2, 3))
        matrix("indptr_descends", [1, 2], [0, 1], [0, 2, 1, 2], (3, 3))
        matrix("indptr_negative", [1, 2], [0, 1], [0, -5, 2], (2, 3))
        matrix("indptr_past_end", [1, 2], [0, 1], [0, 1, 9], (2, 3))
        matrix("indptr_not_zero", [1, 2], [0, 1], [1, 1, 2], (2, 3))
        matrix("indptr_short", [1, 2], [0, 1], [0, 2], (2, 3))
        matrix("indices_short", [1, 2], [0], [0, 1, 2], (2, 3))
        matrix("shape_negative", [1, 2], [0, 1], [0, 1, 2], (-2, 3))
        matrix("shape_absurd", [1, 2], [0, 1], [0, 1, 2], (2**62, 3))
        matrix("shape_overflows", [1, 2], [0, 1], [0, 1, 2], (2**63 - 1, 2**31 - 1))
        matrix("shape_three", [1, 2], [0, 1], [0, 1, 2], (2, 3, 4))
        g = group("no_shape", "csr_matrix")
        g["data"], g["indices"], g["indptr"] = np.ones(1, "f4"), np.zeros(1, "i4"), np.array([0, 1])
        g = group("no_indptr", "csr_matrix", shape=(1, 1))
        g["data"], g["indices"] = np.ones(1, "f4"), np.zeros(1, "i4")
        g = group("indices_float", "csr_matrix", shape=(1, 1))
        g["data"], g["indices"], g["indptr"] = np.ones(1, "f4"), np.zeros(1, "f4"), np.array([0, 1])
        g = group("data_text", "csr_matrix", shape=(1, 1))
        g["data"], g["indices"], g["indptr"] = np.array([b"x"], "S1"), np.zeros(1, "i4"), np.array([0, 1])

        def categorical(name, codes, categories):
            g = group(name, "categorical", "0.2.0", ordered=False)
            g["codes"] = codes
            g["categories"] = categories
            g["categories"].attrs["encoding-type"], g["categories"].attrs["encoding-version"] = "string-array", "0.2.0"

        names = np.array(["a", "b"], dtype=object)
        categorical("code_too_large", np.array([0, 2], "i1"), names)
        categorical("code_negative", np.array([0, -2], "i1"), names)
        categorical("code_huge", np.array([0, 2**40], "i8"), names)
        categorical("codes_float", np.array([0.0, 1.0]), names)
        categorical("codes_2d", np.zeros((2, 2), "i1"), names)

        g = group("mask_short", "nullable-integer")
        g["values"], g["mask"] = np.arange(3), np.array([True, False])
        g = group("mask_not_bool", "nullable-integer")
        g["values"], g["mask"] = np.arange(2), np.array([0, 7])

        def table(name, lengths, order, index="_index"):
            g = group(name, "dataframe", "0.2.0", column__order=order, _index=index)
            for k, n in lengths.items():
                g[k] = np.arange(n)
                g[k].attrs["encoding-type"], g[k].attrs["encoding-version"] = "array", "0.2.0"
            return g

        table("column_short", {"_index": 3, "a": 3, "b": 2}, ["a", "b"])
        table("column_missing", {"_index": 3, "a": 3}, ["a", "b"])
        table("column_twice", {"_index": 3, "a": 3}, ["a", "a"])
        table("index_missing", {"a": 3}, ["a"])
        g = table("column_unknown", {"_index": 3, "a": 3}, ["a", "b"])
        g["b"] = np.arange(3)
        g["b"].attrs["encoding-type"], g["b"].attrs["encoding-version"] = "from-the-future", "9.0.0"
        g = table("column_2d", {"_index": 3}, ["a"])
        g["a"] = np.zeros((3, 2))

        g = group("newer", "array", "0.9.0")
        f["encoding_not_text"] = 1
        f["encoding_not_text"].attrs["encoding-type"] = 5
        d = f.create_dataset("absurd_size", shape=(2**40,), dtype="f8", chunks=(1024,), compression="gzip")
        d.attrs["encoding-type"], d.attrs["encoding-version"] = "array", "0.2.0"
        d = f.create_dataset("absurd_texts", shape=(2**40,), dtype=h5py.string_dtype(), chunks=(1024,))
        d.attrs["encoding-type"], d.attrs["encoding-version"] = "string-array", "0.2.0"
        d = f.create_dataset("not_utf8", data=np.array([b"ok", b"\xe9t\xe9"], dtype="S3"))
        d.attrs["encoding-type"], d.attrs["encoding-version"] = "string-array", "0.2.0"
        d = f.create_dataset("text_as_number", data=np.array([b"12"], dtype="S2"))
        d.attrs["encoding-type"], d.attrs["encoding-version"] = "numeric-scalar", "0.2.0"
        d = f.create_dataset("numbers_as_text", data=np.arange(3))
        d.attrs["encoding-type"], d.attrs["encoding-version"] = "string-array", "0.2.0"
        d = f.create_dataset("array_as_dict", data=np.arange(3))
        d.attrs["encoding-type"], d.attrs["encoding-version"] = "dict", "0.1.0"
        group("dict_as_array", "array", "0.2.0")
        g = group("loop", "dict")
        g["again"] = g
        g = group("bomb", "dict")
        for i in range(40):
            child = g.create_group("a")
            child.attrs["encoding-type"], child.attrs["encoding-version"] = "dict", "0.1.0"
            g["b"] = child
            g = child


if __name__ == "__main__":
    modern()
    types()
    legacy()
    ancient()
    hostile()
    for path in sorted(HERE.glob("elements*")):
        print(path.name, path.stat().st_size)
