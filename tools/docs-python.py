"""Writes the reference of the Python package from its docstrings:

    docs-python.py FOLDER

Uses no network.
"""

import sys
from pathlib import Path

import pdoc

import anndataoom

pdoc.render.configure(docformat="numpy", search=False, show_source=False)
folder = Path(sys.argv[1])
pdoc.pdoc("anndataoom", output_directory=folder)
print(f"{len(anndataoom.__all__)} names of anndataoom {anndataoom.__version__}: {folder / 'index.html'}")
