"""A small file laid out as SeuratDisk's specification has it: python make_seurat.py

Needs what the Python tests need: `tests/python/test_readers.py` says how it is built, and what is in it. Writes
seurat/small.h5Seurat.
"""

import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path[:0] = [str(here.parent / "python"), str(here.parents[1] / "python")]

from test_readers import seurat  # noqa: E402

(here / "seurat").mkdir(exist_ok=True)
seurat(here / "seurat" / "small.h5Seurat")
