"""Renders the table of formats: python table.py DIRECTORY > inst/design/formats.md

DIRECTORY holds the results that compare.py wrote, named FACE-MODE.json (`make formats` makes them).
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

from cases import CASES

HERE = Path(__file__).resolve().parent
ORDER = list(dict.fromkeys(c.encoding for c in CASES))
COLUMNS = [("copy", "kept untouched"), ("python", "read and written by Python"), ("r", "read and written by R"),
           ("select", "rows and columns selected")]

HEAD = """# Formats

What an h5ad file can hold and what becomes of it, made by `make formats` from the tests (tests/formats): anndata writes
every encoding and dtype into every slot it can stand in, Python and R read and write the files, anndata reads both and
compares. A cell says how many elements (slot by dtype) come back the same; numbers refer to the known issues below.

*kept untouched*: nobody read the element, it is copied as it is. *read and written*: it went through numpy, scipy and
pandas, or through R, whose types are fewer: values are compared there, not widths. *selected*: cells and genes in
reverse order, without being read into the language. Text of fixed length becomes text of any length, big-endian numbers
get the machine's order, and indices have 64 bits where they need them.
"""

TAIL = """
## Versions of anndata

Files that anndata 0.5, 0.6, 0.7, 0.8, 0.10, 0.12 and 0.13 wrote themselves (`tests/golden/make_versions.sh`) are read in
both languages and written as files of today: tables as compound datasets, `raw.X`, `raw.var`, `raw.cat`, categories in
`uns` or `__categories`, `h5sparse_format`. `read_10x_h5()` opens files of Cell Ranger 2 and 3, `read_h5mu()`
the modalities of files of mudata, `read_h5seurat()` assays of SeuratDisk, `read_loom()` files of loompy, each in place; `read_10x_mtx()` makes an h5ad file of
a folder with `matrix.mtx`, `read_text()` of a table. `read()` tells them apart by content.

## Filters

| filter | read | written |
|---|---|---|
| none, gzip | yes | yes |
| shuffle, fletcher32 | yes | no |
| lzf | yes | yes |
| zstd, lz4, bitshuffle (alone, with lz4, with zstd) | yes | no |
| blosc (blosclz, lz4, lz4hc, snappy, zlib, zstd; no, byte and bit shuffle) | yes | no |
| blosc2 (blosclz, lz4, lz4hc, zlib, zstd; no, byte and bit shuffle; blocks of any rank) | yes, without dictionaries and the delta filter | no |
| szip, bzip2, zfp, lzo, ... | error that names the filter | no |

All are compared with files hdf5plugin wrote (`tests/golden/make_matrix.py`). They are registered with HDF5, so that
tables and texts behind them are read as well as matrices. Elements copied untouched keep their filter.

## Zarr

Stores of version 2 and 3, in folders and zip archives, with consolidated metadata or without, with shards or a file a chunk.
Every element above that anndata can write into a store is read from there, and every one in a file is written into stores that
anndata reads (`tests/python/test_zarr.py`), but for records with arrays in them, of which zarr-python knows none. The tables of
anndata 0.7 are read too. A collection of annbatch (encoding type `annbatch-preshuffled`; version 0.1.0 tried), or a folder of
`dataset_0.h5ad`, `dataset_1.h5ad` and so on, opens as one object of its parts in the order of their numbers.

| codec | read | written |
|---|---|---|
| zstd, gzip, none; shards; vlen-utf8 | yes | yes |
| blosc (blosclz, lz4, lz4hc, snappy, zlib, zstd), zlib, lz4, shuffle, crc32c, transpose, vlen-bytes, big-endian | yes | no |
| several compressors after one another, shards within shards, bz2, lzma, zfp, delta, pickle, ... | error that names the codec | no |

## Remote files

h5ad files, Zarr stores and zip archives of these are read by URL (`https://`, `http://`, `s3://`, `gs://`, `az://`), from servers
that give ranges of bytes, with the same values as from the disk (`tests/python/test_remote.py`, `tests/testthat/test-remote.R`).
Nothing is written there.

| | `https://` | buckets |
|---|---|---|
| h5ad, h5mu, 10x h5, loom, h5Seurat, `.zarr.zip` | yes | yes |
| Zarr with consolidated metadata | yes | yes |
| Zarr without | error that says how to consolidate them | yes |
| text files and folders of them | error: download them | error |
| parts in other files (external links) | error | error |

## Where anndata moves things

Graphs that scanpy kept in `uns["neighbors"]` before there was obsp are found in obsp, as `anndata.read_h5ad` moves them
(and are written there); anndata refuses a file where they are not of the cells, which here stay in `uns`.

## Damaged files

`make test-faults` damages valid files (what elements say of their lengths, offsets, codes, shapes, types and links; the
bytes of chunks; bytes anywhere) and reads all of them with every reader in a process of its own: an error that names the
element, in bounded processor time and memory, never a crash. What was ever found is in `tests/golden/fuzz` and read again by
every run of the tests.
"""


def main(directory):
    counts = defaultdict(lambda: [0, 0])
    issues, marks = {}, defaultdict(set)
    for path in sorted(Path(directory).glob("*.json")):
        for r in json.loads(path.read_text()):
            column = r["mode"] if r["mode"] != "touch" else r["face"]
            n = counts[r["encoding"], column]
            n[0] += r["ok"]
            n[1] += 1
            if r["issue"]:
                number = issues.setdefault(r["issue"], len(issues) + 1)
                marks[r["encoding"], column].add(number)
    print(HEAD)
    print("| encoding | " + " | ".join(title for _, title in COLUMNS) + " | since anndata |")
    print("|---|" + "---|" * (len(COLUMNS) + 1))
    for encoding in ORDER:
        since = "; ".join(dict.fromkeys(c.since for c in CASES if c.encoding == encoding))
        cells = []
        for column, _ in COLUMNS:
            good, all_ = counts[encoding, column]
            notes = ", ".join(map(str, sorted(marks[encoding, column])))
            cells.append(f"{good} of {all_}" + (f" ({notes})" if notes else ""))
        print(f"| `{encoding}` | " + " | ".join(cells) + f" | {since} |")
    print("\n## Known issues\n\nKept in `tests/formats/known_issues.json`; a test fails when one of them is gone.\n")
    for issue, number in issues.items():
        print(f"{number}. {issue}")
    print(TAIL, end="")


if __name__ == "__main__":
    main(sys.argv[1])
