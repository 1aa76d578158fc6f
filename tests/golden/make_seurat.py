"""Makes a small file laid out by SeuratDisk's specification: python make_seurat.py

Needs the packages that the Python tests need: `tests/python/test_readers.py` builds the file and
says what is in it. Writes seurat/small.h5Seurat.
"""

import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path[:0] = [str(here.parent / "python"), str(here.parents[1] / "python")]

from test_readers import seurat  # noqa: E402

(here / "seurat").mkdir(exist_ok=True)
seurat(here / "seurat" / "small.h5Seurat")
